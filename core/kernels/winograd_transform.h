/* winograd_transform.h - the transforms of winograd.h, on vectors of channels.

   For tiles of 2 the points are 0, 1, -1 and infinity; for tiles of 4: 0, P, -P, Q, -Q and infinity with
   P = 3/4, Q = 3/2, whose powers are exact and keep the rounding error at that of the plain sum (the usual
   1 and 2 lose five times as much). With p over the finite points, m the tile and n = m + 2:

       A' row i      p^i, and 1 at infinity in the last row            (m x n)
       G  row p      (1, p, p^2) / product of (p - q) over other q     (n x 3); infinity (0, 0, 1)
       B' row p      coefficients of the product of (z - q), q != p    (n x n); infinity: of all q

   Each function below is one dimension; tiles go through it down their columns, then along their rows. */
#ifndef PERI_KERNELS_WINOGRAD_TRANSFORM_H
#define PERI_KERNELS_WINOGRAD_TRANSFORM_H

#include "kernels/tile.h"

#define WINOGRAD_P 0.75F
#define WINOGRAD_Q 1.5F
#define WINOGRAD_P2 (WINOGRAD_P * WINOGRAD_P)
#define WINOGRAD_Q2 (WINOGRAD_Q * WINOGRAD_Q)

/* B' d: m + 2 inputs to as many points. */
PERI_INLINE void winograd_input(const int m, const vf *d, vf *to) {
  const float p = WINOGRAD_P, q = WINOGRAD_Q, p2 = WINOGRAD_P2, q2 = WINOGRAD_Q2;
  if (m == 2) {
    to[0] = d[0] - d[2];
    to[1] = d[1] + d[2];
    to[2] = d[2] - d[1];
    to[3] = d[3] - d[1];
    return;
  }
  vf even = d[4] - q2 * d[2], odd = d[3] - q2 * d[1], even2 = d[4] - p2 * d[2], odd2 = d[3] - p2 * d[1];
  to[0] = p2 * q2 * d[0] + (d[4] - (p2 + q2) * d[2]);
  to[1] = even + p * odd;
  to[2] = even - p * odd;
  to[3] = even2 + q * odd2;
  to[4] = even2 - q * odd2;
  to[5] = p2 * q2 * d[1] + (d[5] - (p2 + q2) * d[3]);
}

/* A' s: m + 2 points to m outputs. */
PERI_INLINE void winograd_output_of(const int m, const vf *s, vf *to) {
  const float p = WINOGRAD_P, q = WINOGRAD_Q, p2 = WINOGRAD_P2, q2 = WINOGRAD_Q2;
  vf sum = s[1] + s[2], difference = s[1] - s[2];
  if (m == 2) {
    to[0] = s[0] + sum;
    to[1] = s[3] + difference;
    return;
  }
  vf sum2 = s[3] + s[4], difference2 = s[3] - s[4];
  to[0] = s[0] + (sum + sum2);
  to[1] = p * difference + q * difference2;
  to[2] = p2 * sum + q2 * sum2;
  to[3] = s[5] + (p * p2 * difference + q * q2 * difference2);
}

/* A y: m gradients of outputs to m + 2 points. */
PERI_INLINE void winograd_gradient(const int m, const vf *y, vf *to) {
  const float p = WINOGRAD_P, q = WINOGRAD_Q, p2 = WINOGRAD_P2, q2 = WINOGRAD_Q2;
  to[0] = y[0];
  to[m + 1] = y[m - 1];
  if (m == 2) {
    to[1] = y[0] + y[1];
    to[2] = y[0] - y[1];
    return;
  }
  vf even = y[0] + p2 * y[2], odd = p * y[1] + p * p2 * y[3];
  vf even2 = y[0] + q2 * y[2], odd2 = q * y[1] + q * q2 * y[3];
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = even2 + odd2;
  to[4] = even2 - odd2;
}

/* G' s: m + 2 points to 3 gradients of weights. */
PERI_INLINE void winograd_weights_gradient(const int m, const vf *s, vf *to) {
  const float p = WINOGRAD_P, q = WINOGRAD_Q, p2 = WINOGRAD_P2, q2 = WINOGRAD_Q2;
  vf sum = s[1] + s[2], difference = s[1] - s[2];
  if (m == 2) {
    to[0] = s[0] + 0.5F * sum;
    to[1] = 0.5F * difference;
    to[2] = s[3] + 0.5F * sum;
    return;
  }
  const float at_p = 1 / (2 * p2 * (p2 - q2)), at_q = 1 / (2 * q2 * (q2 - p2));
  vf sum2 = s[3] + s[4], difference2 = s[3] - s[4];
  to[0] = 1 / (p2 * q2) * s[0] + (at_p * sum + at_q * sum2);
  to[1] = at_p * p * difference + at_q * q * difference2;
  to[2] = s[5] + (at_p * p2 * sum + at_q * q2 * sum2);
}

/* G g: 3 weights to m + 2 points. */
PERI_INLINE void winograd_weights_of(const int m, const vf *g, vf *to) {
  const float p = WINOGRAD_P, q = WINOGRAD_Q, p2 = WINOGRAD_P2, q2 = WINOGRAD_Q2;
  if (m == 2) {
    vf ends = 0.5F * (g[0] + g[2]), middle = 0.5F * g[1];
    to[0] = g[0];
    to[1] = ends + middle;
    to[2] = ends - middle;
    to[3] = g[2];
    return;
  }
  const float at_p = 1 / (2 * p2 * (p2 - q2)), at_q = 1 / (2 * q2 * (q2 - p2));
  vf ends = at_p * g[0] + at_p * p2 * g[2], middle = at_p * p * g[1];
  vf ends2 = at_q * g[0] + at_q * q2 * g[2], middle2 = at_q * q * g[1];
  to[0] = 1 / (p2 * q2) * g[0];
  to[1] = ends + middle;
  to[2] = ends - middle;
  to[3] = ends2 + middle2;
  to[4] = ends2 - middle2;
  to[5] = g[2];
}

#endif
