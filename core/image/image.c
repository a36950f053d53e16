/* image.c - telling the kinds of pictures apart, and what all of them need. */
#include "image/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "image/internal.h"

int peri__image_new(peri_tensor **out, const peri_image_source *s, uint64_t width, uint64_t height, int channels) {
  *out = NULL;
  if (width < 1 || height < 1) {
    return peri_fail(PERI_EFORMAT, "image: %s: the picture has no pixels (%" PRIu64 " x %" PRIu64 ")", s->name, width, height);
  }
  if (width > PERI_IMAGE_SIDE_MOST || height > PERI_IMAGE_SIDE_MOST || width * height > s->pixels) {
    return peri_fail(PERI_EFORMAT, "image: %s: %" PRIu64 " x %" PRIu64 " pixels, expected at most %" PRIu64 " in all and %d on a side",
                     s->name, width, height, s->pixels, PERI_IMAGE_SIDE_MOST);
  }
  return peri_tensor_new(out, PERI_F32, 3, (const int64_t[]){(int64_t)height, (int64_t)width, channels});
}

static int read_any(peri_tensor **out, const peri_image_source *s) {
  if (s->count >= 8 && memcmp(s->bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return peri__png_read(out, s);
  if (s->count >= 3 && memcmp(s->bytes, "\xFF\xD8\xFF", 3) == 0) return peri__jpeg_read(out, s);
  if (s->count >= 2 && s->bytes[0] == 'P' && s->bytes[1] >= '1' && s->bytes[1] <= '6') return peri__pnm_read(out, s);
  if (s->count == 0) return peri_fail(PERI_EFORMAT, "image: %s: the file is empty", s->name);
  char first[17] = "";
  for (size_t i = 0; i < 4 && i < s->count; i++) snprintf(first + 3 * i, 4, "%02x ", s->bytes[i]);
  return peri_fail(PERI_EFORMAT, "image: %s: neither PNG, JPEG nor PGM/PPM: the file begins with %s", s->name, first);
}

/* Changes the number of channels of a new picture. */
static int convert(peri_tensor **image, peri_image_channels channels) {
  peri_tensor *from = *image, *to = NULL;
  if (channels == PERI_IMAGE_AS_IS || from->shape[2] == (int64_t)channels) return PERI_OK;
  int status;
  if (channels == PERI_IMAGE_GREY) status = peri_image_grey(&to, from);
  else {
    status = peri_tensor_new(&to, PERI_F32, 3, (const int64_t[]){from->shape[0], from->shape[1], 3});
    const float *v = peri_tensor_data(from);
    float *rgb = status < 0 ? NULL : peri_tensor_data(to);
    for (int64_t i = 0; rgb && i < peri_tensor_count(from); i++) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = v[i];
  }
  peri_tensor_release(from);
  *image = to;
  return status;
}

int peri_image_parse_within(peri_tensor **out, const void *bytes, size_t count, const char *name, peri_image_channels channels,
                            uint64_t pixels) {
  const peri_image_source source = {bytes, count, name, pixels < PERI_IMAGE_PIXELS_MOST ? pixels : PERI_IMAGE_PIXELS_MOST};
  *out = NULL;
  PERI_TRY(read_any(out, &source));
  return convert(out, channels);
}

int peri_image_parse(peri_tensor **out, const void *bytes, size_t count, const char *name, peri_image_channels channels) {
  return peri_image_parse_within(out, bytes, count, name, channels, PERI_IMAGE_PIXELS_MOST);
}

int peri_image_read(peri_tensor **out, const char *path, peri_image_channels channels) {
  uint8_t *bytes;
  size_t count;
  *out = NULL;
  if (peri_file_read(&bytes, &count, path, PERI_IMAGE_FILE_MOST) < 0) return peri_fail_prefix(PERI_EIO, "image: ");
  int status = peri_image_parse(out, bytes, count, path, channels);
  peri_free(bytes);
  return status;
}

int peri__image_argument(peri_tensor **out, const char *op, const peri_tensor *image) {
  peri_tensor *view = NULL;
  *out = NULL;
  bool grey = image->ndim == 2, colour = image->ndim == 3 && (image->shape[2] == 1 || image->shape[2] == 3);
  if (!grey && !colour) {
    return peri_fail(PERI_ESHAPE, "%s: the picture is %s, expected (H, W), (H, W, 1) or (H, W, 3)", op, peri_tensor_text(image));
  }
  if (image->dtype == PERI_I64) {
    return peri_fail(PERI_ETYPE, "%s: the picture is %s, expected floats in 0..1 or uint8 in 0..255", op, peri_tensor_text(image));
  }
  if (image->shape[0] < 1 || image->shape[1] < 1) return peri_fail(PERI_ESHAPE, "%s: the picture has no pixels: %s", op, peri_tensor_text(image));
  PERI_TRY(peri_tensor_cast(out, image, PERI_F32));
  float *v = peri_tensor_data(*out);
  if (image->dtype == PERI_U8) {
    for (int64_t i = 0; i < peri_tensor_count(image); i++) v[i] /= 255.0f;
  }
  if (!grey) return PERI_OK;
  int status = peri_tensor_reshape(&view, *out, 3, (const int64_t[]){image->shape[0], image->shape[1], 1});
  peri_tensor_release(*out);
  *out = view;
  return status;
}

int peri_image_grey(peri_tensor **out, const peri_tensor *image) {
  peri_tensor *colour;
  *out = NULL;
  PERI_TRY(peri__image_argument(&colour, "image.grey", image));
  if (colour->shape[2] == 1) {
    *out = colour;
    return PERI_OK;
  }
  int status = peri_tensor_new(out, PERI_F32, 3, (const int64_t[]){colour->shape[0], colour->shape[1], 1});
  if (status >= 0) {
    const float *v = peri_tensor_data(colour);
    float *y = peri_tensor_data(*out);
    for (int64_t i = 0; i < peri_tensor_count(*out); i++) y[i] = 0.299f * v[3 * i] + 0.587f * v[3 * i + 1] + 0.114f * v[3 * i + 2];
  }
  peri_tensor_release(colour);
  return status;
}

/* --- writing --- */

/* Rounded to bytes; anything that is no number becomes 0. */
static uint8_t byte_of(float v) { return v > 0 ? v < 1 ? (uint8_t)(v * 255.0f + 0.5f) : 255 : 0; }

int peri__image_samples(peri_image_samples *out, const char *op, const peri_tensor *image, int scale) {
  bool pixels = image->ndim == 3 && image->shape[2] >= 1 && image->shape[2] <= 4;
  if ((image->ndim != 2 && !pixels) || image->dtype == PERI_I64) {
    return peri_fail(PERI_ESHAPE, "%s: the picture is %s, expected floats in 0..1 or uint8, (H, W) or (H, W, 1 to 4)", op,
                     peri_tensor_text(image));
  }
  if (scale < 1 || scale > 64) return peri_fail(PERI_EARG, "%s: scale is %d, expected 1 to 64", op, scale);
  int64_t height = image->shape[0], width = image->shape[1];
  if (height < 1 || width < 1 || height > PERI_IMAGE_SIDE_MOST / scale || width > PERI_IMAGE_SIDE_MOST / scale ||
      height * width > PERI_IMAGE_PIXELS_MOST / scale / scale) {
    return peri_fail(PERI_ESHAPE, "%s: the picture is %s, %d times as large: expected 1 to %d on a side, %d in all", op,
                     peri_tensor_text(image), scale, PERI_IMAGE_SIDE_MOST, PERI_IMAGE_PIXELS_MOST);
  }
  peri_tensor *dense;
  PERI_TRY(peri_tensor_cast(&dense, image, image->dtype == PERI_U8 ? PERI_U8 : PERI_F32));
  int64_t count = peri_tensor_count(dense);
  uint8_t *bytes = peri_alloc((size_t)count);
  if (bytes && dense->dtype == PERI_U8) memcpy(bytes, peri_tensor_data(dense), (size_t)count);
  if (bytes && dense->dtype == PERI_F32) {
    const float *v = peri_tensor_data(dense);
    for (int64_t i = 0; i < count; i++) bytes[i] = byte_of(v[i]);
  }
  peri_tensor_release(dense);
  *out = (peri_image_samples){bytes, (int)width, (int)height, pixels ? (int)image->shape[2] : 1, scale};
  return bytes ? PERI_OK : PERI_ENOMEM;
}

typedef enum kind { KIND_UNKNOWN, KIND_PNG, KIND_JPEG, KIND_PGM, KIND_PPM } kind;

static kind kind_of(const char *path) {
  static const struct {
    const char *ending;
    kind kind;
  } endings[] = {{".png", KIND_PNG}, {".jpg", KIND_JPEG}, {".jpeg", KIND_JPEG}, {".pgm", KIND_PGM}, {".ppm", KIND_PPM}};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t n = strlen(endings[i].ending), length = strlen(path);
    if (length > n && strcasecmp(path + length - n, endings[i].ending) == 0) return endings[i].kind;
  }
  return KIND_UNKNOWN;
}

static int write_kind(kind kind, peri_file_writer *w, const peri_image_samples *s, int quality) {
  switch (kind) {
  case KIND_PNG: return peri__png_write(w, s);
  case KIND_JPEG: return peri__jpeg_write(w, s, quality);
  default: return peri__pnm_write(w, s);
  }
}

static int write_samples(const char *path, kind kind, const peri_image_samples *s, int quality) {
  peri_file_writer *writer;
  PERI_TRY(peri_file_writer_open(&writer, path));
  int status = write_kind(kind, writer, s, quality);
  if (status >= 0) return peri_file_writer_commit(writer);
  peri_file_writer_abort(writer);
  return status;
}

int peri_image_write(const char *path, const peri_tensor *image, int quality) {
  peri_tensor *dense;
  kind kind = kind_of(path);
  if (kind == KIND_UNKNOWN) {
    return peri_fail(PERI_EARG, "image.save: %s: the name must end in .png, .jpg, .jpeg, .pgm or .ppm", path);
  }
  if (quality < 1 || quality > 100) return peri_fail(PERI_EARG, "image.save: quality is %d, expected 1 to 100", quality);
  PERI_TRY(peri__image_argument(&dense, "image.save", image));
  int status = PERI_OK;
  if (dense->shape[0] > PERI_IMAGE_SIDE_MOST || dense->shape[1] > PERI_IMAGE_SIDE_MOST) {
    status = peri_fail(PERI_ESHAPE, "image.save: the picture is %s, expected at most %d on a side", peri_tensor_text(dense),
                       PERI_IMAGE_SIDE_MOST);
  } else if ((kind == KIND_PGM && dense->shape[2] != 1) || (kind == KIND_PPM && dense->shape[2] != 3)) {
    status = convert(&dense, kind == KIND_PGM ? PERI_IMAGE_GREY : PERI_IMAGE_RGB);
  }
  int64_t count = status < 0 ? 0 : peri_tensor_count(dense);
  uint8_t *bytes = status < 0 ? NULL : peri_alloc((size_t)count);
  if (status >= 0 && !bytes) status = PERI_ENOMEM;
  if (status >= 0) {
    const float *v = peri_tensor_data(dense);
    for (int64_t i = 0; i < count; i++) bytes[i] = byte_of(v[i]);
    const peri_image_samples samples = {bytes, (int)dense->shape[1], (int)dense->shape[0], (int)dense->shape[2], 1};
    status = write_samples(path, kind, &samples, quality);
  }
  peri_free(bytes);
  peri_tensor_release(dense);
  return status;
}
