/* apply.c - calling an op: defaults, checks, forward, and the record for backward. */
#include <string.h>

#include "base/memory.h"

#include "grad/node.h"
#include "grad/profile.h"

/* The number of axes that axis arguments refer to: those of the first tensor. */
static int axes_of(const peri_call *c, const peri_signature *s) {
  for (int k = 0; k < s->count; k++) {
    if (!c->arg[k].given) continue;
    int more = c->op->flags & PERI_OP_NEW_AXIS ? 1 : 0;
    if (s->param[k].kind == PERI_K_TENSOR) return c->arg[k].tensor->ndim + more;
    if (s->param[k].kind == PERI_K_TENSORS && c->arg[k].tensors.count) return c->arg[k].tensors.at[0]->ndim + more;
  }
  return 0;
}

static int normalise_axis(const peri_call *c, int64_t *axis, int ndim) {
  int64_t asked = *axis;
  if (asked < 0) *axis += ndim;
  if (*axis < 0 || *axis >= ndim) {
    return peri_fail(PERI_EARG, "%s: axis %lld is out of range: there are %d axes (1 to %d, or -1 to -%d)", c->op->name,
                     (long long)(asked < 0 ? asked : asked + 1), ndim, ndim, ndim);
  }
  return PERI_OK;
}

static int normalise_axes(peri_call *c, peri_value *v, int ndim) {
  unsigned seen = 0;
  for (int i = 0; i < v->ints.count; i++) {
    PERI_TRY(normalise_axis(c, &v->ints.at[i], ndim));
    if (seen >> v->ints.at[i] & 1U) {
      return peri_fail(PERI_EARG, "%s: axis %lld is named twice", c->op->name, (long long)v->ints.at[i] + 1);
    }
    seen |= 1U << v->ints.at[i];
  }
  if (v->ints.count == 0) v->given = false;
  return PERI_OK;
}

static int prepare(peri_call *c, const peri_signature *s) {
  for (int k = 0; k < s->count; k++) {
    const peri_param *p = &s->param[k];
    if (!c->arg[k].given) c->arg[k] = p->fallback;
    if (!c->arg[k].given && !p->optional) {
      return peri_fail(PERI_EARG, "%s: argument '%s' (%s) is missing", c->op->name, p->name, peri_kind_name(p->kind));
    }
  }
  int ndim = axes_of(c, s);
  for (int k = 0; k < s->count; k++) {
    if (!c->arg[k].given) continue;
    if (s->param[k].kind == PERI_K_AXIS) PERI_TRY(normalise_axis(c, &c->arg[k].integer, ndim));
    if (s->param[k].kind == PERI_K_AXES) PERI_TRY(normalise_axes(c, &c->arg[k], ndim));
  }
  return PERI_OK;
}

static bool any_wants(const peri_call *c, const peri_signature *s) {
  for (int k = 0; k < s->count; k++) {
    if (!c->arg[k].given) continue;
    if (s->param[k].kind == PERI_K_TENSOR && peri_tensor_requires_grad(c->arg[k].tensor)) return true;
    if (s->param[k].kind != PERI_K_TENSORS) continue;
    for (int i = 0; i < c->arg[k].tensors.count; i++) {
      if (peri_tensor_requires_grad(c->arg[k].tensors.at[i])) return true;
    }
  }
  return false;
}

/* Gives each floating output its place in the graph. */
static int join_graph(peri_call *c, const peri_signature *s) {
  peri_node *node;
  PERI_TRY(peri__node_new(&node, c, s));
  memset(c->aux, 0, sizeof c->aux); /* the node's now */
  int status = PERI_OK;
  for (int i = 0; i < c->outs && status >= 0; i++) {
    if (!peri_dtype_floating(c->out[i]->dtype) || c->op->constant_outs >> i & 1U) continue;
    peri_meta *meta = peri_alloc_zeroed(sizeof *meta);
    if (!meta) {
      status = PERI_ENOMEM;
      break;
    }
    *meta = (peri_meta){.references = 1, .requires_grad = c->recording, .node = node, .output = i};
    node->references++;
    c->out[i]->meta = meta;
  }
  peri__node_release(node);
  return status;
}

/* An op may hand back its input (a view that changes nothing); the graph needs a handle of its own. */
static int own_handles(peri_call *c) {
  for (int i = 0; i < c->outs; i++) {
    if (c->out[i]->references == 1 && !c->out[i]->meta) continue;
    peri_tensor *alias;
    PERI_TRY(peri_tensor_alias(&alias, c->out[i]));
    peri_tensor_release(c->out[i]);
    c->out[i] = alias;
  }
  return PERI_OK;
}

static int watched_forward(peri_call *c, const peri_signature *s) {
  peri_watch watch = peri_watch_start();
  int status = c->op->forward(c);
  const peri_tensor *x = s->param[0].kind == PERI_K_TENSOR && c->arg[0].given ? c->arg[0].tensor : NULL;
  peri_watch_stop(&watch, c->op->name, 0, x ? x->ndim : 0, x ? x->shape : NULL);
  return status;
}

static int run(peri_call *c, const peri_signature *s) {
  PERI_TRY(prepare(c, s));
  c->recording = peri_grad_enabled() && c->op->backward && any_wants(c, s);
  PERI_TRY(watched_forward(c, s));
  PERI_TRY(own_handles(c));
  if (c->recording || c->op->flags & PERI_OP_ORIGIN) PERI_TRY(join_graph(c, s));
  return PERI_OK;
}

int peri_apply(const peri_op *op, int args, const peri_value *arg, peri_tensor **out) {
  const peri_signature *s = peri_signature_of(op->signature);
  if (!s) return PERI_ENOMEM;
  if (args > s->count) {
    return peri_fail(PERI_EARG, "%s: takes %d arguments, got %d", op->name, s->count, args);
  }
  peri_call c = {.op = op, .args = s->count};
  memcpy(c.arg, arg, sizeof(peri_value) * (size_t)args);
  int status = run(&c, s);
  for (int i = 0; i < PERI_MAX_AUX; i++) peri_tensor_release(c.aux[i]);
  for (int i = 0; i < PERI_MAX_OUTS; i++) { /* a forward that failed may have made some already */
    if (status < 0) peri_tensor_release(c.out[i]);
    else if (i < c.outs) out[i] = c.out[i];
  }
  return status < 0 ? status : c.outs;
}
