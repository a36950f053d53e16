/* rows.c - one row of a stored set, made ready for a batch: gathered and scaled, or augmented; its label copied, made
   one-hot, or mixed (loader.h). */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/loader.h"

static int check_positions(const char *name, const peri_tensor *list, int64_t rows) {
  if (list->dtype != PERI_I64 || list->ndim != 1) {
    return peri_fail(PERI_ETYPE, "batches: %s is %s, expected int64 of one axis", name, peri_tensor_text(list));
  }
  const int64_t *at = peri_tensor_data(list);
  for (int64_t i = 0; i < list->shape[0]; i++) {
    if (at[i] < 1 || at[i] > rows) {
      return peri_fail(PERI_EARG, "batches: %s[%" PRId64 "] is %" PRId64 ", and there are %" PRId64 " rows", name,
                       i + 1, at[i], rows);
    }
  }
  return PERI_OK;
}

/* Labels of the rows in a list (NULL: of all) name one of `classes`. */
static int check_labels(const peri_tensor *y, const peri_tensor *list, int64_t classes) {
  const int64_t *label = peri_tensor_data(y), *at = list ? peri_tensor_data(list) : NULL;
  int64_t n = list ? list->shape[0] : y->shape[0];
  for (int64_t i = 0; i < n; i++) {
    int64_t row = at ? at[i] - 1 : i;
    if (label[row] < 0 || label[row] >= classes) {
      return peri_fail(PERI_EARG, "onehot: label %" PRId64 " at row %" PRId64 ", expected 0 to %" PRId64, label[row],
                       row + 1, classes - 1);
    }
  }
  return PERI_OK;
}

static int prepare_labels(peri__rows *r, const peri_recipe *recipe) {
  const peri_tensor *y = r->y;
  bool mixes = r->augmenter && r->augmenter->options.mixup > 0;
  if (!y) return mixes ? peri_fail(PERI_EARG, "augment: mixup mixes labels too, and there are none") : PERI_OK;
  if (y->ndim < 1 || y->shape[0] != r->x->shape[0]) {
    return peri_fail(PERI_ESHAPE, "batches: x is %s and y is %s, expected one label or target a row",
                     peri_tensor_text(r->x), peri_tensor_text(y));
  }
  r->y_type = y->dtype;
  r->y_row = y->shape[0] ? peri_tensor_count(y) / y->shape[0] : 1;
  if (recipe->classes > 0) {
    if (y->dtype != PERI_I64 || y->ndim != 1) {
      return peri_fail(PERI_ETYPE, "onehot: labels are %s, expected int64 of one axis", peri_tensor_text(y));
    }
    PERI_TRY(check_labels(y, r->order, recipe->classes));
    if (mixes) PERI_TRY(check_labels(y, r->members, recipe->classes));
    r->classes = r->y_row = recipe->classes;
    r->y_type = PERI_F32;
  }
  if (mixes && !peri_dtype_floating(r->y_type)) {
    return peri_fail(PERI_ETYPE, "augment: mixup mixes labels, and cannot mix %s: make them one-hot rows",
                     peri_tensor_text(y));
  }
  return PERI_OK;
}

static int prepare(peri__rows *r, const peri_recipe *recipe) {
  const peri_augment_values *v = &recipe->values;
  PERI_TRY(peri_tensor_contiguous_of(&r->x, recipe->x));
  if (recipe->y) PERI_TRY(peri_tensor_contiguous_of(&r->y, recipe->y));
  if (recipe->order) PERI_TRY(peri_tensor_contiguous_of(&r->order, recipe->order));
  if (recipe->members) PERI_TRY(peri_tensor_contiguous_of(&r->members, recipe->members));
  if (r->x->ndim < 1) return peri_fail(PERI_ESHAPE, "batches: x is a scalar, expected rows");
  int64_t stored = r->x->shape[0];
  if (r->order) PERI_TRY(check_positions("order", r->order, stored));
  if (r->members) PERI_TRY(check_positions("members", r->members, stored));
  r->count = r->order ? r->order->shape[0] : stored;
  r->x_row = stored ? peri_tensor_count(r->x) / stored : 0;
  r->x_type = recipe->keep && !recipe->augment ? r->x->dtype : PERI_F32;
  r->keep = recipe->keep;
  r->seed = recipe->seed, r->epoch = recipe->epoch, r->channels = v->channels;
  if (v->channels < 1 || v->channels > PERI_AUGMENT_CHANNELS ||
      (v->channels > 1 && (r->x->ndim < 2 || r->x->shape[r->x->ndim - 1] != v->channels))) {
    return peri_fail(PERI_ESHAPE, "batches: %" PRId64 " channels to scale, but x is %s (channels are its last axis)",
                     v->channels, peri_tensor_text(r->x));
  }
  for (int64_t c = 0; c < v->channels; c++) {
    r->scale[c] = (float)v->scale[c];
    r->shift[c] = (float)v->shift[c];
  }
  if (recipe->augment) {
    PERI_TRY(peri__augmenter_new(&r->augmenter, recipe->augment, v, r->x));
    r->scratch = peri__augmenter_scratch(r->augmenter) + r->x_row; /* mixup's partner behind it */
  }
  return prepare_labels(r, recipe);
}

int peri__rows_open(peri__rows *r, const peri_recipe *recipe) {
  *r = (peri__rows){.count = 0};
  int status = prepare(r, recipe);
  if (status < 0) peri__rows_close(r);
  return status;
}

void peri__rows_close(peri__rows *r) {
  peri_tensor_release(r->x);
  peri_tensor_release(r->y);
  peri_tensor_release(r->order);
  peri_tensor_release(r->members);
  peri__augmenter_free(r->augmenter);
  *r = (peri__rows){.count = 0};
}

int peri__rows_room(const peri__rows *r, int64_t count, peri_tensor **x, peri_tensor **y) {
  int64_t shape[PERI_MAX_DIMS];
  *x = *y = NULL;
  memcpy(shape, r->x->shape, sizeof shape);
  shape[0] = count;
  PERI_TRY(peri_tensor_new(x, r->x_type, r->x->ndim, shape));
  if (!r->y) return PERI_OK;
  memcpy(shape, r->y->shape, sizeof shape);
  shape[0] = count;
  if (r->classes) shape[1] = r->classes;
  int status = peri_tensor_new(y, r->y_type, r->classes ? 2 : r->y->ndim, shape);
  if (status < 0) {
    peri_tensor_release(*x);
    *x = NULL;
  }
  return status;
}

static const char *stored_row(const peri_tensor *t, int64_t position) {
  size_t wide = (size_t)(peri_tensor_count(t) / t->shape[0]) * peri_dtype_size(t->dtype);
  return (const char *)peri_tensor_data(t) + (size_t)position * wide;
}

/* to = a to + (1 - a) other */
static void blend_f32(float *restrict to, const float *restrict other, int64_t n, float a) {
  for (int64_t i = 0; i < n; i++) to[i] = (to[i] - other[i]) * a + other[i];
}

/* The label of the row at `position`, as a batch has it. */
static void put_label(const peri__rows *r, int64_t position, void *to) {
  const char *from = stored_row(r->y, position);
  if (!r->classes) {
    memcpy(to, from, (size_t)r->y_row * peri_dtype_size(r->y_type));
  } else {
    memset(to, 0, (size_t)r->classes * sizeof(float));
    ((float *)to)[*(const int64_t *)(const void *)from] = 1;
  }
}

/* The label at `to` is weighted with that of the row at `position`. */
static void mix_label(const peri__rows *r, int64_t position, void *to, double a) {
  if (r->classes) {
    float *row = to;
    for (int64_t i = 0; i < r->classes; i++) row[i] *= (float)a;
    row[*(const int64_t *)(const void *)stored_row(r->y, position)] += (float)(1 - a);
  } else if (r->y_type == PERI_F32) {
    blend_f32(to, (const float *)(const void *)stored_row(r->y, position), r->y_row, (float)a);
  } else {
    const double *other = (const double *)(const void *)stored_row(r->y, position);
    double *row = to;
    for (int64_t i = 0; i < r->y_row; i++) row[i] = (row[i] - other[i]) * a + other[i];
  }
}

/* Mixes another picture, itself augmented, into the one at x, and the labels likewise. */
static void mix(const peri__rows *r, uint64_t key, float *x, void *label, float *scratch) {
  double a = peri__mixup_weight(&r->augmenter->options, key);
  if (a >= 1) return;
  int64_t partner = peri__mixup_partner(key, r->members ? r->members->shape[0] : r->x->shape[0]);
  if (r->members) partner = ((const int64_t *)peri_tensor_data(r->members))[partner] - 1;
  float *other = scratch + r->scratch - r->x_row;
  uint64_t other_key = peri_augment_key(r->seed, r->epoch, partner);
  peri__augment_picture(r->augmenter, other_key, stored_row(r->x, partner), other, scratch);
  blend_f32(x, other, r->x_row, (float)a);
  mix_label(r, partner, label, a);
}

void peri__rows_put(const peri__rows *r, int64_t i, void *x, void *y, int64_t at, float *scratch) {
  int64_t position = r->order ? ((const int64_t *)peri_tensor_data(r->order))[i] - 1 : i;
  char *to = (char *)x + (size_t)(at * r->x_row) * peri_dtype_size(r->x_type);
  char *label = r->y ? (char *)y + (size_t)(at * r->y_row) * peri_dtype_size(r->y_type) : NULL;
  if (label) put_label(r, position, label);
  if (r->x_row == 0) return;
  const char *from = stored_row(r->x, position);
  if (r->augmenter) {
    uint64_t key = peri_augment_key(r->seed, r->epoch, position);
    peri__augment_picture(r->augmenter, key, from, (float *)(void *)to, scratch);
    if (r->augmenter->options.mixup > 0) mix(r, key, (float *)(void *)to, label, scratch);
  } else if (r->keep) {
    memcpy(to, from, (size_t)r->x_row * peri_dtype_size(r->x_type));
  } else {
    peri__convert(r->x->dtype, from, r->x_row, r->channels, r->scale, r->shift, (float *)(void *)to);
  }
}
