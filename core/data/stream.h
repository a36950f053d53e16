/* stream.h - reading a file that may be inside gzip, with its limits known (internal to data/).

   Only regular files are opened, so that a pipe or a folder is an error and never a wait. */
#ifndef PERI_DATA_STREAM_H
#define PERI_DATA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peri_stream {
  const char *what; /* "idx", "csv": the first word of messages */
  const char *path; /* borrowed */
  void *file;       /* zlib's */
  bool packed;      /* inside gzip */
  uint64_t most;    /* bytes the contents can have at most; exact when not packed */
  uint64_t offset;  /* of the next byte, in the contents */
} peri_stream;

int peri__stream_open(peri_stream *s, const char *what, const char *path);
void peri__stream_close(peri_stream *s);

/* Reads `want` bytes, fewer only at the end; *got says how many. */
int peri__stream_read(peri_stream *s, void *to, size_t want, size_t *got);

#endif
