/* print.c - tensors as text, after NumPy: columns aligned over the whole tensor, the middle of large ones
   left out, a blank line between matrices, and the type and shape at the end. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/tensor.h"

peri_print_options peri_print = {.precision = 4, .threshold = 1000, .edge_items = 3, .line_width = 80};

typedef struct page {
  char *text;
  size_t used, room;
  const peri_tensor *t;
  bool elide, failed;
  /* how numbers look, the same for all */
  int width, digits;
  bool exponent;
} page;

static void put(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(page *p, const char *format, ...) {
  char piece[96];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(piece, sizeof piece, format, arguments);
  va_end(arguments);
  if (p->failed || length < 0) return;
  if (p->used + (size_t)length + 1 > p->room) {
    size_t room = 2 * p->room + (size_t)length + 256;
    char *more = peri_alloc(room);
    if (!more) {
      p->failed = true;
      return;
    }
    if (p->used) memcpy(more, p->text, p->used);
    peri_free(p->text);
    p->text = more;
    p->room = room;
  }
  memcpy(p->text + p->used, piece, (size_t)length + 1);
  p->used += (size_t)length;
}

/* Writes one number at the page's width. */
static int number(const page *p, char *text, size_t room, double value, int64_t integer) {
  if (!peri_dtype_floating(p->t->dtype)) return snprintf(text, room, "%*" PRId64, p->width, integer);
  if (!isfinite(value)) return snprintf(text, room, "%*s", p->width, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
  return snprintf(text, room, p->exponent ? "%*.*e" : "%*.*f", p->width, p->digits, value);
}

static int64_t integer_at(const peri_tensor *t, int64_t at) {
  const void *data = t->storage->data;
  if (t->dtype == PERI_I64) return ((const int64_t *)data)[at];
  return t->dtype == PERI_U8 ? ((const uint8_t *)data)[at] : 0;
}

static double double_at(const peri_tensor *t, int64_t at) {
  const void *data = t->storage->data;
  return t->dtype == PERI_F32 ? (double)((const float *)data)[at] : t->dtype == PERI_F64 ? ((const double *)data)[at] : 0;
}

/* Calls visit for every element that will be shown. */
static void shown(page *p, int axis, int64_t at, void (*visit)(page *p, int64_t at, void *context), void *context) {
  if (axis == p->t->ndim) {
    visit(p, at, context);
    return;
  }
  int64_t n = p->t->shape[axis], edge = peri_print.edge_items;
  for (int64_t i = 0; i < n; i++) {
    if (p->elide && n > 2 * edge && i == edge) i = n - edge;
    shown(p, axis + 1, at + i * p->t->strides[axis], visit, context);
  }
}

typedef struct range {
  double largest, smallest; /* of the finite absolute values that are not 0 */
  bool fraction;
  int digits, exponent_digits; /* after the point, needed to tell the values apart, up to the precision */
} range;

/* Does a number read back as itself when written with so many digits? */
static bool shows(bool exponent, int digits, double value, bool single) {
  char text[400];
  double back = 0;
  snprintf(text, sizeof text, exponent ? "%.*e" : "%.*f", digits, value);
  sscanf(text, "%lf", &back);
  return fabs(back - value) <= value * (single ? 1e-7 : 1e-15);
}

static void measure(page *p, int64_t at, void *context) {
  range *r = context;
  double value = fabs(double_at(p->t, at));
  if (!isfinite(value) || value == 0) return;
  if (value > r->largest) r->largest = value;
  if (r->smallest == 0 || value < r->smallest) r->smallest = value;
  bool single = p->t->dtype == PERI_F32;
  while (r->digits < peri_print.precision && !shows(false, r->digits, value, single)) r->digits++;
  while (r->exponent_digits < peri_print.precision && !shows(true, r->exponent_digits, value, single)) r->exponent_digits++;
}

static void widen(page *p, int64_t at, void *context) {
  char text[400];
  int *widest = context, length = number(p, text, sizeof text, double_at(p->t, at), integer_at(p->t, at));
  if (length > *widest) *widest = length;
}

/* Scientific notation where fixed would be long or would lose the small ones, as NumPy decides it. */
static void choose_format(page *p) {
  if (peri_dtype_floating(p->t->dtype)) {
    range r = {0};
    shown(p, 0, p->t->offset, measure, &r);
    p->exponent = r.largest >= 1e8 || (r.smallest > 0 && (r.smallest < 1e-4 || r.largest / r.smallest > 1e3) && r.smallest < 1e-4);
    p->digits = p->exponent ? r.exponent_digits : r.digits;
    if (p->digits < 1) p->digits = 1;
  }
  int widest = 0;
  p->width = 0;
  shown(p, 0, p->t->offset, widen, &widest);
  p->width = widest;
}

static void row(page *p, int64_t at, int indent) {
  int64_t n = p->t->shape[p->t->ndim - 1], edge = peri_print.edge_items, step = p->t->strides[p->t->ndim - 1];
  int column = indent + 1;
  put(p, "[");
  for (int64_t i = 0; i < n; i++) {
    char text[400];
    if (i > 0) {
      put(p, ",");
      column++;
      if (column + 1 + p->width >= peri_print.line_width) {
        put(p, "\n%*s", indent + 1, "");
        column = indent + 1;
      } else {
        put(p, " ");
        column++;
      }
    }
    if (p->elide && n > 2 * edge && i == edge) {
      put(p, "...");
      column += 3;
      i = n - edge - 1;
      continue;
    }
    number(p, text, sizeof text, double_at(p->t, at + i * step), integer_at(p->t, at + i * step));
    put(p, "%.90s", text);
    column += p->width;
  }
  put(p, "]");
}

static void block(page *p, int axis, int64_t at) {
  if (axis == p->t->ndim - 1) {
    row(p, at, axis);
    return;
  }
  int64_t n = p->t->shape[axis], edge = peri_print.edge_items;
  put(p, "[");
  for (int64_t i = 0; i < n && !p->failed; i++) {
    if (i > 0) {
      put(p, ",");
      for (int line = axis; line < p->t->ndim - 1; line++) put(p, "\n");
      put(p, "%*s", axis + 1, "");
    }
    if (p->elide && n > 2 * edge && i == edge) {
      put(p, "...");
      i = n - edge - 1;
      continue;
    }
    block(p, axis + 1, at + i * p->t->strides[axis]);
  }
  put(p, "]");
}

char *peri_tensor_print(const peri_tensor *t) {
  page p = {.t = t, .elide = peri_tensor_count(t) > peri_print.threshold};
  if (peri_tensor_count(t) == 0) {
    put(&p, "[]");
  } else {
    choose_format(&p);
    if (t->ndim) {
      block(&p, 0, t->offset);
    } else {
      char text[400];
      number(&p, text, sizeof text, double_at(t, t->offset), integer_at(t, t->offset));
      put(&p, "%.90s", text);
    }
  }
  put(&p, "\n%s %s", peri_dtype_name(t->dtype), peri_shape_text(t->ndim, t->shape));
  if (!p.failed) return p.text;
  peri_free(p.text);
  return NULL;
}
