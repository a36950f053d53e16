/* memory.c - a header before each block holds its size; freed blocks wait in bins by size, until nobody wanted them for
   long.

   One lock guards all bins: a step of training makes about two hundred requests, of 20 ns each, nearly all on one
   thread. Freed bytes are poisoned for AddressSanitizer, so that the cache hides no use of them. */
#include "base/memory.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/block.h"
#include "base/status.h"

typedef peri__block block;

enum {
  HEADER_BYTES = PERI_HEADER_BYTES,
  LEAST_POWER = 6,                    /* the smallest bin holds 64 bytes */
  STEPS = 8,                          /* bins for each power of two */
  BINS = (47 - LEAST_POWER) * STEPS + STEPS, /* up to 2^47 bytes */
  ROUNDS = 4                                 /* see give_back_spare */
};

/* Freed blocks of one size, and the fewest that waited since the last look: so many nobody needed. */
typedef struct bin {
  block *first;
  uint64_t waiting, spare;
} bin;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bin bins[BINS];
static atomic_uint_fast64_t live, total, cached, asked, look_at;

#ifdef PERILUNE_FAULTS
static atomic_uint_fast64_t countdown;
static int fault(void) {
  uint_fast64_t left = atomic_load(&countdown);
  while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1)) continue;
  return left == 1;
}
int peri_memory_fail_at(uint64_t n) {
  atomic_store(&countdown, n);
  return PERI_OK;
}
#else
static int fault(void) { return 0; }
int peri_memory_fail_at(uint64_t n) {
  (void)n;
  return peri_fail(PERI_EUNSUPPORTED, "memory: this build cannot fail allocations "
                                      "(configure with -DPERILUNE_FAULTS=ON)");
}
#endif

/* The bin of a size, and in *capacity the size of the bin's blocks: the power of two below, in eighths, rounded up. */
static unsigned bin_of(size_t bytes, size_t *capacity) {
  bytes = bytes ? (bytes + PERI_ALIGNMENT - 1) & ~(size_t)(PERI_ALIGNMENT - 1) : PERI_ALIGNMENT;
  unsigned power = 63U - (unsigned)__builtin_clzll((unsigned long long)bytes);
  size_t step = (size_t)1 << (power - 3);
  size_t eighths = (bytes - ((size_t)1 << power) + step - 1) / step; /* 0..8 */
  *capacity = ((size_t)1 << power) + eighths * step;
  return (power - LEAST_POWER) * STEPS + (unsigned)eighths;
}

static block *take_cached(bin *from) {
  pthread_mutex_lock(&lock);
  block *found = from->first;
  if (found) {
    from->first = found->next;
    from->waiting--;
    if (from->spare > from->waiting) from->spare = from->waiting;
  }
  pthread_mutex_unlock(&lock);
  if (found) atomic_fetch_sub(&cached, found->capacity);
  return found;
}

static block *ask_system(size_t capacity) {
  size_t padded = (HEADER_BYTES + capacity + PERI_ALIGNMENT - 1) & ~(size_t)(PERI_ALIGNMENT - 1);
  atomic_fetch_add(&asked, 1);
  block *found = aligned_alloc(PERI_ALIGNMENT, padded);
  if (!found) {
    peri_memory_trim();
    found = aligned_alloc(PERI_ALIGNMENT, padded);
  }
  if (found) found->capacity = capacity;
  return found;
}

void *peri_alloc(size_t bytes) {
  if (bytes > (size_t)1 << 46 || fault()) goto none;
  uint64_t recording;
  int64_t place;
  block *found = peri__arena_take(bytes, &recording, &place);
  atomic_fetch_add(&total, bytes);
  if (found) return peri__block_memory(found);
  size_t capacity;
  found = take_cached(&bins[bin_of(bytes, &capacity)]);
  if (!found) found = ask_system(capacity);
  if (!found) goto none;
  found->bytes = bytes;
  found->chunk = NULL;
  found->recording = recording;
  found->place = place;
  PERI_UNPOISON(peri__block_memory(found), bytes);
  atomic_fetch_add(&live, bytes);
  return peri__block_memory(found);
none:
  peri_fail(PERI_ENOMEM, "out of memory: %zu bytes asked for, %llu live", bytes,
            (unsigned long long)atomic_load(&live));
  return NULL;
}

void *peri_alloc_zeroed(size_t bytes) {
  void *memory = peri_alloc(bytes);
  if (memory) memset(memory, 0, bytes);
  return memory;
}

/* Freed bytes that are kept at most: an eighth of the machine's memory, so that the activations of a large net are
   not fetched from the system (and cleared by it) anew. */
static uint64_t cache_limit(void) {
  static atomic_uint_fast64_t limit;
  uint64_t most = atomic_load(&limit);
  if (most) return most;
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  most = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 8 : (uint64_t)1 << 29;
  atomic_store(&limit, most);
  return most;
}

static void keep(block *freed) {
  size_t capacity;
  bin *to = &bins[bin_of(freed->bytes, &capacity)];
  PERI_POISON(peri__block_memory(freed), freed->capacity);
  atomic_fetch_add(&cached, capacity);
  pthread_mutex_lock(&lock);
  freed->next = to->first;
  to->first = freed;
  to->waiting++;
  pthread_mutex_unlock(&lock);
}

static void give_back(bin *from, uint64_t most) {
  block *found;
  while (most-- > 0 && (found = take_cached(from))) {
    PERI_UNPOISON(peri__block_memory(found), found->capacity);
    free(found);
  }
}

/* Every ROUNDS times the footprint of requests (and 256 MB): gives back the blocks that waited through all of them. A
   program that goes from size to size, as a window that is resized, would else keep what each of them once needed; what
   steps of training take and free in turn never waits so long. */
static void give_back_spare(void) {
  uint_fast64_t now = atomic_load(&total), due = atomic_load(&look_at);
  if (now < due) return;
  uint_fast64_t next = now + ((uint_fast64_t)1 << 28) + ROUNDS * (atomic_load(&live) + atomic_load(&cached));
  if (!atomic_compare_exchange_strong(&look_at, &due, next)) return;
  for (bin *each = bins; each < bins + BINS; each++) {
    pthread_mutex_lock(&lock);
    uint64_t spare = due == 0 ? 0 : each->spare;
    each->spare = each->waiting - spare;
    pthread_mutex_unlock(&lock);
    give_back(each, spare);
  }
}

void peri_free(void *memory) {
  if (!memory) return;
  block *freed = (block *)(void *)((char *)memory - HEADER_BYTES);
  if (freed->chunk) {
    peri__arena_give_back(freed);
    return;
  }
  if (freed->recording) peri__arena_died(freed);
  atomic_fetch_sub(&live, freed->bytes);
  if (atomic_load(&cached) + freed->capacity > cache_limit()) {
    PERI_UNPOISON(memory, freed->capacity);
    free(freed);
    return;
  }
  keep(freed);
  give_back_spare();
}

char *peri_strdup(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = peri_alloc(bytes);
  if (copy) memcpy(copy, text, bytes);
  return copy;
}

uint64_t peri_memory_live(void) { return atomic_load(&live); }
uint64_t peri_memory_total(void) { return atomic_load(&total); }
uint64_t peri_memory_cached(void) { return atomic_load(&cached); }
uint64_t peri_memory_system_allocations(void) { return atomic_load(&asked); }

/* What is freed is the allocator's, not yet the system's: glibc keeps all that lies below a block still in use. */
void peri_memory_trim(void) {
  for (bin *each = bins; each < bins + BINS; each++) give_back(each, UINT64_MAX);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
