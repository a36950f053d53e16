/* file.h - files that are whole or not there, and reads that stay inside the file.

   A writer collects its bytes in a temporary file in the folder of the target; commit makes them
   durable and renames them over the target in one step, so that a reader, a full disk or a power cut
   sees the old file or the new one, never half of it. A reader is an opened regular file, or bytes in
   memory (so that a parser can be fed by a test); every read is checked against its size. */
#ifndef PERI_BASE_FILE_H
#define PERI_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peri_file_writer peri_file_writer;

/* Begins to write `path` (a symbolic link is followed, permissions of an existing file are kept). */
int peri_file_writer_open(peri_file_writer **out, const char *path);

/* Appends bytes; buffered; polls the interrupt flag. After a failure only abort is possible. */
int peri_file_writer_write(peri_file_writer *w, const void *data, size_t bytes);

/* Bytes written so far. */
uint64_t peri_file_writer_offset(const peri_file_writer *w);

/* Flushes, syncs and renames; frees the writer in any case. On failure the target is as it was. */
int peri_file_writer_commit(peri_file_writer *w);

/* The same, but nothing that has the target's name is replaced: then *made is false, and the file is not written. Of
   several that commit to one name at once, one makes it. */
int peri_file_writer_commit_new(peri_file_writer *w, bool *made);

/* Removes the temporary file and frees the writer; NULL is allowed. */
void peri_file_writer_abort(peri_file_writer *w);

typedef struct peri_file_reader {
  int fd;                /* -1: the bytes are in memory */
  const uint8_t *memory; /* borrowed */
  uint64_t size;
  char *path;            /* owned; for messages */
} peri_file_reader;

/* Opens a regular file; anything else (a folder, a pipe) is PERI_EIO with a reason. */
int peri_file_reader_open(peri_file_reader *r, const char *path);

/* The same over borrowed bytes. */
int peri_file_reader_memory(peri_file_reader *r, const void *data, size_t bytes, const char *path);

/* Copies bytes [offset, offset + bytes); PERI_EFORMAT when that is past the end. Polls the interrupt flag. */
int peri_file_reader_at(const peri_file_reader *r, uint64_t offset, void *to, size_t bytes);

void peri_file_reader_close(peri_file_reader *r); /* a zeroed or closed reader is allowed */

/* The whole file, with a NUL behind its last byte, to free with peri_free; PERI_EIO when it is
   larger than `limit` bytes. */
int peri_file_read(uint8_t **out, size_t *bytes, const char *path, uint64_t limit);

/* Appends bytes to `path` with one write, so that lines of several processes stay whole. Folders that are missing
   are made; folders and file are the user's alone (modes 0700, 0600). */
int peri_file_append(const char *path, const void *data, size_t bytes);

#endif
