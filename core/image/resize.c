/* resize.c - separable resampling: rows are narrowed or widened first, then columns.

   Target pixel i looks at [a, b) of the source; for each axis the source pixels and weights of every
   target pixel are worked out once. Weights add up to 1, and beyond its edges the picture goes on with
   its border's pixels. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/internal.h"

int peri_filter_parse(peri_filter *out, const char *name) {
  static const char *const names[] = {"auto", "nearest", "area", "bilinear"};
  for (int i = 0; i < 4; i++) {
    if (strcmp(name, names[i]) == 0) {
      *out = (peri_filter)i;
      return PERI_OK;
    }
  }
  return peri_fail(PERI_EARG, "image.resize: filter is '%.50s', expected auto, nearest, area or bilinear", name);
}

/* For each of n target pixels: `taps` weights, for source pixels first, first + 1, ... */
typedef struct axis {
  int64_t n, taps;
  int64_t *first;
  float *weight;
} axis;

/* The weight of source pixel j, which covers [j, j + 1), for a target pixel that covers [a, b). */
static double weight_of(peri_filter filter, int64_t j, double a, double b) {
  double middle = (a + b) / 2, width = b - a;
  if (filter == PERI_FILTER_NEAREST) return j == (int64_t)floor(middle) ? 1 : 0;
  if (filter == PERI_FILTER_AREA) {
    double from = a > (double)j ? a : (double)j, to = b < (double)j + 1 ? b : (double)j + 1;
    return to > from ? to - from : 0;
  }
  double reach = width > 1 ? width : 1, distance = fabs((double)j + 0.5 - middle) / reach;
  return distance < 1 ? 1 - distance : 0;
}

/* Weights of pixels outside 0..size-1 go to the border's pixel. */
static void fill_pixel(axis *x, int64_t i, int64_t size, double a, double b, peri_filter filter) {
  double reach = filter == PERI_FILTER_BILINEAR ? (b - a > 1 ? b - a : 1) : (b - a) / 2 + 0.5, middle = (a + b) / 2;
  int64_t low = (int64_t)floor(middle - reach), high = (int64_t)floor(middle + reach);
  int64_t first = low < 0 ? 0 : low > size - 1 ? size - 1 : low;
  float *weight = x->weight + i * x->taps;
  double sum = 0;
  for (int64_t j = low; j <= high; j++) {
    int64_t at = j < 0 ? 0 : j > size - 1 ? size - 1 : j;
    double w = weight_of(filter, j, a, b);
    weight[at - first] += (float)w;
    sum += w;
  }
  for (int64_t k = 0; k < x->taps; k++) weight[k] = (float)(weight[k] / sum);
  x->first[i] = first;
}

static void axis_free(axis *x) {
  peri_free(x->first);
  peri_free(x->weight);
}

static int axis_make(axis *x, int64_t n, int64_t size, double from, double to, peri_filter filter) {
  double step = (to - from) / (double)n;
  if (filter == PERI_FILTER_AUTO) filter = step > 1 ? PERI_FILTER_AREA : PERI_FILTER_BILINEAR;
  if (filter == PERI_FILTER_AREA && step < 1) filter = PERI_FILTER_NEAREST; /* the pixel under it */
  int64_t taps = (int64_t)ceil(2 * (step > 1 ? step : 1)) + 2;
  *x = (axis){.n = n, .taps = taps < size ? taps : size};
  x->first = peri_alloc((size_t)n * sizeof *x->first);
  x->weight = peri_alloc_zeroed((size_t)(n * x->taps) * sizeof *x->weight);
  if (!x->first || !x->weight) return PERI_ENOMEM;
  for (int64_t i = 0; i < n; i++) fill_pixel(x, i, size, from + (double)i * step, from + (double)(i + 1) * step, filter);
  return PERI_OK;
}

/* to[outer, n, inner] from v[outer, size, inner]. */
static void apply(const axis *x, int64_t outer, int64_t size, int64_t inner, const float *v, float *to) {
  for (int64_t o = 0; o < outer; o++) {
    for (int64_t i = 0; i < x->n; i++) {
      const float *weight = x->weight + i * x->taps, *from = v + (o * size + x->first[i]) * inner;
      int64_t taps = x->taps < size - x->first[i] ? x->taps : size - x->first[i];
      float *y = to + (o * x->n + i) * inner;
      memset(y, 0, (size_t)inner * sizeof *y);
      for (int64_t k = 0; k < taps; k++) {
        for (int64_t c = 0; c < inner; c++) y[c] += weight[k] * from[k * inner + c];
      }
    }
  }
}

int peri__image_resample(peri_tensor **out, const peri_tensor *image, const peri_image_box *box, int64_t height,
                         int64_t width, peri_filter filter) {
  int64_t rows = image->shape[0], columns = image->shape[1], channels = image->shape[2];
  axis across = {0}, down = {0};
  peri_tensor *narrow = NULL;
  int status;
  *out = NULL;
  PERI_TRY_GOTO(done, axis_make(&across, width, columns, box->left, box->right, filter));
  PERI_TRY_GOTO(done, axis_make(&down, height, rows, box->top, box->bottom, filter));
  PERI_TRY_GOTO(done, peri_tensor_new(&narrow, PERI_F32, 3, (const int64_t[]){rows, width, channels}));
  PERI_TRY_GOTO(done, peri_tensor_new(out, PERI_F32, 3, (const int64_t[]){height, width, channels}));
  apply(&across, rows, columns, channels, peri_tensor_data(image), peri_tensor_data(narrow));
  apply(&down, 1, rows, width * channels, peri_tensor_data(narrow), peri_tensor_data(*out));
done:
  axis_free(&across);
  axis_free(&down);
  peri_tensor_release(narrow);
  return status;
}

int peri_image_resize(peri_tensor **out, const peri_tensor *image, int64_t height, int64_t width, peri_filter filter) {
  peri_tensor *dense;
  *out = NULL;
  if (height < 1 || width < 1 || height > PERI_IMAGE_SIDE_MOST || width > PERI_IMAGE_SIDE_MOST ||
      height * width > PERI_IMAGE_PIXELS_MOST) {
    return peri_fail(PERI_EARG, "image.resize: the size is %" PRId64 " x %" PRId64 ", expected 1 x 1 to %d pixels in all", height,
                     width, PERI_IMAGE_PIXELS_MOST);
  }
  PERI_TRY(peri__image_argument(&dense, "image.resize", image));
  const peri_image_box all = {0, 0, (double)dense->shape[0], (double)dense->shape[1]};
  int status = peri__image_resample(out, dense, &all, height, width, filter);
  peri_tensor_release(dense);
  return status;
}
