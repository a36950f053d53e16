/* layer.h - a layer: its descriptor, its configuration, its weights.

   A layer is one file under layers/ that defines `const peri_layer_type peri_layer_NAME`, and one row
   PERI_LAYER(NAME) in layers.def. Signatures are those of ops (grad/call.h); every layer also takes
   `name: string?` and `trainable: bool = true`, which need not be written.

   Shapes here are without the batch axis: the digit net is built for 28, 28, 1. A layer is built once,
   by build or by its first input; its weights then exist. A layer that is not built has no weights. */
#ifndef PERI_LAYER_H
#define PERI_LAYER_H

#include "grad/call.h"

enum { PERI_MAX_WEIGHTS = 4 };

typedef struct peri_shape {
  int ndim;
  int64_t at[PERI_MAX_DIMS];
} peri_shape;

typedef struct peri_weight {
  const char *name;   /* "kernel", "bias", "gamma", "moving_mean": Keras' names, a literal */
  peri_tensor *tensor;
  bool statistic;     /* a running statistic: saved with the weights, never trained */
} peri_weight;

struct peri_layer_type;

typedef struct peri_layer {
  int64_t references;
  const struct peri_layer_type *type;
  char *name;                      /* "conv2d_1"; never NULL */
  bool named;                      /* the name was chosen by the person */
  peri_dtype dtype;                /* of the weights: float32, or float64 when built so */
  bool trainable;
  bool built;
  peri_value arg[PERI_MAX_ARGS];   /* the configuration, in the signature's order; strings owned */
  peri_shape in, out;              /* valid once built */
  int weights;
  peri_weight weight[PERI_MAX_WEIGHTS];
  int children;                    /* containers only */
  struct peri_layer **child;
} peri_layer;

typedef struct peri_layer_type {
  const char *name;       /* "Conv2D" */
  const char *signature;
  const char *doc;
  const char *example;    /* "{4, kernel = 3} on 6, 6, 2": for the tests that run over every layer */
  const char *keras;      /* Keras' class name, or NULL when Keras has none */
  /* Checks l->in, sets l->out and adds the weights. */
  int (*build)(peri_layer *l);
  /* One batch: x is n followed by l->in. NULL in the type of layers written in Lua. */
  int (*forward)(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training);
} peri_layer_type;

/* All layers, in the order of layers.def. */
extern const peri_layer_type *const peri_layer_types[];
extern const int peri_layer_type_count;
const peri_layer_type *peri_layer_type_find(const char *name); /* NULL when there is none */

int peri_layer_new(peri_layer **out, const peri_layer_type *type, const peri_value *arg, const char *name);
peri_layer *peri_layer_retain(peri_layer *l);
void peri_layer_release(peri_layer *l);
int peri_layer_add(peri_layer *container, peri_layer *child);
int peri_layer_build(peri_layer *l, const peri_shape *in);     /* again with the same shape: nothing; another: PERI_ESHAPE */
int peri_layer_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training); /* builds when needed; prefixes errors with the layer's path */

int peri_layer_set_trainable(peri_layer *l, bool trainable); /* and all layers inside */
void peri_layer_set_dtype(peri_layer *l, peri_dtype dtype);  /* before it is built */

/* For build: adds a weight of a shape, filled by an initialiser (initialise.c), with
   fans as Keras counts them (receptive field times in, times out). */
int peri_layer_weight(peri_layer *l, const char *name, int ndim, const int64_t *shape, const char *initialiser, bool statistic);

/* Fills t: zeros, ones, glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform,
   lecun_normal, orthogonal, truncated_normal, random_normal, random_uniform; PERI_EARG lists them. */
int peri_initialise(peri_tensor *t, const char *initialiser);

#endif
