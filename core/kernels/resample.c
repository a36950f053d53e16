/* resample.c - pictures on their way into a batch: bilinear reading, blur, noise. Each call does one picture on
   the thread that calls, so that data can be prepared by other threads than those that train.

   Coordinates are floats: exact for whole and half pixels, and for others to 1/100 of a pixel at a side of 10^5. */
#include <string.h>

#include "kernels/vector.h"
#include "kernels/vector_math.h"

/* Vectors of a row of w numbers begin at 0, PERI_LANES, ...; the last is moved back to end with the row, and does some
   numbers twice, unless the row is shorter than a vector. */
static inline int64_t start_of(int64_t w, int64_t s) {
  return w >= PERI_LANES && s > w - PERI_LANES ? w - PERI_LANES : s;
}

/* --- noise: Philox 4x32-10 (base/rng.h), 16 blocks side by side --- */

enum { SIDE = 16 };

static inline void philox_round(uint32_t c[4][SIDE], uint32_t k0, uint32_t k1) {
  for (int i = 0; i < SIDE; i++) {
    uint64_t p0 = (uint64_t)0xD2511F53U * c[0][i], p1 = (uint64_t)0xCD9E8D57U * c[2][i];
    c[0][i] = (uint32_t)(p1 >> 32) ^ c[1][i] ^ k0;
    c[2][i] = (uint32_t)(p0 >> 32) ^ c[3][i] ^ k1;
    c[1][i] = (uint32_t)p1;
    c[3][i] = (uint32_t)p0;
  }
}

static inline void philox_side(uint64_t key, uint64_t position, uint32_t c[4][SIDE]) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int i = 0; i < SIDE; i++) {
    c[0][i] = (uint32_t)(position + (uint64_t)i);
    c[1][i] = (uint32_t)((position + (uint64_t)i) >> 32);
    c[2][i] = c[3][i] = 0;
  }
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9U, k1 += 0xBB67AE85U) philox_round(c, k0, k1);
}

static void noise_blocks(uint64_t key, uint64_t position, float gain, float *restrict y) {
  uint32_t c[4][SIDE];
  philox_side(key, position, c);
  for (int word = 0; word < 4; word++, y += 2 * SIDE)
    for (int i = 0; i < SIDE; i++) {
      y[i] = (float)((int32_t)(c[word][i] & 0xffff) - 32768) * gain;
      y[SIDE + i] = (float)((int32_t)(c[word][i] >> 16) - 32768) * gain;
    }
}

static void signed_noise(uint64_t key, uint64_t position, int64_t n, double gain, void *y_) {
  enum { GROUP = 8 * SIDE };
  float *y = y_, last[GROUP], unit = (float)(gain / 32768);
  for (; n >= GROUP; n -= GROUP, y += GROUP, position += SIDE) noise_blocks(key, position, unit, y);
  if (n == 0) return;
  noise_blocks(key, position, unit, last);
  memcpy(y, last, (size_t)n * sizeof *y);
}

/* The sine and cosine of a turn t in [0, 1). A quarter q and a rest of half a quarter to either side: Taylor's sums in
   that rest are within 4e-7 of the functions, and q says which of the two is which, and their signs. */
static inline void sine_cosine(vf t, vf *sine, vf *cosine) {
  vi quarter = vi_truncate(t * 4 + 0.5F);
  vf a = (t * 4 - vf_of_integers(quarter)) * 1.57079632679F, s = a * a;
  vf sin = a * (1 + s * (-1 / 6.0F + s * (1 / 120.0F - s * (1 / 5040.0F))));
  vf cos = 1 + s * (-0.5F + s * (1 / 24.0F + s * (-1 / 720.0F + s * (1 / 40320.0F))));
  vm even = vm_same(quarter & 1, vi_set1(0));
  vf one = vf_select(even, sin, cos), other = vf_select(even, cos, sin);
  *sine = vf_of_bits(vi_of_bits(one) ^ (quarter & 2) << 30);
  *cosine = vf_of_bits(vi_of_bits(other) ^ ((quarter + 1) & 2) << 30);
}

static void normal_blocks(uint64_t key, uint64_t position, float deviation, float *y) {
  uint32_t c[4][SIDE];
  float u[4][SIDE];
  philox_side(key, position, c);
  for (int word = 0; word < 4; word++)
    for (int i = 0; i < SIDE; i++) u[word][i] = (float)((int32_t)(c[word][i] >> 8) + (word % 2 == 0)) * 0x1p-24F;
  for (int pair = 0; pair < 2; pair++, y += 2 * SIDE)
    for (int i = 0; i < SIDE; i += PERI_LANES) {
      vf sine, cosine, radius = deviation * vf_sqrt(-2 * vf_log(vf_load(u[2 * pair] + i)));
      sine_cosine(vf_load(u[2 * pair + 1] + i), &sine, &cosine);
      vf_store(y + i, radius * cosine);
      vf_store(y + SIDE + i, radius * sine);
    }
}

static void normal_noise(uint64_t key, uint64_t position, int64_t n, double deviation, void *y_) {
  enum { GROUP = 4 * SIDE };
  float *y = y_, last[GROUP];
  for (; n >= GROUP; n -= GROUP, y += GROUP, position += SIDE) normal_blocks(key, position, (float)deviation, y);
  if (n == 0) return;
  normal_blocks(key, position, (float)deviation, last);
  memcpy(y, last, (size_t)n * sizeof *y);
}

/* --- blur: columns, then rows --- */

/* Row r of x blurred down its columns. */
static void blur_down(int64_t h, int64_t w, int64_t radius, const float *taps, const float *x, int64_t r, float *y) {
  int64_t from = r < radius ? -r : -radius, to = r + radius >= h ? h - 1 - r : radius;
  const float *first = x + (r + from) * w, *tap = taps + radius + from;
  for (int64_t next = 0; next < w; next += PERI_LANES) {
    int64_t s = start_of(w, next), count = w < PERI_LANES ? w : PERI_LANES, i = 0;
    vf even = {0}, odd = {0};
    for (; i < to - from; i += 2) {
      even += tap[i] * vf_get(first + i * w + s, count);
      odd += tap[i + 1] * vf_get(first + (i + 1) * w + s, count);
    }
    if (i <= to - from) even += tap[i] * vf_get(first + i * w + s, count);
    vf_put(y + s, even + odd, count);
  }
}

/* One place of a row near its ends, where taps hang over. */
static float blur_edge(int64_t w, int64_t radius, const float *taps, const float *x, int64_t s) {
  int64_t from = s < radius ? -s : -radius, to = s + radius >= w ? w - 1 - s : radius;
  float total = 0;
  for (int64_t i = from; i <= to; i++) total += taps[radius + i] * x[s + i];
  return total;
}

/* A row between zeros, in memory that reaches a vector further. */
static void blur_along(int64_t w, int64_t radius, const float *taps, const float *padded, float *y) {
  for (int64_t next = 0; next < w; next += PERI_LANES) {
    int64_t s = start_of(w, next);
    vf even = {0}, odd = {0};
    for (int64_t i = 0; i < 2 * radius; i += 2) {
      even += taps[i] * vf_load(padded + s + i);
      odd += taps[i + 1] * vf_load(padded + s + i + 1);
    }
    even += taps[2 * radius] * vf_load(padded + s + 2 * radius);
    vf_put(y + s, even + odd, w < PERI_LANES ? w : PERI_LANES);
  }
}

static void blur(int64_t h, int64_t w, int64_t radius, const void *taps, const void *x, void *scratch_, void *y_) {
  enum { WIDEST = 2048 };
  float *scratch = scratch_, *y = y_, padded[WIDEST];
  int64_t room = w + 2 * radius + PERI_LANES;
  for (int64_t r = 0; r < h; r++) blur_down(h, w, radius, taps, x, r, scratch + r * w);
  if (room > WIDEST) {
    for (int64_t i = 0; i < h * w; i++) y[i] = blur_edge(w, radius, taps, scratch + i / w * w, i % w);
    return;
  }
  memset(padded, 0, (size_t)room * sizeof *padded);
  for (int64_t r = 0; r < h; r++) {
    memcpy(padded + radius, scratch + r * w, (size_t)w * sizeof *padded);
    blur_along(w, radius, taps, padded, y + r * w);
  }
}

/* --- reading between pixels --- */

/* left[i] = p[at[i]], right[i] = p[at[i] + 1]: two neighbours are one load of 8 bytes. */
static inline void gather_pairs(const float *p, vi at, vf *left, vf *right) {
#if PERI_ISA_avx512
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  __m512 low = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_castsi512_si256((__m512i)at), p, 4));
  __m512 high = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_extracti64x4_epi64((__m512i)at, 1), p, 4));
  *left = (vf)_mm512_permutex2var_ps(low, even, high);
  *right = (vf)_mm512_permutex2var_ps(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high);
#elif PERI_ISA_avx2
  const double *pairs = (const double *)(const void *)p;
  __m256 low = _mm256_castpd_ps(_mm256_i32gather_pd(pairs, _mm256_castsi256_si128((__m256i)at), 4));
  __m256 high = _mm256_castpd_ps(_mm256_i32gather_pd(pairs, _mm256_extracti128_si256((__m256i)at, 1), 4));
  __m256d lefts = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88)); /* 0 1 4 5 | 2 3 6 7 */
  __m256d rights = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0xdd));
  *left = (vf)_mm256_permute4x64_pd(lefts, 0xd8);
  *right = (vf)_mm256_permute4x64_pd(rights, 0xd8);
#else
  for (int i = 0; i < PERI_LANES; i++) {
    (*left)[i] = p[at[i]];
    (*right)[i] = p[at[i] + 1];
  }
#endif
}

/* Where PERI_LANES outputs of a row lie: the pixel above and left of each, and the parts below and right of it. */
typedef struct places {
  vi pixel;
  vf below, right;
} places;

static inline places places_of(const peri_resample *g, int64_t r, int64_t s, const float *rows, const float *columns,
                               int64_t count) {
  vf along, zero = {0};
  for (int i = 0; i < PERI_LANES; i++) along[i] = (float)i;
  along += (float)s;
  vf v = vf_set1((float)(g->map[0] * (double)r + g->map[2] + 1)) + (float)g->map[1] * along;
  vf u = vf_set1((float)(g->map[3] * (double)r + g->map[5] + 1)) + (float)g->map[4] * along;
  if (rows) v += vf_get(rows + r * g->w + s, count);
  if (columns) u += vf_get(columns + r * g->w + s, count);
  v = vf_min(vf_max(v, zero), vf_set1((float)(g->h + 1)));
  u = vf_min(vf_max(u, zero), vf_set1((float)(g->w + 1)));
  vi row = vi_truncate(v), column = vi_truncate(u);
  return (places){row * (int32_t)(g->w + 3) + column, v - vf_of_integers(row), u - vf_of_integers(column)};
}

/* a + (b - a) t: exactly a where t is 0, so that whole shifts and quarter turns are exact. */
static inline vf between(vf a, vf b, vf t) { return (b - a) * t + a; }

static void resample_grey(const peri_resample *g, const float *x, const float *rows, const float *columns, float *y) {
  const float *lower = x + g->w + 3;
  for (int64_t r = 0; r < g->h; r++)
    for (int64_t s = 0; s < g->w; s += PERI_LANES) {
      int64_t at = start_of(g->w, s), count = g->w < PERI_LANES ? g->w : PERI_LANES;
      places p = places_of(g, r, at, rows, columns, count);
      vf a = {0}, b = {0}, c = {0}, d = {0};
      gather_pairs(x, p.pixel, &a, &b);
      gather_pairs(lower, p.pixel, &c, &d);
      vf_put(y + r * g->w + at, between(between(a, b, p.right), between(c, d, p.right), p.below), count);
    }
}

static void resample_channels(const peri_resample *g, const float *x, const float *rows, const float *columns,
                              float *restrict y) {
  int64_t c = g->c, wide = (g->w + 3) * c;
  for (int64_t r = 0; r < g->h; r++)
    for (int64_t s = 0; s < g->w; s += PERI_LANES) {
      int64_t count = g->w - s < PERI_LANES ? g->w - s : PERI_LANES;
      places at = places_of(g, r, s, rows, columns, count);
      for (int64_t i = 0; i < count; i++, y += c) {
        const float *p = x + at.pixel[i] * c;
        float right = at.right[i], below = at.below[i];
        for (int64_t k = 0; k < c; k++) {
          float upper = p[k] + (p[k + c] - p[k]) * right;
          float lower = p[k + wide] + (p[k + wide + c] - p[k + wide]) * right;
          y[k] = upper + (lower - upper) * below;
        }
      }
    }
}

static void resample(const peri_resample *g, const void *x, const void *rows, const void *columns, void *y) {
  (g->c == 1 ? resample_grey : resample_channels)(g, x, rows, columns, y);
}

void PERI_ISA_NAME(peri__fill_resample)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->resample = resample;
  f32->blur = blur;
  f32->signed_noise = signed_noise;
  f32->normal_noise = normal_noise;
}
