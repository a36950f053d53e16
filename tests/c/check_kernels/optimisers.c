/* optimisers.c - one step of each, with every option, from random states. */
#include <stdio.h>

#include "check_kernels/check.h"

typedef struct trial {
  peri_step step;
  int centered, momentum; /* centered stands for AMSGrad in Adam */
} trial;

static void run_sgd(const peri_kernels *k, check_case *c) {
  const trial *t = c->options;
  k->sgd(&t->step, c->in[0].n, c->out[0].data, c->in[0].data, t->momentum ? c->out[1].data : NULL);
}
static void run_adam(const peri_kernels *k, check_case *c) {
  const trial *t = c->options;
  k->adam(&t->step, c->in[0].n, c->out[0].data, c->in[0].data, c->out[1].data, c->out[2].data,
          t->centered ? c->out[3].data : NULL);
}
static void run_rmsprop(const peri_kernels *k, check_case *c) {
  const trial *t = c->options;
  k->rmsprop(&t->step, c->in[0].n, c->out[0].data, c->in[0].data, c->out[2].data,
             t->centered ? c->out[3].data : NULL, t->momentum ? c->out[1].data : NULL);
}
static void run_adagrad(const peri_kernels *k, check_case *c) {
  const trial *t = c->options;
  k->adagrad(&t->step, c->in[0].n, c->out[0].data, c->in[0].data, c->out[2].data);
}

static void check_one(const char *entry, void (*run)(const peri_kernels *, check_case *), int64_t n, int form) {
  check_case c;
  trial t = {.step = {.rate = 0.01, .scale = form & 1 ? 0.25 : 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7,
                      .correction1 = 1 - 0.9 * 0.9, .correction2 = 1 - 0.999 * 0.999, .momentum = 0.9}};
  t.step.decay = form & 2 ? 0.01 : 0;
  t.step.decoupled = form & 4 ? 0.05 : 0;
  t.momentum = form >> 3 & 1;
  t.centered = t.step.centered = form >> 4 & 1;
  t.step.nesterov = form >> 4 & 1;
  check_begin(&c, entry, run);
  snprintf(c.shape, sizeof c.shape, "n %lld, options %d", (long long)n, form);
  c.options = &t;
  check_in(&c, n, -1, 1, 0);
  if (n > 4) check_set(&c.in[0], 3, 0);
  check_update(&c, n, -1, 1);
  check_update(&c, n, -1, 1);       /* velocity or first moment */
  check_update(&c, n, 0.2, 0.9);    /* second moment */
  check_update(&c, n, -0.3, 0.3);   /* running mean, or largest second moment */
  c.rel = 1e-6, c.abs = 3e-7;
  check_case_run(&c);
}

void check_optimisers(void) {
  static const int64_t sizes[] = {0, 1, 5, 16, 31, 1000, 16384, 50003};
  for (int s = 0; s < 8; s++)
    for (int form = 0; form < 32; form += sizes[s] > 1000 ? 5 : 1) {
      if (CHECK_OWN(sgd)) check_one("sgd", run_sgd, sizes[s], form);
      if (CHECK_OWN(adam)) check_one("adam", run_adam, sizes[s], form);
      if (CHECK_OWN(rmsprop)) check_one("rmsprop", run_rmsprop, sizes[s], form);
      if (CHECK_OWN(adagrad)) check_one("adagrad", run_adagrad, sizes[s], form);
    }
}
