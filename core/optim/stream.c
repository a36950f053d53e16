/* stream.c - a step that takes gradients part by part as they are made: they are changed into weights while they are
   hot, and never stored. The same formulas on the same numbers as in step.c: the same bits. */
#include "optim/internal.h"

bool peri_optimiser_stream_able(const peri_optimiser *o) {
  const peri_optimiser_options *p = &o->options;
  return p->clip_value <= 0 && p->clip_norm <= 0 && p->global_clip_norm <= 0 && !p->averages;
}

int peri_optimiser_stream_begin(peri_optimiser *o, double rate) {
  PERI_TRY(peri__refuse_swapped(o));
  for (int64_t i = 0; i < o->count; i++) PERI_TRY(peri__make_slots(o, &o->trained[i]));
  for (int64_t i = 0; i < o->count; i++) {
    o->trained[i].optimiser = o;
    o->trained[i].step = peri__step_of(o, rate, o->trained[i].steps + 1);
  }
  o->streamed = 0;
  return PERI_OK;
}

void *peri_optimiser_stream_part(peri_optimiser *o, int64_t i) { return &o->trained[i]; }

int peri_optimiser_stream_take(void *part, int64_t first, int64_t count, const void *gradient) {
  const peri__trained *t = part;
  peri__run_rule(t->optimiser, t, &t->step, first, count, gradient);
  return PERI_OK;
}

void peri_optimiser_stream_end(void *part) {
  peri__trained *t = part;
  t->steps++;
  t->optimiser->streamed++;
  peri_tensor_touch(t->weight);
}
