/* sequential.c - layers one after another, and the containers made of such runs. Runs that have a fused op
   (fuse.h) become one call. */
#include <string.h>

#include "layers/fuse.h"
#include "layers/layers.h"
#include "ops/ops.h"

/* --- the pass --- */

/* Puts a child's place in front of the message: ".3 Conv2D: ..." and, inside another container, ".1.3 Conv2D: ...". */
static int blame(int status, const peri_layer *l, int at) {
  if (peri_message()[0] == '.') return peri_fail_prefix(status, ".%d", at + 1);
  return peri_fail_prefix(status, ".%d %s: ", at + 1, l->child[at]->type->name);
}

static int step(peri_layer *l, int *at, int to, peri_tensor **out, peri_tensor *x, bool training) {
  int first = *at, run;
  const peri_fusion *fused = peri_fusion_find(l, first, to, training, &run);
  int status = fused ? peri__layer_check(l->child[first], x) : PERI_OK;
  if (status >= 0) {
    status = fused ? fused->forward(l, first, run, out, x, training) : peri_layer_forward(l->child[first], out, x, training);
  }
  *at += run;
  return status < 0 ? blame(status, l, first) : status;
}

int peri__sequential_run(peri_layer *l, int from, int to, peri_tensor **out, peri_tensor *x, bool training) {
  peri_tensor *now = peri_tensor_retain(x);
  for (int at = from; at < to;) {
    peri_tensor *next = NULL;
    int status = step(l, &at, to, &next, now, training);
    peri_tensor_release(now);
    if (status < 0) return status;
    now = next;
  }
  *out = now;
  return PERI_OK;
}

static int build_chain(peri_layer *l) {
  l->out = l->in;
  for (int i = 0; i < l->children; i++) {
    int status = peri_layer_build(l->child[i], &l->out);
    if (status < 0) return blame(status, l, i);
    l->out = l->child[i]->out;
  }
  return PERI_OK;
}

static int forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  return peri__sequential_run(l, 0, l->children, out, x, training);
}

const peri_layer_type peri_layer_Sequential = {.name = "Sequential",
                                               .signature = "",
                                               .doc = "Layers one after another; made from a list of layers, or of functions of a tensor.",
                                               .keras = "Sequential",
                                               .build = build_chain,
                                               .forward = forward};

/* --- Residual --- */

static int residual_build(peri_layer *l) {
  PERI_TRY(build_chain(l));
  bool same = l->out.ndim == l->in.ndim && memcmp(l->in.at, l->out.at, sizeof(int64_t) * (size_t)l->in.ndim) == 0;
  if (same) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "Residual: what the layers give, %s, cannot be added to their input, %s",
                   peri_shape_text(l->out.ndim, l->out.at), peri_shape_text(l->in.ndim, l->in.at));
}

static int residual_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  peri_tensor *inner;
  PERI_TRY(forward(l, &inner, x, training));
  int count = PERI_CALL(out, peri_op_add, PERI_T(inner), PERI_T(x));
  peri_tensor_release(inner);
  return count < 0 ? count : PERI_OK;
}

const peri_layer_type peri_layer_Residual = {.name = "Residual",
                                             .signature = "",
                                             .doc = "Layers one after another, whose result is added to their input (He et al. 2015).",
                                             .build = residual_build,
                                             .forward = residual_forward};

/* --- Concat --- */

static int concat_build(peri_layer *l) {
  if (l->children == 0) return peri_fail(PERI_EARG, "Concat: needs at least one layer");
  int64_t total = 0;
  for (int i = 0; i < l->children; i++) {
    int status = peri_layer_build(l->child[i], &l->in);
    if (status < 0) return blame(status, l, i);
    const peri_shape *own = &l->child[i]->out, *first = &l->child[0]->out;
    if (own->ndim < 1 || own->ndim != first->ndim || memcmp(own->at, first->at, sizeof(int64_t) * (size_t)(own->ndim - 1)) != 0) {
      return peri_fail(PERI_ESHAPE, "Concat: branch %d gives shape %s, branch 1 gives %s; only the last size may differ", i + 1,
                       peri_shape_text(own->ndim, own->at), peri_shape_text(first->ndim, first->at));
    }
    total += own->at[own->ndim - 1];
  }
  l->out = l->child[0]->out;
  l->out.at[l->out.ndim - 1] = total;
  return PERI_OK;
}

static int concat_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  enum { MOST = 256 };
  peri_tensor *branch[MOST] = {NULL};
  int status = l->children <= MOST ? PERI_OK : peri_fail(PERI_EARG, "Concat: at most %d branches", MOST);
  for (int i = 0; i < l->children && status >= 0; i++) {
    status = peri_layer_forward(l->child[i], &branch[i], x, training);
    if (status < 0) status = blame(status, l, i);
  }
  if (status >= 0) {
    peri_value list = {.given = true, .tensors = {l->children, branch}};
    status = PERI_CALL(out, peri_op_cat, list, PERI_I(-1));
  }
  for (int i = 0; i < l->children && i < MOST; i++) peri_tensor_release(branch[i]);
  return status < 0 ? status : PERI_OK;
}

const peri_layer_type peri_layer_Concat = {.name = "Concat",
                                           .signature = "",
                                           .doc = "Gives its input to every layer and joins their results along the last axis.",
                                           .build = concat_build,
                                           .forward = concat_forward};

/* --- the type of layers written in Lua: the binding runs them --- */

static int lua_build(peri_layer *l) {
  return peri_fail(PERI_EUNSUPPORTED, "%s: a layer written in Lua is built by Lua", l->type->name);
}
const peri_layer_type peri_layer_Lua = {.name = "Lua",
                                        .signature = "",
                                        .doc = "A layer written in Lua: a function of a tensor, or an object with a method forward.",
                                        .build = lua_build};
