/* npy.c - one array: "\x93NUMPY", version, header length, a Python dict as text, the elements.

   The dict has exactly the keys descr, fortran_order and shape, in any order:
     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
   The reader knows just the Python that can stand there: quoted strings, True, False, a tuple of
   integers. */
#include "format/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "format/elements.h"

enum { MAX_HEADER = 10000, MAGIC_BYTES = 6 };
static const char magic[] = "\x93NUMPY";

/* --- the header as text --- */

typedef struct header {
  const char *at, *end, *where;
  bool have_descr, have_order, have_shape;
  char descr[16];
  bool fortran;
  int ndim;
  int64_t shape[PERI_MAX_DIMS];
} header;

static int fail_at(const header *h, const char *start, const char *expected) {
  return peri_fail(PERI_EFORMAT, "%s: bad npy header: %s expected at its character %td", h->where, expected,
                   h->at - start + 1);
}

static void skip_space(header *h) {
  while (h->at < h->end && (*h->at == ' ' || *h->at == '\t' || *h->at == '\n' || *h->at == '\r')) h->at++;
}

static bool take(header *h, char wanted) {
  skip_space(h);
  if (h->at == h->end || *h->at != wanted) return false;
  h->at++;
  return true;
}

static bool take_word(header *h, const char *word) {
  size_t length = strlen(word);
  skip_space(h);
  if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length) != 0) return false;
  h->at += length;
  return true;
}

/* A quoted string without escapes into text[size]. */
static bool take_string(header *h, char *text, size_t size) {
  skip_space(h);
  if (h->at == h->end || (*h->at != '\'' && *h->at != '"')) return false;
  char quote = *h->at++;
  size_t length = 0;
  while (h->at < h->end && *h->at != quote) {
    if (*h->at == '\\' || *h->at == '\0' || length + 1 >= size) return false;
    text[length++] = *h->at++;
  }
  if (h->at == h->end) return false;
  h->at++;
  text[length] = '\0';
  return true;
}

/* A size; Python 2 wrote a long's 'L' behind it. */
static bool take_size(header *h, int64_t *out) {
  int64_t value = 0;
  skip_space(h);
  const char *start = h->at;
  for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++) {
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *h->at - '0', &value)) return false;
  }
  if (h->at == start) return false;
  if (h->at < h->end && *h->at == 'L') h->at++;
  *out = value;
  return true;
}

static int take_shape(header *h, const char *start) {
  if (!take(h, '(')) return fail_at(h, start, "a tuple of sizes");
  h->ndim = 0;
  while (!take(h, ')')) {
    if (h->ndim == PERI_MAX_DIMS) {
      return peri_fail(PERI_ESHAPE, "%s: has more than %d dimensions", h->where, PERI_MAX_DIMS);
    }
    if (!take_size(h, &h->shape[h->ndim])) return fail_at(h, start, "a size (not negative, below 2^63)");
    h->ndim++;
    if (take(h, ',')) continue;
    if (h->ndim == 1) return fail_at(h, start, "',' (a tuple of one size is written (n,))");
    if (!take(h, ')')) return fail_at(h, start, "',' or ')'");
    break;
  }
  return PERI_OK;
}

static int take_entry(header *h, const char *start) {
  char key[16];
  bool *have;
  if (!take_string(h, key, sizeof key)) return fail_at(h, start, "a quoted key");
  if (!strcmp(key, "descr")) have = &h->have_descr;
  else if (!strcmp(key, "fortran_order")) have = &h->have_order;
  else if (!strcmp(key, "shape")) have = &h->have_shape;
  else return peri_fail(PERI_EFORMAT, "%s: bad npy header: unknown key '%s'", h->where, key);
  if (*have) return peri_fail(PERI_EFORMAT, "%s: bad npy header: key '%s' stands twice", h->where, key);
  *have = true;
  if (!take(h, ':')) return fail_at(h, start, "':'");
  if (have == &h->have_shape) return take_shape(h, start);
  if (have == &h->have_descr) {
    if (take_string(h, h->descr, sizeof h->descr)) return PERI_OK;
    skip_space(h);
    if (h->at < h->end && *h->at == '[') {
      return peri_fail(PERI_ETYPE, "%s: is an array of records; only plain numbers can be read", h->where);
    }
    return fail_at(h, start, "a type such as '<f4'");
  }
  h->fortran = take_word(h, "True");
  return h->fortran || take_word(h, "False") ? PERI_OK : fail_at(h, start, "True or False");
}

static int parse_header(header *h) {
  const char *start = h->at;
  if (!take(h, '{')) return fail_at(h, start, "'{'");
  while (!take(h, '}')) {
    PERI_TRY(take_entry(h, start));
    if (take(h, ',')) continue;
    if (!take(h, '}')) return fail_at(h, start, "',' or '}'");
    break;
  }
  skip_space(h);
  if (h->at != h->end) return fail_at(h, start, "nothing more");
  if (!h->have_descr || !h->have_order || !h->have_shape) {
    return peri_fail(PERI_EFORMAT, "%s: bad npy header: key '%s' is missing", h->where,
                     !h->have_descr ? "descr" : !h->have_order ? "fortran_order" : "shape");
  }
  return PERI_OK;
}

static int parse_descr(const header *h, peri_element *element, bool *swap) {
  const char *code = h->descr;
  *swap = code[0] == '>';
  if (strchr("<>|=", code[0]) && code[0]) code++;
  for (int i = 0; i < PERI_ELEMENTS; i++) {
    if (peri_element_infos[i].numpy && !strcmp(code, peri_element_infos[i].numpy)) {
      *element = (peri_element)i;
      return PERI_OK;
    }
  }
  return peri_fail(PERI_ETYPE,
                   "%s: element type '%s' cannot be read%s; types that can: float16/32/64, bool, int8 to int64, "
                   "uint8 to uint64",
                   h->where, h->descr, code[0] == 'O' ? " (Python objects)" : "");
}

/* --- reading --- */

/* Checks the version and finds the header's text. */
static int locate_header(const peri_file_reader *r, uint64_t offset, uint64_t bytes, const char *where,
                         uint64_t *text, uint64_t *length) {
  uint8_t head[12];
  if (bytes < 10) return peri_fail(PERI_EFORMAT, "%s: too short for an npy file: %" PRIu64 " bytes", where, bytes);
  PERI_TRY(peri_file_reader_at(r, offset, head, 10));
  if (memcmp(head, magic, MAGIC_BYTES) != 0) {
    return peri_fail(PERI_EFORMAT, "%s: not an npy file: it does not begin with \\x93NUMPY", where);
  }
  if (head[6] < 1 || head[6] > 3 || head[7] != 0) {
    return peri_fail(PERI_EFORMAT, "%s: npy version %d.%d is unknown; 1.0, 2.0 and 3.0 can be read", where, head[6],
                     head[7]);
  }
  size_t start = head[6] == 1 ? 10 : 12;
  if (bytes < start) return peri_fail(PERI_EFORMAT, "%s: ends inside the npy header", where);
  PERI_TRY(peri_file_reader_at(r, offset, head, start));
  *length = (uint64_t)head[8] | (uint64_t)head[9] << 8;
  if (start == 12) *length |= (uint64_t)head[10] << 16 | (uint64_t)head[11] << 24;
  *text = start;
  if (*length > MAX_HEADER) {
    return peri_fail(PERI_EFORMAT, "%s: the npy header claims %" PRIu64 " bytes, more than %d", where, *length,
                     MAX_HEADER);
  }
  if (*length > bytes - start) return peri_fail(PERI_EFORMAT, "%s: ends inside the npy header", where);
  return PERI_OK;
}

/* A Fortran array is the transpose of a row-major one with its sizes reversed. */
static int from_fortran(peri_tensor **t) {
  int axes[PERI_MAX_DIMS];
  peri_tensor *view, *dense;
  for (int i = 0; i < (*t)->ndim; i++) axes[i] = (*t)->ndim - 1 - i;
  PERI_TRY(peri_tensor_permute(&view, *t, axes));
  int status = peri_tensor_contiguous_of(&dense, view);
  peri_tensor_release(view);
  PERI_TRY(status);
  peri_tensor_release(*t);
  *t = dense;
  return PERI_OK;
}

static int read_elements(peri_tensor **out, const peri_file_reader *r, uint64_t offset, uint64_t bytes, header *h) {
  peri_element element = PERI_ELEMENT_F32;
  bool swap = false;
  uint64_t wanted = 0;
  PERI_TRY(parse_descr(h, &element, &swap));
  PERI_TRY(peri_elements_bytes(&wanted, h->where, peri_element_infos[element].bytes, h->ndim, h->shape));
  if (wanted != bytes) {
    return peri_fail(PERI_EFORMAT, "%s: shape %s of type '%s' needs %" PRIu64 " bytes, the file has %" PRIu64, h->where,
                     peri_shape_text(h->ndim, h->shape), h->descr, wanted, bytes);
  }
  bool reversed = h->fortran && h->ndim > 1;
  for (int a = 0, b = h->ndim - 1; reversed && a < b; a++, b--) {
    int64_t kept = h->shape[a];
    h->shape[a] = h->shape[b];
    h->shape[b] = kept;
  }
  peri_tensor *t;
  PERI_TRY(peri_elements_read(&t, r, offset, element, swap, h->ndim, h->shape, h->where));
  int status = reversed ? from_fortran(&t) : PERI_OK;
  if (status < 0) peri_tensor_release(t);
  else *out = t;
  return status;
}

int peri__npy_read(peri_tensor **out, const peri_file_reader *r, uint64_t offset, uint64_t bytes, const char *where) {
  uint64_t text = 0, length = 0;
  *out = NULL;
  PERI_TRY(locate_header(r, offset, bytes, where, &text, &length));
  char *copy = peri_alloc((size_t)length + 1);
  if (!copy) return PERI_ENOMEM;
  header h = {.at = copy, .end = copy + length, .where = where};
  int status = peri_file_reader_at(r, offset + text, copy, (size_t)length);
  if (status == PERI_OK) status = parse_header(&h);
  if (status == PERI_OK) status = read_elements(out, r, offset + text + length, bytes - text - length, &h);
  peri_free(copy);
  return status;
}

static int read_all(peri_tensor **out, peri_file_reader *r) {
  int status = peri__npy_read(out, r, 0, r->size, r->path);
  peri_file_reader_close(r);
  return status;
}

int peri_npy_load(peri_tensor **out, const char *path) {
  peri_file_reader r;
  *out = NULL;
  PERI_TRY(peri_file_reader_open(&r, path));
  return read_all(out, &r);
}

int peri_npy_parse(peri_tensor **out, const void *data, size_t bytes, const char *path) {
  peri_file_reader r;
  *out = NULL;
  PERI_TRY(peri_file_reader_memory(&r, data, bytes, path));
  return read_all(out, &r);
}

/* --- writing --- */

size_t peri__npy_header(char text[PERI_NPY_HEADER], const peri_tensor *t) {
  const char *code = peri_element_infos[peri_element_of(t->dtype)].numpy;
  memset(text, ' ', PERI_NPY_HEADER);
  memcpy(text, magic, MAGIC_BYTES);
  text[6] = 1;
  text[7] = 0;
  size_t at = 10, room = PERI_NPY_HEADER;
  at += (size_t)snprintf(text + at, room - at, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         t->dtype == PERI_U8 ? '|' : '<', code);
  for (int i = 0; i < t->ndim; i++) {
    const char *format = t->ndim == 1 ? "%" PRId64 "," : i ? ", %" PRId64 : "%" PRId64;
    at += (size_t)snprintf(text + at, room - at, format, t->shape[i]);
  }
  at += (size_t)snprintf(text + at, room - at, "), }");
  text[at] = ' '; /* the NUL of snprintf */
  size_t total = (at + 1 + 63) / 64 * 64;
  text[total - 1] = '\n';
  text[8] = (char)((total - 10) & 0xFF);
  text[9] = (char)((total - 10) >> 8);
  return total;
}

int peri_npy_save(const char *path, const peri_tensor *t) {
  char text[PERI_NPY_HEADER];
  peri_file_writer *w;
  PERI_TRY(peri_file_writer_open(&w, path));
  int status = peri_file_writer_write(w, text, peri__npy_header(text, t));
  if (status == PERI_OK) status = peri_elements_write(w, t);
  if (status == PERI_OK) return peri_file_writer_commit(w);
  peri_file_writer_abort(w);
  return status;
}
