/* conv_kernel_bf16.c - the gradient of a convolution's kernel in bfloat16, compiled once for each unit.

       dkernel[t][i][o] = sum over places p:  x[p's pixel + t][i] * dy[p][o]

   as a matrix product for each group, turned so that the smaller operand is the one that stays in the L1 cache:

       sums[o][(t, i)] = dy'[o][p] * taps[p][(t, i)]       k = places, two at a time

   Units of work are some rows of an image, or some images. Their dy becomes rows of a, the pixels under
   every tap panels of b. As in conv_kernel.c units are dealt out, in order, to at most SHARES shares with sums
   of their own, added in order of share; large kernels are also cut into blocks of panels. The gradient of the
   bias is a sum of dy, which is not rounded. */
#include "kernels/bf16_window.h"

enum {
  SHARES = 16,
  SHARE_WORK = 1 << 20, /* multiplications that are worth a share */
  BLOCK = 1 << 17,      /* elements of a block of the kernel */
  UNIT = 192,           /* places of a unit, about */
  RIGHT = BF16_WIDE     /* columns of the sums that are turned together */
};

typedef struct gradient {
  window v;
  const float *dy;
  int64_t oc, og, depth;                /* outputs; in a group; taps x channels of a group */
  int64_t images, rows, bands, units;   /* of a unit; bands of an image; units */
  int64_t places, pairs, a_row, a_step; /* of a unit, at most; its dy as rows of a (bf16.h) */
  int64_t panels, block, blocks, shares;
  int64_t sums_row, sums_group, sums_share;
  float *sums; /* shares x groups x outputs x panels x WIDE */
  float *dkernel;
  atomic_int status;
} gradient;

typedef struct unit {
  int64_t places, pairs; /* pairs with those that only fill up */
  const float *dy;
  const float **pixel;
  bf16 *a, *b;
} unit;

/* dy of a group as rows of a: outputs x places. */
static void pack_outputs(const gradient *job, const unit *u, int64_t g) {
  for (int64_t o = 0; o < job->og; o += BF16_WIDE) {
    const float *dy = u->dy + g * job->og + o;
    int64_t count = min64(job->og - o, BF16_WIDE);
    if (BF16_UNIFORM) bf16_pack_turned(dy, 1, job->oc, count, u->places, 2 * u->pairs, u->a + o * job->a_row, job->a_row);
    else
      for (int64_t p = 0; p < u->places; p += 2)
        bf16_weave(dy + p * job->oc, p + 1 < u->places ? dy + (p + 1) * job->oc : NULL, count,
                   u->a + p / 2 * job->a_step + 2 * o);
  }
}

/* Columns first..end of (tap, channel) of group g under every pair of places: panels of b. A run's part of a panel
   is woven for all pairs, then the next one. */
static void pack_taps(const gradient *job, const unit *u, int64_t g, int64_t first, int64_t end) {
  const window *v = &job->v;
  const int64_t size = job->pairs * 2 * BF16_WIDE, whole = blocks64(u->places, 2);
  int64_t run = first / v->len, inside = first % v->len;
  for (int64_t at = first; at < end;) {
    int64_t from = v->run[run] + inside + g * v->gc, column = (at - first) % BF16_WIDE;
    int64_t count = min64(min64(BF16_WIDE - column, v->len - inside), end - at), p = 0;
    bf16 *to = u->b + (at - first) / BF16_WIDE * size + 2 * column;
    if (count == BF16_WIDE)
      for (; p + 2 <= u->places; p += 2)
        bf16_weave(u->pixel[p] + from, u->pixel[p + 1] + from, BF16_WIDE, to + p * BF16_WIDE);
    else
      for (; p + 2 <= u->places; p += 2)
        bf16_weave_part(u->pixel[p] + from, u->pixel[p + 1] + from, count, to + p * BF16_WIDE);
    if (p < u->places) bf16_weave_part(u->pixel[p] + from, NULL, count, to + p * BF16_WIDE);
    at += count;
    inside += count;
    if (inside < v->len) continue;
    inside = 0;
    run++;
  }
  for (int64_t j = 0; j < blocks64(end - first, BF16_WIDE); j++) { /* the columns and the pairs that only fill up */
    bf16 *to = u->b + j * size;
    int64_t columns = min64(BF16_WIDE, end - first - j * BF16_WIDE);
    if (columns < BF16_WIDE)
      for (int64_t p = 0; p < whole; p++)
        memset(to + 2 * (p * BF16_WIDE + columns), 0, (size_t)(2 * (BF16_WIDE - columns)) * sizeof(bf16));
    memset(to + whole * 2 * BF16_WIDE, 0, (size_t)((u->pairs - whole) * 2 * BF16_WIDE) * sizeof(bf16));
  }
}

static void multiply_unit(const gradient *job, const unit *u, int64_t block, float *sums, int first) {
  const int64_t zero = 0, size = job->pairs * 2 * BF16_WIDE;
  int64_t begin = block * job->block * BF16_WIDE, end = min64(job->depth, begin + job->block * BF16_WIDE);
  bf16_tile t = {.a_row = job->a_row, .run = &zero, .runs = 1, .pairs = u->pairs, .step = job->a_step,
                 .c_row = job->sums_row, .accumulate = !first};
  for (int64_t g = 0; g < job->v.groups; g++) {
    pack_outputs(job, u, g);
    pack_taps(job, u, g, begin, end);
    for (int64_t at = begin; at < end; at += BF16_WIDE) {
      t.b = u->b + (at - begin) / BF16_WIDE * size;
      t.columns = min64(BF16_WIDE, end - at);
      for (int64_t o = 0; o < job->og;) {
        int rows = bf16_height(job->og - o);
        for (int i = 0; i < rows; i++) t.a[i] = u->a + (o + i) * job->a_row;
        t.c = sums + g * job->sums_group + o * job->sums_row + at;
        bf16_multiply(&t, rows);
        o += rows;
      }
    }
  }
}

/* The places of a unit, its images copied where the window says so. */
static void unit_places(const gradient *job, int64_t index, float *scratch, unit *u) {
  const window *v = &job->v;
  int64_t image = index / job->bands * job->images, row = index % job->bands * job->rows;
  int64_t rows = min64(job->rows, v->gh - row);
  u->dy = job->dy + (image * v->gh + row) * v->gw * job->oc;
  u->places = 0;
  for (int64_t end = min64(v->n, image + job->images); image < end; image++) {
    const float *region = window_region(v, image, row, rows, scratch);
    scratch += window_scratch(v, rows);
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < v->gw; x++)
        u->pixel[u->places++] = region + y * v->step_h * v->row + x * v->step_w * v->c;
  }
  u->pairs = BF16_UNIFORM ? bf16_up(u->places, BF16_STEP) / 2 : blocks64(u->places, 2);
}

static int share_run(const gradient *job, int64_t share, int64_t block) {
  int64_t region = window_scratch(&job->v, job->rows) * job->images, room = bf16_up(job->og, BF16_WIDE);
  size_t a = (size_t)(BF16_UNIFORM ? room * job->a_row : job->pairs * job->a_step) * sizeof(bf16);
  size_t b = (size_t)(job->block * job->pairs * 2 * BF16_WIDE) * sizeof(bf16);
  unit u = {.pixel = peri_alloc(bf16_up((int64_t)sizeof(float *) * job->places, 64) + a + b + (size_t)region * sizeof(float))};
  if (!u.pixel) return PERI_ENOMEM;
  u.a = (bf16 *)(void *)((char *)(void *)u.pixel + bf16_up((int64_t)sizeof(float *) * job->places, 64));
  u.b = u.a + a / sizeof(bf16);
  float *scratch = (float *)(void *)(u.b + b / sizeof(bf16));
  int64_t begin = share * job->units / job->shares, end = (share + 1) * job->units / job->shares;
  int status = PERI_OK;
  bf16_begin();
  for (int64_t at = begin; at < end && status == PERI_OK; at++) {
    status = peri_interrupt_poll();
    unit_places(job, at, scratch, &u);
    multiply_unit(job, &u, block, job->sums + share * job->sums_share, at == begin);
  }
  bf16_end();
  peri_free(u.pixel);
  return status;
}

static void share_piece(void *context, int64_t piece) {
  gradient *job = context;
  if (atomic_load(&job->status) < 0) return;
  int status = share_run(job, piece / job->blocks, piece % job->blocks);
  if (status < 0) atomic_store(&job->status, status);
}

/* RIGHT rows (tap, channel) of dkernel: the shares' sums, in order, turned back. */
static void add_shares(void *context, int64_t piece) {
  const gradient *job = context;
  int64_t first = piece * RIGHT, count = min64(RIGHT, job->depth - first);
  for (int64_t o = 0; o < job->oc; o++) {
    const float *from = job->sums + o / job->og * job->sums_group + o % job->og * job->sums_row + first;
    float sums[RIGHT];
    memcpy(sums, from, sizeof sums);
    for (int64_t s = 1; s < job->shares; s++)
      for (int i = 0; i < RIGHT; i++) sums[i] += from[s * job->sums_share + i];
    for (int64_t i = 0; i < count; i++) job->dkernel[(first + i) * job->oc + o] = sums[i];
  }
}

static void gradient_plan(gradient *job) {
  const window *v = &job->v;
  job->rows = clamp64(UNIT / v->gw, 1, v->gh);
  job->images = job->rows == v->gh ? clamp64(UNIT / (v->gh * v->gw), 1, v->n) : 1;
  job->bands = blocks64(v->gh, job->rows);
  job->units = blocks64(v->n, job->images) * job->bands;
  job->places = job->images * job->rows * v->gw;
  job->pairs = bf16_up(job->places, BF16_STEP) / 2;
  job->a_row = BF16_UNIFORM ? 2 * job->pairs + 32 : 2; /* so that rows do not fall onto the same cache sets */
  job->a_step = BF16_UNIFORM ? 2 : 2 * bf16_up(job->og, BF16_WIDE);
  job->panels = blocks64(job->depth, BF16_WIDE);
  double work = (double)(v->n * v->gh * v->gw) * (double)(job->depth * job->oc);
  int64_t pieces = work / SHARE_WORK > SHARES ? SHARES : max64(1, (int64_t)(work / SHARE_WORK));
  job->blocks = clamp64(blocks64(job->depth * job->oc, BLOCK), 1, min64(pieces, job->panels));
  job->block = blocks64(job->panels, job->blocks);
  job->blocks = blocks64(job->panels, job->block);
  job->shares = clamp64(pieces / job->blocks, 1, job->units);
  job->sums_row = job->panels * BF16_WIDE;
  job->sums_group = (BF16_UNIFORM ? bf16_up(job->og, BF16_ROWS) : job->og) * job->sums_row;
  job->sums_share = v->groups * job->sums_group;
}

static int gradient_run(gradient *job) {
  gradient_plan(job);
  job->sums = peri_alloc((size_t)(job->shares * job->sums_share) * sizeof(float));
  if (!job->sums) return PERI_ENOMEM;
  peri_parallel(job->shares * job->blocks, share_piece, job);
  int status = pieces_status(&job->status, "gradient of a convolution's kernel");
  if (status == PERI_OK) peri_parallel(job->panels, add_shares, job);
  peri_free(job->sums);
  return status;
}

static int conv_backward_kernel(const peri_window *g, const void *x, const void *dy, void *dkernel, void *dbias) {
  if (!bf16_takes(g, g->oh, g->ow) || g->n <= 0 || g->oh <= 0 || g->ow <= 0)
    return bf16_float32()->conv_backward_kernel(g, x, dy, dkernel, dbias);
  gradient job = {.dy = dy, .oc = g->oc, .og = g->oc / g->groups, .depth = g->kh * g->kw * (g->c / g->groups),
                  .dkernel = dkernel};
  PERI_TRY(window_forward(&job.v, g, x, 0));
  int status = gradient_run(&job);
  window_close(&job.v);
  if (status == PERI_OK && dbias) bf16_float32()->reduce(PERI_SUM, 1, g->n * g->oh * g->ow, g->oc, dy, dbias);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_kernel_bf16)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_kernel_bf16)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_backward_kernel = conv_backward_kernel;
}
