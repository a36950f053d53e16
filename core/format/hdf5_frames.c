/* hdf5_frames.c - the stream of the reader child into a tree.

   The child works on a hostile file with a library that has been crashed before, so its words are
   checked like a file's: every length is bounded before memory is asked for, all tensors and texts
   share one limit, a tensor's size is its shape's. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "format/elements.h"
#include "format/hdf5.h"
#include "format/named.h"
#include "hosts/h5frames.h"

_Static_assert((int)PERI_H5_MAX_DIMS == (int)PERI_MAX_DIMS, "the child sends as many sizes as a tensor has");
enum { PIECE = 1 << 20 };

typedef struct stream {
  peri_h5_source read;
  void *context;
  const char *where;
  uint64_t left;         /* bytes that tensors and texts may still take */
  size_t objects;
  peri_h5_node *root;
  peri_h5_node *current; /* the object whose attributes come */
  char *path;            /* PERI_H5_MAX_PATH + 1 bytes */
} stream;

static int fail(const stream *s, const char *what) {
  return peri_fail(PERI_EFORMAT, "%s: the reader of .h5 files sent nonsense: %s", s->where, what);
}

static int read_u32(stream *s, uint32_t *out) {
  uint8_t data[4];
  PERI_TRY(s->read(s->context, data, sizeof data));
  *out = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
  return PERI_OK;
}

/* What the tree refuses (two objects of one name, a path through a tensor) is the file's fault. */
static int built(const stream *s, int status) {
  return status == PERI_EARG ? peri_fail_prefix(PERI_EFORMAT, "%s: damaged: ", s->where) : status;
}

static int spend(stream *s, uint64_t bytes) {
  if (bytes > s->left) return peri_fail(PERI_EFORMAT, "%s: holds more data than a file of its size can", s->where);
  s->left -= bytes;
  return PERI_OK;
}

/* A path or a name into s->path. */
static int read_name(stream *s) {
  uint32_t length = 0;
  PERI_TRY(read_u32(s, &length));
  if (length == 0 || length > PERI_H5_MAX_PATH) return fail(s, "the length of a name");
  PERI_TRY(s->read(s->context, s->path, length));
  s->path[length] = '\0';
  if (strlen(s->path) != length || !peri_utf8_valid(s->path, length)) {
    return peri_fail(PERI_EFORMAT, "%s: damaged: it holds a name that is not UTF-8", s->where);
  }
  return PERI_OK;
}

/* A text, to free with peri_free. Read in pieces, so that memory grows only with what has come. */
static int read_text(stream *s, char **out, size_t *bytes) {
  uint32_t length = 0;
  *out = NULL;
  PERI_TRY(read_u32(s, &length));
  if (length > PERI_H5_MAX_TEXT) return fail(s, "the length of a text");
  PERI_TRY(spend(s, length));
  char *text = peri_alloc((size_t)length + 1);
  if (!text) return PERI_ENOMEM;
  int status = s->read(s->context, text, length);
  text[length] = '\0';
  if (status < 0) {
    peri_free(text);
    return status;
  }
  *out = text;
  *bytes = length;
  return PERI_OK;
}

static int read_path(stream *s) {
  PERI_TRY(read_name(s));
  if (s->path[0] != '/') return fail(s, "a path that does not begin with '/'");
  if (++s->objects > PERI_H5_MAX_OBJECTS) return fail(s, "too many objects");
  return PERI_OK;
}

static int read_attribute(stream *s, bool list) {
  peri_h5_attribute *a = NULL;
  uint32_t count = 1;
  PERI_TRY(read_name(s));
  if (list) PERI_TRY(read_u32(s, &count));
  if (count > PERI_H5_MAX_LIST) return fail(s, "the length of a list");
  PERI_TRY(spend(s, (uint64_t)count * sizeof(peri_h5_text)));
  PERI_TRY(built(s, peri_h5_attribute_new(&a, s->current, s->path, list)));
  for (uint32_t i = 0; i < count; i++) {
    char *text;
    size_t length = 0;
    PERI_TRY(read_text(s, &text, &length));
    int status = peri_h5_attribute_add(a, text, length);
    peri_free(text);
    PERI_TRY(status);
  }
  return PERI_OK;
}

static int read_shape(stream *s, peri_dtype *dtype, int *ndim, int64_t shape[PERI_MAX_DIMS]) {
  uint8_t head[2], sizes[8 * PERI_MAX_DIMS];
  PERI_TRY(s->read(s->context, head, sizeof head));
  if (head[0] >= PERI_DTYPES || head[1] > PERI_MAX_DIMS) return fail(s, "the type or shape of a tensor");
  *dtype = (peri_dtype)head[0];
  *ndim = head[1];
  PERI_TRY(s->read(s->context, sizes, 8 * (size_t)*ndim));
  for (int i = 0; i < *ndim; i++) {
    uint64_t size = 0;
    for (int k = 7; k >= 0; k--) size = size << 8 | sizes[8 * i + k];
    if (size > INT64_MAX) return fail(s, "a size of a tensor");
    shape[i] = (int64_t)size;
  }
  return PERI_OK;
}

static int read_tensor(stream *s) {
  peri_dtype dtype = PERI_F32;
  int ndim = 0;
  int64_t shape[PERI_MAX_DIMS] = {0};
  uint64_t bytes = 0;
  PERI_TRY(read_path(s));
  PERI_TRY(read_shape(s, &dtype, &ndim, shape));
  PERI_TRY(peri_elements_bytes(&bytes, s->where, peri_dtype_size(dtype), ndim, shape));
  PERI_TRY(spend(s, bytes));
  peri_tensor *t;
  PERI_TRY(peri_tensor_new(&t, dtype, ndim, shape));
  int status = PERI_OK;
  char *to = peri_tensor_data(t);
  for (uint64_t at = 0; at < bytes && status == PERI_OK; at += PIECE) {
    status = s->read(s->context, to + at, bytes - at < PIECE ? (size_t)(bytes - at) : PIECE);
  }
  if (status == PERI_OK) status = built(s, peri_h5_tensor(&s->current, s->root, s->path, t));
  peri_tensor_release(t);
  return status;
}

static int read_reason(stream *s) {
  char *text;
  size_t length = 0;
  PERI_TRY(read_text(s, &text, &length));
  int status = peri_fail(PERI_EFORMAT, "%s: %.800s", s->where, text);
  peri_free(text);
  return status;
}

/* One frame; 1 after the last. */
static int read_frame(stream *s) {
  uint8_t kind;
  PERI_TRY(s->read(s->context, &kind, 1));
  switch (kind) {
  case 'G':
    PERI_TRY(read_path(s));
    return built(s, peri_h5_group(&s->current, s->root, s->path));
  case 'T': return read_tensor(s);
  case 'A': return read_attribute(s, false);
  case 'L': return read_attribute(s, true);
  case 'E': return read_reason(s);
  case '.': return 1;
  default: return fail(s, "a frame of unknown kind");
  }
}

static int read_all(stream *s) {
  char magic[PERI_H5_MAGIC_BYTES];
  PERI_TRY(s->read(s->context, magic, sizeof magic));
  if (memcmp(magic, PERI_H5_MAGIC, sizeof magic) != 0) return fail(s, "the first word");
  int status;
  do status = read_frame(s);
  while (status == PERI_OK);
  return status < 0 ? status : PERI_OK;
}

int peri_h5_frames(peri_h5_node **out, const char *where, uint64_t limit, peri_h5_source read, void *context) {
  stream s = {.read = read, .context = context, .where = where, .left = limit};
  *out = NULL;
  PERI_TRY(peri_h5_root(&s.root));
  s.current = s.root;
  s.path = peri_alloc(PERI_H5_MAX_PATH + 1);
  int status = s.path ? read_all(&s) : PERI_ENOMEM;
  peri_free(s.path);
  if (status < 0) peri_h5_free(s.root);
  else *out = s.root;
  return status;
}
