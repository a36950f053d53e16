/* internal.h - what the files of this folder share. */
#ifndef PERI_OPTIM_INTERNAL_H
#define PERI_OPTIM_INTERNAL_H

#include "optim/optimiser.h"

typedef struct peri__trained {
  peri_tensor *weight;
  peri_tensor *slot[PERI_OPTIMISER_SLOTS];
  peri_tensor *gradient; /* dense; held only during a step */
  int64_t steps;
} peri__trained;

struct peri_optimiser {
  peri_optimiser_options options;
  int64_t count, room;
  peri__trained *trained;
  bool swapped;
  void *scratch; /* a clipped gradient; as large as the largest so far */
  size_t scratch_bytes;
};

#endif
