/* conv_pool_bf16.c - convolution, bias, ReLU and max-pooling in one pass in bfloat16, compiled once for each unit.

   conv_bf16.c's places are taken cell by cell of the pooling grid: the sums of as many whole cells as a tile
   has rows for lie in a small buffer, where the places of each cell compete, and only winners are stored. The
   rule is conv_pool.c's: best = 0, place = 255; a larger value or the first NaN takes over. */
#include "kernels/bf16_window.h"

enum {
  PLACES = 96,          /* at once, about: whole cells */
  PIECE_WORK = 1 << 20, /* multiplications that are worth a piece */
  SCRATCH = 1 << 17     /* bf16 of a region, about */
};

typedef struct pooling {
  const peri_conv_pool *g;
  bf16_window w;
  bf16_weights p;
  const float *bias; /* of every output, WIDE zeros after the last */
  float *y;
  uint8_t *winner;
  int64_t images, rows, bands; /* of a piece; of an image */
  atomic_int status;
} pooling;

/* The winners of one cell: sums is places x WIDE. */
PERI_INLINE void compete(const float *sums, const int places, const float *bias, int64_t columns, float *y,
                         uint8_t *winner) {
  for (int64_t j = 0; j < columns; j += PERI_LANES) {
    vf best = vf_set1(0), add = vf_load(bias + j);
    vi place = vi_set1(255);
    for (int k = 0; k < places; k++) {
      vf v = vf_load(sums + k * BF16_WIDE + j) + add;
      vm takes = vm_and(vm_not(vm_le(v, best)), vm_eq(best, best));
      best = vf_select(takes, v, best);
      place = vi_select(takes, vi_set1(k), place);
    }
    int64_t width = min64(columns - j, PERI_LANES);
    vf_put(y + j, best, width);
    places_store(winner + j, place, width);
  }
}

/* The block's cells, whose outputs have the numbers at[cell]. */
static void pool_cells(const pooling *job, bf16_block *b, int cells, const int64_t *at) {
  const window *v = &job->w.v;
  const int each = (int)(job->g->pool_h * job->g->pool_w);
  const int together = each < BF16_ROWS ? BF16_ROWS / each : 1;
  const int64_t oc = job->g->conv.oc;
  float sums[(BF16_PLACES + BF16_ROWS) * BF16_WIDE];
  for (int64_t g = 0; g < v->groups; g++) {
    bf16_block_gather(b, v, g);
    for (int64_t inside = 0; inside < job->p.s.outputs; inside += BF16_WIDE) {
      const bf16 *panel = job->p.panels + (g * job->p.s.each + inside / BF16_WIDE) * job->p.size;
      int64_t o = g * job->p.s.outputs + inside, columns = min64(job->p.s.outputs - inside, BF16_WIDE);
      for (int cell = 0; cell < cells; cell += together) {
        int count = cells - cell < together ? cells - cell : together;
        for (int done = 0; done < count * each;) {
          int rows = bf16_height(count * each - done);
          bf16_block_multiply(b, v, g, panel, columns, cell * each + done, rows, sums + done * BF16_WIDE);
          done += rows;
        }
        for (int i = 0; i < count; i++) {
          int64_t to = at[cell + i] * oc + o;
          if (each == 4) compete(sums + i * 4 * BF16_WIDE, 4, job->bias + o, columns, job->y + to, job->winner + to);
          else compete(sums + i * each * BF16_WIDE, each, job->bias + o, columns, job->y + to, job->winner + to);
        }
      }
    }
  }
  b->places = 0;
}

static int pool_rows(const pooling *job, int64_t image, int64_t first, int64_t rows, bf16_block *b, bf16 *scratch) {
  const window *v = &job->w.v;
  const peri_conv_pool *g = job->g;
  const int64_t each = g->pool_h * g->pool_w;
  int64_t at[BF16_PLACES];
  int cells = 0;
  for (int64_t end = min64(v->n, image + job->images); image < end; image++) {
    PERI_TRY(peri_interrupt_poll());
    const bf16 *region = bf16_region(&job->w, image, first * g->pool_h, rows * g->pool_h, scratch);
    scratch += window_scratch(v, rows * g->pool_h);
    for (int64_t i = 0; i < rows * g->pw; i++) {
      at[cells++] = (image * g->ph + first) * g->pw + i;
      for (int64_t k = 0; k < each; k++) {
        int64_t y = i / g->pw * g->pool_h + k / g->pool_w, x = i % g->pw * g->pool_w + k % g->pool_w;
        b->pixel[b->places++] = region + y * v->step_h * v->row + x * v->step_w * v->c;
      }
      if (b->places + each <= b->most) continue;
      pool_cells(job, b, cells, at);
      cells = 0;
    }
  }
  if (cells) pool_cells(job, b, cells, at);
  return PERI_OK;
}

static void pool_piece(void *context, int64_t piece) {
  pooling *job = context;
  const window *v = &job->w.v;
  const peri_conv_pool *g = job->g;
  if (atomic_load(&job->status) < 0) return;
  bf16_block block = {.places = 0};
  int64_t first = piece % job->bands * job->rows, rows = min64(job->rows, g->ph - first);
  int64_t each = g->pool_h * g->pool_w, packed = bf16_block_room(&block, v, each, max64(PLACES, each));
  int64_t region = window_scratch(v, rows * g->pool_h) * job->images;
  bf16 *scratch = peri_alloc_zeroed((size_t)(packed + region) * sizeof(bf16));
  int status = PERI_ENOMEM;
  if (scratch) {
    block.packed = scratch + region;
    bf16_begin();
    status = pool_rows(job, piece / job->bands * job->images, first, rows, &block, scratch);
    bf16_end();
  }
  peri_free(scratch);
  if (status < 0) atomic_store(&job->status, status);
}

static void plan_pieces(pooling *job) {
  const window *v = &job->w.v;
  const peri_conv_pool *g = job->g;
  int64_t row_work = max64(1, g->pw * g->pool_w * g->pool_h * job->p.s.depth * g->conv.oc), work = row_work * g->ph;
  job->rows = g->ph;
  job->images = 1;
  if (v->n < 32 || work > 16 * (int64_t)PIECE_WORK) job->rows = clamp64(PIECE_WORK / row_work, 1, g->ph);
  if (v->copy) job->rows = clamp64(SCRATCH / (g->pool_h * v->step_h * v->row), 1, job->rows);
  if (job->rows == g->ph)
    job->images = clamp64(min64(PIECE_WORK / work, SCRATCH / max64(1, window_scratch(v, g->ph * g->pool_h))), 1,
                          max64(1, v->n / 16));
  job->bands = blocks64(g->ph, job->rows);
}

static int conv_pool(const peri_conv_pool *g, const void *x, const void *kernel, const void *bias, void *y,
                     uint8_t *winner) {
  const peri_window *c = &g->conv;
  if (!bf16_takes_pool(g)) return bf16_float32()->conv_pool(g, x, kernel, bias, y, winner);
  if (c->n <= 0 || g->ph <= 0 || g->pw <= 0 || c->oc <= 0) return PERI_OK;
  pooling job = {.g = g, .y = y, .winner = winner, .p.s = weights_forward(c, kernel)};
  int status = PERI_ENOMEM;
  float *padded = peri_alloc_zeroed((size_t)(c->oc + BF16_WIDE) * sizeof(float));
  if (!padded) return status;
  if (bias) memcpy(padded, bias, (size_t)c->oc * sizeof(float));
  job.bias = padded;
  PERI_TRY_GOTO(done, window_forward(&job.w.v, c, x, 1));
  bf16_window_even(&job.w);
  window_settle(&job.w.v, 1);
  PERI_TRY_GOTO(close, bf16_weights_pack(&job.p, &job.w));
  plan_pieces(&job);
  peri_parallel(blocks64(c->n, job.images) * job.bands, pool_piece, &job);
  status = pieces_status(&job.status, "convolution and pooling");
  peri_free(job.p.panels);
close:
  window_close(&job.w.v);
done:
  peri_free(padded);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_pool_bf16)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_pool_bf16)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_pool = conv_pool;
}
