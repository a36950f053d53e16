/* node.c - what the graph is made of: metas and nodes, their making and their release. */
#include "grad/node.h"

#include <string.h>

#include "base/memory.h"

extern void (*peri__meta_release)(struct peri_meta *meta);
__attribute__((constructor)) static void join_tensors(void) { peri__meta_release = peri_meta_release; }

peri_meta *peri_meta_retain(peri_meta *meta) {
  if (meta) meta->references++;
  return meta;
}

void peri_meta_release(peri_meta *meta) {
  if (!meta || --meta->references > 0) return;
  peri_tensor_release(meta->grad);
  if (meta->node) peri__node_release(meta->node);
  peri_free(meta);
}

/* --- recording, on or off for a thread --- */

static _Thread_local bool enabled = true;

bool peri_grad_enabled(void) { return enabled; }
bool peri_grad_set_enabled(bool wanted) {
  bool before = enabled;
  enabled = wanted;
  return before;
}

/* --- making --- */

static int tensors_in(const peri_call *call, const peri_signature *s, int k) {
  if (s->param[k].kind == PERI_K_TENSOR) return call->arg[k].given ? 1 : 0;
  return s->param[k].kind == PERI_K_TENSORS && call->arg[k].given ? call->arg[k].tensors.count : 0;
}

int peri__node_first(const peri_node *node, const peri_signature *s, int k) {
  int first = 0;
  for (int i = 0; i < k; i++) first += tensors_in(&node->call, s, i);
  return first;
}

bool peri__node_wants(const peri_node *node, int slot) {
  const peri_meta *edge = node->edge[slot];
  return edge && (!node->selects || edge->wanted == node->mark);
}

/* An alias of t without its place in the graph, or only its shape. */
static int keep(peri_tensor **out, const peri_tensor *t, bool elements) {
  return elements ? peri_tensor_alias(out, t) : peri_tensor_stub(out, t);
}

static int keep_input(peri_node *node, int slot, peri_tensor **copy, const peri_tensor *t, bool elements) {
  PERI_TRY(keep(copy, t, elements));
  if (elements) node->version[slot] = t->storage->version;
  if (t->meta && t->meta->requires_grad) node->edge[slot] = peri_meta_retain(t->meta);
  return PERI_OK;
}

static int keep_list(peri_node *node, int slot, peri_value *copy, const peri_value *list, bool elements) {
  copy->tensors.at = peri_alloc_zeroed(sizeof(peri_tensor *) * (size_t)(list->tensors.count + 1));
  if (!copy->tensors.at) return PERI_ENOMEM;
  copy->given = true;
  copy->tensors.count = list->tensors.count;
  for (int i = 0; i < list->tensors.count; i++) {
    PERI_TRY(keep_input(node, slot + i, &copy->tensors.at[i], list->tensors.at[i], elements));
  }
  return PERI_OK;
}

static int keep_arguments(peri_node *node, const peri_call *call, const peri_signature *s) {
  int slot = 0;
  for (int k = 0; k < s->count; k++) {
    const peri_value *from = &call->arg[k];
    peri_value *to = &node->call.arg[k];
    bool elements = call->op->keep_args >> k & 1U;
    if (!from->given) continue;
    if (s->param[k].kind == PERI_K_TENSOR) {
      PERI_TRY(keep_input(node, slot, &to->tensor, from->tensor, elements));
    } else if (s->param[k].kind == PERI_K_TENSORS) {
      PERI_TRY(keep_list(node, slot, to, from, elements));
    } else if (s->param[k].kind == PERI_K_STRING) {
      to->string = peri_strdup(from->string);
      if (!to->string) return PERI_ENOMEM;
    } else {
      *to = *from;
    }
    to->given = true;
    slot += tensors_in(call, s, k);
  }
  return PERI_OK;
}

static int keep_outputs(peri_node *node, const peri_call *call) {
  for (int i = 0; i < call->outs; i++) {
    bool elements = call->op->keep_outs >> i & 1U;
    PERI_TRY(keep(&node->call.out[i], call->out[i], elements));
    if (elements) node->out_version[i] = call->out[i]->storage->version;
  }
  return PERI_OK;
}

int peri__node_new(peri_node **out, const peri_call *call, const peri_signature *s) {
  peri_node *node = peri_alloc_zeroed(sizeof *node);
  if (!node) return PERI_ENOMEM;
  node->references = 1;
  node->call.op = call->op;
  node->call.args = call->args;
  node->call.outs = call->outs;
  node->call.recording = call->recording;
  node->call.node = node;
  for (int k = 0; k < s->count; k++) node->inputs += tensors_in(call, s, k);
  size_t inputs = (size_t)node->inputs + 1;
  node->edge = peri_alloc_zeroed(inputs * (sizeof *node->edge + sizeof *node->version));
  int status = node->edge ? PERI_OK : PERI_ENOMEM;
  if (status >= 0) {
    node->version = (uint64_t *)(void *)(node->edge + inputs);
    status = keep_arguments(node, call, s);
  }
  if (status >= 0) status = keep_outputs(node, call);
  if (status < 0) {
    peri__node_release(node);
    return status;
  }
  memcpy(node->call.aux, call->aux, sizeof call->aux); /* now the node's */
  *out = node;
  return PERI_OK;
}

/* --- releasing --- */

static void forget_argument(peri_value *v, peri_kind kind) {
  if (kind == PERI_K_TENSOR) {
    peri_tensor_release(v->tensor);
  } else if (kind == PERI_K_TENSORS && v->tensors.at) {
    for (int i = 0; i < v->tensors.count; i++) peri_tensor_release(v->tensors.at[i]);
    peri_free(v->tensors.at);
  } else if (kind == PERI_K_STRING) {
    peri_free((void *)(uintptr_t)v->string);
  }
  memset(v, 0, sizeof *v);
}

void peri__node_forget(peri_node *node) {
  const peri_signature *s = peri_signature_of(node->call.op->signature);
  for (int k = 0; k < s->count; k++) forget_argument(&node->call.arg[k], s->param[k].kind);
  for (int i = 0; i < PERI_MAX_OUTS; i++) {
    peri_tensor_release(node->call.out[i]);
    node->call.out[i] = NULL;
  }
  for (int i = 0; i < PERI_MAX_AUX; i++) {
    peri_tensor_release(node->call.aux[i]);
    node->call.aux[i] = NULL;
  }
  if (node->edge) {
    for (int i = 0; i < node->inputs; i++) {
      peri_meta_release(node->edge[i]);
      node->edge[i] = NULL;
    }
  }
  node->freed = true;
}

/* Letting go of a node lets go of its inputs' nodes, and so on down a graph that may be a million ops
   deep: nodes wait in a list and are freed one after another, never by recursion. */
void peri__node_release(peri_node *node) {
  static _Thread_local peri_node *waiting;
  static _Thread_local bool draining;
  if (--node->references > 0) return;
  node->next = waiting;
  waiting = node;
  if (draining) return;
  draining = true;
  while (waiting) {
    peri_node *dead = waiting;
    waiting = dead->next;
    peri__node_forget(dead);
    peri_free(dead->edge);
    peri_free(dead);
  }
  draining = false;
}
