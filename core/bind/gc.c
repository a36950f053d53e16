/* gc.c - lets Lua's collector see memory that is not Lua's.

   Lua counts a tensor as a few bytes, however large it is. When live memory has grown by more than half
   of what was live after the last full collection, and 16 MB, another one runs: the garbage then never
   much exceeds the live set, and a loop that frees what it makes (<close>) is never interrupted.
   Collections get at most 5 % of the elapsed time while memory has grown less than a cap since the last,
   so that a heap of a million Lua tables is not walked at every step. */
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "bind/bind.h"

enum { GRACE_BYTES = 16 << 20, GARBAGE_BYTES = 256 << 20 };

static uint64_t live_then; /* at the end of the last collection, or the least since */
static double spent, started;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How much memory may grow while collections wait for their share of time: GARBAGE_BYTES, or less on a small machine. */
static uint64_t cap(void) {
  static uint64_t bytes;
  if (!bytes) {
    bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE) / 4;
    if (bytes > GARBAGE_BYTES) bytes = GARBAGE_BYTES;
  }
  return bytes;
}

void peri_lua_collect(lua_State *L) {
  uint64_t live = peri_memory_live();
  if (live < live_then) live_then = live; /* freed since, by hand or by another's collection */
  if (live - live_then < live_then / 2 + GRACE_BYTES) return;
  double before = now();
  if (started == 0) started = before;
  if (spent > 0.05 * (before - started) && live < live_then + cap()) return;
  lua_gc(L, LUA_GCCOLLECT);
  spent += now() - before;
  live_then = peri_memory_live();
}
