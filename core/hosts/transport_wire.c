/* transport_wire.c - frames, signatures, headers. */
#include "hosts/transport_wire.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/status.h"

/* `seen` is a ring of the last signatures and an open hash table of the ring's places over it, so that a message
   costs one look-up; signatures are random, so their first bytes are the hash. */
enum { SLOTS = 4 * PERI_REPLAYS };

struct peri_wire {
  int keyed;
  crypto_auth_hmacsha256_state begun; /* the state after the key */
  pthread_mutex_t lock;               /* over what follows */
  uint8_t seen[PERI_REPLAYS][PERI_SIGNATURE_BYTES];
  uint64_t count; /* messages taken; the next goes to seen[count % PERI_REPLAYS] */
  int32_t slot[SLOTS]; /* place in the ring + 1; 0: free */
};

int peri_wire_open(peri_wire **out, peri_slice key) {
  *out = NULL;
  if (sodium_init() < 0) return peri_fail(PERI_EIO, "transport: libsodium finds no random numbers");
  peri_wire *wire = peri_alloc_zeroed(sizeof *wire);
  if (wire == NULL) return PERI_ENOMEM;
  wire->keyed = key.size > 0;
  crypto_auth_hmacsha256_init(&wire->begun, (const unsigned char *)(key.size ? key.at : ""), key.size);
  pthread_mutex_init(&wire->lock, NULL);
  *out = wire;
  return PERI_OK;
}

void peri_wire_close(peri_wire *wire) {
  if (wire == NULL) return;
  pthread_mutex_destroy(&wire->lock);
  sodium_memzero(&wire->begun, sizeof wire->begun);
  peri_free(wire);
}

static void sign(const peri_wire *wire, uint8_t out[PERI_SIGNATURE_BYTES], const peri_slice *slices, size_t count) {
  crypto_auth_hmacsha256_state state = wire->begun;
  for (size_t i = 0; i < count; i++)
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)slices[i].at, slices[i].size);
  crypto_auth_hmacsha256_final(&state, out);
}

void peri_wire_sign(const peri_wire *wire, char hex[PERI_SIGNATURE_HEX + 1], const peri_slice *slices, size_t count) {
  hex[0] = 0;
  if (!wire->keyed) return;
  uint8_t bytes[PERI_SIGNATURE_BYTES];
  sign(wire, bytes, slices, count);
  sodium_bin2hex(hex, PERI_SIGNATURE_HEX + 1, bytes, sizeof bytes);
}

/* --- what was seen --- */

static size_t slot_of(const uint8_t *signature) {
  uint32_t hash;
  memcpy(&hash, signature, sizeof hash);
  return hash % SLOTS;
}

/* The slot that holds the signature, or the free one where it belongs. */
static size_t find(const peri_wire *wire, const uint8_t *signature) {
  size_t slot = slot_of(signature);
  while (wire->slot[slot] != 0 && memcmp(wire->seen[wire->slot[slot] - 1], signature, PERI_SIGNATURE_BYTES) != 0)
    slot = (slot + 1) % SLOTS;
  return slot;
}

/* Takes a signature out of the table; what lies behind it moves up where it may. */
static void forget(peri_wire *wire, const uint8_t *signature) {
  size_t hole = find(wire, signature);
  for (size_t next = (hole + 1) % SLOTS; wire->slot[next] != 0; next = (next + 1) % SLOTS) {
    size_t home = slot_of(wire->seen[wire->slot[next] - 1]);
    if ((next + SLOTS - home) % SLOTS < (next + SLOTS - hole) % SLOTS) continue;
    wire->slot[hole] = wire->slot[next];
    hole = next;
  }
  wire->slot[hole] = 0;
}

/* 1 when the signature was seen lately; else remembers it. */
static int is_replayed(peri_wire *wire, const uint8_t *signature) {
  pthread_mutex_lock(&wire->lock);
  int seen = wire->slot[find(wire, signature)] != 0;
  if (!seen) {
    size_t place = wire->count % PERI_REPLAYS;
    if (wire->count >= PERI_REPLAYS) forget(wire, wire->seen[place]);
    memcpy(wire->seen[place], signature, PERI_SIGNATURE_BYTES);
    wire->slot[find(wire, signature)] = (int32_t)place + 1;
    wire->count++;
  }
  pthread_mutex_unlock(&wire->lock);
  return seen;
}

/* --- messages that come in --- */

static int verify(peri_wire *wire, peri_slice given, const peri_slice parts[4]) {
  if (!wire->keyed) return PERI_OK;
  char hex[PERI_SIGNATURE_HEX + 1];
  uint8_t bytes[PERI_SIGNATURE_BYTES];
  sign(wire, bytes, parts, 4);
  sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);
  if (given.size != PERI_SIGNATURE_HEX || sodium_memcmp(given.at, hex, PERI_SIGNATURE_HEX) != 0)
    return peri_fail(PERI_EFORMAT, "transport: a message with a wrong signature");
  if (is_replayed(wire, bytes)) return peri_fail(PERI_EFORMAT, "transport: a message that was sent before");
  return PERI_OK;
}

static int is_type_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static int read_type(char type[PERI_TYPE_BYTES], peri_slice header) {
  peri_slice raw = peri_wire_field(header, "msg_type");
  if (raw.at == NULL || raw.size < 3 || raw.size - 2 >= PERI_TYPE_BYTES || raw.at[0] != '"')
    return peri_fail(PERI_EFORMAT, "transport: a header without msg_type");
  size_t length = raw.size - 2;
  for (size_t i = 0; i < length; i++) {
    if (!is_type_character(raw.at[i + 1])) return peri_fail(PERI_EFORMAT, "transport: a msg_type that is no name");
    type[i] = raw.at[i + 1];
  }
  type[length] = 0;
  return PERI_OK;
}

int peri_wire_read(peri_wire_message *out, peri_wire *wire, const peri_slice *frames, size_t count) {
  static const char *const names[] = {"header", "parent header", "metadata", "content"};
  size_t i = 0, length = strlen(PERI_DELIMITER);
  while (i < count && (frames[i].size != length || memcmp(frames[i].at, PERI_DELIMITER, length) != 0)) i++;
  if (count - i < 6) return peri_fail(PERI_EFORMAT, "transport: a message of too few frames");
  const peri_slice *parts = frames + i + 2;
  PERI_TRY(verify(wire, frames[i + 1], parts));
  for (int k = 0; k < 4; k++)
    if (!peri_wire_is_object(parts[k]))
      return peri_fail(PERI_EFORMAT, "transport: a %s that is no JSON object", names[k]);
  *out = (peri_wire_message){.identities = i, .header = parts[0], .parent = parts[1], .metadata = parts[2],
                             .content = parts[3], .buffers = i + 6};
  return read_type(out->type, out->header);
}

/* --- messages that go out --- */

void peri_wire_uuid(char out[37]) {
  uint8_t b[16];
  char hex[33];
  randombytes_buf(b, sizeof b);
  b[6] = (uint8_t)((b[6] & 0x0F) | 0x40); /* version 4, variant 1: RFC 4122 */
  b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
  sodium_bin2hex(hex, sizeof hex, b, sizeof b);
  snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static int add_field(peri_text *out, const char *name, const char *text) {
  PERI_TRY(peri_text_put(out, name));
  return peri_wire_quote(out, (peri_slice){text, strlen(text)});
}

int peri_wire_who(peri_text *out, const char *session, const char *username, const char *version) {
  PERI_TRY(add_field(out, "\"session\":", session));
  PERI_TRY(add_field(out, ",\"username\":", username));
  return add_field(out, ",\"version\":", version);
}

int peri_wire_header(peri_text *out, const char *type, peri_slice who) {
  char id[37], date[64], text[160];
  struct timespec now;
  struct tm utc;
  peri_wire_uuid(id);
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text, sizeof text, "{\"msg_id\":\"%s\",\"date\":\"%s.%06ldZ\",\"msg_type\":", id, date, now.tv_nsec / 1000);
  PERI_TRY(peri_text_put(out, text));
  PERI_TRY(peri_wire_quote(out, (peri_slice){type, strlen(type)}));
  PERI_TRY(peri_text_add(out, ",", 1));
  PERI_TRY(peri_text_add(out, who.at, who.size));
  return peri_text_add(out, "}", 1);
}
