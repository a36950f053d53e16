/* matmul_bf16.c - the matrix product of float32 matrices rounded to bfloat16, compiled once for each unit.

   Both operands are rounded and packed whole, by all threads, before anything is multiplied (bf16.h):
   B as panels, A as rows of k. A turned A (its rows adjacent, as the x of a weight gradient) is woven like
   B, two k of all rows together, where the unit can step from pair to pair, else transposed.

   Pieces are then blocks of C, chosen from the sizes alone, or shares of a long k where C is small, whose
   sums are added in order. A piece goes through k DEPTH at a time, so that a panel's part stays in the L1
   cache, and adds to C. */
#include <stdatomic.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/bf16.h"

enum {
  DEPTH = 512,          /* k of a pass: 32 KB of a panel */
  ROWS = BF16_UNIFORM ? 96 : 104, /* most rows and columns of a piece */
  COLUMNS = 512,
  PIECES = 16,          /* wanted, when there is work for them: */
  PIECE_WORK = 1 << 18, /* multiplications that are worth a piece */
  SPLIT = 1024,         /* least k of a share */
  FEW = 2,              /* rows of A that do not pay for packing B: float32 reads it once, in place */
  TURN = BF16_WIDE      /* rows of A that are packed at a time */
};

typedef struct product {
  const peri_matmul *p;
  const float *a, *b;
  float *c;
  bf16 *rows, *panels;
  int64_t a_row, a_step, room; /* of the packed A: from row to row, from pair to pair; k of a panel */
  int64_t block_rows, block_columns, depth, row_blocks, column_blocks, splits;
  int64_t row_pieces; /* of packing A */
  float *partial;     /* splits x m x n, when splits > 1 */
  atomic_int status;
} product;

/* --- packing --- */

static void pack_rows(const product *job, int64_t piece) {
  const peri_matmul *p = job->p;
  int64_t first = piece * TURN, count = p->m - first < TURN ? p->m - first : TURN;
  if (job->a_step != 2) { /* woven: pair by pair, all rows */
    for (int64_t k = 0; k < p->k; k += 2)
      bf16_weave(job->a + first + k * p->a_col, k + 1 < p->k ? job->a + first + (k + 1) * p->a_col : NULL, count,
                 job->rows + k / 2 * job->a_step + 2 * first);
  } else if (p->a_col == 1)
    for (int64_t i = first; i < first + count; i++) {
      bf16 *to = job->rows + i * job->a_row;
      bf16_convert(job->a + i * p->a_row, p->k, to);
      memset(to + p->k, 0, (size_t)(job->room - p->k) * sizeof(bf16));
    }
  else bf16_pack_turned(job->a + first * p->a_row, p->a_row, p->a_col, count, p->k, job->room, job->rows + first * job->a_row,
                        job->a_row);
}

static void pack_piece(void *context, int64_t piece) {
  const product *job = context;
  const peri_matmul *p = job->p;
  if (piece < job->row_pieces) {
    pack_rows(job, piece);
    return;
  }
  int64_t j = (piece - job->row_pieces) * BF16_WIDE;
  bf16 *to = job->panels + j * job->room;
  bf16_pack_panel(job->b + j * p->b_col, p->b_row, p->b_col, p->k, p->n - j < BF16_WIDE ? p->n - j : BF16_WIDE, to);
  bf16_pad_panel(p->k, BF16_STEP, to);
}

/* --- one piece: rows x columns of C, over the k of one split --- */

typedef struct part {
  int64_t row, rows, column, columns, from, to; /* of C; of k */
  float *c;                                     /* where (row, column) goes */
  int64_t c_row;
  const float *bias;
  int accumulate, relu;
} part;

static void multiply_tile(const part *at, bf16_tile *t, int64_t i, int rows, int64_t j, int first, int last) {
  float sums[BF16_ROWS * BF16_WIDE], *c = at->c + i * at->c_row + j;
  const float *bias = last ? at->bias : NULL;
  int relu = last && at->relu, accumulate = at->accumulate || !first;
  int direct = !bias && !relu && t->columns == BF16_WIDE && (!BF16_UNIFORM || rows == BF16_ROWS);
  t->c = direct ? c : sums;
  t->c_row = direct ? at->c_row : BF16_WIDE;
  t->accumulate = direct && accumulate;
  bf16_multiply(t, rows);
  for (int l = 0; l < rows && !direct; l++)
    bf16_finish_row(sums + l * BF16_WIDE, t->columns, bias ? bias + j : NULL, accumulate, relu, c + l * at->c_row);
}

/* k0 and len are even but for the end of k. */
static void multiply_block(const product *job, const part *at, int64_t k0, int64_t len) {
  const int64_t zero = 0;
  int64_t end = BF16_UNIFORM ? bf16_up(len, BF16_STEP) : len;
  bf16_tile t = {.a_row = job->a_row, .run = &zero, .runs = 1, .pairs = (end + 1) / 2, .step = job->a_step};
  for (int64_t j = 0; j < at->columns; j += BF16_WIDE) {
    t.b = job->panels + (at->column + j) * job->room + k0 * BF16_WIDE;
    t.columns = at->columns - j < BF16_WIDE ? at->columns - j : BF16_WIDE;
    for (int64_t i = 0; i < at->rows;) {
      int rows = bf16_height(at->rows - i);
      for (int l = 0; l < rows; l++)
        t.a[l] = job->rows + (at->row + i + l) * job->a_row + k0 / 2 * job->a_step;
      multiply_tile(at, &t, i, rows, j, k0 == at->from, k0 + len == at->to);
      i += rows;
    }
  }
}

static void product_piece(void *context, int64_t piece) {
  product *job = context;
  const peri_matmul *p = job->p;
  if (atomic_load(&job->status) < 0) return;
  int64_t split = piece % job->splits, block = piece / job->splits;
  part at = {.row = block / job->column_blocks * job->block_rows,
             .column = block % job->column_blocks * job->block_columns,
             .from = split * job->depth,
             .c = job->c,
             .c_row = p->c_row};
  at.rows = p->m - at.row < job->block_rows ? p->m - at.row : job->block_rows;
  at.columns = p->n - at.column < job->block_columns ? p->n - at.column : job->block_columns;
  at.to = p->k - at.from < job->depth ? p->k : at.from + job->depth;
  if (job->splits > 1) {
    at.c = job->partial + split * p->m * p->n;
    at.c_row = p->n;
  } else {
    at.bias = p->bias ? (const float *)p->bias + at.column : NULL;
    at.accumulate = p->accumulate;
    at.relu = p->relu;
  }
  at.c += at.row * at.c_row + at.column;
  bf16_begin();
  int64_t k = at.from;
  do {
    int status = peri_interrupt_poll();
    if (status < 0) {
      atomic_store(&job->status, status);
      break;
    }
    int64_t len = at.to - k < DEPTH ? at.to - k : DEPTH;
    multiply_block(job, &at, k, len);
    k += len;
  } while (k < at.to);
  bf16_end();
}

/* Row i of C from the partial products, in order of split. */
static void add_splits(void *context, int64_t i) {
  const product *job = context;
  const peri_matmul *p = job->p;
  float *sums = job->partial + i * p->n;
  for (int64_t s = 1; s < job->splits; s++)
    for (int64_t j = 0; j < p->n; j++) sums[j] += sums[s * p->m * p->n + j];
  bf16_finish_row(sums, p->n, p->bias, p->accumulate, p->relu, job->c + i * p->c_row);
}

/* --- the plan --- */

static void product_plan(product *job) {
  const peri_matmul *p = job->p;
  int64_t wanted = (int64_t)((double)p->m * (double)p->n * (double)p->k / PIECE_WORK);
  if (wanted > PIECES) wanted = PIECES;
  job->block_rows = p->m < ROWS ? p->m : ROWS;
  job->block_columns = p->n < COLUMNS ? p->n : COLUMNS;
  for (;;) {
    job->row_blocks = (p->m + job->block_rows - 1) / job->block_rows;
    job->column_blocks = (p->n + job->block_columns - 1) / job->block_columns;
    int64_t down = (job->block_rows + BF16_ROWS - 1) / BF16_ROWS;
    int64_t across = (job->block_columns + BF16_WIDE - 1) / BF16_WIDE;
    if (job->row_blocks * job->column_blocks >= wanted || (down == 1 && across == 1)) break;
    if (down > 1 && down * 2 >= across) job->block_rows = (down + 1) / 2 * BF16_ROWS;
    else job->block_columns = (across + 1) / 2 * BF16_WIDE;
  }
  job->splits = wanted / (job->row_blocks * job->column_blocks);
  if (job->splits > p->k / SPLIT) job->splits = p->k / SPLIT;
  if (job->splits < 1) job->splits = 1;
  job->depth = bf16_up((p->k + job->splits - 1) / job->splits, BF16_STEP);
  job->splits = job->depth > 0 ? (p->k + job->depth - 1) / job->depth : 1;
  if (job->splits < 1) job->splits = 1;
  job->room = bf16_up(p->k, BF16_STEP);
  job->row_pieces = (p->m + TURN - 1) / TURN;
  if (!BF16_UNIFORM && p->a_row == 1 && p->a_col != 1) {
    job->a_row = 2;
    job->a_step = bf16_up(p->m, TURN) * 2;
  } else {
    job->a_row = job->room + 32; /* so that rows do not fall onto the same cache sets */
    job->a_step = 2;
  }
}

static int matmul(const peri_matmul *p, const void *a, const void *b, void *c) {
  if (p->m <= 0 || p->n <= 0) return PERI_OK;
  if (p->m <= FEW) return peri_kernels_for_isa(peri_isa(), PERI_F32)->matmul(p, a, b, c);
  PERI_TRY(peri_interrupt_poll());
  product job = {.p = p, .a = a, .b = b, .c = c};
  product_plan(&job);
  int64_t panels = (p->n + BF16_WIDE - 1) / BF16_WIDE, rows = job.row_pieces * TURN;
  size_t a_size = (size_t)(job.a_step == 2 ? rows * job.a_row : (p->k + 1) / 2 * job.a_step);
  int status = PERI_ENOMEM;
  job.rows = peri_alloc(a_size * sizeof(bf16));
  job.panels = peri_alloc((size_t)(panels * BF16_WIDE * job.room) * sizeof(bf16));
  if (job.splits > 1) job.partial = peri_alloc((size_t)(job.splits * p->m * p->n) * sizeof(float));
  if (!job.rows || !job.panels || (job.splits > 1 && !job.partial)) goto done;
  if (BF16_UNIFORM) /* the rows of the last tile that are not A's */
    memset(job.rows + p->m * job.a_row, 0, (size_t)((rows - p->m) * job.a_row) * sizeof(bf16));
  peri_parallel(job.row_pieces + panels, pack_piece, &job);
  peri_parallel(job.row_blocks * job.column_blocks * job.splits, product_piece, &job);
  status = atomic_load(&job.status) < 0 ? peri_interrupt_poll() : PERI_OK;
  if (status == PERI_OK && job.splits > 1) peri_parallel(p->m, add_splits, &job);
done:
  peri_free(job.rows);
  peri_free(job.panels);
  peri_free(job.partial);
  return status;
}

void PERI_ISA_NAME(peri__fill_matmul_bf16)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_matmul_bf16)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->matmul = matmul;
}
