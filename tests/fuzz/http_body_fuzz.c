/* http_body_fuzz.c - bodies as they come to the service: hosts/http_body.h, with core/image behind it.

   The first byte tells the type and the model's shape, the rest is the body. What is taken has to be images; what is
   refused has to say why, in text that JSON can carry. The tight reader of JSON is held to the library's result, and the
   library to another reader of JSON (hosts/transport_wire.h): neither may take what the other calls malformed. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "bind/http_images.h"
#include "fuzz.h"
#include "hosts/http_json.h"
#include "hosts/transport_wire.h"
#include "image/image.h"

static const char *const types[] = {"application/json", "application/json", NULL, "application/octet-stream", "image/png", "application/json"};
static const peri_body_shape shapes[] = {{2, 2, 1}, {28, 28, 1}, {1, 2, 3}, {2, 2, 1}, {28, 28, 1}, {28, 28, 1}};
enum { TYPES = sizeof types / sizeof *types };

/* A drawing that is not drawn, so that most runs are short. */
static int look_at(float *image, const peri_body_drawing *d) {
  double sum = d->pen + d->width + d->height;
  const double *at = d->points;
  for (int64_t i = 0; i < d->strokes; i++) {
    if (d->lengths[i] < 1) __builtin_trap();
    for (int64_t k = 0; k < 2 * d->lengths[i]; k++) sum += fmod(*at++, 2);
  }
  if (!isfinite(sum) || d->strokes < 1) __builtin_trap();
  memset(image, 0, 28 * 28 * sizeof *image);
  return PERI_OK;
}

static int refuse(float *image, const void *bytes, size_t size) {
  (void)image;
  (void)bytes;
  (void)size;
  return peri_fail(PERI_EARG, "no picture");
}

static void check_text(const char *text) {
  size_t left = strlen(text);
  for (const uint8_t *at = (const uint8_t *)text; left > 0;) {
    size_t length = peri__utf8_length(at, left);
    if (length == 0 || *at < 0x20) __builtin_trap();
    at += length, left -= length;
  }
}

static void check_refusal(const peri_body_error *error, const peri_body *out) {
  static const int known[] = {400, 413, 415, 422};
  peri_text text = {0};
  int found = 0;
  for (int i = 0; i < 4; i++) found |= error->status == known[i];
  if (!found || error->reason[0] == 0 || out->count != 0) __builtin_trap();
  check_text(error->reason);
  if (peri_answer_error(&text, error->status, error->reason) < 0 || !peri_wire_is_object((peri_slice){text.at, text.size})) __builtin_trap();
  peri_text_clear(&text);
}

static void check_images(const peri_body *out, const peri_body_shape *shape, const peri_body_limits *limits) {
  size_t numbers = out->count * (size_t)(shape->height * shape->width * shape->channels);
  if (out->count < 1 || out->count > limits->images) __builtin_trap();
  for (size_t i = 0; i < numbers; i++) {
    if (!(out->images[i] >= 0 && out->images[i] <= 1.000001f)) __builtin_trap();
  }
  if (out->label != NULL) check_text(out->label);
  if (out->class != NULL) check_text(out->class);
}

/* The body by the library alone; the tight reader has to have given the same. */
static void compare(const peri_body *quick, const peri_body_source *source, const peri_body_shape *shape, const peri_body_limits *limits,
                    const peri_body_images *images, int status, const peri_body_error *said) {
  peri_body_reader *other;
  peri_body out = {0};
  peri_body_error error;
  if (peri_body_reader_open(&other, limits, images) < 0) return;
  peri_body_job job = {&out, &error, other, source->bytes, source->size, *shape, (size_t)(shape->height * shape->width * shape->channels)};
  int result = peri__body_json(&job);
  if (result != status || (status < 0 && (error.status != said->status || strcmp(error.reason, said->reason) != 0))) __builtin_trap();
  if (status >= 0 && (out.count != quick->count || memcmp(out.images, quick->images, out.count * job.pixels * sizeof(float)) != 0)) __builtin_trap();
  bool object = source->size > 0 && peri_wire_is_object((peri_slice){source->bytes, source->size});
  if (status >= 0 && !object) __builtin_trap();
  if (status < 0 && object && strncmp(error.reason, "malformed", 9) == 0) __builtin_trap();
  peri_body_reader_close(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const peri_body_limits limits = {.images = 3, .points = 300, .strokes = 20};
  if (size < 1) return 0;
  int mode = data[0] % TYPES;
  const peri_body_images images = mode == TYPES - 1 ? peri_http_images
                                  : (peri_body_images){mode == 4 ? peri_http_images.picture : refuse, look_at};
  const peri_body_source source = {data + 1, size - 1, types[mode]};
  peri_body_reader *reader;
  peri_body out;
  peri_body_error error;
  if (peri_body_reader_open(&reader, &limits, &images) < 0) return 0;
  peri_body_is_slow(&source);
  int status = peri_body_read(&out, &error, reader, &source, &shapes[mode]);
  if (status < 0) check_refusal(&error, &out);
  else check_images(&out, &shapes[mode], &limits), peri_fuzz_accepted++;
  if (types[mode] == types[0] && source.size > 0) compare(&out, &source, &shapes[mode], &limits, &images, status, &error);
  peri_body_reader_close(reader);
  return 0;
}

static size_t put(uint8_t *data, int mode, const char *body) {
  data[0] = (uint8_t)mode;
  memcpy(data + 1, body, strlen(body));
  return 1 + strlen(body);
}

/* A stroke on 12 x 9 pixels, as PNG. */
static size_t put_picture(uint8_t *data, size_t capacity) {
  peri_tensor *t;
  uint8_t *bytes;
  size_t size;
  if (peri_tensor_zeros(&t, PERI_F32, 3, (const int64_t[]){12, 9, 1}) < 0) return 0;
  for (int64_t y = 2; y < 10; y++) ((float *)peri_tensor_data(t))[9 * y + 4] = 1;
  int status = peri_image_encode(&bytes, &size, t, 1);
  peri_tensor_release(t);
  if (status < 0) return 0;
  data[0] = 4;
  if (1 + size <= capacity) memcpy(data + 1, bytes, size);
  peri_free(bytes);
  return 1 + size;
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  static const struct { int mode; const char *body; } seeds[] = {
    {0, "{\"pixels\":[0,1,20,255]}"},
    {0, " { \"pixels\" : [ [0, 10 ,200,255] , [1,2,3,4],\n[5,6,7,8]] } "},
    {0, "{\"range\":1,\"pixels\":[[0.5,1e-1,0.25E0,-0.0],[1,0,0.001,1]],\"label\":\"\\u00e9\xC3\xA9\\\"\"}"},
    {0, "{\"label\":7,\"class\":\"A\",\"input\":true,\"pixels\":[1,2.5,3.125e1,4],\"range\":255}"},
    {0, "{\"pixels\":[0.1234567890123456789,1.7976931348623157e-308,123456789e-7,9]}"},
    {1, "{\"strokes\":[[[1,2],[3.5,4,0.1]],[[5,6]]],\"pen\":20,\"width\":280,\"height\":1e2,\"input\":false}"},
    {1, "{\"strokes\":[[[140,20],[140,260]]],\"label\":\"1\"}"},
    {2, "{\"pixels\":[1,2,3,4,5,6]}"},
    {3, "abcdefgh"},
    {5, "{\"strokes\":[[[60,60],[140,40],[200,90],[120,150],[210,200],[100,250]],[[1e9,-1e300]]],\"pen\":24}"},
    {5, "{\"strokes\":[[[0.5,0.2],[0.4,0.8]],[[0.55,0.5]]],\"pen\":0.01,\"width\":1,\"height\":0.5}"},
  };
  const unsigned texts = sizeof seeds / sizeof *seeds;
  if (index < texts) return put(data, seeds[index].mode, seeds[index].body);
  return index == texts ? put_picture(data, capacity) : 0;
}
