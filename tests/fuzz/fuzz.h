/* fuzz.h - what one fuzzer is: a file tests/fuzz/NAME_fuzz.c that defines these two functions.

   With clang and -DPERILUNE_FUZZ=ON it becomes a libFuzzer program. With any compiler, driver.c runs
   it: every seed, then a fixed number of mutations of the seeds from a fixed random stream, so that
   ctest fuzzes a little everywhere and a failure comes back on every run. */
#ifndef PERI_TESTS_FUZZ_H
#define PERI_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The fuzzer adds 1 whenever its parser took an input: the driver checks that it takes every seed. */
extern unsigned long peri_fuzz_accepted;

/* Feeds the bytes to a parser. Must neither crash nor leak; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes well-formed input number `index` into data[capacity] and returns its size; 0 when there is
   no such seed. */
size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity);

/* The usual seed: bytes of a file that the library wrote itself. Calls `write` with a path in the
   temporary folder, reads the file back and removes it. */
size_t peri_fuzz_seed_file(int (*write)(const char *path), uint8_t *data, size_t capacity);

#endif
