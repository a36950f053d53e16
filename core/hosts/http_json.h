/* http_json.h - what the readers of bodies share (internal to http_body*.c, http_json*.c, http_answer*.c). */
#ifndef PERI_HTTP_JSON_H
#define PERI_HTTP_JSON_H

#include <stdarg.h>

#include "hosts/http_body.h"

/* Room that grows and is kept. */
typedef struct peri_body_room {
  void *at; /* from peri_alloc */
  size_t bytes;
} peri_body_room;

/* At least `bytes`, of which the first `used` stay as they are. */
int peri__body_reserve(peri_body_room *room, size_t bytes, size_t used);

enum {
  PERI_BODY_JSON_MEMORY = 1 << 16, /* all that the library gets for one body */
  PERI_BODY_NUMBER_MOST = 64       /* characters of a number */
};

struct peri_body_reader {
  peri_body_limits limits;
  peri_body_images images;
  peri_body_room values;  /* float: numbers of the images */
  peri_body_room points;  /* double: x, y of a drawing */
  peri_body_room lengths; /* int64_t: points of each stroke */
  peri_body_room memory;  /* the JSON library's */
  void *locale;           /* locale_t: where numbers have a point, whatever the program's own says */
  char label[PERI_BODY_TEXT_MOST + 1], class[PERI_BODY_TEXT_MOST + 1];
};

/* What reading one body works on. */
typedef struct peri_body_job {
  peri_body *out;
  peri_body_error *error;
  peri_body_reader *reader;
  const uint8_t *bytes;
  size_t size;
  peri_body_shape shape;
  size_t pixels; /* numbers of an image */
} peri_body_job;

/* Says what is wrong (printf style; bytes of the body may be among it, whatever they are); returns PERI_EFORMAT. */
int peri__body_fail(peri_body_error *error, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
int peri__body_vfail(peri_body_error *error, int status, const char *format, va_list list) __attribute__((format(printf, 3, 0)));
int peri__body_no_memory(peri_body_error *error);

/* http_json.c: a JSON body, by the library. */
int peri__body_json(peri_body_job *job);

/* http_json_quick.c: the shapes that most bodies have, {"pixels":[...]} and {"pixels":[[...],...]} of whole numbers from 0
   to 255, several times faster. false: it is something else, or wrong in some way; nothing is said then. */
bool peri__body_json_quick(peri_body_job *job);

/* Turns `count` images of numbers from 0 to `range` in the reader's room into the result. */
void peri__body_pixels(peri_body_job *job, size_t count, double range);

/* The drawing in the reader's room becomes the result. */
int peri__body_drawing(peri_body_job *job, const peri_body_drawing *drawing);

/* http_json_number.c: the value of a number as JSON writes it. false: longer than PERI_BODY_NUMBER_MOST, or too large. */
bool peri__json_number(double *out, const char *text, size_t size, void *locale);

/* http_answer.c: the length of the UTF-8 character at `at`, of which `left` bytes are there; 0 when it is none. */
size_t peri__utf8_length(const uint8_t *at, size_t left);

#endif
