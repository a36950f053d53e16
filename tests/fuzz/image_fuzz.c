/* image_fuzz.c - the readers of PNG, JPEG and PGM/PPM, and MNIST's preprocessing of what they give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_tensor *t, *digit;
  if (peri_image_parse(&t, data, size, "fuzz", PERI_IMAGE_AS_IS) < 0) return 0;
  peri_fuzz_accepted++;
  if (peri_tensor_count(t) < 1 << 16 && peri_image_digit(&digit, t, &(peri_digit_options){0, 1.5}) >= 0) peri_tensor_release(digit);
  peri_tensor_release(t);
  return 0;
}

/* Writes a small picture of `channels` with the name's ending. */
static size_t written(const char *ending, int channels, uint8_t *data, size_t capacity) {
  const char *folder = getenv("TMPDIR");
  char path[256];
  peri_tensor *t;
  snprintf(path, sizeof path, "%s/perilune-fuzz-%ld%s", folder ? folder : "/tmp", (long)getpid(), ending);
  if (peri_tensor_zeros(&t, PERI_F32, 3, (const int64_t[]){12, 9, channels}) < 0) return 0;
  for (int64_t i = 30; i < 60; i++) ((float *)peri_tensor_data(t))[i] = (float)i / 60;
  int status = peri_image_write(path, t, 80);
  peri_tensor_release(t);
  FILE *file = status < 0 ? NULL : fopen(path, "rb");
  size_t size = file ? fread(data, 1, capacity, file) : 0;
  if (file) fclose(file);
  unlink(path);
  return size;
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  static const char *const texts[] = {"P2\n# c\n3 2\n10\n0 1 2\n3 4 10\n", "P3 1 1 4 1 2 3\n", "P1 3 2 1 0 1 010\n", "P5 2 2 255 abcd",
                                      "P5 1 2 999 \1a\2b", "P4 9 1 ab", "P6 1 1 255 abc"};
  switch (index) {
  case 0: return written(".png", 1, data, capacity);
  case 1: return written(".png", 3, data, capacity);
  case 2: return written(".jpg", 1, data, capacity);
  case 3: return written(".jpg", 3, data, capacity);
  default: break;
  }
  if (index - 4 >= sizeof texts / sizeof *texts) return 0;
  memcpy(data, texts[index - 4], strlen(texts[index - 4]));
  return strlen(texts[index - 4]);
}
