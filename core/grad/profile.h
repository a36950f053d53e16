/* profile.h - where the time of a piece of work goes: calls and seconds, forward and backward, of each op and shape.

   Off, it costs a test of one flag a call. Times are an op's own: what an op spends in ops that it calls is
   theirs. Only the thread that started the profile is watched. */
#ifndef PERI_GRAD_PROFILE_H
#define PERI_GRAD_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

enum { PERI_PROFILE_ROWS = 256 };

typedef struct peri_profile_row {
  const char *name;        /* of the op; a constant */
  int ndim;                /* shape of its first tensor */
  int64_t shape[PERI_MAX_DIMS];
  int64_t calls[2];        /* forward, backward */
  double seconds[2];
} peri_profile_row;

/* PERI_ESTATE when one is under way. */
int peri_profile_start(void);
/* Ends it. *rows is borrowed until the next start; calls beyond PERI_PROFILE_ROWS kinds share the last row. */
int peri_profile_stop(const peri_profile_row **rows);

/* --- for whoever runs something worth a row --- */
typedef struct peri_watch {
  double begun, inside;
  bool on;
} peri_watch;

peri_watch peri_watch_start(void);
/* way: 0 forward, 1 backward. `shape` may be NULL for none. */
void peri_watch_stop(const peri_watch *watch, const char *name, int way, int ndim, const int64_t *shape);

#endif
