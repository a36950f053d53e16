/* bench_layers.c - times convolutions of the sizes that nets have, forward and back. A row is named height x width x
   channels > channels, n images; dX and dW are the gradients, "ready" is the pass with weights made ready. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "check_kernels/check.h"

typedef struct layer {
  int64_t n, side, c, oc, pad; /* pad in all */
  int pool;
} layer;

static const layer layers[] = {{128, 13, 32, 64, 0, 1},  {32, 28, 32, 32, 2, 1}, {32, 28, 64, 64, 2, 0},
                               {512, 14, 16, 16, 2, 0},  {128, 14, 64, 128, 2, 1}, {128, 7, 128, 128, 2, 0},
                               {4, 56, 64, 64, 2, 0},    {1, 224, 3, 64, 2, 1},  {1, 13, 32, 64, 0, 1}};

typedef struct work {
  peri_conv_pool g;
  int kind; /* 0..2: a pass; 3: forward with pooling, 4: the same with weights made ready */
  float *x, *kernel, *y, *dx;
  void *ready;
  uint8_t *winner;
} work;

static void run(const peri_kernels *k, const void *what) {
  const work *w = what;
  const peri_window *c = &w->g.conv;
  int status = PERI_OK;
  switch (w->kind) {
  case PERI_PASS_FORWARD: status = k->conv(c, w->x, w->kernel, NULL, 1, w->y); break;
  case PERI_PASS_INPUT: status = k->conv_backward_input(c, w->y, w->kernel, w->dx); break;
  case PERI_PASS_KERNEL: status = k->conv_backward_kernel(c, w->x, w->y, w->dx, NULL); break;
  case 4: status = k->conv_prepared(&w->g, w->x, w->ready, NULL, 1, w->y); break;
  default: status = k->conv_pool(&w->g, w->x, w->kernel, NULL, w->y, w->winner);
  }
  if (status < 0) exit(2);
}

static float *random_numbers(int64_t n) {
  float *numbers = peri_alloc((size_t)n * sizeof(float));
  if (!numbers) exit(2);
  for (int64_t i = 0; i < n; i++) numbers[i] = (float)check_uniform(-1, 1);
  return numbers;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void bench_layer(const peri_kernels *k, const layer *l, int json) {
  static const char *const names[] = {"", " dX", " dW", " + pool", " ready"};
  int64_t out = l->side + l->pad - 2, inputs = l->n * l->side * l->side * l->c, weights = 9 * l->c * l->oc;
  work w = {.g = {.conv = {.n = l->n, .h = l->side, .w = l->side, .c = l->c, .oh = out, .ow = out, .oc = l->oc, .kh = 3,
                           .kw = 3, .stride_h = 1, .stride_w = 1, .pad_top = l->pad / 2, .pad_left = l->pad / 2,
                           .dil_h = 1, .dil_w = 1, .groups = 1}}};
  w.x = random_numbers(inputs);
  w.kernel = random_numbers(weights);
  w.y = random_numbers(l->n * out * out * l->oc);
  w.dx = random_numbers(larger(inputs, weights));
  w.winner = peri_alloc((size_t)(l->n * out * out * l->oc));
  if (!w.winner) exit(2);
  for (w.kind = l->pool ? 4 : 2; w.kind >= 0; w.kind--) { /* forward last: the gradients read y before it changes */
    char name[64];
    w.g.pool_h = w.g.pool_w = w.kind >= 3 ? 2 : 1;
    w.g.ph = out / w.g.pool_h, w.g.pw = out / w.g.pool_w;
    if (w.kind == 4) {
      w.ready = peri_alloc((size_t)k->conv_prepare_size(&w.g));
      if (!w.ready || k->conv_prepare(&w.g, w.kernel, w.ready) < 0) exit(2);
    }
    double seconds = check_time(run, k, &w), flops = 2.0 * (double)(l->n * out * out * weights);
    snprintf(name, sizeof name, "%dx%dx%d>%d n %d%s", (int)l->side, (int)l->side, (int)l->c, (int)l->oc, (int)l->n,
             names[w.kind]);
    peri_pass pass = w.kind == 4 ? PERI_PASS_PREPARED : w.kind == 3 ? PERI_PASS_FORWARD : (peri_pass)w.kind;
    check_row(name, seconds, flops, k->conv_operations(&w.g, pass), 0, json);
  }
  float *all[] = {w.x, w.kernel, w.y, w.dx};
  for (int i = 0; i < 4; i++) peri_free(all[i]);
  peri_free(w.winner);
  peri_free(w.ready);
}

void check_bench_layers(const peri_kernels *k, int json) {
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(k, &layers[i], json);
}
