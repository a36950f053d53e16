/* rng.h - counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random
   numbers: as easy as 1, 2, 3, SC 2011).

   The n-th number of a stream is a function of (key, n) alone, so any thread can make any part of a
   stream and the result never depends on who made it. A peri_rng is a key and a position; reserving
   k numbers moves the position by k. */
#ifndef PERI_BASE_RNG_H
#define PERI_BASE_RNG_H

#include <stdint.h>

typedef struct peri_rng {
  uint64_t key;      /* the seed */
  uint64_t position; /* blocks of four 32-bit words already handed out */
} peri_rng;

/* The process-wide generator that ops draw from; starts with seed 0 unless peri_seed is called. */
peri_rng *peri_rng_default(void);
void peri_seed(uint64_t seed);

/* Reserves `blocks` blocks and returns the position of the first. */
uint64_t peri_rng_reserve(peri_rng *rng, uint64_t blocks);

/* Four random words: block `position` of the stream `key`. */
void peri_philox(uint64_t key, uint64_t position, uint32_t out[4]);

/* Fills `n` numbers, reserving what they need. Uniform in [low, high); normal by Box-Muller; integers
   uniform in [low, high] without bias worth speaking of (64-bit multiply-shift). */
void peri_rng_uniform_f32(peri_rng *rng, int64_t n, float *out, double low, double high);
void peri_rng_uniform_f64(peri_rng *rng, int64_t n, double *out, double low, double high);
void peri_rng_normal_f32(peri_rng *rng, int64_t n, float *out, double mean, double deviation);
void peri_rng_normal_f64(peri_rng *rng, int64_t n, double *out, double mean, double deviation);
void peri_rng_integers(peri_rng *rng, int64_t n, int64_t *out, int64_t low, int64_t high);

/* A random order of 0..n-1 (Fisher-Yates). */
void peri_rng_permutation(peri_rng *rng, int64_t n, int64_t *out);

/* One number in [0, 1) with 53 random bits. */
double peri_rng_double(peri_rng *rng);

#endif
