/* kernels.h - everything that computes on raw memory, as one table of functions an element type.

   Rules that hold for every entry:
   - pointers point at elements of the table's type unless another type is written; sizes count
     elements; data are dense and row-major unless strides are given; images are N, H, W, C and
     convolution kernels H, W, in, out;
   - outputs do not overlap inputs, except that elementwise entries may work in place;
   - an entry cuts its own work into pieces by peri_parallel, in a number that depends on the sizes
     alone, and adds partial sums in a fixed order: same input, same bits, whatever the threads;
   - functions that need scratch memory return PERI_OK or PERI_ENOMEM; they and matmul and convolution
     poll the interrupt flag at tile boundaries and return PERI_EINTERRUPT.

   reference.c fills a table with naive loops for float32, float64, int64 and uint8 (entries that make
   no sense for integers are NULL): it is the oracle and the documentation. The instruction-set builds
   of matmul.c, conv.c, pool.c, elementwise.c, ... replace what they do faster, for float32 (matrix
   product: float64 as well). dispatch.c chooses once, at the first call: the best set the processor
   has, or PERILUNE_ISA=reference|baseline|avx2|avx512.

   With precision "bf16", matrix products and convolutions of float32 round their operands to bfloat16 and
   add up in float32 (bf16_emulated.c says which). They run on the best unit the processor has; PERILUNE_ISA
   may also name one of those, avx512bf16|amx, or amx-emulated (for tests); with a set they are emulated. */
#ifndef PERI_KERNELS_H
#define PERI_KERNELS_H

#include <stdint.h>

#include "base/status.h"

typedef enum peri_dtype { PERI_F32, PERI_F64, PERI_I64, PERI_U8, PERI_DTYPES } peri_dtype;

typedef enum peri_unary {
#define PERI_UNARY(name, ...) PERI_UNARY_##name,
#include "kernels/elementwise.def"
  PERI_UNARIES
} peri_unary;

typedef enum peri_binary {
#define PERI_BINARY(name, ...) PERI_BINARY_##name,
#include "kernels/elementwise.def"
  PERI_BINARIES
} peri_binary;

typedef enum peri_compare {
#define PERI_COMPARE(name, ...) PERI_COMPARE_##name,
#include "kernels/elementwise.def"
  PERI_COMPARES
} peri_compare;

typedef enum peri_reduce { PERI_SUM, PERI_PROD, PERI_MAX, PERI_MIN, PERI_REDUCES } peri_reduce;

/* C[m,n] (+)= A[m,k] B[k,n]; any strides, so a transposed operand is a swap of its two strides. */
typedef struct peri_matmul {
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col; /* strides of A and B in elements */
  int64_t c_row;                      /* stride of C's rows; its columns are adjacent */
  int accumulate;                     /* 1 adds to C, 0 overwrites it */
  const void *bias;                   /* n values added to each row, or NULL */
  int relu;                           /* 1 clamps the result at 0 (after the bias) */
} peri_matmul;

/* One 2-D convolution or pooling geometry. Padding is implicit zeros (conv, average: not counted in
   the mean as Keras does; max: never wins). oh = (h + pad_h_total - dil_h (kh - 1) - 1) / stride_h + 1. */
typedef struct peri_window {
  int64_t n, h, w, c;         /* input images */
  int64_t oh, ow, oc;         /* output; oc = c for pooling */
  int64_t kh, kw;             /* window */
  int64_t stride_h, stride_w; /* at least 1 */
  int64_t pad_top, pad_left;  /* rows above and columns left of the image; the rest follows from oh, ow */
  int64_t dil_h, dil_w;       /* at least 1 */
  int64_t groups;             /* c and oc are multiples of it; kernel is kh, kw, c / groups, oc */
} peri_window;

/* A convolution with bias and ReLU whose output goes through a max-pool with window = stride and no
   padding; what pooling would drop is never stored. ph = oh / pool_h, pw = ow / pool_w rounded down. */
typedef struct peri_conv_pool {
  peri_window conv;
  int64_t pool_h, pool_w, ph, pw;
} peri_conv_pool;

/* Batch normalisation of `rows` rows of c channels by given moments, with a ReLU behind it where `relu` is 1.
   Where a max-pool follows (no padding, stride = window), the rows are images of h x w places, and h and w are
   at least the window's. */
typedef struct peri_norm {
  int64_t rows, c;
  int64_t h, w, pool_h, pool_w; /* with a pool only; pool_h * pool_w <= 255 */
  int relu;
  const void *mean, *inv;       /* c numbers each; inv = 1 / sqrt(variance + epsilon) */
  const void *gamma, *beta;     /* c numbers each, or NULL: 1 and 0 */
} peri_norm;

typedef enum peri_pass { PERI_PASS_FORWARD, PERI_PASS_INPUT, PERI_PASS_KERNEL, PERI_PASS_PREPARED } peri_pass;

/* One step of an optimiser over n numbers; unused fields are 0. `rate` already holds any bias
   correction that does not belong under the root. */
typedef struct peri_step {
  double rate;         /* learning rate */
  double decay;        /* L2 decay, added to the gradient: g += decay * w */
  double decoupled;    /* decoupled decay (AdamW): w -= rate * decoupled * w, before the step */
  double scale;        /* factor on the gradient (clipping, mean over accumulated batches); 1 = none */
  double momentum;     /* SGD, RMSprop */
  double beta1, beta2; /* Adam; RMSprop's rho is beta2 */
  double correction1, correction2; /* Adam: 1 - beta1^t, 1 - beta2^t */
  double epsilon;
  int nesterov, centered;
} peri_step;

/* A picture read at other places. x is the picture with a border: (h + 3, w + 3, c), one row and column
   before it and two behind. y (h, w, c) at row r, column s is x at
     row    map[0] r + map[1] s + map[2] + rows[r w + s]
     column map[3] r + map[4] s + map[5] + columns[r w + s]
   of the picture, between its four neighbours in proportion; places outside are taken to the border.
   rows and columns may be NULL. */
typedef struct peri_resample {
  int64_t h, w, c;
  double map[6];
} peri_resample;

typedef struct peri_kernels {
  const char *isa; /* "reference", "baseline", "avx2", "avx512" */

  /* --- elementwise; strides of 0 (a scalar), 1 (dense) or anything --- */
  void (*unary)(peri_unary f, int64_t n, const void *x, void *y, double p);
  void (*unary_backward)(peri_unary f, int64_t n, const void *x, const void *y, const void *dy, void *dx, double p);
  void (*binary)(peri_binary f, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb, void *y);
  /* which = 0: the gradient of a, 1: of b; dense dy, y and d */
  void (*binary_backward)(peri_binary f, int which, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb,
                          const void *y, const void *dy, void *d);
  void (*compare)(peri_compare f, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb, uint8_t *y);
  void (*axpy)(int64_t n, double alpha, const void *x, void *y); /* y += alpha x */
  void (*fill)(int64_t n, void *y, double value);
  /* y = x times 0 with probability `rate` (below 1), else 1 / (1 - rate), by the numbers that peri_rng_uniform_f32
     (_f64) draws in [0, 1) from block `position` of the stream `key` */
  void (*dropout)(uint64_t key, uint64_t position, double rate, int64_t n, const void *x, void *y);

  /* --- reductions over the middle of outer x n x inner; y is outer x inner --- */
  void (*reduce)(peri_reduce f, int64_t outer, int64_t n, int64_t inner, const void *x, void *y);
  void (*argreduce)(peri_reduce f, int64_t outer, int64_t n, int64_t inner, const void *x, int64_t *index); /* 0-based; first of equals; NaN wins */
  void (*cumsum)(int64_t outer, int64_t n, int64_t inner, const void *x, void *y);

  /* --- rows: softmax over the last axis, losses, norms --- */
  void (*softmax)(int64_t rows, int64_t cols, const void *x, void *y);
  void (*softmax_backward)(int64_t rows, int64_t cols, const void *y, const void *dy, void *dx);
  void (*log_softmax)(int64_t rows, int64_t cols, const void *x, void *y);
  void (*log_softmax_backward)(int64_t rows, int64_t cols, const void *y, const void *dy, void *dx);
  /* loss[r] = -sum_c t[r,c] log softmax(x[r])_c; also the probabilities. t is the one-hot of labels[r]
     (labels not NULL) or the dense rows of target, either smoothed: t (1 - smoothing) + smoothing / cols.
     Labels are in range: the op checks. */
  void (*cross_entropy)(int64_t rows, int64_t cols, const void *x, const int64_t *labels, const void *target,
                        double smoothing, void *loss, void *probabilities);
  /* dx[r,c] = dloss[r] (sum_c t[r,c] p[r,c] - t[r,c]) */
  void (*cross_entropy_backward)(int64_t rows, int64_t cols, const void *probabilities, const int64_t *labels,
                                 const void *target, double smoothing, const void *dloss, void *dx);
  /* mean and biased variance of each of c channels over rows of c numbers (batch-norm) */
  int (*channel_moments)(int64_t rows, int64_t c, const void *x, void *mean, void *variance);
  /* y = act((x - mean) * inv * gamma + beta + skip) per channel; skip, rows of c numbers, may be NULL */
  void (*channel_normalise)(const peri_norm *p, const void *x, const void *skip, void *y);
  /* dgamma, dbeta always; dx (may be NULL) through the batch's own moments. With a skip and relu, y is its result
     and dskip its gradient, both wanted; else both are NULL (without relu dskip is dy).
     dskip, or without one dx, may be dy itself. */
  int (*channel_normalise_backward)(const peri_norm *p, const void *x, const void *y, const void *dy, void *dx,
                                    void *dskip, void *dgamma, void *dbeta);
  /* y = maxpool(act((x - mean) * inv * gamma + beta)) of images; top is the x that won, winner its place in the
     window (row * pool_w + column), 255 where relu clamped it; all three n, h / pool_h, w / pool_w, c */
  void (*channel_normalise_pool)(const peri_norm *p, const void *x, void *y, void *top, uint8_t *winner);
  int (*channel_normalise_pool_backward)(const peri_norm *p, const void *x, const void *top, const uint8_t *winner,
                                         const void *dy, void *dx, void *dgamma, void *dbeta);
  /* y = (x - mean) * inv * gamma + beta per row of cols numbers; mean and inv are outputs of rows numbers */
  void (*row_normalise)(int64_t rows, int64_t cols, const void *x, const void *gamma, const void *beta, double epsilon,
                        void *y, void *mean, void *inv);
  int (*row_normalise_backward)(int64_t rows, int64_t cols, const void *x, const void *mean, const void *inv,
                                const void *gamma, const void *dy, void *dx, void *dgamma, void *dbeta);

  /* --- matrix product --- */
  int (*matmul)(const peri_matmul *p, const void *a, const void *b, void *c);

  /* --- convolution: bias may be NULL; gradients overwrite their outputs --- */
  int (*conv)(const peri_window *g, const void *x, const void *kernel, const void *bias, int relu, void *y);
  int (*conv_backward_input)(const peri_window *g, const void *dy, const void *kernel, void *dx);
  int (*conv_backward_kernel)(const peri_window *g, const void *x, const void *dy, void *dkernel, void *dbias);
  /* y = maxpool(relu(conv(x) + bias)); winner is the place in the window (row * pool_w + column),
     255 where relu clamped it. Both are n, ph, pw, oc. pool_h * pool_w <= 255. */
  int (*conv_pool)(const peri_conv_pool *g, const void *x, const void *kernel, const void *bias, void *y, uint8_t *winner);
  int (*conv_pool_backward_input)(const peri_conv_pool *g, const void *dy, const uint8_t *winner, const void *kernel, void *dx);
  int (*conv_pool_backward_kernel)(const peri_conv_pool *g, const void *x, const void *dy, const uint8_t *winner,
                                   void *dkernel, void *dbias);

  /* --- the same with weights made ready once, for inference. Without pooling pool_h = pool_w = 1, ph = oh, pw = ow;
     behind pooling ReLU is implied. conv_prepare fills conv_prepare_size bytes (aligned to 64) of the caller's:
     plain numbers, good for this geometry on this set, any number of images; fastest for about g->conv.n --- */
  int64_t (*conv_prepare_size)(const peri_conv_pool *g);
  int (*conv_prepare)(const peri_conv_pool *g, const void *kernel, void *prepared);
  int (*conv_prepared)(const peri_conv_pool *g, const void *x, const void *prepared, const void *bias, int relu, void *y);
  /* floating-point operations that a pass over g really executes, its transforms included (2 for a multiplication
     with addition); behind pooling the gradients', at most: none of them for what ReLU clamped */
  double (*conv_operations)(const peri_conv_pool *g, peri_pass pass);

  /* --- pooling; winner is the place in the window (row * kw + column) as int32 --- */
  void (*max_pool)(const peri_window *g, const void *x, void *y, int32_t *winner);
  void (*max_pool_backward)(const peri_window *g, const void *dy, const int32_t *winner, void *dx);
  void (*average_pool)(const peri_window *g, const void *x, void *y);
  void (*average_pool_backward)(const peri_window *g, const void *dy, void *dx);

  /* --- optimisers: w and the states are updated in place, g is read --- */
  void (*sgd)(const peri_step *s, int64_t n, void *w, const void *g, void *velocity);         /* velocity NULL without momentum */
  void (*adam)(const peri_step *s, int64_t n, void *w, const void *g, void *m, void *v, void *most); /* most NULL unless AMSGrad */
  void (*rmsprop)(const peri_step *s, int64_t n, void *w, const void *g, void *v, void *mean, void *velocity); /* mean NULL unless centered */
  void (*adagrad)(const peri_step *s, int64_t n, void *w, const void *g, void *sum);
  double (*sum_squares)(int64_t n, const void *x); /* for clipping by global norm */

  /* --- pictures on their way into a batch: one a call, on the calling thread --- */
  void (*resample)(const peri_resample *g, const void *x, const void *rows, const void *columns, void *y);
  /* y = x (h, w) convolved along both axes with 2 radius + 1 taps that read the same from either end; outside
     is 0. scratch: h w numbers */
  void (*blur)(int64_t h, int64_t w, int64_t radius, const void *taps, const void *x, void *scratch, void *y);
  /* n numbers uniform in [-gain, gain) from the stream `key`, blocks `position` on, 16 bits each: of every 16
     blocks first the low halves of the 16 first words, then their high halves, then the second words' ... */
  void (*signed_noise)(uint64_t key, uint64_t position, int64_t n, double gain, void *y);
  /* n normal numbers of a deviation (Box and Muller): of every 16 blocks the cosines, then the sines, of the 16
     first and second words, then those of the third and fourth; words count by their upper 24 bits */
  void (*normal_noise)(uint64_t key, uint64_t position, int64_t n, double deviation, void *y);
} peri_kernels;

/* The table of an element type on this machine. Never NULL. */
const peri_kernels *peri_kernels_of(peri_dtype dtype);

/* A given set's table, or NULL when this processor or build does not have it (checks, benchmarks). */
const peri_kernels *peri_kernels_for_isa(const char *isa, peri_dtype dtype);

/* The set in use: "reference", "baseline", "avx2" or "avx512". */
const char *peri_isa(void);

/* How float32 is multiplied: "float32" (the start) or "bf16". It changes what peri_kernels_of(PERI_F32)
   gives from now on; PERI_EARG for another name, with a message that lists them. */
const char *peri_precision(void);
int peri_precision_set(const char *name);

/* What multiplies bfloat16 here: "avx512bf16", "amx", "amx-emulated", or "emulated" (float32 kernels on
   rounded operands, and no faster). These, too, are names for peri_kernels_for_isa. */
const char *peri_precision_unit(void);

#endif
