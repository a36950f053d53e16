/* profile.c - a table of rows by op and shape, filled while a profile runs on this thread. */
#include "grad/profile.h"

#include <string.h>
#include <time.h>

static _Thread_local bool on;
static _Thread_local double inside; /* seconds of watches that have stopped inside the present one */
static peri_profile_row rows[PERI_PROFILE_ROWS];
static int count;
static bool taken;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int peri_profile_start(void) {
  if (taken) return peri_fail(PERI_ESTATE, "profile: one is under way already");
  memset(rows, 0, sizeof rows);
  count = 0;
  inside = 0;
  on = taken = true;
  return PERI_OK;
}

int peri_profile_stop(const peri_profile_row **out) {
  on = taken = false;
  *out = rows;
  return count;
}

peri_watch peri_watch_start(void) {
  peri_watch watch = {.on = on};
  if (!on) return watch;
  watch.inside = inside;
  inside = 0;
  watch.begun = now();
  return watch;
}

static peri_profile_row *row_of(const char *name, int ndim, const int64_t *shape) {
  size_t bytes = sizeof *shape * (size_t)ndim;
  for (int i = 0; i < count; i++) {
    bool same = rows[i].name == name && rows[i].ndim == ndim;
    if (same && (!ndim || memcmp(rows[i].shape, shape, bytes) == 0)) return &rows[i];
  }
  if (count == PERI_PROFILE_ROWS) {
    rows[count - 1].name = "others";
    rows[count - 1].ndim = 0;
    return &rows[count - 1];
  }
  rows[count].name = name;
  rows[count].ndim = ndim;
  if (ndim) memcpy(rows[count].shape, shape, bytes);
  return &rows[count++];
}

void peri_watch_stop(const peri_watch *watch, const char *name, int way, int ndim, const int64_t *shape) {
  if (!watch->on || !on) return;
  double elapsed = now() - watch->begun;
  peri_profile_row *row = row_of(name, shape ? ndim : 0, shape);
  row->calls[way]++;
  row->seconds[way] += elapsed - inside;
  inside = watch->inside + elapsed;
}
