/* vector.h - vectors of PERI_LANES floats, for the sources that are compiled once an instruction set.

   The set is given by kernels.cmake: PERI_ISA is its name, PERI_ISA_baseline, PERI_ISA_avx2 or
   PERI_ISA_avx512 is 1. A vector has 4, 8 or 16 floats; the sets' bits differ where a sum is split by
   lanes or a product and a sum are fused. Everything is static inline: no two sets share code.

     vf, vi, vd    PERI_LANES floats, as many 32-bit integers; PERI_LANES / 2 doubles
     vu            unsigned 32-bit integers, whose sums and shifts may wrap
     vm            one truth value a lane; made by vm_lt(a, b) ..., used by vf_select(m, a, b)
     *_part        the first `count` lanes only (0 <= count <= PERI_LANES): memory beyond is not
                   touched, lanes beyond read as 0
     a * b + c     is one fused operation where the set has it (-ffp-contract=fast)            */
#ifndef PERI_KERNELS_VECTOR_H
#define PERI_KERNELS_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

#if PERI_ISA_avx2 || PERI_ISA_avx512 || defined(__SSE2__)
#include <immintrin.h>
#endif

#define PERI__ISA_JOIN(a, b) a##_##b
#define PERI__ISA_JOINED(a, b) PERI__ISA_JOIN(a, b)
#define PERI_ISA_NAME(name) PERI__ISA_JOINED(name, PERI_ISA)

#if PERI_ISA_avx512
#define PERI_LANES 16
#elif PERI_ISA_avx2
#define PERI_LANES 8
#else
#define PERI_LANES 4
#endif

typedef float vf __attribute__((vector_size(PERI_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(PERI_LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(PERI_LANES * 4)));
typedef double vd __attribute__((vector_size(PERI_LANES * 4)));
typedef float vf_memory __attribute__((vector_size(PERI_LANES * 4), aligned(4), may_alias));
typedef int32_t vi_memory __attribute__((vector_size(PERI_LANES * 4), aligned(4), may_alias));
typedef double vd_memory __attribute__((vector_size(PERI_LANES * 4), aligned(8), may_alias));

/* --- memory, any alignment --- */
static inline vf vf_load(const float *p) { return *(const vf_memory *)p; }
static inline void vf_store(float *p, vf v) { *(vf_memory *)p = v; }
static inline vi vi_load(const int32_t *p) { return *(const vi_memory *)p; }
static inline void vi_store(int32_t *p, vi v) { *(vi_memory *)p = v; }
static inline vd vd_load(const double *p) { return *(const vd_memory *)p; }
static inline void vd_store(double *p, vd v) { *(vd_memory *)p = v; }

static inline vf vf_set1(float v) { return v - (vf){0}; } /* a scalar meets a vector: it is repeated; -0 stays */
static inline vi vi_set1(int32_t v) { return v + (vi){0}; }
static inline vd vd_set1(double v) { return v - (vd){0}; }

/* p[0] and p[1] in turns */
static inline vf vf_two(const float *p) {
  double both;
  memcpy(&both, p, sizeof both);
#if PERI_ISA_avx512
  return (vf)_mm512_set1_pd(both);
#else
  return (vf)vd_set1(both);
#endif
}

static inline vf vf_load_part(const float *p, int64_t count) {
#if PERI_ISA_avx512
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1U << count) - 1U), p);
#else
  vf v = {0};
  memcpy(&v, p, (size_t)count * sizeof *p);
  return v;
#endif
}

static inline void vf_store_part(float *p, vf v, int64_t count) {
#if PERI_ISA_avx512
  _mm512_mask_storeu_ps(p, (__mmask16)((1U << count) - 1U), (__m512)v);
#else
  memcpy(p, &v, (size_t)count * sizeof *p);
#endif
}

/* A whole vector or its first lanes: where count is known when compiling, one of the two remains. */
static inline vf vf_get(const float *p, int64_t count) {
  return count == PERI_LANES ? vf_load(p) : vf_load_part(p, count);
}
static inline void vf_put(float *p, vf v, int64_t count) {
  if (count == PERI_LANES) vf_store(p, v);
  else vf_store_part(p, v, count);
}

/* The first `count` numbers of a and of b, at most half a vector of each, in the halves of one. */
static inline vf vf_get_halves(const float *a, const float *b, int64_t count) {
#if PERI_ISA_avx512
  if (count == PERI_LANES / 2)
    return (vf)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a)), _mm256_loadu_ps(b), 1);
#endif
  vf v = {0};
  memcpy(&v, a, (size_t)count * sizeof *a);
  memcpy((char *)&v + sizeof v / 2, b, (size_t)count * sizeof *b);
  return v;
}

/* The low or the high half of v, or its first `count` numbers. */
static inline void vf_put_half(float *p, vf v, int high, int64_t count) {
#if PERI_ISA_avx512
  __m256 half = high ? _mm512_extractf32x8_ps((__m512)v, 1) : _mm512_castps512_ps256((__m512)v);
  if (count == PERI_LANES / 2) _mm256_storeu_ps(p, half);
  else _mm256_mask_storeu_ps(p, (__mmask8)((1U << count) - 1U), half);
#else
  memcpy(p, (const char *)&v + (high ? sizeof v / 2 : 0), (size_t)count * sizeof *p);
#endif
}

static inline vi vi_load_part(const int32_t *p, int64_t count) {
  return (vi)vf_load_part((const float *)(const void *)p, count);
}
static inline void vi_store_part(int32_t *p, vi v, int64_t count) { vf_store_part((float *)(void *)p, (vf)v, count); }

/* --- integers and bits --- */
static inline vi vi_of_bits(vf v) { return (vi)v; }
static inline vf vf_of_bits(vi v) { return (vf)v; }
static inline vi vi_truncate(vf v) { return __builtin_convertvector(v, vi); } /* |v| < 2^31 */
static inline vf vf_of_integers(vi v) { return __builtin_convertvector(v, vf); }

/* --- truth values --- */
#if PERI_ISA_avx512
typedef __mmask16 vm;
static inline vm vm_lt(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
static inline vm vm_le(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ); }
static inline vm vm_eq(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ); }
static inline vm vm_ne(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_NEQ_UQ); }
static inline vm vm_and(vm a, vm b) { return (vm)(a & b); }
static inline vm vm_or(vm a, vm b) { return (vm)(a | b); }
static inline vm vm_not(vm a) { return (vm)~a; }
static inline int vm_any(vm m) { return m != 0; }
static inline vm vm_same(vi a, vi b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
static inline vf vf_select(vm m, vf a, vf b) { return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
static inline vi vi_select(vm m, vi a, vi b) {
  return (vi)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
}
#else
typedef vi vm;
static inline vm vm_lt(vf a, vf b) { return (vm)(a < b); }
static inline vm vm_le(vf a, vf b) { return (vm)(a <= b); }
static inline vm vm_eq(vf a, vf b) { return (vm)(a == b); }
static inline vm vm_ne(vf a, vf b) { return (vm)(a != b); }
static inline vm vm_and(vm a, vm b) { return a & b; }
static inline vm vm_or(vm a, vm b) { return a | b; }
static inline vm vm_not(vm a) { return ~a; }
static inline vm vm_same(vi a, vi b) { return (vm)(a == b); }
static inline vi vi_select(vm m, vi a, vi b) { return (m & a) | (~m & b); }
#if PERI_ISA_avx2
static inline int vm_any(vm m) { return _mm256_movemask_ps((__m256)m) != 0; }
static inline vf vf_select(vm m, vf a, vf b) { return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m); }
#else
static inline int vm_any(vm m) {
  int32_t any = 0;
  for (int i = 0; i < PERI_LANES; i++) any |= m[i];
  return any != 0;
}
static inline vf vf_select(vm m, vf a, vf b) { return (vf)vi_select(m, (vi)a, (vi)b); }
#endif
#endif
static inline vm vm_gt(vf a, vf b) { return vm_lt(b, a); }
static inline vm vm_ge(vf a, vf b) { return vm_le(b, a); }
static inline int vm_unordered(vf a, vf b) { /* some lane of a or b is no number */
#if PERI_ISA_avx512
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q) != 0;
#else
  return vm_any(vm_or(vm_ne(a, a), vm_ne(b, b)));
#endif
}
static inline vm vm_nan(vf v) { return vm_ne(v, v); }

/* --- arithmetic --- */
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vd vd_fma(vd a, vd b, vd c) { return a * b + c; }
static inline vf vf_abs(vf v) { return (vf)((vi)v & 0x7fffffff); }
/* the sign bit of `sign` on the magnitude of v */
static inline vf vf_copysign(vf v, vf sign) { return (vf)(((vi)v & 0x7fffffff) | ((vi)sign & INT32_MIN)); }

/* a > b ? a : b and a < b ? a : b, as the processor has it: b where either is NaN */
static inline vf vf_max(vf a, vf b) {
#if PERI_ISA_avx512
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif PERI_ISA_avx2
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
  return vf_select(vm_gt(a, b), a, b);
#endif
}

static inline vf vf_min(vf a, vf b) {
#if PERI_ISA_avx512
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif PERI_ISA_avx2
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
  return vf_select(vm_lt(a, b), a, b);
#endif
}

static inline vf vf_sqrt(vf v) {
#if PERI_ISA_avx512
  return (vf)_mm512_sqrt_ps((__m512)v);
#elif PERI_ISA_avx2
  return (vf)_mm256_sqrt_ps((__m256)v);
#elif defined(__SSE2__)
  return (vf)_mm_sqrt_ps((__m128)v);
#else
  for (int i = 0; i < PERI_LANES; i++) v[i] = sqrtf(v[i]);
  return v;
#endif
}

/* --- across lanes; sums in the order of a fixed tree --- */
static inline float vf_sum(vf v) {
  float lane[PERI_LANES];
  vf_store(lane, v);
  for (int half = PERI_LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  return lane[0];
}

static inline double vd_sum(vd v) {
  double lane[PERI_LANES / 2];
  vd_store(lane, v);
  for (int half = PERI_LANES / 4; half; half /= 2)
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  return lane[0];
}

static inline float vf_max_across(vf v) { /* no NaN in v */
  float lane[PERI_LANES];
  vf_store(lane, v);
  for (int half = PERI_LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
  return lane[0];
}

/* The low and the high half of v, as doubles. */
static inline void vd_of_floats(vf v, vd *low, vd *high) {
  typedef float half __attribute__((vector_size(PERI_LANES * 2)));
  half part[2];
  memcpy(part, &v, sizeof v);
  *low = __builtin_convertvector(part[0], vd);
  *high = __builtin_convertvector(part[1], vd);
}

#endif
