/* transport_json.c - as much JSON as the transport needs: is a text one object, a field's raw value, strings. */
#include <stdint.h>
#include <string.h>

#include "base/status.h"
#include "hosts/transport_wire.h"

/* --- UTF-8 --- */

/* The length of the character at `at`, of which `left` bytes are there: 1 to 4, or 0 when it is none; then *bad says
   how many bytes are to be replaced together (the longest beginning of a character, or one byte). */
static size_t character(const uint8_t *at, size_t left, size_t *bad) {
  uint8_t first = at[0], low = 0x80, high = 0xBF;
  *bad = 1;
  if (first < 0x80) return 1;
  size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first == 0xE0) low = 0xA0;  /* shorter forms exist */
  if (first == 0xED) high = 0x9F; /* surrogates */
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F; /* above U+10FFFF */
  for (size_t i = 1; i < length; i++) {
    *bad = i;
    if (i >= left || at[i] < low || at[i] > high) return 0;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

size_t peri_utf8_unfinished(peri_slice bytes) {
  const uint8_t *at = (const uint8_t *)bytes.at;
  for (size_t n = 1; n <= 3 && n <= bytes.size; n++) {
    uint8_t byte = at[bytes.size - n];
    if (byte < 0x80) return 0;
    if (byte >= 0xC0) { /* a first byte: are all those behind it right, and too few? */
      size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2, bad;
      return length > n && !character(at + bytes.size - n, n, &bad) && bad == n && byte >= 0xC2 && byte <= 0xF4 ? n : 0;
    }
  }
  return 0;
}

static int append_code(peri_text *out, uint32_t code) {
  char text[4];
  size_t length;
  if (code < 0x80) {
    text[0] = (char)code;
    length = 1;
  } else if (code < 0x800) {
    text[0] = (char)(0xC0 | code >> 6);
    text[1] = (char)(0x80 | (code & 0x3F));
    length = 2;
  } else if (code < 0x10000) {
    text[0] = (char)(0xE0 | code >> 12);
    text[1] = (char)(0x80 | (code >> 6 & 0x3F));
    text[2] = (char)(0x80 | (code & 0x3F));
    length = 3;
  } else {
    text[0] = (char)(0xF0 | code >> 18);
    text[1] = (char)(0x80 | (code >> 12 & 0x3F));
    text[2] = (char)(0x80 | (code >> 6 & 0x3F));
    text[3] = (char)(0x80 | (code & 0x3F));
    length = 4;
  }
  return peri_text_add(out, text, length);
}

/* --- reading --- */

/* A place in a text; the functions below move it over what they accept and return 1, or return 0. */
typedef struct place {
  const uint8_t *at, *end;
} place;

static int is(const place *p, char c) { return p->at < p->end && *p->at == (uint8_t)c; }

static int accept(place *p, char c) {
  if (!is(p, c)) return 0;
  p->at++;
  return 1;
}

static void skip_space(place *p) {
  while (is(p, ' ') || is(p, '\n') || is(p, '\r') || is(p, '\t')) p->at++;
}

static int digits(place *p) {
  const uint8_t *from = p->at;
  while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
  return p->at > from;
}

static int number(place *p) {
  accept(p, '-');
  if (!accept(p, '0') && !digits(p)) return 0;
  if (accept(p, '.') && !digits(p)) return 0;
  if (accept(p, 'e') || accept(p, 'E')) {
    if (!accept(p, '+')) accept(p, '-');
    if (!digits(p)) return 0;
  }
  return 1;
}

static int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(place *p) {
  int32_t value = 0;
  if (p->end - p->at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(*p->at++);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static int string(place *p) {
  if (!accept(p, '"')) return 0;
  while (p->at < p->end) {
    uint8_t c = *p->at;
    size_t bad, length;
    if (c == '"') {
      p->at++;
      return 1;
    }
    if (c < 0x20) return 0;
    if (c == '\\') {
      p->at++;
      if (p->at == p->end) return 0;
      uint8_t kind = *p->at++;
      if (kind == 'u' ? hex4(p) < 0 : kind == 0 || strchr("\"\\/bfnrt", kind) == NULL) return 0;
      continue;
    }
    length = character(p->at, (size_t)(p->end - p->at), &bad);
    if (length == 0) return 0;
    p->at += length;
  }
  return 0;
}

static int word(place *p, const char *text) {
  size_t length = strlen(text);
  if ((size_t)(p->end - p->at) < length || memcmp(p->at, text, length) != 0) return 0;
  p->at += length;
  return 1;
}

static int value(place *p, int depth);

/* What stands between the brackets of an array or an object, and the closing one. */
static int members(place *p, int named, char closing, int depth) {
  skip_space(p);
  if (accept(p, closing)) return 1;
  do {
    skip_space(p);
    if (named) {
      if (!string(p)) return 0;
      skip_space(p);
      if (!accept(p, ':')) return 0;
    }
    if (!value(p, depth)) return 0;
    skip_space(p);
  } while (accept(p, ','));
  return accept(p, closing);
}

static int value(place *p, int depth) {
  skip_space(p);
  if (p->at == p->end) return 0;
  switch (*p->at) {
  case '"': return string(p);
  case '{': p->at++; return depth < PERI_WIRE_DEPTH && members(p, 1, '}', depth + 1);
  case '[': p->at++; return depth < PERI_WIRE_DEPTH && members(p, 0, ']', depth + 1);
  case 't': return word(p, "true");
  case 'f': return word(p, "false");
  case 'n': return word(p, "null");
  default: return number(p);
  }
}

static place place_of(peri_slice text) {
  const uint8_t *at = (const uint8_t *)text.at;
  return (place){at, at + text.size};
}

int peri_wire_is_object(peri_slice text) {
  if (text.size == 0) return 0;
  place p = place_of(text);
  skip_space(&p);
  if (!is(&p, '{') || !value(&p, 0)) return 0;
  skip_space(&p);
  return p.at == p.end;
}

peri_slice peri_wire_field(peri_slice object, const char *name) {
  peri_slice found = {NULL, 0};
  size_t length = strlen(name);
  place p = place_of(object);
  skip_space(&p);
  if (!accept(&p, '{')) return found;
  do {
    skip_space(&p);
    const uint8_t *key = p.at;
    if (!string(&p)) return found;
    int same = (size_t)(p.at - key) == length + 2 && memcmp(key + 1, name, length) == 0;
    skip_space(&p);
    if (!accept(&p, ':')) return found;
    skip_space(&p);
    const uint8_t *from = p.at;
    if (!value(&p, 1)) return found;
    if (same) found = (peri_slice){(const char *)from, (size_t)(p.at - from)};
    skip_space(&p);
  } while (accept(&p, ','));
  return found;
}

static int escape_of(peri_text *out, place *p) {
  uint8_t kind = *p->at++;
  static const char kinds[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  const char *known = strchr(kinds, kind);
  if (known != NULL) return peri_text_add(out, &meanings[known - kinds], 1);
  uint32_t code = (uint32_t)hex4(p);
  if (code >= 0xD800 && code < 0xDC00) {
    place after = *p;
    int32_t low = accept(&after, '\\') && accept(&after, 'u') ? hex4(&after) : -1;
    if (low >= 0xDC00 && low < 0xE000) {
      *p = after;
      return append_code(out, 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00));
    }
  }
  return append_code(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
}

int peri_wire_string(peri_text *out, peri_slice raw) {
  place p = place_of(raw);
  if (raw.at == NULL || !string(&p) || p.at != p.end) return peri_fail(PERI_EARG, "transport: a JSON string is wanted");
  p = (place){(const uint8_t *)raw.at + 1, p.end - 1};
  while (p.at < p.end) {
    const uint8_t *from = p.at;
    while (p.at < p.end && *p.at != '\\') p.at++;
    PERI_TRY(peri_text_add(out, from, (size_t)(p.at - from)));
    if (accept(&p, '\\')) PERI_TRY(escape_of(out, &p));
  }
  return PERI_OK;
}

/* --- writing --- */

/* How many bytes from `at` on go out as they are and are of one byte each. */
static size_t plain(const uint8_t *at, size_t size) {
  size_t i = 0;
  while (i < size && at[i] >= 0x20 && at[i] < 0x80 && at[i] != '"' && at[i] != '\\') i++;
  return i;
}

static int escape_control(peri_text *out, uint8_t c) {
  static const char hex[] = "0123456789abcdef";
  switch (c) {
  case '"': return peri_text_add(out, "\\\"", 2);
  case '\\': return peri_text_add(out, "\\\\", 2);
  case '\n': return peri_text_add(out, "\\n", 2);
  case '\r': return peri_text_add(out, "\\r", 2);
  case '\t': return peri_text_add(out, "\\t", 2);
  default: break;
  }
  char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  return peri_text_add(out, text, sizeof text);
}

int peri_wire_escape(peri_text *out, peri_slice bytes, size_t limit, size_t *used) {
  const uint8_t *at = (const uint8_t *)bytes.at;
  size_t i = 0, begin = out->size;
  PERI_TRY(peri_text_reserve(out, (bytes.size < limit ? bytes.size : limit) + 16));
  while (i < bytes.size && out->size - begin < limit) {
    size_t left = bytes.size - i, room = limit - (out->size - begin), bad;
    size_t length = plain(at + i, left < room ? left : room);
    if (length > 0) {
      PERI_TRY(peri_text_add(out, at + i, length));
    } else if (at[i] < 0x80) {
      length = 1;
      PERI_TRY(escape_control(out, at[i]));
    } else if ((length = character(at + i, left, &bad)) > 0) {
      PERI_TRY(peri_text_add(out, at + i, length));
    } else {
      length = bad;
      PERI_TRY(peri_text_add(out, "\xEF\xBF\xBD", 3));
    }
    i += length;
  }
  *used = i;
  return PERI_OK;
}

int peri_wire_quote(peri_text *out, peri_slice bytes) {
  size_t used;
  PERI_TRY(peri_text_add(out, "\"", 1));
  PERI_TRY(peri_wire_escape(out, bytes, SIZE_MAX, &used));
  return peri_text_add(out, "\"", 1);
}
