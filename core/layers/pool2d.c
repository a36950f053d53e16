/* pool2d.c - layers that summarise windows of images, and whole images. */
#include "layers/layers.h"
#include "ops/window.h"

#define POOL_SIGNATURE "size/pool_size/kernel: pair = 2, stride/strides: pair?, padding: valid|same = valid"

int peri__pool2d_window(const peri_layer *l, peri_window *g) {
  const peri_value *a = l->arg, *stride = a[1].given ? &a[1] : &a[0];
  peri_tensor image = {.ndim = 4, .shape = {1, l->in.at[0], l->in.at[1], l->in.at[2]}};
  return peri__window(g, l->type->name, &image, a[0].ints.at[0], a[0].ints.at[1], l->in.at[2], stride, a[2].integer, NULL, 1);
}

bool peri__pool2d_tiles(const peri_layer *l) {
  if (l->type != &peri_layer_MaxPool2D || l->arg[2].integer != 0) return false;
  const int64_t *size = l->arg[0].ints.at, *stride = l->arg[1].given ? l->arg[1].ints.at : size;
  return size[0] == stride[0] && size[1] == stride[1] && size[0] <= 255 && size[1] <= 255 && size[0] * size[1] <= 255;
}

static int build(peri_layer *l) {
  PERI_TRY(peri__want_input(l, 3, "images (H, W, C)"));
  peri_window g;
  PERI_TRY(peri__pool2d_window(l, &g));
  l->out = (peri_shape){3, {g.oh, g.ow, g.c}};
  return PERI_OK;
}

static int pool(peri_layer *l, const peri_op *op, peri_tensor **out, peri_tensor *x) {
  peri_value arg[4] = {PERI_T(x), l->arg[0], l->arg[1], l->arg[2]};
  int count = peri_apply(op, 4, arg, out);
  return count < 0 ? count : PERI_OK;
}
static int max_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  return pool(l, &peri_op_max_pool2d, out, x);
}
static int average_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  return pool(l, &peri_op_average_pool2d, out, x);
}

const peri_layer_type peri_layer_MaxPool2D = {
    .name = "MaxPool2D",
    .signature = POOL_SIGNATURE,
    .doc = "The largest value of each window; the stride is the window's size unless given.",
    .example = "{2} on 5, 4, 3",
    .keras = "MaxPooling2D",
    .build = build,
    .forward = max_forward};
const peri_layer_type peri_layer_AveragePool2D = {
    .name = "AveragePool2D",
    .signature = POOL_SIGNATURE,
    .doc = "The mean of each window; padding is not counted.",
    .example = "{3, stride = 2, padding = \"same\"} on 5, 4, 3",
    .keras = "AveragePooling2D",
    .build = build,
    .forward = average_forward};

static int global_build(peri_layer *l) {
  PERI_TRY(peri__want_input(l, 3, "images (H, W, C)"));
  l->out = l->arg[0].boolean ? (peri_shape){3, {1, 1, l->in.at[2]}} : (peri_shape){1, {l->in.at[2]}};
  return PERI_OK;
}
static int global_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  int count = PERI_CALL(out, peri_op_mean, PERI_T(x), PERI_PAIR(1, 2), l->arg[0]);
  return count < 0 ? count : PERI_OK;
}
const peri_layer_type peri_layer_GlobalAveragePool2D = {
    .name = "GlobalAveragePool2D",
    .signature = "keepdims: bool = false",
    .doc = "The mean of each channel over the whole image: (N, H, W, C) -> (N, C).",
    .example = "{} on 4, 3, 2",
    .keras = "GlobalAveragePooling2D",
    .build = global_build,
    .forward = global_forward};
