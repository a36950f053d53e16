/* prepared.c - convolutions whose weights were made ready before, of every geometry: pooled 2 x 2 and otherwise, few
   channels and many, strides, dilations, groups, padding. */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "check_kernels/check.h"

/* in[0]: images, in[1]: kernel, in[2]: bias; size[0]: bias, size[1]: relu */
static void run_prepared(const peri_kernels *k, check_case *c) {
  const peri_conv_pool *g = c->options;
  void *weights = peri_alloc((size_t)k->conv_prepare_size(g));
  c->status = k->conv_prepare(g, c->in[1].data, weights);
  if (c->status == PERI_OK)
    c->status = k->conv_prepared(g, c->in[0].data, weights, c->size[0] ? c->in[2].data : NULL, (int)c->size[1], c->out[0].data);
  peri_free(weights);
}

static peri_conv_pool make(int64_t pool) {
  peri_conv_pool p = {.pool_h = pool, .pool_w = pool};
  peri_window *g = &p.conv;
  do {
    int64_t groups = check_integer(1, 4) == 1 ? check_integer(2, 3) : 1;
    *g = (peri_window){.n = check_integer(1, 5), .h = check_integer(4, 15), .w = check_integer(4, 15),
                       .c = groups * check_integer(1, 5), .oc = groups * check_integer(1, 40), .kh = check_integer(1, 5),
                       .kw = check_integer(1, 5), .stride_h = check_integer(1, 2), .stride_w = check_integer(1, 2),
                       .dil_h = check_integer(1, 2), .dil_w = check_integer(1, 2), .groups = groups};
    int64_t more_h = check_integer(0, g->kh - 1), more_w = check_integer(0, g->kw - 1);
    g->pad_top = more_h / 2;
    g->pad_left = more_w / 2;
    int64_t room_h = g->h + more_h - g->dil_h * (g->kh - 1) - 1, room_w = g->w + more_w - g->dil_w * (g->kw - 1) - 1;
    g->oh = room_h < 0 ? 0 : room_h / g->stride_h + 1;
    g->ow = room_w < 0 ? 0 : room_w / g->stride_w + 1;
    p.ph = g->oh / pool;
    p.pw = g->ow / pool;
  } while (p.ph < 1 || p.pw < 1);
  return p;
}

static void check_one(const peri_conv_pool *p, int options, double poison) {
  const peri_window *g = &p->conv;
  check_case c;
  check_begin(&c, "conv_prepared", run_prepared);
  c.options = p;
  c.size[0] = options & 1, c.size[1] = p->pool_h > 1 || options >> 1 & 1;
  snprintf(c.shape, sizeof c.shape, "n %d, %dx%dx%d to %dx%dx%d, kernel %dx%d, stride %d %d, groups %d, pool %d", (int)g->n,
           (int)g->h, (int)g->w, (int)g->c, (int)g->oh, (int)g->ow, (int)g->oc, (int)g->kh, (int)g->kw, (int)g->stride_h,
           (int)g->stride_w, (int)g->groups, (int)p->pool_h);
  check_in(&c, g->n * g->h * g->w * g->c, -1, 1, 0);
  check_in(&c, g->kh * g->kw * g->c / g->groups * g->oc, -1, 1, 0);
  check_in(&c, g->oc, -1, 1, 0);
  c.rel = 2e-6;
  c.abs = 1e-5 * (sqrt((double)(g->kh * g->kw * g->c / g->groups)) / 3 + 0.3); /* as for winograd.c */
  if (poison != 0) check_set(&c.in[0], check_integer(0, g->n * g->h * g->w * g->c - 1), poison);
  check_out(&c, CHECK_REAL, g->n * p->ph * p->pw * g->oc);
  check_case_run(&c);
}

/* One image, of so much work that its outputs or its rows are cut for the threads. */
static peri_conv_pool make_single(int64_t pool) {
  int64_t few = check_integer(0, 1), size = few ? check_integer(24, 31) : check_integer(9, 14);
  peri_conv_pool p = {.pool_h = pool, .pool_w = pool};
  p.conv = (peri_window){.n = 1, .h = size, .w = size, .c = few ? 1 : check_integer(24, 40),
                         .oc = few ? check_integer(32, 48) : check_integer(65, 150), .kh = 3, .kw = 3, .stride_h = 1,
                         .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1, .oh = size - 2, .ow = size - 2};
  p.ph = p.conv.oh / pool;
  p.pw = p.conv.ow / pool;
  return p;
}

/* Images of one channel: rows of an odd and of an even number of places, any number of outputs, with a border or none. */
static peri_conv_pool make_plane(void) {
  int64_t h = check_integer(3, 30), w = check_integer(4, 30), pad = check_integer(0, 1);
  peri_conv_pool p = {.pool_h = 1, .pool_w = 1};
  p.conv = (peri_window){.n = check_integer(1, 3), .h = h, .w = w, .c = 1, .oc = check_integer(8, 56), .kh = 3, .kw = 3,
                         .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1, .pad_top = pad, .pad_left = pad,
                         .oh = h - 2 + 2 * pad, .ow = w - 2 + 2 * pad};
  p.ph = p.conv.oh;
  p.pw = p.conv.ow;
  return p;
}

void check_ready(void) {
  if (!CHECK_OWN(conv_prepared)) return;
  for (int i = 0; i < 120; i++) {
    peri_conv_pool p = make(1 + i % 3);
    check_one(&p, i >> 1 & 3, i % 10 == 9 ? NAN : i % 10 == 8 ? INFINITY : 0);
  }
  for (int i = 0; i < 24; i++) {
    peri_conv_pool p = make_single(1 + i % 2);
    check_one(&p, i >> 1 & 3, i % 10 == 9 && p.conv.c == 1 ? NAN : 0); /* Winograd's tiles spread it: winograd.c */
  }
  for (int i = 0; i < 40; i++) {
    peri_conv_pool p = make_plane();
    check_one(&p, i & 3, i % 10 == 9 ? NAN : i % 10 == 8 ? INFINITY : 0);
  }
}
