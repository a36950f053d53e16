#include "kernels/conv_plane.h"
int conv_plane_pool(const peri_conv_pool *g, const float *x, const float *kernel, const float *bias, float *y,
                    uint8_t *winner) {
  (void)g, (void)x, (void)kernel, (void)bias, (void)y, (void)winner;
  return 1;
}
