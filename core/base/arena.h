/* arena.h - one run of memory for work that is done again and again: a step of training, a batch of inference.

   The work stands between peri_arena_begin and peri_arena_end, under a key (the shape of the batch). The first time
   the thread's requests of PERI_ARENA_LEAST bytes and more are recorded, with the moments at which they are made and
   freed, and places in one chunk are planned so that blocks which live at the same time lie apart. Later the n-th
   request of a scope is served from its place. What does not go as planned is served by the ordinary allocator: a
   request of another size (the plan is then made anew), one whose place still holds a block that lives on from
   an earlier step, requests of other threads and inside pieces of a parallel job (their order is chance), and
   blocks that outlived their scope when it was recorded. So a tensor may live as long as it likes, and a chunk
   lives as long as the last block in it. */
#ifndef PERI_BASE_ARENA_H
#define PERI_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PERI_ARENA_LEAST = 4096, PERI_ARENA_PLANS = 16 };

typedef struct peri_arena peri_arena;

/* What one key needs: `bytes` of the chunk, for `blocks` planned blocks of `sum` bytes in all. */
typedef struct peri_arena_plan {
  uint64_t key;
  int64_t blocks;
  size_t bytes, sum;
} peri_arena_plan;

int peri_arena_new(peri_arena **out);
void peri_arena_release(peri_arena *arena); /* NULL is allowed; ends its scope */

/* Begins a scope on this thread. Returns 1, or 0 when one is under way already: then there is nothing to end.
   PERI_ENOMEM leaves the arena as it was. */
int peri_arena_begin(peri_arena *arena, uint64_t key);
/* `complete` is false when the work was broken off: what was recorded of it is then forgotten. */
void peri_arena_end(peri_arena *arena, bool complete);

/* The plan of index i, from 0; false past the last. */
bool peri_arena_plan_at(const peri_arena *arena, int i, peri_arena_plan *out);

/* Bytes of all chunks. */
uint64_t peri_arena_bytes(void);

/* Requests made on this thread between these two are nobody's to plan (threads.c: pieces of a job). */
bool peri__arena_pause(void); /* returns what resume wants */
void peri__arena_resume(bool before);

#endif
