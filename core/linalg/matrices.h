/* matrices.h - what the files of linalg share: checked dense copies of a batch of matrices, and errors. */
#ifndef PERI_LINALG_MATRICES_H
#define PERI_LINALG_MATRICES_H

#include "linalg/lapack.h"
#include "linalg/linalg.h"

/* A batch of matrices (..., rows, columns) that LAPACK may write over: row-major, dense, finite. */
typedef struct peri__matrices {
  const char *name; /* of the function, for messages */
  const peri_lapack *lapack;
  peri_tensor *copy; /* owned */
  peri_dtype dtype;
  size_t size;       /* of an element */
  int batch_dims;
  int64_t batch_shape[PERI_MAX_DIMS];
  int64_t count;     /* matrices */
  int rows, columns;
} peri__matrices;

/* Checks a and copies it; with `transposed`, each matrix is laid down column-major. */
int peri__matrices_open(peri__matrices *m, const char *name, const char *argument, const peri_tensor *a, bool transposed);
int peri__matrices_open_square(peri__matrices *m, const char *name, const peri_tensor *a);
void peri__matrices_close(peri__matrices *m); /* a zeroed one is allowed */

/* Matrix `i` of the copy. */
void *peri__matrix(const peri__matrices *m, int64_t i);
/* Block `i` of `elements` elements in a dense tensor. */
void *peri__block(const peri_tensor *t, int64_t i, int64_t elements);

/* A new dense tensor: the batch's shape and then `dims` (0 to 2) axes. */
int peri__matrices_new(peri_tensor **out, const peri__matrices *m, peri_dtype dtype, int dims, int64_t rows, int64_t columns);
/* Ones on the diagonal of every (rows, columns) matrix of a dense tensor, zeros elsewhere. */
void peri__identity(peri_tensor *t);

/* " (batch 3)" for matrix i of a batch, "" for a single matrix. One of 4 rotating buffers a thread. */
const char *peri__which(const peri__matrices *m, int64_t i);

/* LAPACK's answer to a question for its workspace, rounded up: a float32 cannot hold every size. */
int peri__work_size(const peri__matrices *m, const void *answer);

/* A negative info says that we called LAPACK wrongly. */
int peri__check_info(const peri__matrices *m, const char *routine, int info);

#endif
