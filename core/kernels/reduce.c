/* reduce.c - sums, extremes and their places over the middle of outer x n x inner, float32.

   A sum adds BLOCK numbers in four vectors, then blocks in double, so its error hardly grows with n.
   Work is cut by outer and inner when there is enough of them, else (a sum of one long line) by n in
   pieces of PIECE numbers whose results are joined in order. Both cuts depend on the sizes alone. */
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/reference.h"
#include "kernels/vector.h"

void PERI_ISA_NAME(peri__fill_reduce)(peri_kernels *f32, peri_kernels *f64);

enum { BLOCK = 512, COLUMN_BLOCK = 16, PIECE = 1 << 15, MOST_PARTS = 256 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---------------------------------------------------------------- one dense line */

static double sum_line(int64_t n, const float *x) {
  double total = 0;
  for (int64_t at = 0; at < n; at += BLOCK) {
    int64_t end = smaller(n, at + BLOCK), i = at;
    vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (; i + 4 * PERI_LANES <= end; i += 4 * PERI_LANES) {
      s0 += vf_load(x + i);
      s1 += vf_load(x + i + PERI_LANES);
      s2 += vf_load(x + i + 2 * PERI_LANES);
      s3 += vf_load(x + i + 3 * PERI_LANES);
    }
    for (; i + PERI_LANES <= end; i += PERI_LANES) s0 += vf_load(x + i);
    if (i < end) s1 += vf_load_part(x + i, end - i);
    total += (double)vf_sum((s0 + s1) + (s2 + s3));
  }
  return total;
}

static double squares_line(int64_t n, const float *x) {
  vd s0 = {0}, s1 = {0}, low, high;
  int64_t i = 0;
  for (; i < n; i += PERI_LANES) {
    vf v = i + PERI_LANES <= n ? vf_load(x + i) : vf_load_part(x + i, n - i);
    vd_of_floats(v, &low, &high);
    s0 = vd_fma(low, low, s0);
    s1 = vd_fma(high, high, s1);
  }
  return vd_sum(s0 + s1);
}

/* The largest (sign = 1) or the smallest (sign = -1) of n > 0 numbers; NaN when there is one. */
static float extreme_line(int64_t n, const float *x, float sign) {
  vf best = vf_set1(-INFINITY), s = vf_set1(sign);
  vi nan = {0};
  int64_t i = 0;
  for (; i + PERI_LANES <= n; i += PERI_LANES) {
    vf v = vf_load(x + i) * s;
    best = vf_max(v, best);
    nan |= (vi)(v != v);
  }
  float top = vf_max_across(best);
  int found = 0;
  for (int lane = 0; lane < PERI_LANES; lane++) found |= nan[lane];
  for (; i < n; i++) {
    float v = x[i] * sign;
    top = v > top ? v : top;
    found |= v != v;
  }
  return found ? NAN : top * sign;
}

/* The first place of the extreme: its value is known after one pass, a second finds it. */
static int64_t place_line(int64_t n, const float *x, float sign) {
  float best = extreme_line(n, x, sign);
  int64_t i = 0;
  if (best != best) {
    while (i < n && x[i] == x[i]) i++;
    return i;
  }
  while (i < n && x[i] != best) i++;
  return i < n ? i : 0;
}

/* ---------------------------------------------------------------- columns: inner > 1 */

/* y[0..count) = the sums over n rows, `inner` apart. Blocks of rows go to double. */
static void sum_columns(int64_t n, int64_t inner, int64_t count, const float *x, float *y) {
  for (int64_t c = 0; c < count; c += PERI_LANES) {
    int64_t width = smaller(PERI_LANES, count - c);
    vd low = {0}, high = {0}, part_low, part_high;
    for (int64_t at = 0; at < n; at += COLUMN_BLOCK) {
      int64_t end = smaller(n, at + COLUMN_BLOCK);
      vf s = {0};
      for (int64_t r = at; r < end; r++)
        s += width == PERI_LANES ? vf_load(x + r * inner + c) : vf_load_part(x + r * inner + c, width);
      vd_of_floats(s, &part_low, &part_high);
      low += part_low;
      high += part_high;
    }
    double lane[PERI_LANES];
    vd_store(lane, low);
    vd_store(lane + PERI_LANES / 2, high);
    for (int64_t i = 0; i < width; i++) y[c + i] = (float)lane[i];
  }
}

static void extreme_columns(int64_t n, int64_t inner, int64_t count, const float *x, float *y, float sign) {
  vf s = vf_set1(sign);
  for (int64_t c = 0; c < count; c += PERI_LANES) {
    int64_t width = smaller(PERI_LANES, count - c);
    vf best = vf_set1(-INFINITY);
    for (int64_t r = 0; r < n; r++) {
      vf v = s * (width == PERI_LANES ? vf_load(x + r * inner + c) : vf_load_part(x + r * inner + c, width));
      best = vf_select(vm_nan(best), best, vf_select(vm_nan(v), v, vf_max(v, best)));
    }
    vf_store_part(y + c, best * s, width);
  }
}

/* ---------------------------------------------------------------- cutting */

typedef struct job {
  peri_reduce f;
  int64_t outer, n, inner, strip; /* strip: inner columns a piece takes; outer lines a piece when inner = 1 */
  const float *x;
  float *y;
  int64_t *index;
  double *part;
} job;

static void lines_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t end = smaller(j->outer, (piece + 1) * j->strip);
  float sign = j->f == PERI_MAX ? 1 : -1;
  for (int64_t o = piece * j->strip; o < end; o++) {
    const float *x = j->x + o * j->n;
    if (j->index) j->index[o] = place_line(j->n, x, sign);
    else j->y[o] = j->f == PERI_SUM ? (float)sum_line(j->n, x) : extreme_line(j->n, x, sign);
  }
}

static void columns_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t strips = (j->inner + j->strip - 1) / j->strip, o = piece / strips, c = piece % strips * j->strip;
  const float *x = j->x + o * j->n * j->inner + c;
  float *y = j->y + o * j->inner + c;
  int64_t count = smaller(j->strip, j->inner - c);
  if (j->f == PERI_SUM) sum_columns(j->n, j->inner, count, x, y);
  else extreme_columns(j->n, j->inner, count, x, y, j->f == PERI_MAX ? 1 : -1);
}

static void long_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t at = piece * j->strip, n = smaller(j->strip, j->n - at);
  if (j->f == PERI_SUM) j->part[piece] = sum_line(n, j->x + at);
  else if (j->f == PERI_PROD) j->part[piece] = squares_line(n, j->x + at); /* sum_squares borrows the name */
  else j->part[piece] = (double)extreme_line(n, j->x + at, j->f == PERI_MAX ? 1 : -1);
}

/* One long line: pieces side by side, then joined in order. */
static double long_line(peri_reduce f, int64_t n, const float *x) {
  double part[MOST_PARTS], total = 0;
  int64_t strip = PIECE;
  while ((n + strip - 1) / strip > MOST_PARTS) strip *= 2;
  int64_t pieces = (n + strip - 1) / strip;
  job j = {.f = f, .n = n, .strip = strip, .x = x, .part = part};
  peri_parallel(pieces, long_piece, &j);
  for (int64_t i = 0; i < pieces; i++) {
    double v = part[i];
    if (f == PERI_SUM || f == PERI_PROD) total += v;
    else if (i == 0 || v != v || (total == total && (f == PERI_MAX ? v > total : v < total))) total = v;
  }
  return total;
}

static void reduce(peri_reduce f, int64_t outer, int64_t n, int64_t inner, const void *x, void *y) {
  if (f == PERI_PROD || n == 0 || outer * inner == 0) {
    peri__kernels_reference(PERI_F32)->reduce(f, outer, n, inner, x, y);
    return;
  }
  job j = {.f = f, .outer = outer, .n = n, .inner = inner, .x = x, .y = y};
  if (inner > 1) {
    int64_t lanes = 64; /* columns a piece at least, more where n is short */
    while (lanes * n < PIECE / 4 && lanes < inner) lanes *= 2;
    j.strip = lanes;
    peri_parallel(outer * ((inner + lanes - 1) / lanes), columns_piece, &j);
  } else if (outer < 8 && n >= 2 * PIECE) {
    for (int64_t o = 0; o < outer; o++) ((float *)y)[o] = (float)long_line(f, n, (const float *)x + o * n);
  } else {
    j.strip = n < PIECE ? PIECE / n : 1;
    peri_parallel((outer + j.strip - 1) / j.strip, lines_piece, &j);
  }
}

static void argreduce(peri_reduce f, int64_t outer, int64_t n, int64_t inner, const void *x, int64_t *index) {
  if (inner != 1 || n == 0 || outer == 0) {
    peri__kernels_reference(PERI_F32)->argreduce(f, outer, n, inner, x, index);
    return;
  }
  job j = {.f = f, .outer = outer, .n = n, .inner = 1, .strip = n < PIECE ? PIECE / n : 1, .x = x, .index = index};
  peri_parallel((outer + j.strip - 1) / j.strip, lines_piece, &j);
}

static double sum_squares(int64_t n, const void *x) { return n > 0 ? long_line(PERI_PROD, n, x) : 0; }

void PERI_ISA_NAME(peri__fill_reduce)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->reduce = reduce;
  f32->argreduce = argreduce;
  f32->sum_squares = sum_squares;
}
