/* check_kernels.c - perilune-check: every kernel of every instruction set this machine has, held
   against the naive reference; with --bench, timed as well;
   with --probe, only the multiply-add probe on all threads, in GFLOP/s.

     perilune-check [--isa NAME] [--seed N] [--verbose] [--bench [--json] | --probe]

   NAME is a set (baseline, avx2, avx512) or a unit that multiplies bfloat16 (emulated, avx512bf16, amx,
   amx-emulated), which is held against the reference on rounded operands.

   Exit status 0: all that this machine has agree; 1: some do not (each is printed); 2: bad usage or no memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "check_kernels/check.h"

static const char *const sets[] = {"baseline", "avx2", "avx512"};
static const char *const units[] = {"emulated", "avx512bf16", "amx", "amx-emulated"}; /* of bfloat16 */

static void check_set_of(const char *isa, peri_dtype type, uint64_t seed) {
  check_type = type;
  check_reference = peri_kernels_for_isa("reference", type);
  check_fast = peri_kernels_for_isa(isa, type);
  check_seed(seed);
  check_elementwise();
  check_reduce();
  check_rows();
  check_batch_norm();
  check_matmul();
  check_windows();
  check_winograd();
  check_ready();
  check_optimisers();
  check_pictures();
}

/* What the unit multiplies; the rest of its table is the set's. */
static void check_unit_of(const char *unit, uint64_t seed) {
  check_type = PERI_F32;
  check_reference = peri_kernels_for_isa("reference", PERI_F32);
  check_fast = peri_kernels_for_isa(unit, PERI_F32);
  check_seed(seed);
  check_bf16 = 1;
  check_matmul();
  check_windows();
  check_winograd();
  check_bf16 = 0;
}

static int check_all(const char *only, uint64_t seed) {
  int known = 0;
  for (size_t s = 0; s < (sizeof sets + sizeof units) / sizeof *sets; s++) {
    size_t unit = s - sizeof sets / sizeof *sets;
    int is_set = s < sizeof sets / sizeof *sets;
    const char *name = is_set ? sets[s] : units[unit];
    if (only && strcmp(only, name) != 0) continue;
    known = 1;
    if (!peri_kernels_for_isa(name, PERI_F32)) {
      printf("%s: not on this machine\n", name);
      continue;
    }
    int before = check_failures;
    if (is_set) {
      check_set_of(name, PERI_F32, seed);
      check_set_of(name, PERI_F64, seed);
    } else check_unit_of(name, seed);
    printf("%s: %s\n", name, check_failures == before ? "agrees with the reference" : "DIFFERS");
  }
  peri_threads_stop();
  if (check_failures) printf("%d mismatches\n", check_failures);
  return check_failures ? 1 : known ? 0 : 2;
}

int main(int argc, char **argv) {
  const char *only = NULL;
  uint64_t seed = 1;
  int bench = 0, json = 0, probe = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--isa") == 0 && i + 1 < argc) only = argv[++i];
    else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) seed = strtoull(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--verbose") == 0) check_verbose = 1;
    else if (strcmp(argv[i], "--bench") == 0) bench = 1;
    else if (strcmp(argv[i], "--json") == 0) json = 1;
    else if (strcmp(argv[i], "--probe") == 0) probe = 1;
    else {
      fprintf(stderr, "usage: perilune-check [--isa SET|UNIT] [--seed N] [--verbose] "
                      "[--bench [--json] | --probe]\n");
      return 2;
    }
  }
  if (probe) {
    printf("%.1f GFLOP/s\n", check_probe(only ? only : peri_isa(), peri_threads()));
    return 0;
  }
  return bench ? check_bench(only, json) : check_all(only, seed);
}
