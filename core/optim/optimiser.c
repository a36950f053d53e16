/* optimiser.c - an optimiser's life, its weights and its state. */
#include "optim/optimiser.h"

#include <string.h>

#include "base/memory.h"
#include "optim/internal.h"

static const struct {
  const char *name;
  const char *slot[PERI_OPTIMISER_SLOTS - 1];
} rules[PERI_RULES] = {
    [PERI_RULE_SGD] = {"sgd", {"velocity", NULL, NULL}},
    [PERI_RULE_ADAM] = {"adam", {"m", "v", "most"}},
    [PERI_RULE_RMSPROP] = {"rmsprop", {"v", "mean", "velocity"}},
    [PERI_RULE_ADAGRAD] = {"adagrad", {"sum", NULL, NULL}},
};

int peri_rule_parse(peri_rule *out, const char *name) {
  for (int i = 0; i < PERI_RULES; i++) {
    if (strcmp(rules[i].name, name) != 0) continue;
    *out = (peri_rule)i;
    return PERI_OK;
  }
  return peri_fail(PERI_EARG, "optimizer: there is no rule '%s'; there are sgd, adam, rmsprop, adagrad", name);
}

const char *peri_optimiser_slot_name(const peri_optimiser *o, int slot) {
  const peri_optimiser_options *p = &o->options;
  if (slot == PERI_SLOT_AVERAGE) return p->averages ? "average" : NULL;
  if (p->rule == PERI_RULE_SGD && p->momentum == 0) return NULL;
  if (p->rule == PERI_RULE_ADAM && slot == 2 && !p->amsgrad) return NULL;
  if (p->rule == PERI_RULE_RMSPROP && slot == 1 && !p->centered) return NULL;
  if (p->rule == PERI_RULE_RMSPROP && slot == 2 && p->momentum == 0) return NULL;
  return rules[p->rule].slot[slot];
}

/* --- life --- */

int peri_optimiser_new(peri_optimiser **out, const peri_optimiser_options *options) {
  peri_optimiser *o = peri_alloc_zeroed(sizeof *o);
  if (!o) return PERI_ENOMEM;
  o->options = *options;
  *out = o;
  return PERI_OK;
}

void peri_optimiser_release(peri_optimiser *o) {
  if (!o) return;
  for (int64_t i = 0; i < o->count; i++) {
    peri_tensor_release(o->trained[i].weight);
    for (int k = 0; k < PERI_OPTIMISER_SLOTS; k++) peri_tensor_release(o->trained[i].slot[k]);
  }
  peri_free(o->trained);
  peri_free(o->scratch);
  peri_free(o);
}

/* --- weights --- */

int peri_optimiser_accepts(const peri_tensor *t) {
  if (!peri_dtype_floating(t->dtype)) {
    return peri_fail(PERI_ETYPE, "wants float32 or float64 tensors, got %s", peri_tensor_text(t));
  }
  if (!t->storage || !peri_tensor_contiguous(t)) {
    return peri_fail(PERI_EARG, "wants dense tensors, got a strided view, %s: train what it is a view of",
                     peri_tensor_text(t));
  }
  return PERI_OK;
}

bool peri_optimiser_has(const peri_optimiser *o, const peri_tensor *weight) {
  for (int64_t i = 0; i < o->count; i++) {
    if (o->trained[i].weight == weight) return true;
  }
  return false;
}

static int make_room(peri_optimiser *o) {
  if (o->count < o->room) return PERI_OK;
  int64_t room = o->room ? 2 * o->room : 16;
  peri__trained *larger = peri_alloc((size_t)room * sizeof *larger);
  if (!larger) return PERI_ENOMEM;
  if (o->count) memcpy(larger, o->trained, (size_t)o->count * sizeof *larger);
  peri_free(o->trained);
  o->trained = larger;
  o->room = room;
  return PERI_OK;
}

int peri_optimiser_add(peri_optimiser *o, peri_tensor *weight) {
  PERI_TRY(peri_optimiser_accepts(weight));
  if (peri_optimiser_has(o, weight)) return PERI_OK;
  PERI_TRY(make_room(o));
  o->trained[o->count++] = (peri__trained){.weight = peri_tensor_retain(weight)};
  return PERI_OK;
}

int64_t peri_optimiser_count(const peri_optimiser *o) { return o->count; }
peri_tensor *peri_optimiser_weight(const peri_optimiser *o, int64_t i) { return o->trained[i].weight; }

/* --- state --- */

peri_tensor *peri_optimiser_slot(const peri_optimiser *o, int64_t i, int slot) { return o->trained[i].slot[slot]; }
int64_t peri_optimiser_steps(const peri_optimiser *o, int64_t i) { return o->trained[i].steps; }
bool peri_optimiser_swapped(const peri_optimiser *o) { return o->swapped; }

/* A weight that has made steps has all its slots, and one that has not has none. */
static int check_restored(const peri_optimiser *o, int64_t i, peri_tensor *const *slot, int64_t steps) {
  const peri_tensor *weight = o->trained[i].weight;
  for (int k = 0; k < PERI_OPTIMISER_SLOTS; k++) {
    const char *name = peri_optimiser_slot_name(o, k);
    if (!slot[k] && (!name || steps == 0)) continue;
    if (!slot[k]) {
      return peri_fail(PERI_EARG, "tensor %lld has made %lld steps, but its '%s' is missing", (long long)i + 1,
                       (long long)steps, name);
    }
    if (!name || steps <= 0) {
      return peri_fail(PERI_EARG, "tensor %lld has a state that %s", (long long)i + 1,
                       name ? "does not belong to 0 steps" : "this optimizer does not keep");
    }
    if (slot[k]->dtype != weight->dtype || !peri_tensor_same_shape(slot[k], weight)) {
      return peri_fail(PERI_ESHAPE, "tensor %lld is %s, but its '%s' is %s", (long long)i + 1, peri_tensor_text(weight),
                       name, peri_tensor_text(slot[k]));
    }
  }
  return PERI_OK;
}

int peri_optimiser_restore(peri_optimiser *o, peri_tensor *const *slot, const int64_t *steps, bool swapped) {
  if (swapped && !o->options.averages) {
    return peri_fail(PERI_EARG, "the state has averaged weights, this optimizer keeps none");
  }
  for (int64_t i = 0; i < o->count; i++) PERI_TRY(check_restored(o, i, slot + i * PERI_OPTIMISER_SLOTS, steps[i]));
  int64_t slots = o->count * PERI_OPTIMISER_SLOTS;
  int status = PERI_OK;
  peri_tensor **copy = peri_alloc_zeroed((size_t)slots * sizeof(peri_tensor *));
  if (!copy) return PERI_ENOMEM;
  for (int64_t k = 0; k < slots && status >= 0; k++) {
    if (slot[k]) status = peri_tensor_clone(&copy[k], slot[k]);
  }
  for (int64_t k = 0; k < slots; k++) {
    peri_tensor **place = &o->trained[k / PERI_OPTIMISER_SLOTS].slot[k % PERI_OPTIMISER_SLOTS], *old = *place;
    if (status >= 0) *place = copy[k];
    peri_tensor_release(status >= 0 ? old : copy[k]);
  }
  peri_free(copy);
  if (status < 0) return status;
  for (int64_t i = 0; i < o->count; i++) o->trained[i].steps = steps[i];
  o->swapped = swapped;
  return PERI_OK;
}
