/* named.c - growing lists of named tensors and texts; the UTF-8 check. */
#include "format/named.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Room for one more item of `size` bytes. */
static int grow(void **items, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) return PERI_OK;
  size_t larger = *capacity ? 2 * *capacity : 8;
  void *moved = peri_alloc(larger * size);
  if (!moved) return PERI_ENOMEM;
  if (count) memcpy(moved, *items, count * size);
  peri_free(*items);
  *items = moved;
  *capacity = larger;
  return PERI_OK;
}

int peri_named_add(peri_named *list, const char *name, peri_tensor *tensor) {
  void *items = list->tensor;
  PERI_TRY(grow(&items, list->tensors, &list->tensor_capacity, sizeof *list->tensor));
  list->tensor = items;
  char *copy = peri_strdup(name);
  if (!copy) return PERI_ENOMEM;
  list->tensor[list->tensors++] = (peri_named_tensor){copy, peri_tensor_retain(tensor)};
  return PERI_OK;
}

int peri_named_add_text(peri_named *list, const char *name, const char *text, size_t length) {
  void *items = list->text;
  PERI_TRY(grow(&items, list->texts, &list->text_capacity, sizeof *list->text));
  list->text = items;
  char *key = peri_strdup(name);
  char *copy = key ? peri_alloc(length + 1) : NULL;
  if (!copy) {
    peri_free(key);
    return PERI_ENOMEM;
  }
  if (length) memcpy(copy, text, length);
  copy[length] = '\0';
  list->text[list->texts++] = (peri_named_text){key, copy, length};
  return PERI_OK;
}

void peri_named_clear(peri_named *list) {
  for (size_t i = 0; i < list->tensors; i++) {
    peri_free(list->tensor[i].name);
    peri_tensor_release(list->tensor[i].tensor);
  }
  for (size_t i = 0; i < list->texts; i++) {
    peri_free(list->text[i].name);
    peri_free(list->text[i].text);
  }
  peri_free(list->tensor);
  peri_free(list->text);
  *list = (peri_named){0};
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Sorts the names and looks at neighbours: a file may hold a million of them. */
static int names_unique(char **names, size_t count, const char *where, int failure, const char *what) {
  qsort(names, count, sizeof *names, by_text);
  for (size_t i = 1; i < count; i++) {
    if (!strcmp(names[i - 1], names[i])) {
      return peri_fail(failure, "%s: two %s are called '%s'", where, what, names[i]);
    }
  }
  return PERI_OK;
}

int peri_named_unique(const peri_named *list, const char *where, int failure) {
  size_t most = list->tensors > list->texts ? list->tensors : list->texts;
  char **names = peri_alloc((most + 1) * sizeof *names);
  if (!names) return PERI_ENOMEM;
  for (size_t i = 0; i < list->tensors; i++) names[i] = list->tensor[i].name;
  int status = names_unique(names, list->tensors, where, failure, "tensors");
  for (size_t i = 0; i < list->texts; i++) names[i] = list->text[i].name;
  if (status == PERI_OK) status = names_unique(names, list->texts, where, failure, "texts");
  peri_free(names);
  return status;
}

int peri_utf8_valid(const char *text, size_t length) {
  const unsigned char *at = (const unsigned char *)text, *end = at + length;
  while (at < end) {
    unsigned lead = *at++;
    if (lead < 0x80) continue;
    int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - at < more) return 0;
    unsigned code = lead & (0x3FU >> more);
    for (int i = 0; i < more; i++, at++) {
      if ((*at & 0xC0) != 0x80) return 0;
      code = code << 6 | (*at & 0x3FU);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000)) return 0;
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0;
  }
  return 1;
}
