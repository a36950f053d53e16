/* conv.c - convolutions forward and their gradient of the input, compiled once for each instruction set.

   Both are sums over the taps of a window (window.h):

       out[place][o] = sum over taps t, channels i:  source[place's pixel + t][i] * weight[t][i][o]

   a matrix product whose left matrix is never built: a tile's rows are pointers to the pixels of
   PERI_TILE_ROWS places, its k runs along the taps from there, and its b is a panel of the weights,

       panels: for each group, for each WIDE outputs:  taps x channels x WIDE, right edge zeros

   A piece for the threads is some rows of one image's grid, or a few small images. It takes its places
   PLACES at a time, all panels over each; long sums are cut at DEPTH into passes that add to the output.

   A group of one channel (depthwise) would leave a tile nearly empty. There, vectors run along the
   channels: out[place][o] = sum over t: source[place's pixel + t][o] * weight[t][o].

   3 x 3 kernels go the way of winograd.h, where that pays, over one channel that of conv_pairs.c. */
#include "kernels/conv_plane.h"
#include "kernels/winograd.h"

enum {
  PLACES = 96,           /* a multiple of every PERI_TILE_ROWS */
  DEPTH = 1024,          /* k of a pass */
  PIECE_WORK = 1 << 20,  /* multiplications that are worth a piece */
  SCRATCH = 1 << 16      /* floats of a region's copy, about */
};

typedef struct convolution {
  window v;
  float *out; /* place (gy, gx) of an image is at out + image * out_image + gy * out_row + gx * out_pixel */
  int64_t out_image, out_row, out_pixel;
  weights s;
  const float *bias;
  int relu;
  int64_t images, rows, bands; /* of a piece; of an image */
  atomic_int status;
} convolution;

/* All outputs of up to PLACES places, whose pixels and output places are given. */
static void run_places(const convolution *job, int places, const float *const *pixel, float *const *out) {
  const window *v = &job->v;
  f32_tile t = {.len = v->len, .step = 1, .b_step = f32_WIDE};
  int64_t runs_each = max64(1, DEPTH / max64(v->len, 1)), passes = max64(1, blocks64(v->runs, runs_each));
  for (int64_t panel = 0; panel < v->groups * job->s.each; panel++) {
    int64_t g = panel / job->s.each, o = panel % job->s.each * f32_WIDE;
    t.columns = min64(job->s.outputs - o, f32_WIDE);
    for (int64_t pass = 0; pass < passes; pass++) {
      t.run = v->run + pass * runs_each;
      t.runs = min64(v->runs - pass * runs_each, runs_each);
      t.b = job->s.panels + panel * job->s.depth * f32_WIDE + pass * runs_each * v->len * f32_WIDE;
      t.accumulate = pass > 0;
      t.relu = job->relu && pass == passes - 1;
      t.bias = job->bias && pass == passes - 1 ? job->bias + g * job->s.outputs + o : NULL;
      for (int first = 0; first < places; first += PERI_TILE_ROWS) {
        int rows = places - first < PERI_TILE_ROWS ? places - first : PERI_TILE_ROWS;
        for (int i = 0; i < rows; i++) {
          t.a[i] = pixel[first + i] + g * v->gc;
          t.c[i] = out[first + i] + g * job->s.outputs + o;
        }
        f32_tile_run(&t, rows);
      }
    }
  }
}

/* The same with one channel a group and one output each. */
static void run_places_depthwise(const convolution *job, int places, const float *const *pixel, float *const *out) {
  const window *v = &job->v;
  for (int64_t c = 0; c < v->c; c += PERI_LANES) {
    int64_t width = min64(PERI_LANES, v->c - c);
    const float *weight = job->s.panels + c * v->runs;
    vf bias = job->bias ? vf_load_part(job->bias + c, width) : vf_set1(0);
    for (int i = 0; i < places; i++) {
      const float *in = pixel[i] + c;
      vf sum = vf_set1(0);
      if (width == PERI_LANES)
        for (int64_t r = 0; r < v->runs; r++) sum += vf_load(in + v->run[r]) * vf_load(weight + r * PERI_LANES);
      else
        for (int64_t r = 0; r < v->runs; r++)
          sum += vf_load_part(in + v->run[r], width) * vf_load(weight + r * PERI_LANES);
      sum += bias;
      if (job->relu) sum = vf_select(vm_le(sum, vf_set1(0)), vf_set1(0), sum);
      vf_store_part(out[i] + c, sum, width);
    }
  }
}

/* Depthwise panels: for each PERI_LANES channels, taps x PERI_LANES. */
static int pack_depthwise(convolution *job) {
  const window *v = &job->v;
  size_t floats = (size_t)(blocks64(v->c, PERI_LANES) * PERI_LANES * v->runs);
  job->s.depth = v->runs;
  job->s.panels = peri_alloc_zeroed(floats * sizeof(float));
  if (!job->s.panels) return PERI_ENOMEM;
  for (int64_t r = 0; r < v->runs; r++) {
    const float *from = job->s.from + (v->y.from[r / v->x.count] * job->s.kw + v->x.from[r % v->x.count]) * job->s.tap;
    for (int64_t c = 0; c < v->c; c++)
      job->s.panels[c / PERI_LANES * PERI_LANES * v->runs + r * PERI_LANES + c % PERI_LANES] = from[c];
  }
  return PERI_OK;
}

static int depthwise(const convolution *job) { return job->v.gc == 1 && job->s.outputs == 1 && job->v.groups > 1; }

static int convolve_rows(const convolution *job, int64_t image, int64_t first, int64_t rows, float *scratch) {
  const window *v = &job->v;
  const float *pixel[PLACES];
  float *out[PLACES];
  int places = 0;
  for (int64_t end = min64(v->n, image + job->images); image < end; image++) {
    const float *region = window_region(v, image, first, rows, scratch);
    if (scratch) scratch += window_scratch(v, rows);
    float *to = job->out + image * job->out_image + first * job->out_row;
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < v->gw; x++) {
        pixel[places] = region + y * v->step_h * v->row + x * v->step_w * v->c;
        out[places++] = to + y * job->out_row + x * job->out_pixel;
        if (places < PLACES) continue;
        PERI_TRY(peri_interrupt_poll());
        (depthwise(job) ? run_places_depthwise : run_places)(job, places, pixel, out);
        places = 0;
      }
  }
  if (places) (depthwise(job) ? run_places_depthwise : run_places)(job, places, pixel, out);
  return PERI_OK;
}

static void convolve_piece(void *context, int64_t piece) {
  convolution *job = context;
  const window *v = &job->v;
  if (atomic_load(&job->status) < 0) return;
  int64_t first = piece % job->bands * job->rows, rows = min64(job->rows, v->gh - first);
  int64_t floats = window_scratch(v, rows) * job->images;
  int status = PERI_ENOMEM;
  float *scratch = floats ? peri_alloc((size_t)floats * sizeof(float)) : NULL;
  if (scratch || !floats) status = convolve_rows(job, piece / job->bands * job->images, first, rows, scratch);
  peri_free(scratch);
  if (status < 0) atomic_store(&job->status, status);
}

/* Large images are cut into bands of rows, small ones go together. */
static void plan_pieces(convolution *job) {
  const window *v = &job->v;
  int64_t row_work = max64(1, v->gw * job->s.depth * job->s.outputs * v->groups), work = row_work * v->gh;
  job->rows = v->gh;
  job->images = 1;
  if (v->n < 32 || work > 16 * (int64_t)PIECE_WORK) job->rows = clamp64(PIECE_WORK / row_work, 1, v->gh);
  if (v->copy) job->rows = clamp64(SCRATCH / (v->step_h * v->row), 1, job->rows);
  if (job->rows == v->gh)
    job->images = clamp64(min64(PIECE_WORK / work, SCRATCH / max64(1, window_scratch(v, v->gh))), 1, max64(1, v->n / 16));
  job->bands = blocks64(v->gh, job->rows);
}

static int convolve(convolution *job) {
  const window *v = &job->v;
  if (v->n <= 0 || v->gh <= 0 || v->gw <= 0) return PERI_OK;
  PERI_TRY(depthwise(job) ? pack_depthwise(job) : weights_pack(&job->s, v));
  plan_pieces(job);
  peri_parallel(blocks64(v->n, job->images) * job->bands, convolve_piece, job);
  peri_free(job->s.panels);
  return pieces_status(&job->status, "convolution");
}

static int conv(const peri_window *g, const void *x, const void *kernel, const void *bias, int relu, void *y) {
  convolution job = {.out = y, .out_image = g->oh * g->ow * g->oc, .out_row = g->ow * g->oc, .out_pixel = g->oc,
                     .s = weights_forward(g, kernel), .bias = bias, .relu = relu};
  int pairs = conv_plane_pairs(g, x, kernel, bias, relu, y);
  if (pairs <= 0) return pairs;
  winograd w;
  if (winograd_plan(&w, g, g->oh, g->ow, WINOGRAD_ONCE))
    return winograd_once(&w, &job.s, 0, &(winograd_output){.y = y, .bias = bias, .relu = relu}, x);
  PERI_TRY(window_forward(&job.v, g, x, 0));
  int status = convolve(&job);
  window_close(&job.v);
  return status;
}

/* The inputs of each phase are a grid of their own, with the taps that reach them. */
static int conv_backward_input(const peri_window *g, const void *dy, const void *kernel, void *dx) {
  int64_t gc = g->c / g->groups, og = g->oc / g->groups;
  int status = PERI_OK;
  winograd w;
  peri_window turned = window_turned(g);
  if (winograd_plan(&w, &turned, g->h, g->w, WINOGRAD_ONCE)) {
    weights from = {.from = kernel, .kw = g->kw, .tap = g->c * g->oc, .i_stride = 1, .o_stride = g->oc};
    return winograd_once(&w, &from, 1, &(winograd_output){.y = dx}, dy);
  }
  for (int64_t phase = 0; phase < g->stride_h * g->stride_w && status == PERI_OK; phase++) {
    int64_t py = phase / g->stride_w, px = phase % g->stride_w;
    convolution job = {.out = (float *)dx + (py * g->w + px) * g->c, .out_image = g->h * g->w * g->c,
                       .out_row = g->stride_h * g->w * g->c, .out_pixel = g->stride_w * g->c};
    job.s = (weights){.from = kernel, .kw = g->kw, .tap = gc * g->oc, .i_stride = 1, .o_stride = g->oc, .group = og,
                      .outputs = gc};
    job.v = (window){.in = dy, .n = g->n, .h = g->oh, .w = g->ow, .c = g->oc, .step_h = 1, .step_w = 1,
                     .gh = blocks64(g->h - py, g->stride_h), .gw = blocks64(g->w - px, g->stride_w),
                     .groups = g->groups, .gc = og};
    if (py >= g->h || px >= g->w) continue;
    PERI_TRY(window_open(&job.v, g->kh, g->kw));
    axis_backward(&job.v.y, g->kh, g->dil_h, g->pad_top, g->stride_h, py);
    axis_backward(&job.v.x, g->kw, g->dil_w, g->pad_left, g->stride_w, px);
    window_settle(&job.v, 0);
    status = convolve(&job);
    window_close(&job.v);
  }
  return status;
}

void PERI_ISA_NAME(peri__fill_conv)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv = conv;
  f32->conv_backward_input = conv_backward_input;
}
