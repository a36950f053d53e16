/* bf16_emulated.c - what precision "bf16" means, on every processor: operands rounded to bfloat16, then the
   float32 kernels of the set in use. No faster than those; it is for scripts that must run anywhere with
   the same meaning, and the definition that the units (*_bf16.c) are held to. A unit may leave to float32
   what it would not do faster.

     matmul                  a, b               conv, conv_pool         x, kernel
     conv_backward_input     dy, kernel         conv_backward_kernel    x, dy (dbias: the sum of the unrounded)
     conv_prepare            kernel             conv_prepared           x

   Biases and sums are not rounded. Convolutions of one channel a group (a grey picture, depthwise) stay
   float32: their few products are not what takes time. So do the sparse gradients behind a pool. */
#include "kernels/bf16_emulated.h"

#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

static const peri_kernels *base; /* the float32 table of the set in use */

/* To nearest, ties to even; NaN stays NaN, denormals are 0. Without branches, for the compiler's vectors. */
static inline float rounded(float v) {
  uint32_t u, nearest;
  memcpy(&u, &v, sizeof u);
  nearest = u + 0x7fffU + (u >> 16 & 1U);
  nearest = (int32_t)(u & 0x7fffffffU) > 0x7f800000 ? u | 0x400000U : nearest;
  nearest = (u & 0x7f800000U) == 0 ? u & 0x80000000U : nearest;
  nearest &= 0xffff0000U;
  memcpy(&v, &nearest, sizeof v);
  return v;
}

enum { PIECE = 1 << 14 }; /* numbers that are rounded at a time */

typedef struct copy {
  const float *from;
  float *to;
  int64_t rows, cols, row, col; /* of the source, with its strides; the copy is dense */
} copy;

static void copy_piece(void *context, int64_t piece) {
  const copy *c = context;
  int64_t begin = piece * PIECE, all = c->rows * c->cols, end = all - begin < PIECE ? all : begin + PIECE;
  if (c->rows == 1 && c->col == 1)
    for (int64_t i = begin; i < end; i++) c->to[i] = rounded(c->from[i]);
  else
    for (int64_t i = begin; i < end; i++)
      c->to[i] = rounded(c->from[i / c->cols * c->row + i % c->cols * c->col]);
}

/* rows x cols numbers, rounded, in dense rows; NULL: no memory. */
static float *rounded_matrix(const float *from, int64_t rows, int64_t cols, int64_t row, int64_t col) {
  copy c = {from, peri_alloc((size_t)(rows * cols) * sizeof(float)), rows, cols, row, col};
  if (c.to) peri_parallel((rows * cols + PIECE - 1) / PIECE, copy_piece, &c);
  return c.to;
}

static float *rounded_array(const float *from, int64_t n) { return rounded_matrix(from, 1, n, n, 1); }

static int matmul(const peri_matmul *p, const void *a, const void *b, void *c) {
  peri_matmul q = *p;
  q.a_row = p->k, q.a_col = q.b_col = 1, q.b_row = p->n;
  float *x = rounded_matrix(a, p->m, p->k, p->a_row, p->a_col), *y = rounded_matrix(b, p->k, p->n, p->b_row, p->b_col);
  int status = x && y ? base->matmul(&q, x, y, c) : PERI_ENOMEM;
  peri_free(x);
  peri_free(y);
  return status;
}

static int64_t inputs(const peri_window *g) { return g->n * g->h * g->w * g->c; }
static int64_t outputs(const peri_window *g) { return g->n * g->oh * g->ow * g->oc; }
static int64_t weights(const peri_window *g) { return g->kh * g->kw * (g->c / g->groups) * g->oc; }

static int conv(const peri_window *g, const void *x, const void *kernel, const void *bias, int relu, void *y) {
  if (!peri__bf16_pays(g)) return base->conv(g, x, kernel, bias, relu, y);
  float *a = rounded_array(x, inputs(g)), *b = rounded_array(kernel, weights(g));
  int status = a && b ? base->conv(g, a, b, bias, relu, y) : PERI_ENOMEM;
  peri_free(a);
  peri_free(b);
  return status;
}

static int conv_backward_input(const peri_window *g, const void *dy, const void *kernel, void *dx) {
  if (!peri__bf16_pays(g)) return base->conv_backward_input(g, dy, kernel, dx);
  float *a = rounded_array(dy, outputs(g)), *b = rounded_array(kernel, weights(g));
  int status = a && b ? base->conv_backward_input(g, a, b, dx) : PERI_ENOMEM;
  peri_free(a);
  peri_free(b);
  return status;
}

static int conv_backward_kernel(const peri_window *g, const void *x, const void *dy, void *dkernel, void *dbias) {
  if (!peri__bf16_pays(g)) return base->conv_backward_kernel(g, x, dy, dkernel, dbias);
  float *a = rounded_array(x, inputs(g)), *b = rounded_array(dy, outputs(g));
  int status = a && b ? base->conv_backward_kernel(g, a, b, dkernel, NULL) : PERI_ENOMEM;
  if (status >= 0 && dbias) base->reduce(PERI_SUM, 1, g->n * g->oh * g->ow, g->oc, dy, dbias);
  peri_free(a);
  peri_free(b);
  return status;
}

static int conv_pool(const peri_conv_pool *g, const void *x, const void *kernel, const void *bias, void *y,
                     uint8_t *winner) {
  if (!peri__bf16_pays(&g->conv)) return base->conv_pool(g, x, kernel, bias, y, winner);
  float *a = rounded_array(x, inputs(&g->conv)), *b = rounded_array(kernel, weights(&g->conv));
  int status = a && b ? base->conv_pool(g, a, b, bias, y, winner) : PERI_ENOMEM;
  peri_free(a);
  peri_free(b);
  return status;
}

static int conv_prepare(const peri_conv_pool *g, const void *kernel, void *prepared) {
  if (!peri__bf16_pays(&g->conv)) return base->conv_prepare(g, kernel, prepared);
  float *b = rounded_array(kernel, weights(&g->conv));
  int status = b ? base->conv_prepare(g, b, prepared) : PERI_ENOMEM;
  peri_free(b);
  return status;
}

static int conv_prepared(const peri_conv_pool *g, const void *x, const void *prepared, const void *bias, int relu,
                         void *y) {
  if (!peri__bf16_pays(&g->conv)) return base->conv_prepared(g, x, prepared, bias, relu, y);
  float *a = rounded_array(x, inputs(&g->conv));
  int status = a ? base->conv_prepared(g, a, prepared, bias, relu, y) : PERI_ENOMEM;
  peri_free(a);
  return status;
}

void peri__bf16_emulate(const peri_kernels *of, peri_kernels *table) {
  base = of;
  table->matmul = matmul;
  table->conv = conv;
  table->conv_backward_input = conv_backward_input;
  table->conv_backward_kernel = conv_backward_kernel;
  table->conv_pool = conv_pool;
  table->conv_prepare = conv_prepare;
  table->conv_prepared = conv_prepared;
}
