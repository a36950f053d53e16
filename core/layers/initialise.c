/* initialise.c - how weights start, with Keras' formulas (keras.initializers).

   Fans of a kernel (..., in, out): the sizes before the last two are the receptive field;
   fan_in = field * in, fan_out = field * out.
     glorot: variance 2 / (fan_in + fan_out)     Glorot and Bengio 2010
     he:     variance 2 / fan_in                 He et al. 2015
     lecun:  variance 1 / fan_in                 LeCun et al. 1998
   uniform: in [-sqrt(3 variance), sqrt(3 variance)]; normal: truncated at two standard deviations, and
   widened by 1 / 0.8796... so that the variance after cutting is the one asked for.
   orthogonal: the Q of a normal matrix (Saxe et al. 2014); truncated_normal and random_normal have
   deviation 0.05, random_uniform is in [-0.05, 0.05]. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "layers/layers.h"

static void fans(const peri_tensor *t, double *in, double *out) {
  double field = 1;
  for (int i = 0; i + 2 < t->ndim; i++) field *= (double)t->shape[i];
  *in = t->ndim >= 2 ? field * (double)t->shape[t->ndim - 2] : t->ndim ? (double)t->shape[0] : 1;
  *out = t->ndim >= 1 ? field * (double)t->shape[t->ndim - 1] : 1;
  if (t->ndim == 1) *out = *in;
}

static void uniform(peri_tensor *t, double limit) {
  int64_t n = peri_tensor_count(t);
  if (t->dtype == PERI_F32) peri_rng_uniform_f32(peri_rng_default(), n, peri_tensor_data(t), -limit, limit);
  else peri_rng_uniform_f64(peri_rng_default(), n, peri_tensor_data(t), -limit, limit);
}

static void normal(peri_tensor *t, double deviation) {
  int64_t n = peri_tensor_count(t);
  if (t->dtype == PERI_F32) peri_rng_normal_f32(peri_rng_default(), n, peri_tensor_data(t), 0, deviation);
  else peri_rng_normal_f64(peri_rng_default(), n, peri_tensor_data(t), 0, deviation);
}

static void store(peri_tensor *t, int64_t i, double value) {
  if (t->dtype == PERI_F32) ((float *)peri_tensor_data(t))[i] = (float)value;
  else ((double *)peri_tensor_data(t))[i] = value;
}

/* Normal numbers beyond two deviations are drawn again. */
static void truncated(peri_tensor *t, double deviation) {
  int64_t n = peri_tensor_count(t);
  for (int64_t i = 0; i < n; i++) {
    double value;
    do peri_rng_normal_f64(peri_rng_default(), 1, &value, 0, 1);
    while (fabs(value) > 2);
    store(t, i, deviation * value);
  }
}

/* Rows of a normal matrix made orthonormal one after another (modified Gram-Schmidt, twice for accuracy). */
static int orthogonal(peri_tensor *t) {
  int64_t cols = t->ndim ? t->shape[t->ndim - 1] : 1, rows = cols ? peri_tensor_count(t) / cols : 0;
  bool wide = rows < cols;
  int64_t n = wide ? rows : cols, m = wide ? cols : rows; /* n orthonormal vectors of length m */
  peri_tensor *q;
  PERI_TRY(peri_tensor_new(&q, PERI_F64, 2, (int64_t[]){n, m}));
  double *v = peri_tensor_data(q);
  peri_rng_normal_f64(peri_rng_default(), n * m, v, 0, 1);
  for (int64_t i = 0; i < n; i++) {
    double *own = v + i * m, length = 0;
    for (int pass = 0; pass < 2; pass++) {
      for (int64_t j = 0; j < i; j++) {
        double dot = 0, *other = v + j * m;
        for (int64_t k = 0; k < m; k++) dot += own[k] * other[k];
        for (int64_t k = 0; k < m; k++) own[k] -= dot * other[k];
      }
    }
    for (int64_t k = 0; k < m; k++) length += own[k] * own[k];
    for (int64_t k = 0; k < m; k++) own[k] /= sqrt(length);
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < cols; c++) store(t, r * cols + c, wide ? v[r * m + c] : v[c * m + r]);
  }
  peri_tensor_release(q);
  return PERI_OK;
}

int peri_initialise(peri_tensor *t, const char *name) {
  double in, out;
  fans(t, &in, &out);
  static const double cut = 0.87962566103423978; /* deviation of a standard normal truncated at 2 */
  if (strcmp(name, "zeros") == 0) return peri_tensor_fill(t, 0);
  if (strcmp(name, "ones") == 0) return peri_tensor_fill(t, 1);
  if (strcmp(name, "orthogonal") == 0) return orthogonal(t);
  if (strcmp(name, "glorot_uniform") == 0) uniform(t, sqrt(6 / (in + out)));
  else if (strcmp(name, "glorot_normal") == 0) truncated(t, sqrt(2 / (in + out)) / cut);
  else if (strcmp(name, "he_uniform") == 0) uniform(t, sqrt(6 / in));
  else if (strcmp(name, "he_normal") == 0) truncated(t, sqrt(2 / in) / cut);
  else if (strcmp(name, "lecun_uniform") == 0) uniform(t, sqrt(3 / in));
  else if (strcmp(name, "lecun_normal") == 0) truncated(t, sqrt(1 / in) / cut);
  else if (strcmp(name, "truncated_normal") == 0) truncated(t, 0.05);
  else if (strcmp(name, "random_normal") == 0) normal(t, 0.05);
  else if (strcmp(name, "random_uniform") == 0) uniform(t, 0.05);
  else return peri_fail(PERI_EARG, "unknown initialiser '%s'; there are %s", name, PERI_INITIALISERS);
  return PERI_OK;
}
