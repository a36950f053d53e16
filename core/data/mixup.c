/* mixup.c - weights from a Beta distribution (Zhang, Cisse, Dauphin, Lopez-Paz: mixup, ICLR 2018).

   Beta(a, a) is G / (G + H) for two Gamma(a) numbers. A Gamma(a) number is one of Gamma(a + 1), by rejection (Marsaglia
   and Tsang: A simple method for generating gamma variables, 2000), times U^(1/a); in logarithms, so that a small a,
   where that power is 0 as a number, still gives the right proportion. */
#include <math.h>

#include "data/augment.h"

/* The logarithm of a Gamma(a) number; each try takes three units from *number on. */
static double log_gamma(double a, uint64_t key, uint64_t *number) {
  double d = a + 1 - 1 / 3.0, c = 1 / sqrt(9 * d);
  double power = log(1 - peri__draw_unit(key, (*number)++)) / a; /* of a number in (0, 1] */
  for (;;) {
    double radius = sqrt(-2 * log(1 - peri__draw_unit(key, *number)));
    double normal = radius * cos(6.283185307179586 * peri__draw_unit(key, *number + 1));
    double u = 1 - peri__draw_unit(key, *number + 2), v = 1 + c * normal;
    *number += 3;
    if (v <= 0) continue;
    v = v * v * v;
    if (log(u) < 0.5 * normal * normal + d - d * v + d * log(v)) return log(d * v) + power;
  }
}

double peri__mixup_weight(const peri_augment *a, uint64_t key) {
  uint64_t number = 2 * PERI__DRAW_MIXUP + 2;
  if (a->probability < 1 && peri__draw_unit(key, 2 * PERI__DRAW_CHANCE) >= a->probability) return 1;
  double one = log_gamma(a->mixup, key, &number), other = log_gamma(a->mixup, key, &number);
  return 1 / (1 + exp(other - one));
}

int64_t peri__mixup_partner(uint64_t key, int64_t n) {
  int64_t at = (int64_t)(peri__draw_unit(key, 2 * PERI__DRAW_MIXUP) * (double)n);
  return at < n ? at : n - 1;
}
