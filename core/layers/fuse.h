/* fuse.h - runs of layers that one op does at once: the table, and how a container looks a run up.

   A row holds for the children `at`, `at + 1`, ... of a container. Whatever it takes over must give the
   result and the gradients of the layers run one by one, within rounding. A new fusion is one row in
   fuse.c, with a pair in the table of tests/lua/fuse_spec.lua. */
#ifndef PERI_LAYERS_FUSE_H
#define PERI_LAYERS_FUSE_H

#include "layers/layer.h"

typedef struct peri_fusion {
  const char *name; /* of the fused op: "conv2d_pool" */
  const char *doc;  /* one line: which layers, and what is saved */
  /* How many of l's children from `at` on, below `to`, it does at once in this mode; 0: none. NULL in rows that
     are fused elsewhere (by the losses, by fit) and only listed here. */
  int (*match)(const peri_layer *l, int at, int to, bool training);
  /* Those `run` children on x. All are built. */
  int (*forward)(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training);
} peri_fusion;

extern const peri_fusion peri_fusions[];
extern const int peri_fusion_count;

/* The row that takes the most children from `at` on, below `to` (of equals the first), and in *run their number;
   NULL, and 1 in *run, where there is none, where fusing is switched off, or a layer is not built. */
const peri_fusion *peri_fusion_find(const peri_layer *l, int at, int to, bool training, int *run);

/* Fusing is on at start, for each thread; set returns the old value. Off, every layer runs by itself. */
bool peri_fusion_enabled(void);
bool peri_fusion_set_enabled(bool wanted);

#endif
