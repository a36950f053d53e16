/* loader.h - the batches of one pass over a stored set, in turn, prepared ahead of their use by threads of their own
   or, without such threads, on the kernels' pool when they are asked for. The bits are the same either way.

   What can fail is looked at when the loader is made: the threads only compute. They touch no reference counts and
   allocate nothing; tensors are made, lent and taken back by the thread that calls. */
#ifndef PERI_DATA_LOADER_H
#define PERI_DATA_LOADER_H

#include "data/augment.h"

/* How a pass goes. Tensors are kept by the loader as long as it lives; a change to them shows, or not, in the
   batches that are being prepared. */
typedef struct peri_recipe {
  peri_tensor *x;       /* the stored rows */
  peri_tensor *y;       /* a label or target a row, or NULL */
  peri_tensor *order;   /* 1-based positions of the rows wanted, in their order; NULL: all as they stand */
  peri_tensor *members; /* 1-based positions from which mixup takes its partners; NULL: all rows */
  bool keep;            /* rows of x stay as they are, else they become float32 by `values` */
  peri_augment_values values;
  const peri_augment *augment; /* NULL: rows are not changed; x must hold pictures else */
  uint64_t seed, epoch;        /* of what augment draws */
  int64_t classes;             /* labels (int64, one a row) become rows of so many, one-hot; 0: they stay */
  int64_t size;                /* rows in a batch; the last may be smaller, */
  bool drop_last;              /* or is left out */
  int ahead;                   /* batches prepared before they are asked for; 0: none, no threads; AUTO: as below */
  int workers;                 /* threads that prepare them */
} peri_recipe;

typedef struct peri_loader peri_loader;

/* PERI_LOADER_AUTO prepares two batches ahead where processors are left over from the kernels' threads, and else none:
   the digit net's step, batch 128, with rotation, scale, shear, shift and elastic distortion (0.76 ms of one core a
   batch; two cores, AVX-512, medians of 5):
                                        2 threads   1 thread
     without augmentation                  2.30 ms    4.40 ms
     prepared in place, on the pool        2.56 ms    5.00 ms
     1, 2, 3 ahead by one thread       2.82, 2.73, 2.75   4.23, 4.17, 4.24
   A thread that has a processor to itself hides the whole cost; one that has not takes a kernel's away in the middle
   of its pieces, and the others wait for it. */
enum { PERI_LOADER_AUTO = -1, PERI_LOADER_AHEAD_MOST = 64, PERI_LOADER_WORKERS_MOST = 16 };

int peri_loader_new(peri_loader **out, const peri_recipe *recipe);

/* The next batch: 1, and in *x, and *y where there are labels, tensors that the caller owns; 0 after the last.
   PERI_EINTERRUPT while the interrupt flag is up: the loader can still go on. */
int peri_loader_next(peri_loader *l, peri_tensor **x, peri_tensor **y);

/* Stops and joins the threads, in the middle of a batch too. NULL is allowed. In a child of fork, which has no
   such threads, only memory is freed. */
void peri_loader_free(peri_loader *l);

/* --- rows.c, inside core/data --- */

/* A recipe made ready: dense tensors of its own references, labels and positions checked. */
typedef struct peri__rows {
  peri_tensor *x, *y, *order, *members;
  peri__augmenter *augmenter;
  float scale[PERI_AUGMENT_CHANNELS], shift[PERI_AUGMENT_CHANNELS];
  int64_t channels, classes;
  uint64_t seed, epoch;
  int64_t count;         /* rows in all */
  int64_t x_row, y_row;  /* elements in a row of the result */
  peri_dtype x_type, y_type;
  int64_t scratch;       /* numbers of scratch memory that a thread wants */
  bool keep;
} peri__rows;

int peri__rows_open(peri__rows *r, const peri_recipe *recipe);
void peri__rows_close(peri__rows *r);

/* New tensors for `count` rows; *y is NULL where there are no labels. */
int peri__rows_room(const peri__rows *r, int64_t count, peri_tensor **x, peri_tensor **y);

/* Row number i (0-based, in the order) to place `at` of x and y. */
void peri__rows_put(const peri__rows *r, int64_t i, void *x, void *y, int64_t at, float *scratch);

#endif
