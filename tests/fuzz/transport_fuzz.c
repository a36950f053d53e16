/* transport_fuzz.c - messages as they come to the notebook kernel: hosts/transport_wire.h.

   The input is frames, each after its length as two bytes. Half the keys are empty, so that the JSON behind the
   signature is reached; what is taken is looked into as the kernel does. */
#include <string.h>

#include "base/status.h"
#include "fuzz.h"
#include "hosts/transport_wire.h"

enum { MOST_FRAMES = 32 };

static size_t split(peri_slice frames[MOST_FRAMES], const uint8_t *data, size_t size) {
  size_t count = 0, at = 0;
  while (count < MOST_FRAMES && at + 2 <= size) {
    size_t length = (size_t)data[at] << 8 | data[at + 1];
    at += 2;
    if (length > size - at) length = size - at;
    frames[count++] = (peri_slice){(const char *)data + at, length};
    at += length;
  }
  return count;
}

/* What goes out of bytes has to be JSON again, however it is cut. */
static void mend(peri_slice bytes, size_t limit) {
  while (bytes.size > 0) {
    peri_text out = {0};
    size_t used = 0;
    peri_text_put(&out, "{\"x\":\"");
    peri_wire_escape(&out, bytes, limit, &used);
    peri_text_put(&out, "\"}");
    if (used == 0 || !peri_wire_is_object((peri_slice){out.at, out.size})) __builtin_trap();
    bytes = (peri_slice){bytes.at + used, bytes.size - used};
    peri_text_clear(&out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_slice frames[MOST_FRAMES];
  peri_wire_message m;
  size_t count = split(frames, data, size);
  int taken = 0;
  for (int keyed = 0; keyed < 2; keyed++) {
    peri_wire *wire;
    if (peri_wire_open(&wire, (peri_slice){"key", keyed ? 3 : 0}) < 0) return 0;
    if (peri_wire_read(&m, wire, frames, count) >= 0) {
      taken = 1;
      peri_text text = {0};
      peri_wire_string(&text, peri_wire_field(m.content, "value"));
      if (text.size > 0) mend((peri_slice){text.at, text.size}, 11);
      peri_text_clear(&text);
    }
    peri_wire_close(wire);
  }
  peri_fuzz_accepted += (unsigned long)taken;
  if (peri_utf8_unfinished((peri_slice){(const char *)data, size}) > 3) __builtin_trap();
  mend((peri_slice){(const char *)data, size}, 1 + size / 3);
  return 0;
}

static size_t put(uint8_t *data, size_t at, const char *text, size_t length) {
  data[at] = (uint8_t)(length >> 8);
  data[at + 1] = (uint8_t)length;
  memcpy(data + at + 2, text, length);
  return at + 2 + length;
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  static const char *const contents[] = {
    "{\"value\":\"4\\u00e92\\ud83d\\ude00\\n\"}", "{\"code\":\"print(1)\",\"silent\":false,\"user_expressions\":{\"a\":[1.5e-3,null]}}",
    "{\"restart\":true,\"value\":\"\xE2\x82\xAC\"}"};
  static const char *const types[] = {"{\"msg_type\":\"input_reply\"}", "{\"msg_id\":\"a\",\"msg_type\":\"execute_request\"}",
                                      "{\"msg_type\":\"shutdown_request\",\"version\":\"5.3\"}"};
  (void)capacity;
  if (index >= 6) return 0;
  const char *content = contents[index / 2], *type = types[index / 2];
  char signature[PERI_SIGNATURE_HEX + 1] = "";
  peri_wire *wire;
  if (index % 2 && peri_wire_open(&wire, (peri_slice){"key", 3}) >= 0) {
    peri_slice parts[] = {{type, strlen(type)}, {"{}", 2}, {"{}", 2}, {content, strlen(content)}};
    peri_wire_sign(wire, signature, parts, 4);
    peri_wire_close(wire);
  }
  size_t at = put(data, 0, "identity\0", 9);
  at = put(data, at, PERI_DELIMITER, strlen(PERI_DELIMITER));
  at = put(data, at, signature, strlen(signature));
  at = put(data, at, type, strlen(type));
  at = put(data, at, "{}", 2);
  at = put(data, at, "{}", 2);
  at = put(data, at, content, strlen(content));
  return put(data, at, "\xFF\0", 2);
}
