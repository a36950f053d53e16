/* memory_file.h - bytes as a file that needs no disk, for readers that take a path. */
#ifndef PERI_TESTS_MEMORY_FILE_H
#define PERI_TESTS_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Puts the bytes into one file in memory, made at the first call, and returns its path. */
static inline const char *memory_file(const uint8_t *data, size_t size) {
  static int file = -1;
  static char path[64];
  if (file < 0) {
    file = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  if (file < 0 || ftruncate(file, 0) || pwrite(file, data, size, 0) != (ssize_t)size) abort();
  return path;
}

#endif
