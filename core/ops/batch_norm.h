/* batch_norm.h - what batch_norm and the ops that end in one share. */
#ifndef PERI_OPS_BATCH_NORM_H
#define PERI_OPS_BATCH_NORM_H

#include "ops/ops.h"

/* act((x - mean) / sqrt(variance + epsilon) * gamma + beta + skip), and its max-pool. Tensors are borrowed; x is
   dense; gamma, beta and skip may be NULL. */
typedef struct peri__norm_spec {
  const char *op;
  peri_tensor *x, *gamma, *beta, *skip;
  double epsilon;
  bool relu;
  const peri_value *pool; /* a pair; not given: no pool. A pool and a skip exclude each other */
} peri__norm_spec;

/* What the forward pass leaves for backward. */
typedef struct peri__norm_trace {
  peri_tensor *y, *mean, *inv, *top, *winner; /* top and winner with a pool only */
} peri__norm_trace;

/* PERI_ETYPE or PERI_ESHAPE unless the tensors fit an x of this type and shape. */
int peri__norm_check(const peri__norm_spec *s, peri_dtype dtype, int ndim, const int64_t *shape);

/* Fills t and *variance with new tensors; whatever was made is released by the caller, after a failure too. */
int peri__norm_forward(const peri__norm_spec *s, peri__norm_trace *t, peri_tensor **variance);

/* New gradients; *dskip only where there is a skip. Likewise the caller's after a failure. s->beta and s->skip may be
   stubs. */
int peri__norm_backward(const peri__norm_spec *s, const peri__norm_trace *t, peri_tensor *dy, peri_tensor **dx,
                        peri_tensor **dgamma, peri_tensor **dbeta, peri_tensor **dskip);

#endif
