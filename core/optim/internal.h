/* internal.h - what the files of this folder share. */
#ifndef PERI_OPTIM_INTERNAL_H
#define PERI_OPTIM_INTERNAL_H

#include "optim/optimiser.h"

typedef struct peri__trained {
  peri_tensor *weight;
  peri_tensor *slot[PERI_OPTIMISER_SLOTS];
  peri_tensor *gradient; /* dense; held only during a step */
  int64_t steps;
  peri_step step;          /* the formula's constants, in a step by stream */
  peri_optimiser *optimiser;
} peri__trained;

struct peri_optimiser {
  peri_optimiser_options options;
  int64_t count, room;
  peri__trained *trained;
  bool swapped;
  int streamed; /* weights that a stream has changed since the last step */
  void *scratch; /* a clipped gradient; as large as the largest so far */
  size_t scratch_bytes;
};

/* step.c */
int peri__make_slots(const peri_optimiser *o, peri__trained *t);
peri_step peri__step_of(const peri_optimiser *o, double rate, int64_t steps); /* for the step that makes it `steps` */
void peri__run_rule(const peri_optimiser *o, const peri__trained *t, const peri_step *s, int64_t first, int64_t count,
                    const void *gradient);
int peri__refuse_swapped(const peri_optimiser *o);

#endif
