/* dispatch.c - chooses the set of kernels, once, at the first call.

   A set's tables are the reference's, with every entry that the set's sources do faster written over.
   This file is built without instruction-set flags, so that nothing here runs on a processor that
   lacks them; kernels_built.def (made by kernels.cmake) says which sets and topics the build has. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/reference.h"

/* void peri__fill_TOPIC_SET(float32 table, float64 table), for every pair */
#define PERI_BUILT(set, topic) void peri__fill_##topic##_##set(peri_kernels *f32, peri_kernels *f64);
#include "kernels_built.def"

static int has_baseline(void) { return 1; }
#if defined(__x86_64__)
static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static int has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

enum { /* best last */
  SET_reference,
#define PERI_SET(set) SET_##set,
#include "kernels_built.def"
  SETS
};

static peri_kernels tables[SETS][PERI_DTYPES];
static const char *const names[SETS] = {
    "reference",
#define PERI_SET(set) #set,
#include "kernels_built.def"
};
static int available[SETS], chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void) {
  for (int set = 0; set < SETS; set++)
    for (int dtype = 0; dtype < PERI_DTYPES; dtype++) {
      tables[set][dtype] = *peri__kernels_reference((peri_dtype)dtype);
      tables[set][dtype].isa = names[set];
    }
#define PERI_BUILT(set, topic) peri__fill_##topic##_##set(&tables[SET_##set][PERI_F32], &tables[SET_##set][PERI_F64]);
#include "kernels_built.def"
}

static void choose(void) {
  fill_tables();
  available[SET_reference] = 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
#define PERI_SET(set) available[SET_##set] = has_##set();
#include "kernels_built.def"
  const char *asked = getenv("PERILUNE_ISA");
  for (int set = 0; set < SETS; set++)
    if (available[set]) chosen = set;
  for (int set = 0; asked && set < SETS; set++)
    if (available[set] && strcmp(asked, names[set]) == 0) chosen = set;
}

const peri_kernels *peri_kernels_of(peri_dtype dtype) {
  pthread_once(&once, choose);
  return &tables[chosen][dtype];
}

const peri_kernels *peri_kernels_for_isa(const char *isa, peri_dtype dtype) {
  pthread_once(&once, choose);
  for (int set = 0; set < SETS; set++)
    if (available[set] && strcmp(isa, names[set]) == 0) return &tables[set][dtype];
  return NULL;
}

const char *peri_isa(void) {
  pthread_once(&once, choose);
  return names[chosen];
}
