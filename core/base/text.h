/* text.h - bytes that grow at their end: JSON on its way out, what a program prints.

   One that is {0} is empty and owns nothing. A 0 stands behind the bytes, so that they can be read as a C string; there may
   be others within them. A function that fails (PERI_ENOMEM) leaves the text as it was. */
#ifndef PERI_TEXT_H
#define PERI_TEXT_H

#include <stddef.h>
#include <string.h>

#include "base/status.h"

typedef struct peri_text {
  char *at; /* size bytes and a 0 behind them (NULL while there is no room); from peri_alloc */
  size_t size, room;
} peri_text;

int peri__text_grow(peri_text *t, size_t more);

/* Room for `more` bytes and the 0 behind them. */
static inline int peri_text_reserve(peri_text *t, size_t more) {
  return more < t->room - t->size ? PERI_OK : peri__text_grow(t, more);
}

static inline int peri_text_add(peri_text *t, const void *bytes, size_t size) {
  PERI_TRY(peri_text_reserve(t, size));
  if (size > 0) memcpy(t->at + t->size, bytes, size);
  t->size += size;
  t->at[t->size] = 0;
  return PERI_OK;
}

static inline int peri_text_put(peri_text *t, const char *string) { return peri_text_add(t, string, strlen(string)); }

/* Back to an earlier size: what was added since is gone, the room stays. */
static inline void peri_text_cut(peri_text *t, size_t size) {
  t->size = size;
  if (t->at != NULL) t->at[size] = 0;
}

void peri_text_clear(peri_text *t); /* frees; it is empty afterwards */

#endif
