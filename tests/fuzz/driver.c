/* driver.c - runs a fuzzer without libFuzzer.

     NAME_fuzz [runs]          every seed, then `runs` mutated inputs (20000 when not given)
     NAME_fuzz --seeds FOLDER  writes the seeds as files, a corpus for libFuzzer
     NAME_fuzz FILE...         runs these files (a crash that libFuzzer found)

   An input that crashes is found again by its number: the last line on standard error before a crash
   comes from PERI_FUZZ_TRACE=1, which prints each number before it runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"

enum { CAPACITY = 1 << 16, MAX_SEEDS = 64 };

static uint8_t *seeds[MAX_SEEDS];
static size_t sizes[MAX_SEEDS];
static unsigned seed_count;

/* xorshift64*: fixed, so that run number n is the same everywhere. */
static uint64_t state = 0x9E3779B97F4A7C15U;
static uint64_t next(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545F4914F6CDD1DU;
}
static size_t below(size_t n) { return n ? (size_t)(next() % n) : 0; }

/* Numbers that parsers get wrong. */
static const uint64_t edges[] = {0, 1, 2, 7, 8, 9, 63, 64, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF,
                                 0x80000000U, 0xFFFFFFFFU, 0x7FFFFFFFFFFFFFFFU, 0x8000000000000000U, UINT64_MAX};

static size_t mutate_once(uint8_t *data, size_t size) {
  static const char digits[] = "0123456789-+.eE,:\"'[]{}()\\ ";
  size_t at = below(size), length = below(size - at < 32 ? size - at + 1 : 33);
  switch (below(9)) {
  case 0: if (size) data[at] ^= (uint8_t)(1U << below(8)); break;
  case 1: if (size) data[at] = (uint8_t)next(); break;
  case 2: if (size) data[at] = (uint8_t)digits[below(sizeof digits - 1)]; break;
  case 3: return below(size + 1); /* cut */
  case 4: /* an edge number over 1, 2, 4 or 8 bytes */ {
    size_t width = (size_t)1 << below(4);
    uint64_t value = edges[below(sizeof edges / sizeof *edges)];
    if (at + width <= size) memcpy(data + at, &value, width);
    break;
  }
  case 5: /* remove a piece */
    memmove(data + at, data + at + length, size - at - length);
    return size - length;
  case 6: /* repeat a piece */
    if (size + length > CAPACITY) break;
    memmove(data + at + length, data + at, size - at);
    return size + length;
  case 7: if (length) memset(data + at, (int)below(256), length); break;
  default: /* copy a piece over another place */
    if (length) memmove(data + below(size - length + 1), data + at, length);
    break;
  }
  return size;
}

static void run_mutated(void) {
  static uint8_t data[CAPACITY];
  unsigned from = (unsigned)below(seed_count);
  size_t size = sizes[from];
  if (size) memcpy(data, seeds[from], size);
  for (size_t n = 1 + below(6); n; n--) size = mutate_once(data, size);
  uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
  if (!exact) return;
  memcpy(exact, data, size);
  LLVMFuzzerTestOneInput(exact, size);
  free(exact);
}

static int load_seeds(void) {
  static uint8_t data[CAPACITY];
  while (seed_count < MAX_SEEDS) {
    size_t size = peri_fuzz_seed(seed_count, data, sizeof data);
    if (!size) break;
    seeds[seed_count] = malloc(size);
    if (!seeds[seed_count]) return 0;
    memcpy(seeds[seed_count], data, size);
    sizes[seed_count++] = size;
  }
  return seed_count > 0;
}

static int write_seeds(const char *folder) {
  for (unsigned i = 0; i < seed_count; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/seed-%u", folder, i);
    FILE *file = fopen(path, "wb");
    size_t done = file ? fwrite(seeds[i], 1, sizes[i], file) : 0;
    if (!file || fclose(file) != 0 || done != sizes[i]) {
      fprintf(stderr, "%s: %s\n", path, strerror(errno));
      return 1;
    }
  }
  return 0;
}

static int run_file(const char *path) {
  uint8_t *data = malloc(1 << 24);
  FILE *file = fopen(path, "rb");
  if (!data || !file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    free(data);
    return 1;
  }
  size_t size = fread(data, 1, 1 << 24, file);
  fclose(file);
  uint8_t *exact = realloc(data, size ? size : 1);
  if (exact) LLVMFuzzerTestOneInput(exact, size);
  free(exact ? exact : data);
  return 0;
}

int main(int argc, char **argv) {
  char *rest = "";
  unsigned long runs = argc == 2 ? strtoul(argv[1], &rest, 10) : 20000;
  int trace = getenv("PERI_FUZZ_TRACE") != NULL, status = 0;
  if (!load_seeds()) {
    fprintf(stderr, "%s: the fuzzer gives no seed: %s\n", argv[0], "peri_fuzz_seed(0, ...) returned 0");
    return 1;
  }
  if (argc == 3 && !strcmp(argv[1], "--seeds")) return write_seeds(argv[2]);
  if (argc > 1 && *rest) {
    for (int i = 1; i < argc; i++) status |= run_file(argv[i]);
    return status;
  }
  for (unsigned i = 0; i < seed_count; i++) {
    LLVMFuzzerTestOneInput(seeds[i], sizes[i]);
    if (peri_fuzz_accepted == i + 1) continue;
    fprintf(stderr, "%s: the parser does not take seed %u\n", argv[0], i);
    return 1;
  }
  for (unsigned long run = 0; run < runs; run++) {
    if (trace) fprintf(stderr, "%lu\n", run);
    run_mutated();
  }
  for (unsigned i = 0; i < seed_count; i++) free(seeds[i]);
  if (peri_memory_live() != 0) {
    fprintf(stderr, "%s: %llu bytes leaked\n", argv[0], (unsigned long long)peri_memory_live());
    return 1;
  }
  printf("%u seeds, %lu mutated inputs of which the parser took %lu, nothing crashed or leaked\n", seed_count, runs,
         peri_fuzz_accepted - seed_count);
  return 0;
}
