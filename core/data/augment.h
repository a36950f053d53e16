/* augment.h - pictures changed at random on their way into a batch.

   What is drawn for a picture follows from (seed, epoch, the picture's position in the stored set) alone: the same
   bits whatever the batch's size, the order of the set, or the number of threads.

   A picture's way: its stored values times scale plus shift, into a border; one bilinear resampling for flip, shear,
   scale, rotation, shift and the elastic field together; contrast, brightness, noise; erasing; mixup with another
   picture that went the same way. Where a picture's draw changes nothing, it is the gathered row, bit for bit. */
#ifndef PERI_DATA_AUGMENT_H
#define PERI_DATA_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

typedef struct peri_range {
  double low, high; /* drawn uniformly between the two; equal: fixed */
} peri_range;

/* What may happen to a picture. peri_augment_none() is the starting point: nothing happens. */
typedef struct peri_augment {
  double probability;                           /* the chance that a picture is changed at all */
  peri_range rotation;                          /* degrees, counter-clockwise */
  peri_range scale, scale_x, scale_y;           /* factors, larger than 1 makes larger; they multiply */
  peri_range shear_x, shear_y;                  /* degrees: the top leans right; the right side leans up */
  peri_range shift_x, shift_y;                  /* right and down; within -1..1 a part of the side, else pixels */
  double flip_horizontal, flip_vertical;        /* chances */
  peri_range elastic_alpha;                     /* elastic distortion (Simard, Steinkraus, Platt 2003): a field uniform */
  double elastic_sigma;                         /* in -1..1, smoothed by a Gaussian of sigma, times alpha, in pixels */
  peri_range brightness, contrast;              /* added; factor on the distance from the picture's mean */
  double noise;                                 /* standard deviation of what is added to every value */
  double erase;                                 /* chance of a rectangle erased (Zhong et al. 2017), */
  peri_range erase_area, erase_aspect;          /* its part of the picture and its height by its width */
  bool erase_random;                            /* filled with random values, else with the fill */
  double mixup;                                 /* weight from Beta(mixup, mixup) (Zhang et al. 2018); 0: none */
} peri_augment;

peri_augment peri_augment_none(void);

/* PERI_EARG, with a message that names the field, where a field is not finite, reversed or out of its bounds. */
int peri_augment_check(const peri_augment *a);

enum { PERI_AUGMENT_CHANNELS = 64 };

/* How stored values become a batch's, by channel: v scale + shift; `channels` is 1, or the pictures' number of them.
   unit and origin are 1 and 0 of the scale in which brightness, noise and random erasing are meant. */
typedef struct peri_augment_values {
  int64_t channels;
  double scale[PERI_AUGMENT_CHANNELS], shift[PERI_AUGMENT_CHANNELS];
  double fill[PERI_AUGMENT_CHANNELS]; /* what lies outside a picture, as a batch has it */
  double unit[PERI_AUGMENT_CHANNELS], origin[PERI_AUGMENT_CHANNELS];
} peri_augment_values;

/* What was drawn for one picture; tests look at it. */
typedef struct peri_augment_draw {
  bool moved;         /* it is resampled */
  double map[6];      /* place in the batch -> place in the stored picture: see peri_resample */
  double alpha;       /* of the elastic field; 0: none */
  double brightness, contrast;
  int64_t erase[4];   /* top, left, height, width; height 0: none */
  bool noisy;
} peri_augment_draw;

void peri_augment_draw_for(peri_augment_draw *out, const peri_augment *a, uint64_t key, int64_t h, int64_t w);

/* A key for all that is drawn for position `index` (0-based) of a stored set. */
uint64_t peri_augment_key(uint64_t seed, uint64_t epoch, int64_t index);

/* --- inside core/data --- */

/* Everything about a run of augmentation that no picture changes. Made once, read by every thread. */
typedef struct peri__augmenter {
  peri_augment options;
  int64_t h, w, c;
  peri_dtype dtype; /* stored: PERI_U8 or PERI_F32 */
  int64_t channels;
  float scale[PERI_AUGMENT_CHANNELS], shift[PERI_AUGMENT_CHANNELS], fill[PERI_AUGMENT_CHANNELS];
  float unit[PERI_AUGMENT_CHANNELS], origin[PERI_AUGMENT_CHANNELS];
  int64_t radius; /* of the elastic field's Gaussian */
  float *taps;    /* 2 radius + 1 */
} peri__augmenter;

/* For rows of `source`, (n, h, w) or (n, h, w, c). */
int peri__augmenter_new(peri__augmenter **out, const peri_augment *options, const peri_augment_values *values,
                        const peri_tensor *source);
void peri__augmenter_free(peri__augmenter *p); /* NULL is allowed */

/* Numbers of scratch memory that a picture wants. */
int64_t peri__augmenter_scratch(const peri__augmenter *p);

/* The stored picture at `from` as it comes into a batch, (h, w, c) floats. */
void peri__augment_picture(const peri__augmenter *p, uint64_t key, const void *from, float *to, float *scratch);

/* Stored values of one row as floats: v scale[c] + shift[c] (batch.c). */
void peri__convert(peri_dtype dtype, const void *from, int64_t n, int64_t channels, const float *scale,
                   const float *shift, float *to);
uint64_t peri__mix(uint64_t x); /* batch.c: a hash */

/* Streams of a picture's key: blocks of Philox, far enough apart. */
enum { PERI__DRAW_CHANCE, PERI__DRAW_AFFINE = 16, PERI__DRAW_COLOUR = 32, PERI__DRAW_ERASE = 48, PERI__DRAW_MIXUP = 256,
       PERI__DRAW_ROWS = 1 << 16, PERI__DRAW_COLUMNS = 1 << 26, PERI__DRAW_FILL = 1 << 28, PERI__DRAW_NOISE = 1 << 30 };

double peri__draw_unit(uint64_t key, uint64_t number);                /* [0, 1); two numbers a block */
double peri__draw_range(uint64_t key, uint64_t number, peri_range r); /* number: 2 PERI__DRAW_... + 0, 1, ... */

void peri__affine_draw(peri_augment_draw *d, const peri_augment *a, uint64_t key, int64_t h, int64_t w); /* affine.c */
int peri__elastic_taps(float **taps, int64_t *radius, double sigma, int64_t most);                       /* elastic.c */
void peri__elastic_field(const peri__augmenter *p, uint64_t key, double alpha, float *rows, float *columns,
                         float *scratch);
void peri__erase_draw(peri_augment_draw *d, const peri_augment *a, uint64_t key, int64_t h, int64_t w);  /* erase.c */
void peri__erase(const peri__augmenter *p, uint64_t key, const int64_t place[4], float *picture);
/* mixup.c: the weight of a picture itself, and which of n is mixed in (0-based). */
double peri__mixup_weight(const peri_augment *a, uint64_t key);
int64_t peri__mixup_partner(uint64_t key, int64_t n);

#endif
