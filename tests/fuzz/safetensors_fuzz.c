/* safetensors_fuzz.c - the reader of safetensors, and with it the JSON parser. */
#include <string.h>

#include "format/safetensors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_named list;
  if (peri_safetensors_parse(&list, data, size, "fuzz.safetensors") < 0) return 0;
  peri_fuzz_accepted++;
  peri_named_clear(&list);
  return 0;
}

static int write_some(const char *path) {
  peri_named list = {0};
  int status = PERI_OK;
  for (int i = 0; i < 4 && status == PERI_OK; i++) {
    peri_tensor *t;
    PERI_TRY(peri_tensor_full(&t, (peri_dtype)i, i, (const int64_t[]){3, 1, 2, 2}, 1.5));
    status = peri_named_add(&list, (const char *[]){"conv2d/kernel", "b", "\xC3\xA9", "0.bias"}[i], t);
    peri_tensor_release(t);
  }
  if (status == PERI_OK) status = peri_named_add_text(&list, "format", "pt", 2);
  if (status == PERI_OK) status = peri_named_add_text(&list, "state", "{\"a\":\"\n\\\"}", 10);
  if (status == PERI_OK) status = peri_safetensors_save(path, &list);
  peri_named_clear(&list);
  return status;
}

static size_t by_hand(uint8_t *data, const char *header, size_t bytes) {
  size_t length = strlen(header);
  memset(data, 0, 8 + length + bytes);
  data[0] = (uint8_t)length;
  data[1] = (uint8_t)(length >> 8);
  memcpy(data + 8, header, length);
  return 8 + length + bytes;
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  static const char *const headers[] = {
      "{}",
      "{\"a\\u00e9\\ud83d\\ude00\":{\"shape\":[2,0],\"data_offsets\":[0,0],\"dtype\":\"BF16\"},"
      "\"h\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6],\"later\":[{\"x\":[1.5e3,true,null,\"y\"]}]}}   ",
      "{\"u\":{\"dtype\":\"U64\",\"shape\":[],\"data_offsets\":[0,8]},\"i\":{\"dtype\":\"I8\",\"shape\":[2,2],"
      "\"data_offsets\":[8,12]},\"__metadata__\":{}}"};
  static const size_t bytes[] = {0, 6, 12};
  if (index == 0) return peri_fuzz_seed_file(write_some, data, capacity);
  return index < 4 ? by_hand(data, headers[index - 1], bytes[index - 1]) : 0;
}
