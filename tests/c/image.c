/* image.c - pictures: files of every kind read right, malformed ones refused, what is written comes back. */
#include "image/image.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "image/samples.h"

_Atomic int failures;
static char folder[] = "/tmp/perilune_test_image.XXXXXX";
static char path[256];
static sample_file file;

static peri_tensor *parse_as(peri_image_channels channels) {
  peri_tensor *t = NULL;
  CHECK(peri_image_parse(&t, file.bytes, file.count, "sample", channels) == PERI_OK);
  return t;
}

/* The file's picture is height x width x channels and has this value at its pixel (y, x). */
static void expect(int64_t height, int64_t width, int64_t channels, int64_t y, int64_t x, const float *values, float tolerance) {
  peri_tensor *t = parse_as(PERI_IMAGE_AS_IS);
  if (!t) return;
  CHECK(t->dtype == PERI_F32 && t->ndim == 3 && t->shape[0] == height && t->shape[1] == width && t->shape[2] == channels);
  for (int64_t c = 0; c < channels && t->shape[2] == channels; c++) {
    float got = pixel(t, y, x, c);
    if (fabsf(got - values[c]) > tolerance) printf("channel %d: %g, expected %g\n", (int)c, (double)got, (double)values[c]);
    CHECK(fabsf(got - values[c]) <= tolerance);
  }
  peri_tensor_release(t);
}
#define EXPECT(h, w, c, y, x, tolerance, ...) expect(h, w, c, y, x, (const float[]){__VA_ARGS__}, tolerance)

static void test_png(void) {
  static const uint8_t grey[] = {0, 51, 255, 102, 153, 204}, bits[] = {0xA0, 0x40}, pairs[] = {0x1B, 0xE4};
  static const uint8_t wide[] = {0x00, 0x00, 0x80, 0x00, 0xFF, 0xFF, 0x12, 0x34}, indices[] = {0x1B, 0xE4};
  static const uint8_t rgb[] = {10, 20, 30, 40, 50, 60}, rgba[] = {100, 0, 200, 128, 9, 9, 9, 0}, ga[] = {100, 255, 0, 51};
  for (int interlaced = 0; interlaced < 2; interlaced++) {
    sample_png(&file, 3, 2, PNG_COLOR_TYPE_GRAY, 8, interlaced, grey, 3, -1);
    EXPECT(2, 3, 1, 1, 2, 1e-6f, 204 / 255.0f);
    sample_png(&file, 3, 2, PNG_COLOR_TYPE_GRAY, 1, interlaced, bits, 1, -1);
    EXPECT(2, 3, 1, 0, 2, 1e-6f, 1);
    EXPECT(2, 3, 1, 1, 0, 1e-6f, 0);
    sample_png(&file, 4, 2, PNG_COLOR_TYPE_GRAY, 2, interlaced, pairs, 1, -1);
    EXPECT(2, 4, 1, 0, 1, 1e-6f, 1 / 3.0f);
    sample_png(&file, 2, 2, PNG_COLOR_TYPE_GRAY, 16, interlaced, wide, 4, -1);
    EXPECT(2, 2, 1, 0, 1, 1e-6f, 32768 / 65535.0f);
    EXPECT(2, 2, 1, 1, 1, 1e-6f, 0x1234 / 65535.0f);
    sample_png(&file, 4, 2, PNG_COLOR_TYPE_PALETTE, 2, interlaced, indices, 1, -1);
    EXPECT(2, 4, 3, 0, 3, 1e-6f, .2f, .4f, .6f);
    sample_png(&file, 4, 2, PNG_COLOR_TYPE_PALETTE, 2, interlaced, indices, 1, 0);
    EXPECT(2, 4, 3, 0, 0, 1e-6f, 1, 1, 1); /* red, but transparent: white */
    EXPECT(2, 4, 3, 0, 1, 1e-6f, 0, 1, 0);
    sample_png(&file, 2, 1, PNG_COLOR_TYPE_RGB, 8, interlaced, rgb, 6, -1);
    EXPECT(1, 2, 3, 0, 1, 1e-6f, 40 / 255.0f, 50 / 255.0f, 60 / 255.0f);
    sample_png(&file, 2, 1, PNG_COLOR_TYPE_RGB_ALPHA, 8, interlaced, rgba, 8, -1);
    float a = 128 / 255.0f;
    EXPECT(1, 2, 3, 0, 0, 1e-6f, a * 100 / 255 + 1 - a, 1 - a, a * 200 / 255 + 1 - a);
    EXPECT(1, 2, 3, 0, 1, 1e-6f, 1, 1, 1);
    sample_png(&file, 2, 1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, interlaced, ga, 4, -1);
    EXPECT(1, 2, 1, 0, 1, 1e-6f, .8f);
    sample_png(&file, 3, 2, PNG_COLOR_TYPE_GRAY, 8, interlaced, grey, 3, 51);
    EXPECT(2, 3, 1, 0, 1, 1e-6f, 1); /* the grey that is transparent */
  }
}

/* A picture of four flat quarters, so that JPEG keeps its colours. */
static void quarters(uint8_t *rows, int height, int width, int components, const uint8_t colours[4][4]) {
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      memcpy(rows + (y * width + x) * components, colours[(y >= height / 2) * 2 + (x >= width / 2)], (size_t)components);
    }
  }
}

static void test_jpeg(void) {
  static const uint8_t colours[4][4] = {{20, 60, 200, 255}, {220, 30, 90, 255}, {128, 128, 0, 200}, {250, 240, 230, 100}};
  static uint8_t rows[32 * 48 * 4];
  for (int progressive = 0; progressive < 2; progressive++) {
    quarters(rows, 32, 48, 1, colours);
    sample_jpeg(&file, 48, 32, 1, progressive, rows, 0);
    EXPECT(32, 48, 1, 4, 40, .02f, 220 / 255.0f);
    quarters(rows, 32, 48, 3, colours);
    sample_jpeg(&file, 48, 32, 3, progressive, rows, 0);
    EXPECT(32, 48, 3, 4, 4, .03f, 20 / 255.0f, 60 / 255.0f, 200 / 255.0f);
    EXPECT(32, 48, 3, 28, 40, .03f, 250 / 255.0f, 240 / 255.0f, 230 / 255.0f);
    quarters(rows, 32, 48, 4, colours);
    sample_jpeg(&file, 48, 32, 4, progressive, rows, 0);
    EXPECT(32, 48, 3, 28, 40, .03f, 250 / 255.0f * 100 / 255, 240 / 255.0f * 100 / 255, 230 / 255.0f * 100 / 255);
  }
  /* where the file's top left quarter (20) stands upright, for each EXIF orientation: left/right, top/bottom */
  static const int right[9] = {0, 0, 1, 1, 0, 0, 1, 1, 0}, bottom[9] = {0, 0, 0, 1, 1, 0, 0, 1, 1};
  quarters(rows, 32, 48, 1, colours);
  for (int orientation = 1; orientation <= 8; orientation++) {
    int64_t h = orientation >= 5 ? 48 : 32, w = orientation >= 5 ? 32 : 48;
    sample_jpeg(&file, 48, 32, 1, false, rows, orientation);
    EXPECT(h, w, 1, bottom[orientation] ? h - 4 : 4, right[orientation] ? w - 4 : 4, .02f, 20 / 255.0f);
  }
}

static void set_file(const char *text, size_t count) {
  memcpy(file.bytes, text, count);
  file.count = count;
}
#define TEXT(literal) set_file(literal, sizeof(literal) - 1)

static void test_pnm(void) {
  TEXT("P2\n# a comment\n3 2 # another\n10\n0 1 2\n3 4 10\n");
  EXPECT(2, 3, 1, 1, 1, 1e-6f, .4f);
  TEXT("P5 2 2 255 \x00\x33\x66\xFF");
  EXPECT(2, 2, 1, 1, 0, 1e-6f, .4f);
  TEXT("P5 1 2 65535\n\x80\x00\xFF\xFF");
  EXPECT(2, 1, 1, 0, 0, 1e-6f, 32768 / 65535.0f);
  TEXT("P3\n1 1\n4\n1 2 3\n");
  EXPECT(1, 1, 3, 0, 0, 1e-6f, .25f, .5f, .75f);
  TEXT("P6\n1 2\n255\n\x0A\x14\x1E\xFF\x00\x33");
  EXPECT(2, 1, 3, 1, 0, 1e-6f, 1, 0, .2f);
  TEXT("P1\n3 2\n1 0 1\n010\n");
  EXPECT(2, 3, 1, 0, 0, 1e-6f, 0);
  EXPECT(2, 3, 1, 1, 0, 1e-6f, 1);
  TEXT("P4\n9 1\n\x80\x80");
  EXPECT(1, 9, 1, 0, 8, 1e-6f, 0);
  EXPECT(1, 9, 1, 0, 7, 1e-6f, 1);
}

static void refused(const char *words) {
  peri_tensor *t;
  CHECK(peri_image_parse(&t, file.bytes, file.count, "sample", PERI_IMAGE_AS_IS) == PERI_EFORMAT && t == NULL);
  CHECK(says(words) && says("sample"));
  if (!says(words)) printf("   wanted: %s\n", words);
}

static void test_malformed(void) {
  static uint8_t rows[32 * 48 * 3];
  static const uint8_t colours[4][4] = {{20, 60, 200}, {220, 30, 90}, {128, 128, 0}, {250, 240, 230}};
  TEXT("");
  refused("empty");
  TEXT("GIF89a");
  refused("47 49 46 38");
  TEXT("P5 2 2 255 ab");
  refused("ends at byte 13");
  TEXT("P5 2000 2000 255 ab");
  refused("too few for 2000 x 2000");
  TEXT("P5 0 2 255 ab");
  refused("no pixels");
  TEXT("P5 2 2 65536 abcd");
  refused("the largest value is too large");
  TEXT("P5 2 2 0 abcdabcd");
  refused("largest value is 0");
  TEXT("P5 x");
  refused("the width is missing");
  TEXT("P2 2 2 10 1 2 3 11       ");
  refused("a sample is too large");
  TEXT("P2 2 2 10 1 2 3          ");
  refused("a sample is missing");
  TEXT("P5 2 2 100 abc\xFF");
  refused("a sample is 255");
  quarters(rows, 32, 48, 3, colours);
  sample_png(&file, 48, 32, PNG_COLOR_TYPE_RGB, 8, true, rows, 48 * 3, -1);
  size_t whole = file.count;
  file.count = whole / 2;
  refused("ends too early");
  file.count = 20;
  refused("ends too early");
  file.count = whole;
  file.bytes[whole / 2] ^= 0xFF;
  refused("PNG, byte");
  sample_png(&file, 48, 32, PNG_COLOR_TYPE_RGB, 8, false, rows, 48 * 3, -1);
  memcpy(file.bytes + 16, "\0\0\x40\0\0\0\x10\0\x08\x02\0\0\0", 13); /* 16384 x 4096 */
  refused("PNG, byte"); /* the checksum is wrong */
  for (int progressive = 0; progressive < 2; progressive++) {
    sample_jpeg(&file, 48, 32, 3, progressive, rows, 0);
    whole = file.count;
    file.count = whole * 3 / 4;
    refused("Premature end");
    file.count = 10;
    refused("JPEG, about byte");
    sample_jpeg(&file, 48, 32, 3, progressive, rows, 0);
    for (size_t i = 0; i + 8 < whole; i++) { /* the frame's header: a picture of 65535 x 65535 */
      if (file.bytes[i] == 0xFF && (file.bytes[i + 1] == 0xC0 || file.bytes[i + 1] == 0xC2)) memset(file.bytes + i + 5, 0xFF, 4);
    }
    refused("");
  }
}

static void test_write(void) {
  static const char *const names[] = {"a.png", "b.PNG", "c.pgm", "d.ppm", "e.jpg", "f.jpeg"};
  peri_tensor *smooth[2], *back, *bytes;
  for (int k = 0; k < 2; k++) {
    CHECK(peri_tensor_new(&smooth[k], PERI_F32, 3, (int64_t[]){20, 30, k ? 3 : 1}) == PERI_OK);
    float *v = peri_tensor_data(smooth[k]);
    for (int64_t i = 0; i < peri_tensor_count(smooth[k]); i++) v[i] = (float)(i / (k ? 3 : 1) % 30) / 29;
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (int k = 0; k < 2; k++) {
      snprintf(path, sizeof path, "%s/%s", folder, names[i]);
      CHECK(peri_image_write(path, smooth[k], 95) == PERI_OK);
      CHECK(peri_image_read(&back, path, PERI_IMAGE_AS_IS) == PERI_OK);
      if (!back) continue;
      int64_t channels = strstr(names[i], "pgm") ? 1 : strstr(names[i], "ppm") ? 3 : smooth[k]->shape[2];
      CHECK(back->shape[0] == 20 && back->shape[1] == 30 && back->shape[2] == channels);
      float worst = 0;
      for (int64_t y = 0; y < 20; y++) {
        for (int64_t x = 0; x < 30; x++) worst = fmaxf(worst, fabsf(pixel(back, y, x, 0) - pixel(smooth[k], y, x, 0)));
      }
      CHECK(worst < (strchr(names[i], 'j') ? .03f : .5f / 255 + 1e-6f));
      peri_tensor_release(back);
    }
  }
  float odd[4] = {-1, NAN, 2, INFINITY};
  CHECK(peri_tensor_from(&back, PERI_F32, 2, (int64_t[]){2, 2}, odd) == PERI_OK);
  snprintf(path, sizeof path, "%s/odd.png", folder);
  CHECK(peri_image_write(path, back, 90) == PERI_OK);
  peri_tensor_release(back);
  CHECK(peri_image_read(&back, path, PERI_IMAGE_RGB) == PERI_OK && back->shape[2] == 3);
  CHECK(pixel(back, 0, 0, 2) == 0 && pixel(back, 0, 1, 1) == 0 && pixel(back, 1, 0, 0) == 1 && pixel(back, 1, 1, 0) == 1);
  peri_tensor_release(back);
  CHECK(peri_image_write("x.gif", smooth[0], 90) == PERI_EARG && says("must end in"));
  CHECK(peri_image_write(path, smooth[0], 0) == PERI_EARG && says("quality is 0"));
  CHECK(peri_image_write("/nowhere/at/all.png", smooth[0], 90) == PERI_EIO);
  CHECK(peri_tensor_zeros(&bytes, PERI_I64, 2, (int64_t[]){2, 2}) == PERI_OK);
  CHECK(peri_image_write(path, bytes, 90) == PERI_ETYPE);
  peri_tensor_release(bytes);
  CHECK(peri_tensor_zeros(&bytes, PERI_U8, 4, (int64_t[]){1, 2, 2, 1}) == PERI_OK);
  CHECK(peri_image_write(path, bytes, 90) == PERI_ESHAPE && says("(H, W, 3)"));
  peri_tensor_release(bytes), peri_tensor_release(smooth[0]), peri_tensor_release(smooth[1]);
}

static void test_resize(void) {
  uint8_t steps[16] = {0, 0, 255, 255, 0, 0, 255, 255, 255, 255, 0, 0, 255, 255, 0, 0};
  peri_tensor *t, *r, *colour;
  CHECK(peri_tensor_from(&t, PERI_U8, 2, (int64_t[]){4, 4}, steps) == PERI_OK);
  CHECK(peri_image_resize(&r, t, 2, 2, PERI_FILTER_AUTO) == PERI_OK);
  CHECK(pixel(r, 0, 0, 0) == 0 && pixel(r, 0, 1, 0) == 1 && pixel(r, 1, 0, 0) == 1);
  peri_tensor_release(r);
  CHECK(peri_image_resize(&r, t, 1, 3, PERI_FILTER_AREA) == PERI_OK); /* means, at fractions of pixels */
  CHECK(fabsf(pixel(r, 0, 0, 0) - .5f) < 1e-6f && fabsf(pixel(r, 0, 1, 0) - .5f) < 1e-6f);
  peri_tensor_release(r);
  CHECK(peri_image_resize(&r, t, 8, 8, PERI_FILTER_NEAREST) == PERI_OK && pixel(r, 1, 3, 0) == 0 && pixel(r, 1, 4, 0) == 1);
  peri_tensor_release(r);
  CHECK(peri_image_resize(&r, t, 4, 8, PERI_FILTER_BILINEAR) == PERI_OK); /* between 0 and 1: a quarter, three quarters */
  CHECK(fabsf(pixel(r, 0, 3, 0) - .25f) < 1e-6f && fabsf(pixel(r, 0, 4, 0) - .75f) < 1e-6f && pixel(r, 0, 0, 0) == 0);
  peri_tensor_release(r);
  CHECK(peri_image_resize(&r, t, 4, 4, PERI_FILTER_AUTO) == PERI_OK);
  for (int i = 0; i < 16; i++) CHECK(pixel(r, i / 4, i % 4, 0) == (float)steps[i] / 255);
  peri_tensor_release(r);
  CHECK(peri_tensor_full(&colour, PERI_F64, 3, (int64_t[]){5, 7, 3}, .25) == PERI_OK);
  CHECK(peri_image_resize(&r, colour, 11, 3, PERI_FILTER_AUTO) == PERI_OK && r->shape[2] == 3);
  for (int i = 0; i < 99; i++) CHECK(fabsf(((float *)peri_tensor_data(r))[i] - .25f) < 1e-6f);
  peri_tensor_release(r);
  CHECK(peri_image_resize(&r, t, 0, 4, PERI_FILTER_AUTO) == PERI_EARG && r == NULL);
  CHECK(peri_image_resize(&r, t, 32768, 32768, PERI_FILTER_AUTO) == PERI_EARG);
  peri_filter f;
  CHECK(peri_filter_parse(&f, "area") == PERI_OK && f == PERI_FILTER_AREA && peri_filter_parse(&f, "cubic") == PERI_EARG);
  peri_tensor_release(t), peri_tensor_release(colour);
}

int main(void) {
  if (!mkdtemp(folder)) return 1;
  uint64_t live = peri_memory_live();
  test_png();
  test_jpeg();
  test_pnm();
  test_malformed();
  test_write();
  test_resize();
  test_digits();
  test_strokes();
  CHECK(peri_memory_live() == live);
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) failures++;
  printf("%s: %d failures\n", __FILE__, failures);
  return failures != 0;
}
