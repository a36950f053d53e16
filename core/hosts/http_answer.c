/* http_answer.c - answers as JSON text.

   Numbers are written by hand: an answer has a dozen, and printf would cost more than all the rest. 7 digits tell any two
   floats apart that a person would. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "hosts/http_json.h"

enum { NUMBER_ROOM = 32, DIGITS = 7 };

/* --- strings --- */

size_t peri__utf8_length(const uint8_t *at, size_t left) {
  uint8_t first = at[0];
  if (first < 0x80) return 1;
  size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  uint32_t code = first & (0x7FU >> length);
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xC0) != 0x80) return 0;
    code = code << 6 | (at[i] & 0x3F);
  }
  bool too_long = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  return too_long || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? 0 : length;
}

static int add_escaped(peri_text *t, uint8_t c) {
  static const char hex[] = "0123456789abcdef";
  const char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  switch (c) {
  case '"': return peri_text_put(t, "\\\"");
  case '\\': return peri_text_put(t, "\\\\");
  case '\n': return peri_text_put(t, "\\n");
  case '\t': return peri_text_put(t, "\\t");
  default: return peri_text_add(t, text, sizeof text);
  }
}

int peri_text_string(peri_text *t, const char *text) {
  const uint8_t *at = (const uint8_t *)text;
  size_t before = t->size;
  int status = peri_text_put(t, "\"");
  for (size_t left = strlen(text); status >= 0 && left > 0;) {
    size_t length = peri__utf8_length(at, left);
    if (length == 0) status = peri_text_put(t, "\xEF\xBF\xBD"), length = 1;
    else if (length == 1 && (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7F)) status = add_escaped(t, *at);
    else status = peri_text_add(t, (const char *)at, length);
    at += length;
    left -= length;
  }
  if (status >= 0) status = peri_text_put(t, "\"");
  if (status < 0) peri_text_cut(t, before);
  return status;
}

/* --- numbers --- */

/* The last digits of `value`, `count` of them. */
static void write_digits(char *to, uint32_t value, int count) {
  for (int i = count - 1; i >= 0; i--, value /= 10) to[i] = (char)('0' + value % 10);
}

/* 0.00012345 from 1234500 and the power 10^-4 of its first digit; returns the length. */
static int write_fixed(char *to, const char *digits, int count, int power) {
  int n = 0;
  if (power < 0) {
    memcpy(to, "0.0000000", 9);
    n = 1 - power; /* "0." and the noughts between it and the first digit */
    memcpy(to + n, digits, (size_t)count);
    return n + count;
  }
  for (int i = 0; i <= power || i < count; i++) {
    if (i == power + 1) to[n++] = '.';
    to[n++] = i < count ? digits[i] : '0';
  }
  return n;
}

static int write_scientific(char *to, const char *digits, int count, int power) {
  int n = 0, size = power < 0 ? -power : power;
  to[n++] = digits[0];
  if (count > 1) {
    to[n++] = '.';
    memcpy(to + n, digits + 1, (size_t)count - 1);
    n += count - 1;
  }
  to[n++] = 'e';
  to[n++] = power < 0 ? '-' : '+';
  int places = size >= 100 ? 3 : 2;
  write_digits(to + n, (uint32_t)size, places);
  return n + places;
}

/* The power of ten of a number's first digit, and its first DIGITS digits as a whole number, rounded. */
static uint32_t split(double value, int *power) {
  static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
  int first = 0;
  if (value >= 1e-5 && value < 1e6) {
    while (first > -5 && value * tens[-first] < 1) first--;
    while (first >= 0 && first < DIGITS && value >= tens[first + 1]) first++;
  } else {
    first = (int)floor(log10(value));
  }
  int shift = DIGITS - 1 - first;
  double scaled = shift >= 0 && shift <= 12 ? value * tens[shift] : value * pow(10, shift / 2) * pow(10, shift - shift / 2);
  if (scaled >= 9999999.5) scaled /= 10, first++; /* by rounding, or a logarithm a hair too small; too large by one it does no harm */
  *power = first;
  return (uint32_t)(scaled + 0.5);
}

/* Writes at most NUMBER_ROOM bytes; returns how many. */
static int write_number(char *to, double value) {
  char digits[DIGITS];
  int n = 0, power, count = DIGITS;
  if (value < 0) to[n++] = '-', value = -value;
  if (value < 1e-300) { /* 0, and what is as good as it */
    to[0] = '0';
    return 1;
  }
  uint32_t whole = split(value, &power);
  write_digits(digits, whole, DIGITS);
  while (count > 1 && digits[count - 1] == '0') count--;
  bool fixed = power >= -5 && power < 15;
  return n + (fixed ? write_fixed : write_scientific)(to + n, digits, count, power);
}

int peri_text_number(peri_text *t, double value) {
  if (!isfinite(value)) return peri_fail(PERI_EARG, "http: %g is no number that JSON has", value);
  PERI_TRY(peri_text_reserve(t, NUMBER_ROOM));
  t->size += (size_t)write_number(t->at + t->size, value);
  t->at[t->size] = 0;
  return PERI_OK;
}

/* --- answers --- */

struct peri_answer_model {
  size_t classes;
  double threshold;
  peri_text ending; /* ],"model":"digits","milliseconds": */
  peri_text labels; /* {"label":7,"probabilities":[ of all classes, one behind the other, */
  size_t *places;   /* and where each begins; one more for the end */
};

/* Is a label a whole number as JSON writes it? */
static bool is_whole(const char *text) {
  if (*text == '-') text++;
  size_t length = strlen(text);
  return length >= 1 && length <= 15 && strspn(text, "0123456789") == length && (*text != '0' || length == 1);
}

static int add_class(peri_answer_model *m, const char *label) {
  PERI_TRY(peri_text_put(&m->labels, "{\"label\":"));
  PERI_TRY(is_whole(label) ? peri_text_put(&m->labels, label) : peri_text_string(&m->labels, label));
  return peri_text_put(&m->labels, ",\"probabilities\":[");
}

int peri_answer_model_open(peri_answer_model **out, const char *name, const char *const *labels, size_t classes, double threshold) {
  int status = PERI_OK;
  peri_answer_model *m = *out = peri_alloc_zeroed(sizeof *m);
  if (m == NULL) return PERI_ENOMEM;
  m->classes = classes;
  m->threshold = threshold;
  m->places = peri_alloc((classes + 1) * sizeof *m->places);
  if (m->places == NULL) status = PERI_ENOMEM;
  for (size_t i = 0; status >= 0 && i < classes; i++) {
    m->places[i] = m->labels.size;
    status = add_class(m, labels[i]);
  }
  if (status >= 0) m->places[classes] = m->labels.size;
  if (status >= 0) status = peri_text_put(&m->ending, "],\"model\":");
  if (status >= 0) status = peri_text_string(&m->ending, name);
  if (status >= 0) status = peri_text_put(&m->ending, ",\"milliseconds\":");
  if (status < 0) peri_answer_model_close(m), *out = NULL;
  return status;
}

void peri_answer_model_close(peri_answer_model *m) {
  if (m == NULL) return;
  peri_text_clear(&m->ending), peri_text_clear(&m->labels);
  peri_free(m->places);
  peri_free(m);
}

/* The likeliest class, the first of equals; PERI_EARG when one is no number. */
static int likeliest(size_t *out, const float *row, size_t classes) {
  *out = 0;
  for (size_t i = 0; i < classes; i++) {
    if (!isfinite(row[i])) return peri_fail(PERI_EARG, "the model's outputs are no numbers (%g): has its training diverged?", (double)row[i]);
    if (row[i] > row[*out]) *out = i;
  }
  return PERI_OK;
}

static char *write_byte(char *to, float value) {
  int byte = value > 0 ? value < 1 ? (int)(value * 255 + 0.5f) : 255 : 0;
  if (byte >= 100) *to++ = (char)('0' + byte / 100);
  if (byte >= 10) *to++ = (char)('0' + byte / 10 % 10);
  *to++ = (char)('0' + byte % 10);
  return to;
}

/* ,"input":[0,128,...] */
static int write_input(peri_text *t, const float *values, size_t count) {
  PERI_TRY(peri_text_reserve(t, 4 * count + 16));
  memcpy(t->at + t->size, ",\"input\":[", 10);
  char *to = t->at + t->size + 10;
  for (size_t i = 0; i < count; i++) {
    to = write_byte(to, values[i]);
    *to++ = ',';
  }
  if (count > 0) to--;
  *to++ = ']';
  *to = 0;
  t->size = (size_t)(to - t->at);
  return PERI_OK;
}

static int write_prediction(peri_text *t, const peri_answer_model *m, const float *row, const float *input, size_t pixels) {
  size_t best;
  PERI_TRY(likeliest(&best, row, m->classes));
  size_t from = m->places[best], length = m->places[best + 1] - from;
  PERI_TRY(peri_text_reserve(t, length + (m->classes + 1) * (NUMBER_ROOM + 1) + 64));
  memcpy(t->at + t->size, m->labels.at + from, length);
  char *to = t->at + t->size + length;
  for (size_t i = 0; i < m->classes; i++) {
    if (i > 0) *to++ = ',';
    to += write_number(to, (double)row[i]);
  }
  memcpy(to, "],\"confidence\":", 15);
  to += 15;
  to += write_number(to, (double)row[best]);
  t->size = (size_t)(to - t->at);
  PERI_TRY(peri_text_put(t, (double)row[best] >= m->threshold ? ",\"certain\":true" : ",\"certain\":false"));
  if (input != NULL) PERI_TRY(write_input(t, input, pixels));
  return peri_text_put(t, "}");
}

int peri_answer_write(peri_text *t, const peri_answer_model *m, const peri_answer *a) {
  size_t before = t->size;
  int status = peri_text_put(t, "{\"predictions\":[");
  for (size_t i = 0; status >= 0 && i < a->count; i++) {
    if (i > 0) status = peri_text_put(t, ",");
    const float *input = a->inputs != NULL ? a->inputs + i * a->pixels : NULL;
    if (status >= 0) status = write_prediction(t, m, a->probabilities + i * m->classes, input, a->pixels);
  }
  if (status >= 0) status = peri_text_add(t, m->ending.at, m->ending.size);
  if (status >= 0) status = peri_text_number(t, floor(a->milliseconds * 1000 + 0.5) / 1000);
  if (status >= 0) status = peri_text_put(t, "}");
  if (status < 0) peri_text_cut(t, before);
  return status;
}

int peri_answer_error(peri_text *t, int http, const char *reason) {
  size_t before = t->size;
  int status = peri_text_put(t, "{\"error\":{\"status\":");
  if (status >= 0) status = peri_text_number(t, http);
  if (status >= 0) status = peri_text_put(t, ",\"reason\":");
  if (status >= 0) status = peri_text_string(t, reason);
  if (status >= 0) status = peri_text_put(t, "}}");
  if (status < 0) peri_text_cut(t, before);
  return status;
}
