/* safetensors.h - tensors by name in one flat file, with texts as metadata.

     u64 N | N bytes of JSON, padded with spaces | the elements, little-endian, without gaps
     {"__metadata__":{"key":"text"},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}

   The reader trusts nothing: see safetensors_read.c for what it refuses. The writer gives what the
   reference implementation gives: tensors sorted by type (I64, F64, F32, U8) and then by name, the
   header padded so that the elements begin at a multiple of 8. */
#ifndef PERI_FORMAT_SAFETENSORS_H
#define PERI_FORMAT_SAFETENSORS_H

#include "format/named.h"

/* Tensors come in the order of their elements in the file; metadata as the list's texts. */
int peri_safetensors_load(peri_named *out, const char *path);
int peri_safetensors_parse(peri_named *out, const void *data, size_t bytes, const char *path); /* path for messages */

int peri_safetensors_save(const char *path, const peri_named *list);

#endif
