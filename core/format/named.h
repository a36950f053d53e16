/* named.h - what a file of weights holds: tensors by name, and texts by key.

   Both lists keep the file's order and own what is in them. A name is UTF-8 and holds no NUL; a text
   may hold any bytes, so its length is kept. */
#ifndef PERI_FORMAT_NAMED_H
#define PERI_FORMAT_NAMED_H

#include "tensor/tensor.h"

typedef struct peri_named_tensor {
  char *name;
  peri_tensor *tensor;
} peri_named_tensor;

typedef struct peri_named_text {
  char *name;
  char *text; /* NUL behind the last byte */
  size_t length;
} peri_named_text;

/* A zeroed struct is an empty list. */
typedef struct peri_named {
  size_t tensors, tensor_capacity;
  peri_named_tensor *tensor;
  size_t texts, text_capacity;
  peri_named_text *text;
} peri_named;

/* Adds at the end: name and text are copied, the tensor is retained. */
int peri_named_add(peri_named *list, const char *name, peri_tensor *tensor);
int peri_named_add_text(peri_named *list, const char *name, const char *text, size_t length);

/* Releases everything and leaves an empty list. */
void peri_named_clear(peri_named *list);

/* `failure`, with `where` before the message, when two tensors or two texts have one name. */
int peri_named_unique(const peri_named *list, const char *where, int failure);

/* 1 when the bytes are well-formed UTF-8 (no surrogates, no overlong forms, nothing past U+10FFFF). */
int peri_utf8_valid(const char *text, size_t length);

#endif
