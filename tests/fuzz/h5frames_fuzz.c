/* h5frames_fuzz.c - the stream that the reader of .h5 files sends. Uses format/hdf5.h. */
#include <string.h>

#include "format/hdf5.h"
#include "fuzz.h"
#include "hosts/h5frames.h"

typedef struct bytes {
  const uint8_t *at;
  size_t left;
} bytes;

static int take(void *context, void *to, size_t size) {
  bytes *b = context;
  if (size > b->left) return peri_fail(PERI_EIO, "the stream ends");
  if (size) memcpy(to, b->at, size);
  b->at += size;
  b->left -= size;
  return PERI_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes b = {data, size};
  peri_h5_node *root;
  if (peri_h5_frames(&root, "fuzz.h5", PERI_H5_LIMIT(size), take, &b) < 0) return 0;
  peri_fuzz_accepted++;
  peri_h5_free(root);
  return 0;
}

/* --- the seed --- */

static uint8_t *put(uint8_t *at, uint64_t value, int size) {
  for (int i = 0; i < size; i++) *at++ = (uint8_t)(value >> 8 * i);
  return at;
}

static uint8_t *put_text(uint8_t *at, const char *text) {
  size_t length = strlen(text);
  at = put(at, length, 4);
  memcpy(at, text, length);
  return at + length;
}

static uint8_t *put_named(uint8_t *at, char kind, const char *name) {
  *at++ = (uint8_t)kind;
  return put_text(at, name);
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  (void)capacity;
  if (index > 0) return 0;
  memcpy(data, PERI_H5_MAGIC, PERI_H5_MAGIC_BYTES);
  uint8_t *at = put_named(data + PERI_H5_MAGIC_BYTES, 'G', "/");
  at = put_text(put_named(at, 'A', "model_config"), "{\"class_name\": \"Sequential\"}");
  at = put_named(at, 'G', "/model_weights/dense");
  at = put_text(put_text(put(put_named(at, 'L', "weight_names"), 2, 4), "dense/kernel:0"), "dense/bias:0");
  for (int dtype = 0; dtype < 4; dtype++) {
    static const char *const paths[] = {"/w/a:0", "/w/b", "/w/c", "/model_weights/dense/\xC3\xA9"};
    static const uint8_t sizes[] = {4, 8, 8, 1};
    at = put(put(put_named(at, 'T', paths[dtype]), (uint64_t)dtype, 1), 2, 1);
    at = put(put(at, 2, 8), 3, 8);
    memset(at, dtype, 6U * sizes[dtype]);
    at += 6 * sizes[dtype];
  }
  at = put(put_named(at, 'L', "empty"), 0, 4);
  *at++ = '.';
  return (size_t)(at - data);
}
