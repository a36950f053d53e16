/* batch.c - orders, and rows gathered from a stored set into a batch.

   A gather is cut into pieces of whole rows, about PIECE elements each, so that its result never
   depends on the threads. Positions are checked before the pieces start: a piece cannot fail. */
#include "data/data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/threads.h"
#include "data/augment.h"

enum { PIECE = 1 << 15, CHANNELS_MOST = PERI_AUGMENT_CHANNELS };

/* splitmix64's finaliser: keeps the shuffle's stream apart from every stream keyed by the seed itself. */
uint64_t peri__mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
  x = (x ^ x >> 27) * 0x94D049BB133111EBU;
  return x ^ x >> 31;
}

int peri_batch_order(peri_tensor **out, uint64_t seed, uint64_t epoch, int64_t n) {
  *out = NULL;
  if (n < 0) return peri_fail(PERI_EARG, "permutation: n is %" PRId64 ", expected 0 or more", n);
  PERI_TRY(peri_tensor_new(out, PERI_I64, 1, &n));
  int64_t *order = peri_tensor_data(*out);
  peri_rng rng = {.key = peri__mix(peri__mix(seed) ^ epoch), .position = 0};
  peri_rng_permutation(&rng, n, order);
  for (int64_t i = 0; i < n; i++) order[i]++;
  return PERI_OK;
}

/* A gather's work. `source` is dense; `order` points at the first position wanted, or is NULL. */
typedef struct gather {
  peri_dtype dtype;
  const char *source;
  const int64_t *order;
  int64_t first, count, row, rows_a_piece; /* row: elements in a row */
  int64_t channels;
  const float *scale, *shift; /* NULL: copy the bytes */
  size_t bytes;               /* of an element of source */
  char *to;
} gather;

#define CONVERT(name, type)                                                                        \
  static void name(const void *from, int64_t n, int64_t channels, const float *scale,              \
                   const float *shift, float *restrict to) {                                       \
    const type *restrict v = from;                                                                 \
    if (channels == 1) {                                                                           \
      const float a = *scale, b = *shift;                                                          \
      for (int64_t i = 0; i < n; i++) to[i] = (float)v[i] * a + b;                                 \
    } else {                                                                                       \
      for (int64_t i = 0; i < n; i += channels)                                                    \
        for (int64_t c = 0; c < channels; c++) to[i + c] = (float)v[i + c] * scale[c] + shift[c];  \
    }                                                                                              \
  }
CONVERT(convert_u8, uint8_t)
CONVERT(convert_f32, float)
CONVERT(convert_f64, double)
CONVERT(convert_i64, int64_t)

void peri__convert(peri_dtype dtype, const void *from, int64_t n, int64_t channels, const float *scale,
                   const float *shift, float *to) {
  static void (*const converters[PERI_DTYPES])(const void *, int64_t, int64_t, const float *, const float *, float *) = {
      [PERI_F32] = convert_f32, [PERI_F64] = convert_f64, [PERI_I64] = convert_i64, [PERI_U8] = convert_u8};
  converters[dtype](from, n, channels, scale, shift, to);
}

static void gather_piece(void *context, int64_t piece) {
  const gather *g = context;
  int64_t begin = piece * g->rows_a_piece, end = begin + g->rows_a_piece;
  size_t wide = (size_t)g->row * g->bytes;
  for (int64_t i = begin; i < (end < g->count ? end : g->count); i++) {
    const char *from = g->source + (size_t)((g->order ? g->order[i] : g->first + i) - 1) * wide;
    if (g->scale) peri__convert(g->dtype, from, g->row, g->channels, g->scale, g->shift, (float *)(void *)g->to + i * g->row);
    else memcpy(g->to + (size_t)i * wide, from, wide);
  }
}

/* That `first` and `count` lie in the order, and every position in the source. */
static int check_positions(const char *op, const peri_tensor *source, const peri_tensor *order, int64_t first,
                           int64_t count) {
  if (source->ndim < 1) return peri_fail(PERI_ESHAPE, "%s: source is a scalar, expected rows", op);
  if (order && (order->dtype != PERI_I64 || order->ndim != 1)) {
    return peri_fail(PERI_ETYPE, "%s: order is %s, expected int64 of one axis", op, peri_tensor_text(order));
  }
  int64_t length = order ? order->shape[0] : source->shape[0];
  if (first < 1 || count < 0 || count > length || first - 1 > length - count) {
    return peri_fail(PERI_EARG, "%s: rows %" PRId64 " to %" PRId64 " of %" PRId64, op, first, first + count - 1, length);
  }
  if (!order) return PERI_OK;
  const int64_t *at = peri_tensor_data(order);
  for (int64_t i = first - 1; i < first - 1 + count; i++) {
    if (at[i * order->strides[0]] < 1 || at[i * order->strides[0]] > source->shape[0]) {
      return peri_fail(PERI_EARG, "%s: order[%" PRId64 "] is %" PRId64 ", and source has %" PRId64 " rows", op, i + 1,
                       at[i * order->strides[0]], source->shape[0]);
    }
  }
  return PERI_OK;
}

/* Both gathers: scale NULL copies. Views are made dense first. */
static int run_gather(const char *op, peri_tensor **out, const peri_tensor *source, const peri_tensor *order,
                      int64_t first, int64_t count, int64_t channels, const float *scale, const float *shift) {
  *out = NULL;
  PERI_TRY(check_positions(op, source, order, first, count));
  peri_tensor *dense = NULL, *positions = NULL;
  int status = PERI_OK;
  int64_t shape[PERI_MAX_DIMS];
  memcpy(shape, source->shape, sizeof shape);
  shape[0] = count;
  if (!peri_tensor_contiguous(source)) {
    PERI_TRY_GOTO(done, peri_tensor_clone(&dense, source));
    source = dense;
  }
  if (order && !peri_tensor_contiguous(order)) {
    PERI_TRY_GOTO(done, peri_tensor_clone(&positions, order));
    order = positions;
  }
  PERI_TRY_GOTO(done, peri_tensor_new(out, scale ? PERI_F32 : source->dtype, source->ndim, shape));
  int64_t elements = peri_tensor_count(*out), row = count ? elements / count : 0;
  if (elements == 0) goto done;
  int64_t rows = row < PIECE ? PIECE / row : 1;
  gather g = {source->dtype, peri_tensor_data(source), order ? (const int64_t *)peri_tensor_data(order) + first - 1 : NULL,
              first, count, row, rows, channels, scale, shift, peri_dtype_size(source->dtype), peri_tensor_data(*out)};
  peri_parallel((count + rows - 1) / rows, gather_piece, &g);
done:
  peri_tensor_release(dense);
  peri_tensor_release(positions);
  return status;
}

int peri_batch_gather(peri_tensor **out, const peri_tensor *source, const peri_tensor *order, int64_t first,
                      int64_t count, int64_t channels, const double *scale, const double *shift) {
  float factor[CHANNELS_MOST], offset[CHANNELS_MOST];
  *out = NULL;
  if (channels < 1 || channels > CHANNELS_MOST) {
    return peri_fail(PERI_EARG, "gather_rows: %" PRId64 " channels to scale, expected 1 to %d", channels, CHANNELS_MOST);
  }
  if (channels > 1 && (source->ndim < 2 || source->shape[source->ndim - 1] != channels)) {
    return peri_fail(PERI_ESHAPE, "gather_rows: %" PRId64 " channels to scale, but source is %s (the channels are its last axis)",
                     channels, peri_tensor_text(source));
  }
  for (int64_t c = 0; c < channels; c++) {
    factor[c] = (float)scale[c];
    offset[c] = (float)shift[c];
  }
  return run_gather("gather_rows", out, source, order, first, count, channels, factor, offset);
}

int peri_batch_take(peri_tensor **out, const peri_tensor *source, const peri_tensor *order, int64_t first,
                    int64_t count) {
  return run_gather("take_rows", out, source, order, first, count, 1, NULL, NULL);
}

int peri_batch_onehot(peri_tensor **out, const peri_tensor *labels, int64_t classes) {
  *out = NULL;
  if (labels->dtype != PERI_I64 || labels->ndim != 1) {
    return peri_fail(PERI_ETYPE, "onehot: labels are %s, expected int64 of one axis", peri_tensor_text(labels));
  }
  if (classes < 1) return peri_fail(PERI_EARG, "onehot: %" PRId64 " classes, expected 1 or more", classes);
  int64_t n = labels->shape[0];
  const int64_t *label = peri_tensor_data(labels);
  PERI_TRY(peri_tensor_zeros(out, PERI_F32, 2, (const int64_t[]){n, classes}));
  float *to = peri_tensor_data(*out);
  for (int64_t i = 0; i < n; i++) {
    int64_t at = label[i * labels->strides[0]];
    if (at < 0 || at >= classes) {
      peri_tensor_release(*out);
      *out = NULL;
      return peri_fail(PERI_EARG, "onehot: label %" PRId64 " at row %" PRId64 ", expected 0 to %" PRId64, at, i + 1, classes - 1);
    }
    to[i * classes + at] = 1;
  }
  return PERI_OK;
}

/* Sums of values and of squares in doubles: exact for pixels, and for any data whose mean is not millions
   of times its deviation. */
int peri_batch_moments(const peri_tensor *source, const peri_tensor *order, int64_t each, double *mean,
                       double *deviation) {
  enum { ROWS = 256 };
  int64_t n = order ? order->shape[0] : source->ndim ? source->shape[0] : 0;
  if (each < 1 || (each > 1 && (source->ndim < 2 || source->shape[source->ndim - 1] != each))) {
    return peri_fail(PERI_ESHAPE, "moments: %" PRId64 " channels, but source is %s (the channels are its last axis)", each,
                     peri_tensor_text(source));
  }
  if (n < 1 || peri_tensor_count(source) < 1) return peri_fail(PERI_EARG, "moments: there are no rows");
  double count = 0, one = 1, zero = 0;
  for (int64_t c = 0; c < each; c++) mean[c] = deviation[c] = 0;
  for (int64_t first = 1; first <= n; first += ROWS) {
    peri_tensor *rows;
    PERI_TRY(peri_batch_gather(&rows, source, order, first, n - first + 1 < ROWS ? n - first + 1 : ROWS, 1, &one, &zero));
    const float *v = peri_tensor_data(rows);
    int64_t elements = peri_tensor_count(rows);
    for (int64_t i = 0; i < elements; i += each) {
      for (int64_t c = 0; c < each; c++) {
        mean[c] += (double)v[i + c];
        deviation[c] += (double)v[i + c] * (double)v[i + c];
      }
    }
    count += (double)elements / (double)each;
    peri_tensor_release(rows);
  }
  for (int64_t c = 0; c < each; c++) {
    mean[c] /= count;
    double variance = deviation[c] / count - mean[c] * mean[c];
    deviation[c] = variance > 0 ? sqrt(variance) : 0;
  }
  return PERI_OK;
}
