/* step.c - one step over all weights, and the averaged weights.

   First everything that can fail is done for every weight (the gradient made dense, slots made, scratch
   memory found), then the weights are changed. Norms are added in the order of the weights, so that a
   step gives the same bits whatever the threads. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "optim/internal.h"

/* --- before: all that can fail --- */

int peri__make_slots(const peri_optimiser *o, peri__trained *t) {
  for (int k = 0; k < PERI_OPTIMISER_SLOTS; k++) {
    if (!peri_optimiser_slot_name(o, k)) continue;
    if (!t->slot[k]) {
      double value = o->options.rule == PERI_RULE_ADAGRAD && k == 0 ? o->options.initial : 0;
      PERI_TRY(peri_tensor_full(&t->slot[k], t->weight->dtype, t->weight->ndim, t->weight->shape, value));
    } else if (t->slot[k]->dtype != t->weight->dtype || !peri_tensor_same_shape(t->slot[k], t->weight)) {
      return peri_fail(PERI_ESTATE, "a weight has become %s since its first step, as %s: make a new optimizer",
                       peri_tensor_text(t->weight), peri_tensor_text(t->slot[k]));
    }
  }
  return PERI_OK;
}

static int make_scratch(peri_optimiser *o, const peri_tensor *gradient) {
  size_t bytes = (size_t)peri_tensor_count(gradient) * peri_dtype_size(gradient->dtype);
  if (o->options.clip_value <= 0 || bytes <= o->scratch_bytes) return PERI_OK;
  void *larger = peri_alloc(bytes);
  if (!larger) return PERI_ENOMEM;
  peri_free(o->scratch);
  o->scratch = larger;
  o->scratch_bytes = bytes;
  return PERI_OK;
}

static int prepare(peri_optimiser *o, peri__trained *t, peri_tensor *gradient) {
  if (gradient->dtype != t->weight->dtype || !peri_tensor_same_shape(gradient, t->weight)) {
    return peri_fail(PERI_ESHAPE, "a weight is %s, its gradient %s", peri_tensor_text(t->weight),
                     peri_tensor_text(gradient));
  }
  PERI_TRY(peri_tensor_contiguous_of(&t->gradient, gradient));
  PERI_TRY(peri__make_slots(o, t));
  return make_scratch(o, gradient);
}

static void let_gradients_go(peri_optimiser *o) {
  for (int64_t i = 0; i < o->count; i++) {
    peri_tensor_release(o->trained[i].gradient);
    o->trained[i].gradient = NULL;
  }
}

/* --- clipping --- */

static double sum_squares(const peri_tensor *t) {
  return peri_kernels_of(t->dtype)->sum_squares(peri_tensor_count(t), peri_tensor_data(t));
}

static double factor(double limit, double squares) {
  double norm = sqrt(squares);
  return norm > limit || isnan(norm) ? limit / norm : 1;
}

static double global_factor(const peri_optimiser *o) {
  double squares = 0;
  if (o->options.global_clip_norm <= 0) return 1;
  for (int64_t i = 0; i < o->count; i++) {
    if (o->trained[i].gradient) squares += sum_squares(o->trained[i].gradient);
  }
  return factor(o->options.global_clip_norm, squares);
}

static const void *clipped(const peri_optimiser *o, const peri_tensor *gradient, double limit) {
  const peri_kernels *k = peri_kernels_of(gradient->dtype);
  int64_t n = peri_tensor_count(gradient);
  k->unary(PERI_UNARY_clamp_min, n, peri_tensor_data(gradient), o->scratch, -limit);
  k->unary(PERI_UNARY_clamp_max, n, o->scratch, o->scratch, limit);
  return o->scratch;
}

/* --- the step --- */

static void *data_at(const peri_tensor *t, int64_t first) {
  return t ? (char *)peri_tensor_data(t) + (size_t)first * peri_dtype_size(t->dtype) : NULL;
}

void peri__run_rule(const peri_optimiser *o, const peri__trained *t, const peri_step *s, int64_t first, int64_t count,
                    const void *g) {
  const peri_kernels *k = peri_kernels_of(t->weight->dtype);
  void *w = data_at(t->weight, first), *a = data_at(t->slot[0], first), *b = data_at(t->slot[1], first);
  void *c = data_at(t->slot[2], first);
  switch (o->options.rule) {
  case PERI_RULE_SGD: k->sgd(s, count, w, g, a); break;
  case PERI_RULE_ADAM: k->adam(s, count, w, g, a, b, c); break;
  case PERI_RULE_RMSPROP: k->rmsprop(s, count, w, g, a, b, c); break;
  default: k->adagrad(s, count, w, g, a); break;
  }
}

peri_step peri__step_of(const peri_optimiser *o, double rate, int64_t steps) {
  const peri_optimiser_options *p = &o->options;
  peri_step s = {.rate = rate, .decay = p->weight_decay, .decoupled = p->decoupled_decay, .scale = 1,
                 .momentum = p->momentum, .beta1 = p->beta1, .beta2 = p->beta2, .epsilon = p->epsilon,
                 .nesterov = p->nesterov, .centered = p->centered};
  if (p->rule == PERI_RULE_ADAM) {
    s.correction1 = 1 - pow(p->beta1, (double)steps);
    s.correction2 = 1 - pow(p->beta2, (double)steps);
  }
  return s;
}

static void update(const peri_optimiser *o, peri__trained *t, double rate, double scale) {
  const peri_optimiser_options *p = &o->options;
  const void *g = peri_tensor_data(t->gradient);
  peri_step s = peri__step_of(o, rate, ++t->steps);
  s.scale = scale;
  if (p->clip_norm > 0) s.scale = factor(p->clip_norm, sum_squares(t->gradient));
  if (p->clip_value > 0) g = clipped(o, t->gradient, p->clip_value);
  peri__run_rule(o, t, &s, 0, peri_tensor_count(t->weight), g);
  peri_tensor_touch(t->weight);
}

/* average = ema average + (1 - ema) w; after a weight's first step it is the weight. */
static void average(const peri_optimiser *o, const peri__trained *t) {
  const peri_kernels *k = peri_kernels_of(t->weight->dtype);
  int64_t n = peri_tensor_count(t->weight);
  void *w = peri_tensor_data(t->weight), *to = peri_tensor_data(t->slot[PERI_SLOT_AVERAGE]);
  double keep = o->options.ema;
  float keep32 = (float)keep;
  if (t->steps == 1 && t->gradient) {
    memcpy(to, w, (size_t)n * peri_dtype_size(t->weight->dtype));
    return;
  }
  const void *factor_at = t->weight->dtype == PERI_F32 ? (const void *)&keep32 : (const void *)&keep;
  k->binary(PERI_BINARY_mul, n, to, 1, factor_at, 0, to);
  k->axpy(n, 1 - keep, w, to);
}

int peri__refuse_swapped(const peri_optimiser *o) {
  if (!o->swapped) return PERI_OK;
  return peri_fail(PERI_ESTATE, "the net holds its averaged weights: swap_ema() brings the trained ones back");
}

int peri_optimiser_step(peri_optimiser *o, double rate, peri_tensor *(*gradient)(const peri_tensor *weight)) {
  const peri_optimiser_options *p = &o->options;
  int status = PERI_OK, stepped = o->streamed;
  o->streamed = 0;
  PERI_TRY(peri__refuse_swapped(o));
  for (int64_t i = 0; i < o->count; i++) {
    peri_tensor *g = gradient(o->trained[i].weight);
    if (g) PERI_TRY_GOTO(done, prepare(o, &o->trained[i], g));
    if (g) stepped++;
  }
  if (!stepped) {
    return peri_fail(PERI_ESTATE, "none of its %lld tensors has a gradient: call loss:backward() first",
                     (long long)o->count);
  }
  double scale = global_factor(o);
  for (int64_t i = 0; i < o->count; i++) {
    if (o->trained[i].gradient) update(o, &o->trained[i], rate, scale);
    if (p->averages && o->trained[i].steps > 0) average(o, &o->trained[i]);
  }
  status = stepped;
done:
  let_gradients_go(o);
  return status;
}

/* --- the averaged weights --- */

static void exchange(void *a_, void *b_, size_t bytes) {
  char *a = a_, *b = b_, held[4096];
  for (size_t at = 0; at < bytes; at += sizeof held) {
    size_t part = bytes - at < sizeof held ? bytes - at : sizeof held;
    memcpy(held, a + at, part);
    memcpy(a + at, b + at, part);
    memcpy(b + at, held, part);
  }
}

int peri_optimiser_swap(peri_optimiser *o) {
  if (!o->options.averages) {
    return peri_fail(PERI_ESTATE, "this optimizer keeps no averaged weights: make it with ema = 0.99");
  }
  for (int64_t i = 0; i < o->count; i++) {
    peri_tensor *weight = o->trained[i].weight, *held = o->trained[i].slot[PERI_SLOT_AVERAGE];
    if (!held || o->trained[i].steps == 0) continue;
    size_t bytes = (size_t)peri_tensor_count(weight) * peri_dtype_size(weight->dtype);
    exchange(peri_tensor_data(weight), peri_tensor_data(held), bytes);
    peri_tensor_touch(weight);
  }
  o->swapped = !o->swapped;
  return PERI_OK;
}
