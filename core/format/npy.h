/* npy.h - NumPy's .npy (one array) and .npz (a zip of them).

   Written: version 1, little-endian, row-major; npz members stored, not deflated, in the list's order.
   Read: versions 1 to 3, either byte order, Fortran order, every type of elements.h, members stored or
   deflated. Nothing is unpickled: object arrays are refused. */
#ifndef PERI_FORMAT_NPY_H
#define PERI_FORMAT_NPY_H

#include "format/named.h"

int peri_npy_save(const char *path, const peri_tensor *t);
int peri_npy_load(peri_tensor **out, const char *path);

/* Names become members `name.npy`. They must be unique and hold no "..", no backslash and no leading slash. */
int peri_npz_save(const char *path, const peri_named *list);

/* Adds the members to `out`, without their ".npy"; members of another ending are refused. */
int peri_npz_load(peri_named *out, const char *path);

/* The same from bytes in memory; `path` is for messages. */
int peri_npy_parse(peri_tensor **out, const void *data, size_t bytes, const char *path);
int peri_npz_parse(peri_named *out, const void *data, size_t bytes, const char *path);

/* For npz.c: an array whose file begins at `offset` of r and is `bytes` long; and the header of one,
   of *length bytes, at most PERI_NPY_HEADER. */
enum { PERI_NPY_HEADER = 512 };
struct peri_file_reader;
int peri__npy_read(peri_tensor **out, const struct peri_file_reader *r, uint64_t offset, uint64_t bytes,
                   const char *where);
size_t peri__npy_header(char header[PERI_NPY_HEADER], const peri_tensor *t);

#endif
