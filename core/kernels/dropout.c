/* dropout.c - dropout of float32: Philox 4x32-10 (base/rng.h) on a block a lane, and the product, in one pass.

   Number i of the stream is word i % 4 of block position + i / 4. The four words of LANES blocks come as four vectors;
   the blocks are dealt to the lanes so that turning 4 x 4 words round inside each 128 bits, which is two unpacking
   instructions, puts the numbers in order. */
#include "base/threads.h"
#include "kernels/reference.h"
#include "kernels/vector.h"

void PERI_ISA_NAME(peri__fill_dropout)(peri_kernels *f32, peri_kernels *f64);

#if PERI_ISA_avx2 || PERI_ISA_avx512

enum { PIECE = 1 << 14, STEP = 4 * PERI_LANES, GROUPS = PERI_LANES / 4 };

typedef struct job {
  uint64_t key, position;
  double rate;
  int64_t n;
  const float *x;
  float *y;
} job;

#if PERI_ISA_avx512
typedef __m512i words;
static inline words even_products(words a, words b) { return _mm512_mul_epu32(a, b); }
static inline words high_down(words a) { return _mm512_srli_epi64(a, 32); }
static inline words low_up(words a) { return _mm512_slli_epi64(a, 32); }
static inline words odd_from(words even, words odd) { return _mm512_mask_blend_epi32(0xAAAA, even, odd); }
static inline words unpack32(words a, words b, int high) { return high ? _mm512_unpackhi_epi32(a, b) : _mm512_unpacklo_epi32(a, b); }
static inline words unpack64(words a, words b, int high) { return high ? _mm512_unpackhi_epi64(a, b) : _mm512_unpacklo_epi64(a, b); }
#else
typedef __m256i words;
static inline words even_products(words a, words b) { return _mm256_mul_epu32(a, b); }
static inline words high_down(words a) { return _mm256_srli_epi64(a, 32); }
static inline words low_up(words a) { return _mm256_slli_epi64(a, 32); }
static inline words odd_from(words even, words odd) { return _mm256_blend_epi32(even, odd, 0xAA); }
static inline words unpack32(words a, words b, int high) { return high ? _mm256_unpackhi_epi32(a, b) : _mm256_unpacklo_epi32(a, b); }
static inline words unpack64(words a, words b, int high) { return high ? _mm256_unpackhi_epi64(a, b) : _mm256_unpacklo_epi64(a, b); }
#endif

static inline vu all(uint32_t v) { return (vu){0} + v; }

/* The 64-bit products of each lane with m, as their high and low halves. */
static inline void multiply(vu a, uint32_t m, vu *high, vu *low) {
  words even = even_products((words)a, (words)all(m)), odd = even_products(high_down((words)a), (words)all(m));
  *high = (vu)odd_from(high_down(even), odd);
  *low = (vu)odd_from(even, low_up(odd));
}

/* STEP words of the stream from block `position` on, in order. */
static inline void draw(uint64_t key, uint64_t position, vu out[4]) {
  vu c0, c1, c2 = {0}, c3 = {0}, k0 = all((uint32_t)key), k1 = all((uint32_t)(key >> 32));
  for (int lane = 0; lane < PERI_LANES; lane++) c0[lane] = (uint32_t)(lane % 4 * GROUPS + lane / 4);
  c0 += (uint32_t)position;
  c1 = all((uint32_t)(position >> 32)) - (vu)(c0 < (uint32_t)position); /* the carry: true is -1 */
  for (int round = 0; round < 10; round++) {
    vu high0, low0, high1, low1;
    multiply(c0, 0xD2511F53U, &high0, &low0);
    multiply(c2, 0xCD9E8D57U, &high1, &low1);
    c0 = high1 ^ c1 ^ k0;
    c2 = high0 ^ c3 ^ k1;
    c1 = low1;
    c3 = low0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  for (int half = 0; half < 2; half++) {
    words first = unpack32((words)c0, (words)c1, half), second = unpack32((words)c2, (words)c3, half);
    out[2 * half] = (vu)unpack64(first, second, 0);
    out[2 * half + 1] = (vu)unpack64(first, second, 1);
  }
}

static void piece_of(void *context, int64_t piece) {
  const job *j = context;
  int64_t from = piece * PIECE, end = from + PIECE < j->n ? from + PIECE : j->n;
  vf scale = vf_set1((float)(1 / (1 - j->rate))), limit = vf_set1((float)ceil(j->rate * 0x1p24));
  for (int64_t at = from; at < end; at += STEP) {
    vu drawn[4];
    draw(j->key, j->position + (uint64_t)at / 4, drawn);
    for (int q = 0; q < 4; q++) {
      int64_t i = at + q * PERI_LANES, count = end - i < PERI_LANES ? end - i : PERI_LANES;
      if (count < 1) break;
      /* u < rate as whole numbers of 24 bits, which floats hold exactly */
      vf factor = vf_select(vm_lt(vf_of_integers((vi)(drawn[q] >> 8)), limit), vf_set1(0), scale);
      vf_put(j->y + i, vf_get(j->x + i, count) * factor, count);
    }
  }
}

static void dropout(uint64_t key, uint64_t position, double rate, int64_t n, const void *x, void *y) {
  job j = {.key = key, .position = position, .rate = rate, .n = n, .x = x, .y = y};
  peri_parallel((n + PIECE - 1) / PIECE, piece_of, &j);
}

void PERI_ISA_NAME(peri__fill_dropout)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->dropout = dropout;
}

#else /* the reference's */
void PERI_ISA_NAME(peri__fill_dropout)(peri_kernels *f32, peri_kernels *f64) {
  (void)f32;
  (void)f64;
}
#endif
