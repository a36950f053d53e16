/* layer.c - what all layers have in common: making, building, running, naming, releasing. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "layers/layers.h"

const peri_layer_type *const peri_layer_types[] = {
#define PERI_LAYER(name) &peri_layer_##name,
#include "layers/layers.def"
};
const int peri_layer_type_count = (int)(sizeof peri_layer_types / sizeof peri_layer_types[0]);

const peri_layer_type *peri_layer_type_find(const char *name) {
  for (int i = 0; i < peri_layer_type_count; i++) {
    if (strcmp(peri_layer_types[i]->name, name) == 0) return peri_layer_types[i];
  }
  return NULL;
}

/* "MaxPooling2D" -> "max_pooling2d": Keras' way of naming a layer that has no name. */
static char *default_name(const peri_layer_type *type) {
  const char *from = type->keras ? type->keras : type->name;
  char text[64];
  size_t used = 0;
  for (size_t i = 0; from[i] && used + 3 < sizeof text; i++) {
    if (i && isupper((unsigned char)from[i]) && islower((unsigned char)from[i - 1])) text[used++] = '_';
    text[used++] = (char)tolower((unsigned char)from[i]);
  }
  text[used] = 0;
  return peri_strdup(text);
}

/* Strings of the configuration become the layer's own. */
static int take_arguments(peri_layer *l, const peri_value *arg, const peri_signature *s) {
  for (int k = 0; k < s->count; k++) {
    peri_value value = arg && arg[k].given ? arg[k] : s->param[k].fallback;
    if (!value.given && !s->param[k].optional) {
      return peri_fail(PERI_EARG, "%s: argument '%s' is missing", l->type->name, s->param[k].name);
    }
    if (value.given && s->param[k].kind == PERI_K_STRING) {
      value.string = peri_strdup(value.string);
      if (!value.string) return PERI_ENOMEM;
    }
    l->arg[k] = value;
  }
  return PERI_OK;
}

int peri_layer_new(peri_layer **out, const peri_layer_type *type, const peri_value *arg, const char *name) {
  const peri_signature *s = peri_signature_of(type->signature);
  peri_layer *l = s ? peri_alloc_zeroed(sizeof *l) : NULL;
  if (!l) return PERI_ENOMEM;
  l->references = 1;
  l->type = type;
  l->trainable = true;
  l->dtype = PERI_F32;
  l->named = name != NULL;
  int status = take_arguments(l, arg, s);
  if (status >= 0) {
    l->name = name ? peri_strdup(name) : default_name(type);
    status = l->name ? PERI_OK : PERI_ENOMEM;
  }
  if (status < 0) {
    peri_layer_release(l);
    return status;
  }
  *out = l;
  return PERI_OK;
}

peri_layer *peri_layer_retain(peri_layer *l) {
  if (l) l->references++;
  return l;
}

void peri_layer_release(peri_layer *l) {
  if (!l || --l->references > 0) return;
  const peri_signature *s = peri_signature_of(l->type->signature);
  for (int k = 0; k < s->count; k++) {
    if (s->param[k].kind == PERI_K_STRING && l->arg[k].given) peri_free((void *)(uintptr_t)l->arg[k].string);
  }
  for (int i = 0; i < l->weights; i++) peri_tensor_release(l->weight[i].tensor);
  for (int i = 0; i < l->children; i++) peri_layer_release(l->child[i]);
  peri_free(l->child);
  peri_free(l->name);
  peri_free(l);
}

/* --- containers --- */

static bool name_taken(const peri_layer *container, const char *name) {
  for (int i = 0; i < container->children; i++) {
    if (strcmp(container->child[i]->name, name) == 0) return true;
  }
  return false;
}

/* A layer without a name of its own gets one that is free among its siblings: conv2d, conv2d_1, ... */
static int name_child(const peri_layer *container, peri_layer *child) {
  char text[96];
  if (!name_taken(container, child->name)) return PERI_OK;
  if (child->named) {
    return peri_fail(PERI_EARG, "%s: two layers are called '%s'; names must differ", container->type->name, child->name);
  }
  char *base = default_name(child->type);
  if (!base) return PERI_ENOMEM;
  for (int i = 1;; i++) {
    snprintf(text, sizeof text, "%s_%d", base, i);
    if (!name_taken(container, text)) break;
  }
  peri_free(base);
  char *name = peri_strdup(text);
  if (!name) return PERI_ENOMEM;
  peri_free(child->name);
  child->name = name;
  return PERI_OK;
}

static bool holds(const peri_layer *l, const peri_layer *wanted) {
  if (l == wanted) return true;
  for (int i = 0; i < l->children; i++) {
    if (holds(l->child[i], wanted)) return true;
  }
  return false;
}

int peri_layer_add(peri_layer *container, peri_layer *child) {
  if (holds(child, container)) {
    return peri_fail(PERI_ESTATE, "%s: a layer cannot hold itself, nor one that holds it", container->type->name);
  }
  if (container->built) {
    return peri_fail(PERI_ESTATE, "%s: layers are added before the net is built", container->type->name);
  }
  PERI_TRY(name_child(container, child));
  peri_layer **more = peri_alloc(sizeof *more * (size_t)(container->children + 1));
  if (!more) return PERI_ENOMEM;
  if (container->children) memcpy(more, container->child, sizeof *more * (size_t)container->children);
  more[container->children++] = peri_layer_retain(child);
  peri_free(container->child);
  container->child = more;
  return PERI_OK;
}

bool peri_layer_in_c(const peri_layer *l) {
  if (!l->type->forward) return false;
  for (int i = 0; i < l->children; i++) {
    if (!peri_layer_in_c(l->child[i])) return false;
  }
  return true;
}

/* --- building and running --- */

static bool same_shape(const peri_shape *a, const peri_shape *b) {
  return a->ndim == b->ndim && memcmp(a->at, b->at, sizeof(int64_t) * (size_t)a->ndim) == 0;
}

int peri_layer_build(peri_layer *l, const peri_shape *in) {
  if (l->built) {
    if (same_shape(&l->in, in)) return PERI_OK;
    return peri_fail(PERI_ESHAPE, "the layer is built for inputs of shape %s, not %s",
                     peri_shape_text(l->in.ndim, l->in.at), peri_shape_text(in->ndim, in->at));
  }
  l->in = *in;
  int status = l->type->build(l);
  if (status < 0) { /* what was made is dropped: a second try starts anew */
    for (int i = 0; i < l->weights; i++) peri_tensor_release(l->weight[i].tensor);
    l->weights = 0;
    return status;
  }
  l->built = true;
  return PERI_OK;
}

int peri_layer_weight(peri_layer *l, const char *name, int ndim, const int64_t *shape, const char *initialiser,
                      bool statistic) {
  peri_tensor *t;
  PERI_TRY(peri_tensor_new(&t, l->dtype, ndim, shape));
  int status = peri_initialise(t, initialiser);
  if (status >= 0) status = peri_tensor_require_grad(t, l->trainable && !statistic);
  if (status < 0) {
    peri_tensor_release(t);
    return status;
  }
  l->weight[l->weights++] = (peri_weight){.name = name, .tensor = t, .statistic = statistic};
  return PERI_OK;
}

int peri_layer_set_trainable(peri_layer *l, bool trainable) {
  l->trainable = trainable;
  for (int i = 0; i < l->weights; i++) {
    PERI_TRY(peri_tensor_require_grad(l->weight[i].tensor, trainable && !l->weight[i].statistic));
  }
  for (int i = 0; i < l->children; i++) PERI_TRY(peri_layer_set_trainable(l->child[i], trainable));
  return PERI_OK;
}

void peri_layer_set_dtype(peri_layer *l, peri_dtype dtype) {
  l->dtype = dtype;
  for (int i = 0; i < l->children; i++) peri_layer_set_dtype(l->child[i], dtype);
}

int peri__layer_check(const peri_layer *l, const peri_tensor *x) {
  bool fits = x->ndim == l->in.ndim + 1;
  for (int i = 0; fits && i < l->in.ndim; i++) fits = x->shape[i + 1] == l->in.at[i];
  if (fits) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "the layer is built for samples of shape %s, so for batches of %d dimensions; got %s",
                   peri_shape_text(l->in.ndim, l->in.at), l->in.ndim + 1, peri_shape_text(x->ndim, x->shape));
}

int peri_layer_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  if (!l->built) {
    peri_shape in = {.ndim = x->ndim - 1};
    if (x->ndim < 1) return peri_fail(PERI_ESHAPE, "a layer takes a batch: the first axis counts the samples, but x is a scalar");
    memcpy(in.at, x->shape + 1, sizeof(int64_t) * (size_t)in.ndim);
    if (peri_dtype_floating(x->dtype)) peri_layer_set_dtype(l, x->dtype);
    PERI_TRY(peri_layer_build(l, &in));
  }
  PERI_TRY(peri__layer_check(l, x));
  return l->type->forward(l, out, x, training);
}

int peri__want_input(const peri_layer *l, int ndim, const char *what) {
  if (l->in.ndim == ndim) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s wants %s, got inputs of shape %s (without the batch axis)", l->type->name, what,
                   peri_shape_text(l->in.ndim, l->in.at));
}

const char *peri__layer_choice(const peri_layer *l, int argument) {
  return peri_choice_name(&peri_signature_of(l->type->signature)->param[argument], l->arg[argument].integer);
}
