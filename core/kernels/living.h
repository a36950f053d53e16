/* living.h - which outputs of a pooled cell carry gradient: bit masks of the bytes that name the places that
   won (255: none), for the sparse gradients. */
#ifndef PERI_KERNELS_LIVING_H
#define PERI_KERNELS_LIVING_H

#include "kernels/tile.h"

enum { LIVING_BITS = 64, PLACES = 256 }; /* outputs of a mask; places that a byte can name, and none */

/* Bits of the `count` (at most 64) bytes that equal place. */
PERI_INLINE uint64_t equal_bits(const uint8_t *bytes, int64_t count, uint8_t place) {
#if PERI_ISA_avx512
  __mmask64 inside = count == 64 ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1;
  return _mm512_mask_cmpeq_epi8_mask(inside, _mm512_maskz_loadu_epi8(inside, bytes), _mm512_set1_epi8((char)place));
#else
  uint64_t bits = 0;
  int64_t i = 0;
#if PERI_ISA_avx2
  for (; i + 32 <= count; i += 32) {
    __m256i equal = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(bytes + i)),
                                      _mm256_set1_epi8((char)place));
    bits |= (uint64_t)(unsigned)_mm256_movemask_epi8(equal) << i;
  }
#endif
#if defined(__SSE2__)
  for (; i + 16 <= count; i += 16) {
    __m128i equal = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(bytes + i)), _mm_set1_epi8((char)place));
    bits |= (uint64_t)(unsigned)_mm_movemask_epi8(equal) << i;
  }
#endif
  for (; i < count; i++) bits |= (uint64_t)(bytes[i] == place) << i;
  return bits;
#endif
}

#endif
