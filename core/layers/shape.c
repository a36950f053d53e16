/* shape.c - layers that only rearrange: Flatten, Reshape, ZeroPadding2D. */
#include <string.h>

#include "layers/layers.h"
#include "ops/ops.h"

static int done(int count) { return count < 0 ? count : PERI_OK; }

static int64_t count_of(const peri_shape *s) {
  int64_t count = 1;
  for (int i = 0; i < s->ndim; i++) count *= s->at[i];
  return count;
}

/* x (N, ...) as (N, l->out). */
static int reshape_batch(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  peri_value shape = {.given = true, .ints = {l->out.ndim + 1, {x->shape[0]}}};
  if (l->out.ndim + 1 > PERI_MAX_INTS) return peri_fail(PERI_ESHAPE, "%s: too many dimensions", l->type->name);
  memcpy(shape.ints.at + 1, l->out.at, sizeof(int64_t) * (size_t)l->out.ndim);
  return done(PERI_CALL(out, peri_op_reshape, PERI_T(x), shape));
}

static int flatten_build(peri_layer *l) {
  l->out = (peri_shape){1, {count_of(&l->in)}};
  return PERI_OK;
}
const peri_layer_type peri_layer_Flatten = {.name = "Flatten",
                                            .signature = "",
                                            .doc = "All axes but the batch's joined into one, the last varying fastest.",
                                            .example = "{} on 3, 2, 4",
                                            .keras = "Flatten",
                                            .build = flatten_build,
                                            .forward = reshape_batch};

static int reshape_build(peri_layer *l) {
  const peri_value *a = l->arg;
  int64_t known = 1, total = count_of(&l->in);
  int unknown = -1;
  l->out.ndim = a[0].ints.count;
  for (int i = 0; i < l->out.ndim; i++) {
    l->out.at[i] = a[0].ints.at[i];
    if (l->out.at[i] == -1 && unknown < 0) unknown = i;
    else known *= l->out.at[i];
  }
  if (unknown >= 0 && known > 0 && total % known == 0) {
    l->out.at[unknown] = total / known;
    known = total;
  }
  if (known == total && known >= 0) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "Reshape: inputs of shape %s do not fit into %s", peri_shape_text(l->in.ndim, l->in.at),
                   peri_shape_text(a[0].ints.count, a[0].ints.at));
}
const peri_layer_type peri_layer_Reshape = {.name = "Reshape",
                                            .signature = "shape/target_shape: shape",
                                            .doc = "The axes after the batch's in another shape; one size may be -1.",
                                            .example = "{{4, -1}} on 3, 8",
                                            .keras = "Reshape",
                                            .build = reshape_build,
                                            .forward = reshape_batch};

/* One number pads all sides, two pad rows and columns, four are top, bottom, left, right. */
int peri__padding_of(const peri_layer *l, int64_t side[4]) {
  const peri_value *p = &l->arg[0];
  if (p->ints.count != 1 && p->ints.count != 2 && p->ints.count != 4) {
    return peri_fail(PERI_EARG, "ZeroPadding2D: padding is one number, {rows, columns} or {top, bottom, left, right}, not %d numbers", p->ints.count);
  }
  for (int i = 0; i < 4; i++) side[i] = p->ints.at[p->ints.count == 4 ? i : p->ints.count == 2 ? i / 2 : 0];
  for (int i = 0; i < 4; i++) {
    if (side[i] < 0) return peri_fail(PERI_EARG, "ZeroPadding2D: padding must not be negative, got %lld", (long long)side[i]);
  }
  return PERI_OK;
}
static int padding_build(peri_layer *l) {
  int64_t side[4];
  PERI_TRY(peri__want_input(l, 3, "images (H, W, C)"));
  PERI_TRY(peri__padding_of(l, side));
  l->out = (peri_shape){3, {l->in.at[0] + side[0] + side[1], l->in.at[1] + side[2] + side[3], l->in.at[2]}};
  return PERI_OK;
}
static int padding_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  int64_t side[4];
  PERI_TRY(peri__padding_of(l, side));
  return done(PERI_CALL(out, peri_op_zero_pad2d, PERI_T(x), PERI_I(side[0]), PERI_I(side[1]), PERI_I(side[2]), PERI_I(side[3])));
}
const peri_layer_type peri_layer_ZeroPadding2D = {
    .name = "ZeroPadding2D",
    .signature = "padding: ints",
    .doc = "Zeros around images: one number for all sides, {rows, columns}, or {top, bottom, left, right}.",
    .example = "{{1, 2}} on 3, 4, 2",
    .keras = "ZeroPadding2D",
    .build = padding_build,
    .forward = padding_forward};
