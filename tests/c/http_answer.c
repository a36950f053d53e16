/* http_answer.c - the text of answers, to the byte; numbers against the C library's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "hosts/http_body.h"
#include "test.h"

_Atomic int failures;
static peri_text text;

static void number_is(double value, const char *wanted) {
  text.size = 0;
  CHECK(peri_text_number(&text, value) == PERI_OK);
  if (strcmp(text.at, wanted) != 0) printf("%.17g is written %s, wanted %s\n", value, text.at, wanted);
  CHECK(strcmp(text.at, wanted) == 0);
}

static void test_numbers(void) {
  static const struct { double value; const char *text; } rows[] = {
    {0, "0"}, {-0.0, "0"}, {1, "1"}, {-1, "-1"}, {0.5, "0.5"}, {0.1, "0.1"}, {0.99999994, "0.9999999"}, {0.99999999, "1"},
    {0.012345678, "0.01234568"}, {0.0000123456789, "0.00001234568"}, {0.00001, "0.00001"}, {9.99999999e-6, "0.00001"},
    {9.9e-6, "9.9e-06"}, {1e-10, "1e-10"}, {1.17549435e-38, "1.175494e-38"}, {1e-45, "1e-45"}, {5e-324, "0"}, {1e-200, "1e-200"},
    {10, "10"}, {999999.94, "999999.9"}, {999999.99, "1000000"}, {1234567, "1234567"}, {123456789, "123456800"}, {1e14, "100000000000000"},
    {1e15, "1e+15"}, {3.4028235e38, "3.402823e+38"}, {-2.5e300, "-2.5e+300"}, {0.41, "0.41"}, {-0.000125, "-0.000125"}, {1e22, "1e+22"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) number_is(rows[i].value, rows[i].text);
  double value = 1.7e-12;
  for (int i = 0; i < 20000; i++, value *= 1.0021) { /* against the C library's */
    text.size = 0;
    CHECK(peri_text_number(&text, value) == PERI_OK);
    CHECK(fabs(strtod(text.at, NULL) - value) <= 0.501 * pow(10, floor(log10(value)) - 6));
    CHECK(strlen(text.at) <= 20);
  }
  text.size = 0;
  CHECK(peri_text_number(&text, NAN) == PERI_EARG && peri_text_number(&text, -INFINITY) == PERI_EARG && text.size == 0);
}

static void test_strings(void) {
  text.size = 0;
  CHECK(peri_text_string(&text, "a\"b\\c\n\t\x01\x7F/<\xC3\xA9\xF0\x9F\x98\x80\xFF\xED\xA0\x80") == PERI_OK);
  CHECK(strcmp(text.at, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f/<\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") == 0);
  text.size = 0; /* longer than needed, beyond U+10FFFF, cut off */
  CHECK(peri_text_string(&text, "\xF0\x80\x80\x80|\xF4\x90\x80\x80|\xE0\x9F\xBF|\xE2\x82") == PERI_OK);
  size_t marks = 0;
  for (const char *at = text.at; (at = strstr(at, "\xEF\xBF\xBD")) != NULL; at++) marks++;
  CHECK(marks == 13 && text.size == 13 * 3 + 3 + 2);
  text.size = 0;
  CHECK(peri_answer_error(&text, 400, "malformed \"JSON\"") == PERI_OK);
  CHECK(strcmp(text.at, "{\"error\":{\"status\":400,\"reason\":\"malformed \\\"JSON\\\"\"}}") == 0);
}

static void test_answers(void) {
  static const char *const labels[] = {"7", "-30", "A\"", "07", "1e3", ""};
  static const float rows[] = {0.5f, 0, 0.25f, 0, 0, 0.25f, 0, 0.125f, 0.4f, 0.4f, 0, 0.075f}, inputs[] = {0, 1, 0.5f, 2, 0.0019f, 0.00197f, -1, 0.996f};
  peri_answer_model *m;
  if (peri_answer_model_open(&m, "my \"net\"", labels, 6, 0.5) < 0) abort();
  text.size = 0;
  CHECK(peri_answer_write(&text, m, &(peri_answer){.count = 1, .probabilities = rows, .milliseconds = 0.4119}) == PERI_OK);
  CHECK(strcmp(text.at, "{\"predictions\":[{\"label\":7,\"probabilities\":[0.5,0,0.25,0,0,0.25],\"confidence\":0.5,\"certain\":true}],"
                        "\"model\":\"my \\\"net\\\"\",\"milliseconds\":0.412}") == 0);
  text.size = 0;
  CHECK(peri_answer_write(&text, m, &(peri_answer){2, rows, inputs, 4, 12}) == PERI_OK);
  CHECK(strcmp(text.at, "{\"predictions\":[{\"label\":7,\"probabilities\":[0.5,0,0.25,0,0,0.25],\"confidence\":0.5,\"certain\":true,"
                        "\"input\":[0,255,128,255]},{\"label\":\"A\\\"\",\"probabilities\":[0,0.125,0.4,0.4,0,0.075],\"confidence\":0.4,"
                        "\"certain\":false,\"input\":[0,1,0,254]}],\"model\":\"my \\\"net\\\"\",\"milliseconds\":12}") == 0);
  static const float bad[] = {0.5f, 0.5f, 0, 0, 0, NAN}, endless[] = {INFINITY, 0, 0, 0, 0, 0};
  size_t before = text.size;
  CHECK(peri_answer_write(&text, m, &(peri_answer){.count = 1, .probabilities = bad}) == PERI_EARG && text.size == before && text.at[before] == 0);
  CHECK(peri_answer_write(&text, m, &(peri_answer){.count = 1, .probabilities = endless}) == PERI_EARG);
  peri_answer_model_close(m);
  for (int i = 1; i < 6; i++) { /* what is no whole number stays a text */
    const char *one[] = {labels[i]};
    char wanted[64];
    snprintf(wanted, sizeof wanted, i == 1 ? "{\"predictions\":[{\"label\":%s," : "{\"predictions\":[{\"label\":\"%s\",", i == 2 ? "A\\\"" : labels[i]);
    if (peri_answer_model_open(&m, "m", one, 1, 0.5) < 0) abort();
    text.size = 0;
    CHECK(peri_answer_write(&text, m, &(peri_answer){.count = 1, .probabilities = rows}) == PERI_OK && strncmp(text.at, wanted, strlen(wanted)) == 0);
    peri_answer_model_close(m);
  }
}

/* Each allocation fails in turn (in builds that can): what is there stays as it was. */
static void test_faults(void) {
  static const char *const labels[] = {"0", "1"};
  static const float row[] = {0.25f, 0.75f}, input[200] = {0};
  uint64_t live = peri_memory_live();
  for (uint64_t n = 1; n < 12; n++) {
    peri_answer_model *m;
    peri_text t = {0};
    if (peri_memory_fail_at(n) < 0) return;
    int status = peri_answer_model_open(&m, "m", labels, 2, 0.5);
    if (status >= 0) {
      status = peri_answer_write(&t, m, &(peri_answer){1, row, input, 200, 1});
      CHECK(status == PERI_OK || (status == PERI_ENOMEM && t.size == 0));
      peri_answer_model_close(m);
    }
    CHECK(status == PERI_OK || status == PERI_ENOMEM);
    peri_memory_fail_at(0);
    peri_text_clear(&t);
  }
  CHECK(peri_memory_live() == live);
}

int main(void) {
  uint64_t live = peri_memory_live();
  test_numbers();
  test_strings();
  test_answers();
  peri_text_clear(&text);
  test_faults();
  CHECK(peri_memory_live() == live);
  printf(failures ? "http_answer: %d failures\n" : "http_answer: all is well\n", failures);
  return failures != 0;
}
