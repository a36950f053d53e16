/* probe.c - what the processor's multiply-add units can do at most: independent chains in registers. */
#include <string.h>
#include <time.h>

#include "base/threads.h"
#include "check_kernels/check.h"

double check_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve independent chains of multiply-adds: what one core can do at most. The chains' vectors are as
   wide as the set's, by GCC's target attribute; without such a set (or processor) plain vectors. */
enum { CHAINS = 12, ROUNDS = 1 << 17, PROBE_MOST = 64 };
#define PROBE(name, lanes, attribute)                                                                                  \
  attribute static double name(void) {                                                                                 \
    typedef float v __attribute__((vector_size(lanes * 4)));                                                           \
    v sum[CHAINS], factor = {0}, total = {0};                                                                          \
    factor += 0.999F;                                                                                                  \
    for (int i = 0; i < CHAINS; i++) sum[i] = factor * (float)i;                                                       \
    for (int round = 0; round < ROUNDS; round++)                                                                       \
      for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * factor + factor;                                              \
    for (int i = 0; i < CHAINS; i++) total += sum[i];                                                                  \
    probe_sink = total[0];                                                                                             \
    return 2.0 * lanes * CHAINS * ROUNDS;                                                                              \
  }
static volatile float probe_sink;
PROBE(probe_baseline, 4, )
#if defined(__x86_64__)
PROBE(probe_avx2, 8, __attribute__((target("avx2,fma"))))
PROBE(probe_avx512, 16, __attribute__((target("avx512f,fma"))))
#endif

typedef struct probing {
  double (*run)(void);
  double flops[PROBE_MOST];
} probing;

static void probe_piece(void *context, int64_t piece) {
  probing *p = context;
  p->flops[piece] = p->run();
}

double check_probe(const char *isa, int threads) {
  probing p = {.run = probe_baseline};
  double best = 0;
#if defined(__x86_64__)
  if (strcmp(isa, "avx2") == 0) p.run = probe_avx2;
  if (strcmp(isa, "avx512") == 0 || strcmp(isa, "avx512bf16") == 0 || strcmp(isa, "amx") == 0) p.run = probe_avx512;
#endif
  if (threads > PROBE_MOST) threads = PROBE_MOST;
  for (int round = 0; round < 20; round++) {
    double start = check_now(), flops = 0;
    peri_parallel(threads, probe_piece, &p);
    double seconds = check_now() - start;
    for (int i = 0; i < threads; i++) flops += p.flops[i];
    best = flops / seconds > best ? flops / seconds : best;
  }
  return best * 1e-9;
}
