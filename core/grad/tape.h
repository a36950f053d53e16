/* tape.h - reverse-mode differentiation.

   The graph: a tensor that takes part has a peri_meta. A leaf's meta holds the gradient that
   backward accumulates. The result of an op has a meta that points at the op's node; a node holds
   one edge (a meta) for every differentiable input, and the values that the op's backward reads.
   References point from results to inputs only, so there are no cycles: a node that saves its own
   result keeps an alias of it without a meta.

   A saved tensor remembers the version of its storage; backward raises PERI_ESTATE, naming the op,
   when something has been written over since. */
#ifndef PERI_GRAD_TAPE_H
#define PERI_GRAD_TAPE_H

#include "tensor/tensor.h"

struct peri_call;

typedef struct peri_node peri_node;

/* Someone who changes a leaf with its gradient at once, while peri_backward still runs (an optimiser): the gradient
   then goes there and not into the leaf's grad. `take` is called for parts of it, elements first to first + count - 1
   of the dense gradient, each once and from any thread, disjoint parts at the same time; `end` after the last part. */
typedef struct peri_sink {
  int (*take)(void *owner, int64_t first, int64_t count, const void *gradient);
  void (*end)(void *owner);
  void *owner;
} peri_sink;

typedef struct peri_meta {
  int64_t references;
  bool requires_grad;
  peri_node *node;     /* what made the tensor; NULL in a leaf; owned */
  int output;          /* which output of the node it is */
  peri_tensor *grad;   /* a leaf's accumulated gradient, or NULL; owned */
  peri_sink sink;      /* of a leaf; take is NULL when there is none */
  const peri_storage *sunk; /* the storage that the sink changes */
  uint64_t wanted;     /* the last walk of peri_gradients that it lies on a way of to an input */
  uint64_t mark;       /* the walk that counted `uses`, */
  int64_t uses;        /* the gradients that a leaf with a sink still waits for */
} peri_meta;

peri_meta *peri_meta_retain(peri_meta *meta);
void peri_meta_release(peri_meta *meta); /* unwinds chains of nodes without recursion */

/* Makes `t` a leaf that wants a gradient, or an ordinary tensor. PERI_ESTATE on an op's result,
   PERI_ETYPE on integers. */
int peri_tensor_require_grad(peri_tensor *t, bool wanted);
bool peri_tensor_requires_grad(const peri_tensor *t);
bool peri_tensor_is_leaf(const peri_tensor *t);
peri_tensor *peri_tensor_grad(const peri_tensor *t);            /* borrowed, or NULL */
int peri_tensor_set_grad(peri_tensor *t, peri_tensor *grad);    /* NULL clears; shape and type must match */
int peri_tensor_detach(peri_tensor **out, const peri_tensor *t); /* an alias outside the graph */

/* Gives a leaf a sink, or takes it away with NULL; a tensor outside any graph is left alone. A gradient goes there only
   when it is complete and nothing else reads the leaf's elements any more: not a node that has not run yet, not a
   view; otherwise it is accumulated into grad as ever. peri_gradients knows no sinks. */
void peri_tensor_set_sink(peri_tensor *leaf, const peri_sink *sink);

/* The op that made `t` and its first input as the graph saw it (a new reference carrying its place in
   the graph), or false: how a loss finds the logits under a softmax. */
bool peri_tensor_origin(const peri_tensor *t, const char *op, peri_tensor **input);

/* Recording is on at start, per thread; set returns the old value. */
bool peri_grad_enabled(void);
bool peri_grad_set_enabled(bool enabled);

/* Differentiates `t` (one element, unless `seed`, of its shape, is given) and accumulates into the
   leaves' grad. The graph is freed as it is walked unless `keep`. Polls the interrupt flag per node. */
int peri_backward(peri_tensor *t, peri_tensor *seed, bool keep);

/* The gradients of `t` by each of `inputs` (leaves or inner tensors), without touching any leaf's grad.
   out[i] is new, or NULL where t does not depend on it. Only what lies between t and an input is differentiated; unless
   `keep`, that part of the graph is freed. */
int peri_gradients(peri_tensor **out, peri_tensor *t, peri_tensor *seed, int inputs, peri_tensor *const *input, bool keep);

#endif
