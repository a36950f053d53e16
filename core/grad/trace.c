/* trace.c - a walk over the graph that only looks (trace.h). */
#include "grad/trace.h"

#include <string.h>

#include "base/memory.h"
#include "grad/node.h"

typedef struct list {
  int64_t count, room;
  const peri_node **at;
} list;

static int push(list *l, const peri_node *node) {
  if (l->count == l->room) {
    int64_t room = l->room ? 2 * l->room : 32;
    const peri_node **more = peri_alloc(sizeof *more * (size_t)room);
    if (!more) return PERI_ENOMEM;
    if (l->count) memcpy(more, l->at, sizeof *more * (size_t)l->count);
    peri_free(l->at);
    l->at = more;
    l->room = room;
  }
  l->at[l->count++] = node;
  return PERI_OK;
}

static int64_t kept_by(const peri_tensor *t, const peri_trace *trace) {
  return t && t->storage && trace->fresh(trace->context, t->storage) ? (int64_t)t->storage->bytes : 0;
}

static int64_t kept(const peri_node *node, const peri_trace *trace) {
  const peri_signature *s = peri_signature_of(node->call.op->signature);
  int64_t bytes = 0;
  for (int k = 0; s && k < s->count; k++) {
    const peri_value *v = &node->call.arg[k];
    if (!v->given) continue;
    if (s->param[k].kind == PERI_K_TENSOR) bytes += kept_by(v->tensor, trace);
    for (int i = 0; s->param[k].kind == PERI_K_TENSORS && i < v->tensors.count; i++) bytes += kept_by(v->tensors.at[i], trace);
  }
  for (int i = 0; i < PERI_MAX_OUTS; i++) bytes += kept_by(node->call.out[i], trace);
  for (int i = 0; i < PERI_MAX_AUX; i++) bytes += kept_by(node->call.aux[i], trace);
  return bytes;
}

int peri_trace_walk(const peri_tensor *t, const peri_trace *trace) {
  list found = {0};
  int status = PERI_OK;
  const peri_node *first = t->meta ? t->meta->node : NULL;
  if (first && trace->fresh(trace->context, first)) status = push(&found, first);
  for (int64_t at = 0; status >= 0 && at < found.count; at++) {
    const peri_node *node = found.at[at];
    for (int k = 0; status >= 0 && k < node->inputs; k++) {
      const peri_node *before = node->edge && node->edge[k] ? node->edge[k]->node : NULL;
      if (before && trace->fresh(trace->context, before)) status = push(&found, before);
    }
  }
  for (int64_t at = found.count - 1; status >= 0 && at >= 0; at--) {
    trace->op(trace->context, found.at[at]->call.op->name, kept(found.at[at], trace));
  }
  peri_free(found.at);
  return status;
}
