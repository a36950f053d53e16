/* dispatch.c - chooses the set of kernels, once, at the first call, and the unit that multiplies bfloat16.

   A set's tables are the reference's, with every entry that the set's sources do faster written over.
   A unit's float32 table is the chosen set's, with the entries that round to bfloat16 written over; precision
   "bf16" gives it out instead of the set's own.
   This file is built without instruction-set flags, so that nothing here runs on a processor that
   lacks them; kernels_built.def (made by kernels.cmake) says which sets, units and topics the build has. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/bf16_emulated.h"
#include "kernels/kernels.h"
#include "kernels/reference.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* void peri__fill_TOPIC_SET(float32 table, float64 table), for every pair */
#define PERI_BUILT(set, topic) void peri__fill_##topic##_##set(peri_kernels *f32, peri_kernels *f64);
#include "kernels_built.def"

static int has_baseline(void) { return 1; }
static int has_amx_emulated(void) { return 1; }
static int has_emulated(void) { return 1; }

#if defined(__x86_64__)
static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static int has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

/* A bit of what CPUID's leaf 7 says; `reg` 0 is EAX, 3 is EDX. */
__attribute__((unused)) static int cpu_feature(unsigned subleaf, int reg, unsigned bit) {
  unsigned r[4] = {0};
  if (!__get_cpuid_count(7, 0, &r[0], &r[1], &r[2], &r[3]) || r[0] < subleaf) return 0;
  __get_cpuid_count(7, subleaf, &r[0], &r[1], &r[2], &r[3]);
  return (int)(r[reg] >> bit & 1U);
}
__attribute__((unused)) static int has_avx512bf16(void) { return has_avx512() && cpu_feature(1, 0, 5); }

/* AMX needs the processor (tiles, their bfloat16 product), a system that saves tiles (XCR0), and, on Linux, its
   leave for this process: the tiles are 8 KB of every thread's state, given to those who ask. */
__attribute__((unused)) static int has_amx(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
  enum { OSXSAVE = 27, TILE_STATES = 3 << 17, TILE_DATA = 18, ARCH_REQ_XCOMP_PERM = 0x1023 };
  unsigned a = 0, b = 0, c = 0, d = 0, low, high;
  if (!has_avx512bf16() || !cpu_feature(0, 3, 22) || !cpu_feature(0, 3, 24)) return 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> OSXSAVE & 1U)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & TILE_STATES) == TILE_STATES && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
#else
  return 0;
#endif
}
#endif

enum { /* sets, then units; of each the best last */
  TABLE_reference,
#define PERI_SET(set) TABLE_##set,
#include "kernels_built.def"
  SETS,
  BEFORE_UNITS = SETS - 1, /* the first unit is number SETS */
#define PERI_UNIT(unit, name) TABLE_##unit,
#include "kernels_built.def"
  TABLES
};

static peri_kernels tables[TABLES][PERI_DTYPES];
static const char *const names[TABLES] = {
    "reference",
#define PERI_SET(set) #set,
#include "kernels_built.def"
#define PERI_UNIT(unit, name) name,
#include "kernels_built.def"
};
static int available[TABLES], chosen, unit;
static atomic_int bf16; /* 1: precision "bf16" */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void detect(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  available[TABLE_reference] = 1;
#define PERI_SET(set) available[TABLE_##set] = has_##set();
#include "kernels_built.def"
#define PERI_UNIT(unit, name) available[TABLE_##unit] = has_##unit();
#include "kernels_built.def"
}

static int best(int from, int to) {
  int found = from;
  for (int i = from; i < to; i++)
    if (available[i]) found = i;
  return found;
}

static void fill_tables(void) {
  for (int table = 0; table < TABLES; table++)
    for (int dtype = 0; dtype < PERI_DTYPES; dtype++) {
      tables[table][dtype] = *peri__kernels_reference((peri_dtype)dtype);
      tables[table][dtype].isa = names[table];
    }
#define FILL(set, topic)                                                                                               \
  if (available[TABLE_##set]) peri__fill_##topic##_##set(&tables[TABLE_##set][PERI_F32], &tables[TABLE_##set][PERI_F64]);
#define PERI_BUILT(set, topic) if (TABLE_##set < SETS) FILL(set, topic)
#include "kernels_built.def"
  for (int table = SETS; table < TABLES; table++) { /* what a unit has no kernel for it emulates */
    memcpy(tables[table], tables[chosen], sizeof tables[table]);
    peri__bf16_emulate(&tables[chosen][PERI_F32], &tables[table][PERI_F32]);
    for (int dtype = 0; dtype < PERI_DTYPES; dtype++) tables[table][dtype].isa = names[table];
  }
#define PERI_BUILT(set, topic) if (TABLE_##set >= SETS) FILL(set, topic)
#include "kernels_built.def"
}

static void choose(void) {
  detect();
  chosen = best(0, SETS);
  unit = best(SETS, TABLES);
  const char *asked = getenv("PERILUNE_ISA");
  for (int table = 0; asked && table < TABLES; table++)
    if (available[table] && strcmp(asked, names[table]) == 0) {
      if (table < SETS) chosen = table;
      unit = table < SETS ? TABLE_emulated : table;
    }
  fill_tables();
}

const peri_kernels *peri_kernels_of(peri_dtype dtype) {
  pthread_once(&once, choose);
  int narrow = dtype == PERI_F32 && atomic_load_explicit(&bf16, memory_order_relaxed);
  return &tables[narrow ? unit : chosen][dtype];
}

const peri_kernels *peri_kernels_for_isa(const char *isa, peri_dtype dtype) {
  pthread_once(&once, choose);
  for (int table = 0; table < TABLES; table++)
    if (available[table] && strcmp(isa, names[table]) == 0) return &tables[table][dtype];
  return NULL;
}

const char *peri_isa(void) {
  pthread_once(&once, choose);
  return names[chosen];
}

const char *peri_precision(void) { return atomic_load(&bf16) ? "bf16" : "float32"; }

int peri_precision_set(const char *name) {
  int narrow = strcmp(name, "bf16") == 0;
  if (!narrow && strcmp(name, "float32") != 0)
    return peri_fail(PERI_EARG, "precision: wants \"float32\" or \"bf16\", got \"%.40s\"", name);
  atomic_store(&bf16, narrow);
  return PERI_OK;
}

const char *peri_precision_unit(void) {
  pthread_once(&once, choose);
  return names[unit];
}
