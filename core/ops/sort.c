/* sort.c - order along an axis: sort, argsort, topk.

   Every element becomes a pair: an unsigned key whose order is the order wanted, and its place. Floats map
   to keys by their bits (IEEE 754: flip all bits of negative numbers, the sign of others); -0 counts as 0, and
   NaN gets the largest key in either direction, so that it comes last. Pairs are sorted by bytes of the key,
   least significant first (a radix sort: stable, linear), short lines by insertion. Equal elements keep
   their order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "ops/ops.h"

typedef struct pair {
  uint64_t key;
  int64_t at;
} pair;

static uint64_t double_key(double value, bool down) {
  if (isnan(value)) return UINT64_MAX;
  if (value == 0) value = 0; /* -0 as 0 */
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
  return down ? ~bits : bits;
}

/* 32 bits of key are enough, and half the passes. */
static uint64_t float_key(float value, bool down) {
  if (isnan(value)) return UINT32_MAX;
  if (value == 0) value = 0;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = bits >> 31 ? ~bits : bits | (uint32_t)1 << 31;
  return down ? (uint32_t)~bits : bits;
}

/* Line `first`, `first + step`, ... of x as pairs. */
static void read_line(const peri_tensor *x, int64_t first, int64_t step, int64_t n, bool down, pair *line) {
  const void *data = peri_tensor_data(x);
  for (int64_t i = 0; i < n; i++) {
    int64_t at = first + i * step;
    uint64_t key;
    switch (x->dtype) {
    case PERI_F32: key = float_key(((const float *)data)[at], down); break;
    case PERI_F64: key = double_key(((const double *)data)[at], down); break;
    case PERI_I64:
      key = (uint64_t)((const int64_t *)data)[at] ^ (uint64_t)1 << 63;
      if (down) key = ~key;
      break;
    default: key = down ? 255U - ((const uint8_t *)data)[at] : ((const uint8_t *)data)[at]; break;
    }
    line[i] = (pair){key, i};
  }
}

static void sort_short(pair *line, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    pair moved = line[i];
    int64_t j = i;
    for (; j > 0 && (line[j - 1].key > moved.key || (line[j - 1].key == moved.key && line[j - 1].at > moved.at)); j--) {
      line[j] = line[j - 1];
    }
    line[j] = moved;
  }
}

enum { SHORT = 48 };

/* Sorts pairs whose places ascend; `spare` has room for n. The result is in `line`. */
static void sort_line(pair *line, pair *spare, int64_t n, int bytes) {
  if (n <= SHORT) {
    sort_short(line, n);
    return;
  }
  int64_t count[8][256];
  memset(count, 0, sizeof count[0] * (size_t)bytes);
  for (int64_t i = 0; i < n; i++) {
    for (int b = 0; b < bytes; b++) count[b][line[i].key >> 8 * b & 255]++;
  }
  pair *from = line, *to = spare;
  for (int b = 0; b < bytes; b++) {
    int64_t start = 0, *place = count[b];
    if (place[from[0].key >> 8 * b & 255] == n) continue; /* all alike in this byte */
    for (int v = 0; v < 256; v++) {
      int64_t here = place[v];
      place[v] = start;
      start += here;
    }
    for (int64_t i = 0; i < n; i++) to[place[from[i].key >> 8 * b & 255]++] = from[i];
    pair *swap = from;
    from = to;
    to = swap;
  }
  if (from != line) memcpy(line, from, sizeof *line * (size_t)n);
}

/* --- the k least pairs, by a heap whose root is the worst of those kept --- */

static bool worse(pair a, pair b) { return a.key > b.key || (a.key == b.key && a.at > b.at); }

static void sift(pair *heap, int64_t k, int64_t i) {
  pair moved = heap[i];
  for (int64_t child; (child = 2 * i + 1) < k; i = child) {
    if (child + 1 < k && worse(heap[child + 1], heap[child])) child++;
    if (!worse(heap[child], moved)) break;
    heap[i] = heap[child];
  }
  heap[i] = moved;
}

static void keep_least(pair *line, int64_t n, int64_t k) {
  for (int64_t i = k / 2 - 1; i >= 0; i--) sift(line, k, i);
  for (int64_t i = k; i < n; i++) {
    if (!worse(line[0], line[i])) continue;
    line[0] = line[i];
    sift(line, k, 0);
  }
}

/* Ascending places, as sort_line wants them. */
static int compare_places(const void *a, const void *b) {
  int64_t left = ((const pair *)a)->at, right = ((const pair *)b)->at;
  return (left > right) - (left < right);
}

/* Brings the k first of a line's order to its front; a full sort is cheaper when k is a good part of n. */
static void order_line(pair *line, pair *spare, int64_t n, int64_t k, int bytes) {
  if (k >= n / 8) {
    sort_line(line, spare, n, bytes);
    return;
  }
  if (k == 0) return;
  keep_least(line, n, k);
  if (k > SHORT) qsort(line, (size_t)k, sizeof *line, compare_places);
  sort_line(line, spare, k, bytes);
}

/* --- the ops --- */

/* Orders every line of c's tensor along `axis`: the first k of each go to values (when wanted) and positions. */
static int order(peri_call *c, int axis, int64_t k, bool down, peri_tensor **values, peri_tensor **positions) {
  peri_tensor *x = NULL;
  peri_tensor *in = c->arg[0].tensor;
  int64_t shape[PERI_MAX_DIMS];
  memcpy(shape, in->shape, sizeof shape);
  peri_span s = peri__span(in, axis);
  if (in->ndim) shape[axis] = k;
  size_t size = peri_dtype_size(in->dtype);
  pair *line = peri_alloc(sizeof *line * (size_t)(2 * s.n + 2));
  int status = line ? peri_tensor_contiguous_of(&x, in) : PERI_ENOMEM;
  if (status >= 0) status = peri_tensor_new(positions, PERI_I64, in->ndim, shape);
  if (status >= 0 && values) status = peri_tensor_new(values, in->dtype, in->ndim, shape);
  for (int64_t o = 0; status >= 0 && o < s.outer * s.inner; o++) {
    int64_t outer = o / s.inner, inner = o % s.inner;
    int64_t from = outer * s.n * s.inner + inner, to = outer * k * s.inner + inner;
    read_line(x, from, s.inner, s.n, down, line);
    order_line(line, line + s.n, s.n, k, (int)size);
    int64_t *at = peri_tensor_data(*positions);
    const char *source = peri_tensor_data(x);
    char *target = values ? peri_tensor_data(*values) : NULL;
    for (int64_t i = 0; i < k; i++) {
      at[to + i * s.inner] = line[i].at + 1;
      if (target) memcpy(target + (size_t)(to + i * s.inner) * size, source + (size_t)(from + line[i].at * s.inner) * size, size);
    }
    if ((o & 63) == 0) status = peri_interrupt_poll();
  }
  peri_tensor_release(x);
  peri_free(line);
  return status;
}

/* The gradient of the values goes back to where they came from; aux[0] has the positions. */
static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  const peri_tensor *x = c->arg[0].tensor;
  if (!grad_out[0]) return PERI_OK;
  int axis = (int)c->arg[c->op == &peri_op_topk ? 2 : 1].integer;
  peri_span s = peri__span(x, axis);
  peri_tensor *dy = NULL;
  int status = peri_tensor_contiguous_of(&dy, grad_out[0]);
  if (status >= 0) status = peri_tensor_zeros(&grad_in[0], x->dtype, x->ndim, x->shape);
  if (status >= 0) {
    const int64_t *at = peri_tensor_data(c->aux[0]);
    const char *from = peri_tensor_data(dy);
    char *to = peri_tensor_data(grad_in[0]);
    size_t size = peri_dtype_size(x->dtype);
    int64_t k = s.outer * s.inner > 0 ? peri_tensor_count(dy) / (s.outer * s.inner) : 0;
    for (int64_t e = 0; e < peri_tensor_count(dy); e++) {
      int64_t outer = e / (k * s.inner), inner = e % s.inner;
      memcpy(to + (size_t)((outer * s.n + at[e] - 1) * s.inner + inner) * size, from + (size_t)e * size, size);
    }
  }
  peri_tensor_release(dy);
  return status;
}

/* Values and positions as results; a copy of the positions stays for backward, which the person cannot write into. */
static int finish(peri_call *c, int axis, int64_t k, bool down) {
  peri_tensor *values = NULL, *positions = NULL;
  int status = order(c, axis, k, down, &values, &positions);
  if (status >= 0 && c->recording) status = peri_tensor_clone(&c->aux[0], positions);
  if (status < 0) {
    peri_tensor_release(values);
    peri_tensor_release(positions);
    return status;
  }
  c->out[0] = values;
  c->out[1] = positions;
  c->outs = 2;
  return PERI_OK;
}

static int want_axes(const peri_call *c) {
  if (c->arg[0].tensor->ndim > 0) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: a scalar has no axis to order along", c->op->name);
}

static int sort_forward(peri_call *c) {
  PERI_TRY(want_axes(c));
  int axis = (int)c->arg[1].integer;
  return finish(c, axis, c->arg[0].tensor->shape[axis], c->arg[2].boolean);
}
const peri_op peri_op_sort = {
    .name = "sort",
    .signature = "x: tensor, axis/dim: axis = -1, descending: bool = false",
    .doc = "The elements in order along an axis, and the position (int64, from 1) that each came from. Equal elements "
           "keep their order; NaN comes last either way.",
    .example = "randn(5); randn(3, 4, 2), 2, true",
    .forward = sort_forward,
    .backward = backward,
    .outs = 2,
    .constant_outs = 2};

static int argsort_forward(peri_call *c) {
  PERI_TRY(want_axes(c));
  int axis = (int)c->arg[1].integer;
  PERI_TRY(order(c, axis, c->arg[0].tensor->shape[axis], c->arg[2].boolean, NULL, &c->out[0]));
  c->outs = 1;
  return PERI_OK;
}
const peri_op peri_op_argsort = {
    .name = "argsort",
    .signature = "x: tensor, axis/dim: axis = -1, descending: bool = false",
    .doc = "The positions (int64, from 1) that put an axis in order: the second result of sort.",
    .example = "randn(2, 3)",
    .forward = argsort_forward};

static int topk_forward(peri_call *c) {
  PERI_TRY(want_axes(c));
  int axis = (int)c->arg[2].integer;
  int64_t k = c->arg[1].integer, n = c->arg[0].tensor->shape[axis];
  if (k < 0 || k > n) {
    return peri_fail(PERI_EARG, "topk: k is %lld, but axis %d of %s has %lld elements", (long long)k, axis + 1,
                     peri_tensor_text(c->arg[0].tensor), (long long)n);
  }
  return finish(c, axis, k, c->arg[3].boolean);
}
const peri_op peri_op_topk = {
    .name = "topk",
    .signature = "x: tensor, k: int, axis/dim: axis = -1, largest: bool = true, sorted: bool = true",
    .doc = "The k largest (or smallest) elements along an axis, in order, and their positions (int64, from 1). NaN is "
           "chosen last. They are always sorted; the argument is there for those who know PyTorch's.",
    .example = "randn(6), 2; randn(3, 4, 2), 3, 2, false",
    .forward = topk_forward,
    .backward = backward,
    .outs = 2,
    .constant_outs = 2};
