/* http_body.h - what the service reads out of a request's body, and what it writes into an answer's.

   Pure functions: bytes in, images or text out; no sockets, no queue. A body is one of four kinds, told by its
   Content-Type (and, where that says nothing, by its first bytes):

     application/json          {"pixels": [784 numbers from 0 to 255]} or {"pixels": [[...], [...], ...]}; "range": 1 beside it
                               when the numbers are from 0 to 1;
                               {"strokes": [[[x, y], ...], ...], "pen": 20, "width": 280, "height": 280}: a point may carry a
                               third number, its time; pen, width and height are in the points' unit, and their defaults these;
                               beside either "label", "class" (a text or a number) and "input" (true or false)
     image/png, image/jpeg     a picture
     application/octet-stream  raw bytes, height * width * channels of them an image, images one after the other

   and gives float32 images of the model's shape, from 0 to 1 in MNIST's sense (ink 1 on ground 0). Pixels and raw bytes
   are images as they are (a byte b is b / 255); pictures and strokes become one of 28 x 28 by way of two callbacks (hosts/
   sees base/ only; core/bind/http_images.h has core/image's).

   JSON is read strictly (yajl): UTF-8 is checked, unknown and repeated fields are refused, nesting that no field has is
   refused where it begins. What is wrong gives an HTTP status and a reason that names the place: "pixels[3][17]: a number
   from 0 to 255 is wanted, got a string", places counted from 0.
     400 malformed JSON, with the byte's offset; 413 more images, points or texts than the limits allow; 415 no kind that is
     known; 422 well-formed, but not what is wanted; 503 no memory. */
#ifndef PERI_HTTP_BODY_H
#define PERI_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* --- what a body is read with --- */

typedef struct peri_body_shape {
  int64_t height, width, channels; /* of one image; their product fits an int32_t */
} peri_body_shape;

typedef struct peri_body_drawing {
  const double *points;   /* x, y of all strokes, one behind the other, in the canvas's unit, y down */
  const int64_t *lengths; /* points of each stroke, each at least 1 */
  int64_t strokes;        /* at least 1 */
  double pen, width, height;
} peri_body_drawing;

/* How pictures and strokes become images. Each fills 28 * 28 numbers of `image` and returns PERI_OK, or a failure by
   peri_fail, whose message becomes the reason: PERI_EARG and PERI_EFORMAT give 422, what else there is 503. They are
   called by many threads at once. */
typedef struct peri_body_images {
  int (*picture)(float *image, const void *bytes, size_t size);
  int (*drawing)(float *image, const peri_body_drawing *drawing);
} peri_body_images;

typedef struct peri_body_limits {
  size_t images;  /* of one body */
  size_t points;  /* of all strokes of a drawing together: 10,000 take a quarter of a second at worst */
  size_t strokes; /* of a drawing */
} peri_body_limits;
#define PERI_BODY_LIMITS ((peri_body_limits){.images = 4096, .points = 10000, .strokes = 1000})

/* What is kept from one body to the next, so that reading one like the last asks for no memory. For one thread at a
   time. Both arguments are copied. */
typedef struct peri_body_reader peri_body_reader;
int peri_body_reader_open(peri_body_reader **out, const peri_body_limits *limits, const peri_body_images *images);
void peri_body_reader_close(peri_body_reader *r); /* NULL is allowed */

/* --- reading (http_body.c, http_json.c) --- */

typedef enum peri_body_kind { PERI_BODY_PIXELS, PERI_BODY_RAW, PERI_BODY_PICTURE, PERI_BODY_STROKES } peri_body_kind;
const char *peri_body_kind_name(peri_body_kind kind); /* "pixels", "raw", "picture", "strokes" */

typedef struct peri_body_source {
  const void *bytes;
  size_t size;
  const char *type; /* the header Content-Type, as it came; NULL: there is none */
} peri_body_source;

enum { PERI_BODY_PEN = 20, PERI_BODY_SIDE = 280 }; /* of a drawing that does not say */
enum { PERI_BODY_TEXT_MOST = 256 }; /* bytes of a label or class, the closing 0 not counted */

typedef struct peri_body {
  peri_body_kind kind;
  size_t count;              /* images, at least 1 */
  const float *images;       /* (count, height, width, channels), the reader's: valid until its next read */
  const char *label, *class; /* NULL: not given; else UTF-8 without control characters, the reader's. A number is its text */
  bool input;                /* "input": true */
} peri_body;

enum { PERI_BODY_REASON_MOST = 256 };

typedef struct peri_body_error {
  int status;                         /* of HTTP */
  char reason[PERI_BODY_REASON_MOST]; /* UTF-8, ended by 0, one line */
} peri_body_error;

/* PERI_OK, or a negative status with *error set. *out and *error are written whole in either case. */
int peri_body_read(peri_body *out, peri_body_error *error, peri_body_reader *r, const peri_body_source *source,
                   const peri_body_shape *shape);

/* Does reading it take longer than some 20 microseconds (a picture, strokes, much JSON, many images)? Then it is work for
   a thread that serves no connections. Looks at the type, the size and the beginning only. */
bool peri_body_is_slow(const peri_body_source *source);

/* --- JSON's strings and numbers (http_answer.c) --- */

int peri_text_string(peri_text *t, const char *text); /* as a JSON string, with its quotes; what is no UTF-8 becomes U+FFFD */
int peri_text_number(peri_text *t, double value);     /* 7 significant digits; PERI_EARG: NaN or infinite */

/* --- answers (http_answer.c) --- */

/* What all answers of a model share, made ready once. Afterwards it is only read, by any number of threads. */
typedef struct peri_answer_model peri_answer_model;

/* labels: `classes` texts, the classes' names; one that is a whole number as JSON writes it ("7") becomes a JSON number.
   threshold: a prediction whose confidence is as large is certain. All is copied. */
int peri_answer_model_open(peri_answer_model **out, const char *name, const char *const *labels, size_t classes, double threshold);
void peri_answer_model_close(peri_answer_model *m); /* NULL is allowed */

typedef struct peri_answer {
  size_t count;               /* predictions */
  const float *probabilities; /* (count, classes) */
  const float *inputs;        /* (count, pixels) from 0 to 1, for "input" as bytes from 0 to 255; NULL: left out */
  size_t pixels;
  double milliseconds;
} peri_answer;

/* Appends {"predictions":[{"label":7,"probabilities":[...],"confidence":0.99,"certain":true[,"input":[...]]},...],
   "model":"digits","milliseconds":0.41}. PERI_EARG when a probability is no finite number; *t is then as it was. */
int peri_answer_write(peri_text *t, const peri_answer_model *m, const peri_answer *a);

/* Appends {"error":{"status":400,"reason":"..."}}. */
int peri_answer_error(peri_text *t, int status, const char *reason);

#endif
