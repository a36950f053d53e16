/* conv_prepared.c - convolutions whose weights were made ready before (kernels.h), compiled once for each
   instruction set.

   Prepared weights are a `prepared` and behind it either the points of winograd.h, with the tiles that were
   chosen for the number of images at that time, or what conv_cells.h takes, or the kernel as it is, for conv and
   conv_pool. */
#include "kernels/conv_cells.h"
#include "kernels/winograd.h"

typedef struct prepared {
  winograd w;    /* w.parts == 0: it is not */
  int64_t cells; /* bytes of what conv_cells.h takes; 0: the kernel itself follows */
  char fill[-(sizeof(winograd) + sizeof(int64_t)) % PERI_ALIGNMENT + PERI_ALIGNMENT];
} prepared;
_Static_assert(sizeof(prepared) % PERI_ALIGNMENT == 0, "the numbers behind it are aligned");

static const peri_kernels *table; /* this set's */

static int pooled(const peri_conv_pool *g) { return g->pool_h * g->pool_w > 1; }

static prepared plan(const peri_conv_pool *g) {
  prepared p = {.w = {.parts = 0}};
  int square = g->pool_h == 2 && g->pool_w == 2;
  if (pooled(g) && !square) return p;
  int64_t rows = square ? 2 * g->ph : g->conv.oh, cols = square ? 2 * g->pw : g->conv.ow;
  if (!winograd_plan(&p.w, &g->conv, rows, cols, WINOGRAD_PREPARED)) p.w.parts = 0;
  if (!p.w.parts) p.cells = conv_cells_size(g);
  return p;
}

static int64_t kernel_size(const peri_window *g) { return g->kh * g->kw * (g->c / g->groups) * g->oc; }

static int64_t conv_prepare_size(const peri_conv_pool *g) {
  prepared p = plan(g);
  if (p.cells) return (int64_t)sizeof p + p.cells;
  return (int64_t)sizeof p + (p.w.parts ? p.w.floats : kernel_size(&g->conv)) * (int64_t)sizeof(float);
}

static int conv_prepare(const peri_conv_pool *g, const void *kernel, void *to) {
  prepared *p = to;
  *p = plan(g);
  float *numbers = (float *)(void *)(p + 1);
  if (p->w.parts) {
    weights from = weights_forward(&g->conv, kernel);
    winograd_weights(&p->w, &from, 0, numbers);
  } else if (p->cells) {
    return conv_cells_prepare(g, kernel, numbers);
  } else {
    memcpy(numbers, kernel, (size_t)kernel_size(&g->conv) * sizeof(float));
  }
  return PERI_OK;
}

static int conv_prepared(const peri_conv_pool *g, const void *x, const void *from, const void *bias, int relu,
                         void *y) {
  const prepared *p = from;
  const float *numbers = (const float *)(const void *)(p + 1);
  const peri_window *c = &g->conv;
  if (c->n <= 0 || g->ph <= 0 || g->pw <= 0 || c->oc <= 0) return PERI_OK;
  if (p->w.parts) {
    winograd w = p->w;
    winograd_batch(&w, c->n);
    return winograd_run(&w, numbers, &(winograd_output){.y = y, .bias = bias, .relu = relu, .pool = pooled(g)}, x);
  }
  if (p->cells) return conv_cells_run(g, x, numbers, bias, y);
  if (!pooled(g)) return table->conv(c, x, numbers, bias, relu, y);
  uint8_t *winner = peri_alloc((size_t)(c->n * g->ph * g->pw * c->oc));
  if (!winner) return PERI_ENOMEM;
  int status = table->conv_pool(g, x, numbers, bias, y, winner);
  peri_free(winner);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_prepared)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_prepared)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  table = f32;
  f32->conv_prepare_size = conv_prepare_size;
  f32->conv_prepare = conv_prepare;
  f32->conv_prepared = conv_prepared;
}
