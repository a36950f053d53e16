/* http_json_quick.c - a tight reader of the one shape of JSON that the service sees most.

   It knows {"pixels":[...]} and {"pixels":[[...],...]} of whole numbers from 0 to 255, blanks allowed between all tokens as
   JSON allows them, and gives up at the first byte that it does not expect: then the library reads the body from its
   beginning, and says what is wrong if something is. So whatever this takes the library takes too, with the same result
   (tests/fuzz/http_body_fuzz.c holds them to it). */
#include <string.h>

#include "base/status.h"
#include "hosts/http_json.h"

typedef struct place {
  const uint8_t *at, *end;
} place;

static bool is_blank(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static void skip_blanks(place *p) {
  while (p->at < p->end && is_blank(*p->at)) p->at++;
}

/* Moves over blanks, the byte that is wanted, and blanks behind it. */
static bool accept(place *p, uint8_t c) {
  skip_blanks(p);
  if (p->at == p->end || *p->at != c) return false;
  p->at++;
  skip_blanks(p);
  return true;
}

/* `count` numbers with commas between them, and the closing bracket. The place stands on the first. */
static bool read_numbers(place *place_, float *to, size_t count) {
  place p = *place_; /* a copy, so that it stays in registers */
  for (size_t i = 0; i < count; i++) {
    if (p.end - p.at < 3) return false; /* the shortest rest is 5]} */
    unsigned digit = p.at[0] - (unsigned)'0', value = digit;
    if (digit > 9) return false;
    digit = *++p.at - (unsigned)'0';
    if (digit <= 9) {
      if (value == 0) return false; /* 01 is no number */
      value = value * 10 + digit;
      digit = *++p.at - (unsigned)'0';
      if (digit <= 9) {
        value = value * 10 + digit;
        if (value > 255 || ++p.at == p.end) return false;
      }
    }
    to[i] = (float)value;
    if (is_blank(*p.at)) skip_blanks(&p);
    if (p.at == p.end || *p.at != (i + 1 < count ? ',' : ']')) return false;
    p.at++;
    if (p.at < p.end && is_blank(*p.at)) skip_blanks(&p);
  }
  *place_ = p;
  return true;
}

/* Room for one image more. */
static float *image_at(peri_body_job *job, size_t index) {
  size_t bytes = job->pixels * sizeof(float);
  if (index >= job->reader->limits.images) return NULL;
  if (peri__body_reserve(&job->reader->values, (index + 1) * bytes, index * bytes) < 0) return NULL;
  return (float *)job->reader->values.at + index * job->pixels;
}

static bool read_image(peri_body_job *job, place *p, size_t index) {
  float *to = image_at(job, index);
  return to != NULL && read_numbers(p, to, job->pixels);
}

bool peri__body_json_quick(peri_body_job *job) {
  static const char name[] = "\"pixels\"";
  place p = {job->bytes, job->bytes + job->size};
  size_t count = 0;
  if (!accept(&p, '{') || (size_t)(p.end - p.at) < sizeof name - 1 || memcmp(p.at, name, sizeof name - 1) != 0) return false;
  p.at += sizeof name - 1;
  if (!accept(&p, ':') || !accept(&p, '[')) return false;
  if (p.at < p.end && *p.at == '[') {
    do {
      if (!accept(&p, '[') || !read_image(job, &p, count)) return false;
      count++;
    } while (accept(&p, ','));
    if (!accept(&p, ']')) return false;
  } else if (!read_image(job, &p, count++)) {
    return false;
  }
  if (!accept(&p, '}') || p.at != p.end) return false;
  peri__body_pixels(job, count, 255);
  return true;
}
