/* pnm.c - the portable bitmaps: P1 to P3 as text, P4 to P6 packed; 1 to 16 bits a sample.

   After the magic number come width, height and (but for bitmaps) the largest value, separated by blanks
   and comments that run from # to the end of the line; one blank stands before packed samples. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/status.h"
#include "image/internal.h"

typedef struct cursor {
  const peri_image_source *s;
  size_t at;
} cursor;

static void skip_blanks(cursor *c) {
  const peri_image_source *s = c->s;
  while (c->at < s->count) {
    if (s->bytes[c->at] == '#') {
      while (c->at < s->count && s->bytes[c->at] != '\n' && s->bytes[c->at] != '\r') c->at++;
    } else if (!isspace(s->bytes[c->at])) return;
    else c->at++;
  }
}

static int read_number(cursor *c, uint64_t most, const char *what, uint64_t *out) {
  skip_blanks(c);
  size_t start = c->at;
  uint64_t value = 0;
  while (c->at < c->s->count && isdigit(c->s->bytes[c->at]) && value <= most) value = value * 10 + (c->s->bytes[c->at++] - '0');
  if (c->at == start) {
    return peri_fail(PERI_EFORMAT, "image: %s: byte %zu: %s is missing, expected a number", c->s->name, start, what);
  }
  if (value > most) {
    return peri_fail(PERI_EFORMAT, "image: %s: byte %zu: %s is too large, expected at most %" PRIu64, c->s->name, start, what, most);
  }
  *out = value;
  return PERI_OK;
}

static int read_text(cursor *c, int64_t count, uint64_t most, bool bits, float *v) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t value;
    if (bits) { /* one digit a pixel, blanks between or not */
      skip_blanks(c);
      if (c->at >= c->s->count || (c->s->bytes[c->at] != '0' && c->s->bytes[c->at] != '1')) {
        return peri_fail(PERI_EFORMAT, "image: %s: byte %zu: a pixel is missing, expected 0 or 1", c->s->name, c->at);
      }
      v[i] = c->s->bytes[c->at++] == '0' ? 1.0f : 0.0f;
    } else {
      PERI_TRY(read_number(c, most, "a sample", &value));
      v[i] = (float)value / (float)most;
    }
  }
  return PERI_OK;
}

/* In bitmaps 1 is black, and rows end on whole bytes. */
static void read_bits(const uint8_t *from, int64_t height, int64_t width, float *v) {
  int64_t row = (width + 7) / 8;
  for (int64_t y = 0; y < height; y++) {
    for (int64_t x = 0; x < width; x++) v[y * width + x] = from[y * row + x / 8] >> (7 - x % 8) & 1 ? 0.0f : 1.0f;
  }
}

static int read_packed(cursor *c, const peri_tensor *image, uint64_t most, bool bits, float *v) {
  int64_t count = peri_tensor_count(image), height = image->shape[0], width = image->shape[1];
  uint64_t needed = bits ? (uint64_t)(height * ((width + 7) / 8)) : (uint64_t)count * (most > 255 ? 2 : 1);
  if (c->at < c->s->count && isspace(c->s->bytes[c->at])) c->at++;
  const uint8_t *from = c->s->bytes + c->at;
  if (c->s->count - c->at < needed) {
    return peri_fail(PERI_EFORMAT, "image: %s: the file ends at byte %zu, expected %" PRIu64 " bytes of samples from byte %zu", c->s->name,
                     c->s->count, needed, c->at);
  }
  if (bits) {
    read_bits(from, height, width, v);
    return PERI_OK;
  }
  for (int64_t i = 0; i < count; i++) {
    uint64_t value = most > 255 ? (uint64_t)from[2 * i] << 8 | from[2 * i + 1] : from[i];
    if (value > most) {
      return peri_fail(PERI_EFORMAT, "image: %s: byte %" PRIu64 ": a sample is %" PRIu64 ", expected at most %" PRIu64, c->s->name,
                       (uint64_t)c->at + (uint64_t)i * (most > 255 ? 2 : 1), value, most);
    }
    v[i] = (float)value / (float)most;
  }
  return PERI_OK;
}

int peri__pnm_read(peri_tensor **out, const peri_image_source *s) {
  cursor c = {s, 2};
  int kind = s->bytes[1] - '0';
  bool bits = kind == 1 || kind == 4;
  uint64_t width, height, most = 1;
  PERI_TRY(read_number(&c, UINT32_MAX, "the width", &width));
  PERI_TRY(read_number(&c, UINT32_MAX, "the height", &height));
  if (!bits) PERI_TRY(read_number(&c, 65535, "the largest value", &most));
  if (most == 0) return peri_fail(PERI_EFORMAT, "image: %s: the largest value is 0, expected 1 to 65535", s->name);
  /* a sample takes a bit at least, a text sample a character: a short file cannot ask for much */
  if (width && height > (uint64_t)s->count * (kind == 4 ? 8 : 1) / width) {
    return peri_fail(PERI_EFORMAT, "image: %s: the file has %zu bytes, too few for %" PRIu64 " x %" PRIu64 " pixels", s->name, s->count,
                     width, height);
  }
  PERI_TRY(peri__image_new(out, s, width, height, kind == 3 || kind == 6 ? 3 : 1));
  float *v = peri_tensor_data(*out);
  int status = kind <= 3 ? read_text(&c, peri_tensor_count(*out), most, bits, v) : read_packed(&c, *out, most, bits, v);
  if (status < 0) {
    peri_tensor_release(*out);
    *out = NULL;
  }
  return status;
}

int peri__pnm_write(peri_file_writer *w, const peri_image_samples *s) {
  char header[64];
  int length = snprintf(header, sizeof header, "P%d\n%d %d\n255\n", s->channels == 3 ? 6 : 5, s->width, s->height);
  PERI_TRY(peri_file_writer_write(w, header, (size_t)length));
  return peri_file_writer_write(w, s->bytes, (size_t)s->width * (size_t)s->height * (size_t)s->channels);
}
