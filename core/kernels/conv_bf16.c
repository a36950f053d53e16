/* conv_bf16.c - convolutions forward and their gradient of the input in bfloat16, compiled once for each unit.

   conv.c's sum over taps, on bf16_window.h's regions and panels: a region is rounded once for all the places
   that read it, the weights once for all images. The sums of a tile leave through a small buffer, where bias
   and ReLU are applied. A piece for the threads is some rows of one image's grid, or a few small images. */
#include "kernels/bf16_window.h"

enum {
  PLACES = BF16_UNIFORM ? 96 : 104, /* at once: whole tiles */
  PIECE_WORK = 1 << 20,             /* multiplications that are worth a piece */
  SCRATCH = 1 << 17                 /* bf16 of a region, about */
};

typedef struct convolution {
  bf16_window w;
  bf16_weights p;
  float *out; /* place (gy, gx) of an image is at out + image * out_image + gy * out_row + gx * out_pixel */
  int64_t out_image, out_row, out_pixel;
  const float *bias;
  int relu;
  int64_t images, rows, bands; /* of a piece; of an image */
  atomic_int status;
} convolution;

/* All outputs of the block's places, which go to out[place]. */
static void run_places(const convolution *job, bf16_block *b, float *const *out) {
  const window *v = &job->w.v;
  float sums[BF16_ROWS * BF16_WIDE];
  for (int64_t g = 0; g < v->groups; g++) {
    bf16_block_gather(b, v, g);
    for (int64_t o = 0; o < job->p.s.outputs; o += BF16_WIDE) {
      const bf16 *panel = job->p.panels + (g * job->p.s.each + o / BF16_WIDE) * job->p.size;
      int64_t at = g * job->p.s.outputs + o, columns = min64(job->p.s.outputs - o, BF16_WIDE);
      for (int first = 0; first < b->places;) {
        int rows = bf16_height(b->places - first);
        bf16_block_multiply(b, v, g, panel, columns, first, rows, sums);
        for (int i = 0; i < rows; i++)
          bf16_finish_row(sums + i * BF16_WIDE, columns, job->bias ? job->bias + at : NULL, 0, job->relu,
                          out[first + i] + at);
        first += rows;
      }
    }
  }
  b->places = 0;
}

static int convolve_rows(const convolution *job, int64_t image, int64_t first, int64_t rows, bf16_block *b,
                         bf16 *scratch) {
  const window *v = &job->w.v;
  float *out[PLACES];
  for (int64_t end = min64(v->n, image + job->images); image < end; image++) {
    const bf16 *region = bf16_region(&job->w, image, first, rows, scratch);
    scratch += window_scratch(v, rows);
    float *to = job->out + image * job->out_image + first * job->out_row;
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < v->gw; x++) {
        b->pixel[b->places] = region + y * v->step_h * v->row + x * v->step_w * v->c;
        out[b->places++] = to + y * job->out_row + x * job->out_pixel;
        if (b->places < b->most) continue;
        PERI_TRY(peri_interrupt_poll());
        run_places(job, b, out);
      }
  }
  if (b->places) run_places(job, b, out);
  return PERI_OK;
}

static void convolve_piece(void *context, int64_t piece) {
  convolution *job = context;
  const window *v = &job->w.v;
  if (atomic_load(&job->status) < 0) return;
  bf16_block block = {.places = 0};
  int64_t first = piece % job->bands * job->rows, rows = min64(job->rows, v->gh - first);
  int64_t packed = bf16_block_room(&block, v, 1, PLACES), region = window_scratch(v, rows) * job->images;
  bf16 *scratch = peri_alloc_zeroed((size_t)(packed + region) * sizeof(bf16));
  int status = PERI_ENOMEM;
  if (scratch) {
    block.packed = scratch + region;
    bf16_begin();
    status = convolve_rows(job, piece / job->bands * job->images, first, rows, &block, scratch);
    bf16_end();
  }
  peri_free(scratch);
  if (status < 0) atomic_store(&job->status, status);
}

/* Large images are cut into bands of rows, small ones go together. */
static void plan_pieces(convolution *job) {
  const window *v = &job->w.v;
  int64_t row_work = max64(1, v->gw * job->p.s.depth * job->p.s.outputs * v->groups), work = row_work * v->gh;
  job->rows = v->gh;
  job->images = 1;
  if (v->n < 32 || work > 16 * (int64_t)PIECE_WORK) job->rows = clamp64(PIECE_WORK / row_work, 1, v->gh);
  if (v->copy) job->rows = clamp64(SCRATCH / (v->step_h * v->row), 1, job->rows);
  if (job->rows == v->gh)
    job->images = clamp64(min64(PIECE_WORK / work, SCRATCH / max64(1, window_scratch(v, v->gh))), 1, max64(1, v->n / 16));
  job->bands = blocks64(v->gh, job->rows);
}

/* With the window's axes, sizes and source set, and p.s told where the weights are. */
static int convolve(convolution *job) {
  window *v = &job->w.v;
  bf16_window_even(&job->w);
  window_settle(v, 1);
  if (v->n <= 0 || v->gh <= 0 || v->gw <= 0) return PERI_OK;
  PERI_TRY(bf16_weights_pack(&job->p, &job->w));
  plan_pieces(job);
  peri_parallel(blocks64(v->n, job->images) * job->bands, convolve_piece, job);
  peri_free(job->p.panels);
  return pieces_status(&job->status, "convolution");
}

static int conv(const peri_window *g, const void *x, const void *kernel, const void *bias, int relu, void *y) {
  if (!bf16_takes(g, g->oh, g->ow)) return bf16_float32()->conv(g, x, kernel, bias, relu, y);
  convolution job = {.out = y, .out_image = g->oh * g->ow * g->oc, .out_row = g->ow * g->oc, .out_pixel = g->oc,
                     .p.s = weights_forward(g, kernel), .bias = bias, .relu = relu};
  PERI_TRY(window_forward(&job.w.v, g, x, 1));
  int status = convolve(&job);
  window_close(&job.w.v);
  return status;
}

/* The inputs of each phase (those equal modulo the stride) are a grid of their own, as in conv.c. */
static int conv_backward_input(const peri_window *g, const void *dy, const void *kernel, void *dx) {
  if (!bf16_takes(g, g->h, g->w)) return bf16_float32()->conv_backward_input(g, dy, kernel, dx);
  int64_t gc = g->c / g->groups, og = g->oc / g->groups;
  int status = PERI_OK;
  for (int64_t phase = 0; phase < g->stride_h * g->stride_w && status == PERI_OK; phase++) {
    int64_t py = phase / g->stride_w, px = phase % g->stride_w;
    if (py >= g->h || px >= g->w) continue;
    convolution job = {.out = (float *)dx + (py * g->w + px) * g->c, .out_image = g->h * g->w * g->c,
                       .out_row = g->stride_h * g->w * g->c, .out_pixel = g->stride_w * g->c};
    job.p.s = (weights){.from = kernel, .kw = g->kw, .tap = gc * g->oc, .i_stride = 1, .o_stride = g->oc,
                        .group = og, .outputs = gc};
    job.w.v = (window){.in = dy, .n = g->n, .h = g->oh, .w = g->ow, .c = g->oc, .step_h = 1, .step_w = 1,
                       .gh = blocks64(g->h - py, g->stride_h), .gw = blocks64(g->w - px, g->stride_w),
                       .groups = g->groups, .gc = og};
    PERI_TRY(window_open(&job.w.v, g->kh, g->kw));
    axis_backward(&job.w.v.y, g->kh, g->dil_h, g->pad_top, g->stride_h, py);
    axis_backward(&job.w.v.x, g->kw, g->dil_w, g->pad_left, g->stride_w, px);
    status = convolve(&job);
    window_close(&job.w.v);
  }
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_bf16)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_bf16)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv = conv;
  f32->conv_backward_input = conv_backward_input;
}
