/* test.h - what the tests in C share: CHECK tells what is not so, from any thread, and counts it; a test's main defines
   `failures` and ends with 0 only when it is 0. */
#ifndef PERI_TESTS_TEST_H
#define PERI_TESTS_TEST_H

#include <stdio.h>

#include "base/status.h"

extern _Atomic int failures;

#define CHECK(condition)                                                                                                \
  do {                                                                                                                  \
    if (!(condition)) {                                                                                                 \
      fprintf(stderr, "%s:%d: not so: %s   [message: %s]\n", __FILE__, __LINE__, #condition, peri_message());           \
      failures++;                                                                                                       \
    }                                                                                                                   \
  } while (0)

#endif
