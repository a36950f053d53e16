/* signature.c - parses the text that describes an op's or a layer's arguments; grammar in call.h. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "grad/call.h"

static const struct {
  const char *word;
  peri_kind kind;
} kinds[] = {
    {"tensor", PERI_K_TENSOR}, {"tensors", PERI_K_TENSORS}, {"number", PERI_K_NUMBER}, {"int", PERI_K_INT},
    {"bool", PERI_K_BOOL},     {"axis", PERI_K_AXIS},       {"axes", PERI_K_AXES},     {"ints", PERI_K_INTS},
    {"pair", PERI_K_PAIR},     {"shape", PERI_K_SHAPE},     {"dtype", PERI_K_DTYPE},   {"string", PERI_K_STRING},
};

const char *peri_kind_name(peri_kind kind) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (kinds[i].kind == kind) return kinds[i].word;
  }
  return "choice";
}

int peri_choice_index(const peri_param *p, const char *word, size_t length) {
  int index = 0;
  for (const char *at = p->choices; *at; index++) {
    size_t here = strcspn(at, "|");
    if (here == length && strncmp(at, word, length) == 0) return index;
    at += here;
    if (*at) at++;
  }
  return -1;
}

const char *peri_choice_name(const peri_param *p, int64_t index) {
  static _Thread_local char word[sizeof p->choices];
  const char *at = p->choices;
  for (; index > 0 && *at; index--) at += strcspn(at, "|") + 1;
  size_t length = strcspn(at, "|");
  memcpy(word, at, length);
  word[length] = 0;
  return word;
}

/* Copies text[0..length) without the spaces around it. */
static bool trimmed(char *to, size_t room, const char *text, size_t length) {
  while (length && isspace((unsigned char)*text)) text++, length--;
  while (length && isspace((unsigned char)text[length - 1])) length--;
  if (length >= room) return false;
  memcpy(to, text, length);
  to[length] = 0;
  return true;
}

/* The default's text, by the parameter's kind. String defaults point into the signature's literal copy. */
static bool parse_fallback(peri_param *p, const char *text) {
  peri_value *v = &p->fallback;
  char *end = NULL;
  v->given = true;
  switch (p->kind) {
  case PERI_K_NUMBER: v->number = strtod(text, &end); return *end == 0;
  case PERI_K_INT: v->integer = strtoll(text, &end, 10); return *end == 0;
  case PERI_K_AXIS:
    v->integer = strtoll(text, &end, 10);
    if (v->integer > 0) v->integer--; /* written 1-based, as people see it */
    return *end == 0;
  case PERI_K_PAIR:
    v->ints.count = 2;
    v->ints.at[0] = v->ints.at[1] = strtoll(text, &end, 10);
    return *end == 0;
  case PERI_K_BOOL:
    v->boolean = strcmp(text, "true") == 0;
    return v->boolean || strcmp(text, "false") == 0;
  case PERI_K_DTYPE: {
    peri_dtype dtype = PERI_F32;
    bool known = peri_dtype_parse(&dtype, text) >= 0;
    v->integer = dtype;
    return known;
  }
  case PERI_K_CHOICE: v->integer = peri_choice_index(p, text, strlen(text)); return v->integer >= 0;
  case PERI_K_STRING: v->string = strcpy(p->choices, text); return true; /* choices are free in a string */
  default: return false;
  }
}

static bool parse_names(peri_param *p, const char *text, size_t length) {
  char names[64];
  if (!trimmed(names, sizeof names, text, length)) return false;
  size_t first = strcspn(names, "/");
  if (!trimmed(p->name, sizeof p->name, names, first)) return false;
  return !names[first] || trimmed(p->others, sizeof p->others, names + first + 1, strlen(names + first + 1));
}

static bool parse_kind(peri_param *p, char *word) {
  size_t length = strlen(word);
  if (length && word[length - 1] == '?') {
    p->optional = true;
    word[length - 1] = 0;
  }
  if (strchr(word, '|')) {
    p->kind = PERI_K_CHOICE;
    return snprintf(p->choices, sizeof p->choices, "%s", word) < (int)sizeof p->choices;
  }
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].word, word) == 0) {
      p->kind = kinds[i].kind;
      return true;
    }
  }
  return false;
}

/* One parameter: "stride/strides: pair = 1". */
static bool parse_param(peri_param *p, const char *text, size_t length) {
  const char *colon = memchr(text, ':', length);
  if (!colon || !parse_names(p, text, (size_t)(colon - text))) return false;
  const char *kind = colon + 1, *end = text + length;
  const char *equals = memchr(kind, '=', (size_t)(end - kind));
  char word[160], fallback[64];
  if (!trimmed(word, sizeof word, kind, (size_t)((equals ? equals : end) - kind)) || !parse_kind(p, word)) return false;
  if (!equals) return true;
  p->optional = true;
  return trimmed(fallback, sizeof fallback, equals + 1, (size_t)(end - equals - 1)) && parse_fallback(p, fallback);
}

int peri_signature_parse(peri_signature *out, const char *text) {
  memset(out, 0, sizeof *out);
  while (*text) {
    size_t length = strcspn(text, ",");
    if (out->count == PERI_MAX_ARGS || !parse_param(&out->param[out->count++], text, length)) {
      return peri_fail(PERI_EARG, "signature: cannot read '%.*s'", (int)length, text);
    }
    text += length;
    if (*text) text++;
  }
  return PERI_OK;
}

/* Parsed signatures, found by the address of their text: descriptors are constants and few. */
enum { CACHE = 1024 };
static struct {
  const char *text;
  peri_signature *signature;
} cache[CACHE];

const peri_signature *peri_signature_of(const char *text) {
  size_t slot = ((uintptr_t)text >> 3) * 2654435761U % CACHE;
  while (cache[slot].text && cache[slot].text != text) slot = (slot + 1) % CACHE;
  if (cache[slot].text) return cache[slot].signature;
  peri_signature *parsed = peri_alloc(sizeof *parsed);
  if (!parsed || peri_signature_parse(parsed, text) < 0) {
    peri_free(parsed);
    return NULL;
  }
  cache[slot].text = text;
  cache[slot].signature = parsed;
  return parsed;
}
