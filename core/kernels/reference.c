/* reference.c - every kernel as the loops its definition says, one template an element type.

   This is the oracle and the documentation: nothing here is fast, floating point is computed in double
   and rounded once at the end, and formulas come from elementwise.def. Integers wrap, and never trap. */
#include "kernels/reference.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/rng.h"

/* One value of an elementwise function, in double. */
static double peri__unary_f64_one(peri_unary f, double x, double p);

#define PASTE(a, b) a##_##b
#define PASTED(a, b) PASTE(a, b)
#define NAME(x) PASTED(x, SUFFIX)

/* ---------------------------------------------------------------- float32, float64 */
#define SUM double
#define IS_NAN(v) ((v) != (v))
#define LOWEST (-(T)INFINITY)
#define HIGHEST ((T)INFINITY)

#define T float
#define SUFFIX f32
#include "kernels/reference_common.inc"
#include "kernels/reference_float.inc"
#include "kernels/reference_batch_norm.inc"
#include "kernels/reference_norm.inc"
#include "kernels/reference_window.inc"
#include "kernels/reference_resample.inc"
#undef T
#undef SUFFIX

#define T double
#define SUFFIX f64
#include "kernels/reference_common.inc"
#include "kernels/reference_float.inc"
#include "kernels/reference_batch_norm.inc"
#include "kernels/reference_norm.inc"
#include "kernels/reference_window.inc"
#include "kernels/reference_resample.inc"
#undef T
#undef SUFFIX

#undef SUM
#undef IS_NAN
#undef LOWEST
#undef HIGHEST

static double peri__unary_f64_one(peri_unary f, double x, double p) {
  double y = 0;
  unary_f64(f, 1, &x, &y, p);
  return y;
}

/* ---------------------------------------------------------------- int64, uint8 */
#define SUM uint64_t
#define IS_NAN(v) ((void)(v), 0)

#define T int64_t
#define SUFFIX i64
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define IS_NEGATIVE(v) ((v) < 0)
#define IS_MINUS_ONE(v) ((v) == -1)
#include "kernels/reference_common.inc"
#include "kernels/reference_integer.inc"
#undef T
#undef SUFFIX
#undef LOWEST
#undef HIGHEST
#undef IS_NEGATIVE
#undef IS_MINUS_ONE

#define T uint8_t
#define SUFFIX u8
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define IS_NEGATIVE(v) ((void)(v), 0)
#define IS_MINUS_ONE(v) ((void)(v), 0)
#include "kernels/reference_common.inc"
#include "kernels/reference_integer.inc"

/* ---------------------------------------------------------------- the tables */
#define COMMON_ENTRIES(s)                                                                                              \
  .isa = "reference", .unary = unary_##s, .binary = binary_##s, .compare = compare_##s, .axpy = axpy_##s,              \
  .fill = fill_##s, .reduce = reduce_##s, .argreduce = argreduce_##s, .cumsum = cumsum_##s, .matmul = matmul_##s

#define FLOAT_ENTRIES(s)                                                                                               \
  .dropout = dropout_##s, .unary_backward = unary_backward_##s, .binary_backward = binary_backward_##s, .softmax = softmax_##s,                \
  .softmax_backward = softmax_backward_##s, .log_softmax = log_softmax_##s,                                            \
  .log_softmax_backward = log_softmax_backward_##s, .cross_entropy = cross_entropy_##s,                                \
  .cross_entropy_backward = cross_entropy_backward_##s, .channel_moments = channel_moments_##s,                        \
  .channel_normalise = channel_normalise_##s, .channel_normalise_backward = channel_normalise_backward_##s,            \
  .channel_normalise_pool = channel_normalise_pool_##s,                                                                \
  .channel_normalise_pool_backward = channel_normalise_pool_backward_##s,                                              \
  .row_normalise = row_normalise_##s, .row_normalise_backward = row_normalise_backward_##s, .conv = conv_##s,          \
  .conv_backward_input = conv_backward_input_##s, .conv_backward_kernel = conv_backward_kernel_##s,                    \
  .conv_pool = conv_pool_##s, .conv_pool_backward_input = conv_pool_backward_input_##s,                                \
  .conv_pool_backward_kernel = conv_pool_backward_kernel_##s, .conv_prepare_size = conv_prepare_size_##s,              \
  .conv_prepare = conv_prepare_##s, .conv_prepared = conv_prepared_##s, .conv_operations = conv_operations_##s,        \
  .max_pool = max_pool_##s,                                                                                            \
  .max_pool_backward = max_pool_backward_##s, .average_pool = average_pool_##s,                                        \
  .average_pool_backward = average_pool_backward_##s, .sgd = sgd_##s, .adam = adam_##s, .rmsprop = rmsprop_##s,        \
  .adagrad = adagrad_##s, .sum_squares = sum_squares_##s, .resample = resample_##s, .blur = blur_##s,                  \
  .signed_noise = signed_noise_##s, .normal_noise = normal_noise_##s

static const peri_kernels tables[PERI_DTYPES] = {
    [PERI_F32] = {COMMON_ENTRIES(f32), FLOAT_ENTRIES(f32)},
    [PERI_F64] = {COMMON_ENTRIES(f64), FLOAT_ENTRIES(f64)},
    [PERI_I64] = {COMMON_ENTRIES(i64)},
    [PERI_U8] = {COMMON_ENTRIES(u8)},
};

const peri_kernels *peri__kernels_reference(peri_dtype dtype) { return &tables[dtype]; }
