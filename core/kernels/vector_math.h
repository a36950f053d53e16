/* vector_math.h - e^x, log, tanh and their kin on vectors of floats.

   Polynomials are minimax fits of our own (Remez exchange in 40 digits). The greatest errors that
   `perilune-check --verbose` finds against float64, in units in the last place: exp 1.0, expm1 1.4, log
   0.8, log1p 1.5, tanh 1.3, erf 2.2, sigmoid 2.4, silu 2.2, softplus 1.8, x vf_normal(x) (gelu) 5.8.
   NaN goes through; infinities give what the reference gives; results that are denormal become 0, and
   so do denormal arguments. */
#ifndef PERI_KERNELS_VECTOR_MATH_H
#define PERI_KERNELS_VECTOR_MATH_H

#include "kernels/vector.h"

#define VF(x) vf_set1(x)

/* 2^n for whole numbers -252 <= n <= 254, in two factors so that neither overflows: v 2^n. */
static inline vf vf_scale(vf v, vf n) {
  vi whole = vi_truncate(n), half = whole >> 1;
  vu first = (vu)half, second = (vu)(whole - half);
  return v * (vf)((first + 127) << 23) * (vf)((second + 127) << 23);
}

/* e^(x + low) = 2^n (1 + q), |low| < 0.06, x in [-110, 100]. x = n ln 2 + r; q = r + r^2 P(r). ln 2
   comes in two parts, the first short enough that its product with n is exact. */
static inline vf vf_exp_parts(vf x, vf low, vf *n) {
  const vf magic = VF(0x1.8p23F); /* adding it rounds to whole numbers */
  *n = (x * 1.44269504F + magic) - magic;
  vf r = x - *n * 0.693359375F + (*n * 2.12194440e-4F + low);
  vf p = 0.00139628130F + r * 0.000197720870F;
  p = 0.00833362642F + r * p;
  p = 0.0416660159F + r * p;
  p = 0.166666648F + r * p;
  p = 0.5F + r * p;
  return r + r * r * p;
}

static inline vf vf_exp_sum(vf x, vf low) {
  vf n, q = vf_exp_parts(vf_max(VF(-110), vf_min(VF(100), x)), low, &n); /* NaN stays: second operand */
  return vf_scale(1 + q, n);
}

static inline vf vf_exp(vf x) { return vf_exp_sum(x, VF(0)); }

/* (2^n - 1) + 2^n q; far from 0 the 1 does not matter and 2^n may overflow. */
static inline vf vf_expm1(vf x) {
  vf n, q = vf_exp_parts(vf_max(VF(-30), vf_min(VF(30), x)), VF(0), &n), s = vf_scale(VF(1), n);
  return vf_select(vm_gt(x, VF(20)), vf_exp(x), (s - 1) + s * q);
}

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); f = m - 1; log(1 + f) = f - f^2 / 2 + f^3 P(f). */
static inline vf vf_log(vf x) {
  vu bits = (vu)x - 0x3f3504f3; /* sqrt(1/2) */
  vf e = vf_of_integers((vi)bits >> 23);
  vf f = (vf)((bits & 0x007fffff) + 0x3f3504f3) - 1;
  vf p = -0.116756507F + f * 0.0674663756F;
  p = 0.118881629F + f * p;
  p = -0.124055896F + f * p;
  p = 0.142195525F + f * p;
  p = -0.166679958F + f * p;
  p = 0.200021186F + f * p;
  p = -0.250000096F + f * p;
  p = 0.333333126F + f * p;
  vf square = f * f;
  vf y = e * 0.693359375F + (f + (square * f * p - 0.5F * square - e * 2.12194440e-4F));
  y = vf_select(vm_lt(x, VF(0x1p-126F)), VF(-INFINITY), y);
  y = vf_select(vm_lt(x, VF(0)), VF(NAN), y);
  return vf_select(vm_lt(x, VF(INFINITY)), y, x);
}

/* log(1 + x): what the rounding of w = 1 + x lost is given back, divided by w. */
static inline vf vf_log1p(vf x) {
  vf w = 1 + x, lost = (x - (w - 1)) / w;
  return vf_log(w) + vf_select(vm_and(vm_gt(w, VF(0)), vm_lt(w, VF(INFINITY))), lost, VF(0));
}

/* Near 0 x + x^3 P(x^2), else 1 - 2 / (e^2|x| + 1) with the sign of x. */
static inline vf vf_tanh(vf x) {
  vf u = x * x, p = -0.00822610499F + u * 0.00218966076F;
  p = 0.0217194787F + u * p;
  p = -0.0539500231F + u * p;
  p = 0.133332305F + u * p;
  p = -0.333333314F + u * p;
  vf far = 1 - 2 / (vf_exp(2 * vf_abs(x)) + 1);
  return vf_select(vm_lt(vf_abs(x), VF(0.6F)), x + x * (u * p), vf_copysign(far, x));
}

static inline vf vf_sigmoid(vf x) { return 1 / (1 + vf_exp(-x)); }

static inline vf vf_softplus(vf x) { return vf_max(VF(0), x) + vf_log1p(vf_exp(-vf_abs(x))); }

/* The normal distribution beyond a >= 0 deviations, e^(-a^2 / 2) Q(1 / (1 + a / 4)), and e^(-a^2 / 2).
   a^2 is taken in two parts: the square of a's first 12 bits is exact, the rest is small. */
static inline vf vf_normal_tail(vf a, vf *bell) {
  a = vf_min(VF(14.5F), a);
  vf first = vf_of_bits(vi_of_bits(a) & (int32_t)0xfffff000);
  *bell = vf_exp_sum(-0.5F * first * first, -0.5F * (a - first) * (a + first));
  vf t = 1 / (1 + 0.25F * a), q = -0.0336798534F + t * 0.0116642116F;
  q = -0.0240806789F + t * q;
  q = 0.142214407F + t * q;
  q = -0.0964438812F + t * q;
  q = 0.156427849F + t * q;
  q = 0.041948865F + t * q;
  q = 0.104117521F + t * q;
  q = 0.0979278124F + t * q;
  q = 0.0999111689F + t * q;
  q = -7.41948505e-06F + t * q;
  return *bell * q;
}

/* erf(x) / x in u = x^2, for u < 0.85 */
static inline vf vf_erf_near(vf u) {
  vf p = -0.000814258066F + u * 8.36957658e-05F;
  p = 0.00520102142F + u * p;
  p = -0.0268593939F + u * p;
  p = 0.112836954F + u * p;
  p = -0.376126337F + u * p;
  return 1.12837917F + u * p;
}

/* The normal distribution function of x: near 0 by erf, else by the tail. Below -0.5 the tail too, for
   1/2 + erf would cancel. */
static inline vf vf_normal(vf x, vf *bell) {
  vf u = 0.5F * x * x, tail = vf_normal_tail(vf_abs(x), bell);
  vf far = vf_select(vm_lt(x, VF(0)), tail, 1 - tail);
  return vf_select(vm_and(vm_lt(u, VF(0.85F)), vm_gt(x, VF(-0.5F))), 0.5F + x * (0.353553391F * vf_erf_near(u)), far);
}

/* Near 0 x P(x^2), else 1 - 2 tail(sqrt(2) |x|) with the sign of x. */
static inline vf vf_erf(vf x) {
  vf u = x * x, bell, far = 1 - 2 * vf_normal_tail(1.41421356F * vf_abs(x), &bell);
  return vf_select(vm_lt(u, VF(0.85F)), x * vf_erf_near(u), vf_copysign(far, x));
}

#endif
