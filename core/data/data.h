/* data.h - data sets on disk and the way from a stored set to a batch.

   A set is stored as it came: images as uint8 (N, H, W, C), labels as int64 (N). A batch is gathered
   from it by a list of positions, converted to float32 on the way, in one pass. */
#ifndef PERI_DATA_H
#define PERI_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* --- IDX (idx.c): the format of MNIST, raw or inside gzip --- */

/* The array in the file at `path`, in the file's own shape. Type 08 gives uint8; 09, 0B and 0C (signed
   bytes, shorts, integers) int64; 0D float32; 0E float64. The file's length must be exactly what its
   header says. PERI_EIO when it cannot be read, PERI_EFORMAT when it is malformed. */
int peri_idx_read(peri_tensor **out, const char *path);

/* Writes a contiguous tensor of one axis or more (idx_write.c); the file is whole or as it was before. int64 is
   written with 32 bits: a value beyond them is PERI_EARG. */
int peri_idx_write(const char *path, const peri_tensor *t);

/* --- CSV of numbers (csv.c), raw or inside gzip --- */

enum { PERI_CSV_AUTO = -1 };

typedef struct peri_csv_options {
  int header;             /* 1: the first line holds names, 0: numbers, PERI_CSV_AUTO: look */
  int64_t label;          /* the label's column (1-based), 0: there is none, PERI_CSV_AUTO: the column called
                             "label"; without names, the first of 785 */
  const char *label_name; /* the label's column by its name in the header, or NULL */
  char separator;
} peri_csv_options;

/* x: (rows, columns without the label), uint8 when every value is a whole number in 0..255, else float32.
   y: int64 (rows), or NULL when there is no label column. Both are new. Lines end in LF or CRLF, empty
   lines are skipped, cells may be quoted. Errors name line and column. */
int peri_csv_read(peri_tensor **x, peri_tensor **y, const char *path, const peri_csv_options *options);

/* --- from a set to a batch (batch.c); positions are 1-based int64 tensors --- */

/* A random order of 1..n, a function of (seed, epoch, n) alone, so that a run that resumes at an epoch
   sees the order it would have seen. */
int peri_batch_order(peri_tensor **out, uint64_t seed, uint64_t epoch, int64_t n);

/* Rows order[first .. first+count-1] (first is 1-based) of `source` as float32, each value v of channel c
   (the last axis) turned into v * scale[c] + shift[c]. `channels` is the length of scale and shift: 1, or
   the size of the last axis. order NULL means 1, 2, 3... out: (count, source's other axes). */
int peri_batch_gather(peri_tensor **out, const peri_tensor *source, const peri_tensor *order, int64_t first,
                      int64_t count, int64_t channels, const double *scale, const double *shift);

/* The same rows as they are, in the source's type. */
int peri_batch_take(peri_tensor **out, const peri_tensor *source, const peri_tensor *order, int64_t first,
                    int64_t count);

/* Rows of zeros with a one at each label: float32 (n, classes) from int64 (n). Labels are 0..classes-1. */
int peri_batch_onehot(peri_tensor **out, const peri_tensor *labels, int64_t classes);

/* Mean and standard deviation (biased) of each channel, after scaling; `each` is 1 for one channel in
   all, or the size of the last axis; mean and deviation have that many places. order as above, all of it. */
int peri_batch_moments(const peri_tensor *source, const peri_tensor *order, int64_t each, double *mean,
                       double *deviation);

#endif
