/* count.c - counting: histogram, bincount, and class labels as one-hot rows. Labels are the data's own, from 0. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"

static int want_labels(const char *op, const char *argument, const peri_tensor *t) {
  if (!peri_dtype_floating(t->dtype)) return PERI_OK;
  return peri_fail(PERI_ETYPE, "%s: '%s' must be int64 or uint8, not %s; convert it with :long()", op, argument,
                   peri_dtype_name(t->dtype));
}

/* --- histogram --- */

/* The range of the finite elements; false when there are none. */
static bool finite_range(const peri_tensor *values, double *low, double *high) {
  const double *data = peri_tensor_data(values);
  bool any = false;
  for (int64_t i = 0; i < peri_tensor_count(values); i++) {
    if (!isfinite(data[i])) continue;
    *low = any ? fmin(*low, data[i]) : data[i];
    *high = any ? fmax(*high, data[i]) : data[i];
    any = true;
  }
  return any;
}

static int histogram_range(const peri_call *c, const peri_tensor *values, double *low, double *high) {
  *low = 0;
  *high = 1;
  if (!c->arg[2].given || !c->arg[3].given) finite_range(values, low, high);
  if (c->arg[2].given) *low = c->arg[2].number;
  if (c->arg[3].given) *high = c->arg[3].number;
  if (*low == *high) { /* one value: a bin of width 1 around it, as NumPy has it */
    *low -= 0.5;
    *high += 0.5;
  }
  if (isfinite(*low) && isfinite(*high) && *low < *high) return PERI_OK;
  return peri_fail(PERI_EARG, "histogram: min %g and max %g are no range", *low, *high);
}

/* The bin of a value in range: by arithmetic, then set right against the edges, which rounding may miss by one. */
static int64_t bin_of(double value, const double *edge, int64_t bins) {
  int64_t bin = (int64_t)((value - edge[0]) / (edge[bins] - edge[0]) * (double)bins);
  if (bin >= bins) bin = bins - 1;
  while (bin > 0 && value < edge[bin]) bin--;
  while (bin < bins - 1 && value >= edge[bin + 1]) bin++;
  return bin;
}

static int histogram_forward(peri_call *c) {
  int64_t bins = c->arg[1].integer;
  double low, high;
  peri_tensor *values = NULL, *edges = NULL, *typed = NULL;
  if (bins < 1) return peri_fail(PERI_EARG, "histogram: wants at least 1 bin, got %lld", (long long)bins);
  PERI_TRY(peri_tensor_cast(&values, c->arg[0].tensor, PERI_F64));
  int status = histogram_range(c, values, &low, &high);
  if (status >= 0) status = peri_tensor_new(&edges, PERI_F64, 1, (int64_t[]){bins + 1});
  if (status >= 0) status = peri_tensor_zeros(&c->out[0], PERI_I64, 1, &bins);
  if (status >= 0) {
    double *edge = peri_tensor_data(edges);
    const double *data = peri_tensor_data(values);
    int64_t *counts = peri_tensor_data(c->out[0]);
    for (int64_t i = 0; i <= bins; i++) edge[i] = low + (high - low) * ((double)i / (double)bins);
    edge[bins] = high;
    for (int64_t i = 0; i < peri_tensor_count(values); i++) {
      if (data[i] >= low && data[i] <= high) counts[bin_of(data[i], edge, bins)]++;
    }
    status = peri_tensor_cast(&typed, edges, c->arg[0].tensor->dtype == PERI_F32 ? PERI_F32 : PERI_F64);
  }
  if (status >= 0) {
    c->out[1] = typed;
    c->outs = 2;
  }
  peri_tensor_release(values);
  peri_tensor_release(edges);
  return status;
}
const peri_op peri_op_histogram = {
    .name = "histogram",
    .signature = "x: tensor, bins: int = 10, min: number?, max: number?",
    .doc = "How many elements fall into each of `bins` bins of one width between min and max (those of x unless given), "
           "int64, and the bins + 1 edges. A bin holds its lower edge, the last one both; what is outside, and NaN, is not counted.",
    .example = "randn(20), 4",
    .forward = histogram_forward,
    .outs = 2};

/* --- bincount --- */

static int bincount_forward(peri_call *c) {
  peri_tensor *labels = NULL;
  int64_t size = c->arg[1].integer;
  PERI_TRY(want_labels("bincount", "labels", c->arg[0].tensor));
  if (size < 0) return peri_fail(PERI_EARG, "bincount: the least number of counts must not be negative");
  PERI_TRY(peri_tensor_cast(&labels, c->arg[0].tensor, PERI_I64));
  const int64_t *label = peri_tensor_data(labels);
  int64_t n = peri_tensor_count(labels);
  int status = PERI_OK;
  for (int64_t i = 0; i < n && status >= 0; i++) {
    if (label[i] < 0) status = peri_fail(PERI_EARG, "bincount: labels count from 0, one is %lld", (long long)label[i]);
    else if (label[i] == INT64_MAX) status = peri_fail(PERI_ENOMEM, "bincount: a label is %lld", (long long)label[i]);
    else if (label[i] >= size) size = label[i] + 1;
  }
  if (status >= 0) status = peri_tensor_zeros(&c->out[0], PERI_I64, 1, &size);
  if (status >= 0) {
    int64_t *counts = peri_tensor_data(c->out[0]);
    for (int64_t i = 0; i < n; i++) counts[label[i]]++;
    c->outs = 1;
  }
  peri_tensor_release(labels);
  return status;
}
const peri_op peri_op_bincount = {
    .name = "bincount",
    .signature = "labels: tensor, minlength: int = 0",
    .doc = "How often each label from 0 occurs: element i of the result (from 1) counts label i - 1. At least `minlength` counts.",
    .example = "tensor({0, 2, 2}, 'int64')",
    .forward = bincount_forward};

/* --- one_hot --- */

static int one_hot_forward(peri_call *c) {
  peri_tensor *in = c->arg[0].tensor, *labels = NULL, *ones = NULL;
  int64_t classes = c->arg[1].integer, shape[PERI_MAX_DIMS], n = peri_tensor_count(in);
  PERI_TRY(want_labels("one_hot", "labels", in));
  if (classes < 1) return peri_fail(PERI_EARG, "one_hot: wants at least 1 class, got %lld", (long long)classes);
  if (in->ndim == PERI_MAX_DIMS) return peri_fail(PERI_ESHAPE, "one_hot: %s has no room for another axis", peri_tensor_text(in));
  memcpy(shape, in->shape, sizeof shape);
  shape[in->ndim] = classes;
  PERI_TRY(peri_tensor_cast(&labels, in, PERI_I64));
  int status = peri_tensor_zeros(&ones, (peri_dtype)c->arg[2].integer, in->ndim + 1, shape);
  const int64_t *label = peri_tensor_data(labels);
  for (int64_t i = 0; i < n && status >= 0; i++) {
    if (label[i] < 0 || label[i] >= classes) {
      status = peri_fail(PERI_EARG, "one_hot: label %lld is not in 0 to %lld (%lld classes; labels count from 0)",
                         (long long)label[i], (long long)classes - 1, (long long)classes);
    } else {
      int64_t at = i * classes + label[i];
      void *data = peri_tensor_data(ones);
      switch (ones->dtype) {
      case PERI_F32: ((float *)data)[at] = 1; break;
      case PERI_F64: ((double *)data)[at] = 1; break;
      case PERI_I64: ((int64_t *)data)[at] = 1; break;
      default: ((uint8_t *)data)[at] = 1; break;
      }
    }
  }
  peri_tensor_release(labels);
  if (status < 0) {
    peri_tensor_release(ones);
    return status;
  }
  c->out[0] = ones;
  c->outs = 1;
  return PERI_OK;
}
const peri_op peri_op_one_hot = {
    .name = "one_hot",
    .signature = "labels: tensor, classes: int, dtype: dtype = float32",
    .doc = "Labels from 0 to classes - 1 as rows of zeros with a one at the label's place: a new last axis.",
    .example = "tensor({0, 2, 1}, 'int64'), 3",
    .forward = one_hot_forward};
