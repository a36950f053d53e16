/* matmul.c - matrix products for float32 and float64, compiled once for each instruction set.

   C[m,n] is cut into tiles of PERI_TILE_ROWS x WIDE sums that live in registers (tile.inc). Around them:

       B, k x n, becomes panels of WIDE columns, each k x WIDE and contiguous, right edge filled with
       zeros: +----+----+----+--.   A panel's MATMUL_DEPTH rows (32 KB) stay in the L1 cache while every
              |    |    |    | 0|   tile of the piece's rows passes over them. A piece that has all the
              | k  | k  | k  |  |   rows packs each panel just before its use, else the pieces share what
              +----+----+----+--'   was packed before. Few rows of A read a row-major B in place.

       A, m x k, is read where it lies; when its rows are far apart and many panels use them, a piece
       first copies its rows x MATMUL_DEPTH together (L2).

   C^T = B^T A^T is computed where that spares a transposition of B or suits a narrow C; the tiles are
   then transposed as they are stored.

   Pieces for the threads: blocks of rows x columns of C, chosen from the sizes alone. Where C is small
   and k long, k is shared out too: each share fills a C of its own and these are added in order.
   One or two rows of A, columns of B or k are sums of B's rows, or dot products, read straight through. */
#include <stdatomic.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"

enum {
  MATMUL_DEPTH = 256,         /* k of a block */
  MATMUL_ROWS = 240,          /* most rows and columns of a piece */
  MATMUL_COLUMNS = 1024,
  MATMUL_PIECES = 16,         /* wanted, when there is work for them: */
  MATMUL_PIECE_WORK = 1 << 17, /* multiplications that are worth a piece */
  MATMUL_ROW_WORK = 1 << 15,  /* the same where B or C is read or written once */
  MATMUL_SPLIT = 512,         /* least k of a share */
  MATMUL_FAR = 2048,          /* bytes between rows of A from which copying pays */
  MATMUL_REUSED = 5,          /* more panels than this use each row of A: it is copied where it lies badly */
  MATMUL_UNPACKED = 48        /* most rows for which B is read in place */
};

#define REAL float
#define NAME(x) f32_##x
#include "kernels/matmul.inc"
#undef REAL
#undef NAME

#define REAL double
#define NAME(x) f64_##x
#include "kernels/tile.inc"
#include "kernels/matmul.inc"
#undef REAL
#undef NAME

void PERI_ISA_NAME(peri__fill_matmul)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_matmul)(peri_kernels *f32, peri_kernels *f64) {
  f32->matmul = f32_matmul;
  f64->matmul = f64_matmul;
}
