/* bench.c - times entries beside a probe of the processor's multiply-add (probe.c), so that a slow machine is
   told from a slow kernel. Each figure is the best of several runs of at least 20 ms. "GFLOP/s" counts what the plain
   sum would take; "executed" what is left of it where an entry saves some (Winograd's transforms, gradients that are
   zero behind pooling; peri_kernels' conv_operations): beside the probe, that is how busy the multipliers are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "check_kernels/check.h"

typedef struct bench {
  const char *name;
  double flops, bytes; /* of one call */
  void (*run)(const peri_kernels *k);
  const peri_window *conv; /* of a convolution: its geometry, */
  int pool;                /* the side of the pooling behind it, 1 for none, */
  peri_pass pass;          /* and which of its passes this is */
} bench;

enum { N = 1 << 20, SIDE = 512 };
static float *x, *y, *z, *w;
static uint8_t *won8;
static int32_t *won32;
static int64_t *labels;

/* conv1 and conv2 of the digit net, 128 images; conv2's pooling */
static const peri_window conv1 = {.n = 128, .h = 28, .w = 28, .c = 1, .oh = 26, .ow = 26, .oc = 32, .kh = 3, .kw = 3,
                                  .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
static const peri_window conv2 = {.n = 128, .h = 13, .w = 13, .c = 32, .oh = 11, .ow = 11, .oc = 64, .kh = 3, .kw = 3,
                                  .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
static const peri_window pool = {.n = 128, .h = 26, .w = 26, .c = 32, .oh = 13, .ow = 13, .oc = 32, .kh = 2, .kw = 2,
                                 .stride_h = 2, .stride_w = 2, .dil_h = 1, .dil_w = 1, .groups = 1};

#define UNARY(f)                                                                                                       \
  static void run_##f(const peri_kernels *k) { k->unary(PERI_UNARY_##f, N, x, y, 0.1); }
UNARY(relu) UNARY(exp) UNARY(log) UNARY(tanh) UNARY(sigmoid) UNARY(gelu) UNARY(softplus)
static void run_add(const peri_kernels *k) { k->binary(PERI_BINARY_add, N, x, 1, z, 1, y); }
static void run_mul_scalar(const peri_kernels *k) { k->binary(PERI_BINARY_mul, N, x, 1, z, 0, y); }
static void run_gt(const peri_kernels *k) { k->compare(PERI_COMPARE_gt, N, x, 1, z, 0, won8); }
static void run_axpy(const peri_kernels *k) { k->axpy(N, 1e-9, x, w); }
static void run_sum(const peri_kernels *k) { k->reduce(PERI_SUM, 1, N, 1, x, y); }
static void run_sum_rows(const peri_kernels *k) { k->reduce(PERI_SUM, 1, N / 128, 128, x, y); }
static void run_max(const peri_kernels *k) { k->reduce(PERI_MAX, N / 128, 128, 1, x, y); }
static void run_softmax(const peri_kernels *k) { k->softmax(N / 128, 128, x, y); }
static void run_entropy(const peri_kernels *k) { k->cross_entropy(N / 10, 10, x, labels, NULL, 0, z, y); }
#define NORM_ROWS (128 * 26 * 26)
static peri_norm norm_of(void) {
  return (peri_norm){.rows = NORM_ROWS, .c = 32, .h = 26, .w = 26, .pool_h = 2, .pool_w = 2, .relu = 1, .mean = z,
                     .inv = z + 100, .gamma = z + 200, .beta = z + 300};
}
static void run_moments(const peri_kernels *k) { k->channel_moments(NORM_ROWS, 32, x, z, z + 100); }
static void run_batch_norm(const peri_kernels *k) {
  peri_norm p = norm_of();
  k->channel_normalise(&p, x, NULL, y);
}
static void run_batch_norm_backward(const peri_kernels *k) {
  peri_norm p = norm_of();
  k->channel_normalise_backward(&p, x, NULL, y, w, NULL, z + 400, z + 500);
}
static void run_batch_norm_pool(const peri_kernels *k) {
  peri_norm p = norm_of();
  k->channel_normalise_pool(&p, x, y, w, won8);
}
static void run_batch_norm_pool_backward(const peri_kernels *k) {
  peri_norm p = norm_of();
  k->channel_normalise_pool_backward(&p, x, w, won8, y, w, z + 400, z + 500);
}
static void run_layer_norm(const peri_kernels *k) { k->row_normalise(N / 128, 128, x, NULL, NULL, 1e-5, y, z, w); }
static void run_max_pool(const peri_kernels *k) { k->max_pool(&pool, x, y, won32); }
static void run_max_pool_backward(const peri_kernels *k) { k->max_pool_backward(&pool, x, won32, y); }
static void run_average_pool(const peri_kernels *k) { k->average_pool(&pool, x, y); }
static void run_adam(const peri_kernels *k) {
  static const peri_step s = {.rate = 1e-6, .scale = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7,
                              .correction1 = 0.5, .correction2 = 0.5};
  k->adam(&s, N, w, x, y, z, NULL);
}
static void product(const peri_kernels *k, int64_t m, int64_t n, int64_t depth, int turned) {
  peri_matmul p = {.m = m, .n = n, .k = depth, .a_row = turned & 1 ? 1 : depth, .a_col = turned & 1 ? m : 1,
                   .b_row = turned & 2 ? 1 : n, .b_col = turned & 2 ? depth : 1, .c_row = n};
  k->matmul(&p, x, z, y);
}
static void run_square(const peri_kernels *k) { product(k, SIDE, SIDE, SIDE, 0); }
static void run_dense1(const peri_kernels *k) { product(k, 128, 128, 1600, 0); }
static void run_dense1_dx(const peri_kernels *k) { product(k, 128, 1600, 128, 2); }
static void run_dense1_dw(const peri_kernels *k) { product(k, 1600, 128, 128, 1); }
static void run_batch32(const peri_kernels *k) { product(k, 32, 512, 784, 0); }
static void run_batch32_dx(const peri_kernels *k) { product(k, 32, 512, 512, 2); }
static void run_batch32_dw(const peri_kernels *k) { product(k, 784, 512, 32, 1); }
static void run_head_dw(const peri_kernels *k) { product(k, 512, 10, 128, 1); }
static void run_one_row(const peri_kernels *k) { product(k, 1, 512, 784, 0); }
static void run_one_row_dw(const peri_kernels *k) { product(k, 784, 512, 1, 1); }
static void run_conv1(const peri_kernels *k) { k->conv(&conv1, x, z, NULL, 1, y); }
static void run_conv2(const peri_kernels *k) { k->conv(&conv2, x, z, NULL, 1, y); }
static void run_conv2_dx(const peri_kernels *k) { k->conv_backward_input(&conv2, x, z, y); }
static void run_conv2_dw(const peri_kernels *k) { k->conv_backward_kernel(&conv2, x, z, y, NULL); }
static peri_conv_pool with_pool(const peri_window *g, int side) {
  return (peri_conv_pool){.conv = *g, .pool_h = side, .pool_w = side, .ph = g->oh / side, .pw = g->ow / side};
}
static peri_conv_pool fuse(const peri_window *g) { return with_pool(g, 2); }
static void run_fused1(const peri_kernels *k) {
  peri_conv_pool p = fuse(&conv1);
  k->conv_pool(&p, x, z, NULL, y, won8);
}
static void run_fused2(const peri_kernels *k) {
  peri_conv_pool p = fuse(&conv2);
  k->conv_pool(&p, x, z, NULL, y, won8);
}
static void run_fused2_dx(const peri_kernels *k) {
  peri_conv_pool p = fuse(&conv2);
  k->conv_pool_backward_input(&p, x, won8, z, y);
}
static void run_fused2_dw(const peri_kernels *k) {
  peri_conv_pool p = fuse(&conv2);
  k->conv_pool_backward_kernel(&p, x, z, won8, y, NULL);
}
static void run_fused1_dw(const peri_kernels *k) {
  peri_conv_pool p = fuse(&conv1);
  k->conv_pool_backward_kernel(&p, x, z, won8, y, NULL);
}

enum { PICTURES = 128 };
static void run_resample(const peri_kernels *k) {
  static const peri_resample g = {28, 28, 1, {0.98, 0.2, -2.3, -0.2, 0.98, 3.1}};
  for (int i = 0; i < PICTURES; i++) k->resample(&g, x + i * 1000, z, w, y + i * 784);
}
static void run_blur(const peri_kernels *k) {
  for (int i = 0; i < PICTURES; i++) k->blur(28, 28, 12, x, y + i * 1000, w, z + i * 784);
}
static void run_normal(const peri_kernels *k) {
  for (int i = 0; i < PICTURES; i++) k->normal_noise(1, (uint64_t)i * 1000, 784, 1, y);
}
static void run_noise(const peri_kernels *k) {
  for (int i = 0; i < PICTURES; i++) k->signed_noise(1, (uint64_t)i * 1000, 784, 1, y);
}

#define CONV1_FLOPS (2.0 * 128 * 26 * 26 * 32 * 9)
#define CONV2_FLOPS (2.0 * 128 * 11 * 11 * 64 * 9 * 32)
#define NORM_BYTES (4.0 * NORM_ROWS * 32)
#define POOLED 1.0 * 128 * 32 * (26 * 26 + 2 * 13 * 13) * 4
/* name, operations, bytes, function; or name, operations, geometry, pooling, pass, function */
#define ROW(name_, flops_, bytes_, run_) {.name = name_, .flops = flops_, .bytes = bytes_, .run = run_}
#define CONV(name_, flops_, conv_, pool_, pass_, run_) \
  {.name = name_, .flops = flops_, .conv = &(conv_), .pool = pool_, .pass = PERI_PASS_##pass_, .run = run_}
static const bench benches[] = {
    ROW("relu", 0, 8.0 * N, run_relu), ROW("exp", 0, 8.0 * N, run_exp), ROW("log", 0, 8.0 * N, run_log),
    ROW("tanh", 0, 8.0 * N, run_tanh), ROW("sigmoid", 0, 8.0 * N, run_sigmoid), ROW("gelu", 0, 8.0 * N, run_gelu),
    ROW("softplus", 0, 8.0 * N, run_softplus),
    ROW("a + b", 0, 12.0 * N, run_add), ROW("a * number", 0, 8.0 * N, run_mul_scalar),
    ROW("a > number", 0, 5.0 * N, run_gt), ROW("axpy", 2.0 * N, 12.0 * N, run_axpy), ROW("sum", 0, 4.0 * N, run_sum),
    ROW("sum over rows", 0, 4.0 * N, run_sum_rows), ROW("max of rows", 0, 4.0 * N, run_max),
    ROW("softmax of 128", 0, 8.0 * N, run_softmax), ROW("cross-entropy of 10", 0, 8.0 * N, run_entropy),
    ROW("moments of 32", 0, NORM_BYTES, run_moments),
    ROW("batch norm", 0, 2 * NORM_BYTES, run_batch_norm), ROW("batch norm back", 0, 5 * NORM_BYTES, run_batch_norm_backward),
    ROW("batch norm + pool", 0, 1.5 * NORM_BYTES, run_batch_norm_pool),
    ROW("batch norm + pool back", 0, 2.75 * NORM_BYTES, run_batch_norm_pool_backward), ROW("layer norm of 128", 0, 8.0 * N, run_layer_norm),
    ROW("max-pool 2x2", 0, POOLED, run_max_pool), ROW("max-pool 2x2 back", 0, POOLED, run_max_pool_backward),
    ROW("average-pool 2x2", 0, POOLED, run_average_pool), ROW("adam", 0, 28.0 * N, run_adam),
    ROW("matmul 512^3", 2.0 * SIDE * SIDE * SIDE, 0, run_square),
    ROW("dense 128x1600x128", 2.0 * 128 * 1600 * 128, 0, run_dense1),
    ROW("dense dX", 2.0 * 128 * 1600 * 128, 0, run_dense1_dx),
    ROW("dense dW", 2.0 * 128 * 1600 * 128, 0, run_dense1_dw),
    ROW("dense 32x784x512", 2.0 * 32 * 784 * 512, 0, run_batch32),
    ROW("dense 32x512x512 dX", 2.0 * 32 * 512 * 512, 0, run_batch32_dx),
    ROW("dense 32x784x512 dW", 2.0 * 32 * 784 * 512, 0, run_batch32_dw),
    ROW("dense 128x512x10 dW", 2.0 * 128 * 512 * 10, 0, run_head_dw),
    ROW("dense 1x784x512", 2.0 * 784 * 512, 4.0 * 784 * 512, run_one_row),
    ROW("dense 1x784x512 dW", 2.0 * 784 * 512, 4.0 * 784 * 512, run_one_row_dw),
    CONV("conv1", CONV1_FLOPS, conv1, 1, FORWARD, run_conv1),
    CONV("conv2", CONV2_FLOPS, conv2, 1, FORWARD, run_conv2),
    CONV("conv2 dX", CONV2_FLOPS, conv2, 1, INPUT, run_conv2_dx),
    CONV("conv2 dW", CONV2_FLOPS, conv2, 1, KERNEL, run_conv2_dw),
    CONV("conv1 + pool", CONV1_FLOPS, conv1, 2, FORWARD, run_fused1),
    CONV("conv2 + pool", CONV2_FLOPS, conv2, 2, FORWARD, run_fused2),
    CONV("conv1 + pool dW", CONV1_FLOPS, conv1, 2, KERNEL, run_fused1_dw),
    CONV("conv2 + pool dX", CONV2_FLOPS, conv2, 2, INPUT, run_fused2_dx),
    CONV("conv2 + pool dW", CONV2_FLOPS, conv2, 2, KERNEL, run_fused2_dw),
    ROW("resample 128 of 28^2", 0, 4.0 * PICTURES * (4 * 784), run_resample),
    ROW("blur 128 of 28^2", 4.0 * PICTURES * 784 * 25, 0, run_blur),
    ROW("noise 128 of 28^2", 0, 4.0 * PICTURES * 784, run_noise),
    ROW("normal 128 of 28^2", 0, 4.0 * PICTURES * 784, run_normal),
};

double check_time(void (*run)(const peri_kernels *k, const void *what), const peri_kernels *k, const void *what) {
  double best = INFINITY;
  run(k, what);
  for (int round = 0; round < 3; round++) {
    double start = check_now(), elapsed;
    int64_t calls = 0;
    do {
      run(k, what);
      calls++;
      elapsed = check_now() - start;
    } while (elapsed < 0.02);
    best = elapsed / (double)calls < best ? elapsed / (double)calls : best;
  }
  return best;
}

static void run_bench(const peri_kernels *k, const void *what) { ((const bench *)what)->run(k); }

static void prepare(void) {
  size_t room = 4U << 20; /* 4 million numbers hold every operand above */
  float **all[] = {&x, &y, &z, &w};
  for (int i = 0; i < 4; i++) {
    *all[i] = peri_alloc(room * sizeof(float));
    if (!*all[i]) exit(2);
    for (size_t j = 0; j < room; j++) (*all[i])[j] = (float)check_uniform(0.1, 1);
  }
  won8 = peri_alloc(room);
  won32 = peri_alloc(room * sizeof *won32);
  labels = peri_alloc(N * sizeof *labels);
  if (!won8 || !won32 || !labels) exit(2);
  for (size_t j = 0; j < room; j++) {
    won8[j] = (uint8_t)(j % 2 ? check_integer(0, 3) : 255);
    won32[j] = (int32_t)check_integer(0, 3);
  }
  for (int64_t j = 0; j < N; j++) labels[j] = check_integer(0, 9);
}

/* A row for people, or for programs. */
void check_row(const char *name, double seconds, double flops, double executed, double bytes, int json) {
  if (json) {
    printf("{\"name\": \"%s\", \"seconds\": %.9f, \"executed\": %.0f, \"flops\": %.0f, \"bytes\": %.0f}\n", name,
           seconds, executed > 0 ? executed : flops, flops, bytes);
    fflush(stdout);
    return;
  }
  printf("%-26s %12.1f", name, seconds * 1e6);
  double counts[] = {flops, executed, bytes};
  for (int i = 0; i < 3; i++) {
    if (counts[i] > 0) printf(" %10.1f", counts[i] / seconds * 1e-9);
    else printf(" %10s", "");
  }
  printf("\n");
  fflush(stdout);
}

int check_bench(const char *isa, int json) {
  const peri_kernels *k = isa ? peri_kernels_for_isa(isa, PERI_F32) : peri_kernels_of(PERI_F32);
  if (!k) {
    fprintf(stderr, "perilune-check: this machine has no %s\n", isa);
    return 2;
  }
  prepare();
  int threads = peri_threads();
  double rate = check_probe(k->isa, 1);
  if (json) printf("{\"isa\": \"%s\", \"threads\": %d, \"probe\": %.1f}\n", k->isa, threads, rate);
  else {
    printf("%s, %d threads; multiply-add probe on one core: %.1f GFLOP/s\n", k->isa, threads, rate);
    printf("GFLOP/s: as the plain sum counts; executed: what is left of it, to hold beside %d x the probe\n", threads);
    printf("%-26s %12s %10s %10s %10s\n", "", "microseconds", "GFLOP/s", "executed", "GB/s");
  }
  for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
    const bench *b = &benches[i];
    peri_conv_pool g = b->conv ? with_pool(b->conv, b->pool) : (peri_conv_pool){0};
    double executed = b->conv ? k->conv_operations(&g, b->pass) : 0;
    check_row(b->name, check_time(run_bench, k, b), b->flops, executed, b->bytes, json);
  }
  check_bench_layers(k, json);
  float *all[] = {x, y, z, w};
  for (int i = 0; i < 4; i++) peri_free(all[i]);
  peri_free(won8);
  peri_free(won32);
  peri_free(labels);
  peri_threads_stop();
  return 0;
}
