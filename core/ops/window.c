/* window.c - output sizes and padding of windows that slide over images. */
#include "ops/window.h"

/* One axis: the number of places a window fits, and the padding before the first. */
static int one_axis(const char *op, const char *axis, int64_t size, int64_t window, int64_t stride, int64_t dilation,
                    int64_t padding, int64_t *places, int64_t *before) {
  int64_t reach;
  if (window < 1 || stride < 1 || dilation < 1) {
    return peri_fail(PERI_EARG, "%s: window, stride and dilation must be at least 1, got %lld, %lld and %lld", op,
                     (long long)window, (long long)stride, (long long)dilation);
  }
  if (__builtin_mul_overflow(dilation, window - 1, &reach) || reach > INT32_MAX || stride > INT32_MAX) {
    return peri_fail(PERI_EARG, "%s: a window of %lld with dilation %lld and stride %lld is too large", op,
                     (long long)window, (long long)dilation, (long long)stride);
  }
  reach++;
  *before = 0;
  if (padding == PERI_SAME) {
    *places = (size + stride - 1) / stride;
    int64_t total = (*places - 1) * stride + reach - size;
    if (total > 0) *before = total / 2;
    return PERI_OK;
  }
  if (size < reach) {
    return peri_fail(PERI_ESHAPE, "%s: a window of %s %lld does not fit into images of %s %lld; use padding = \"same\" "
                                  "or a smaller window", op, axis, (long long)reach, axis, (long long)size);
  }
  *places = (size - reach) / stride + 1;
  return PERI_OK;
}

int peri__window(peri_window *g, const char *op, const peri_tensor *x, int64_t kh, int64_t kw, int64_t oc,
                 const peri_value *stride, int64_t padding, const peri_value *dilation, int64_t groups) {
  if (x->ndim != 4) {
    return peri_fail(PERI_ESHAPE, "%s: images are N, H, W, C (four dimensions), got shape %s", op,
                     peri_shape_text(x->ndim, x->shape));
  }
  *g = (peri_window){.n = x->shape[0], .h = x->shape[1], .w = x->shape[2], .c = x->shape[3], .oc = oc, .kh = kh,
                     .kw = kw, .stride_h = stride->ints.at[0], .stride_w = stride->ints.at[1],
                     .dil_h = dilation ? dilation->ints.at[0] : 1, .dil_w = dilation ? dilation->ints.at[1] : 1,
                     .groups = groups};
  PERI_TRY(one_axis(op, "height", g->h, kh, g->stride_h, g->dil_h, padding, &g->oh, &g->pad_top));
  return one_axis(op, "width", g->w, kw, g->stride_w, g->dil_w, padding, &g->ow, &g->pad_left);
}

int peri__conv_window(peri_window *g, const char *op, const peri_tensor *x, const peri_tensor *kernel,
                      const peri_tensor *bias, const peri_value *stride, int64_t padding, const peri_value *dilation,
                      int64_t groups) {
  PERI_TRY(peri__want_floating(op, "x", x));
  PERI_TRY(peri__want_same_type(op, x, kernel));
  PERI_TRY(peri__want_ndim(op, "kernel", kernel, 4));
  PERI_TRY(peri__window(g, op, x, kernel->shape[0], kernel->shape[1], kernel->shape[3], stride, padding, dilation, groups));
  if (groups < 1 || g->c % groups || g->oc % groups) {
    return peri_fail(PERI_EARG, "%s: groups = %lld must divide both the %lld input and the %lld output channels", op,
                     (long long)groups, (long long)g->c, (long long)g->oc);
  }
  if (kernel->shape[2] != g->c / groups) {
    return peri_fail(PERI_ESHAPE, "%s: the kernel %s is for %lld input channels a group, the images %s have %lld", op,
                     peri_shape_text(4, kernel->shape), (long long)kernel->shape[2], peri_shape_text(4, x->shape),
                     (long long)(g->c / groups));
  }
  if (!bias) return PERI_OK;
  PERI_TRY(peri__want_same_type(op, x, bias));
  if (bias->ndim == 1 && bias->shape[0] == g->oc) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: the bias must have shape (%lld,), got %s", op, (long long)g->oc,
                   peri_shape_text(bias->ndim, bias->shape));
}

int peri__relu_gradient(peri_tensor **out, peri_tensor *dy, const peri_tensor *y) {
  peri_tensor *dense;
  PERI_TRY(peri__gradient_room(out, dy));
  int status = peri_tensor_contiguous_of(&dense, dy);
  if (status >= 0) {
    peri_kernels_of(y->dtype)->unary_backward(PERI_UNARY_relu, peri_tensor_count(y), peri_tensor_data(y), peri_tensor_data(y),
                                              peri_tensor_data(dense), peri_tensor_data(*out), 0);
  }
  if (status >= 0) peri_tensor_release(dense);
  else peri_tensor_release(*out);
  return status;
}
