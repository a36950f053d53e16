/* conv_kernel.c - the gradients of a convolution's kernel and bias, compiled once for each instruction set.

       dkernel[t][i][o] = sum over places p:  x[p's pixel + t][i] * dy[p][o]

   A matrix product again: a tile's rows are PERI_TILE_ROWS pairs (t, i), each a pointer into the image;
   its k runs along the places of a row of outputs, its runs are the rows, and its b is dy itself, or,
   where a group's outputs do not fill a panel, dy copied with zeros on the right.

   Units of work are bands of rows of images. They are dealt out, in order, to at most SHARES shares, each
   of which sums into a dkernel of its own; these are added in order of share. Large kernels are also cut
   into row blocks, so that few of them are needed.

   3 x 3 kernels go the way of winograd.h, where that pays.

   One channel a group (depthwise): vectors run along the channels.

   Behind a max-pool (conv_pool_kernel.c asks for it where patches are small), the places are those of
   whole cells only, and a panel's dy is spread out from the pooled one: g at the winner, 0 elsewhere. */
#include "kernels/winograd.h"

enum {
  SHARES = 16,
  SHARE_WORK = 1 << 19, /* multiplications that are worth a share */
  BLOCK = 1 << 17,      /* elements of a row block of the kernel */
  UNIT = 1 << 14,       /* floats of dy in a unit, about */
  SPREAD = 128          /* places that a unit spreads a pooled dy over, about */
};

typedef struct gradient {
  window v;
  const float *dy;
  const uint8_t *winner;        /* of the pooled cells, or NULL: then dy is n, gh, gw, oc */
  int64_t pool_h, pool_w;       /* 1 without pooling */
  int64_t oc, og;               /* outputs; in a group */
  int64_t depth, weights;       /* rows (taps x channels) of the kernel; its elements */
  int64_t rows, bands, units;   /* output rows of a unit; units of an image; units */
  int64_t shares, blocks, block_rows;
  float *sums, *bias_sums;      /* shares x weights, shares x oc */
  float *dkernel, *dbias;
  atomic_int status;
} gradient;

typedef struct unit {
  int64_t rows, places;
  const float *region, *dy;
  const uint8_t *winner;
  float *tail;             /* room for a copy of dy's last panel: places x WIDE */
  const int64_t *row_runs; /* offset of each output row's pixels */
  int first;               /* the first unit of its share overwrites the sums */
} unit;

static void depthwise_unit(const gradient *job, const unit *u, int64_t from, int64_t to, float *sums) {
  const window *v = &job->v;
  for (int64_t r = from; r < to; r++)
    for (int64_t c = 0; c < job->oc; c += PERI_LANES) {
      int64_t width = min64(PERI_LANES, job->oc - c);
      vf sum = vf_set1(0);
      for (int64_t y = 0; y < u->rows; y++) {
        const float *x = u->region + v->run[r] + u->row_runs[y] + c, *dy = u->dy + y * v->gw * job->oc + c;
        if (width == PERI_LANES)
          for (int64_t i = 0; i < v->gw; i++) sum += vf_load(x + i * v->step_w * v->c) * vf_load(dy + i * job->oc);
        else
          for (int64_t i = 0; i < v->gw; i++)
            sum += vf_load_part(x + i * v->step_w * v->c, width) * vf_load_part(dy + i * job->oc, width);
      }
      float *at = sums + r * job->oc + c;
      vf_store_part(at, u->first ? sum : vf_load_part(at, width) + sum, width);
    }
}

/* Columns of the pooled dy, spread out over the places of its cells: places x WIDE. */
static void spread_panel(const gradient *job, const unit *u, int64_t o, int64_t columns) {
  const int64_t row = job->v.gw * f32_WIDE, across = job->v.gw / job->pool_w;
  for (int64_t i = 0; i < u->rows / job->pool_h * across; i++) {
    float *corner = u->tail + i / across * job->pool_h * row + i % across * job->pool_w * f32_WIDE;
    const float *dy = u->dy + i * job->oc + o;
    const uint8_t *winner = u->winner + i * job->oc + o;
    for (int64_t j = 0; j < columns; j += PERI_LANES) {
      int full = columns - j >= PERI_LANES;
      vi won = places_load(winner + j, columns - j);
      vi g = vi_of_bits(full ? vf_load(dy + j) : vf_load_part(dy + j, columns - j));
      int32_t place = 0;
      for (int64_t y = 0; y < job->pool_h; y++)
        for (int64_t x = 0; x < job->pool_w; x++, place++)
          vf_store(corner + y * row + x * f32_WIDE + j, vf_of_bits(g & (vi)(won == place)));
    }
  }
}

/* Rows from..to of the kernel's gradient: row r is (tap, channel), r = tap * gc + channel. */
static void tile_unit(const gradient *job, const unit *u, int64_t from, int64_t to, float *sums) {
  const window *v = &job->v;
  f32_tile t = {.run = u->row_runs, .runs = u->rows, .len = v->gw, .step = v->step_w * v->c, .accumulate = !u->first};
  for (int64_t g = 0; g < v->groups; g++)
    for (int64_t o = 0; o < job->og; o += f32_WIDE) {
      t.columns = min64(f32_WIDE, job->og - o);
      t.b = u->dy + g * job->og + o;
      t.b_step = job->oc;
      if (u->winner || t.columns % PERI_LANES) {
        if (u->winner) spread_panel(job, u, g * job->og + o, t.columns);
        else f32_pack_panel_rows(t.b, job->oc, 1, u->places, t.columns, u->tail);
        t.b = u->tail;
        t.b_step = f32_WIDE;
      }
      for (int64_t r = from; r < to; r += PERI_TILE_ROWS) {
        int rows = (int)min64(PERI_TILE_ROWS, to - r);
        for (int i = 0; i < rows; i++) {
          t.a[i] = u->region + v->run[(r + i) / v->len] + (r + i) % v->len + g * v->gc;
          t.c[i] = sums + (r + i) * job->oc + g * job->og + o;
        }
        f32_tile_run(&t, rows);
      }
    }
}

static void bias_unit(const gradient *job, const unit *u, float *sums) {
  for (int64_t o = 0; o < job->oc; o += PERI_LANES) {
    int64_t width = min64(PERI_LANES, job->oc - o);
    vf sum = u->first ? vf_set1(0) : vf_load_part(sums + o, width);
    for (int64_t i = 0; i < u->places; i++) sum += vf_load_part(u->dy + i * job->oc + o, width);
    vf_store_part(sums + o, sum, width);
  }
}

static void bias_unit_pooled(const gradient *job, const unit *u, float *sums) {
  if (u->first) memset(sums, 0, (size_t)job->oc * sizeof(float));
  places_bias(u->places / (job->pool_h * job->pool_w), job->oc, u->dy, u->winner, sums);
}

static int share_run(const gradient *job, int64_t share, int64_t block) {
  const window *v = &job->v;
  int depthwise = v->groups > 1 && v->gc == 1 && job->og == 1;
  int64_t region = window_scratch(v, job->rows), tail = job->rows * v->gw * f32_WIDE, status = PERI_OK;
  int64_t *row_runs = peri_alloc((size_t)(region + tail) * sizeof(float) + (size_t)job->rows * sizeof(int64_t));
  if (!row_runs) return PERI_ENOMEM;
  float *scratch = (float *)(void *)(row_runs + job->rows);
  for (int64_t y = 0; y < job->rows; y++) row_runs[y] = y * v->step_h * v->row;
  int64_t begin = share * job->units / job->shares, end = (share + 1) * job->units / job->shares;
  int64_t from = block * job->block_rows, to = min64(job->depth, from + job->block_rows);
  for (int64_t at = begin; at < end; at++) {
    status = peri_interrupt_poll();
    if (status < 0) break;
    int64_t image = at / job->bands, row = at % job->bands * job->rows;
    unit u = {.rows = min64(job->rows, v->gh - row), .tail = scratch + region, .row_runs = row_runs};
    u.places = u.rows * v->gw;
    int64_t cell = (image * v->gh + row) * v->gw / (job->pool_h * job->pool_w);
    u.dy = job->dy + cell * job->oc;
    u.winner = job->winner ? job->winner + cell * job->oc : NULL;
    u.region = window_region(v, image, row, u.rows, scratch);
    u.first = at == begin;
    (depthwise ? depthwise_unit : tile_unit)(job, &u, from, to, job->sums + share * job->weights);
    if (block == 0) (job->winner ? bias_unit_pooled : bias_unit)(job, &u, job->bias_sums + share * job->oc);
  }
  peri_free(row_runs);
  return (int)status;
}

static void share_piece(void *context, int64_t piece) {
  gradient *job = context;
  if (atomic_load(&job->status) < 0) return;
  int status = share_run(job, piece / job->blocks, piece % job->blocks);
  if (status < 0) atomic_store(&job->status, status);
}

/* Row r of dkernel, or dbias for the row after the last: the shares' sums, in order. */
static void add_shares(void *context, int64_t r) {
  const gradient *job = context;
  int bias = r == job->depth;
  const float *sums = bias ? job->bias_sums : job->sums + r * job->oc;
  float *to = bias ? job->dbias : job->dkernel + r * job->oc;
  int64_t stride = bias ? job->oc : job->weights;
  memcpy(to, sums, (size_t)job->oc * sizeof(float));
  for (int64_t s = 1; s < job->shares; s++)
    for (int64_t o = 0; o < job->oc; o++) to[o] += sums[s * stride + o];
}

static void gradient_plan(gradient *job) {
  const window *v = &job->v;
  job->rows = job->winner ? job->pool_h * max64(1, SPREAD / (v->gw * job->pool_h))
                          : max64(1, UNIT / max64(1, v->gw * job->oc));
  job->rows = min64(job->rows, v->gh);
  job->bands = blocks64(v->gh, job->rows);
  job->units = v->n * job->bands;
  double work = (double)(v->n * v->gh * v->gw) * (double)job->weights;
  int64_t pieces = work / SHARE_WORK > SHARES ? SHARES : max64(1, (int64_t)(work / SHARE_WORK));
  job->blocks = clamp64(blocks64(job->weights, BLOCK), 1, max64(1, min64(pieces, job->depth / PERI_TILE_ROWS)));
  job->block_rows = blocks64(blocks64(job->depth, job->blocks), PERI_TILE_ROWS) * PERI_TILE_ROWS;
  job->blocks = blocks64(job->depth, job->block_rows);
  job->shares = clamp64(pieces / job->blocks, 1, job->units);
}

static int gradient_run(gradient *job) {
  gradient_plan(job);
  job->sums = peri_alloc((size_t)(job->shares * (job->weights + job->oc)) * sizeof(float));
  if (!job->sums) return PERI_ENOMEM;
  job->bias_sums = job->sums + job->shares * job->weights;
  peri_parallel(job->shares * job->blocks, share_piece, job);
  int status = pieces_status(&job->status, "gradient of a convolution's kernel");
  if (status == PERI_OK) peri_parallel(job->depth + (job->dbias ? 1 : 0), add_shares, job);
  peri_free(job->sums);
  return status;
}

/* Over the first gh x gw outputs of each image. */
static int gradient_over(gradient *job, const peri_window *g, const float *x, int64_t gh, int64_t gw) {
  job->oc = g->oc;
  job->og = g->oc / g->groups;
  job->depth = g->kh * g->kw * (g->c / g->groups);
  job->weights = job->depth * g->oc;
  if (g->n <= 0 || gh <= 0 || gw <= 0) {
    memset(job->dkernel, 0, (size_t)job->weights * sizeof(float));
    if (job->dbias) memset(job->dbias, 0, (size_t)g->oc * sizeof(float));
    return PERI_OK;
  }
  PERI_TRY(window_forward(&job->v, g, x, 0));
  job->v.gh = gh;
  job->v.gw = gw;
  int status = gradient_run(job);
  window_close(&job->v);
  return status;
}

static int conv_backward_kernel(const peri_window *g, const void *x, const void *dy, void *dkernel, void *dbias) {
  winograd w;
  if (winograd_plan(&w, g, g->oh, g->ow, WINOGRAD_KERNEL)) return winograd_backward_kernel(&w, x, dy, dkernel, dbias);
  gradient job = {.dy = dy, .pool_h = 1, .pool_w = 1, .dkernel = dkernel, .dbias = dbias};
  return gradient_over(&job, g, x, g->oh, g->ow);
}

int PERI_ISA_NAME(peri__conv_pool_kernel_dense)(const peri_conv_pool *g, const float *x, const float *dy,
                                                const uint8_t *winner, float *dkernel, float *dbias) {
  gradient job = {.dy = dy, .winner = winner, .pool_h = g->pool_h, .pool_w = g->pool_w, .dkernel = dkernel,
                  .dbias = dbias};
  return gradient_over(&job, &g->conv, x, g->ph * g->pool_h, g->pw * g->pool_w);
}

void PERI_ISA_NAME(peri__fill_conv_kernel)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_kernel)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_backward_kernel = conv_backward_kernel;
}
