/* http_body.c - bodies of requests: every kind read right, everything that is wrong refused with its status and place. */
#include "hosts/http_body.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "test.h"

_Atomic int failures;

/* --- what a body is read with --- */

static peri_body_drawing last;                  /* what the callback saw */
static double last_points[64];
static int64_t last_lengths[16];
static size_t picture_size;
static int answer = PERI_OK;                    /* what the callbacks return */

static int picture(float *image, const void *bytes, size_t size) {
  (void)bytes;
  picture_size = size;
  image[0] = 0.5f;
  return answer < 0 ? peri_fail(answer, "the picture\nshows \xFF no ink") : PERI_OK;
}

static int drawing(float *image, const peri_body_drawing *d) {
  int64_t points = 0;
  last = *d;
  for (int64_t i = 0; i < d->strokes && i < 16; i++) last_lengths[i] = d->lengths[i], points += d->lengths[i];
  for (int64_t i = 0; i < 2 * points && i < 64; i++) last_points[i] = d->points[i];
  image[0] = 0.25f;
  return answer < 0 ? peri_fail(answer, "nothing is drawn") : PERI_OK;
}

static const peri_body_limits limits = {.images = 3, .points = 4, .strokes = 3};
static const peri_body_shape small = {2, 2, 1}, digit = {28, 28, 1};
static peri_body_reader *reader;
static peri_body out;
static peri_body_error error;

static int read_as(const char *type, const void *bytes, size_t size, const peri_body_shape *shape) {
  uint8_t *exact = malloc(size > 0 ? size : 1); /* so that a sanitizer sees a read past the end */
  if (exact == NULL) abort();
  memcpy(exact, bytes, size);
  int status = peri_body_read(&out, &error, reader, &(peri_body_source){exact, size, type}, shape);
  free(exact);
  return status;
}

static int read_json(const char *text, const peri_body_shape *shape) { return read_as("application/json", text, strlen(text), shape); }

/* The body is taken, as `count` images of 2 x 2 whose numbers are these, in 255ths. */
static void takes(const char *text, size_t count, const double *numbers) {
  int status = read_json(text, &small);
  if (status < 0) printf("%s: %d %s\n", text, error.status, error.reason);
  CHECK(status == PERI_OK && out.kind == PERI_BODY_PIXELS && out.count == count);
  for (size_t i = 0; status >= 0 && i < 4 * count; i++) {
    if (fabs((double)out.images[i] * 255 - numbers[i]) > 1e-4) printf("%s: number %zu is %g\n", text, i, (double)out.images[i] * 255);
    CHECK(fabs((double)out.images[i] * 255 - numbers[i]) <= 1e-4);
  }
}
#define TAKES(text, count, ...) takes(text, count, (const double[]){__VA_ARGS__})

/* The body is refused with this status and reason. */
static void refuses_as(const char *type, const char *text, size_t size, const peri_body_shape *shape, int status, const char *reason) {
  int result = read_as(type, text, size, shape);
  bool right = result < 0 && error.status == status && strcmp(error.reason, reason) == 0;
  if (!right) printf("%.100s\n  got    %d %s\n  wanted %d %s\n", text, error.status, error.reason, status, reason);
  CHECK(right);
}
static void refuses(const char *text, int status, const char *reason) {
  refuses_as("application/json", text, strlen(text), &small, status, reason);
}

/* --- pixels --- */

static void test_pixels(void) {
  TAKES("{\"pixels\":[0,1,10,255]}", 1, 0, 1, 10, 255);
  TAKES(" {\t\"pixels\" :\r\n[ 0 , 99 ,100 , 5 ] } \n", 1, 0, 99, 100, 5);
  TAKES("{\"pixels\":[[0,1,2,3]]}", 1, 0, 1, 2, 3);
  TAKES("{\"pixels\": [[0,1,2,3], [4,5,6,7] ,[8,9,10,0]]}", 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0);
  TAKES("{\"pixels\":[0.5,1e2,2.50E+1,-0]}", 1, 0.5, 100, 25, 0);
  TAKES("{\"pixels\":[0.25000000000000000000,12345678901234567890e-18,1000000000000000000000e-20,2e0]}", 1, 0.25, 12.34567890123456789, 10, 2);
  TAKES("{\"pixels\":[1,0,0.25,1e-1],\"range\":1}", 1, 255, 0, 63.75, 25.5);
  TAKES("{\"range\":1,\"pixels\":[[1,0,0.25,1e-1],[0,0,0,1]]}", 2, 255, 0, 63.75, 25.5, 0, 0, 0, 255);
  CHECK(read_json("{\"pixels\":[-0,-0.0,-0e5,1]}", &small) == PERI_OK && !signbit(out.images[0]) && !signbit(out.images[1]));
  TAKES("{\"range\":255.0,\"pixels\":[1,2,3,4]}", 1, 1, 2, 3, 4);
  TAKES("{\"p\\u0069xels\":[1,2,3,4]}", 1, 1, 2, 3, 4); /* a name that is escaped is the same name */
  /* scaled as a data set of bytes is: the same bits */
  CHECK(read_json("{\"pixels\":[7,255,3,77]}", &small) == PERI_OK && out.images[0] == 7 * (float)(1.0 / 255) &&
        out.images[3] == 77 * (float)(1.0 / 255));
  CHECK(read_json("{\"pixels\":[7.0,255,3,77]}", &small) == PERI_OK && out.images[0] == 7 * (float)(1.0 / 255));
}

static void test_beside(void) {
  CHECK(read_json("{\"pixels\":[1,2,3,4]}", &small) == PERI_OK && !out.label && !out.class && !out.input);
  CHECK(read_json("{\"label\":7,\"class\":\"\\u00e9\\\"\",\"input\":true,\"pixels\":[1,2,3,4]}", &small) == PERI_OK);
  CHECK(out.input && out.label && strcmp(out.label, "7") == 0 && out.class && strcmp(out.class, "\xC3\xA9\"") == 0);
  CHECK(read_json("{\"input\":false,\"label\":\"\",\"pixels\":[1,2,3,4]}", &small) == PERI_OK && !out.input && out.label && !*out.label);
  refuses("{\"label\":[7],\"pixels\":[1,2,3,4]}", 422, "label: a string or a number is wanted, got a list");
  refuses("{\"class\":{},\"pixels\":[1,2,3,4]}", 422, "class: a string or a number is wanted, got an object");
  refuses("{\"label\":null}", 422, "label: a string or a number is wanted, got null");
  refuses("{\"label\":true}", 422, "label: a string or a number is wanted, got true");
  refuses("{\"label\":\"a\\u0000b\"}", 422, "label: a string without control characters is wanted");
  refuses("{\"class\":\"\\u007f\"}", 422, "class: a string without control characters is wanted");
  refuses("{\"input\":1}", 422, "input: true or false is wanted, got a number");
  refuses("{\"input\":\"yes\"}", 422, "input: true or false is wanted, got a string");
  refuses("{\"range\":2}", 422, "range: 1 or 255 is wanted, got 2");
  refuses("{\"range\":\"1\"}", 422, "range: 1 or 255 is wanted, got a string");
  refuses("{\"range\":false}", 422, "range: 1 or 255 is wanted, got false");
}

static void test_bad_pixels(void) {
  refuses("{\"pixels\":[0,1,2]}", 422, "pixels: a list of 4 numbers (2 x 2 x 1) or of such lists is wanted, got one of 3");
  refuses("{\"pixels\":[]}", 422, "pixels: a list of 4 numbers (2 x 2 x 1) or of such lists is wanted, got one of 0");
  refuses("{\"pixels\":[[]]}", 422, "pixels[0]: a list of 4 numbers (2 x 2 x 1) is wanted, got one of 0");
  refuses("{\"pixels\":[[0,1,2,3],[4,5,6]]}", 422, "pixels[1]: a list of 4 numbers (2 x 2 x 1) is wanted, got one of 3");
  refuses("{\"pixels\":[0,1,2,3,4]}", 422, "pixels[4]: more numbers than the 4 of an image");
  refuses("{\"pixels\":[[0,1,2,3,4]]}", 422, "pixels[0][4]: more numbers than the 4 of an image");
  refuses("{\"pixels\":[[0,1,2,3],5]}", 422, "pixels[1]: a list of 4 numbers (2 x 2 x 1) is wanted, got 5");
  refuses("{\"pixels\":[0,[1,2,3,4]]}", 422, "pixels[1]: a number from 0 to 255 is wanted, got a list");
  refuses("{\"pixels\":[[0,1,[2],3]]}", 422, "pixels[0][2]: a number from 0 to 255 is wanted, got a list");
  refuses("{\"pixels\":[[0,1,2,3],[4,\"5\",6,7]]}", 422, "pixels[1][1]: a number from 0 to 255 is wanted, got a string");
  refuses("{\"pixels\":[0,null]}", 422, "pixels[1]: a number from 0 to 255 is wanted, got null");
  refuses("{\"pixels\":[0,{\"a\":1}]}", 422, "pixels[1]: a number from 0 to 255 is wanted, got an object");
  refuses("{\"pixels\":[0,256,0,0]}", 422, "pixels[1]: a number from 0 to 255 is wanted, got 256");
  refuses("{\"pixels\":[0,0,-1,0]}", 422, "pixels[2]: a number from 0 to 255 is wanted, got -1");
  refuses("{\"pixels\":[0,255.00001,0,0]}", 422, "pixels[1]: a number from 0 to 255 is wanted, got 255.00001");
  refuses("{\"pixels\":[0,1e999,0,0]}", 422, "pixels[1]: a number from 0 to 255 is wanted, got 1e999");
  refuses("{\"pixels\":[0,-123456789012345678901234567890,0,0]}", 422,
          "pixels[1]: a number from 0 to 255 is wanted, got -1234567890123456789...");
  refuses("{\"pixels\":[0.00000000000000000000000000000000000000000000000000000000000000001,0,0,0]}", 422,
          "pixels[0]: a number of at most 64 characters is wanted, got 67");
  refuses("{\"pixels\":[0,17,0,0],\"range\":1}", 422, "pixels[1]: a number from 0 to 1 is wanted, got 17");
  refuses("{\"pixels\":[[0,0,0,0],[0,0,0,1.5]],\"range\":1}", 422, "pixels[1][3]: a number from 0 to 1 is wanted, got 1.5");
  refuses("{\"range\":1,\"pixels\":[0,0,2,0]}", 422, "pixels[2]: a number from 0 to 1 is wanted, got 2");
  refuses("{\"pixels\":7}", 422, "pixels: a list of 4 numbers (2 x 2 x 1) or of such lists is wanted, got 7");
  refuses("{\"pixels\":\"AAAA\"}", 422, "pixels: a list of 4 numbers (2 x 2 x 1) or of such lists is wanted, got a string");
  refuses("{\"pixels\":[[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]}", 413, "pixels[3]: more than 3 images");
  refuses("{\"pixels\":[0,0,0,0],\"pen\":3}", 422, "pen: belongs to strokes, and here are pixels");
}

static void test_objects(void) {
  refuses("{}", 422, "pixels or strokes are wanted, got neither");
  refuses("{\"label\":7}", 422, "pixels or strokes are wanted, got neither");
  refuses("{\"pixels\":[1,2,3,4],\"strokes\":[[[1,2]]]}", 422, "either pixels or strokes are wanted, got both");
  refuses("{\"pixels\":[1,2,3,4],\"pixels\":[1,2,3,4]}", 422, "pixels: is there twice");
  refuses("{\"label\":\"a\",\"label\":\"a\"}", 422, "label: is there twice");
  refuses("{\"Pixels\":[1,2,3,4]}", 422,
          "unknown field \"Pixels\"; there are pixels, range, strokes, pen, width, height, label, class, input");
  refuses("{\"\u00e9\":1}", 422, "unknown field \"\xC3\xA9\"; there are pixels, range, strokes, pen, width, height, label, class, input");
  refuses("{\"\":1}", 422, "unknown field \"\"; there are pixels, range, strokes, pen, width, height, label, class, input");
  refuses("{\"pixels\\u0000\":1}", 422, "unknown field \"pixels\"; there are pixels, range, strokes, pen, width, height, label, class, input");
  refuses("[1,2]", 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got a list");
  refuses("7", 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got a number");
  refuses("\"x\"", 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got a string");
  refuses("null", 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got null");
  refuses("true", 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got true");
}

static void is_malformed(const char *text, const char *beginning) {
  int status = read_json(text, &small);
  bool right = status < 0 && error.status == 400 && strncmp(error.reason, beginning, strlen(beginning)) == 0;
  if (!right) printf("%s\n  got    %d %s\n  wanted 400 %s\n", text, error.status, error.reason, beginning);
  CHECK(right);
}

static void test_malformed(void) {
  is_malformed("{\"pixels\":[0,1,2,3]", "malformed JSON at byte 19: premature EOF");
  is_malformed("{\"pixels\":[0,1,2,", "malformed JSON at byte 17: premature EOF");
  is_malformed("{", "malformed JSON at byte 1: premature EOF");
  is_malformed("   ", "malformed JSON at byte 3: premature EOF");
  is_malformed("{\"pixels\":[0,1,2,03]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,3,]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,3]}}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,3]}{}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,3]} 1", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,NaN]}", "malformed JSON at byte 18: ");
  is_malformed("{\"pixels\":[0,1,2,Infinity]}", "malformed JSON at byte 18: ");
  is_malformed("{\"pixels\":[0,1,2,-Infinity]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,+1]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,.5]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,5.]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,1,2,0x5]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0 1]}", "malformed JSON at byte ");
  is_malformed("{'pixels':[0]}", "malformed JSON at byte ");
  is_malformed("{pixels:[0]}", "malformed JSON at byte ");
  is_malformed("{\"label\":\"\xFF\"}", "malformed JSON at byte ");
  is_malformed("{\"label\":\"\xC0\x80\"}", "label: a string is no UTF-8 at its byte 0");
  is_malformed("{\"label\":\"ab\xED\xA0\x80\"}", "label: a string is no UTF-8 at its byte 2");
  is_malformed("{\"\xE0\x80\xAF\":1}", "a field's name is no UTF-8");
  is_malformed("{\"label\":\"a\nb\"}", "malformed JSON at byte ");
  is_malformed("{\"label\":\"\\x41\"}", "malformed JSON at byte ");
  is_malformed("{\"pixels\"/**/:[0,1,2,3]}", "malformed JSON at byte ");
  is_malformed("{\"pixels\":[0,\v1,2,3]}", "malformed JSON at byte 13: the byte 11");
  is_malformed("{\"pixels\":[0,1,2,3]}\f", "malformed JSON at byte 20: the byte 12");
  is_malformed("{\"pixels\":[0,1,2,3.5]} \"}", "malformed JSON at byte 23: trailing garbage");
  is_malformed("\xEF\xBB\xBF{\"pixels\":[0,1,2,3]}", "malformed JSON at byte ");
  refuses("", 400, "the body is empty");
}

/* What a body must never do: fill the memory, the stack or the time. */
static void test_hostile(void) {
  enum { MUCH = 1 << 20 };
  char *text = malloc(MUCH + 64);
  if (text == NULL) abort();
  memset(text, '[', MUCH);
  refuses_as("application/json", text, MUCH, &small, 422, "an object is wanted, {\"pixels\": [...]} or {\"strokes\": [...]}, got a list");
  memcpy(text, "{\"pixels\":", 10);
  refuses_as("application/json", text, MUCH, &small, 422, "pixels[0][0]: a number from 0 to 255 is wanted, got a list");
  memcpy(text, "{\"strokes\":", 11);
  refuses_as("application/json", text, MUCH, &small, 422, "strokes[0][0][0]: a number is wanted, got a list");
  memset(text, '1', MUCH); /* a number without an end */
  memcpy(text, "{\"pixels\":[", 11);
  refuses_as("application/json", text, MUCH, &small, 422, "a string or a number in the JSON is longer than a body may have");
  memset(text, 'a', MUCH); /* a text without an end, plain and escaped */
  memcpy(text, "{\"label\":\"", 10);
  refuses_as("application/json", text, MUCH, &small, 422, "a string or a number in the JSON is longer than a body may have");
  text[MUCH - 1] = '"';
  refuses_as("application/json", text, MUCH, &small, 422, "label: a string of at most 256 bytes is wanted, got 1048565");
  memcpy(text + 10, "\\n", 2);
  refuses_as("application/json", text, MUCH, &small, 422, "a string or a number in the JSON is longer than a body may have");
  memset(text, 'k', MUCH); /* a name */
  memcpy(text, "{\"", 2);
  memcpy(text + MUCH - 3, "\":1", 3);
  refuses_as("application/json", text, MUCH, &small, 422,
             "unknown field \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\"...; there are pixels, range, strokes, pen, "
             "width, height, label, class, input");
  free(text);
  /* a name that is cut in the middle of a character, with quotes and controls */
  refuses("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\n\\u001b\\\"\xE2\x82\xAC\xE2\x82\xAC\":1}", 422,
          "unknown field \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  \"??\"...; there are pixels, range, strokes, pen, width, "
          "height, label, class, input");
}

/* Every beginning of a body is refused, and says so. */
static void test_truncated(void) {
  static const char *const texts[] = {"{\"pixels\":[[0,1,2,3],[4,5,6,255]]}", "{\"pixels\":[0.5,1,0,0.25],\"range\":1,\"label\":\"\\u00e9\xC3\xA9\"}",
                                      "{\"strokes\":[[[1,2,3.5],[3,4]],[[5,6]]],\"pen\":1e1,\"input\":true}"};
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    CHECK(read_json(texts[t], t == 2 ? &digit : &small) == PERI_OK);
    for (size_t n = 0; n < strlen(texts[t]); n++) {
      CHECK(read_as("application/json", texts[t], n, t == 2 ? &digit : &small) < 0 && error.status == 400 && error.reason[0] != 0);
      CHECK(out.count == 0 && out.images == NULL);
    }
  }
}

/* --- strokes --- */

static void test_strokes(void) {
  CHECK(read_json("{\"strokes\":[[[1,2],[3.5,-4,99]],[[5,6]]],\"pen\":10,\"height\":100,\"input\":true}", &digit) == PERI_OK);
  CHECK(out.kind == PERI_BODY_STROKES && out.count == 1 && out.images[0] == 0.25f && out.input);
  CHECK(last.strokes == 2 && last_lengths[0] == 2 && last_lengths[1] == 1 && last.pen == 10 && last.width == 280 && last.height == 100);
  CHECK(last_points[0] == 1 && last_points[1] == 2 && last_points[2] == 3.5 && last_points[3] == -4 && last_points[4] == 5 && last_points[5] == 6);
  CHECK(read_json("{\"width\":5e-1,\"strokes\":[[[0,0]]]}", &digit) == PERI_OK && last.width == 0.5 && last.pen == 20 && last.height == 280);
  answer = PERI_EARG;
  refuses_as("application/json", "{\"strokes\":[[[1,2]]]}", 21, &digit, 422, "nothing is drawn");
  answer = PERI_ENOMEM;
  refuses_as("application/json", "{\"strokes\":[[[1,2]]]}", 21, &digit, 503, "nothing is drawn");
  answer = PERI_OK;
  refuses("{\"strokes\":[[[1,2]]]}", 422, "strokes become images of 28 x 28 x 1, and this model takes 2 x 2 x 1; send it pixels or raw bytes");
}

static void test_bad_strokes(void) {
  refuses("{\"strokes\":[]}", 422, "strokes: nothing is drawn: there is no stroke");
  refuses("{\"strokes\":[[[1,2]],[]]}", 422, "strokes[1]: a stroke has one point or more, here is none");
  refuses("{\"strokes\":[[[1,2],[]]]}", 422, "strokes[0][1]: a point has two numbers, or three with its time, got 0");
  refuses("{\"strokes\":[[[1,2],[3]]]}", 422, "strokes[0][1]: a point has two numbers, or three with its time, got 1");
  refuses("{\"strokes\":[[[1,2,3,4]]]}", 422, "strokes[0][0][3]: a point has two numbers, or three with its time");
  refuses("{\"strokes\":[[[1,\"2\"]]]}", 422, "strokes[0][0][1]: a number is wanted, got a string");
  refuses("{\"strokes\":[[[1,null]]]}", 422, "strokes[0][0][1]: a number is wanted, got null");
  refuses("{\"strokes\":[[[1,[2]]]]}", 422, "strokes[0][0][1]: a number is wanted, got a list");
  refuses("{\"strokes\":[[[1,1e400]]]}", 422, "strokes[0][0][1]: a number is wanted, got 1e400");
  refuses("{\"strokes\":[[1,2]]}", 422, "strokes[0][0]: a point, [x, y] or [x, y, time], is wanted, got 1");
  refuses("{\"strokes\":[1]}", 422, "strokes[0]: a stroke, a list of points, is wanted, got 1");
  refuses("{\"strokes\":[{}]}", 422, "strokes[0]: a stroke, a list of points, is wanted, got an object");
  refuses("{\"strokes\":{}}", 422, "strokes: a list of strokes is wanted, got an object");
  refuses("{\"strokes\":[[[1,2],[1,2],[1,2]],[[1,2],[1,2]]]}", 413, "strokes[1][1]: more than 4 points");
  refuses("{\"strokes\":[[[1,2]],[[1,2]],[[1,2]],[[1,2]]]}", 413, "strokes[3]: more than 3 strokes");
  refuses("{\"strokes\":[[[1,2]]],\"pen\":0}", 422, "pen: a number above 0 is wanted, got 0");
  refuses("{\"strokes\":[[[1,2]]],\"width\":-5}", 422, "width: a number above 0 is wanted, got -5");
  refuses("{\"strokes\":[[[1,2]]],\"height\":\"9\"}", 422, "height: a number above 0 is wanted, got a string");
  refuses("{\"strokes\":[[[1,2]]],\"pen\":[1]}", 422, "pen: a number above 0 is wanted, got a list");
  refuses("{\"strokes\":[[[1,2]]],\"range\":1}", 422, "range: belongs to pixels, and here are strokes");
}

/* --- the other kinds --- */

static const char png[] = "\x89PNG\r\n\x1a\n....", jpeg[] = "\xFF\xD8\xFF\xE0....";

static void test_raw(void) {
  static const uint8_t bytes[] = {0, 1, 2, 255, 7, 7, 7, 7};
  CHECK(read_as("application/octet-stream", bytes, 8, &small) == PERI_OK && out.kind == PERI_BODY_RAW && out.count == 2);
  CHECK(out.images[1] == 1 * (float)(1.0 / 255) && out.images[3] == 255 * (float)(1.0 / 255) && out.images[7] == 7 * (float)(1.0 / 255));
  CHECK(read_as("Application/Octet-Stream; x=y", jpeg, 8, &small) == PERI_OK && out.kind == PERI_BODY_RAW); /* whatever it looks like */
  CHECK(read_as("application/octet-stream", bytes, 6, &(peri_body_shape){1, 2, 3}) == PERI_OK && out.count == 1);
  refuses_as("application/octet-stream", "abcdefg", 7, &small, 422, "raw bytes: an image has 4 (2 x 2 x 1), and 7 are no multiple of it");
  refuses_as("application/octet-stream", "abcdefghijklmnop", 16, &small, 413, "raw bytes: more than 3 images");
  refuses_as("application/octet-stream", "", 0, &small, 400, "the body is empty");
}

static void test_pictures(void) {
  CHECK(read_as("image/png", png, 12, &digit) == PERI_OK && out.kind == PERI_BODY_PICTURE && picture_size == 12 && out.images[0] == 0.5f);
  CHECK(read_as(" image/jpeg;q=1", png, 12, &digit) == PERI_OK && read_as("image/jpg", jpeg, 8, &digit) == PERI_OK);
  CHECK(read_as(NULL, jpeg, 8, &digit) == PERI_OK && out.kind == PERI_BODY_PICTURE);
  CHECK(read_as("application/x-www-form-urlencoded", png, 12, &digit) == PERI_OK && out.kind == PERI_BODY_PICTURE);
  refuses_as("image/png", "P5 1 1 255 a", 12, &digit, 422, "the body is neither PNG nor JPEG: it does not begin as they do");
  refuses_as("image/png", "\x89PNG", 4, &digit, 422, "the body is neither PNG nor JPEG: it does not begin as they do");
  CHECK(read_as(NULL, "\xFF\xD8", 2, &digit) < 0 && error.status == 415);
  refuses_as("image/png", png, 12, &(peri_body_shape){28, 28, 3}, 422,
             "pictures become images of 28 x 28 x 1, and this model takes 28 x 28 x 3; send it pixels or raw bytes");
  refuses_as("image/png", png, 12, &small, 422, "pictures become images of 28 x 28 x 1, and this model takes 2 x 2 x 1; send it pixels or raw bytes");
  answer = PERI_EFORMAT;
  refuses_as("image/png", png, 12, &digit, 422, "the picture shows ? no ink");
  answer = PERI_EINTERRUPT;
  refuses_as("image/png", png, 12, &digit, 503, "the picture shows ? no ink");
  answer = PERI_OK;
}

static void test_types(void) {
  static const char wanted[] = "Content-Type: application/json, image/png, image/jpeg or application/octet-stream is wanted, got ";
  static const char *const unknown[] = {"text/plain", "application/jsonp", "application/json-patch+json", "image/gif", "image", "multipart/form-data; boundary=x"};
  char reason[PERI_BODY_REASON_MOST];
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    snprintf(reason, sizeof reason, "%s%s", wanted, unknown[i]);
    refuses_as(unknown[i], "{\"pixels\":[1,2,3,4]}", 20, &small, 415, reason);
  }
  snprintf(reason, sizeof reason, "%snone", wanted);
  refuses_as(NULL, "hello", 5, &small, 415, reason);
  refuses_as("", "hello", 5, &small, 415, reason);
  snprintf(reason, sizeof reason, "%sa?b c", wanted);
  refuses_as("a\xFF" "b\tc", "hello", 5, &small, 415, reason);
  CHECK(read_as("APPLICATION/JSON;charset=utf-8", "{\"pixels\":[1,2,3,4]}", 20, &small) == PERI_OK);
  CHECK(read_as(NULL, " \n{\"pixels\":[1,2,3,4]}", 22, &small) == PERI_OK && out.kind == PERI_BODY_PIXELS);
}

static bool is_slow(const char *type, const char *bytes, size_t size) {
  return peri_body_is_slow(&(peri_body_source){bytes, size, type});
}

static void test_slow(void) {
  static char large[1 << 17];
  memcpy(large, "{\"pixels\":", 10);
  CHECK(!is_slow("application/octet-stream", large, 784) && is_slow("application/octet-stream", large, sizeof large));
  CHECK(is_slow("image/png", png, 12) && is_slow(NULL, jpeg, 8) && !is_slow("text/plain", large, sizeof large));
  CHECK(!is_slow("application/json", large, 3000) && is_slow("application/json", large, sizeof large));
  CHECK(!is_slow("application/json", " { \"pixels\":[]}", 15) && is_slow("application/json", "{\"strokes\":[]}", 14));
  CHECK(!is_slow("application/json", "{", 1) && !is_slow("application/json", "", 0));
}

/* --- memory --- */

/* What the system is asked for while bodies like those before are read: nothing. */
static void test_steady(void) {
  const char *texts[] = {"{\"pixels\":[[0,1,2,3],[4,5,6,255]]}", "{\"pixels\":[0,1,2,3.5],\"label\":\"\\n\"}", "{\"pixels\":[0,1,2,\"a\"]}", "{\"pix"};
  for (int i = 0; i < 4; i++) read_json(texts[i], &small);
  uint64_t before = peri_memory_total();
  for (int i = 0; i < 400; i++) read_json(texts[i % 4], &small);
  CHECK(peri_memory_total() == before);
}

/* A large body's memory is given back with the next one. */
static void test_large(void) {
  enum { SIZE = 4 << 20 };
  peri_body_reader *own;
  uint8_t *bytes = calloc(SIZE, 1);
  uint64_t live = peri_memory_live();
  peri_body_limits much = {.images = SIZE, .points = 1, .strokes = 1};
  if (bytes == NULL || peri_body_reader_open(&own, &much, &(peri_body_images){picture, drawing}) < 0) abort();
  CHECK(peri_body_read(&out, &error, own, &(peri_body_source){bytes, SIZE, "application/octet-stream"}, &small) == PERI_OK);
  CHECK(out.count == SIZE / 4 && peri_memory_live() > live + SIZE * sizeof(float));
  CHECK(peri_body_read(&out, &error, own, &(peri_body_source){bytes, 4, "application/octet-stream"}, &small) == PERI_OK);
  CHECK(peri_memory_live() < live + (1 << 16));
  peri_body_reader_close(own);
  CHECK(peri_memory_live() == live);
  free(bytes);
}

/* Rooms that have to grow keep what is in them: images by either reader, and points with their times. */
static void test_growth(void) {
  enum { POINTS = 1024, IMAGES = 3, PIXELS = 784 };
  peri_body_limits wide = {.images = IMAGES, .points = POINTS, .strokes = POINTS};
  peri_body_reader *own;
  char *text = malloc(1 << 16);
  for (int slow = 0; text != NULL && slow < 2; slow++) {
    int n = sprintf(text, slow ? "{\"label\":1,\"pixels\":[" : "{\"pixels\":[");
    for (int i = 0; i < IMAGES * PIXELS; i++) {
      n += sprintf(text + n, "%s%d%s", i % PIXELS ? "," : i ? ",[" : "[", i * 7 % 256, i % PIXELS == PIXELS - 1 ? "]" : "");
    }
    n += sprintf(text + n, "]}");
    if (peri_body_reader_open(&own, &wide, &(peri_body_images){picture, drawing}) < 0) abort();
    CHECK(peri_body_read(&out, &error, own, &(peri_body_source){text, (size_t)n, "application/json"}, &digit) == PERI_OK && out.count == IMAGES);
    for (int i = 0; i < IMAGES * PIXELS && out.count == IMAGES; i++) CHECK(out.images[i] == (float)(i * 7 % 256) * (float)(1.0 / 255));
    peri_body_reader_close(own);
  }
  int n = sprintf(text, "{\"strokes\":[");
  for (int i = 0; i < POINTS; i++) n += sprintf(text + n, "%s[[%d,%d,5]]", i ? "," : "", i, -i);
  n += sprintf(text + n, "]}");
  if (peri_body_reader_open(&own, &wide, &(peri_body_images){picture, drawing}) < 0) abort();
  CHECK(peri_body_read(&out, &error, own, &(peri_body_source){text, (size_t)n, "application/json"}, &digit) == PERI_OK);
  CHECK(last.strokes == POINTS && last_points[0] == 0 && last_points[30] == 15 && last_points[31] == -15 && last_lengths[15] == 1);
  peri_body_reader_close(own);
  free(text);
}

/* Each allocation fails in turn (in builds that can): 503, and the next body is read. */
static void test_faults(void) {
  const char *texts[] = {"{\"pixels\":[[0,1,2,3],[4,5,6,255]]}", "{\"pixels\":[0,1,2,3.5]}", "{\"strokes\":[[[1,2]]]}"};
  for (int t = 0; t < 3; t++) {
    for (uint64_t n = 1; n < 8; n++) {
      peri_body_reader *own;
      if (peri_body_reader_open(&own, &limits, &(peri_body_images){picture, drawing}) < 0) abort();
      if (peri_memory_fail_at(n) < 0) n = 8;
      peri_body_source source = {texts[t], strlen(texts[t]), "application/json"};
      int status = peri_body_read(&out, &error, own, &source, t == 2 ? &digit : &small);
      CHECK(status == PERI_OK || (status == PERI_ENOMEM && error.status == 503));
      peri_memory_fail_at(0);
      CHECK(peri_body_read(&out, &error, own, &source, t == 2 ? &digit : &small) == PERI_OK);
      peri_body_reader_close(own);
    }
  }
}

int main(void) {
  setlocale(LC_ALL, "");
  uint64_t live = peri_memory_live();
  if (peri_body_reader_open(&reader, &limits, &(peri_body_images){picture, drawing}) < 0) return 1;
  test_pixels();
  test_beside();
  test_bad_pixels();
  test_objects();
  test_malformed();
  test_hostile();
  test_truncated();
  test_strokes();
  test_bad_strokes();
  test_raw();
  test_pictures();
  test_types();
  test_slow();
  test_steady();
  test_large();
  test_growth();
  test_faults();
  peri_body_reader_close(reader);
  CHECK(peri_memory_live() == live);
  printf(failures ? "http_body: %d failures\n" : "http_body: all is well\n", failures);
  return failures != 0;
}
