/* elementwise.c - elementwise functions of float32, dense or against one repeated number.

   A row of UNARY_ROWS or BINARY_ROWS is a formula on vectors; what has no row, and strides other than
   0 and 1, run the reference's entry. Work is cut into pieces of PIECE elements; each loop reads a
   vector before it writes it, so that working in place is allowed. */
#include "base/threads.h"
#include "kernels/reference.h"
#include "kernels/vector_math.h"

void PERI_ISA_NAME(peri__fill_elementwise)(peri_kernels *f32, peri_kernels *f64);

enum { PIECE = 1 << 15 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t pieces_of(int64_t n) { return (n + PIECE - 1) / PIECE; }

/* ---------------------------------------------------------------- y = f(x), dx = f'(x) dy */

/* X(name, value, derivative) in the vectors x, y, dy and p; erf and gelu share parts of both. */
#define UNARY_ROWS(X)                                                                                                  \
  X(neg, -x, -dy)                                                                                                      \
  X(abs, vf_abs(x), vf_select(vm_lt(x, VF(0)), -dy, vf_select(vm_gt(x, VF(0)), dy, 0 * dy)))                           \
  X(square, x * x, 2 * x * dy)                                                                                         \
  X(sqrt, vf_sqrt(x), 0.5F * dy / y)                                                                                   \
  X(rsqrt, 1 / vf_sqrt(x), -0.5F * dy * y / x)                                                                         \
  X(reciprocal, 1 / x, -dy * y * y)                                                                                    \
  X(exp, vf_exp(x), dy * y)                                                                                            \
  X(expm1, vf_expm1(x), dy * (y + 1))                                                                                  \
  X(log, vf_log(x), dy / x)                                                                                            \
  X(log1p, vf_log1p(x), dy / (1 + x))                                                                                  \
  X(tanh, vf_tanh(x), dy * (1 - y * y))                                                                                \
  X(erf, vf_erf(x), dy * (1.12837917F * vf_exp(-x * x)))                                                               \
  X(relu, vf_select(vm_le(x, VF(0)), VF(0), x), vf_select(vm_le(x, VF(0)), VF(0), dy))                                 \
  X(leaky_relu, vf_select(vm_gt(x, VF(0)), x, p * x), vf_select(vm_gt(x, VF(0)), dy, p * dy))                          \
  X(elu, vf_select(vm_gt(x, VF(0)), x, p * vf_expm1(vf_min(VF(0), x))),                                                \
    vf_select(vm_gt(x, VF(0)), dy, dy * (y + p)))                                                                      \
  X(gelu, gelu(x), dy * gelu_slope(x))                                                                                 \
  X(silu, x / (1 + vf_exp(-x)), dy * silu_slope(x))                                                                    \
  X(sigmoid, vf_sigmoid(x), dy * y * (1 - y))                                                                          \
  X(softplus, vf_softplus(x), dy * vf_sigmoid(x))                                                                      \
  X(clamp_min, vf_select(vm_lt(x, p), p, x), vf_select(vm_lt(x, p), 0 * dy, dy))                                       \
  X(clamp_max, vf_select(vm_gt(x, p), p, x), vf_select(vm_gt(x, p), 0 * dy, dy))

static inline vf gelu(vf x) {
  vf bell;
  return x * vf_normal(x, &bell);
}

static inline vf gelu_slope(vf x) { /* Phi(x) + x phi(x) */
  vf bell, distribution = vf_normal(x, &bell);
  return distribution + x * (0.398942280F * bell);
}

static inline vf silu_slope(vf x) { /* s (1 + x (1 - s)); 1 - s as the sigmoid of -x */
  vf s = vf_sigmoid(x);
  return s * (1 + x * vf_sigmoid(-x));
}

typedef void unary_loop(int64_t n, const float *x, float *y, float p);
typedef void unary_backward_loop(int64_t n, const float *x, const float *y, const float *dy, float *dx, float p);

#define LOOPS(name, value, derivative)                                                                                 \
  static inline vf value_##name(vf x, vf p) {                                                                          \
    (void)p;                                                                                                           \
    return value;                                                                                                      \
  }                                                                                                                    \
  static inline vf derivative_##name(vf x, vf y, vf dy, vf p) {                                                        \
    (void)x, (void)y, (void)p;                                                                                         \
    return derivative;                                                                                                 \
  }                                                                                                                    \
  static void loop_##name(int64_t n, const float *x, float *y, float p) {                                              \
    int64_t i = 0;                                                                                                     \
    for (; i + PERI_LANES <= n; i += PERI_LANES) vf_store(y + i, value_##name(vf_load(x + i), VF(p)));                 \
    if (i < n) vf_store_part(y + i, value_##name(vf_load_part(x + i, n - i), VF(p)), n - i);                           \
  }                                                                                                                    \
  static void backward_##name(int64_t n, const float *x, const float *y, const float *dy, float *dx, float p) {        \
    int64_t i = 0;                                                                                                     \
    for (; i + PERI_LANES <= n; i += PERI_LANES)                                                                       \
      vf_store(dx + i, derivative_##name(vf_load(x + i), vf_load(y + i), vf_load(dy + i), VF(p)));                     \
    if (i < n)                                                                                                         \
      vf_store_part(dx + i, derivative_##name(vf_load_part(x + i, n - i), vf_load_part(y + i, n - i),                  \
                                              vf_load_part(dy + i, n - i), VF(p)), n - i);                             \
  }
UNARY_ROWS(LOOPS)

static unary_loop *const unary_loops[PERI_UNARIES] = {
#define ROW(name, ...) [PERI_UNARY_##name] = loop_##name,
    UNARY_ROWS(ROW)
#undef ROW
};
static unary_backward_loop *const unary_backward_loops[PERI_UNARIES] = {
#define ROW(name, ...) [PERI_UNARY_##name] = backward_##name,
    UNARY_ROWS(ROW)
#undef ROW
};

typedef struct unary_job {
  peri_unary f;
  int64_t n;
  const float *x, *y, *dy;
  float *out;
  double p;
} unary_job;

static void unary_piece(void *context, int64_t piece) {
  const unary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at);
  if (unary_loops[job->f]) unary_loops[job->f](n, job->x + at, job->out + at, (float)job->p);
  else peri__kernels_reference(PERI_F32)->unary(job->f, n, job->x + at, job->out + at, job->p);
}

static void unary(peri_unary f, int64_t n, const void *x, void *y, double p) {
  unary_job job = {.f = f, .n = n, .x = x, .out = y, .p = p};
  peri_parallel(pieces_of(n), unary_piece, &job);
}

static void unary_backward_piece(void *context, int64_t piece) {
  const unary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at);
  const float *x = job->x + at, *y = job->y + at, *dy = job->dy + at;
  if (unary_backward_loops[job->f]) unary_backward_loops[job->f](n, x, y, dy, job->out + at, (float)job->p);
  else peri__kernels_reference(PERI_F32)->unary_backward(job->f, n, x, y, dy, job->out + at, job->p);
}

static void unary_backward(peri_unary f, int64_t n, const void *x, const void *y, const void *dy, void *dx, double p) {
  unary_job job = {.f = f, .n = n, .x = x, .y = y, .dy = dy, .out = dx, .p = p};
  peri_parallel(pieces_of(n), unary_backward_piece, &job);
}

/* ---------------------------------------------------------------- y = f(a, b) */

static inline vf maximum(vf a, vf b) { /* NaN where either is */
  return vf_select(vm_ge(a, b), a, vf_select(vm_ge(b, a), b, a + b));
}
static inline vf minimum(vf a, vf b) { return vf_select(vm_le(a, b), a, vf_select(vm_le(b, a), b, a + b)); }

/* dy to the winner, half to each where they are equal. */
static inline vf winner(vm wins, vm equal, vf dy) { return vf_select(wins, dy, vf_select(equal, 0.5F * dy, 0 * dy)); }

/* X(name, value, gradient of a, gradient of b) */
#define BINARY_ROWS(X)                                                                                                 \
  X(add, a + b, dy, dy)                                                                                                \
  X(sub, a - b, dy, -dy)                                                                                               \
  X(mul, a * b, dy * b, dy * a)                                                                                        \
  X(div, a / b, dy / b, -dy * y / b)                                                                                   \
  X(maximum, maximum(a, b), winner(vm_gt(a, b), vm_eq(a, b), dy), winner(vm_gt(b, a), vm_eq(a, b), dy))                \
  X(minimum, minimum(a, b), winner(vm_lt(a, b), vm_eq(a, b), dy), winner(vm_lt(b, a), vm_eq(a, b), dy))

typedef void binary_loop(int64_t n, const float *a, int64_t sa, const float *b, int64_t sb, float *y);
typedef void binary_backward_loop(int64_t n, const float *a, int64_t sa, const float *b, int64_t sb, const float *y,
                                  const float *dy, float *d);

/* The next vector of an operand: dense, or one number repeated (stride 0). */
static inline vf next(const float *p, int64_t stride, int64_t i) { return stride ? vf_load(p + i) : VF(*p); }
static inline vf next_part(const float *p, int64_t stride, int64_t i, int64_t count) {
  return stride ? vf_load_part(p + i, count) : VF(*p);
}

#define BINARY_LOOP(name, value, of_a, of_b)                                                                           \
  static inline vf pair_##name(vf a, vf b) { return value; }                                                           \
  static inline vf pair_da_##name(vf a, vf b, vf y, vf dy) {                                                           \
    (void)a, (void)b, (void)y;                                                                                         \
    return of_a;                                                                                                       \
  }                                                                                                                    \
  static inline vf pair_db_##name(vf a, vf b, vf y, vf dy) {                                                           \
    (void)a, (void)b, (void)y;                                                                                         \
    return of_b;                                                                                                       \
  }                                                                                                                    \
  static void pairs_##name(int64_t n, const float *a, int64_t sa, const float *b, int64_t sb, float *y) {              \
    int64_t i = 0;                                                                                                     \
    for (; i + PERI_LANES <= n; i += PERI_LANES) vf_store(y + i, pair_##name(next(a, sa, i), next(b, sb, i)));         \
    int64_t left = n - i;                                                                                              \
    if (left) vf_store_part(y + i, pair_##name(next_part(a, sa, i, left), next_part(b, sb, i, left)), left);           \
  }                                                                                                                    \
  PAIRS_BACKWARD(name, da)                                                                                             \
  PAIRS_BACKWARD(name, db)

#define PAIRS_BACKWARD(name, side)                                                                                     \
  static void pairs_##side##_##name(int64_t n, const float *a, int64_t sa, const float *b, int64_t sb, const float *y, \
                                    const float *dy, float *d) {                                                       \
    int64_t i = 0;                                                                                                     \
    for (; i + PERI_LANES <= n; i += PERI_LANES)                                                                       \
      vf_store(d + i, pair_##side##_##name(next(a, sa, i), next(b, sb, i), vf_load(y + i), vf_load(dy + i)));          \
    int64_t left = n - i;                                                                                              \
    if (left)                                                                                                          \
      vf_store_part(d + i, pair_##side##_##name(next_part(a, sa, i, left), next_part(b, sb, i, left),                  \
                                                vf_load_part(y + i, left), vf_load_part(dy + i, left)), left);         \
  }
BINARY_ROWS(BINARY_LOOP)

static binary_loop *const binary_loops[PERI_BINARIES] = {
#define ROW(name, ...) [PERI_BINARY_##name] = pairs_##name,
    BINARY_ROWS(ROW)
#undef ROW
};
static binary_backward_loop *const binary_backward_loops[2][PERI_BINARIES] = {{
#define ROW(name, ...) [PERI_BINARY_##name] = pairs_da_##name,
    BINARY_ROWS(ROW)
#undef ROW
}, {
#define ROW(name, ...) [PERI_BINARY_##name] = pairs_db_##name,
    BINARY_ROWS(ROW)
#undef ROW
}};

typedef struct binary_job {
  int f, which;
  int64_t n, sa, sb;
  const float *a, *b, *y, *dy;
  float *out;
  uint8_t *truth;
} binary_job;

static int plain(int64_t stride) { return stride == 0 || stride == 1; }

static void binary_piece(void *context, int64_t piece) {
  const binary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at);
  const float *a = job->a + at * job->sa, *b = job->b + at * job->sb;
  binary_loop *loop = plain(job->sa) && plain(job->sb) ? binary_loops[job->f] : NULL;
  if (loop) loop(n, a, job->sa, b, job->sb, job->out + at);
  else peri__kernels_reference(PERI_F32)->binary((peri_binary)job->f, n, a, job->sa, b, job->sb, job->out + at);
}

static void binary(peri_binary f, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb, void *y) {
  binary_job job = {.f = (int)f, .n = n, .sa = sa, .sb = sb, .a = a, .b = b, .out = y};
  if (f == PERI_BINARY_pow && n > 0 && sb == 0 && *job.b == 2) { /* a^2 is exact as a product */
    job.f = PERI_BINARY_mul;
    job.b = a;
    job.sb = sa;
  }
  peri_parallel(pieces_of(n), binary_piece, &job);
}

static void binary_backward_piece(void *context, int64_t piece) {
  const binary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at);
  const float *a = job->a + at * job->sa, *b = job->b + at * job->sb, *y = job->y + at, *dy = job->dy + at;
  binary_backward_loop *loop =
      plain(job->sa) && plain(job->sb) ? binary_backward_loops[job->which][job->f] : NULL;
  if (loop) loop(n, a, job->sa, b, job->sb, y, dy, job->out + at);
  else
    peri__kernels_reference(PERI_F32)->binary_backward((peri_binary)job->f, job->which, n, a, job->sa, b, job->sb, y,
                                                       dy, job->out + at);
}

static void binary_backward(peri_binary f, int which, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb,
                            const void *y, const void *dy, void *d) {
  binary_job job = {(int)f, which, n, sa, sb, a, b, y, dy, d, NULL};
  peri_parallel(pieces_of(n), binary_backward_piece, &job);
}

/* ---------------------------------------------------------------- comparisons, axpy, fill */

static void compare_dense(peri_compare f, int64_t n, const float *pa, const float *pb, uint8_t *restrict y) {
  switch (f) { /* plain loops: the compiler makes vectors of them */
#define PERI_COMPARE(name, value, ...)                                                                                 \
  case PERI_COMPARE_##name:                                                                                            \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
      float a = pa[i], b = pb[i];                                                                                      \
      y[i] = value;                                                                                                    \
    }                                                                                                                  \
    break;
#include "kernels/elementwise.def"
  case PERI_COMPARES: break;
  }
}

static void compare_scalar(peri_compare f, int64_t n, const float *pa, float b, uint8_t *restrict y) {
  switch (f) {
#define PERI_COMPARE(name, value, ...)                                                                                 \
  case PERI_COMPARE_##name:                                                                                            \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
      float a = pa[i];                                                                                                 \
      y[i] = value;                                                                                                    \
    }                                                                                                                  \
    break;
#include "kernels/elementwise.def"
  case PERI_COMPARES: break;
  }
}

static void compare_piece(void *context, int64_t piece) {
  const binary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at);
  const float *a = job->a + at * job->sa, *b = job->b + at * job->sb;
  peri_compare f = (peri_compare)job->f;
  if (job->sa == 1 && job->sb == 1) compare_dense(f, n, a, b, job->truth + at);
  else if (job->sa == 1 && job->sb == 0) compare_scalar(f, n, a, *b, job->truth + at);
  else peri__kernels_reference(PERI_F32)->compare(f, n, a, job->sa, b, job->sb, job->truth + at);
}

static void compare(peri_compare f, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb, uint8_t *y) {
  binary_job job = {.f = (int)f, .n = n, .sa = sa, .sb = sb, .a = a, .b = b, .truth = y};
  peri_parallel(pieces_of(n), compare_piece, &job);
}

static void axpy_piece(void *context, int64_t piece) {
  const unary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at), i = 0;
  const float *x = job->x + at;
  float *y = job->out + at;
  vf alpha = VF((float)job->p);
  for (; i + PERI_LANES <= n; i += PERI_LANES) vf_store(y + i, vf_fma(alpha, vf_load(x + i), vf_load(y + i)));
  if (i < n) vf_store_part(y + i, vf_fma(alpha, vf_load_part(x + i, n - i), vf_load_part(y + i, n - i)), n - i);
}

static void axpy(int64_t n, double alpha, const void *x, void *y) {
  unary_job job = {.n = n, .x = x, .out = y, .p = alpha};
  peri_parallel(pieces_of(n), axpy_piece, &job);
}

static void fill_piece(void *context, int64_t piece) {
  const unary_job *job = context;
  int64_t at = piece * PIECE, n = smaller(PIECE, job->n - at);
  float *y = job->out + at, value = (float)job->p;
  for (int64_t i = 0; i < n; i++) y[i] = value;
}

static void fill(int64_t n, void *y, double value) {
  unary_job job = {.n = n, .out = y, .p = value};
  peri_parallel(pieces_of(n), fill_piece, &job);
}

void PERI_ISA_NAME(peri__fill_elementwise)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->unary = unary;
  f32->unary_backward = unary_backward;
  f32->binary = binary;
  f32->binary_backward = binary_backward;
  f32->compare = compare;
  f32->axpy = axpy;
  f32->fill = fill;
}
