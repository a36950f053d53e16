/* rng.c - Philox 4x32-10 and the distributions made from it. */
#include "base/rng.h"

#include <math.h>

__extension__ typedef unsigned __int128 uint128;

static peri_rng shared;

peri_rng *peri_rng_default(void) { return &shared; }
void peri_seed(uint64_t seed) { shared = (peri_rng){.key = seed, .position = 0}; }

uint64_t peri_rng_reserve(peri_rng *rng, uint64_t blocks) {
  uint64_t first = rng->position;
  rng->position += blocks;
  return first;
}

void peri_philox(uint64_t key, uint64_t position, uint32_t out[4]) {
  uint32_t c0 = (uint32_t)position, c1 = (uint32_t)(position >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53U * c0, p1 = (uint64_t)0xCD9E8D57U * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = (uint32_t)p1;
    c2 = n2;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* [0, 1) from 24 or 53 bits, so that 1 is never rounded to. */
static double unit24(uint32_t word) { return (double)(word >> 8) * 0x1p-24; }
static double unit53(uint32_t high, uint32_t low) {
  return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

/* Two independent standard normals from two units; 1 - u is in (0, 1], so the logarithm is finite. */
static void box_muller(double u, double v, double *a, double *b) {
  double radius = sqrt(-2.0 * log(1.0 - u)), angle = 6.283185307179586 * v;
  *a = radius * cos(angle);
  *b = radius * sin(angle);
}

void peri_rng_uniform_f32(peri_rng *rng, int64_t n, float *out, double low, double high) {
  uint64_t position = peri_rng_reserve(rng, (uint64_t)(n + 3) / 4);
  uint32_t words[4];
  float top = nextafterf((float)high, (float)low); /* low + u (high - low) may round up to high */
  for (int64_t i = 0; i < n; i++) {
    if (i % 4 == 0) peri_philox(rng->key, position++, words);
    float value = (float)(low + unit24(words[i % 4]) * (high - low));
    out[i] = value < (float)high || high <= low ? value : top;
  }
}

void peri_rng_uniform_f64(peri_rng *rng, int64_t n, double *out, double low, double high) {
  uint64_t position = peri_rng_reserve(rng, (uint64_t)(n + 1) / 2);
  uint32_t words[4];
  double top = nextafter(high, low);
  for (int64_t i = 0; i < n; i++) {
    if (i % 2 == 0) peri_philox(rng->key, position++, words);
    double value = low + unit53(words[i % 2 * 2], words[i % 2 * 2 + 1]) * (high - low);
    out[i] = value < high || high <= low ? value : top;
  }
}

/* One block makes two normals in either precision, so both types draw the same stream. */
void peri_rng_normal_f64(peri_rng *rng, int64_t n, double *out, double mean, double deviation) {
  uint64_t position = peri_rng_reserve(rng, (uint64_t)(n + 1) / 2);
  for (int64_t i = 0; i < n; i += 2) {
    uint32_t words[4];
    double pair[2];
    peri_philox(rng->key, position++, words);
    box_muller(unit53(words[0], words[1]), unit53(words[2], words[3]), &pair[0], &pair[1]);
    out[i] = mean + deviation * pair[0];
    if (i + 1 < n) out[i + 1] = mean + deviation * pair[1];
  }
}

void peri_rng_normal_f32(peri_rng *rng, int64_t n, float *out, double mean, double deviation) {
  for (int64_t i = 0; i < n; i += 2) {
    double pair[2];
    peri_rng_normal_f64(rng, 2, pair, mean, deviation);
    out[i] = (float)pair[0];
    if (i + 1 < n) out[i + 1] = (float)pair[1];
  }
}

void peri_rng_integers(peri_rng *rng, int64_t n, int64_t *out, int64_t low, int64_t high) {
  uint64_t position = peri_rng_reserve(rng, (uint64_t)(n + 1) / 2);
  uint64_t span = (uint64_t)high - (uint64_t)low + 1; /* 0 means all 2^64 values */
  uint32_t words[4];
  for (int64_t i = 0; i < n; i++) {
    if (i % 2 == 0) peri_philox(rng->key, position++, words);
    uint64_t bits = ((uint64_t)words[i % 2 * 2] << 32) | words[i % 2 * 2 + 1];
    uint64_t step = span ? (uint64_t)(((uint128)bits * span) >> 64) : bits;
    out[i] = (int64_t)((uint64_t)low + step);
  }
}

void peri_rng_permutation(peri_rng *rng, int64_t n, int64_t *out) {
  for (int64_t i = 0; i < n; i++) out[i] = i;
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j, swapped = out[i];
    peri_rng_integers(rng, 1, &j, 0, i);
    out[i] = out[j];
    out[j] = swapped;
  }
}

double peri_rng_double(peri_rng *rng) {
  double value;
  peri_rng_uniform_f64(rng, 1, &value, 0.0, 1.0);
  return value;
}
