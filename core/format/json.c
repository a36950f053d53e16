/* json.c - the pull parser and the text builder. */
#include "format/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

static int fail(const peri_json *j, const char *expected) {
  return peri_fail(PERI_EFORMAT, "%s: bad JSON: %s expected at its byte %td", j->where, expected, j->at - j->start);
}

static void skip_space(peri_json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
}

bool peri_json_take(peri_json *j, char wanted) {
  skip_space(j);
  if (j->at == j->end || *j->at != wanted) return false;
  j->at++;
  return true;
}

int peri_json_expect(peri_json *j, char wanted) {
  char expected[] = {'\'', wanted, '\'', '\0'};
  return peri_json_take(j, wanted) ? PERI_OK : fail(j, expected);
}

int peri_json_end(peri_json *j) {
  skip_space(j);
  return j->at == j->end ? PERI_OK : fail(j, "the end");
}

int peri_json_next(peri_json *j, bool *first, char close) {
  if (peri_json_take(j, close)) return 0;
  if (!*first) PERI_TRY(peri_json_expect(j, ','));
  *first = false;
  return 1;
}

/* --- strings --- */

static int hex4(const peri_json *j, const char *p, unsigned *out) {
  unsigned value = 0;
  if (j->end - p < 4) return 0;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 16;
    if (digit == 16) return 0;
    value = value << 4 | digit;
  }
  *out = value;
  return 1;
}

static char *put_utf8(char *to, unsigned code) {
  if (code < 0x80) {
    *to++ = (char)code;
    return to;
  }
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
  *to++ = (char)(lead[more] | code >> 6 * more);
  while (more-- > 0) *to++ = (char)(0x80 | (code >> 6 * more & 0x3F));
  return to;
}

/* After "\u": one code point, a surrogate pair being two escapes. */
static int unicode_escape(peri_json *j, char **to) {
  unsigned code, low;
  if (!hex4(j, j->at, &code)) return fail(j, "four hexadecimal digits");
  j->at += 4;
  if (code >= 0xD800 && code < 0xE000) {
    bool pair = code < 0xDC00 && j->end - j->at >= 6 && j->at[0] == '\\' && j->at[1] == 'u' && hex4(j, j->at + 2, &low);
    if (!pair || low < 0xDC00 || low >= 0xE000) return fail(j, "the second half of a surrogate pair");
    j->at += 6;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  *to = put_utf8(*to, code);
  return PERI_OK;
}

static int escape(peri_json *j, char **to) {
  static const char from[] = "\"\\/bfnrt", what[] = "\"\\/\b\f\n\r\t";
  if (j->at == j->end) return fail(j, "an escape");
  char c = *j->at;
  if (c == 'u') {
    j->at++;
    return unicode_escape(j, to);
  }
  const char *found = c ? strchr(from, c) : NULL;
  if (!found) return fail(j, "an escape");
  j->at++;
  *(*to)++ = what[found - from];
  return PERI_OK;
}

int peri_json_string(peri_json *j, char **text, size_t *length) {
  PERI_TRY(peri_json_expect(j, '"'));
  char *to = j->at;
  *text = to;
  for (;;) {
    if (j->at == j->end) return fail(j, "'\"'");
    char c = *j->at;
    if ((unsigned char)c < 0x20) return fail(j, "no control character");
    j->at++;
    if (c == '"') break;
    if (c == '\\') PERI_TRY(escape(j, &to));
    else *to++ = c;
  }
  *length = (size_t)(to - *text);
  *to = '\0'; /* over the closing quote at the latest */
  return PERI_OK;
}

/* --- numbers and the rest --- */

int peri_json_unsigned(peri_json *j, uint64_t *out) {
  uint64_t value = 0;
  skip_space(j);
  const char *begin = j->at;
  for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) {
    uint64_t digit = (uint64_t)(*j->at - '0');
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)) {
      return fail(j, "an integer below 2^64");
    }
  }
  bool zeros = j->at - begin > 1 && *begin == '0';
  bool more = j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E');
  if (j->at == begin || zeros || more) return fail(j, "an unsigned integer without sign, fraction or exponent");
  *out = value;
  return PERI_OK;
}

static bool skip_digits(peri_json *j) {
  const char *begin = j->at;
  while (j->at < j->end && *j->at >= '0' && *j->at <= '9') j->at++;
  return j->at > begin;
}

static int skip_number(peri_json *j) {
  if (*j->at == '-') j->at++;
  if (j->at < j->end && *j->at == '0') j->at++;
  else if (!skip_digits(j)) return fail(j, "a value");
  if (j->at < j->end && *j->at == '.') {
    j->at++;
    if (!skip_digits(j)) return fail(j, "a digit");
  }
  if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
    j->at++;
    if (j->at < j->end && (*j->at == '+' || *j->at == '-')) j->at++;
    if (!skip_digits(j)) return fail(j, "a digit");
  }
  return PERI_OK;
}

static int skip_nested(peri_json *j, int depth, char close) {
  char *text;
  size_t length;
  int status;
  if (depth == 0) return fail(j, "less nesting");
  for (bool first = true; (status = peri_json_next(j, &first, close)) > 0;) {
    if (close == '}') {
      PERI_TRY(peri_json_string(j, &text, &length));
      PERI_TRY(peri_json_expect(j, ':'));
    }
    PERI_TRY(peri_json_skip(j, depth - 1));
  }
  return status;
}

int peri_json_skip(peri_json *j, int depth) {
  static const char *const words[] = {"true", "false", "null"};
  char *text;
  size_t length;
  skip_space(j);
  if (j->at == j->end) return fail(j, "a value");
  if (*j->at == '"') return peri_json_string(j, &text, &length);
  if (peri_json_take(j, '{')) return skip_nested(j, depth, '}');
  if (peri_json_take(j, '[')) return skip_nested(j, depth, ']');
  for (int i = 0; i < 3; i++) {
    length = strlen(words[i]);
    if ((size_t)(j->end - j->at) < length || memcmp(j->at, words[i], length) != 0) continue;
    j->at += length;
    return PERI_OK;
  }
  return skip_number(j);
}

/* --- writing --- */

void peri_json_put_bytes(peri_json_text *t, const char *data, size_t length) {
  if (t->status < 0) return;
  if (length > t->capacity - t->used) {
    size_t larger = 2 * t->capacity + length + 256;
    char *moved = peri_alloc(larger);
    if (!moved) {
      t->status = PERI_ENOMEM;
      return;
    }
    if (t->used) memcpy(moved, t->data, t->used);
    peri_free(t->data);
    t->data = moved;
    t->capacity = larger;
  }
  if (length) memcpy(t->data + t->used, data, length);
  t->used += length;
}

void peri_json_put(peri_json_text *t, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length > 0 && (size_t)length < sizeof text) peri_json_put_bytes(t, text, (size_t)length);
  else if (t->status == PERI_OK)
    t->status = peri_fail(PERI_EARG, "JSON: a piece is longer than %zu bytes", sizeof text);
}

void peri_json_put_string(peri_json_text *t, const char *text, size_t length) {
  static const char from[] = "\"\\\b\f\n\r\t", what[] = "\"\\bfnrt";
  peri_json_put_bytes(t, "\"", 1);
  size_t plain = 0; /* bytes that wait to be copied as they are */
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    const char *short_form = c ? strchr(from, c) : NULL;
    if (c >= 0x20 && !short_form) {
      plain++;
      continue;
    }
    peri_json_put_bytes(t, text + i - plain, plain);
    plain = 0;
    if (short_form) peri_json_put(t, "\\%c", what[short_form - from]);
    else peri_json_put(t, "\\u%04x", c);
  }
  peri_json_put_bytes(t, text + length - plain, plain);
  peri_json_put_bytes(t, "\"", 1);
}
