/* trace.h - what a tape holds: the ops that made a tensor, and the memory that they keep for backward. */
#ifndef PERI_GRAD_TRACE_H
#define PERI_GRAD_TRACE_H

#include "grad/tape.h"

typedef struct peri_trace {
  /* Whether this op or storage is met for the first time; remembers it. */
  bool (*fresh)(void *context, const void *thing);
  /* An op that made t, those nearer the leaves first; `kept`: bytes of storages that nothing met before holds. */
  void (*op)(void *context, const char *name, int64_t kept);
  void *context;
} peri_trace;

/* Walks from t towards the leaves, no further than what was met before. */
int peri_trace_walk(const peri_tensor *t, const peri_trace *trace);

#endif
