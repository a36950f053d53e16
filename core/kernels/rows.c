/* rows.c - softmax, log-softmax and cross-entropy of rows of float32.

   Each row is one thread's: its largest number, then the sum of e^(x - largest) in vectors whose sums
   go to double every BLOCK numbers. A NaN or +inf in a row makes the row NaN, as in the reference. */
#include "base/threads.h"
#include "kernels/vector_math.h"

void PERI_ISA_NAME(peri__fill_rows)(peri_kernels *f32, peri_kernels *f64);

enum { BLOCK = 512, PIECE = 1 << 13 };

typedef struct job {
  int64_t rows, cols, step; /* step: rows a piece takes */
  const float *x, *dy, *target;
  const int64_t *labels;
  float *y, *loss;
  float smoothing;
  void (*row)(const struct job *j, int64_t r);
} job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static void piece_of(void *context, int64_t piece) {
  const job *j = context;
  int64_t end = smaller(j->rows, (piece + 1) * j->step);
  for (int64_t r = piece * j->step; r < end; r++) j->row(j, r);
}

static void run(job j, void (*row)(const job *, int64_t)) {
  if (j.rows < 1 || j.cols < 1) return;
  j.row = row;
  j.step = j.cols < PIECE ? PIECE / j.cols : 1;
  peri_parallel((j.rows + j.step - 1) / j.step, piece_of, &j);
}

/* The largest number of a row, NaN left out; 0 if that is -inf. */
static float largest(int64_t cols, const float *x) {
  vf best = VF(-INFINITY);
  int64_t c = 0;
  for (; c + PERI_LANES <= cols; c += PERI_LANES) best = vf_max(vf_load(x + c), best);
  float top = vf_max_across(best);
  for (; c < cols; c++) top = x[c] > top ? x[c] : top;
  return top == -INFINITY ? 0 : top;
}

/* y = e^(x - most); returns the sum. */
static double exponentials(int64_t cols, const float *x, float most, float *y) {
  double total = 0;
  for (int64_t at = 0; at < cols; at += BLOCK) {
    int64_t end = smaller(cols, at + BLOCK), c = at;
    vf sum = {0};
    for (; c + PERI_LANES <= end; c += PERI_LANES) {
      vf e = vf_exp(vf_load(x + c) - most);
      vf_store(y + c, e);
      sum += e;
    }
    if (c < end) {
      vf_store_part(y + c, vf_exp(vf_load_part(x + c, end - c) - most), end - c);
      sum += vf_load_part(y + c, end - c); /* the lanes beyond the row are 0 again */
    }
    total += (double)vf_sum(sum);
  }
  return total;
}

static void scale_row(int64_t cols, float *y, float factor) {
  for (int64_t c = 0; c < cols; c++) y[c] *= factor;
}

static double dot(int64_t cols, const float *a, const float *b) {
  double total = 0;
  for (int64_t at = 0; at < cols; at += BLOCK) {
    int64_t end = smaller(cols, at + BLOCK), c = at;
    vf sum = {0};
    for (; c + PERI_LANES <= end; c += PERI_LANES) sum = vf_fma(vf_load(a + c), vf_load(b + c), sum);
    if (c < end) sum = vf_fma(vf_load_part(a + c, end - c), vf_load_part(b + c, end - c), sum);
    total += (double)vf_sum(sum);
  }
  return total;
}

static double sum(int64_t cols, const float *a) {
  double total = 0;
  for (int64_t at = 0; at < cols; at += BLOCK) {
    int64_t end = smaller(cols, at + BLOCK), c = at;
    vf part = {0};
    for (; c + PERI_LANES <= end; c += PERI_LANES) part += vf_load(a + c);
    if (c < end) part += vf_load_part(a + c, end - c);
    total += (double)vf_sum(part);
  }
  return total;
}

/* ---------------------------------------------------------------- softmax */

static void softmax_row(const job *j, int64_t r) {
  const float *x = j->x + r * j->cols;
  float *y = j->y + r * j->cols;
  double total = exponentials(j->cols, x, largest(j->cols, x), y);
  scale_row(j->cols, y, (float)(1 / total));
}
static void softmax(int64_t rows, int64_t cols, const void *x, void *y) {
  run((job){.rows = rows, .cols = cols, .x = x, .y = y}, softmax_row);
}

/* dx = y (dy - sum y dy); here x is y */
static void softmax_back_row(const job *j, int64_t r) {
  const float *y = j->x + r * j->cols, *dy = j->dy + r * j->cols;
  float *dx = j->y + r * j->cols, along = (float)dot(j->cols, y, dy);
  for (int64_t c = 0; c < j->cols; c++) dx[c] = y[c] * (dy[c] - along);
}
static void softmax_backward(int64_t rows, int64_t cols, const void *y, const void *dy, void *dx) {
  run((job){.rows = rows, .cols = cols, .x = y, .dy = dy, .y = dx}, softmax_back_row);
}

static void log_softmax_row(const job *j, int64_t r) {
  const float *x = j->x + r * j->cols;
  float *y = j->y + r * j->cols, most = largest(j->cols, x);
  float log_total = (float)log(exponentials(j->cols, x, most, y));
  for (int64_t c = 0; c < j->cols; c++) y[c] = x[c] - most - log_total;
}
static void log_softmax(int64_t rows, int64_t cols, const void *x, void *y) {
  run((job){.rows = rows, .cols = cols, .x = x, .y = y}, log_softmax_row);
}

/* dx = dy - e^y sum dy; here x is y */
static void log_softmax_back_row(const job *j, int64_t r) {
  const float *y = j->x + r * j->cols, *dy = j->dy + r * j->cols;
  float *dx = j->y + r * j->cols, total = (float)sum(j->cols, dy);
  int64_t c = 0;
  for (; c + PERI_LANES <= j->cols; c += PERI_LANES)
    vf_store(dx + c, vf_load(dy + c) - vf_exp(vf_load(y + c)) * total);
  int64_t left = j->cols - c;
  if (left) vf_store_part(dx + c, vf_load_part(dy + c, left) - vf_exp(vf_load_part(y + c, left)) * total, left);
}
static void log_softmax_backward(int64_t rows, int64_t cols, const void *y, const void *dy, void *dx) {
  run((job){.rows = rows, .cols = cols, .x = y, .dy = dy, .y = dx}, log_softmax_back_row);
}

/* ---------------------------------------------------------------- cross-entropy */

/* -sum_c t log p, t = (1 - smoothing) target + smoothing / cols; the terms of t = 0 are 0. */
static double loss_of(const job *j, int64_t r, const float *x, double shift) {
  double even = (double)j->smoothing / (double)j->cols, keep = 1 - (double)j->smoothing, total = 0;
  const float *target = j->labels ? NULL : j->target + r * j->cols;
  if (j->labels) total -= keep * ((double)x[j->labels[r]] - shift);
  if (j->labels && even == 0) return total;
  for (int64_t c = 0; c < j->cols; c++) {
    double t = even + (j->labels ? 0 : keep * (double)target[c]);
    if (t != 0) total -= t * ((double)x[c] - shift);
  }
  return total + (shift - shift); /* NaN where a number of the row was */
}

static void cross_entropy_row(const job *j, int64_t r) {
  const float *x = j->x + r * j->cols;
  float *p = j->y + r * j->cols, most = largest(j->cols, x);
  double total = exponentials(j->cols, x, most, p);
  scale_row(j->cols, p, (float)(1 / total));
  j->loss[r] = (float)loss_of(j, r, x, (double)most + log(total));
}
static void cross_entropy(int64_t rows, int64_t cols, const void *x, const int64_t *labels, const void *target,
                          double smoothing, void *loss, void *probabilities) {
  job j = {.rows = rows, .cols = cols, .x = x, .labels = labels, .smoothing = (float)smoothing};
  j.loss = loss;
  j.target = target;
  j.y = probabilities;
  run(j, cross_entropy_row);
}

/* dx = dloss (p sum t - t); here x is p and dy is dloss */
static void cross_entropy_back_row(const job *j, int64_t r) {
  const float *p = j->x + r * j->cols;
  float *dx = j->y + r * j->cols, even = j->smoothing / (float)j->cols, keep = 1 - j->smoothing, d = j->dy[r];
  if (j->labels) { /* t sums to 1 */
    int64_t label = j->labels[r];
    for (int64_t c = 0; c < j->cols; c++) dx[c] = d * (p[c] - even);
    dx[label] = d * (p[label] - (keep + even));
    return;
  }
  const float *target = j->target + r * j->cols;
  float total = (float)((double)keep * sum(j->cols, target) + (double)j->smoothing);
  for (int64_t c = 0; c < j->cols; c++) dx[c] = d * (total * p[c] - (keep * target[c] + even));
}
static void cross_entropy_backward(int64_t rows, int64_t cols, const void *probabilities, const int64_t *labels,
                                   const void *target, double smoothing, const void *dloss, void *dx) {
  job j = {.rows = rows, .cols = cols, .x = probabilities, .labels = labels, .smoothing = (float)smoothing};
  j.target = target;
  j.dy = dloss;
  j.y = dx;
  run(j, cross_entropy_back_row);
}

void PERI_ISA_NAME(peri__fill_rows)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->softmax = softmax;
  f32->softmax_backward = softmax_backward;
  f32->log_softmax = log_softmax;
  f32->log_softmax_backward = log_softmax_backward;
  f32->cross_entropy = cross_entropy;
  f32->cross_entropy_backward = cross_entropy_backward;
}
