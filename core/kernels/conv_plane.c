/* conv_plane.c - 3 x 3 convolution of images with one channel, bias, ReLU and 2 x 2 max-pool in one pass;
   compiled once for each instruction set.

   Winograd's F(2, 3) along the rows: the two sums side by side of a cell take four products for each row of
   the window instead of six. With d the four pixels of a row under a cell, and k a row of the kernel:

       v = { d0 - d2, d1 + d2, d2 - d1, d1 - d3 }           one number each, made once for each row of x
       u = { k0, (k0 + k1 + k2) / 2, (k0 - k1 + k2) / 2, k2 }   vectors of outputs, in registers
       m = sum over the window's rows of v u;   left = m0 + m1 + m2,   right = m1 - m2 - m3

   so a cell takes 24 multiply-adds a vector of outputs for 36. The rule of conv_pool.c holds: the first of the
   largest sums above 0 wins. Sums that are not finite are left to it: they would spread over a cell. */
#include "kernels/conv_plane.h"

#include "kernels/window.h"

enum {
  POINTS = 4,
  BAND_FLOATS = 1 << 12, /* of a piece's transformed rows, about */
  NOT_FINITE = 1         /* a status that is no failure */
};

typedef struct plane {
  const peri_conv_pool *g;
  window v;
  int64_t oc, vectors, rows, bands; /* of outputs; rows of cells of a piece; pieces of an image */
  float *u, *bias;                  /* vectors x 3 x POINTS x LANES; vectors x LANES */
  float *y;
  uint8_t *winner;
  atomic_int status, not_finite;
} plane;

/* v of every cell of `rows` rows of a region: rows x cells x POINTS */
static void rows_transform(const float *x, int64_t row, int64_t rows, int64_t cells, float *v) {
  static const f32_quad sign = {-1, 1, -1, -1};
  for (int64_t i = 0; i < rows; i++, x += row)
    for (int64_t j = 0; j < cells; j++, v += POINTS) {
      f32_quad d = *(const f32_quad *)(x + 2 * j);
      f32_quad first = __builtin_shufflevector(d, d, 0, 1, 2, 1), second = __builtin_shufflevector(d, d, 2, 2, 1, 3);
      *(f32_quad *)v = first + sign * second;
    }
}

/* One row of cells, one vector of outputs; v: four rows of transformed numbers. NaN where a sum was not finite. */
PERI_INLINE vf pool_row(const plane *job, const float *v, const vf *u, vf bias, int64_t at, int64_t columns) {
  const int64_t cells = job->g->pw, row = cells * POINTS;
  vf check = vf_set1(0);
  float *y = job->y + at;
  uint8_t *winner = job->winner + at;
  for (int64_t i = 0; i < cells; i++, v += POINTS, y += job->oc, winner += job->oc) {
    vf sum[2][2];
    PERI_UNROLL for (int r = 0; r < 2; r++) {
      vf m[POINTS];
      PERI_UNROLL for (int p = 0; p < POINTS; p++) {
        m[p] = p == 1 ? v[r * row + p] * u[p] + bias : v[r * row + p] * u[p];
        PERI_UNROLL for (int k = 1; k < 3; k++) m[p] += v[(r + k) * row + p] * u[k * POINTS + p];
      }
      sum[r][0] = (m[0] + m[1]) + m[2];
      sum[r][1] = (m[1] - m[2]) - m[3];
    }
    check += ((sum[0][0] + sum[0][1]) + (sum[1][0] + sum[1][1])) * 0;
    vm right = vm_gt(sum[0][1], sum[0][0]), right2 = vm_gt(sum[1][1], sum[1][0]);
    vf above = vf_max(sum[0][1], sum[0][0]), below = vf_max(sum[1][1], sum[1][0]);
    vm lower = vm_gt(below, above);
    vf best = vf_max(below, above);
    vi place = vi_select(lower, vi_select(right2, vi_set1(3), vi_set1(2)), vi_select(right, vi_set1(1), vi_set1(0)));
    place = vi_select(vm_gt(best, vf_set1(0)), place, vi_set1(255));
    vf_put(y, vf_max(best, vf_set1(0)), columns);
    places_store(winner, place, columns);
  }
  return check;
}

static vf pool_band(const plane *job, const float *v, int64_t rows, int64_t first) {
  vf check = vf_set1(0);
  int64_t step = 2 * job->g->pw * POINTS;
  for (int64_t o = 0; o < job->vectors; o++) {
    int64_t columns = min64(PERI_LANES, job->oc - o * PERI_LANES);
    vf u[3 * POINTS], bias = vf_load(job->bias + o * PERI_LANES);
    PERI_UNROLL for (int i = 0; i < 3 * POINTS; i++) u[i] = vf_load(job->u + (o * 3 * POINTS + i) * PERI_LANES);
    for (int64_t y = 0; y < rows; y++) {
      int64_t at = (first + y * job->g->pw) * job->oc + o * PERI_LANES;
      if (columns == PERI_LANES) check += pool_row(job, v + y * step, u, bias, at, PERI_LANES);
      else check += pool_row(job, v + y * step, u, bias, at, columns);
    }
  }
  return check;
}

static void pool_piece(void *context, int64_t piece) {
  plane *job = context;
  const peri_conv_pool *g = job->g;
  if (atomic_load(&job->status) < 0 || atomic_load(&job->not_finite)) return;
  int64_t image = piece / job->bands, row = piece % job->bands * job->rows, rows = min64(job->rows, g->ph - row);
  int64_t floats = window_scratch(&job->v, 2 * rows), points = (2 * rows + 2) * g->pw * POINTS;
  float *v = peri_alloc((size_t)(points + floats) * sizeof(float));
  int status = v ? peri_interrupt_poll() : PERI_ENOMEM;
  if (status < 0) atomic_store(&job->status, status);
  else {
    const float *region = window_region(&job->v, image, 2 * row, 2 * rows, v + points);
    rows_transform(region, job->v.row, 2 * rows + 2, g->pw, v);
    if (vm_any(vm_nan(pool_band(job, v, rows, (image * g->ph + row) * g->pw)))) atomic_store(&job->not_finite, 1);
  }
  peri_free(v);
}

static void weights_transform(plane *job, const float *kernel, const float *bias) {
  for (int64_t o = 0; o < job->oc; o++) {
    float *u = job->u + o / PERI_LANES * 3 * POINTS * PERI_LANES + o % PERI_LANES;
    for (int64_t r = 0; r < 3; r++, u += POINTS * PERI_LANES) {
      const float *k = kernel + 3 * r * job->oc + o;
      float left = k[0], middle = k[job->oc], right = k[2 * job->oc];
      u[0] = left;
      u[PERI_LANES] = ((left + right) + middle) / 2;
      u[2 * PERI_LANES] = ((left + right) - middle) / 2;
      u[3 * PERI_LANES] = right;
    }
    if (bias) job->bias[o] = bias[o];
  }
}

static int plane_run(plane *job, const float *x, const float *kernel, const float *bias) {
  const peri_conv_pool *g = job->g;
  PERI_TRY(window_forward(&job->v, &g->conv, x, 0));
  job->vectors = blocks64(job->oc, PERI_LANES);
  job->rows = clamp64(BAND_FLOATS / (2 * g->pw * POINTS), 1, g->ph);
  job->bands = blocks64(g->ph, job->rows);
  job->u = peri_alloc_zeroed((size_t)(job->vectors * (3 * POINTS + 1) * PERI_LANES) * sizeof(float));
  if (!job->u) return PERI_ENOMEM;
  job->bias = job->u + job->vectors * 3 * POINTS * PERI_LANES;
  weights_transform(job, kernel, bias);
  peri_parallel(g->conv.n * job->bands, pool_piece, job);
  peri_free(job->u);
  int status = pieces_status(&job->status, "convolution and pooling");
  return status == PERI_OK && atomic_load(&job->not_finite) ? NOT_FINITE : status;
}

int conv_plane_pool(const peri_conv_pool *g, const float *x, const float *kernel, const float *bias, float *y,
                    uint8_t *winner) {
  const peri_window *c = &g->conv;
  if (c->c != 1 || c->kh != 3 || c->kw != 3 || c->stride_h != 1 || c->stride_w != 1 || c->dil_h != 1 || c->dil_w != 1 ||
      c->groups != 1 || g->pool_h != 2 || g->pool_w != 2 || c->oc < PERI_LANES / 2)
    return 1;
  plane job = {.g = g, .oc = c->oc, .y = y, .winner = winner};
  int status = plane_run(&job, x, kernel, bias);
  window_close(&job.v);
  return status;
}
