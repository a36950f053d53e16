/* json.h - reading and writing the JSON of safetensors headers.

   A pull parser over a buffer of our own: the caller says what it expects next, and nothing is built
   that it does not want. It is here instead of a library because such a header may be 100 MB with a
   million entries (a tree of nodes would take gigabytes), because the rules are stricter than JSON's
   (an offset is a plain unsigned integer: no sign, fraction or exponent), and because the core then
   starts without one more library. Strings are decoded in place: the result is never longer. */
#ifndef PERI_FORMAT_JSON_H
#define PERI_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peri_json {
  char *start, *at, *end; /* the text, writable; *end is readable and NUL */
  const char *where;      /* begins each message */
} peri_json;

/* Each of these skips white space, then reads one thing or fails with the offset and what it expected. */
int peri_json_expect(peri_json *j, char wanted);
bool peri_json_take(peri_json *j, char wanted);                          /* true and past it, or false and unmoved */
int peri_json_string(peri_json *j, char **text, size_t *length);         /* in place, NUL behind it */
int peri_json_unsigned(peri_json *j, uint64_t *out);
int peri_json_skip(peri_json *j, int depth);                             /* any value, nested at most `depth` times */
int peri_json_end(peri_json *j);                                         /* nothing but white space is left */

/* Goes through an object or array: call with *first = true before the first item; returns 1 when an
   item follows, 0 after the closing bracket, negative on error.
     for (bool first = true; (status = peri_json_next(j, &first, '}')) > 0;) ... */
int peri_json_next(peri_json *j, bool *first, char close);

/* Text under construction. The first failure is kept in `status`, later calls do nothing. */
typedef struct peri_json_text {
  char *data; /* free with peri_free */
  size_t used, capacity;
  int status;
} peri_json_text;

void peri_json_put(peri_json_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* up to 255 bytes */
void peri_json_put_bytes(peri_json_text *t, const char *data, size_t length);
void peri_json_put_string(peri_json_text *t, const char *text, size_t length); /* quoted and escaped */

#endif
