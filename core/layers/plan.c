/* plan.c - see plan.h. */
#include "layers/plan.h"

#include "layers/conv2d.h"

static int conv_work(const peri_layer *l, const peri_layer *pool, int64_t n, peri_work *work) {
  peri_conv_pool g = {.pool_h = 1, .pool_w = 1};
  PERI_TRY(peri__conv2d_window(l, &g.conv));
  g.conv.n = n;
  if (pool) g.pool_h = pool->arg[0].ints.at[0], g.pool_w = pool->arg[0].ints.at[1];
  g.ph = g.conv.oh / g.pool_h;
  g.pw = g.conv.ow / g.pool_w;
  double each = (double)g.conv.kh * (double)g.conv.kw * (double)(g.conv.c / g.conv.groups) * (double)g.conv.oc;
  double (*operations)(const peri_conv_pool *, peri_pass) = peri_kernels_of(l->dtype)->conv_operations;
  work->written = each * (double)(n * g.conv.oh * g.conv.ow);
  work->forward = operations(&g, PERI_PASS_FORWARD) / 2;
  work->input = operations(&g, PERI_PASS_INPUT) / 2;
  work->kernel = operations(&g, PERI_PASS_KERNEL) / 2;
  return PERI_OK;
}

int peri_layer_work(const peri_layer *l, const peri_layer *pool, int64_t n, peri_work *work) {
  *work = (peri_work){0};
  if (!l->built) return peri_fail(PERI_ESTATE, "plan: the layer is not built");
  if (l->type == &peri_layer_Conv2D || l->type == &peri_layer_DepthwiseConv2D) return conv_work(l, pool, n, work);
  if (l->type != &peri_layer_Dense) return PERI_OK;
  double rows = (double)n;
  for (int i = 0; i + 1 < l->in.ndim; i++) rows *= (double)l->in.at[i];
  double all = rows * (double)l->in.at[l->in.ndim - 1] * (double)l->out.at[l->out.ndim - 1];
  *work = (peri_work){all, all, all, all};
  return PERI_OK;
}
