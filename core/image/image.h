/* image.h - pictures as tensors: PNG, JPEG and PGM/PPM in and out, resizing, and MNIST's preprocessing.

   A picture is float32 (H, W, C) in [0, 1] with C = 1 (grey) or 3 (red, green, blue), rows from the top.
   Where a picture is an argument, uint8 of 0..255, float64, and (H, W) for grey are taken too.
   Samples are the file's own: no gamma is applied. */
#ifndef PERI_IMAGE_H
#define PERI_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

enum {
  PERI_IMAGE_SIDE_MOST = 32768,      /* no side is longer */
  PERI_IMAGE_PIXELS_MOST = 1 << 26,  /* nor has a picture more pixels: a small file may not fill the memory */
  PERI_IMAGE_FILE_MOST = 1 << 29     /* bytes of a file */
};

typedef enum peri_image_channels {
  PERI_IMAGE_AS_IS = 0, /* grey files give 1 channel, others 3 */
  PERI_IMAGE_GREY = 1,  /* luma of Rec. 601: .299 R + .587 G + .114 B */
  PERI_IMAGE_RGB = 3
} peri_image_channels;

/* --- reading (image.c, png.c, jpeg.c, pnm.c): the kind is told by the first bytes, never by the name.
   Transparent pixels are laid over white, a JPEG is turned as its EXIF orientation says. --- */
int peri_image_read(peri_tensor **out, const char *path, peri_image_channels channels);
int peri_image_parse(peri_tensor **out, const void *bytes, size_t count, const char *name, peri_image_channels channels);

/* --- writing: the kind is told by the name's ending: .png, .jpg, .jpeg, .pgm, .ppm. 8 bits a sample; values
   are clamped to [0, 1]. quality (JPEG): 1 to 100. The file appears whole or not at all. --- */
int peri_image_write(const char *path, const peri_tensor *image, int quality);

/* The bytes of a PNG, new (peri_free), with every pixel as a square of `scale` pixels (1 to 64). Here a picture may
   have alpha as its last of 2 or 4 channels. */
int peri_image_encode(uint8_t **bytes, size_t *count, const peri_tensor *image, int scale);

/* --- changing (resize.c) --- */
typedef enum peri_filter {
  PERI_FILTER_AUTO,    /* per axis: area where it shrinks, bilinear where it grows */
  PERI_FILTER_NEAREST,
  PERI_FILTER_AREA,    /* the mean of the pixels under a target pixel */
  PERI_FILTER_BILINEAR /* a triangle, as wide as needed when shrinking */
} peri_filter;
int peri_filter_parse(peri_filter *out, const char *name);
int peri_image_resize(peri_tensor **out, const peri_tensor *image, int64_t height, int64_t width, peri_filter filter);
int peri_image_grey(peri_tensor **out, const peri_tensor *image);

/* --- ink (digit.c): what is written on a picture, found and cleaned, as float32 (h, w, 1), ink 1 on ground 0, in the
   picture's proportions with a longer side of at most PERI_IMAGE_INK_SIDE pixels. ink: -1 darker than its ground, 1
   lighter, 0 look. PERI_EARG when the picture shows no ink. --- */
enum { PERI_IMAGE_INK_SIDE = 640 };
int peri_image_ink(peri_tensor **out, const peri_tensor *image, int ink);

/* --- MNIST's preprocessing (digit.c): float32 (28, 28, 1), ink 1 on ground 0 --- */
typedef struct peri_digit_options {
  int ink;        /* -1: darker than its ground, 1: lighter, 0: look */
  double thicken; /* strokes thinner than this (in pixels of the 20x20 box) are widened to it; 0: never */
} peri_digit_options;
/* PERI_EARG when the picture shows no ink. */
int peri_image_digit(peri_tensor **out, const peri_tensor *image, const peri_digit_options *options);

#endif
