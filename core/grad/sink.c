/* sink.c - leaves whose gradient is used up while the walk goes on.

   A walk counts, for every leaf with a sink, the edges that lead to it. When the last gradient has come, the leaf may
   change if nobody will read its elements as they were: its storage then has one reference of its own tensor and those
   of the node that has just run. */
#include "grad/node.h"

#include <string.h>

void peri_tensor_set_sink(peri_tensor *leaf, const peri_sink *sink) {
  peri_meta *meta = leaf->meta;
  if (!meta || meta->node) return;
  if (sink) meta->sink = *sink;
  else memset(&meta->sink, 0, sizeof meta->sink);
  meta->sunk = leaf->storage;
}

void peri__sink_count(peri_meta *leaf) {
  if (!leaf->sink.take) return;
  if (leaf->mark != peri__walk_number) leaf->uses = 0;
  leaf->mark = peri__walk_number;
  leaf->uses++;
}

bool peri__sink_waits(const peri_meta *leaf) { return leaf->sink.take && leaf->mark == peri__walk_number; }

static int holds(const peri_tensor *t, const peri_storage *storage) { return t && t->storage == storage; }

bool peri__sink_may_change(const peri_meta *leaf, const peri_node *node) {
  const peri_call *c = &node->call;
  const peri_signature *s = peri_signature_of(c->op->signature);
  int64_t held = 0;
  for (int k = 0; k < s->count; k++) {
    if (!c->arg[k].given) continue;
    if (s->param[k].kind == PERI_K_TENSOR) held += holds(c->arg[k].tensor, leaf->sunk);
    if (s->param[k].kind != PERI_K_TENSORS) continue;
    for (int i = 0; i < c->arg[k].tensors.count; i++) held += holds(c->arg[k].tensors.at[i], leaf->sunk);
  }
  for (int i = 0; i < PERI_MAX_OUTS; i++) held += holds(c->out[i], leaf->sunk);
  for (int i = 0; i < PERI_MAX_AUX; i++) held += holds(c->aux[i], leaf->sunk);
  return leaf->sunk->references == 1 + held;
}

const peri_sink *peri_sink_begin(peri_call *c, int k) {
  peri_meta *leaf = c->node->edge[peri__node_first(c->node, peri_signature_of(c->op->signature), k)];
  if (!leaf || !peri__sink_waits(leaf) || leaf->uses != 1 || leaf->grad) return NULL;
  if (!peri__sink_may_change(leaf, c->node)) return NULL;
  leaf->uses = 0;
  return &leaf->sink;
}
