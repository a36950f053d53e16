/* image.h - pictures as tensors: PNG, JPEG and PGM/PPM in and out, resizing, and MNIST's preprocessing.

   A picture is float32 (H, W, C) in [0, 1] with C = 1 (grey) or 3 (red, green, blue), rows from the top.
   Where a picture is an argument, uint8 of 0..255, float64, and (H, W) for grey are taken too.
   Samples are the file's own: no gamma is applied. */
#ifndef PERI_IMAGE_H
#define PERI_IMAGE_H

#include <stdbool.h>
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

/* The same, but no picture of more pixels in all (at most PERI_IMAGE_PIXELS_MOST): it is refused before it is unpacked. */
int peri_image_parse_within(peri_tensor **out, const void *bytes, size_t count, const char *name, peri_image_channels channels,
                            uint64_t pixels);

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
enum { PERI_IMAGE_THICKEN = 2 }; /* what the programs that recognise drawings thicken to */
typedef struct peri_digit_options {
  int ink;        /* -1: darker than its ground, 1: lighter, 0: look */
  double thicken; /* strokes thinner than this (in pixels of the 20x20 box) are widened to it; 0: never */
} peri_digit_options;
/* PERI_EARG when the picture shows no ink. */
int peri_image_digit(peri_tensor **out, const peri_tensor *image, const peri_digit_options *options);

/* --- several digits on one picture (pieces.c). The picture is clean ink, float32 (H, W, 1) or (H, W), 1 on 0, as strokes
   are drawn and peri_image_ink gives it: nothing is looked for. --- */
enum { PERI_IMAGE_PIECES_MOST = 255 };

/* A connected piece of ink: rows top..bottom-1, columns left..right-1. */
typedef struct peri_image_piece {
  int64_t area, top, left, bottom, right;
} peri_image_piece;

/* *labels: uint8 (H, W), a pixel's piece from 1 on, 0 for none; the grey rim of a piece is of it. pieces has room for
   PERI_IMAGE_PIECES_MOST and is sorted by the left edges; specks (under a 25th of the largest piece) are none. */
int peri_image_pieces(peri_tensor **labels, peri_image_piece *pieces, int *count, const peri_tensor *ink);

/* For each row of a piece, from the top, its first column and the one behind its last: 2 * (bottom - top) numbers; the
   same number twice where it has no pixel in a row. */
int peri_image_piece_rows(int64_t *rows, const peri_tensor *labels, int piece, const peri_image_piece *box);

/* Gives a new number to what a piece has at the right of a line from x_top on the picture's upper edge to x_bottom on its
   lower one (in pixels). */
int peri_image_pieces_split(peri_tensor *labels, int piece, int number, double x_top, double x_bottom);

/* Where a digit's field came from: the box of the picture (its edges in pixels) whose ink fills rows field_top ...
   field_top + field_height - 1 of the 28, and columns likewise. */
typedef struct peri_image_place {
  double top, left, bottom, right;
  int64_t field_top, field_left, field_height, field_width;
} peri_image_place;

/* Pieces together as one digit, as peri_image_digit makes it: float32 (28, 28, 1). chosen[i] says whether piece i is of
   it. *out is NULL when they have no ink. */
int peri_image_pieces_digit(peri_tensor **out, peri_image_place *place, const peri_tensor *ink, const peri_tensor *labels,
                            const bool chosen[PERI_IMAGE_PIECES_MOST + 1], double thicken);

/* --- what a pen has drawn, as one digit (drawing.c) --- */
typedef struct peri_image_drawing {
  const double *points;      /* x, y of all strokes, one behind the other; y runs down */
  const int64_t *lengths;    /* points of each stroke */
  int64_t strokes;
  double pen, width, height; /* of the pen and the canvas, in the points' unit: finite and above 0 */
} peri_image_drawing;

/* The drawing as perilune.draw's programs see one: float32 (28, 28, 1). The canvas is fitted into a square as a picture
   laid on theirs is, and drawn with a pen that is no broader than befits what is written. *out is NULL when nothing of it
   is on the canvas. */
int peri_image_drawing_digit(peri_tensor **out, const peri_image_drawing *drawing);

#endif
