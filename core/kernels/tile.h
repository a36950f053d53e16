/* tile.h - the register tiles of tile.inc for float32: their size on each instruction set.

   16 or 32 registers hold the sums, a row of b and one broadcast element: 12 x 2 vectors of 16 floats
   on AVX-512, 6 x 2 of 8 on AVX2, 4 x 2 of 4 elsewhere. */
#ifndef PERI_KERNELS_TILE_H
#define PERI_KERNELS_TILE_H

#include "kernels/vector.h"

#if defined(__AVX512F__)
enum { PERI_TILE_BYTES = 64 };
#define PERI_TILE_ROWS 12
#elif defined(__AVX2__)
enum { PERI_TILE_BYTES = 32 };
#define PERI_TILE_ROWS 6
#else
enum { PERI_TILE_BYTES = 16 };
#define PERI_TILE_ROWS 4
#endif

#define PERI_INLINE static inline __attribute__((always_inline))
#define PERI_UNROLL _Pragma("GCC unroll 32")

#define REAL float
#define NAME(x) f32_##x
#include "kernels/tile.inc"
#undef REAL
#undef NAME

#endif
