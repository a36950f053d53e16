/* text.c - the growing itself: by doubling, so that what is added byte by byte is copied twice on average. */
#include "base/text.h"

#include <stdint.h>

#include "base/memory.h"

enum { LEAST_ROOM = 256 };

int peri__text_grow(peri_text *t, size_t more) {
  if (more >= SIZE_MAX / 4 - t->size) return peri_fail(PERI_ENOMEM, "a text of %zu bytes cannot grow by %zu", t->size, more);
  size_t room = t->room < LEAST_ROOM ? LEAST_ROOM : t->room;
  while (room < t->size + more + 1) room *= 2;
  char *at = peri_alloc(room);
  if (at == NULL) return PERI_ENOMEM;
  if (t->size > 0) memcpy(at, t->at, t->size);
  at[t->size] = 0;
  peri_free(t->at);
  t->at = at;
  t->room = room;
  return PERI_OK;
}

void peri_text_clear(peri_text *t) {
  peri_free(t->at);
  *t = (peri_text){0};
}
