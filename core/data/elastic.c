/* elastic.c - the displacement fields of elastic distortion (Simard, Steinkraus, Platt: Best practices for
   convolutional neural networks, ICDAR 2003). Outside the picture the random field is 0, so that displacements
   fade towards the edges. */
#include <math.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/augment.h"

/* A Gaussian that sums to 1, cut where it has fallen to 1/100 (3 sigma), or at `most`. */
int peri__elastic_taps(float **taps, int64_t *radius, double sigma, int64_t most) {
  double reach = ceil(3 * sigma), total = 0;
  *radius = reach < (double)most ? (int64_t)reach : most;
  *taps = peri_alloc((size_t)(2 * *radius + 1) * sizeof **taps);
  if (!*taps) return PERI_ENOMEM;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = -*radius; i <= *radius; i++) {
      double tap = exp(-0.5 * (double)(i * i) / (sigma * sigma));
      if (pass == 0) total += tap;
      else (*taps)[*radius + i] = (float)(tap / total);
    }
  return PERI_OK;
}

/* scratch: 2 h w numbers */
void peri__elastic_field(const peri__augmenter *p, uint64_t key, double alpha, float *rows, float *columns,
                         float *scratch) {
  const peri_kernels *k = peri_kernels_of(PERI_F32);
  int64_t n = p->h * p->w;
  k->signed_noise(key, PERI__DRAW_ROWS, n, alpha, scratch);
  k->blur(p->h, p->w, p->radius, p->taps, scratch, scratch + n, rows);
  k->signed_noise(key, PERI__DRAW_COLUMNS, n, alpha, scratch);
  k->blur(p->h, p->w, p->radius, p->taps, scratch, scratch + n, columns);
}
