/* ops.h - the descriptors of all ops, and what their files share. */
#ifndef PERI_OPS_H
#define PERI_OPS_H

#include "grad/call.h"

#define PERI_OP(name) extern const peri_op peri_op_##name;
#include "ops/ops.def"

/* PERI_ETYPE unless t is float32 or float64. */
int peri__want_floating(const char *op, const char *argument, const peri_tensor *t);
/* PERI_ETYPE, with a hint, unless both have one type. */
int peri__want_same_type(const char *op, const peri_tensor *a, const peri_tensor *b);
int peri__want_ndim(const char *op, const char *argument, const peri_tensor *t, int ndim);

/* The sum of t over the axes along which `like` was broadcast to t's shape: the backward of broadcasting.
   Takes over t. */
int peri__sum_to(peri_tensor **out, peri_tensor *t, const peri_tensor *like);

/* A dense tensor of grad's type and shape for backward to fill, element by element, from grad: grad itself, retained,
   where it is dense and nothing else holds it, else a new one. */
int peri__gradient_room(peri_tensor **out, peri_tensor *grad);

/* An axis seen from memory: a dense tensor is outer x n x inner. */
typedef struct peri_span {
  int64_t outer, n, inner;
} peri_span;
peri_span peri__span(const peri_tensor *t, int axis);

#endif
