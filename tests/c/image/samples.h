/* samples.h - what the test of pictures shares: checks, and files made straight with libpng and libjpeg. */
#ifndef TEST_IMAGE_SAMPLES_H
#define TEST_IMAGE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "image/image.h"
#include "test.h"

typedef struct sample_file {
  uint8_t bytes[1 << 16];
  size_t count;
} sample_file;

/* A PNG of `height` rows of raw samples (libpng's colour type, depth and interlacing). palette: 4 colours; clear: its first
   colour is transparent (palette) or this grey level is (grey). */
void sample_png(sample_file *f, int width, int height, int colour_type, int depth, bool interlaced, const uint8_t *rows,
                size_t row_bytes, int clear);

/* A JPEG of 1, 3 (RGB) or 4 (CMYK) components, quality 95. orientation: an EXIF marker, 0 none. */
void sample_jpeg(sample_file *f, int width, int height, int components, bool progressive, const uint8_t *rows, int orientation);

/* Pixel (y, x) of a picture. */
static inline float pixel(const peri_tensor *t, int64_t y, int64_t x, int64_t c) {
  return ((const float *)peri_tensor_data(t))[(y * t->shape[1] + x) * t->shape[2] + c];
}
static inline bool says(const char *part) { return strstr(peri_message(), part) != NULL; }

void test_digits(void);
void test_strokes(void);

#endif
