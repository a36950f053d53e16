/* safetensors_read.c - reading with suspicion.

   Refused: a file under 8 bytes; a header of 0 or more than 100 MB or past the end; a header that is
   not UTF-8 or does not begin with '{'; anything after the object but white space; metadata that is
   not texts; a field of a tensor that is missing, double or of the wrong type; unknown element types;
   numbers that are not plain unsigned integers; sizes that overflow; elements that do not cover the
   data exactly, without holes or overlaps; double, empty or NUL-bearing names. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/elements.h"
#include "format/json.h"
#include "format/safetensors.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000, MAX_NESTING = 32 };

typedef struct entry {
  char *name; /* in the header's buffer */
  peri_element element;
  int ndim;
  int64_t shape[PERI_MAX_DIMS];
  uint64_t begin, end;
} entry;

typedef struct parse {
  const peri_file_reader *file;
  peri_json json;
  peri_named list;
  size_t entries, capacity;
  entry *entry;
  bool metadata; /* seen */
} parse;

static int fail(const parse *p, const entry *e, const char *what) {
  return peri_fail(PERI_EFORMAT, "%s: tensor '%.200s': %s", p->file->path, e->name, what);
}

/* A string that is a name: not empty, no NUL. */
static int read_name(parse *p, char **name) {
  size_t length = 0;
  PERI_TRY(peri_json_string(&p->json, name, &length));
  if (length == 0 || strlen(*name) != length) {
    return peri_fail(PERI_EFORMAT, "%s: the header has a name that %s", p->file->path,
                     length ? "holds a NUL" : "is empty");
  }
  return PERI_OK;
}

static int read_metadata(parse *p) {
  char *key = NULL, *text = NULL;
  size_t length = 0;
  int status;
  if (p->metadata) return peri_fail(PERI_EFORMAT, "%s: the header has two __metadata__", p->file->path);
  p->metadata = true;
  PERI_TRY(peri_json_expect(&p->json, '{'));
  for (bool first = true; (status = peri_json_next(&p->json, &first, '}')) > 0;) {
    PERI_TRY(read_name(p, &key));
    PERI_TRY(peri_json_expect(&p->json, ':'));
    PERI_TRY(peri_json_string(&p->json, &text, &length));
    PERI_TRY(peri_named_add_text(&p->list, key, text, length));
  }
  return status;
}

/* --- the three fields of a tensor --- */

static int read_dtype(parse *p, entry *e) {
  char *text = NULL;
  size_t length = 0;
  PERI_TRY(peri_json_string(&p->json, &text, &length));
  for (int i = 0; i < PERI_ELEMENTS; i++) {
    if (strcmp(text, peri_element_infos[i].safetensors) == 0 && strlen(text) == length) {
      e->element = (peri_element)i;
      return PERI_OK;
    }
  }
  return peri_fail(
      PERI_ETYPE,
      "%s: tensor '%.200s': element type '%.40s' cannot be read; types that can: F16, BF16, F32, F64, BOOL, "
      "I8 to I64, U8 to U64",
      p->file->path, e->name, text);
}

static int read_shape(parse *p, entry *e) {
  int status;
  PERI_TRY(peri_json_expect(&p->json, '['));
  for (bool first = true; (status = peri_json_next(&p->json, &first, ']')) > 0;) {
    uint64_t size = 0;
    PERI_TRY(peri_json_unsigned(&p->json, &size));
    if (e->ndim == PERI_MAX_DIMS) {
      return peri_fail(PERI_ESHAPE, "%s: tensor '%.200s' has more than %d dimensions", p->file->path, e->name,
                       PERI_MAX_DIMS);
    }
    if (size > INT64_MAX) return fail(p, e, "a size is above 2^63 - 1");
    e->shape[e->ndim++] = (int64_t)size;
  }
  return status;
}

static int read_offsets(parse *p, entry *e) {
  PERI_TRY(peri_json_expect(&p->json, '['));
  PERI_TRY(peri_json_unsigned(&p->json, &e->begin));
  PERI_TRY(peri_json_expect(&p->json, ','));
  PERI_TRY(peri_json_unsigned(&p->json, &e->end));
  return peri_json_expect(&p->json, ']');
}

static int read_fields(parse *p, entry *e) {
  static const char *const names[] = {"dtype", "shape", "data_offsets"};
  static int (*const readers[])(parse *, entry *) = {read_dtype, read_shape, read_offsets};
  bool seen[3] = {false, false, false};
  char *key = NULL;
  int status;
  PERI_TRY(peri_json_expect(&p->json, '{'));
  for (bool first = true; (status = peri_json_next(&p->json, &first, '}')) > 0;) {
    PERI_TRY(read_name(p, &key));
    PERI_TRY(peri_json_expect(&p->json, ':'));
    int field = 0;
    while (field < 3 && strcmp(key, names[field]) != 0) field++;
    if (field == 3) {
      PERI_TRY(peri_json_skip(&p->json, MAX_NESTING)); /* a field of a later version */
      continue;
    }
    if (seen[field]) return fail(p, e, "a field stands twice");
    seen[field] = true;
    PERI_TRY(readers[field](p, e));
  }
  for (int i = 0; status == PERI_OK && i < 3; i++) {
    if (!seen[i]) {
      return peri_fail(PERI_EFORMAT, "%s: tensor '%.200s': field '%s' is missing", p->file->path, e->name, names[i]);
    }
  }
  return status;
}

/* Sizes, offsets and element type must agree. */
static int check_entry(const parse *p, const entry *e) {
  uint64_t bytes = 0;
  PERI_TRY(peri_elements_bytes(&bytes, p->file->path, peri_element_infos[e->element].bytes, e->ndim, e->shape));
  if (e->end < e->begin) return fail(p, e, "its data_offsets run backwards");
  if (e->end - e->begin != bytes) {
    return peri_fail(PERI_EFORMAT,
                     "%s: tensor '%.200s': shape %s of %s needs %" PRIu64 " bytes, data_offsets give %" PRIu64,
                     p->file->path, e->name, peri_shape_text(e->ndim, e->shape),
                     peri_element_infos[e->element].safetensors, bytes, e->end - e->begin);
  }
  return PERI_OK;
}

static int new_entry(parse *p, char *name, entry **out) {
  if (p->entries == p->capacity) {
    size_t larger = p->capacity ? 2 * p->capacity : 16;
    entry *moved = peri_alloc(larger * sizeof *moved);
    if (!moved) return PERI_ENOMEM;
    if (p->entries) memcpy(moved, p->entry, p->entries * sizeof *moved);
    peri_free(p->entry);
    p->entry = moved;
    p->capacity = larger;
  }
  *out = &p->entry[p->entries++];
  **out = (entry){.name = name};
  return PERI_OK;
}

static int read_header(parse *p) {
  char *name = NULL;
  entry *e = NULL;
  int status;
  PERI_TRY(peri_json_expect(&p->json, '{'));
  for (bool first = true; (status = peri_json_next(&p->json, &first, '}')) > 0;) {
    PERI_TRY(read_name(p, &name));
    PERI_TRY(peri_json_expect(&p->json, ':'));
    if (!strcmp(name, "__metadata__")) {
      PERI_TRY(read_metadata(p));
      continue;
    }
    PERI_TRY(new_entry(p, name, &e));
    PERI_TRY(read_fields(p, e));
    PERI_TRY(check_entry(p, e));
  }
  PERI_TRY(status);
  return peri_json_end(&p->json);
}

static int by_offset(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

/* The elements must follow each other from the first byte of the data to the last. */
static int check_cover(parse *p, uint64_t data_bytes) {
  uint64_t at = 0;
  if (p->entries) qsort(p->entry, p->entries, sizeof *p->entry, by_offset);
  for (size_t i = 0; i < p->entries; i++) {
    const entry *e = &p->entry[i];
    if (e->begin != at)
      return fail(p, e, e->begin > at ? "there is a hole before its data" : "its data overlap another's");
    at = e->end;
  }
  if (at == data_bytes) return PERI_OK;
  return peri_fail(PERI_EFORMAT, "%s: the tensors have %" PRIu64 " bytes, the file holds %" PRIu64, p->file->path, at,
                   data_bytes);
}

static int read_tensors(parse *p, uint64_t data) {
  for (size_t i = 0; i < p->entries; i++) {
    const entry *e = &p->entry[i];
    peri_tensor *t;
    PERI_TRY(peri_elements_read(&t, p->file, data + e->begin, e->element, false, e->ndim, e->shape, p->file->path));
    int status = peri_named_add(&p->list, e->name, t);
    peri_tensor_release(t);
    PERI_TRY(status);
  }
  return peri_named_unique(&p->list, p->file->path, PERI_EFORMAT);
}

static int load_header(parse *p, uint64_t *length) {
  const peri_file_reader *r = p->file;
  uint8_t head[LENGTH_BYTES];
  if (r->size < LENGTH_BYTES) {
    return peri_fail(PERI_EFORMAT, "%s: too short for a safetensors file: %" PRIu64 " bytes", r->path, r->size);
  }
  PERI_TRY(peri_file_reader_at(r, 0, head, sizeof head));
  uint64_t n = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--) n = n << 8 | head[i];
  if (n == 0 || n > MAX_HEADER || n > r->size - LENGTH_BYTES) {
    return peri_fail(PERI_EFORMAT, "%s: not a safetensors file, or damaged: a header of %" PRIu64 " bytes in %" PRIu64,
                     r->path, n, r->size);
  }
  char *text = peri_alloc((size_t)n + 1);
  if (!text) return PERI_ENOMEM;
  p->json = (peri_json){.start = text, .at = text, .end = text + n, .where = r->path};
  text[n] = '\0';
  PERI_TRY(peri_file_reader_at(r, LENGTH_BYTES, text, (size_t)n));
  if (*text != '{') return peri_fail(PERI_EFORMAT, "%s: the header does not begin with '{'", r->path);
  if (!peri_utf8_valid(text, (size_t)n)) return peri_fail(PERI_EFORMAT, "%s: the header is not UTF-8", r->path);
  *length = n;
  return PERI_OK;
}

static int read_all(peri_named *out, peri_file_reader *r) {
  parse p = {.file = r};
  uint64_t length = 0;
  int status = load_header(&p, &length);
  if (status == PERI_OK) status = read_header(&p);
  if (status == PERI_OK) status = check_cover(&p, r->size - LENGTH_BYTES - length);
  if (status == PERI_OK) status = read_tensors(&p, LENGTH_BYTES + length);
  peri_free(p.json.start);
  peri_free(p.entry);
  peri_file_reader_close(r);
  if (status < 0) peri_named_clear(&p.list);
  *out = p.list;
  return status;
}

int peri_safetensors_load(peri_named *out, const char *path) {
  peri_file_reader r;
  *out = (peri_named){0};
  PERI_TRY(peri_file_reader_open(&r, path));
  return read_all(out, &r);
}

int peri_safetensors_parse(peri_named *out, const void *data, size_t bytes, const char *path) {
  peri_file_reader r;
  *out = (peri_named){0};
  PERI_TRY(peri_file_reader_memory(&r, data, bytes, path));
  return read_all(out, &r);
}
