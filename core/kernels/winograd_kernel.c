/* winograd_kernel.c - the gradient of a 3 x 3 kernel by Winograd's filtering, compiled once for each instruction
   set. The forward form (winograd.h) is linear in the kernel, so its gradient runs the same way back:

       dkernel = G' [ sum over tiles  (B' input B) . (A dy A') ] G

   where each point is a product of channels x tiles by tiles x outputs:

       v[point][chunk][tile][channels]   points of the inputs (winograd_tiles.h)
       u[point][panel][tile][WIDE]       points of dy, zeros over the edges
       p[point][channel][outputs]        the sums, over all tiles of a share

   A piece for the threads is a share of the tiles (of every part) for a block of channels and one of outputs.
   Shares have gradients of their own, 3 x 3 x channels x outputs, which are added in order. */
#include "kernels/winograd_tiles.h"

enum {
  SHARES = 16,
  SHARE_TILES = 32,  /* least of a share, about */
  BLOCK_IN = 64,     /* channels of a block: the sums of a block stay near */
  BLOCK_OUT = 128,   /* outputs of a block */
  TILES = 48         /* transformed at a time: a multiple of every PERI_TILE_ROWS */
};

typedef struct gradient {
  const winograd *w;
  const float *x, *dy;
  int64_t shares, blocks_in, blocks_out, weights;
  float *sums, *bias_sums; /* shares x 9 c oc, shares x oc */
  float *dkernel, *dbias;
  atomic_int status;
} gradient;

typedef struct share {
  const gradient *job;
  const winograd_part *part;
  winograd_tiles s;
  int64_t first, outputs;        /* of the block */
  int64_t plane, step;           /* of u */
  int64_t p_row, p_step;         /* from a channel of p to the next, from a point to the next */
  float *u, *p, *patch, *bias;   /* bias: NULL where another block sums it */
  float *to;                     /* the share's gradient */
  int more;                      /* p holds sums already */
  int again;                     /* so does the gradient */
} share;

/* --- points of dy --- */

PERI_INLINE void gradient_tile(const int my, const int mx, const float *from, int64_t row, int64_t pixel, int64_t width,
                               float *to, int64_t step, float *bias) {
  vf half[6][4], sum = vf_set1(0);
  PERI_UNROLL for (int j = 0; j < mx; j++) {
    vf y[4], points[6];
    PERI_UNROLL for (int i = 0; i < my; i++) sum += y[i] = vf_get(from + i * row + j * pixel, width);
    winograd_gradient(my, y, points);
    PERI_UNROLL for (int i = 0; i < my + 2; i++) half[i][j] = points[i];
  }
  PERI_UNROLL for (int i = 0; i < my + 2; i++) {
    vf points[6];
    winograd_gradient(mx, half[i], points);
    PERI_UNROLL for (int j = 0; j < mx + 2; j++) vf_store(to + (i * (mx + 2) + j) * step, points[j]);
  }
  if (bias) vf_put(bias, vf_get(bias, width) + sum, width);
}

PERI_INLINE void gradients(const int my, const int mx, const share *h) {
  const peri_window *g = &h->job->w->g;
  for (int64_t t = 0; t < h->s.count; t++) {
    int64_t y = h->s.at[t].y, x = h->s.at[t].x, row = g->ow * g->oc, o = 0;
    const float *image = h->job->dy + h->s.at[t].image * g->oh * g->ow * g->oc;
    const float *from = image + (y * g->ow + x) * g->oc + h->first;
    if (y + my > g->oh || x + mx > g->ow) {
      winograd_patch(image, g->oh, g->ow, g->oc, y, x, my, mx, h->patch);
      from = h->patch + h->first;
      row = mx * g->oc;
    }
    for (; o < h->outputs; o += PERI_LANES) {
      float *to = h->u + o / f32_WIDE * h->plane + t * f32_WIDE + o % f32_WIDE, *bias = h->bias ? h->bias + o : NULL;
      if (o + PERI_LANES <= h->outputs) gradient_tile(my, mx, from + o, row, g->oc, PERI_LANES, to, h->step, bias);
      else gradient_tile(my, mx, from + o, row, g->oc, h->outputs - o, to, h->step, bias);
    }
  }
}

/* --- products --- */

/* `rows` channels' sums of one point: v and u are at the first tile's. */
PERI_INLINE void product_rows(const int rows, const int vectors, const share *h, const float *v, const float *u,
                              float *p) {
  f32_vec sum[PERI_TILE_ROWS][2];
  PERI_UNROLL for (int i = 0; i < rows; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++)
      sum[i][j] = h->more ? *(f32_vec *)(p + i * h->p_row + j * PERI_LANES) : (f32_vec){0};
  for (int64_t t = 0; t < h->s.count; t++, v += WINOGRAD_CHUNK, u += f32_WIDE) {
    f32_vec row[2];
    PERI_UNROLL for (int j = 0; j < vectors; j++) row[j] = *(const f32_vec *)(u + j * PERI_LANES);
    PERI_UNROLL for (int i = 0; i < rows; i++)
      PERI_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += v[i] * row[j];
  }
  PERI_UNROLL for (int i = 0; i < rows; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) *(f32_vec *)(p + i * h->p_row + j * PERI_LANES) = sum[i][j];
}

#define PRODUCT(rows, vectors)                                                                                         \
  static __attribute__((noinline)) void product_##rows##x##vectors(const share *h, const float *v, const float *u,     \
                                                                   float *p) {                                         \
    product_rows(rows, vectors, h, v, u, p);                                                                           \
  }
#define PRODUCTS(rows) PRODUCT(rows, 1) PRODUCT(rows, 2)
PRODUCTS(1) PRODUCTS(2) PRODUCTS(4)
#if PERI_TILE_ROWS == 6
PRODUCTS(6)
#elif PERI_TILE_ROWS == 12
PRODUCTS(8) PRODUCTS(12)
#endif
#undef PRODUCT
#undef PRODUCTS

/* A chunk's channels PERI_TILE_ROWS at a time; the last ones may take in channels that do not exist, whose sums
   nobody reads. */
static void products(const share *h) {
  static void (*const some[][2])(const share *, const float *, const float *, float *) = {
#define PAIR(rows) {product_##rows##x1, product_##rows##x2}
      PAIR(1), PAIR(2), PAIR(4),
#if PERI_TILE_ROWS == 6
      PAIR(6),
#elif PERI_TILE_ROWS == 12
      PAIR(8), PAIR(12),
#endif
#undef PAIR
  };
  static const int heights[] = {1, 2, 4, PERI_TILE_ROWS == 12 ? 8 : PERI_TILE_ROWS, 12};
  for (int point = 0; point < h->part->points; point++)
    for (int64_t o = 0; o < h->outputs; o += f32_WIDE) {
      const float *u = h->u + point * h->step + o / f32_WIDE * h->plane;
      for (int64_t c = 0; c < h->s.channels; c += WINOGRAD_CHUNK) {
        const float *v = h->s.v + point * h->s.step + c / WINOGRAD_CHUNK * h->s.plane;
        float *p = h->p + point * h->p_step + c * h->p_row + o;
        int64_t rows = min64(WINOGRAD_CHUNK, h->s.channels - c);
        for (int64_t i = 0; i < rows; i += PERI_TILE_ROWS) {
          int which = 0;
          while (heights[which] < min64(PERI_TILE_ROWS, rows - i)) which++;
          some[which][h->outputs - o > PERI_LANES](h, v + i, u, p + i * h->p_row);
        }
      }
    }
}

/* --- the kernel's gradient from its points --- */

PERI_INLINE void weights_tile(const int my, const int mx, const float *p, int64_t step, int64_t width, float *to,
                              int64_t tap, int again) {
  vf half[3][6];
  PERI_UNROLL for (int j = 0; j < mx + 2; j++) {
    vf s[6], sums[3];
    PERI_UNROLL for (int i = 0; i < my + 2; i++) s[i] = vf_load(p + (i * (mx + 2) + j) * step);
    winograd_weights_gradient(my, s, sums);
    PERI_UNROLL for (int i = 0; i < 3; i++) half[i][j] = sums[i];
  }
  PERI_UNROLL for (int i = 0; i < 3; i++) {
    vf sums[3];
    winograd_weights_gradient(mx, half[i], sums);
    PERI_UNROLL for (int j = 0; j < 3; j++) {
      float *at = to + (3 * i + j) * tap;
      vf_put(at, again ? vf_get(at, width) + sums[j] : sums[j], width);
    }
  }
}

PERI_INLINE void kernel_points(const int my, const int mx, const share *h) {
  const peri_window *g = &h->job->w->g;
  for (int64_t c = 0; c < h->s.channels; c++)
    for (int64_t o = 0; o < h->outputs; o += PERI_LANES) {
      const float *p = h->p + c * h->p_row + o;
      float *to = h->to + (h->s.first + c) * g->oc + h->first + o;
      int64_t width = min64(PERI_LANES, h->outputs - o);
      if (width == PERI_LANES) weights_tile(my, mx, p, h->p_step, PERI_LANES, to, g->c * g->oc, h->again);
      else weights_tile(my, mx, p, h->p_step, width, to, g->c * g->oc, h->again);
    }
}

/* --- a share --- */

#define SHAPE(my, mx)                                                                                                  \
  static __attribute__((noinline)) void gradients_##my##mx(const share *h) { gradients(my, mx, h); }                   \
  static __attribute__((noinline)) void kernel_##my##mx(const share *h) { kernel_points(my, mx, h); }
SHAPE(2, 2) SHAPE(2, 4) SHAPE(4, 2) SHAPE(4, 4)
#undef SHAPE

static int share_part(share *h, int64_t from, int64_t to) {
  static void (*const dy[])(const share *) = {gradients_22, gradients_24, gradients_42, gradients_44};
  static void (*const kernel[])(const share *) = {kernel_22, kernel_24, kernel_42, kernel_44};
  int shape = winograd_shape(h->part);
  h->more = 0;
  for (int64_t t = from; t < to; t += TILES) {
    PERI_TRY(peri_interrupt_poll());
    winograd_tiles_place(&h->s, t, min64(t + TILES, to));
    winograd_inputs(&h->s);
    dy[shape](h);
    products(h);
    h->more = 1;
  }
  if (!h->more) return PERI_OK;
  kernel[shape](h);
  h->again = 1;
  return PERI_OK;
}

/* The memory of a share, for the part with most points. */
static float *share_open(share *h) {
  const peri_window *g = &h->job->w->g;
  int64_t panels = blocks64(h->outputs, f32_WIDE), room = blocks64(h->s.channels, WINOGRAD_CHUNK) * WINOGRAD_CHUNK;
  int64_t points = 36, v, u, p;
  winograd_part largest = {.points = (int)points};
  h->s.part = &largest;
  v = winograd_tiles_layout(&h->s, TILES);
  h->plane = TILES * f32_WIDE;
  h->step = panels * h->plane + PERI_LANES;
  h->p_row = panels * f32_WIDE;
  h->p_step = room * h->p_row + PERI_LANES;
  u = points * h->step;
  p = points * h->p_step;
  float *memory = peri_alloc((size_t)(v + u + p + points * max64(g->c, g->oc)) * sizeof(float));
  if (!memory) return NULL;
  h->s.v = memory;
  h->u = memory + v;
  h->p = h->u + u;
  h->patch = h->s.patch = h->p + p;
  return memory;
}

static int share_run(const gradient *job, int64_t index) {
  const winograd *w = job->w;
  int64_t block = index % (job->blocks_in * job->blocks_out), number = index / (job->blocks_in * job->blocks_out);
  share h = {.job = job, .first = block / job->blocks_in * BLOCK_OUT, .to = job->sums + number * job->weights};
  h.s.g = &w->g;
  h.s.x = job->x;
  h.s.first = block % job->blocks_in * BLOCK_IN;
  h.s.channels = min64(BLOCK_IN, w->g.c - h.s.first);
  h.outputs = min64(BLOCK_OUT, w->g.oc - h.first);
  if (h.s.first == 0) {
    h.bias = job->bias_sums + number * w->g.oc + h.first;
    memset(h.bias, 0, (size_t)h.outputs * sizeof(float));
  }
  float *memory = share_open(&h);
  if (!memory) return PERI_ENOMEM;
  int status = PERI_OK;
  for (int i = 0; i < w->parts && status == PERI_OK; i++) {
    int64_t tiles = w->g.n * w->part[i].down * w->part[i].across;
    h.part = h.s.part = &w->part[i];
    status = share_part(&h, number * tiles / job->shares, (number + 1) * tiles / job->shares);
  }
  peri_free(memory);
  return status;
}

static void share_piece(void *context, int64_t index) {
  gradient *job = context;
  if (atomic_load(&job->status) < 0) return;
  int status = share_run(job, index);
  if (status < 0) atomic_store(&job->status, status);
}

/* Row r of 9 c of dkernel, or dbias for the row after the last: the shares' sums, in order. */
static void add_shares(void *context, int64_t r) {
  const gradient *job = context;
  int64_t oc = job->w->g.oc;
  int bias = r == 9 * job->w->g.c;
  const float *sums = bias ? job->bias_sums : job->sums + r * oc;
  float *to = bias ? job->dbias : job->dkernel + r * oc;
  int64_t stride = bias ? oc : job->weights;
  memcpy(to, sums, (size_t)oc * sizeof(float));
  for (int64_t s = 1; s < job->shares; s++)
    for (int64_t o = 0; o < oc; o++) to[o] += sums[s * stride + o];
}

int64_t winograd_shares(const winograd *w) {
  int64_t least = INT64_MAX, most = 0, blocks = blocks64(w->g.c, BLOCK_IN) * blocks64(w->g.oc, BLOCK_OUT);
  for (int i = 0; i < w->parts; i++) {
    int64_t tiles = w->g.n * w->part[i].down * w->part[i].across;
    least = min64(least, tiles);
    most = max64(most, tiles);
  }
  return clamp64(min64(least, most / SHARE_TILES), 1, max64(1, SHARES / blocks));
}

int winograd_backward_kernel(const winograd *w, const float *x, const float *dy, float *dkernel, float *dbias) {
  gradient job = {.w = w, .x = x, .dy = dy, .dkernel = dkernel, .dbias = dbias, .weights = 9 * w->g.c * w->g.oc};
  job.blocks_in = blocks64(w->g.c, BLOCK_IN);
  job.blocks_out = blocks64(w->g.oc, BLOCK_OUT);
  job.shares = winograd_shares(w);
  job.sums = peri_alloc((size_t)(job.shares * (job.weights + w->g.oc)) * sizeof(float));
  if (!job.sums) return PERI_ENOMEM;
  job.bias_sums = job.sums + job.shares * job.weights;
  peri_parallel(job.shares * job.blocks_in * job.blocks_out, share_piece, &job);
  int status = pieces_status(&job.status, "gradient of a convolution's kernel");
  if (status == PERI_OK) peri_parallel(9 * w->g.c + (dbias ? 1 : 0), add_shares, &job);
  peri_free(job.sums);
  return status;
}
