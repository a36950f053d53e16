/* norm.h - what fused runs ask of a BatchNorm layer. */
#ifndef PERI_LAYERS_NORM_H
#define PERI_LAYERS_NORM_H

#include "layers/layers.h"

/* What stands behind a normalisation and is done with it: + skip (or NULL), ReLU, a max-pool (a pair, or absent)
   whose windows do not overlap. A pool comes with relu and without a skip. */
typedef struct peri__tail {
  peri_tensor *skip;
  bool relu;
  peri_value pool;
} peri__tail;

/* Does the layer take the batch's own moments in this mode? A frozen one keeps its running ones, as Keras has it. */
bool peri__batch_norm_learns(const peri_layer *l, bool training);

/* Its gamma and beta as arguments of an op (absent where it has none), and its epsilon. */
void peri__batch_norm_arguments(const peri_layer *l, peri_value *gamma, peri_value *beta, peri_value *epsilon);

/* Lets the running statistics follow a batch's mean and variance, results[1] and [2], and releases those two. */
void peri__batch_norm_follow(peri_layer *l, peri_tensor **results);

/* With the running moments the layer is x scale + shift, channel by channel: these two. */
int peri__batch_norm_fold(const peri_layer *l, peri_tensor **scale, peri_tensor **shift);

/* The layer and a tail on x. */
int peri__batch_norm_forward(peri_layer *l, const peri__tail *tail, peri_tensor **out, peri_tensor *x, bool training);

/* The tail alone; takes over y. */
int peri__tail_forward(const peri__tail *tail, peri_tensor **out, peri_tensor *y);

#endif
