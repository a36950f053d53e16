/* erase.c - random erasing (Zhong, Zheng, Kang, Li, Yang: Random erasing data augmentation, 2017): a rectangle of
   random area and aspect, wholly inside the picture. The aspect is drawn uniformly in its logarithm, so that upright
   and lying rectangles are as frequent. */
#include <math.h>

#include "data/augment.h"

enum { TRIES = 10, NUMBERS = 4 }; /* a rectangle that does not fit is drawn again, a few times */

void peri__erase_draw(peri_augment_draw *d, const peri_augment *a, uint64_t key, int64_t h, int64_t w) {
  uint64_t number = 2 * PERI__DRAW_ERASE;
  if (!(peri__draw_unit(key, number++) < a->erase)) return;
  peri_range aspect = {log(a->erase_aspect.low), log(a->erase_aspect.high)};
  for (int i = 0; i < TRIES; i++, number += NUMBERS) {
    double area = peri__draw_range(key, number, a->erase_area) * (double)(h * w);
    double root = exp(0.5 * peri__draw_range(key, number + 1, aspect));
    double high = round(sqrt(area) * root), wide = round(sqrt(area) / root);
    if (high < 1 || wide < 1 || high > (double)h || wide > (double)w) continue;
    d->erase[0] = (int64_t)(peri__draw_unit(key, number + 2) * ((double)h - high + 1));
    d->erase[1] = (int64_t)(peri__draw_unit(key, number + 3) * ((double)w - wide + 1));
    d->erase[2] = (int64_t)high;
    d->erase[3] = (int64_t)wide;
    return;
  }
}

void peri__erase(const peri__augmenter *p, uint64_t key, const int64_t place[4], float *picture) {
  uint64_t number = 2 * (uint64_t)PERI__DRAW_FILL;
  for (int64_t r = place[0]; r < place[0] + place[2]; r++)
    for (int64_t s = place[1]; s < place[1] + place[3]; s++)
      for (int64_t c = 0; c < p->c; c++) {
        int64_t channel = p->channels == 1 ? 0 : c;
        float value = p->fill[channel];
        if (p->options.erase_random) {
          value = p->origin[channel] + p->unit[channel] * (float)peri__draw_unit(key, number++);
        }
        picture[(r * p->w + s) * p->c + c] = value;
      }
}
