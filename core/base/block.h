/* block.h - what lies in front of every block of memory, known to memory.c and arena.c only.

   | header, 64 bytes | the caller's bytes ... |      A block of its own comes from the system or from a bin of
                                                    freed ones; a planned one lies in an arena's chunk. */
#ifndef PERI_BASE_BLOCK_H
#define PERI_BASE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PERI_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PERI_ASAN 1
#endif
#ifdef PERI_ASAN
#include <sanitizer/asan_interface.h>
#define PERI_POISON(from, bytes) ASAN_POISON_MEMORY_REGION(from, bytes)
#define PERI_UNPOISON(from, bytes) ASAN_UNPOISON_MEMORY_REGION(from, bytes)
#else
#define PERI_POISON(from, bytes) ((void)(from), (void)(bytes))
#define PERI_UNPOISON(from, bytes) ((void)(from), (void)(bytes))
#endif

struct peri__chunk;

typedef struct peri__block {
  size_t bytes;    /* what the caller asked for */
  size_t capacity; /* what the block holds, a bin's size */
  struct peri__block *next, *previous; /* in a bin, or among a chunk's live blocks */
  struct peri__chunk *chunk;           /* where a planned block lies; NULL for a block of its own */
  uint64_t recording;                  /* the recording that saw it being made, 0 for none; and its place there */
  int64_t place;
} peri__block;

enum { PERI_HEADER_BYTES = PERI_ALIGNMENT };
_Static_assert(sizeof(peri__block) <= PERI_HEADER_BYTES, "the header must fit before an aligned block");

static inline void *peri__block_memory(peri__block *b) { return (char *)b + PERI_HEADER_BYTES; }

/* arena.c: a planned block of this thread's scope, or NULL, and then in *place the number of the request in the
   scope's recording, or -1. */
peri__block *peri__arena_take(size_t bytes, uint64_t *recording, int64_t *place);
/* A block is freed that a recording saw, or that lies in a chunk. */
void peri__arena_died(const peri__block *b);
void peri__arena_give_back(peri__block *b);

#endif
