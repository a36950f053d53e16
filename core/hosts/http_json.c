/* http_json.c - a JSON body, by the streaming reader yajl.

   The library checks the grammar and calls back for every token; here it is known where in the body that is, and so what
   may stand there. Nothing is built: numbers go to the reader's rooms as they come. A body that is wrong stops the
   library where it is wrong.

   The library does not ask whether it got the memory that it wanted. It gets a fixed piece, which is more than a body
   without overlong texts needs (nesting ends at 4); when that is used up, a longjmp leaves the library, which holds
   nothing outside that piece. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/status.h"
#include "hosts/http_json.h"

/* The fields, in the order of `names` below. */
typedef enum field { PIXELS, RANGE, STROKES, PEN, WIDTH, HEIGHT, LABEL, CLASS, INPUT, FIELDS } field;
static const char *const names[FIELDS] = {"pixels", "range", "strokes", "pen", "width", "height", "label", "class", "input"};
static const char all_names[] = "pixels, range, strokes, pen, width, height, label, class, input";

typedef struct json {
  peri_body_job *job;
  field field;     /* whose value is being read; outside of the object it is pixels, of which no bare value is one */
  unsigned seen;   /* bits of fields */
  int depth;       /* brackets that are open; the object's is the first */
  size_t at[3];    /* where in pixels or strokes: element of the list in depth 2, 3 and 4, from 0 */
  bool nested;     /* pixels is a list of images */
  size_t numbers;  /* of the images, all together */
  double range;
  size_t points;   /* of the drawing, all together */
  peri_body_drawing drawing;
  char *memory;    /* the library's piece, and how much of it is used */
  size_t used;
  yajl_handle handle;
  size_t end;      /* of the object: where the library stood then */
  jmp_buf no_room;
} json;

/* --- what is wrong --- */

/* The place of the value that is being read: "pixels[3][17]". */
static const char *place(const json *j, char text[64]) {
  int n = snprintf(text, 64, "%s", names[j->field]), levels = j->depth - 1;
  if (j->field != PIXELS && j->field != STROKES) return text;
  for (int i = 0; i < levels && i < 3; i++) n += snprintf(text + n, 64 - (size_t)n, "[%zu]", j->at[i]);
  return text;
}

/* Says what is wrong at the place; returns 0, which stops the library. */
__attribute__((format(printf, 3, 4))) static int wrong(json *j, int status, const char *format, ...) {
  char where[64], what[PERI_BODY_REASON_MOST];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  peri__body_fail(j->job->error, status, "%s: %s", place(j, where), what);
  return 0;
}

/* What may stand at the place. */
static const char *wanted(const json *j, char text[96]) {
  const peri_body_shape *s = &j->job->shape;
  switch (j->field) {
  case PIXELS:
    if (j->depth == 1 || (j->depth == 2 && j->nested)) {
      snprintf(text, 96, "a list of %zu numbers (%" PRId64 " x %" PRId64 " x %" PRId64 ")%s is wanted", j->job->pixels, s->height,
               s->width, s->channels, j->depth == 1 ? " or of such lists" : "");
      return text;
    }
    return j->range == 1 ? "a number from 0 to 1 is wanted" : "a number from 0 to 255 is wanted";
  case RANGE: return "1 or 255 is wanted";
  case STROKES:
    return j->depth == 1 ? "a list of strokes is wanted" : j->depth == 2 ? "a stroke, a list of points, is wanted"
         : j->depth == 3 ? "a point, [x, y] or [x, y, time], is wanted" : "a number is wanted";
  case PEN: case WIDTH: case HEIGHT: return "a number above 0 is wanted";
  case LABEL: case CLASS: return "a string or a number is wanted";
  default: return "true or false is wanted";
  }
}

static int mismatch(json *j, const char *got) {
  char text[96];
  if (j->depth == 0) {
    peri__body_fail(j->job->error, 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got %s", got);
    return 0;
  }
  return wrong(j, 422, "%s, got %s", wanted(j, text), got);
}

static int bad_number(json *j, const char *text, size_t size) {
  char got[32];
  snprintf(got, sizeof got, "%.*s%s", size > 20 ? 20 : (int)size, text, size > 20 ? "..." : "");
  return mismatch(j, got);
}

static int too_many(json *j, const char *what, size_t most) {
  return wrong(j, 413, "more than %zu %s", most, what);
}

static int no_memory(json *j) {
  peri__body_no_memory(j->job->error);
  return 0;
}

/* --- values --- */

static int pixel(json *j, double value, const char *text, size_t size) {
  peri_body_job *job = j->job;
  if (j->depth != (j->nested ? 3 : 2)) return bad_number(j, text, size);
  size_t within = j->numbers - (j->nested ? j->at[0] * job->pixels : 0);
  if (within == job->pixels) return wrong(j, 422, "more numbers than the %zu of an image", job->pixels);
  if (!(value >= 0 && value <= 255)) return bad_number(j, text, size);
  if (within == 0) {
    size_t bytes = j->numbers * sizeof(float);
    if (peri__body_reserve(&job->reader->values, bytes + job->pixels * sizeof(float), bytes) < 0) return no_memory(j);
  }
  ((float *)job->reader->values.at)[j->numbers++] = (float)(value + 0.0); /* -0 becomes 0 */
  j->at[j->depth - 2]++;
  return 1;
}

static int coordinate(json *j, double value, const char *text, size_t size) {
  peri_body_reader *r = j->job->reader;
  if (j->depth != 4) return bad_number(j, text, size);
  if (j->at[2] == 3) return wrong(j, 422, "a point has two numbers, or three with its time");
  if (j->at[2] < 2) {
    size_t bytes = 2 * j->points * sizeof(double);
    if (peri__body_reserve(&r->points, bytes + 2 * sizeof(double), bytes) < 0) return no_memory(j);
    ((double *)r->points.at)[2 * j->points + j->at[2]] = value;
  }
  j->at[2]++;
  return 1;
}

/* How many bytes from the beginning on are UTF-8: the library lets longer forms than needed, and surrogates, pass. */
static size_t utf8_of(const char *text, size_t size) {
  size_t i = 0, length = 1;
  while (i < size && (length = peri__utf8_length((const uint8_t *)text + i, size - i)) > 0) i += length;
  return i;
}

/* A label or class. */
static int text_value(json *j, const char *text, size_t size) {
  char *to = j->field == LABEL ? j->job->reader->label : j->job->reader->class;
  if (size > PERI_BODY_TEXT_MOST) return wrong(j, 422, "a string of at most %d bytes is wanted, got %zu", PERI_BODY_TEXT_MOST, size);
  size_t good = utf8_of(text, size);
  if (good < size) return wrong(j, 400, "a string is no UTF-8 at its byte %zu", good);
  for (size_t i = 0; i < size; i++) {
    if ((uint8_t)text[i] < 0x20 || text[i] == 0x7F) return wrong(j, 422, "a string without control characters is wanted");
  }
  memcpy(to, text, size);
  to[size] = 0;
  *(j->field == LABEL ? &j->job->out->label : &j->job->out->class) = to;
  return 1;
}

static int number(json *j, double value, const char *text, size_t size) {
  switch (j->field) {
  case PIXELS: return pixel(j, value, text, size);
  case STROKES: return coordinate(j, value, text, size);
  case LABEL: case CLASS: return text_value(j, text, size);
  case RANGE: j->range = value; return value == 1 || value == 255 ? 1 : bad_number(j, text, size);
  case PEN: j->drawing.pen = value; break;
  case WIDTH: j->drawing.width = value; break;
  case HEIGHT: j->drawing.height = value; break;
  default: return mismatch(j, "a number");
  }
  return value > 0 ? 1 : bad_number(j, text, size);
}

static int on_number(void *context, const char *text, size_t size) {
  json *j = context;
  double value;
  if (j->depth == 0) return mismatch(j, "a number");
  if (!peri__json_number(&value, text, size, j->job->reader->locale)) {
    if (size > PERI_BODY_NUMBER_MOST) return wrong(j, 422, "a number of at most %d characters is wanted, got %zu", PERI_BODY_NUMBER_MOST, size);
    return bad_number(j, text, size);
  }
  return number(j, value, text, size);
}

static int on_string(void *context, const unsigned char *text, size_t size) {
  json *j = context;
  bool may = j->field == LABEL || j->field == CLASS;
  return may ? text_value(j, (const char *)text, size) : mismatch(j, "a string");
}

static int on_boolean(void *context, int value) {
  json *j = context;
  if (j->field != INPUT) return mismatch(j, value ? "true" : "false");
  j->job->out->input = value != 0;
  return 1;
}

static int on_null(void *context) { return mismatch(context, "null"); }

/* --- brackets --- */

static int on_start_map(void *context) {
  json *j = context;
  if (j->depth > 0) return mismatch(j, "an object");
  j->depth = 1;
  return 1;
}

static int on_key(void *context, const unsigned char *key, size_t size) {
  json *j = context;
  for (int i = 0; i < FIELDS; i++) {
    if (strlen(names[i]) != size || memcmp(names[i], key, size) != 0) continue;
    j->field = (field)i;
    if (j->seen & 1U << i) return wrong(j, 422, "is there twice");
    j->seen |= 1U << i;
    return 1;
  }
  if (utf8_of((const char *)key, size) < size) {
    peri__body_fail(j->job->error, 400, "a field's name is no UTF-8");
    return 0;
  }
  peri__body_fail(j->job->error, 422, "unknown field \"%.*s\"%s; there are %s", size > 64 ? 64 : (int)size, (const char *)key,
                  size > 64 ? "..." : "", all_names);
  return 0;
}

static int on_end_map(void *context) {
  json *j = context;
  j->depth = 0;
  j->end = yajl_get_bytes_consumed(j->handle);
  return 1;
}

static int start_image(json *j) {
  size_t most = j->job->reader->limits.images;
  if (j->depth == 2) {
    if (j->at[0] == 0) j->nested = true;
    if (!j->nested) return mismatch(j, "a list");
    if (j->at[0] == most) return too_many(j, "images", most);
  }
  return 1;
}

static int start_in_strokes(json *j) {
  const peri_body_limits *limits = &j->job->reader->limits;
  peri_body_reader *r = j->job->reader;
  if (j->depth == 2) {
    if (j->at[0] == limits->strokes) return too_many(j, "strokes", limits->strokes);
    size_t bytes = j->at[0] * sizeof(int64_t);
    if (peri__body_reserve(&r->lengths, bytes + sizeof(int64_t), bytes) < 0) return no_memory(j);
  }
  if (j->depth == 3 && j->points == limits->points) return too_many(j, "points", limits->points);
  return 1;
}

static int on_start_array(void *context) {
  json *j = context;
  int deepest = j->depth == 0 ? -1 : j->field == PIXELS ? 2 : j->field == STROKES ? 3 : 0;
  if (j->depth > deepest) return mismatch(j, "a list");
  if (!(j->field == PIXELS ? start_image(j) : start_in_strokes(j))) return 0;
  j->depth++;
  j->at[j->depth - 2] = 0;
  return 1;
}

static int end_image(json *j) {
  size_t pixels = j->job->pixels, got = j->numbers - (j->nested ? j->at[0] * pixels : 0);
  if (j->depth == (j->nested ? 2 : 1)) { /* an image's own bracket; place() names the image */
    char text[96];
    if (got != pixels) return wrong(j, 422, "%s, got one of %zu", wanted(j, text), got);
  }
  return 1;
}

static int end_in_strokes(json *j) {
  switch (j->depth) {
  case 1: return j->at[0] > 0 ? 1 : wrong(j, 422, "nothing is drawn: there is no stroke");
  case 2:
    if (j->at[1] == 0) return wrong(j, 422, "a stroke has one point or more, here is none");
    ((int64_t *)j->job->reader->lengths.at)[j->at[0]] = (int64_t)j->at[1];
    return 1;
  default:
    j->points++;
    return j->at[2] >= 2 ? 1 : wrong(j, 422, "a point has two numbers, or three with its time, got %zu", j->at[2]);
  }
}

static int on_end_array(void *context) {
  json *j = context;
  j->depth--;
  if (!(j->field == PIXELS ? end_image(j) : end_in_strokes(j))) return 0;
  if (j->depth >= 2) j->at[j->depth - 2]++;
  return 1;
}

/* --- the library --- */

static const yajl_callbacks callbacks = {
  .yajl_null = on_null, .yajl_boolean = on_boolean, .yajl_number = on_number, .yajl_string = on_string,
  .yajl_start_map = on_start_map, .yajl_map_key = on_key, .yajl_end_map = on_end_map,
  .yajl_start_array = on_start_array, .yajl_end_array = on_end_array};

/* Each block has its size in front of it; nothing is given back. */
static void *take(void *context, size_t size) {
  json *j = context;
  size_t wants = 16 + (size + 15) / 16 * 16;
  if (size > PERI_BODY_JSON_MEMORY || j->used + wants > PERI_BODY_JSON_MEMORY) longjmp(j->no_room, 1);
  char *block = j->memory + j->used;
  memcpy(block, &size, sizeof size);
  j->used += wants;
  return block + 16;
}

static void *take_more(void *context, void *block, size_t size) {
  char *larger = take(context, size);
  size_t before = 0;
  if (block != NULL) {
    memcpy(&before, (char *)block - 16, sizeof before);
    memcpy(larger, block, before < size ? before : size);
  }
  return larger;
}

static void give_back(void *context, void *block) {
  (void)context;
  (void)block;
}

/* The library's own words about what is malformed, without its ending. */
static int malformed(json *j, yajl_handle handle, size_t offset) {
  char text[128];
  const unsigned char *said = yajl_get_error(handle, 0, j->job->bytes, j->job->size);
  snprintf(text, sizeof text, "%s", said != NULL ? (const char *)said : "");
  text[strcspn(text, "\n")] = 0;
  const char *what = strstr(text, "error: ");
  return peri__body_fail(j->job->error, 400, "malformed JSON at byte %zu: %s", offset, what != NULL ? what + 7 : text);
}

static int parse(json *j) {
  yajl_alloc_funcs memory = {take, take_more, give_back, j};
  if (setjmp(j->no_room) != 0) {
    return peri__body_fail(j->job->error, 422, "a string or a number in the JSON is longer than a body may have");
  }
  yajl_handle handle = j->handle = yajl_alloc(&callbacks, &memory, j);
  yajl_status status = yajl_parse(handle, j->job->bytes, j->job->size);
  size_t offset = yajl_get_bytes_consumed(handle);
  if (status == yajl_status_ok) status = yajl_complete_parse(handle);
  if (status == yajl_status_error) return malformed(j, handle, offset);
  for (size_t i = j->end; status == yajl_status_ok && i < j->job->size; i++) { /* it lets a string without an end pass there */
    if (memchr(" \t\r\n", j->job->bytes[i], 4) == NULL) return peri__body_fail(j->job->error, 400, "malformed JSON at byte %zu: trailing garbage", i);
  }
  return status == yajl_status_ok ? PERI_OK : j->job->error->status == 503 ? PERI_ENOMEM : PERI_EFORMAT;
}

/* --- the whole --- */

static bool has(const json *j, field f) { return (j->seen & 1U << f) != 0; }

/* Numbers above 1 beside "range": 1, which may have come behind them. */
static int check_range(json *j) {
  const float *v = j->job->reader->values.at;
  for (size_t i = 0; j->range == 1 && i < j->numbers; i++) {
    if (v[i] <= 1) continue;
    char got[32];
    snprintf(got, sizeof got, "%.7g", (double)v[i]);
    j->field = PIXELS;
    j->depth = j->nested ? 3 : 2;
    j->at[0] = j->nested ? i / j->job->pixels : i;
    j->at[1] = i % j->job->pixels;
    return mismatch(j, got), PERI_EFORMAT;
  }
  return PERI_OK;
}

static int take_pixels(json *j) {
  for (int f = PEN; f <= HEIGHT; f++) {
    if (has(j, (field)f)) return peri__body_fail(j->job->error, 422, "%s: belongs to strokes, and here are pixels", names[f]);
  }
  PERI_TRY(check_range(j));
  peri__body_pixels(j->job, j->numbers / j->job->pixels, j->range);
  return PERI_OK;
}

static int take_strokes(json *j) {
  const peri_body_reader *r = j->job->reader;
  if (has(j, RANGE)) return peri__body_fail(j->job->error, 422, "range: belongs to pixels, and here are strokes");
  j->drawing.points = r->points.at;
  j->drawing.lengths = r->lengths.at;
  j->drawing.strokes = (int64_t)j->at[0];
  return peri__body_drawing(j->job, &j->drawing);
}

/* Two bytes that the library takes for blanks; JSON has them nowhere. */
static int check_blanks(peri_body_job *job) {
  for (uint8_t c = '\v'; c <= '\f'; c++) {
    const uint8_t *at = memchr(job->bytes, c, job->size);
    if (at == NULL) continue;
    return peri__body_fail(job->error, 400, "malformed JSON at byte %zu: the byte %d", (size_t)(at - job->bytes), c);
  }
  return PERI_OK;
}

int peri__body_json(peri_body_job *job) {
  json j = {.job = job, .range = 255, .drawing = {.pen = PERI_BODY_PEN, .width = PERI_BODY_SIDE, .height = PERI_BODY_SIDE}};
  if (peri__body_reserve(&job->reader->memory, PERI_BODY_JSON_MEMORY, 0) < 0) return peri__body_no_memory(job->error);
  j.memory = job->reader->memory.at;
  PERI_TRY(check_blanks(job));
  PERI_TRY(parse(&j));
  if (has(&j, PIXELS) && has(&j, STROKES)) return peri__body_fail(job->error, 422, "either pixels or strokes are wanted, got both");
  if (!has(&j, PIXELS) && !has(&j, STROKES)) return peri__body_fail(job->error, 422, "pixels or strokes are wanted, got neither");
  return has(&j, PIXELS) ? take_pixels(&j) : take_strokes(&j);
}
