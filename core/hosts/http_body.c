/* http_body.c - which kind a body is, and the kinds that are no JSON. */
#include "hosts/http_body.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/status.h"
#include "hosts/http_json.h"

enum {
  KEPT_MOST = 1 << 20,  /* bytes of a room that are kept for the next body */
  QUICK_JSON = 1 << 13, /* bytes of JSON that take about 10 microseconds, */
  QUICK_RAW = 1 << 16,  /* and of raw bytes */
  SIDE = 28             /* of the images that pictures and drawings become */
};

/* --- the reader --- */

static void room_clear(peri_body_room *room) {
  peri_free(room->at);
  *room = (peri_body_room){0};
}

int peri__body_reserve(peri_body_room *room, size_t bytes, size_t used) {
  if (bytes <= room->bytes) return PERI_OK;
  size_t wanted = room->bytes < 4096 ? 4096 : room->bytes;
  while (wanted < bytes) wanted += wanted / 2;
  void *at = peri_alloc(wanted);
  if (at == NULL) return PERI_ENOMEM;
  if (used > 0) memcpy(at, room->at, used);
  peri_free(room->at);
  *room = (peri_body_room){at, wanted};
  return PERI_OK;
}

int peri_body_reader_open(peri_body_reader **out, const peri_body_limits *limits, const peri_body_images *images) {
  peri_body_reader *r = *out = peri_alloc_zeroed(sizeof *r);
  if (r == NULL) return PERI_ENOMEM;
  r->limits = *limits;
  r->images = *images;
  r->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (r->locale != (locale_t)0) return PERI_OK;
  peri_free(r);
  *out = NULL;
  return peri_fail(PERI_ENOMEM, "http: no memory for a reader");
}

void peri_body_reader_close(peri_body_reader *r) {
  if (r == NULL) return;
  room_clear(&r->values), room_clear(&r->points), room_clear(&r->lengths), room_clear(&r->memory);
  freelocale((locale_t)r->locale);
  peri_free(r);
}

/* A body that was large does not keep its memory for ever. */
static void forget_large(peri_body_reader *r) {
  peri_body_room *rooms[] = {&r->values, &r->points, &r->lengths};
  for (int i = 0; i < 3; i++) {
    if (rooms[i]->bytes > KEPT_MOST) room_clear(rooms[i]);
  }
}

/* --- what is wrong --- */

/* Makes a reason one line of UTF-8: other bytes become '?', control characters blanks. */
static void tidy(char *text) {
  uint8_t *at = (uint8_t *)text;
  for (size_t left = strlen(text); left > 0;) {
    size_t length = peri__utf8_length(at, left);
    if (length == 0) *at = '?', length = 1;
    else if (length == 1 && (*at < 0x20 || *at == 0x7F)) *at = ' ';
    at += length;
    left -= length;
  }
}

int peri__body_fail(peri_body_error *error, int status, const char *format, ...) {
  va_list list;
  error->status = status;
  va_start(list, format);
  vsnprintf(error->reason, sizeof error->reason, format, list);
  va_end(list);
  tidy(error->reason);
  return PERI_EFORMAT;
}

int peri__body_no_memory(peri_body_error *error) {
  peri__body_fail(error, 503, "there is no memory for this body");
  return PERI_ENOMEM;
}

/* A callback's failure. */
static int refused(peri_body_error *error, int status) {
  bool theirs = status == PERI_EARG || status == PERI_EFORMAT;
  peri__body_fail(error, theirs ? 422 : 503, "%s", peri_message());
  return status;
}

/* --- the kinds --- */

const char *peri_body_kind_name(peri_body_kind kind) {
  static const char *const names[] = {"pixels", "raw", "picture", "strokes"};
  return names[kind];
}

typedef enum form { JSON, RAW, PICTURE, UNKNOWN } form;

/* Is this the type, whatever parameters follow it? */
static bool is_type(const char *type, const char *name) {
  size_t length = strlen(name);
  return strncasecmp(type, name, length) == 0 && strchr(" \t;", type[length]) != NULL;
}

static bool is_picture(const uint8_t *at, size_t size) {
  static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}, jpeg[] = {0xFF, 0xD8, 0xFF};
  return (size >= sizeof png && memcmp(at, png, sizeof png) == 0) || (size >= sizeof jpeg && memcmp(at, jpeg, sizeof jpeg) == 0);
}

static size_t blanks(const uint8_t *at, size_t size) {
  size_t i = 0;
  while (i < size && memchr(" \t\r\n", at[i], 4) != NULL) i++;
  return i;
}

/* Bytes without a type, or with the one that curl gives when nobody said, speak for themselves. */
static form form_of(const peri_body_source *s) {
  const char *type = s->type != NULL ? s->type + strspn(s->type, " \t") : "";
  if (is_type(type, "application/json")) return JSON;
  if (is_type(type, "application/octet-stream")) return RAW;
  if (is_type(type, "image/png") || is_type(type, "image/jpeg") || is_type(type, "image/jpg")) return PICTURE;
  if (*type != 0 && !is_type(type, "application/x-www-form-urlencoded")) return UNKNOWN;
  size_t at = blanks(s->bytes, s->size);
  if (is_picture(s->bytes, s->size)) return PICTURE;
  return at < s->size && ((const char *)s->bytes)[at] == '{' ? JSON : UNKNOWN;
}

bool peri_body_is_slow(const peri_body_source *s) {
  const uint8_t *bytes = s->bytes;
  switch (form_of(s)) {
  case RAW: return s->size > QUICK_RAW;
  case PICTURE: return true;
  case UNKNOWN: return false;
  default: break;
  }
  size_t at = blanks(bytes, s->size); /* { "pixels" */
  if (s->size > QUICK_JSON) return true;
  if (at < s->size) at++;
  at += blanks(bytes + at, s->size - at);
  return s->size - at > 8 && memcmp(bytes + at, "\"pixels\"", 8) != 0;
}

/* --- reading --- */

void peri__body_pixels(peri_body_job *job, size_t count, double range) {
  float *v = job->reader->values.at, factor = (float)(1 / range); /* as a data set of bytes is scaled: the same bits */
  for (size_t i = 0; range > 1 && i < count * job->pixels; i++) v[i] *= factor;
  job->out->kind = PERI_BODY_PIXELS;
  job->out->count = count;
  job->out->images = v;
}

static int read_raw(peri_body_job *job) {
  const peri_body_shape *s = &job->shape;
  size_t count = job->size / job->pixels;
  if (job->size % job->pixels != 0) {
    return peri__body_fail(job->error, 422, "raw bytes: an image has %zu (%" PRId64 " x %" PRId64 " x %" PRId64 "), and %zu are no multiple of it",
                           job->pixels, s->height, s->width, s->channels, job->size);
  }
  if (count > job->reader->limits.images) {
    return peri__body_fail(job->error, 413, "raw bytes: more than %zu images", job->reader->limits.images);
  }
  if (peri__body_reserve(&job->reader->values, job->size * sizeof(float), 0) < 0) return peri__body_no_memory(job->error);
  float *v = job->reader->values.at;
  for (size_t i = 0; i < job->size; i++) v[i] = (float)job->bytes[i];
  peri__body_pixels(job, count, 255);
  job->out->kind = PERI_BODY_RAW;
  return PERI_OK;
}

/* Room for the one image of a picture or drawing. */
static int one_image(peri_body_job *job, const char *what) {
  const peri_body_shape *s = &job->shape;
  if (s->height != SIDE || s->width != SIDE || s->channels != 1) {
    return peri__body_fail(job->error, 422, "%s become images of %d x %d x 1, and this model takes %" PRId64 " x %" PRId64 " x %" PRId64
                           "; send it pixels or raw bytes", what, SIDE, SIDE, s->height, s->width, s->channels);
  }
  if (peri__body_reserve(&job->reader->values, SIDE * SIDE * sizeof(float), 0) < 0) return peri__body_no_memory(job->error);
  return PERI_OK;
}

static int take_image(peri_body_job *job, peri_body_kind kind, int status) {
  if (status < 0) return refused(job->error, status);
  job->out->kind = kind;
  job->out->count = 1;
  job->out->images = job->reader->values.at;
  return PERI_OK;
}

int peri__body_drawing(peri_body_job *job, const peri_body_drawing *drawing) {
  PERI_TRY(one_image(job, "strokes"));
  return take_image(job, PERI_BODY_STROKES, job->reader->images.drawing(job->reader->values.at, drawing));
}

static int read_picture(peri_body_job *job) {
  if (!is_picture(job->bytes, job->size)) return peri__body_fail(job->error, 422, "the body is neither PNG nor JPEG: it does not begin as they do");
  PERI_TRY(one_image(job, "pictures"));
  return take_image(job, PERI_BODY_PICTURE, job->reader->images.picture(job->reader->values.at, job->bytes, job->size));
}

int peri_body_read(peri_body *out, peri_body_error *error, peri_body_reader *r, const peri_body_source *source,
                   const peri_body_shape *shape) {
  *out = (peri_body){.kind = PERI_BODY_PIXELS};
  error->status = 0;
  error->reason[0] = 0;
  forget_large(r);
  peri_body_job job = {out, error, r, source->bytes, source->size, *shape,
                       (size_t)(shape->height * shape->width * shape->channels)};
  form form = form_of(source);
  if (source->size == 0) return peri__body_fail(error, 400, "the body is empty");
  if (form == UNKNOWN) {
    return peri__body_fail(error, 415, "Content-Type: application/json, image/png, image/jpeg or application/octet-stream is wanted, got %.80s",
                           source->type != NULL && *source->type != 0 ? source->type : "none");
  }
  if (form == RAW) return read_raw(&job);
  if (form == PICTURE) return read_picture(&job);
  return peri__body_json_quick(&job) ? PERI_OK : peri__body_json(&job);
}
