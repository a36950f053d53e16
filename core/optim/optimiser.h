/* optimiser.h - weights, what an optimiser remembers of each, and the step over all of them.

   An optimiser holds references to its weights (dense, float32 or float64, each once) and, for every
   weight, up to PERI_OPTIMISER_SLOTS tensors of the weight's shape and type: velocity, moments, the
   averaged weights. Slots are made when their weight first has a gradient; a weight without one is
   passed over, and its count of steps stands still, so that a layer that thaws late starts with the
   bias corrections of a first step. A step either happens to every weight that has a gradient or, on
   failure, to none. The formulas are the kernels' (kernels.h); gradients are asked for through a
   function, because this folder does not know differentiation. */
#ifndef PERI_OPTIM_OPTIMISER_H
#define PERI_OPTIM_OPTIMISER_H

#include "tensor/tensor.h"

typedef enum peri_rule { PERI_RULE_SGD, PERI_RULE_ADAM, PERI_RULE_RMSPROP, PERI_RULE_ADAGRAD, PERI_RULES } peri_rule;

enum { PERI_OPTIMISER_SLOTS = 4, PERI_SLOT_AVERAGE = 3 };

typedef struct peri_optimiser_options {
  peri_rule rule;
  double momentum;         /* SGD, RMSprop; 0 is none */
  double beta1, beta2;     /* Adam; RMSprop's rho is beta2 */
  double epsilon;
  double initial;          /* Adagrad: the sum at the start */
  double weight_decay;     /* added to the gradient: g += weight_decay w */
  double decoupled_decay;  /* w -= rate decoupled_decay w, before the step */
  double clip_value;       /* of the three at most one is above 0, which is no clipping */
  double clip_norm, global_clip_norm;
  double ema;              /* momentum of the averaged weights, when `averages` */
  bool nesterov, centered, amsgrad, averages;
} peri_optimiser_options;

typedef struct peri_optimiser peri_optimiser;

int peri_rule_parse(peri_rule *out, const char *name); /* "sgd", "adam", "rmsprop", "adagrad" */

int peri_optimiser_new(peri_optimiser **out, const peri_optimiser_options *options);
void peri_optimiser_release(peri_optimiser *o); /* NULL is allowed */

/* PERI_ETYPE or PERI_EARG unless `t` can be trained. */
int peri_optimiser_accepts(const peri_tensor *t);
/* Takes a reference. A weight that is there already is not taken twice. */
int peri_optimiser_add(peri_optimiser *o, peri_tensor *weight);
bool peri_optimiser_has(const peri_optimiser *o, const peri_tensor *weight);
int64_t peri_optimiser_count(const peri_optimiser *o);
peri_tensor *peri_optimiser_weight(const peri_optimiser *o, int64_t i); /* borrowed */

/* One step at a learning rate over every weight for which `gradient` does not give NULL. Returns the
   number of weights stepped. PERI_ESTATE while the averages are swapped in, or without any gradient. */
int peri_optimiser_step(peri_optimiser *o, double rate, peri_tensor *(*gradient)(const peri_tensor *weight));

/* A step that begins while gradients are still being made: each weight is changed as soon as its gradient is there,
   part by part, and the step over the others follows with peri_optimiser_step, which counts all. Elementwise rules
   only: `able` is false with clipping or averages. Begin does all that can fail; when the making of gradients fails
   later, the weights whose gradient had come are a step ahead, with their own counts and slots. */
bool peri_optimiser_stream_able(const peri_optimiser *o);
int peri_optimiser_stream_begin(peri_optimiser *o, double rate);
void *peri_optimiser_stream_part(peri_optimiser *o, int64_t i); /* weight i, until weights are added */
int peri_optimiser_stream_take(void *part, int64_t first, int64_t count, const void *gradient); /* any thread */
void peri_optimiser_stream_end(void *part);

/* Exchanges the elements of the weights and of their averages. */
int peri_optimiser_swap(peri_optimiser *o);
bool peri_optimiser_swapped(const peri_optimiser *o);

/* --- the state --- */
const char *peri_optimiser_slot_name(const peri_optimiser *o, int slot); /* NULL: none there */
peri_tensor *peri_optimiser_slot(const peri_optimiser *o, int64_t i, int slot); /* borrowed; not before the first step */
int64_t peri_optimiser_steps(const peri_optimiser *o, int64_t i);                   /* steps that weight i has made */
/* Replaces the whole state by copies: `slot` holds PERI_OPTIMISER_SLOTS tensors or NULLs a weight. On
   failure nothing has changed. */
int peri_optimiser_restore(peri_optimiser *o, peri_tensor *const *slot, const int64_t *steps, bool swapped);

#endif
