/* windows.c - convolution, its fusion with max-pooling, and pooling, over random geometries. */
#include <math.h>
#include <stdio.h>

#include "check_kernels/check.h"

static const peri_window *window(const check_case *c) { return c->options; }
static const peri_conv_pool *fused(const check_case *c) { return c->options; }

static int64_t images(const peri_window *g) { return g->n * g->h * g->w * g->c; }
static int64_t outputs(const peri_window *g) { return g->n * g->oh * g->ow * g->oc; }
static int64_t weights(const peri_window *g) { return g->kh * g->kw * (g->c / g->groups) * g->oc; }

/* Places of the output from the padding in all; 0 when the window does not fit. */
static int64_t places(int64_t size, int64_t pad, int64_t taps, int64_t dilation, int64_t stride) {
  int64_t room = size + pad - dilation * (taps - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

static int fit(peri_window *g, int64_t pad_h, int64_t pad_w) {
  g->pad_top = pad_h / 2;
  g->pad_left = pad_w / 2;
  g->oh = places(g->h, pad_h, g->kh, g->dil_h, g->stride_h);
  g->ow = places(g->w, pad_w, g->kw, g->dil_w, g->stride_w);
  return g->oh > 0 && g->ow > 0;
}

static int random_window(peri_window *g) {
  int64_t group_choice = check_integer(0, 5);
  g->n = check_integer(1, 5), g->h = check_integer(1, 14), g->w = check_integer(1, 14);
  g->groups = group_choice < 4 ? 1 : check_integer(1, 4);
  g->c = g->groups * check_integer(1, group_choice == 5 ? 1 : 20);
  g->oc = g->groups * check_integer(1, group_choice < 2 ? 70 : 20);
  g->kh = check_integer(1, 5), g->kw = check_integer(0, 2) ? g->kh : check_integer(1, 5);
  g->stride_h = check_integer(1, 3), g->stride_w = check_integer(0, 1) ? g->stride_h : check_integer(1, 3);
  g->dil_h = check_integer(0, 3) ? 1 : check_integer(1, 3), g->dil_w = check_integer(0, 3) ? 1 : check_integer(1, 3);
  return fit(g, check_integer(0, 2 * g->kh), check_integer(0, 2 * g->kw));
}

static void begin(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *),
                  const peri_window *g, const void *options) {
  check_begin(c, entry, run);
  c->options = options;
  c->either = g->kh == 3 && g->kw == 3 && g->stride_h == 1 && g->stride_w == 1; /* Winograd's filtering may be faster */
  snprintf(c->shape, sizeof c->shape,
           "n %d, %dx%dx%d to %dx%dx%d, kernel %dx%d, stride %d %d, pad %d %d, dilation %d %d, groups %d", (int)g->n,
           (int)g->h, (int)g->w, (int)g->c, (int)g->oh, (int)g->ow, (int)g->oc, (int)g->kh, (int)g->kw,
           (int)g->stride_h, (int)g->stride_w, (int)g->pad_top, (int)g->pad_left, (int)g->dil_h, (int)g->dil_w,
           (int)g->groups);
}

/* --- convolution; size[0]: bias, size[1]: relu --- */
static void run_conv(const peri_kernels *k, check_case *c) {
  c->status = k->conv(window(c), c->in[0].data, c->in[1].data, c->size[0] ? c->in[2].data : NULL, (int)c->size[1],
                      c->out[0].data);
}
static void run_conv_input(const peri_kernels *k, check_case *c) {
  c->status = k->conv_backward_input(window(c), c->in[0].data, c->in[1].data, c->out[0].data);
}
static void run_conv_kernel(const peri_kernels *k, check_case *c) {
  c->status = k->conv_backward_kernel(window(c), c->in[0].data, c->in[1].data, c->out[0].data,
                                      c->size[0] ? c->out[1].data : NULL);
}

/* Convolutions of one channel a group stay float32. */
static int rounded(const peri_window *g) { return g->c > g->groups ? 3 : 0; }

static double tolerance(int64_t terms) { return 2e-6 * sqrt((double)terms + 1); }

/* Geometries whose products may be taken by Winograd's filtering, which winograd.c holds against the size of
   the outputs; here its rounding, of sums that are not exact for whole numbers either, is only allowed for. */
static int filtered(const peri_window *g) {
  return check_type == PERI_F32 && g->kh == 3 && g->kw == 3 && g->stride_h == 1 && g->stride_w == 1 && g->dil_h == 1 &&
         g->dil_w == 1 && g->groups == 1;
}
static double conv_tolerance(const peri_window *g, int64_t terms) { return tolerance(terms) * (filtered(g) ? 2 : 1); }

static void check_conv(const peri_window *g, int options) {
  check_case c;
  if (CHECK_OWN(conv)) {
    begin(&c, "conv", run_conv, g, g);
    c.operands = rounded(g);
    c.size[0] = options & 1, c.size[1] = options >> 1 & 1;
    check_in(&c, images(g), -1, 1, 0);
    check_in(&c, weights(g), -1, 1, 0);
    check_in(&c, g->oc, -1, 1, 0);
    check_out(&c, CHECK_REAL, outputs(g));
    c.abs = conv_tolerance(g, weights(g) / g->oc);
    check_case_run(&c);
  }
  if (CHECK_OWN(conv_backward_input)) {
    begin(&c, "conv_backward_input", run_conv_input, g, g);
    c.operands = rounded(g);
    check_in(&c, outputs(g), -1, 1, 0);
    check_in(&c, weights(g), -1, 1, 0);
    check_out(&c, CHECK_REAL, images(g));
    c.abs = conv_tolerance(g, g->kh * g->kw * g->oc / g->groups);
    check_case_run(&c);
  }
  if (CHECK_OWN(conv_backward_kernel)) {
    begin(&c, "conv_backward_kernel", run_conv_kernel, g, g);
    c.operands = rounded(g);
    c.unrounded = 2; /* dbias */
    c.size[0] = options & 1;
    check_in(&c, images(g), -1, 1, 0);
    check_in(&c, outputs(g), -1, 1, 0);
    check_out(&c, CHECK_REAL, weights(g));
    check_out(&c, CHECK_REAL, g->oc);
    c.abs = conv_tolerance(g, g->n * g->oh * g->ow);
    check_case_run(&c);
  }
}

/* --- convolution fused with pooling --- */
static void run_conv_pool(const peri_kernels *k, check_case *c) {
  c->status = k->conv_pool(fused(c), c->in[0].data, c->in[1].data, c->size[0] ? c->in[2].data : NULL, c->out[0].data,
                           c->out[1].data);
}
static void run_conv_pool_input(const peri_kernels *k, check_case *c) {
  c->status = k->conv_pool_backward_input(fused(c), c->in[0].data, c->in[1].data, c->in[2].data, c->out[0].data);
}
static void run_conv_pool_kernel(const peri_kernels *k, check_case *c) {
  c->status = k->conv_pool_backward_kernel(fused(c), c->in[0].data, c->in[1].data, c->in[2].data, c->out[0].data,
                                           c->size[0] ? c->out[1].data : NULL);
}

/* A winner for each cell: a place of the window, or 255 for about one in four. */
static void add_winners(check_case *c, const peri_conv_pool *p) {
  int i = check_in_kind(c, CHECK_U8, p->conv.n * p->ph * p->pw * p->conv.oc, 0, p->pool_h * p->pool_w - 1);
  for (int64_t at = 0; at < c->in[i].n; at++)
    if (check_integer(0, 3) == 0) check_set(&c->in[i], at, 255);
}

static void check_conv_pool(const peri_window *g, int64_t pool_h, int64_t pool_w, int bias) {
  peri_conv_pool p = {.conv = *g, .pool_h = pool_h, .pool_w = pool_w, .ph = g->oh / pool_h, .pw = g->ow / pool_w};
  int64_t cells = g->n * p.ph * p.pw * g->oc;
  check_case c;
  int kinds = filtered(g) && pool_h == 2 && pool_w == 2 ? 1 : 2;
  for (int whole = 0; CHECK_OWN(conv_pool) && whole < kinds; whole++) { /* whole numbers: exact, with ties */
    begin(&c, "conv_pool", run_conv_pool, g, &p);
    c.operands = rounded(g);
    c.size[0] = bias;
    check_in(&c, images(g), -2, 2, whole);
    check_in(&c, weights(g), -2, 2, whole);
    check_in(&c, g->oc, -2, 2, whole);
    check_out(&c, CHECK_REAL, cells);
    check_out(&c, CHECK_U8, cells);
    c.ignore = whole ? 0 : 2; /* winners of nearly equal sums may differ */
    c.rel = whole ? 0 : c.rel;
    c.abs = whole ? 0 : 4 * conv_tolerance(g, weights(g) / g->oc);
    check_case_run(&c);
  }
  if (CHECK_OWN(conv_pool_backward_input)) {
    begin(&c, "conv_pool_backward_input", run_conv_pool_input, g, &p);
    check_in(&c, cells, -1, 1, 0);
    add_winners(&c, &p);
    check_in(&c, weights(g), -1, 1, 0);
    check_out(&c, CHECK_REAL, images(g));
    c.abs = tolerance(g->kh * g->kw * g->oc / g->groups);
    check_case_run(&c);
  }
  if (CHECK_OWN(conv_pool_backward_kernel)) {
    begin(&c, "conv_pool_backward_kernel", run_conv_pool_kernel, g, &p);
    c.size[0] = bias;
    check_in(&c, images(g), -1, 1, 0);
    check_in(&c, cells, -1, 1, 0);
    add_winners(&c, &p);
    check_out(&c, CHECK_REAL, weights(g));
    check_out(&c, CHECK_REAL, g->oc);
    c.abs = tolerance(g->n * p.ph * p.pw);
    check_case_run(&c);
  }
}

/* --- pooling --- */
static void run_max(const peri_kernels *k, check_case *c) {
  k->max_pool(window(c), c->in[0].data, c->out[0].data, c->out[1].data);
}
static void run_max_backward(const peri_kernels *k, check_case *c) {
  k->max_pool_backward(window(c), c->in[0].data, c->in[1].data, c->out[0].data);
}
static void run_average(const peri_kernels *k, check_case *c) {
  k->average_pool(window(c), c->in[0].data, c->out[0].data);
}
static void run_average_backward(const peri_kernels *k, check_case *c) {
  k->average_pool_backward(window(c), c->in[0].data, c->out[0].data);
}

static void check_pool(const peri_window *g, int poison) {
  check_case c;
  if (CHECK_OWN(max_pool)) {
    begin(&c, "max_pool", run_max, g, g);
    check_in(&c, images(g), -3, 3, poison); /* whole numbers: ties */
    for (int i = 0; poison && i < 4; i++)
      check_set(&c.in[0], check_integer(0, images(g) - 1), i < 2 ? NAN : i == 2 ? -INFINITY : INFINITY);
    check_out(&c, CHECK_REAL, outputs(g));
    check_out(&c, CHECK_I32, outputs(g));
    c.rel = c.abs = 0;
    check_case_run(&c);
  }
  if (CHECK_OWN(max_pool_backward)) {
    begin(&c, "max_pool_backward", run_max_backward, g, g);
    check_in(&c, outputs(g), -1, 1, 0);
    check_in_kind(&c, CHECK_I32, outputs(g), -1, g->kh * g->kw - 1);
    check_out(&c, CHECK_REAL, images(g));
    c.abs = 2e-6;
    check_case_run(&c);
  }
  if (CHECK_OWN(average_pool)) {
    begin(&c, "average_pool", run_average, g, g);
    check_in(&c, images(g), -1, 1, 0);
    check_out(&c, CHECK_REAL, outputs(g));
    check_case_run(&c);
    begin(&c, "average_pool_backward", run_average_backward, g, g);
    check_in(&c, outputs(g), -1, 1, 0);
    check_out(&c, CHECK_REAL, images(g));
    c.abs = 2e-6;
    check_case_run(&c);
  }
}

/* Winners all dead, all alive; a gradient and a pixel that are no numbers: they must not spread. */
static void check_extremes(const peri_window *g) {
  peri_conv_pool p = {.conv = *g, .pool_h = 2, .pool_w = 2, .ph = g->oh / 2, .pw = g->ow / 2};
  int64_t cells = g->n * p.ph * p.pw * g->oc;
  for (int alive = 0; alive < 3; alive++)
    for (int input = 0; input < 2 && CHECK_OWN(conv_pool_backward_input); input++) {
      check_case c;
      if (input) begin(&c, "conv_pool_backward_input", run_conv_pool_input, g, &p);
      else begin(&c, "conv_pool_backward_kernel", run_conv_pool_kernel, g, &p);
      c.size[0] = 1;
      if (!input) check_in(&c, images(g), -1, 1, 0);
      int dy = check_in(&c, cells, -1, 1, 0);
      check_in_kind(&c, CHECK_U8, cells, alive ? 0 : 255, alive ? 3 : 255);
      if (alive == 2 && (input || g->pad_top == 0)) check_set(&c.in[dy], cells / 2, NAN); /* padding's 0 * NaN */
      if (input) check_in(&c, weights(g), -1, 1, 0);
      check_out(&c, CHECK_REAL, input ? images(g) : weights(g));
      if (!input) check_out(&c, CHECK_REAL, g->oc);
      c.abs = 2 * tolerance(input ? weights(g) : cells);
      check_case_run(&c);
    }
  for (int i = 0; i < 2 && CHECK_OWN(conv_pool) && g->c == 1; i++) {
    check_case c;
    begin(&c, "conv_pool", run_conv_pool, g, &p);
    c.size[0] = 1;
    check_in(&c, images(g), -2, 2, 1);
    check_set(&c.in[0], images(g) / 2, i ? NAN : INFINITY);
    check_in(&c, weights(g), 1, 2, 1);
    check_in(&c, g->oc, -2, 2, 1);
    check_out(&c, CHECK_REAL, cells);
    check_out(&c, CHECK_U8, cells);
    check_case_run(&c);
  }
}

/* The layers of the digit net, and shapes that kernels like to treat apart. */
static void known_convolutions(void) {
  static const int64_t known[][6] = {/* n, h, c, oc, k, pad */
                                     {3, 28, 1, 32, 3, 0}, {2, 13, 32, 64, 3, 0}, {2, 14, 32, 64, 3, 2},
                                     {1, 9, 16, 16, 1, 0}, {2, 12, 3, 8, 5, 4},   {1, 8, 64, 64, 3, 2},
                                     {130, 6, 2, 5, 3, 0}, {1, 28, 1, 33, 3, 0},  {2, 7, 31, 17, 3, 0},
                                     {1, 10, 128, 16, 3, 0}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    const int64_t *s = known[i];
    peri_window g = {.n = s[0], .h = s[1], .w = s[1], .c = s[2], .oc = s[3], .kh = s[4], .kw = s[4], .stride_h = 1,
                     .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    fit(&g, s[5], s[5]);
    for (int options = 0; options < 4; options++) check_conv(&g, options);
    check_conv_pool(&g, 2, 2, 1);
    check_conv_pool(&g, 2, 2, 0);
    check_conv_pool(&g, 3, 2, 1);
    check_extremes(&g);
    g.groups = g.c; /* depthwise with a multiplier where it divides */
    if (g.oc % g.c == 0 && g.c > 1) check_conv(&g, 1);
  }
}

void check_windows(void) {
  known_convolutions();
  for (int i = 0; i < 150; i++) {
    peri_window g = {0};
    if (!random_window(&g)) continue;
    check_conv(&g, i & 3);
    check_conv_pool(&g, check_integer(1, 3), check_integer(1, 3), i & 1);
    g.groups = 1;
    g.oc = g.c;
    check_pool(&g, i & 1);
    g.kh = g.kw = g.stride_h = g.stride_w = 2;
    g.dil_h = g.dil_w = 1;
    if (fit(&g, i & 1, i >> 1 & 1)) check_pool(&g, i & 1);
  }
}
