/* elements.h - the element types that files have, and how they become one of our four.

   A file's number is kept when one of our types holds all its values: small integers become int64,
   booleans uint8 (0 or 1), half floats float32. uint64 becomes int64 and is refused when a value does
   not fit. Everything is read little- or big-endian; writing is little-endian (as the host is). */
#ifndef PERI_FORMAT_ELEMENTS_H
#define PERI_FORMAT_ELEMENTS_H

#include "base/file.h"
#include "tensor/tensor.h"

/* X(NAME, bytes in the file, our type, NumPy's code, safetensors' name) */
#define PERI_ELEMENT_TABLE(X)                                                                       \
  X(F32, 4, PERI_F32, "f4", "F32")                                                                 \
  X(F64, 8, PERI_F64, "f8", "F64")                                                                 \
  X(I64, 8, PERI_I64, "i8", "I64")                                                                 \
  X(U8, 1, PERI_U8, "u1", "U8")                                                                    \
  X(F16, 2, PERI_F32, "f2", "F16")                                                                 \
  X(BF16, 2, PERI_F32, NULL, "BF16")                                                               \
  X(BOOL, 1, PERI_U8, "b1", "BOOL")                                                                \
  X(I8, 1, PERI_I64, "i1", "I8")                                                                   \
  X(I16, 2, PERI_I64, "i2", "I16")                                                                 \
  X(I32, 4, PERI_I64, "i4", "I32")                                                                 \
  X(U16, 2, PERI_I64, "u2", "U16")                                                                 \
  X(U32, 4, PERI_I64, "u4", "U32")                                                                 \
  X(U64, 8, PERI_I64, "u8", "U64")

typedef enum peri_element {
#define X(name, bytes, dtype, numpy, safetensors) PERI_ELEMENT_##name,
  PERI_ELEMENT_TABLE(X)
#undef X
  PERI_ELEMENTS
} peri_element;

typedef struct peri_element_info {
  const char *name;
  size_t bytes;
  peri_dtype dtype;
  const char *numpy, *safetensors; /* NULL where that format has no such type */
} peri_element_info;

extern const peri_element_info peri_element_infos[PERI_ELEMENTS];

/* The element that holds one of our types as it is. */
peri_element peri_element_of(peri_dtype dtype);

/* count * bytes of a shape in a file; PERI_ESHAPE when it overflows or ndim is above PERI_MAX_DIMS.
   `where` begins the message. */
int peri_elements_bytes(uint64_t *bytes, const char *where, size_t element_bytes, int ndim, const int64_t *shape);

/* A new dense tensor from elements in a file at `offset`. The caller has checked that the file has the
   bytes; `swap` says that they are big-endian. `where` names the tensor in messages. */
int peri_elements_read(peri_tensor **out, const peri_file_reader *r, uint64_t offset, peri_element element, bool swap,
                       int ndim, const int64_t *shape, const char *where);

/* Appends the elements of any tensor, row-major, to a file. */
int peri_elements_write(peri_file_writer *w, const peri_tensor *t);

/* Hands the elements of any tensor, row-major, to `put` in pieces. */
int peri_elements_each(const peri_tensor *t, int (*put)(void *context, const void *data, size_t bytes), void *context);

#endif
