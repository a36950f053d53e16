/* node.h - a node of the graph, known to the files of grad/ only. */
#ifndef PERI_GRAD_NODE_H
#define PERI_GRAD_NODE_H

#include "grad/call.h"

/* Inputs are the call's tensors in order, a list's items in place: `inputs` edges and versions. */
struct peri_node {
  int64_t references;
  peri_call call;            /* arguments and outputs are aliases where backward reads them, else stubs */
  int inputs;
  peri_meta **edge;          /* NULL where no gradient is wanted; owned */
  uint64_t *version;         /* of each kept input's storage when it was saved */
  peri_tensor **grad_in;     /* while backward runs: one slot an input */
  uint64_t out_version[PERI_MAX_OUTS];
  bool freed;                /* backward has been here and kept nothing */
  /* while a walk is under way */
  uint64_t mark;             /* the walk's number */
  bool selects;              /* a walk of peri_gradients: only edges that are wanted get their gradient */
  bool useful;               /* then: one of its edges is */
  int64_t pending;           /* consumers that have not delivered yet */
  peri_tensor *grad_out[PERI_MAX_OUTS];
  peri_node *next;           /* list of nodes to free */
};

/* A node for a finished call, with edges to its inputs; `kept` aliases and stubs replace the arguments. */
int peri__node_new(peri_node **out, const peri_call *call, const peri_signature *s);
void peri__node_release(peri_node *node);
void peri__node_forget(peri_node *node); /* lets go of all that backward would read */

/* Does the walk want the gradient of an input? */
bool peri__node_wants(const peri_node *node, int slot);

/* sink.c: a leaf below an edge of the present walk waits for one gradient more; does it wait for any; and may its
   elements change now that `node` has run? */
extern uint64_t peri__walk_number;
void peri__sink_count(peri_meta *leaf);
bool peri__sink_waits(const peri_meta *leaf);
bool peri__sink_may_change(const peri_meta *leaf, const peri_node *node);

/* The index of the first input that belongs to argument k. */
int peri__node_first(const peri_node *node, const peri_signature *s, int k);

#endif
