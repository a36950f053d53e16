/* internal.h - what the readers and writers of pictures share (internal to image/). */
#ifndef PERI_IMAGE_INTERNAL_H
#define PERI_IMAGE_INTERNAL_H

#include "image/image.h"

/* A picture's bytes, and its name for messages. */
typedef struct peri_image_source {
  const uint8_t *bytes;
  size_t count;
  const char *name;
  uint64_t pixels; /* the most that a picture may have */
} peri_image_source;

/* Samples to be written: dense rows of `channels` bytes a pixel (2 and 4, with alpha, for PNG alone). */
typedef struct peri_image_samples {
  const uint8_t *bytes;
  int width, height, channels;
  int scale; /* PNG: every pixel becomes scale x scale; 0 is 1 */
} peri_image_samples;

/* The samples of a picture of 1 to 4 channels, or (H, W); the bytes are the caller's to free. */
int peri__image_samples(peri_image_samples *out, const char *op, const peri_tensor *image, int scale);

/* Where a writer puts its bytes; PERI_OK or a failure that the writer passes on. */
typedef struct peri_file_writer peri_file_writer;

int peri__png_read(peri_tensor **out, const peri_image_source *s);
int peri__jpeg_read(peri_tensor **out, const peri_image_source *s);
int peri__pnm_read(peri_tensor **out, const peri_image_source *s);

int peri__png_write(peri_file_writer *w, const peri_image_samples *s);
int peri__jpeg_write(peri_file_writer *w, const peri_image_samples *s, int quality);
int peri__pnm_write(peri_file_writer *w, const peri_image_samples *s);

/* A new picture for these sizes; PERI_EFORMAT with the file's name when they are beyond the limits. */
int peri__image_new(peri_tensor **out, const peri_image_source *s, uint64_t width, uint64_t height, int channels);

/* A picture given as an argument: *out is dense float32 (H, W, C) in [0, 1], new. */
int peri__image_argument(peri_tensor **out, const char *op, const peri_tensor *image);

/* A part of a dense picture, with edges anywhere between pixels, drawn into height x width pixels. */
typedef struct peri_image_box {
  double top, left, bottom, right;
} peri_image_box;
int peri__image_resample(peri_tensor **out, const peri_tensor *image, const peri_image_box *box, int64_t height,
                         int64_t width, peri_filter filter);

/* digit.c: a grid of cleaned ink, dense float32 (H, W, 1), as the net sees it; the grid is changed. side: the longer side
   of the ink's box. *place (not NULL) is in the grid's coordinates. */
int peri__digit_field(peri_tensor **out, peri_image_place *place, peri_tensor *grid, int64_t side, double thicken);

#endif
