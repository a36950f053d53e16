/* lapack.h - the LAPACK routines that linalg calls, as Fortran exports them.

   A routine exists for float (s...) and double (d...) with the same arguments but for the element type; arrays
   are declared void * so that one table entry stands for both. Scalars come by address; the lengths of
   character arguments follow at the end, hidden in Fortran. Matrices are column-major. */
#ifndef PERI_LINALG_LAPACK_H
#define PERI_LINALG_LAPACK_H

#include <stddef.h>

/* X(name, arguments); the argument names are LAPACK's. */
#define PERI_LAPACK_TABLE(X)                                                                                        \
  X(gesdd, (const char *jobz, const int *m, const int *n, void *a, const int *lda, void *s, void *u, const int *ldu, \
            void *vt, const int *ldvt, void *work, const int *lwork, int *iwork, int *info, size_t jobz_length))     \
  X(syevd, (const char *jobz, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work,          \
            const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length))     \
  X(gelqf, (const int *m, const int *n, void *a, const int *lda, void *tau, void *work, const int *lwork, int *info)) \
  X(orglq, (const int *m, const int *n, const int *k, void *a, const int *lda, const void *tau, void *work,          \
            const int *lwork, int *info))                                                                            \
  X(potrf, (const char *uplo, const int *n, void *a, const int *lda, int *info, size_t uplo_length))                 \
  X(getrf, (const int *m, const int *n, void *a, const int *lda, int *ipiv, int *info))                              \
  X(getrs, (const char *trans, const int *n, const int *nrhs, const void *a, const int *lda, const int *ipiv,        \
            void *b, const int *ldb, int *info, size_t trans_length))                                                \
  X(getri, (const int *n, void *a, const int *lda, const int *ipiv, void *work, const int *lwork, int *info))        \
  X(gelsd, (const int *m, const int *n, const int *nrhs, void *a, const int *lda, void *b, const int *ldb, void *s,  \
            const void *rcond, int *rank, void *work, const int *lwork, int *iwork, int *info))

#define X(name, arguments)     \
  extern void s##name##_ arguments; \
  extern void d##name##_ arguments;
PERI_LAPACK_TABLE(X)
#undef X

typedef struct peri_lapack {
#define X(name, arguments) void(*name) arguments;
  PERI_LAPACK_TABLE(X)
#undef X
} peri_lapack;

#endif
