/* bf16.h - float32 numbers rounded to bfloat16, and the product of two packed blocks of them.

   Included by the *_bf16.c sources, which kernels.cmake compiles once for each unit that multiplies
   bfloat16: avx512bf16 (VDPBF16PS), amx (TDPBF16PS) and amx_emulated. Tensors stay float32 in memory;
   operands are rounded while they are packed (to nearest, ties to even; NaN stays NaN, denormals are 0,
   what is too large becomes infinite), products are exact and sums are float32.

   What the units share is the layout of the two operands. k goes in pairs, one 32-bit word each:

       panel of b: pairs x WIDE columns x 2         rows of a: one pointer each, pairs `step` apart,
       +-------------------------------+            in runs (rows of a window) or in one run
       | b[0][0] b[1][0] b[0][1] b[1][1] ...        +-----------------+-----------------+
       | b[2][0] b[3][0] b[2][1] b[3][1] ...        | a[i][0] a[i][1] | a[i][2] a[i][3] | ...
       +-------------------------------+            +-----------------+-----------------+

   The k of a panel has room for a multiple of BF16_STEP: 8, or the 32 of an AMX tile, which multiplies them
   all. AMX also wants the rows of a at one distance and in one run, each padded to BF16_STEP with zeros:
   BF16_UNIFORM is 1 there, and sources gather them. */
#ifndef PERI_KERNELS_BF16_H
#define PERI_KERNELS_BF16_H

#include "kernels/tile.h"

typedef uint16_t bf16;

enum { BF16_WIDE = 32 }; /* columns of a panel */

static inline int64_t bf16_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* --- rounding --- */

static inline bf16 bf16_of(float v) {
  uint32_t u;
  memcpy(&u, &v, sizeof u);
  if ((u & 0x7f800000U) == 0) return (bf16)(u >> 16 & 0x8000U);
  if ((u & 0x7fffffffU) > 0x7f800000U) return (bf16)(u >> 16 | 0x40U);
  return (bf16)((u + 0x7fffU + (u >> 16 & 1U)) >> 16);
}

#if defined(__AVX512BF16__)
static inline __mmask16 bf16_lanes(int64_t count) {
  unsigned lanes = count >= 16 ? 0xffffU : count <= 0 ? 0U : (1U << count) - 1U;
  return (__mmask16)lanes;
}
/* 16 numbers at `low` and 16 at `high`, the first `columns` of each, as 32: low's first. */
PERI_INLINE __m512i bf16_two(const float *low, const float *high, __mmask16 first, __mmask16 second) {
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(second, high), _mm512_maskz_loadu_ps(first, low));
}
#endif

/* n numbers side by side. */
static inline void bf16_convert(const float *from, int64_t n, bf16 *to) {
  int64_t i = 0;
#if defined(__AVX512BF16__)
  for (; i + 32 <= n; i += 32) _mm512_storeu_si512(to + i, bf16_two(from + i, from + i + 16, 0xffff, 0xffff));
  if (i < n) {
    __mmask32 rest = (__mmask32)((1U << (n - i)) - 1U);
    _mm512_mask_storeu_epi16(to + i, rest, bf16_two(from + i, from + i + 16, bf16_lanes(n - i), bf16_lanes(n - i - 16)));
  }
#else
  for (; i < n; i++) to[i] = bf16_of(from[i]);
#endif
}

/* One pair of k of a panel: to[2 j] = even[j], to[2 j + 1] = odd[j] (odd NULL: zeros), for `width` columns; _part
   leaves the others as they are, the other writes zeros. */
#if defined(__AVX512BF16__)
PERI_INLINE __m512i bf16_woven(__m512i two) {
  return _mm512_permutexvar_epi16(_mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                                   22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0), two);
}
#endif

static inline void bf16_weave_part(const float *even, const float *odd, int64_t width, bf16 *to) {
#if defined(__AVX512BF16__)
  for (int64_t j = 0; j < width; j += 16) {
    __mmask16 lanes = bf16_lanes(width - j);
    __m512i two = bf16_two(even + j, odd ? odd + j : even + j, lanes, odd ? lanes : 0);
    _mm512_mask_storeu_epi32(to + 2 * j, lanes, bf16_woven(two));
  }
#else
  for (int64_t j = 0; j < width; j++) {
    to[2 * j] = bf16_of(even[j]);
    to[2 * j + 1] = odd ? bf16_of(odd[j]) : 0;
  }
#endif
}

PERI_INLINE void bf16_weave(const float *even, const float *odd, int64_t width, bf16 *to) {
#if defined(__AVX512BF16__)
  if (width == BF16_WIDE && odd) {
    _mm512_storeu_si512(to, bf16_woven(bf16_two(even, odd, 0xffff, 0xffff)));
    _mm512_storeu_si512(to + 32, bf16_woven(bf16_two(even + 16, odd + 16, 0xffff, 0xffff)));
    return;
  }
#endif
  memset(to + 2 * width, 0, (size_t)(BF16_WIDE - width) * 2 * sizeof(bf16));
  bf16_weave_part(even, odd, width, to);
}

/* --- packing --- */

/* Words (pairs) of 4 x 4, transposed: rows x columns words, both multiples of 4. */
static inline void bf16_turn(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to,
                             int64_t to_stride) {
  const float *words = (const float *)(const void *)from;
  float *out = (float *)(void *)to;
  for (int64_t i = 0; i < rows; i += 4)
    for (int64_t j = 0; j < columns; j += 4)
      f32_transpose_quads(words + i * stride + j, stride, out + j * to_stride + i, to_stride);
}

/* A panel, or some rows of one: element (k, j) is from[k k_stride + j j_stride], zeros from `width` columns on.
   Rows are written up to a multiple of 8, zeros after the last. */
static inline void bf16_pack_panel(const float *from, int64_t k_stride, int64_t j_stride, int64_t rows, int64_t width,
                                   bf16 *to) {
  enum { CHUNK = 64 };
  int64_t up = bf16_up(rows, 8), k = 0;
  if (j_stride == 1) {
    for (; k < rows; k += 2)
      bf16_weave(from + k * k_stride, k + 1 < rows ? from + (k + 1) * k_stride : NULL, width, to + k * BF16_WIDE);
  } else if (k_stride == 1) {
    bf16 columns[BF16_WIDE * CHUNK];
    for (; k < rows; k += CHUNK) {
      int64_t len = rows - k < CHUNK ? rows - k : CHUNK;
      if (len < CHUNK || width < BF16_WIDE) memset(columns, 0, sizeof columns);
      for (int64_t j = 0; j < width; j++) bf16_convert(from + j * j_stride + k, len, columns + j * CHUNK);
      bf16_turn(columns, CHUNK / 2, BF16_WIDE, bf16_up(len, 8) / 2, to + k * BF16_WIDE, BF16_WIDE);
    }
    return;
  } else {
    for (; k < rows; k += 2)
      for (int64_t j = 0; j < BF16_WIDE; j++)
        for (int64_t l = k; l < k + 2; l++)
          to[k * BF16_WIDE + 2 * j + l - k] = j < width && l < rows ? bf16_of(from[l * k_stride + j * j_stride]) : 0;
  }
  if (k < up) memset(to + k * BF16_WIDE, 0, (size_t)((up - k) * BF16_WIDE) * sizeof(bf16));
}

/* Zeros for the rows of a panel from `rows` up to its room, a multiple of `step`. */
static inline void bf16_pad_panel(int64_t rows, int64_t step, bf16 *to) {
  int64_t up = bf16_up(rows, 2), room = bf16_up(rows, step);
  memset(to + up * BF16_WIDE, 0, (size_t)((room - up) * BF16_WIDE) * sizeof(bf16));
}

/* Up to BF16_WIDE rows of a whose elements (i, k) are from[i i_stride + k k_stride], by way of panels: k as pairs side
   by side, `row` apart, zeros up to `room` (a multiple of BF16_STEP) and in the rows from `count` on. */
static inline void bf16_pack_turned(const float *from, int64_t i_stride, int64_t k_stride, int64_t count, int64_t depth,
                                    int64_t room, bf16 *to, int64_t row) {
  bf16 panel[BF16_WIDE * 64];
  for (int64_t k = 0; k < room; k += 64) {
    int64_t len = depth - k < 64 ? depth - k : 64, up = room - k < 64 ? room - k : 64;
    if (len < up) memset(panel, 0, sizeof panel);
    if (len > 0) bf16_pack_panel(from + k * k_stride, k_stride, i_stride, len, count, panel);
    bf16_turn(panel, BF16_WIDE, up / 2, BF16_WIDE, to + k, row / 2);
  }
}

/* --- the product of a block of rows and a panel --- */

#if PERI_BF16_AMX
enum { BF16_STEP = 32, BF16_ROWS = 32, BF16_UNIFORM = 1 };
#else
enum { BF16_STEP = 8, BF16_ROWS = 13, BF16_UNIFORM = 0 };
#endif

typedef struct bf16_tile {
  const bf16 *a[BF16_ROWS]; /* row i; AMX: a[0] and those a_row after it, readable up to BF16_ROWS */
  int64_t a_row;
  const int64_t *run; /* where each run starts, from a[i] */
  int64_t runs, pairs /* of a run */, step;
  const bf16 *b;
  float *c; /* rows x WIDE sums (AMX: BF16_ROWS x WIDE, whatever the rows), c_row apart */
  int64_t c_row;
  int64_t columns; /* that are wanted: with 16 or fewer the others may be anything */
  int accumulate;
} bf16_tile;

#if PERI_BF16_AMX
#include "kernels/amx.inc"
#else
#include "kernels/bf16_tile.inc"
#endif

/* What a block's sums become on their way to one row of the output. */
static inline void bf16_finish_row(const float *sums, int64_t columns, const float *bias, int accumulate, int relu,
                                   float *c) {
  for (int64_t j = 0; j < columns; j += PERI_LANES) {
    int64_t width = columns - j < PERI_LANES ? columns - j : PERI_LANES;
    vf v = vf_load(sums + j);
    if (bias) v += vf_get(bias + j, width);
    if (accumulate) v += vf_get(c + j, width);
    if (relu) v = vf_select(vm_le(v, vf_set1(0)), vf_set1(0), v);
    vf_put(c + j, v, width);
  }
}

/* Rows of the next tile of `left`: nearly equal heights, since short tiles leave the processor waiting. */
static inline int bf16_height(int64_t left) {
  int64_t tiles = (left + BF16_ROWS - 1) / BF16_ROWS;
  return (int)(BF16_UNIFORM ? (left < BF16_ROWS ? left : BF16_ROWS) : (left + tiles - 1) / tiles);
}

#endif
