/* zip.h - as much of zip as model files need: stored members written, stored and deflated ones read.

   The directory at the end of the file is believed only after it has been checked: members lie inside
   the file and do not overlap, none claims more than deflate can pack (1032 to 1, so that a small
   file cannot unfold into a full memory), names are unique. Encrypted and split archives are refused.
   zlib does the inflating; zip64 sizes are read and, where needed, written. */
#ifndef PERI_FORMAT_ZIP_H
#define PERI_FORMAT_ZIP_H

#include "base/file.h"

typedef struct peri_zip_member {
  char *name;
  uint64_t header; /* offset of its local header */
  uint64_t offset; /* of its first byte */
  uint64_t packed, size;
  uint32_t crc;
  bool deflated;
} peri_zip_member;

typedef struct peri_zip {
  const peri_file_reader *reader; /* borrowed */
  size_t count;
  peri_zip_member *member; /* in the directory's order */
} peri_zip;

int peri_zip_open(peri_zip *z, const peri_file_reader *r);
void peri_zip_close(peri_zip *z);

/* The bytes of a member, checksum verified, to free with peri_free. */
int peri_zip_read(uint8_t **out, const peri_zip *z, const peri_zip_member *m);

/* Verifies the checksum of a stored member without keeping it. */
int peri_zip_verify(const peri_zip *z, const peri_zip_member *m);

typedef struct peri_zip_writer {
  peri_file_writer *file; /* borrowed */
  size_t count, capacity;
  peri_zip_member *member;
} peri_zip_writer;

/* Starts a member of known size and checksum (zlib's crc32); the caller then writes exactly its bytes
   to the file. A zeroed writer with `file` set is ready. */
int peri_zip_begin(peri_zip_writer *z, const char *name, uint64_t size, uint32_t crc);

/* Writes the directory; the caller commits the file. */
int peri_zip_finish(peri_zip_writer *z);
void peri_zip_writer_clear(peri_zip_writer *z);

#endif
