/* transport_wire.c - the notebook's messages as bytes: signatures, JSON, frames. */
#include "hosts/transport_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "test.h"

_Atomic int failures;
static peri_slice slice(const char *text) { return (peri_slice){text, strlen(text)}; }

static int equals(const peri_text *b, const char *text) {
  int same = b->size == strlen(text) && memcmp(b->size ? b->at : "", text, b->size) == 0;
  if (!same) printf("is: %.*s\nwanted: %s\n", (int)b->size, b->size ? b->at : "", text);
  return same;
}

/* ---------------------------------------------------------------- signatures */

/* RFC 4231, section 4: all test cases but the truncated one. A byte above 0 in `fill` repeats. */
static const struct {
  const char *key;
  int key_fill, key_size;
  const char *data;
  int data_fill, data_size;
  const char *mac;
} vectors[] = {
  {NULL, 0x0b, 20, "Hi There", 0, 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
  {"Jefe", 0, 4, "what do ya want for nothing?", 0, 28, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
  {NULL, 0xaa, 20, NULL, 0xdd, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
  {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", 0, 25, NULL, 0xcd,
   50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
  {NULL, 0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0, 54,
   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  {NULL, 0xaa, 131,
   "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
   "before being used by the HMAC algorithm.", 0, 152, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static peri_slice filled(char *room, const char *text, int fill, int size) {
  if (text != NULL) return (peri_slice){text, (size_t)size};
  memset(room, fill, (size_t)size);
  return (peri_slice){room, (size_t)size};
}

static void test_signatures(void) {
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    char key[200], data[200], hex[PERI_SIGNATURE_HEX + 1];
    peri_wire *wire;
    CHECK(peri_wire_open(&wire, filled(key, vectors[i].key, vectors[i].key_fill, vectors[i].key_size)) == PERI_OK);
    peri_slice whole = filled(data, vectors[i].data, vectors[i].data_fill, vectors[i].data_size);
    peri_wire_sign(wire, hex, &whole, 1);
    CHECK(strcmp(hex, vectors[i].mac) == 0);
    for (size_t cut = 0; cut <= whole.size; cut += 7) { /* the parts are one text */
      peri_slice parts[] = {{whole.at, cut}, {whole.at + cut, whole.size - cut}};
      peri_wire_sign(wire, hex, parts, 2);
      CHECK(strcmp(hex, vectors[i].mac) == 0);
    }
    peri_wire_close(wire);
  }
  peri_wire *wire;
  char hex[PERI_SIGNATURE_HEX + 1] = "x";
  CHECK(peri_wire_open(&wire, slice("")) == PERI_OK);
  peri_slice any = slice("any");
  peri_wire_sign(wire, hex, &any, 1);
  CHECK(hex[0] == 0);
  peri_wire_close(wire);
}

/* ---------------------------------------------------------------- JSON */

static void test_reader(void) {
  static const char *const good[] = {
    "{}", " { } \n", "{\"a\":1}", "{\"a\":[1,-0.5e+3,true,false,null,\"x\"],\"b\":{\"c\":[]}}", "{\"\\u00e9\\n\\\"\":\"\xC3\xA9\"}",
    "{\"a\":0,\"a\":0.25E-7}", "{\"a\":\"\\ud800\"}"};
  static const char *const bad[] = {
    "", " ", "[]", "1", "null", "{", "}", "{}x", "{} {}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\":01}",
    "{\"a\":1.}", "{\"a\":.5}", "{\"a\":-}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":NaN}", "{\"a\":tru}", "{\"a\":\"\n\"}",
    "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"", "{\"a\":\"\\\"}", "{\"a\":[1}", "{\"a\":[1,]}",
    "{\"a\":\"\xFF\"}", "{\"a\":\"\xC0\x80\"}", "{\"a\":\"\xED\xA0\x80\"}", "{\"a\":\"\xF4\x90\x80\x80\"}", "{\"a\":\"\xE2\x82\"}"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK(peri_wire_is_object(slice(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (peri_wire_is_object(slice(bad[i]))) CHECK(!printf("taken: %s\n", bad[i]));
  CHECK(!peri_wire_is_object((peri_slice){"{\"a\":\"x\0\"}", 10}));
  CHECK(!peri_wire_is_object((peri_slice){"{\"a\":\"\\\0\"}", 10}));
  char deep[2 * PERI_WIRE_DEPTH + 20];
  for (int extra = 0; extra < 2; extra++) { /* {"a": is one level */
    int depth = PERI_WIRE_DEPTH - 1 + extra, n = snprintf(deep, sizeof deep, "{\"a\":");
    memset(deep + n, '[', (size_t)depth);
    memset(deep + n + depth, ']', (size_t)depth);
    strcpy(deep + n + 2 * depth, "}");
    CHECK(peri_wire_is_object(slice(deep)) == !extra);
  }
}

static int field_is(const char *object, const char *name, const char *value) {
  peri_slice found = peri_wire_field(slice(object), name);
  if (value == NULL) return found.at == NULL;
  return found.at != NULL && found.size == strlen(value) && memcmp(found.at, value, found.size) == 0;
}

static int string_is(const char *raw, const char *text) {
  peri_text b = {0};
  int same = peri_wire_string(&b, slice(raw)) == PERI_OK && equals(&b, text);
  peri_text_clear(&b);
  return same;
}

static void test_fields(void) {
  CHECK(field_is("{ \"x\" : 1 , \"restart\" : true }", "restart", "true"));
  CHECK(field_is("{\"a\":{\"restart\":true}}", "restart", NULL));
  CHECK(field_is("{\"a\":\"\\\"restart\\\":1\",\"restart\":[{}, 2]}", "restart", "[{}, 2]"));
  CHECK(field_is("{\"a\":1,\"a\":2}", "a", "2"));
  CHECK(field_is("{}", "a", NULL));
  CHECK(string_is("\"\"", ""));
  CHECK(string_is("\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "a\n\t\"\\/\b\f\rA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
  CHECK(string_is("\"\\ud800x\\udc00\\ud800\\u0041\"", "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD" "A"));
  peri_text b = {0};
  CHECK(peri_wire_string(&b, slice("12")) == PERI_EARG);
  CHECK(peri_wire_string(&b, (peri_slice){NULL, 0}) == PERI_EARG);
  peri_text_clear(&b);
}

static int escaped_is(const char *bytes, size_t size, const char *text) {
  peri_text b = {0};
  size_t used = 0;
  int same = peri_wire_escape(&b, (peri_slice){bytes, size}, SIZE_MAX, &used) == PERI_OK && used == size && equals(&b, text);
  peri_text_clear(&b);
  return same;
}
#define ESCAPED(bytes, text) CHECK(escaped_is(bytes, sizeof(bytes) - 1, text))
#define BAD "\xEF\xBF\xBD"

static void test_escape(void) {
  ESCAPED("", "");
  ESCAPED("plain \"text\" \\ / \n\r\t\x1b[0m\x7f", "plain \\\"text\\\" \\\\ / \\n\\r\\t\\u001b[0m\x7f");
  ESCAPED("\0a\0", "\\u0000a\\u0000");
  ESCAPED("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  ESCAPED("\xFF\xFE", BAD BAD);
  ESCAPED("\x80", BAD);
  ESCAPED("a\xC3", "a" BAD);
  ESCAPED("\xC3(", BAD "(");
  ESCAPED("\xC0\xAF", BAD BAD);
  ESCAPED("\xE2\x82x", BAD "x");
  ESCAPED("\xF0\x9F\x98", BAD);
  ESCAPED("\xED\xA0\x80", BAD BAD BAD);
  ESCAPED("\xF4\x90\x80\x80", BAD BAD BAD BAD);
  ESCAPED("\xF0\x80\x80\x80", BAD BAD BAD BAD);
  ESCAPED("\xE0\x80\xAF", BAD BAD BAD);
  /* A limit is kept to a few bytes, and pieces put together are the whole. */
  char text[3 * 400];
  for (int i = 0; i < 400; i++) memcpy(text + 3 * i, i % 7 ? "\xE2\x82\xAC" : "ab\n", 3);
  for (size_t limit = 1; limit < 60; limit++) {
    peri_text pieces = {0}, whole = {0};
    peri_slice left = {text, sizeof text};
    size_t used;
    CHECK(peri_wire_escape(&whole, left, SIZE_MAX, &used) == PERI_OK);
    while (left.size > 0) {
      size_t before = pieces.size;
      CHECK(peri_wire_escape(&pieces, left, limit, &used) == PERI_OK && used > 0);
      CHECK(pieces.size - before <= limit + 5);
      CHECK(used == left.size || (left.at[used] & 0xC0) != 0x80);
      left = (peri_slice){left.at + used, left.size - used};
    }
    CHECK(pieces.size == whole.size && memcmp(pieces.at, whole.at, whole.size) == 0);
    peri_text_clear(&pieces);
    peri_text_clear(&whole);
  }
}

static void test_unfinished(void) {
  static const struct { const char *bytes; size_t rest; } cases[] = {
    {"", 0}, {"a", 0}, {"\xC3", 1}, {"a\xE2\x82", 2}, {"\xF0\x9F\x98", 3}, {"\xF0", 1}, {"\xC3\xA9", 0}, {"\xE2\x82\xAC", 0},
    {"\xF0\x9F\x98\x80", 0}, {"\x80", 0}, {"\x80\x80\x80\x80", 0}, {"\xFF", 0}, {"\xC0", 0}, {"\xF5", 0}, {"\xE0\x80", 0},
    {"\xED\xA0", 0}, {"\xF4\x90", 0}, {"\xF0\x8F\xBF", 0}, {"\xC3\xA9\xC3", 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) CHECK(peri_utf8_unfinished(slice(cases[i].bytes)) == cases[i].rest);
}

/* ---------------------------------------------------------------- frames */

typedef struct message {
  peri_slice frame[12];
  size_t count;
  char signature[PERI_SIGNATURE_HEX + 1];
} message;

static void make(message *m, const peri_wire *wire, const char *header, const char *content) {
  m->frame[0] = (peri_slice){"\0id\xFF", 4};
  m->frame[1] = slice(PERI_DELIMITER);
  m->frame[3] = slice(header);
  m->frame[4] = slice("{}");
  m->frame[5] = slice("{ }");
  m->frame[6] = slice(content);
  m->frame[7] = (peri_slice){"\0\1\xFF", 3};
  m->count = 8;
  peri_wire_sign(wire, m->signature, m->frame + 3, 4);
  m->frame[2] = slice(m->signature);
}

static const char *const header = "{\"msg_id\":\"1\",\"msg_type\":\"execute_request\"}";

static void test_frames(void) {
  peri_wire *wire;
  peri_wire_message out;
  message m;
  CHECK(peri_wire_open(&wire, slice("a key")) == PERI_OK);
  make(&m, wire, header, "{\"code\":\"1\"}");
  CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_OK);
  CHECK(strcmp(out.type, "execute_request") == 0 && out.identities == 1 && out.buffers == 7);
  CHECK(out.header.at == m.frame[3].at && out.content.at == m.frame[6].at && out.metadata.size == 3);
  CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_EFORMAT); /* again */
  CHECK(strstr(peri_message(), "before") != NULL);
  for (size_t count = 0; count < 7; count++) {
    make(&m, wire, header, "{\"few\":1}");
    CHECK(peri_wire_read(&out, wire, m.frame, count) == PERI_EFORMAT);
  }
  CHECK(peri_wire_read(&out, wire, m.frame, 7) == PERI_OK); /* no buffers; it was not taken as replayed above */
  /* Every changed byte is seen, in the frames and in the signature. */
  for (int frame = 2; frame < 7; frame++) {
    for (size_t i = 0; i < m.frame[frame].size; i++) {
      char changed[256];
      make(&m, wire, header, "{\"byte\":1}");
      memcpy(changed, m.frame[frame].at, m.frame[frame].size);
      changed[i] ^= 1;
      m.frame[frame].at = changed;
      CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_EFORMAT);
    }
  }
  for (size_t size = 0; size < PERI_SIGNATURE_HEX; size++) {
    make(&m, wire, header, "{\"short\":1}");
    m.frame[2].size = size;
    CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_EFORMAT);
  }
  static const char *const headers[] = {"{}", "[]", "", "{\"msg_type\":1}", "{\"msg_type\":\"\"}", "{\"msg_type\":\"a b\"}",
    "{\"msg_type\":\"\xFF\"}", "{\"msg_type\":\"a\\u0062\"}",
    "{\"msg_type\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    make(&m, wire, headers[i], "{}");
    CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_EFORMAT);
  }
  make(&m, wire, header, "\"text\"");
  CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_EFORMAT);
  CHECK(strstr(peri_message(), "content") != NULL);
  m.frame[1] = slice("<IDS|MSG");
  CHECK(peri_wire_read(&out, wire, m.frame, m.count) == PERI_EFORMAT);
  peri_wire_close(wire);
}

static int numbered(peri_wire *wire, int number) {
  message m;
  peri_wire_message out;
  char content[32];
  snprintf(content, sizeof content, "{\"n\":%d}", number);
  make(&m, wire, header, content);
  return peri_wire_read(&out, wire, m.frame, m.count);
}

/* The last PERI_REPLAYS are known, whatever went through the table before; the one before them is not. */
static void test_replays(void) {
  peri_wire *wire;
  CHECK(peri_wire_open(&wire, slice("k")) == PERI_OK);
  int total = 5 * PERI_REPLAYS + 3;
  for (int i = 0; i < total; i++) CHECK(numbered(wire, i) == PERI_OK);
  for (int i = total - PERI_REPLAYS; i < total; i++) CHECK(numbered(wire, i) == PERI_EFORMAT);
  CHECK(numbered(wire, total - PERI_REPLAYS - 1) == PERI_OK);
  CHECK(numbered(wire, total - PERI_REPLAYS) == PERI_OK); /* pushed out by the one above */
  peri_wire_close(wire);
  CHECK(peri_wire_open(&wire, slice("")) == PERI_OK); /* without signatures nothing is known again */
  CHECK(numbered(wire, 1) == PERI_OK && numbered(wire, 1) == PERI_OK);
  peri_wire_close(wire);
}

static void test_header(void) {
  peri_text who = {0}, out = {0}, type = {0};
  CHECK(peri_wire_who(&who, "se\"ssion", "m\xFF", "5.3") == PERI_OK);
  CHECK(equals(&who, "\"session\":\"se\\\"ssion\",\"username\":\"m" BAD "\",\"version\":\"5.3\""));
  CHECK(peri_wire_header(&out, "status", (peri_slice){who.at, who.size}) == PERI_OK);
  peri_slice text = {out.at, out.size};
  CHECK(peri_wire_is_object(text));
  CHECK(peri_wire_string(&type, peri_wire_field(text, "msg_type")) == PERI_OK && equals(&type, "status"));
  peri_slice date = peri_wire_field(text, "date"), id = peri_wire_field(text, "msg_id");
  int year, month, day, hour, minute, second, micro;
  CHECK(sscanf(date.at, "\"%4d-%2d-%2dT%2d:%2d:%2d.%6dZ\"", &year, &month, &day, &hour, &minute, &second, &micro) == 7);
  CHECK(date.size == 29 && year >= 2024 && month <= 12);
  CHECK(id.size == 38 && id.at[15] == '4' && strchr("89ab", id.at[20]) != NULL);
  char a[37], b[37];
  peri_wire_uuid(a);
  peri_wire_uuid(b);
  CHECK(strlen(a) == 36 && strcmp(a, b) != 0);
  peri_text_clear(&who);
  peri_text_clear(&out);
  peri_text_clear(&type);
}

int main(void) {
  test_signatures();
  test_reader();
  test_fields();
  test_escape();
  test_unfinished();
  test_frames();
  test_replays();
  test_header();
  printf("%d failures\n", failures);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
