/* memory.h - counted, aligned memory, with a cache of freed blocks.

   Every byte that tensors and scratch space use comes from here, so that the bindings can see
   off-heap memory grow and a test can fail the N-th allocation. Freed blocks wait in bins by size for
   the next that wants one (a training step asks for the same sizes again and again; the system's own
   calls and fresh pages cost more than the arithmetic on them). What waits in vain goes back to the system after
   requests of 256 MB and four times the footprint; peri_memory_trim gives all of it back at once. */
#ifndef PERI_BASE_MEMORY_H
#define PERI_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { PERI_ALIGNMENT = 64 }; /* one cache line, one AVX-512 register */

/* Memory for `bytes` bytes, aligned to PERI_ALIGNMENT, not cleared. NULL with the message set when
   there is none. peri_alloc(0) gives a valid block. Free with peri_free. */
void *peri_alloc(size_t bytes);
void *peri_alloc_zeroed(size_t bytes);
void peri_free(void *block); /* NULL is allowed */

/* peri_alloc and peri_free for small structures that a failing-allocation test must see too. */
char *peri_strdup(const char *text);

/* Bytes in live blocks, and the sum of all bytes ever asked for (it only grows). An arena counts as
   one live block; what is planned into it is not counted again. */
uint64_t peri_memory_live(void);
uint64_t peri_memory_total(void);
uint64_t peri_memory_cached(void);

/* How often the system has been asked for memory: it stands still in the steady state of training. */
uint64_t peri_memory_system_allocations(void);

/* Frees the cache, and has the system's allocator give back the pages that nobody uses, of all threads: some milliseconds
   where there are many. */
void peri_memory_trim(void);

/* Makes the n-th allocation from now (n = 1 is the next) fail, once; 0 turns it off. Works in builds
   with PERILUNE_FAULTS only; elsewhere it returns PERI_EUNSUPPORTED. */
int peri_memory_fail_at(uint64_t n);

#endif
