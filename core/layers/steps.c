/* steps.c - the runners of a compiled net's steps: one kernel each, on a piece of a few images. Inside a
   piece of the thread pool kernels run in place; outside they share themselves out. */
#include <string.h>

#include "layers/compile_steps.h"

/* With pooling or without; the kernel is in the form that it was prepared in. */
int peri__run_conv(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  peri_conv_pool g = s->g;
  g.conv.n = n;
  return s->kernels->conv_prepared(&g, in[0], s->kernel, s->bias, s->relu, out);
}

/* rows x inner by inner x cols, for each image */
int peri__run_dense(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  peri_matmul p = {.m = n * s->rows, .n = s->cols, .k = s->inner, .a_row = s->inner, .a_col = 1, .b_row = s->cols, .b_col = 1,
                   .c_row = s->cols, .bias = s->bias, .relu = s->relu};
  return s->kernels->matmul(&p, in[0], s->kernel, out);
}

int peri__run_unary(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  s->kernels->unary((peri_unary)s->function, n * s->rows * s->cols, in[0], out, s->p);
  return PERI_OK;
}

int peri__run_softmax(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  s->kernels->softmax(n * s->rows, s->cols, in[0], out);
  return PERI_OK;
}

/* y = x kernel + bias, channel by channel: a batch-norm that nothing took up. Its mean is 0, its scale gamma. */
int peri__run_affine(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  const float *scale = s->kernel, *shift = s->bias;
  for (int64_t r = 0; r < n * s->rows; r++) {
    const float *x = in[0] + r * s->cols;
    float *y = out + r * s->cols;
    for (int64_t j = 0; j < s->cols; j++) y[j] = x[j] * scale[j] + shift[j];
  }
  return PERI_OK;
}

int peri__run_layer_norm(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  int64_t rows = n * s->rows;
  s->kernels->row_normalise(rows, s->cols, in[0], s->kernel, s->bias, s->epsilon, out, scratch, scratch + rows);
  return PERI_OK;
}

int peri__run_max_pool(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  peri_window g = s->g.conv;
  g.n = n;
  s->kernels->max_pool(&g, in[0], out, (int32_t *)(void *)scratch);
  return PERI_OK;
}

int peri__run_average_pool(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  peri_window g = s->g.conv;
  g.n = n;
  s->kernels->average_pool(&g, in[0], out);
  return PERI_OK;
}

/* The mean of each of cols channels over rows places. */
int peri__run_global_pool(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  const float share = 1.0F / (float)s->rows;
  s->kernels->reduce(PERI_SUM, n, s->rows, s->cols, in[0], out);
  s->kernels->binary(PERI_BINARY_mul, n * s->cols, out, 1, &share, 0, out);
  return PERI_OK;
}

/* Zeros around images: conv.h, w, c are the input's, oh, ow the output's. */
int peri__run_pad(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  const peri_window *g = &s->g.conv;
  memset(out, 0, (size_t)(n * g->oh * g->ow * g->c) * sizeof(float));
  for (int64_t i = 0; i < n * g->h; i++) {
    int64_t image = i / g->h, y = i % g->h;
    float *to = out + ((image * g->oh + y + g->pad_top) * g->ow + g->pad_left) * g->c;
    memcpy(to, in[0] + i * g->w * g->c, (size_t)(g->w * g->c) * sizeof(float));
  }
  return PERI_OK;
}

int peri__run_add(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  int64_t count = n * s->rows * s->cols;
  s->kernels->binary(PERI_BINARY_add, count, in[0], 1, in[1], 1, out);
  if (s->relu) s->kernels->unary(PERI_UNARY_relu, count, out, out, 0);
  return PERI_OK;
}

/* Rows of cols numbers into rows of width, from offset on. */
int peri__run_place(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  for (int64_t r = 0; r < n * s->rows; r++) {
    memcpy(out + r * s->width + s->offset, in[0] + r * s->cols, (size_t)s->cols * sizeof(float));
  }
  return PERI_OK;
}

int peri__run_copy(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  memcpy(out, in[0], (size_t)(n * s->rows * s->cols) * sizeof(float));
  return PERI_OK;
}
