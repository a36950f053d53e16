/* transport_wire.h - messages of the notebook protocol as bytes, without sockets.

   A message is a list of frames: identities (any bytes, as many as the router gave), "<IDS|MSG>", a
   signature in hexadecimal, header, parent, metadata and content (JSON objects), buffers (any bytes).
   The signature is HMAC-SHA256 over the four JSON frames as they came; an empty key means an empty one.
   What comes from outside is taken only when all of this holds; what goes out is made here. */
#ifndef PERI_HOSTS_TRANSPORT_WIRE_H
#define PERI_HOSTS_TRANSPORT_WIRE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Borrowed bytes. */
typedef struct peri_slice {
  const char *at;
  size_t size;
} peri_slice;

#define PERI_DELIMITER "<IDS|MSG>"

/* --- JSON --- */

/* 1 when the bytes are exactly one JSON object (RFC 8259, UTF-8, at most PERI_WIRE_DEPTH deep). */
enum { PERI_WIRE_DEPTH = 200 };
int peri_wire_is_object(peri_slice text);

/* The raw value of a field of a valid object (of the last, where there are several); at = NULL: there is none. */
peri_slice peri_wire_field(peri_slice object, const char *name);

/* Adds the bytes of a raw JSON string to `out`, escapes undone (a lone surrogate becomes U+FFFD); PERI_EARG when
   the value is no string. */
int peri_wire_string(peri_text *out, peri_slice value);

/* Appends bytes as the inside of a JSON string: what is no UTF-8 becomes U+FFFD, a control character \u00XX. Stops
   at a character's border when `limit` bytes or more were added. *used: how many bytes were read. */
int peri_wire_escape(peri_text *out, peri_slice bytes, size_t limit, size_t *used);

/* The same, whole and between quotes. */
int peri_wire_quote(peri_text *out, peri_slice bytes);

/* How many bytes at the end are the beginning of a character that more bytes may complete: 0 to 3. */
size_t peri_utf8_unfinished(peri_slice bytes);

/* --- signing --- */

enum { PERI_SIGNATURE_BYTES = 32, PERI_SIGNATURE_HEX = 2 * PERI_SIGNATURE_BYTES, PERI_REPLAYS = 4096 };

typedef struct peri_wire peri_wire;

/* Ready to sign and verify with a key (copied). Used by all threads. */
int peri_wire_open(peri_wire **out, peri_slice key);
void peri_wire_close(peri_wire *wire);

/* Writes the signature of `count` slices in hexadecimal and a NUL ("" with an empty key). */
void peri_wire_sign(const peri_wire *wire, char hex[PERI_SIGNATURE_HEX + 1], const peri_slice *slices, size_t count);

/* --- messages that come in --- */

enum { PERI_TYPE_BYTES = 64 };

typedef struct peri_wire_message {
  size_t identities;                            /* how many frames come before the delimiter */
  peri_slice header, parent, metadata, content; /* borrowed from the frames */
  size_t buffers;                               /* index of the first buffer's frame */
  char type[PERI_TYPE_BYTES];                   /* msg_type: letters, digits, and _ - . */
} peri_wire_message;

/* Reads frames. PERI_EFORMAT when they are malformed, forged, or were seen among the last PERI_REPLAYS
   messages (the message says which). */
int peri_wire_read(peri_wire_message *out, peri_wire *wire, const peri_slice *frames, size_t count);

/* --- messages that go out --- */

/* 36 characters and a NUL: a random UUID. */
void peri_wire_uuid(char out[37]);

/* Appends a header: a new msg_id, the time, and what is given (`who`: the fields session, username and version as
   JSON text, from peri_wire_who). */
int peri_wire_header(peri_text *out, const char *type, peri_slice who);
int peri_wire_who(peri_text *out, const char *session, const char *username, const char *version);

#endif
