/* winograd.c - convolutions with 3 x 3 kernels, sizes at which Winograd's filtering is chosen: every tile shape
   and edge, held against the reference in proportion to the size of the outputs.

   A sum of `terms` products of numbers in [-1, 1) is about sqrt(terms) / 3, of numbers in [0, 1) about
   terms / 4. Allowed is ERROR of that; the plain sum's own rounding is about 1e-6 of it. */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "check_kernels/check.h"

#define ERROR 1e-5

static double allowed(int64_t terms, int positive) {
  return ERROR * (positive ? (double)terms / 4 : sqrt((double)terms) / 3 + 0.3);
}

static const peri_window *geometry(const check_case *c) { return c->options; }

static peri_conv_pool pooled(const peri_window *g) {
  return (peri_conv_pool){.conv = *g, .pool_h = 2, .pool_w = 2, .ph = g->oh / 2, .pw = g->ow / 2};
}

/* in[0]: images or gradient, in[1]: kernel, in[2]: bias; size[0]: bias, size[1]: relu */
static const void *bias_of(const check_case *c) { return c->size[0] ? c->in[2].data : NULL; }
static void run_conv(const peri_kernels *k, check_case *c) {
  c->status = k->conv(geometry(c), c->in[0].data, c->in[1].data, bias_of(c), (int)c->size[1], c->out[0].data);
}
static void run_input(const peri_kernels *k, check_case *c) {
  c->status = k->conv_backward_input(geometry(c), c->in[0].data, c->in[1].data, c->out[0].data);
}
static void run_kernel(const peri_kernels *k, check_case *c) {
  c->status = k->conv_backward_kernel(geometry(c), c->in[0].data, c->in[3].data, c->out[0].data,
                                      c->size[0] ? c->out[1].data : NULL);
}
static void run_pool(const peri_kernels *k, check_case *c) {
  peri_conv_pool p = pooled(geometry(c));
  c->status = k->conv_pool(&p, c->in[0].data, c->in[1].data, bias_of(c), c->out[0].data, c->out[1].data);
}

/* size[2]: 1 or 2, the pooling; size[3]: the images that the weights are made ready for */
static void run_prepared(const peri_kernels *k, check_case *c) {
  peri_conv_pool p = pooled(geometry(c)), ready;
  if (c->size[2] == 1) p.pool_h = p.pool_w = 1, p.ph = p.conv.oh, p.pw = p.conv.ow;
  ready = p;
  ready.conv.n = c->size[3];
  void *weights = peri_alloc((size_t)k->conv_prepare_size(&ready));
  c->status = k->conv_prepare(&ready, c->in[1].data, weights);
  if (c->status == PERI_OK)
    c->status = k->conv_prepared(&p, c->in[0].data, weights, bias_of(c), (int)c->size[1], c->out[0].data);
  peri_free(weights);
}

static void begin(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *),
                  const peri_window *g, int64_t inputs, int positive, int options) {
  double low = positive ? 0 : -1;
  check_begin(c, entry, run);
  c->options = g;
  c->operands = 3;
  c->either = 1;
  c->size[0] = options & 1, c->size[1] = options >> 1 & 1;
  snprintf(c->shape, sizeof c->shape, "winograd: n %d, %dx%dx%d to %dx%dx%d, pad %d %d%s", (int)g->n, (int)g->h,
           (int)g->w, (int)g->c, (int)g->oh, (int)g->ow, (int)g->oc, (int)g->pad_top, (int)g->pad_left,
           positive ? ", positive" : "");
  check_in(c, inputs, low, 1, 0);
  check_in(c, 9 * g->c * g->oc, low, 1, 0);
  check_in(c, g->oc, low, 1, 0);
  c->rel = 2e-6;
  c->abs = allowed(9 * g->c, positive);
}

static int64_t images(const peri_window *g) { return g->n * g->h * g->w * g->c; }
static int64_t outputs(const peri_window *g) { return g->n * g->oh * g->ow * g->oc; }

/* Each winner must be (nearly) the largest of its cell, and stand for nothing where none is above 0. */
static void check_winners(const peri_window *g, int positive) {
  peri_conv_pool p = pooled(g);
  peri_window whole = *g;
  check_case c;
  begin(&c, "conv_pool", run_pool, g, images(g), positive, 1);
  check_out(&c, CHECK_REAL, g->n * p.ph * p.pw * g->oc);
  check_out(&c, CHECK_U8, c.out[0].n);
  check_out(&c, CHECK_REAL, outputs(g));
  run_pool(check_fast, &c);
  check_reference->conv(&whole, c.in[0].data, c.in[1].data, c.in[2].data, 0, c.out[2].data);
  int wrong = 0;
  for (int64_t i = 0; i < c.out[0].n && !wrong; i++) {
    int64_t o = i % g->oc, x = i / g->oc % p.pw * 2, y = i / g->oc / p.pw % p.ph * 2, n = i / g->oc / p.pw / p.ph;
    double rounding = check_bf16 ? 0x1p-8 / ERROR : 1; /* the places here are not those of rounded operands */
    double place[4], most = 0, near = 2 * c.abs * rounding + 1e-5 * fabs(check_get(&c.out[0], i));
    for (int k = 0; k < 4; k++) {
      place[k] = check_get(&c.out[2], ((n * g->oh + y + k / 2) * g->ow + x + k % 2) * g->oc + o);
      most = place[k] > most ? place[k] : most;
    }
    int winner = (int)check_get(&c.out[1], i);
    wrong = winner == 255 ? most > near || check_get(&c.out[0], i) != 0 : winner > 3 || place[winner] < most - near;
    if (wrong) check_fail(&c, "winner %d at %lld: of %g %g %g %g", winner, (long long)i, place[0], place[1], place[2],
                          place[3]);
  }
  check_case_free(&c);
}

static void check_forward(const peri_window *g, int positive, int options) {
  peri_conv_pool p = pooled(g);
  check_case c;
  begin(&c, "conv", run_conv, g, images(g), positive, options);
  check_out(&c, CHECK_REAL, outputs(g));
  check_case_run(&c);
  if (p.ph == 0 || p.pw == 0) return;
  begin(&c, "conv_pool", run_pool, g, images(g), positive, options);
  check_out(&c, CHECK_REAL, g->n * p.ph * p.pw * g->oc);
  check_out(&c, CHECK_U8, c.out[0].n);
  c.ignore = 2; /* nearly equal places; check_winners looks at them */
  check_case_run(&c);
  check_winners(g, positive);
}

static void check_prepared(const peri_window *g, int options) {
  peri_conv_pool p = pooled(g);
  check_case c;
  for (int pool = 1; pool <= (p.ph && p.pw ? 2 : 1); pool++)
    for (int64_t n = 1; n <= 100; n += 99) {
      begin(&c, "conv_prepared", run_prepared, g, images(g), 0, options);
      c.size[2] = pool, c.size[3] = n;
      check_out(&c, CHECK_REAL, pool == 2 ? g->n * p.ph * p.pw * g->oc : outputs(g));
      check_case_run(&c);
    }
}

static void check_backward(const peri_window *g, int positive) {
  check_case c;
  begin(&c, "conv_backward_kernel", run_kernel, g, images(g), positive, g->n & 1);
  check_in(&c, outputs(g), positive ? 0 : -1, 1, 0);
  c.operands = 1 << 0 | 1 << 3;
  c.unrounded = 1 << 1; /* the bias's */
  check_out(&c, CHECK_REAL, 9 * g->c * g->oc);
  check_out(&c, CHECK_REAL, g->oc);
  c.abs = allowed(g->n * g->oh * g->ow, positive);
  check_case_run(&c);
  begin(&c, "conv_backward_input", run_input, g, outputs(g), positive, 0);
  check_out(&c, CHECK_REAL, images(g));
  c.abs = allowed(9 * g->oc, positive) * (check_bf16 ? 4 : 1); /* the same kernel, on other numbers than its own section had */
  check_case_run(&c);
}

/* What is not a number or not finite, in one pixel, must not come out as finite where the pixel is seen. */
static void check_poison(const peri_window *g, double value) {
  check_case c;
  begin(&c, "conv", run_conv, g, images(g), 1, 0);
  check_out(&c, CHECK_REAL, outputs(g));
  int64_t x = check_integer(0, g->w - 1), y = check_integer(0, g->h - 1), n = check_integer(0, g->n - 1);
  check_set(&c.in[0], ((n * g->h + y) * g->w + x) * g->c + check_integer(0, g->c - 1), value);
  run_conv(check_fast, &c);
  for (int64_t i = 0; i < c.out[0].n; i++) {
    int64_t ox = i / g->oc % g->ow, oy = i / g->oc / g->ow % g->oh, image = i / g->oc / g->ow / g->oh;
    int64_t ky = y + g->pad_top - oy, kx = x + g->pad_left - ox;
    if (image != n || ky < 0 || ky > 2 || kx < 0 || kx > 2 || !isfinite(check_get(&c.out[0], i))) continue;
    check_fail(&c, "%g goes in, %g comes out", value, check_get(&c.out[0], i));
    break;
  }
  check_case_free(&c);
}

/* The same for the gradient of the kernel: what one pixel spoils is its channel's. */
static void check_poison_kernel(const peri_window *g) {
  check_case c;
  begin(&c, "conv_backward_kernel", run_kernel, g, images(g), 1, 0);
  check_in(&c, outputs(g), 0, 1, 0);
  check_out(&c, CHECK_REAL, 9 * g->c * g->oc);
  int64_t channel = check_integer(0, g->c - 1), at = g->h / 2 * g->w + g->w / 2;
  check_set(&c.in[0], at * g->c + channel, NAN);
  run_kernel(check_fast, &c);
  for (int64_t i = 0; i < c.out[0].n; i++) { /* a tap that the edge keeps from the pixel may stay finite */
    int64_t oy = g->h / 2 + g->pad_top - i / (3 * g->c * g->oc), ox = g->w / 2 + g->pad_left - i / (g->c * g->oc) % 3;
    if (i / g->oc % g->c != channel || oy < 0 || oy >= g->oh || ox < 0 || ox >= g->ow) continue;
    if (isfinite(check_get(&c.out[0], i))) {
      check_fail(&c, "NaN goes in, %g comes out", check_get(&c.out[0], i));
      break;
    }
  }
  check_case_free(&c);
}

static peri_window make(int64_t n, int64_t h, int64_t w, int64_t c, int64_t oc, int64_t pad_h, int64_t pad_w) {
  return (peri_window){.n = n, .h = h, .w = w, .c = c, .oh = h + pad_h - 2, .ow = w + pad_w - 2, .oc = oc, .kh = 3,
                       .kw = 3, .stride_h = 1, .stride_w = 1, .pad_top = pad_h / 2, .pad_left = pad_w / 2, .dil_h = 1,
                       .dil_w = 1, .groups = 1};
}

void check_winograd(void) {
  if (check_type != PERI_F32) return;
  for (int i = 0; i < 40; i++) {
    int64_t pad_h = check_integer(0, 6), pad_w = check_integer(0, 6); /* up to a tile in the padding */
    peri_window g = make(check_integer(1, 9), check_integer(3, 17), check_integer(3, 17), check_integer(8, 80),
                         check_integer(8, 80), pad_h, pad_w);
    check_forward(&g, i & 1, i >> 1 & 3);
    check_prepared(&g, i >> 1 & 3);
    check_backward(&g, i & 1);
  }
  peri_window several[] = {make(40, 9, 8, 70, 150, 2, 2),   /* blocks of channels and of outputs */
                           make(300, 10, 7, 9, 17, 2, 1)}; /* rounds of a share */
  for (int i = 0; i < 4; i++) check_backward(&several[i / 2], i & 1);
  for (int size = 1; size <= 10; size++) { /* enough images for every cut of an axis to be worth its weights */
    peri_window g = make(40, size + 2, 12 - size, 16 + size % 3, 33 - size % 4, 0, 2);
    check_forward(&g, size & 1, 1);
    check_poison_kernel(&g);
    check_prepared(&g, 3);
    check_backward(&g, size & 1);
    check_poison(&g, NAN);
    check_poison(&g, size & 1 ? INFINITY : -INFINITY);
  }
}
