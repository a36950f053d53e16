/* check.c - buffers, comparison and the verdict on one case. */
#include "check_kernels/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

enum { GUARD = 64, FILLER = 0xA5 };

peri_dtype check_type;
const peri_kernels *check_reference, *check_fast;
int check_failures, check_verbose, check_bf16;

static uint64_t state = 1;

void check_seed(uint64_t seed) { state = seed * 2 + 1; }

static uint64_t next(void) { /* xorshift, then a multiplication (Marsaglia 2003, Vigna 2016) */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545F4914F6CDD1DULL;
}
int64_t check_integer(int64_t low, int64_t high) { return low + (int64_t)(next() % (uint64_t)(high - low + 1)); }
double check_uniform(double low, double high) { return low + (double)(next() >> 11) * 0x1p-53 * (high - low); }

static size_t bytes_of(check_kind kind) {
  switch (kind) {
  case CHECK_U8: return 1;
  case CHECK_I32: return 4;
  case CHECK_I64: return 8;
  case CHECK_REAL: break;
  }
  return check_type == PERI_F32 ? 4 : 8;
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) {
    fprintf(stderr, "perilune-check: out of memory\n");
    exit(2);
  }
  return memory;
}

static check_buffer make(check_kind kind, int64_t n) {
  check_buffer b = {.kind = kind, .n = n};
  size_t size = bytes_of(kind), bytes = (size_t)n * size + 2 * GUARD + size;
  b.base = allocate(bytes);
  memset(b.base, FILLER, bytes);
  b.data = (char *)b.base + GUARD + size;
  return b;
}

double check_get(const check_buffer *b, int64_t i) {
  switch (b->kind) {
  case CHECK_U8: return ((const uint8_t *)b->data)[i];
  case CHECK_I32: return ((const int32_t *)b->data)[i];
  case CHECK_I64: return (double)((const int64_t *)b->data)[i];
  case CHECK_REAL: break;
  }
  return check_type == PERI_F32 ? (double)((const float *)b->data)[i] : ((const double *)b->data)[i];
}

void check_set(check_buffer *b, int64_t i, double value) {
  switch (b->kind) {
  case CHECK_U8: ((uint8_t *)b->data)[i] = (uint8_t)value; return;
  case CHECK_I32: ((int32_t *)b->data)[i] = (int32_t)value; return;
  case CHECK_I64: ((int64_t *)b->data)[i] = (int64_t)value; return;
  case CHECK_REAL: break;
  }
  if (check_type == PERI_F32) ((float *)b->data)[i] = (float)value;
  else ((double *)b->data)[i] = value;
}

void check_begin(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *)) {
  *c = (check_case){.entry = entry, .run = run, .rel = 1e-6, .abs = 1e-6};
}

int check_in(check_case *c, int64_t n, double low, double high, int whole) {
  check_buffer b = make(CHECK_REAL, n);
  for (int64_t i = 0; i < n; i++) {
    double v = check_uniform(low, high);
    check_set(&b, i, whole ? floor(v + 0.5) : v);
  }
  c->in[c->ins] = b;
  return c->ins++;
}

int check_in_kind(check_case *c, check_kind kind, int64_t n, int64_t low, int64_t high) {
  check_buffer b = make(kind, n);
  for (int64_t i = 0; i < n; i++) check_set(&b, i, (double)check_integer(low, high));
  c->in[c->ins] = b;
  return c->ins++;
}

int check_in_values(check_case *c, int64_t n, const double *values) {
  check_buffer b = make(CHECK_REAL, n);
  for (int64_t i = 0; i < n; i++) check_set(&b, i, values[i]);
  c->in[c->ins] = b;
  return c->ins++;
}

int check_out(check_case *c, check_kind kind, int64_t n) {
  c->out[c->outs] = make(kind, n);
  return c->outs++;
}

int check_update(check_case *c, int64_t n, double low, double high) {
  check_buffer *b = &c->out[c->outs];
  *b = make(CHECK_REAL, n);
  b->start = allocate((size_t)n * sizeof *b->start);
  for (int64_t i = 0; i < n; i++) b->start[i] = check_uniform(low, high);
  return c->outs++;
}

void check_fail(const check_case *c, const char *format, ...) {
  va_list arguments;
  check_failures++;
  if (check_failures > 40) return; /* enough to see what is wrong */
  printf("FAIL %s %s %s [%s]: ", check_fast->isa, check_type == PERI_F32 ? "float32" : "float64", c->entry, c->shape);
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
}

static void reset(check_case *c) {
  for (int o = 0; o < c->outs; o++) {
    check_buffer *b = &c->out[o];
    memset(b->data, FILLER, (size_t)b->n * bytes_of(b->kind));
    for (int64_t i = 0; b->start && i < b->n; i++) check_set(b, i, b->start[i]);
  }
}

static void check_guards(const check_case *c, const check_buffer *b, const char *what, int number) {
  size_t size = bytes_of(b->kind);
  const unsigned char *before = b->base, *after = (const unsigned char *)b->data + (size_t)b->n * size;
  for (size_t i = 0; i < GUARD; i++)
    if (before[i] != FILLER || after[i] != FILLER) {
      check_fail(c, "%s %d is written outside its bounds", what, number);
      return;
    }
}

static double *copy_out(const check_buffer *b) {
  double *copy = allocate((size_t)b->n * sizeof *copy);
  for (int64_t i = 0; i < b->n; i++) copy[i] = check_get(b, i);
  return copy;
}

static int close_enough(double want, double got, double rel, double abs) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (isinf(want) || isinf(got)) return want == got;
  return fabs(got - want) <= rel * fabs(want) + abs;
}

/* The first number that differs, or -1. */
static int64_t differs(const check_case *c, int o, const double *want) {
  const check_buffer *b = &c->out[o];
  double scale = check_type == PERI_F32 || b->kind != CHECK_REAL ? 1 : 1e-7;
  int exact = b->kind != CHECK_REAL;
  for (int64_t i = 0; i < b->n; i++)
    if (!close_enough(want[i], check_get(b, i), exact ? 0 : c->rel * scale, exact ? 0 : c->abs * scale)) return i;
  return -1;
}

/* Against one or two references (the second may be NULL). */
static void compare(const check_case *c, int o, const double *want, const double *other) {
  int64_t i = differs(c, o, want);
  if (i < 0 || (other && differs(c, o, other) < 0)) return;
  check_fail(c, "output %d at %lld of %lld: %.9g, the reference gives %.9g", o, (long long)i, (long long)c->out[o].n,
             check_get(&c->out[o], i), want[i]);
}

static void same_bits(const check_case *c, int o, const void *first, int threads) {
  const check_buffer *b = &c->out[o];
  if (memcmp(b->data, first, (size_t)b->n * bytes_of(b->kind)) != 0)
    check_fail(c, "output %d: other bits with %d threads than with 1", o, threads);
}

/* Whether to try 2 and 3 threads: where there may be several pieces, and now and then elsewhere. */
static int try_threads(const check_case *c) {
  static unsigned cases;
  int64_t numbers = 0;
  for (int i = 0; i < c->ins; i++) numbers += c->in[i].n;
  for (int o = 0; o < c->outs; o++) numbers += c->out[o].n;
  return numbers > 10000 || cases++ % 8 == 0;
}

/* To the nearest number of 8 significant bits, ties to even, by arithmetic on the number itself: the reference's
   rounding shares no code with what it checks. Numbers below float32's normal ones become 0. */
static double to_bf16(double v) {
  if (!isfinite(v) || v == 0) return v;
  if (fabs(v) < 0x1p-126) return copysign(0, v);
  int exponent;
  double part = ldexp(frexp(v, &exponent), 8), whole = nearbyint(part), rounded = ldexp(whole, exponent - 8);
  return fabs(rounded) >= 0x1p128 ? copysign(INFINITY, v) : rounded;
}

/* The reference's run on operands rounded to bfloat16. */
static void run_rounded(check_case *c) {
  check_buffer given[CHECK_MOST];
  for (int i = 0; i < c->ins; i++) {
    given[i] = c->in[i];
    if (!(c->operands >> i & 1)) continue;
    c->in[i] = make(CHECK_REAL, given[i].n);
    for (int64_t j = 0; j < given[i].n; j++) check_set(&c->in[i], j, to_bf16(check_get(&given[i], j)));
  }
  c->run(check_reference, c);
  for (int i = 0; i < c->ins; i++) {
    if (c->in[i].base != given[i].base) free(c->in[i].base);
    c->in[i] = given[i];
  }
}

/* The outputs as the reference has them, and, where operands are rounded, from those. */
static void references(check_case *c, double **plain, double **narrow) {
  for (int rounded = 0; rounded <= check_bf16; rounded++) {
    reset(c);
    if (rounded) run_rounded(c);
    else c->run(check_reference, c);
    if (c->status < 0) check_fail(c, "the reference failed: %s", peri_message());
    for (int o = 0; o < c->outs; o++) (rounded ? narrow : plain)[o] = copy_out(&c->out[o]);
  }
}

void check_case_run(check_case *c) {
  double *plain[CHECK_MOST] = {0}, *narrow[CHECK_MOST] = {0};
  void *first[CHECK_MOST];
  int most = try_threads(c) ? 3 : 1;
  references(c, plain, narrow);
  for (int threads = 1; threads <= most; threads++) {
    peri_threads_set(threads);
    reset(c);
    c->run(check_fast, c);
    if (c->status < 0) check_fail(c, "failed: %s", peri_message());
    for (int o = 0; o < c->outs; o++) {
      size_t bytes = (size_t)c->out[o].n * bytes_of(c->out[o].kind);
      int rounded = check_bf16 && !(c->unrounded >> o & 1);
      check_guards(c, &c->out[o], "output", o);
      if (threads > 1) {
        same_bits(c, o, first[o], threads);
        continue;
      }
      if (!(c->ignore >> o & 1)) compare(c, o, rounded ? narrow[o] : plain[o], c->either ? plain[o] : NULL);
      first[o] = memcpy(allocate(bytes), c->out[o].data, bytes);
    }
  }
  for (int i = 0; i < c->ins; i++) check_guards(c, &c->in[i], "input", i);
  for (int o = 0; o < c->outs; o++) {
    free(plain[o]);
    free(narrow[o]);
    free(first[o]);
  }
  check_case_free(c);
}

void check_case_free(check_case *c) {
  for (int i = 0; i < c->ins; i++) free(c->in[i].base);
  for (int o = 0; o < c->outs; o++) {
    free(c->out[o].base);
    free(c->out[o].start);
  }
}
