/* conv_operations.c - how many floating-point operations a convolution really executes (kernels.h), compiled once
   for each instruction set, whose plans may differ. */
#include "kernels/winograd.h"

/* Additions and multiplications of one run of a transform of winograd_transform.h. */
static double input_run(int m) { return m == 2 ? 4 : 24; }
static double output_run(int m) { return m == 2 ? 4 : 16; }
static double gradient_run(int m) { return m == 2 ? 2 : 14; }
static double weights_run(int m) { return m == 2 ? 5 : 13; }

static double filtered(const winograd *w, winograd_use use) {
  double total = 0, c = (double)w->g.c, oc = (double)w->g.oc;
  double kernels = use == WINOGRAD_KERNEL ? (double)winograd_shares(w) : use == WINOGRAD_ONCE;
  for (const winograd_part *p = w->part; p < w->part + w->parts; p++) {
    double tiles = (double)(w->g.n * p->down * p->across), y = p->my, x = p->mx;
    double in = (x + 2) * input_run(p->my) + (y + 2) * input_run(p->mx);
    double out = use == WINOGRAD_KERNEL ? x * gradient_run(p->my) + (y + 2) * gradient_run(p->mx)
                                        : (x + 2) * output_run(p->my) + y * output_run(p->mx);
    total += tiles * (2 * p->points * c * oc + in * c + out * oc);
    total += kernels * c * oc * (3 * weights_run(p->my) + (y + 2) * weights_run(p->mx));
  }
  return total;
}

static double conv_operations(const peri_conv_pool *g, peri_pass pass) {
  const peri_window *c = &g->conv;
  int pooled = g->pool_h * g->pool_w > 1, square = g->pool_h == 2 && g->pool_w == 2;
  double places = (double)(c->n * g->ph * g->pw), taps = (double)(c->kh * c->kw * (c->c / c->groups) * c->oc);
  if (pass == PERI_PASS_FORWARD || pass == PERI_PASS_PREPARED) places *= (double)(g->pool_h * g->pool_w);
  winograd w;
  winograd_use use = pass == PERI_PASS_KERNEL ? WINOGRAD_KERNEL
                     : pass == PERI_PASS_PREPARED ? WINOGRAD_PREPARED : WINOGRAD_ONCE;
  if (pass == PERI_PASS_INPUT) {
    peri_window turned = window_turned(c);
    if (!pooled && winograd_plan(&w, &turned, c->h, c->w, use)) return filtered(&w, use);
    return 2 * places * taps;
  }
  if (pooled && (pass == PERI_PASS_KERNEL || !square)) return 2 * places * taps;
  int64_t rows = square ? 2 * g->ph : c->oh, cols = square ? 2 * g->pw : c->ow;
  return winograd_plan(&w, c, rows, cols, use) ? filtered(&w, use) : 2 * places * taps;
}

void PERI_ISA_NAME(peri__fill_conv_operations)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_operations)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_operations = conv_operations;
}
