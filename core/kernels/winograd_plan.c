/* winograd_plan.c - Winograd convolutions (winograd.h): which tiles, and the weights' points, compiled once for
   each instruction set. */
#include "kernels/winograd.h"

#include "kernels/winograd_transform.h"

enum {
  PACK = 16,              /* channels whose weights are transformed together */
  PIECE_FLOATS = 1 << 17, /* of a piece's points and sums, about: half the L2 cache */
  PIECES = 16,            /* wanted, whatever the size */
  MOST_HALVES = 5         /* of vectors of outputs, up to which an odd one is worth pairs of channels */
};

/* --- the plan --- */

/* One way to cut `size` outputs: `fours` tiles of 4, then `twos` of 2. */
typedef struct cut {
  int64_t fours, twos;
} cut;

enum { CUTS = 3 };
static cut cut_axis(int64_t size, int which) {
  if (which == 0) return (cut){0, blocks64(size, 2)};
  if (which == 1) return (cut){blocks64(size, 4), 0};
  return (cut){size / 4, blocks64(size % 4, 2)};
}

static void plan_parts(winograd *w, cut down, cut across) {
  w->parts = 0;
  w->floats = 0;
  for (int i = 0; i < 4; i++) {
    winograd_part p = {.my = i & 2 ? 2 : 4, .mx = i & 1 ? 2 : 4, .y = i & 2 ? 4 * down.fours : 0,
                       .x = i & 1 ? 4 * across.fours : 0, .down = i & 2 ? down.twos : down.fours,
                       .across = i & 1 ? across.twos : across.fours, .weights = w->floats};
    if (p.down == 0 || p.across == 0) continue;
    p.points = (p.my + 2) * (p.mx + 2);
    w->floats += w->panels * p.points * w->depth * w->wide;
    w->part[w->parts++] = p;
  }
  winograd_batch(w, w->g.n);
}

void winograd_batch(winograd *w, int64_t n) {
  w->g.n = n;
  for (winograd_part *p = w->part; p < w->part + w->parts; p++) {
    int64_t tiles = n * p->down * p->across, fit = PIECE_FLOATS / (p->points * (w->g.c + w->outputs));
    p->tiles = clamp64(min64(fit, blocks64(tiles, PIECES)), PERI_TILE_ROWS, WINOGRAD_TILES);
    p->tiles = blocks64(p->tiles, PERI_TILE_ROWS) * PERI_TILE_ROWS;
    p->pieces = blocks64(tiles, p->tiles);
  }
}

/* About how many multiplications' time a plan takes, channels counted in whole vectors where they are vectors:
   the products; the transforms of inputs and outputs; the way of the weights from the outer caches, for each
   piece; and, unless that was done before, their transform, or that of their gradient from each share. The
   constants are measured (perilune-check --bench) with AVX-512 and AVX2; PLAIN_COST is that of the plain sum's. */
static const double COST_TRANSFORM = 14, COST_FETCH = 4, COST_WEIGHTS = 30, COST_GRADIENT = 12, PLAIN_COST = 1.2;

static double whole_vectors(int64_t channels) { return (double)(blocks64(channels, PERI_LANES) * PERI_LANES); }

static double plan_cost(const winograd *w, winograd_use use) {
  double cost = 0, c = (double)w->g.c, oc = whole_vectors(w->g.oc);
  for (const winograd_part *p = w->part; p < w->part + w->parts; p++) {
    double tiles = (double)(w->g.n * p->down * p->across), points = p->points;
    cost += tiles * points * (c * oc + COST_TRANSFORM * (whole_vectors(w->g.c) + oc));
    double weights = use == WINOGRAD_KERNEL ? COST_GRADIENT * (double)winograd_shares(w)
                                            : use == WINOGRAD_ONCE ? COST_WEIGHTS : 0;
    cost += points * c * oc * ((double)p->pieces * COST_FETCH + weights);
  }
  return cost;
}

/* Panels of two vectors of sums or, where they fill better, of three: an odd number of vectors leaves none of half the
   width over. 17 to 24 outputs are three half vectors; each is summed over even and odd channels side by side. */
static void plan_panels(winograd *w) {
  int64_t halves = blocks64(w->g.oc, PERI_LANES / 2), vectors = blocks64(w->g.oc, PERI_LANES);
  w->paired = WINOGRAD_ABREAST == 3 && halves % 2 && halves <= MOST_HALVES;
  int three = w->paired ? halves >= 3 : WINOGRAD_ABREAST == 3 && vectors % 6 == 3;
  w->wide = (three ? 3 : 2) * PERI_LANES;
  w->outputs = w->paired ? w->wide / 2 : w->wide;
  w->depth = w->paired ? blocks64(w->g.c, 2) : w->g.c;
  w->panels = blocks64(w->g.oc, w->outputs);
}

int winograd_plan(winograd *w, const peri_window *g, int64_t rows, int64_t cols, winograd_use use) {
  if (g->kh != 3 || g->kw != 3 || g->stride_h != 1 || g->stride_w != 1 || g->dil_h != 1 || g->dil_w != 1 ||
      g->groups != 1 || g->n <= 0 || rows <= 0 || cols <= 0 || g->c <= 0 || g->oc <= 0)
    return 0;
  *w = (winograd){.g = *g, .rows = rows, .cols = cols};
  plan_panels(w);
  int best = -1;
  double least = PLAIN_COST * (double)(g->n * rows * cols) * 9 * (double)g->c * whole_vectors(g->oc);
  for (int way = 0; way < CUTS * CUTS; way++) {
    plan_parts(w, cut_axis(rows, way / CUTS), cut_axis(cols, way % CUTS));
    double cost = plan_cost(w, use);
    if (cost < least) {
      least = cost;
      best = way;
    }
  }
  if (best < 0) return 0;
  plan_parts(w, cut_axis(rows, best / CUTS), cut_axis(cols, best % CUTS));
  return 1;
}

/* --- the weights --- */

typedef struct preparation {
  const winograd *w;
  const weights *from;
  int turned;
  float *to;
} preparation;

PERI_INLINE void weight_points(const int my, const int mx, const float *taps, int64_t tap, float *to, int64_t step) {
  vf half[6][3];
  PERI_UNROLL for (int j = 0; j < 3; j++) {
    vf g[3], points[6];
    PERI_UNROLL for (int i = 0; i < 3; i++) g[i] = vf_load(taps + (3 * i + j) * tap);
    winograd_weights_of(my, g, points);
    PERI_UNROLL for (int i = 0; i < my + 2; i++) half[i][j] = points[i];
  }
  PERI_UNROLL for (int i = 0; i < my + 2; i++) {
    vf points[6];
    winograd_weights_of(mx, half[i], points);
    PERI_UNROLL for (int j = 0; j < mx + 2; j++) vf_store(to + (i * (mx + 2) + j) * step, points[j]);
  }
}

/* The taps of some channels and a panel's outputs: 9 x PACK x wide; in pairs of channels, where they are paired. */
static void pack_taps(const preparation *job, const float *from, int64_t channels, int64_t outputs, float *taps) {
  const winograd *w = job->w;
  const weights *s = job->from;
  for (int tap = 0; tap < 9; tap++) {
    const float *own = from + (job->turned ? 8 - tap : tap) * s->tap;
    float *to = taps + tap * PACK * WINOGRAD_WIDE;
    if (!w->paired && w->wide == f32_WIDE) {
      f32_pack_panel_rows(own, s->i_stride, s->o_stride, channels, outputs, to);
      continue;
    }
    memset(to, 0, (size_t)(PACK * WINOGRAD_WIDE) * sizeof(float));
    for (int64_t k = 0; k < channels; k++)
      for (int64_t o = 0; o < outputs; o++)
        to[w->paired ? k / 2 * w->wide + 2 * o + k % 2 : k * w->wide + o] = own[k * s->i_stride + o * s->o_stride];
  }
}

static void prepare_panel(void *context, int64_t index) {
  const preparation *job = context;
  const winograd *w = job->w;
  const weights *s = job->from;
  int64_t packs = blocks64(w->g.c, PACK), panel = index / packs, first = index % packs * PACK, o = panel * w->outputs;
  int64_t channels = min64(PACK, w->g.c - first), step = w->depth * w->wide, pair = w->paired ? 2 : 1;
  float taps[9 * PACK * WINOGRAD_WIDE];
  pack_taps(job, s->from + first * s->i_stride + o * s->o_stride, channels, min64(w->outputs, w->g.oc - o), taps);
  for (int i = 0; i < w->parts; i++) {
    const winograd_part *part = &w->part[i];
    float *to = job->to + part->weights + (panel * part->points * w->depth + first / pair) * w->wide;
    for (int64_t at = 0; at < blocks64(channels, pair) * w->wide; at += PERI_LANES)
      if (part->my == 4 && part->mx == 4) weight_points(4, 4, taps + at, PACK * WINOGRAD_WIDE, to + at, step);
      else if (part->my == 4) weight_points(4, 2, taps + at, PACK * WINOGRAD_WIDE, to + at, step);
      else if (part->mx == 4) weight_points(2, 4, taps + at, PACK * WINOGRAD_WIDE, to + at, step);
      else weight_points(2, 2, taps + at, PACK * WINOGRAD_WIDE, to + at, step);
  }
}

void winograd_weights(const winograd *w, const weights *from, int turned, float *to) {
  preparation job = {.w = w, .from = from, .turned = turned, .to = to};
  peri_parallel(w->panels * blocks64(w->g.c, PACK), prepare_panel, &job);
}
