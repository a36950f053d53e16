/* linalg.h - linear algebra on LAPACK: float32 and float64, batched over leading axes.

   a is (..., m, n); every function works on each matrix of the batch and returns dense or permuted tensors of
   a's type. Inputs may be strided; they are never changed. A NaN or an infinity is refused before LAPACK sees
   it, for its iterations need not end on one. Empty matrices and batches are allowed where the answer is clear.

   Row-major matrices are handed to LAPACK as they lie, as the transposed matrix: the factors of the transposed,
   read row-major, are those that were asked for (A = U S Vh: A' = Vh' S U'; A = QR: A' = R'Q', an LQ).
   Errors: PERI_ETYPE, PERI_ESHAPE, PERI_EARG (not finite, singular, not positive definite, no convergence),
   PERI_EINTERRUPT between two matrices; messages begin with the function's name, and name the matrix of the batch. */
#ifndef PERI_LINALG_H
#define PERI_LINALG_H

#include "tensor/tensor.h"

/* One thread for the library underneath, so that the same input gives the same bits; once, at load. */
void peri_linalg_start(void);

/* u (..., m, k), s (..., k) from the largest down, vh (..., k, n); k = min(m, n), or with `full` u (..., m, m) and
   vh (..., n, n). u and vh may both be NULL: singular values alone. */
int peri_linalg_svd(peri_tensor **u, peri_tensor **s, peri_tensor **vh, const peri_tensor *a, bool full);

/* Symmetric a (..., n, n), of which the lower (or with `upper` the upper) triangle is read. values (..., n) from the
   smallest up; vectors (..., n, n), one a column; NULL: values alone. */
int peri_linalg_eigh(peri_tensor **values, peri_tensor **vectors, const peri_tensor *a, bool upper);

/* q (..., m, k) with orthonormal columns, r (..., k, n) upper triangular; k = min(m, n), or m with `complete`. */
int peri_linalg_qr(peri_tensor **q, peri_tensor **r, const peri_tensor *a, bool complete);

/* Lower l with a = l l', or with `upper` u with a = u'u; of a only that triangle is read. */
int peri_linalg_cholesky(peri_tensor **out, const peri_tensor *a, bool upper);

/* x with a x = b. b is a vector (n) or matrices (..., n, k); batches broadcast. */
int peri_linalg_solve(peri_tensor **x, const peri_tensor *a, const peri_tensor *b);
int peri_linalg_inverse(peri_tensor **out, const peri_tensor *a);
int peri_linalg_det(peri_tensor **out, const peri_tensor *a);
/* sign (-1, 0 or 1) and the logarithm of the absolute determinant (-inf when singular). */
int peri_linalg_slogdet(peri_tensor **sign, peri_tensor **logdet, const peri_tensor *a);

/* The x of least norm that makes |a x - b| least. rank (int64, batch), s: a's singular values. Those below
   rcond times the largest count as 0; rcond < 0: the precision of the type times max(m, n). */
int peri_linalg_lstsq(peri_tensor **x, peri_tensor **rank, peri_tensor **s, const peri_tensor *a, const peri_tensor *b,
                      double rcond);

/* The sum of each matrix's diagonal. */
int peri_linalg_trace(peri_tensor **out, const peri_tensor *a);

#endif
