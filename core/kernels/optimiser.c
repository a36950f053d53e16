/* optimiser.c - one step of each optimiser over float32, a vector at a time.

   In every formula g = scale gradient + decay w, and the decoupled decay is taken off w before the
   step: w = w (1 - rate decoupled). Constants are rounded to float once; the states are float32. */
#include "base/threads.h"
#include "kernels/vector.h"

void PERI_ISA_NAME(peri__fill_optimiser)(peri_kernels *f32, peri_kernels *f64);

enum { PIECE = 1 << 14 };

typedef struct step {
  vf rate, decay, keep, scale, momentum, beta1, rest1, beta2, rest2, inv1, root2, epsilon;
  int nesterov;
} step;

typedef void update(const step *s, int64_t n, float *w, const float *g, float *const state[3]);

typedef struct job {
  step s;
  update *apply;
  int64_t n;
  float *w;
  const float *g;
  float *state[3]; /* NULL where the formula has none */
} job;

static void piece_of(void *context, int64_t piece) {
  const job *j = context;
  int64_t at = piece * PIECE, n = j->n - at < PIECE ? j->n - at : PIECE;
  float *state[3];
  for (int i = 0; i < 3; i++) state[i] = j->state[i] ? j->state[i] + at : NULL;
  j->apply(&j->s, n, j->w + at, j->g + at, state);
}

static void run(const peri_step *p, update *apply, int64_t n, float *w, const float *g, float *a, float *b, float *c) {
  job j = {.apply = apply, .n = n, .w = w, .g = g, .state = {a, b, c}};
  j.s = (step){
      .rate = vf_set1((float)p->rate),
      .decay = vf_set1((float)p->decay),
      .keep = vf_set1((float)(1 - p->rate * p->decoupled)),
      .scale = vf_set1((float)p->scale),
      .momentum = vf_set1((float)p->momentum),
      .beta1 = vf_set1((float)p->beta1),
      .rest1 = vf_set1((float)(1 - p->beta1)),
      .beta2 = vf_set1((float)p->beta2),
      .rest2 = vf_set1((float)(1 - p->beta2)),
      .inv1 = vf_set1((float)(p->rate / p->correction1)),
      .root2 = vf_set1((float)(1 / sqrt(p->correction2))),
      .epsilon = vf_set1((float)p->epsilon),
      .nesterov = p->nesterov,
  };
  peri_parallel((n + PIECE - 1) / PIECE, piece_of, &j);
}

/* Loads up to a vector of each array, hands them to the formula, and stores what it changed. */
#define EACH_VECTOR(formula)                                                                                           \
  for (int64_t i = 0; i < n; i += PERI_LANES) {                                                                        \
    int64_t count = n - i < PERI_LANES ? n - i : PERI_LANES;                                                           \
    if (count == PERI_LANES) formula(s, w + i, g + i, state, i, PERI_LANES);                                           \
    else formula(s, w + i, g + i, state, i, count);                                                                    \
  }

static inline vf gradient(const step *s, vf g, vf w) { return s->scale * g + s->decay * w; }

/* velocity = momentum velocity + g; w -= rate velocity, with Nesterov w -= rate (g + momentum velocity) */
static inline void sgd_vector(const step *s, float *w, const float *g, float *const state[3], int64_t i,
                              int64_t count) {
  vf weight = vf_get(w, count), move = gradient(s, vf_get(g, count), weight);
  if (state[0]) {
    vf velocity = s->momentum * vf_get(state[0] + i, count) + move;
    vf_put(state[0] + i, velocity, count);
    move = s->nesterov ? move + s->momentum * velocity : velocity;
  }
  vf_put(w, weight * s->keep - s->rate * move, count);
}
static void sgd_apply(const step *s, int64_t n, float *w, const float *g, float *const state[3]) {
  EACH_VECTOR(sgd_vector)
}

/* m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
   w -= rate / correction1 * m / (sqrt(v) / sqrt(correction2) + epsilon)   (Kingma and Ba 2015);
   AMSGrad: the largest v so far under the root   (Reddi, Kale, Kumar 2018) */
static inline void adam_vector(const step *s, float *w, const float *g, float *const state[3], int64_t i,
                               int64_t count) {
  vf weight = vf_get(w, count), d = gradient(s, vf_get(g, count), weight);
  vf m = s->beta1 * vf_get(state[0] + i, count) + s->rest1 * d;
  vf v = s->beta2 * vf_get(state[1] + i, count) + s->rest2 * d * d;
  vf_put(state[0] + i, m, count);
  vf_put(state[1] + i, v, count);
  if (state[2]) {
    v = vf_max(vf_get(state[2] + i, count), v); /* NaN stays: second operand */
    vf_put(state[2] + i, v, count);
  }
  vf_put(w, weight * s->keep - s->inv1 * m / (vf_sqrt(v) * s->root2 + s->epsilon), count);
}
static void adam_apply(const step *s, int64_t n, float *w, const float *g, float *const state[3]) {
  EACH_VECTOR(adam_vector)
}

/* v = rho v + (1 - rho) g^2; centred: mean = rho mean + (1 - rho) g; move = g / (sqrt(v - mean^2) + epsilon);
   with momentum velocity = momentum velocity + move, and that is the move; w -= rate move */
static inline void rmsprop_vector(const step *s, float *w, const float *g, float *const state[3], int64_t i,
                                  int64_t count) {
  vf weight = vf_get(w, count), d = gradient(s, vf_get(g, count), weight);
  vf v = s->beta2 * vf_get(state[0] + i, count) + s->rest2 * d * d, spread = v;
  vf_put(state[0] + i, v, count);
  if (state[1]) {
    vf mean = s->beta2 * vf_get(state[1] + i, count) + s->rest2 * d;
    vf_put(state[1] + i, mean, count);
    spread = vf_max(v - mean * mean, vf_set1(0));
  }
  vf move = d / (vf_sqrt(spread) + s->epsilon);
  if (state[2]) {
    move += s->momentum * vf_get(state[2] + i, count);
    vf_put(state[2] + i, move, count);
  }
  vf_put(w, weight * s->keep - s->rate * move, count);
}
static void rmsprop_apply(const step *s, int64_t n, float *w, const float *g, float *const state[3]) {
  EACH_VECTOR(rmsprop_vector)
}

/* sum += g^2; w -= rate g / (sqrt(sum) + epsilon)   (Duchi, Hazan, Singer 2011) */
static inline void adagrad_vector(const step *s, float *w, const float *g, float *const state[3], int64_t i,
                                  int64_t count) {
  vf weight = vf_get(w, count), d = gradient(s, vf_get(g, count), weight);
  vf sum = vf_get(state[0] + i, count) + d * d;
  vf_put(state[0] + i, sum, count);
  vf_put(w, weight * s->keep - s->rate * d / (vf_sqrt(sum) + s->epsilon), count);
}
static void adagrad_apply(const step *s, int64_t n, float *w, const float *g, float *const state[3]) {
  EACH_VECTOR(adagrad_vector)
}

static void sgd(const peri_step *s, int64_t n, void *w, const void *g, void *velocity) {
  run(s, sgd_apply, n, w, g, velocity, NULL, NULL);
}
static void adam(const peri_step *s, int64_t n, void *w, const void *g, void *m, void *v, void *most) {
  run(s, adam_apply, n, w, g, m, v, most);
}
static void rmsprop(const peri_step *s, int64_t n, void *w, const void *g, void *v, void *mean, void *velocity) {
  run(s, rmsprop_apply, n, w, g, v, mean, velocity);
}
static void adagrad(const peri_step *s, int64_t n, void *w, const void *g, void *sum) {
  run(s, adagrad_apply, n, w, g, sum, NULL, NULL);
}

void PERI_ISA_NAME(peri__fill_optimiser)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->sgd = sgd;
  f32->adam = adam;
  f32->rmsprop = rmsprop;
  f32->adagrad = adagrad;
}
