/* conv_prepared_bf16.c - convolutions in bfloat16 whose weights were made ready before, compiled once for each unit.

   What float32 takes is prepared by its kernels. Else prepared weights are the kernel as it is: to round and
   pack it is a small part of a call, next to the images. */
#include "kernels/bf16_window.h"

static const peri_kernels *table; /* this unit's */

static int pooled(const peri_conv_pool *g) { return g->pool_h * g->pool_w > 1; }

static int takes(const peri_conv_pool *g) {
  return pooled(g) ? bf16_takes_pool(g) : bf16_takes(&g->conv, g->conv.oh, g->conv.ow);
}

static int64_t kernel_size(const peri_window *g) { return g->kh * g->kw * (g->c / g->groups) * g->oc; }

static int64_t conv_prepare_size(const peri_conv_pool *g) {
  return takes(g) ? kernel_size(&g->conv) * (int64_t)sizeof(float) : bf16_float32()->conv_prepare_size(g);
}

static int conv_prepare(const peri_conv_pool *g, const void *kernel, void *prepared) {
  if (!takes(g)) return bf16_float32()->conv_prepare(g, kernel, prepared);
  memcpy(prepared, kernel, (size_t)kernel_size(&g->conv) * sizeof(float));
  return PERI_OK;
}

static int conv_prepared(const peri_conv_pool *g, const void *x, const void *prepared, const void *bias, int relu,
                         void *y) {
  const peri_window *c = &g->conv;
  if (!takes(g)) return bf16_float32()->conv_prepared(g, x, prepared, bias, relu, y);
  if (!pooled(g)) return table->conv(c, x, prepared, bias, relu, y);
  uint8_t *winner = peri_alloc((size_t)(c->n * g->ph * g->pw * c->oc));
  if (!winner) return PERI_ENOMEM;
  int status = table->conv_pool(g, x, prepared, bias, y, winner);
  peri_free(winner);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_prepared_bf16)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_prepared_bf16)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  table = f32;
  f32->conv_prepare_size = conv_prepare_size;
  f32->conv_prepare = conv_prepare;
  f32->conv_prepared = conv_prepared;
}
