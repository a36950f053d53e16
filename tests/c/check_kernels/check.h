/* check.h - how perilune-check holds a kernel against the reference.

   A section makes a check_case a shape: what goes in, what comes out, and a function that calls the
   entry of a given table. check_case_run calls the reference once and the set in question with 1 and,
   where the work may be cut into pieces, with 2 and 3 threads, and demands: the reference's numbers
   within rel |want| + abs, the same bits for every number of threads, and nothing written outside the
   outputs. Buffers are misaligned by one element. */
#ifndef PERI_CHECK_H
#define PERI_CHECK_H

#include <stdint.h>

#include "kernels/kernels.h"

typedef enum check_kind { CHECK_REAL, CHECK_U8, CHECK_I32, CHECK_I64 } check_kind;

typedef struct check_buffer {
  check_kind kind;
  int64_t n;
  void *base;    /* the block, with guards at both ends */
  void *data;    /* n elements */
  double *start; /* what an output holds before the call; NULL: a pattern that no result is */
} check_buffer;

enum { CHECK_MOST = 12 };

typedef struct check_case {
  const char *entry;
  char shape[200]; /* printed with a failure */
  void (*run)(const peri_kernels *k, struct check_case *c);
  check_buffer in[CHECK_MOST], out[CHECK_MOST];
  int ins, outs;
  double rel, abs;
  int operands; /* bit i: input i is rounded where the set multiplies in bfloat16; the reference gets it rounded */
  int unrounded; /* bit i: output i comes from the unrounded inputs all the same */
  int either;    /* 1: the set may also leave this shape to float32 */
  int ignore; /* bit i: output i is not compared with the reference, only between threads */
  const void *options;
  int64_t size[6];
  int status; /* the last one that run stored */
} check_case;

/* What is being checked now. */
extern peri_dtype check_type; /* PERI_F32 or PERI_F64 */
extern const peri_kernels *check_reference, *check_fast;
extern int check_failures;
extern int check_verbose;
extern int check_bf16; /* the set multiplies in bfloat16: the reference is given rounded operands */

/* Whether the set has its own version of an entry. */
#define CHECK_OWN(entry) (check_fast->entry != check_reference->entry)

/* --- random numbers of the checks (their own, so that they do not depend on what they check) --- */
void check_seed(uint64_t seed);
int64_t check_integer(int64_t low, int64_t high);
double check_uniform(double low, double high);

/* --- cases --- */
void check_begin(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *));
/* Adds an input of n numbers: uniform in [low, high); whole numbers if `whole`. Returns its number. */
int check_in(check_case *c, int64_t n, double low, double high, int whole);
int check_in_kind(check_case *c, check_kind kind, int64_t n, int64_t low, int64_t high);
int check_in_values(check_case *c, int64_t n, const double *values);
/* Adds an output; _update: one that the entry reads first, uniform in [low, high). */
int check_out(check_case *c, check_kind kind, int64_t n);
int check_update(check_case *c, int64_t n, double low, double high);
double check_get(const check_buffer *b, int64_t i);
void check_set(check_buffer *b, int64_t i, double value);
/* Runs and frees the case. */
void check_case_run(check_case *c);
void check_case_free(check_case *c);
void check_fail(const check_case *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- sections --- */
void check_elementwise(void);
void check_reduce(void);
void check_rows(void);
void check_batch_norm(void);
void check_matmul(void);
void check_windows(void);
void check_winograd(void);
void check_ready(void);
void check_optimisers(void);
int check_bench(const char *isa, int json);
/* Seconds of a call, and a row of the table (0: unknown, not printed). */
double check_time(void (*run)(const peri_kernels *k, const void *what), const peri_kernels *k, const void *what);
void check_row(const char *name, double seconds, double flops, double executed, double bytes, int json);
void check_bench_layers(const peri_kernels *k, int json);

/* probe.c: seconds of a steady clock; GFLOP/s of independent multiply-adds, `threads` at once, the best of 20. */
double check_now(void);
double check_probe(const char *isa, int threads);
void check_pictures(void);

#endif
