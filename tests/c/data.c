/* data.c - IDX, CSV and batches: what they read, and what they say about what they cannot read. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/threads.h"
#include "data/data.h"
#include "test.h"

_Atomic int failures;
static char folder[] = "/tmp/perilune_test_data.XXXXXX";
static char path[256];

static const char *file_of(const char *name, const void *bytes, size_t count) {
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(bytes, 1, count, f) != count || fclose(f)) abort();
  return path;
}

static const char *gzip_of(const char *name, const void *bytes, size_t count) {
  snprintf(path, sizeof path, "%s/%s", folder, name);
  gzFile f = gzopen(path, "wb9");
  if (!f || gzwrite(f, bytes, (unsigned)count) != (int)count || gzclose(f) != Z_OK) abort();
  return path;
}

static bool says(const char *part) { return strstr(peri_message(), part) != NULL; }

/* Reading `bytes` as IDX must fail with this status and with these words. */
static void idx_refused(int status, const char *words, const void *bytes, size_t count) {
  peri_tensor *t;
  CHECK(peri_idx_read(&t, file_of("bad.idx", bytes, count)) == status && t == NULL);
  CHECK(says(words));
  CHECK(says(path));
  if (count < 3) return;
  CHECK(peri_idx_read(&t, gzip_of("bad.idx.gz", bytes, count)) == PERI_EFORMAT && t == NULL);
}

static void test_idx_types(void) {
  static const unsigned char bytes[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 250, 251, 252};
  static const unsigned char tiny[] = {0, 0, 9, 1, 0, 0, 0, 2, 0x80, 0x7f};
  static const unsigned char shorts[] = {0, 0, 11, 1, 0, 0, 0, 2, 0xff, 0xfe, 0x01, 0x00};
  static const unsigned char integers[] = {0, 0, 12, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfd, 0x00, 0x01, 0x00, 0x00};
  static const unsigned char floats[] = {0, 0, 13, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0};
  static const unsigned char doubles[] = {0, 0, 14, 1, 0, 0, 0, 1, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0};
  static const unsigned char none[] = {0, 0, 8, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
  static const struct {
    const unsigned char *bytes;
    size_t count;
    peri_dtype dtype;
    int64_t elements;
    double first, last;
  } cases[] = {
      {bytes, sizeof bytes, PERI_U8, 6, 1, 252},    {tiny, sizeof tiny, PERI_I64, 2, -128, 127},
      {shorts, sizeof shorts, PERI_I64, 2, -2, 256}, {integers, sizeof integers, PERI_I64, 2, -3, 65536},
      {floats, sizeof floats, PERI_F32, 2, 1.5, -2}, {doubles, sizeof doubles, PERI_F64, 1, 1.5, 1.5},
      {none, sizeof none, PERI_U8, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int packed = 0; packed < 2; packed++) {
      peri_tensor *t = NULL, *d = NULL;
      const char *file = (packed ? gzip_of : file_of)("good.idx", cases[i].bytes, cases[i].count);
      CHECK(peri_idx_read(&t, file) == PERI_OK);
      if (!t) continue;
      CHECK(t->dtype == cases[i].dtype && peri_tensor_count(t) == cases[i].elements);
      CHECK(t->ndim == cases[i].bytes[3]);
      if (cases[i].elements) {
        CHECK(peri_tensor_cast(&d, t, PERI_F64) == PERI_OK);
        double *v = peri_tensor_data(d);
        CHECK(v[0] == cases[i].first && v[cases[i].elements - 1] == cases[i].last);
      }
      peri_tensor_release(d);
      peri_tensor_release(t);
    }
  }
}

/* What is written has the bytes of the format, and is read back. */
static void test_idx_write(void) {
  static const struct {
    peri_dtype dtype;
    unsigned char bytes[28];
    size_t count;
  } cases[] = {
      {PERI_U8, {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 250, 251, 252}, 18},
      {PERI_I64, {0, 0, 12, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfd, 0x00, 0x01, 0x00, 0x00}, 16},
      {PERI_F32, {0, 0, 13, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0}, 20},
      {PERI_F64, {0, 0, 14, 1, 0, 0, 0, 1, 0x3f, 0xf8, 0, 0, 0, 0, 0, 1}, 16},
      {PERI_U8, {0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 3}, 12},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    peri_tensor *t = NULL;
    unsigned char back[64];
    char copy[256];
    CHECK(peri_idx_read(&t, file_of("in.idx", cases[i].bytes, cases[i].count)) == PERI_OK && t->dtype == cases[i].dtype);
    snprintf(copy, sizeof copy, "%s/out.idx", folder);
    CHECK(peri_idx_write(copy, t) == PERI_OK);
    FILE *f = fopen(copy, "rb");
    CHECK(f && fread(back, 1, sizeof back, f) == cases[i].count && !memcmp(back, cases[i].bytes, cases[i].count));
    if (f) fclose(f);
    unlink(copy);
    peri_tensor_release(t);
  }
}

/* A tensor larger than the writer's piece, and what IDX has no way to say. */
static void test_idx_write_limits(void) {
  enum { N = 5000 };
  peri_tensor *t = NULL, *back = NULL;
  char copy[256];
  snprintf(copy, sizeof copy, "%s/long.idx", folder);
  CHECK(peri_tensor_zeros(&t, PERI_I64, 1, (int64_t[]){N}) == PERI_OK);
  int64_t *values = peri_tensor_data(t);
  for (int64_t i = 0; i < N; i++) values[i] = i * 100003 - 70000;
  CHECK(peri_idx_write(copy, t) == PERI_OK && peri_idx_read(&back, copy) == PERI_OK);
  CHECK(back && peri_tensor_count(back) == N && !memcmp(peri_tensor_data(back), values, N * sizeof *values));
  values[N - 1] = (int64_t)INT32_MAX + 1;
  CHECK(peri_idx_write(copy, t) == PERI_EARG && says("2147483648"));
  CHECK(peri_idx_write("/nowhere/at/all", t) == PERI_EIO && says("/nowhere/at/all"));
  peri_tensor_release(back);
  CHECK(peri_idx_read(&back, copy) == PERI_OK); /* the older file is unchanged */
  peri_tensor_release(back);
  peri_tensor_release(t);
  CHECK(peri_tensor_zeros(&t, PERI_F32, 0, NULL) == PERI_OK);
  CHECK(peri_idx_write(copy, t) == PERI_ESHAPE && says("no axes"));
  peri_tensor_release(t);
  unlink(copy);
}

static void test_idx_errors(void) {
  peri_tensor *t;
  idx_refused(PERI_EFORMAT, "ends at byte 0", "", 0);
  idx_refused(PERI_EFORMAT, "ends at byte 2", "\0\0", 2);
  idx_refused(PERI_EFORMAT, "magic number is 50010800", "P\1\10\0", 4);
  idx_refused(PERI_EFORMAT, "unknown element type 0a", "\0\0\12\1\0\0\0\1x", 9);
  idx_refused(PERI_EFORMAT, "9 axes", "\0\0\10\11\0\0\0\1x", 9);
  idx_refused(PERI_EFORMAT, "0 axes", "\0\0\10\0\0\0\0\1x", 9);
  idx_refused(PERI_EFORMAT, "inside the sizes", "\0\0\10\2\0\0\0\1\0", 9);
  idx_refused(PERI_EFORMAT, "cannot hold", "\0\0\10\1\0\0\0\3ab", 10);
  idx_refused(PERI_EFORMAT, "more bytes follow after byte 10", "\0\0\10\1\0\0\0\2abc", 11);
  idx_refused(PERI_EFORMAT, "cannot hold", "\0\0\16\3\377\377\377\377\377\377\377\377\377\377\377\377", 16);
  CHECK(peri_idx_read(&t, "/nowhere/at/all") == PERI_EIO && says("/nowhere/at/all") && says("No such file"));
  CHECK(peri_idx_read(&t, folder) == PERI_EIO && says("is a folder"));
  snprintf(path, sizeof path, "%s/pipe", folder);
  CHECK(mkfifo(path, 0600) == 0);
  CHECK(peri_idx_read(&t, path) == PERI_EIO && says("no regular file")); /* and does not wait for a writer */
  /* a packed file cut in its middle, and one with a byte changed */
  static unsigned char many[16 + 5000] = {0, 0, 8, 1, 0, 0, 0x13, 0x90}, packed[8192];
  for (size_t i = 8; i < sizeof many; i++) many[i] = (unsigned char)(i * i >> 3);
  gzip_of("whole.gz", many, 5008);
  FILE *f = fopen(path, "rb");
  size_t count = fread(packed, 1, sizeof packed, f);
  fclose(f);
  CHECK(count > 1000 && count < sizeof packed);
  CHECK(peri_idx_read(&t, file_of("cut.gz", packed, count / 2)) == PERI_EFORMAT && says("unpacked contents"));
  packed[count - 6] ^= 1; /* in the checksum */
  CHECK(peri_idx_read(&t, file_of("crc.gz", packed, count)) == PERI_EFORMAT && says("cannot read past byte"));
}

static int read_csv(peri_tensor **x, peri_tensor **y, const char *text, peri_csv_options o) {
  return peri_csv_read(x, y, file_of("a.csv", text, strlen(text)), &o);
}
static const peri_csv_options look = {PERI_CSV_AUTO, PERI_CSV_AUTO, NULL, ','};

static void csv_gives(const char *text, peri_csv_options o, peri_dtype dtype, int64_t rows, int64_t columns, double last,
                      bool labels, double last_label) {
  peri_tensor *x = NULL, *y = NULL;
  CHECK(read_csv(&x, &y, text, o) == PERI_OK);
  if (!x) return;
  CHECK(x->dtype == dtype && x->shape[0] == rows && x->shape[1] == columns);
  CHECK(fabs(peri_tensor_get(x, (int64_t[]){rows - 1, columns - 1}) - last) < 1e-6);
  CHECK((y != NULL) == labels);
  if (y) CHECK(y->dtype == PERI_I64 && y->shape[0] == rows && peri_tensor_get(y, (int64_t[]){rows - 1}) == last_label);
  peri_tensor_release(x);
  peri_tensor_release(y);
}

static void csv_refused(const char *text, peri_csv_options o, int status, const char *words) {
  peri_tensor *x, *y;
  CHECK(read_csv(&x, &y, text, o) == status && x == NULL && y == NULL);
  CHECK(says(words));
  CHECK(says(path));
}

static void test_csv(void) {
  peri_csv_options first = look, named = look, none = look, tabs = look, header = look;
  first.label = 1, named.label_name = "kind", none.label = 0, tabs.separator = '\t', header.header = 1;
  csv_gives("label,pixel0,pixel1\n7,0,255\n3,1,2\n", look, PERI_U8, 2, 2, 2, true, 3);
  csv_gives("label,1x1,1x2\r\n7,0,255\r\n3,1,9\r\n", look, PERI_U8, 2, 2, 9, true, 3);
  csv_gives("pixel0,pixel1\n0,255\n1,2", look, PERI_U8, 2, 2, 2, false, 0);
  csv_gives("1,2,3\n4,5,6\n", look, PERI_U8, 2, 3, 6, false, 0);
  csv_gives("1,2,3\n\n4,5,6\n\n", first, PERI_U8, 2, 2, 6, true, 4);
  csv_gives("a,kind\n0.5,3\n-1e2,4\n", named, PERI_F32, 2, 1, -100, true, 4);
  csv_gives("1,2\n3,256\n", look, PERI_F32, 2, 2, 256, false, 0);
  csv_gives("1,2\n3,0.25\n", look, PERI_F32, 2, 2, 0.25, false, 0);
  csv_gives("\"label\",\"a\"\n\"7\",\" 12 \"\n", look, PERI_U8, 1, 1, 12, true, 7);
  csv_gives("\xEF\xBB\xBFlabel,a\n1,2\n", look, PERI_U8, 1, 1, 2, true, 1);
  csv_gives("label,a\n1,2\n", none, PERI_U8, 1, 2, 2, false, 0);
  csv_gives("1\t2\n3\t4\n", tabs, PERI_U8, 2, 2, 4, false, 0);
  csv_gives("1,2\n3,4\n", header, PERI_U8, 1, 2, 4, false, 0);
  csv_gives("1,123456789012345678901234567890\n", look, PERI_F32, 1, 2, 1.23456789012345678e29f, false, 0);
}

static void test_csv_errors(void) {
  peri_csv_options first = look, fourth = look, named = look, bare = look, odd = look;
  first.label = 1, fourth.label = 4, named.label_name = "kind", bare.header = 0, odd.separator = '1';
  csv_refused("", look, PERI_EFORMAT, "no row");
  csv_refused("label,a\n", look, PERI_EFORMAT, "no row");
  csv_refused("1,2\n3\n", look, PERI_EFORMAT, "line 2 has 1 column, expected 2");
  csv_refused("1,2\n3,4,5\n", look, PERI_EFORMAT, "line 2 has 3 columns, expected 2");
  csv_refused("1,2\n3,x4\n", look, PERI_EFORMAT, "line 2, column 2: 'x4', expected a number");
  csv_refused("1,2\n\n3,0x10\n", look, PERI_EFORMAT, "line 3, column 2: '0x10'");
  csv_refused("1,2\n3,\n", look, PERI_EFORMAT, "line 2, column 2: the cell is empty");
  csv_refused("1,2\n3,1 2\n", look, PERI_EFORMAT, "line 2, column 2: '1 2'");
  csv_refused("1,2\n1.5,2\n", first, PERI_EFORMAT, "line 2, column 1: '1.5', expected a label");
  csv_refused("1,2\nnan,2\n", first, PERI_EFORMAT, "expected a label");
  csv_refused("1,2\n3,\"4\n5,6\n", look, PERI_EFORMAT, "closing quote");
  csv_refused("a,b\n1,2\n", bare, PERI_EFORMAT, "line 1, column 1: 'a'");
  csv_refused("1,2\n", fourth, PERI_EARG, "label's column is 4, but there are 2");
  csv_refused("a,b\n1,2\n", named, PERI_EARG, "called 'kind'");
  csv_refused("1,2\n", named, PERI_EARG, "called 'kind'");
  csv_refused("5\n", first, PERI_EFORMAT, "beside the labels");
  csv_refused("1,2\n3,\1\2\n", look, PERI_EFORMAT, "column 2: '?");
  csv_refused("1,2\n3,44444444444444444444444444444444444444444444444444444444444444444444444444\n", look, PERI_EFORMAT, "line 2");
  peri_tensor *x, *y;
  CHECK(peri_csv_read(&x, &y, path, &odd) == PERI_EARG && says("cannot separate"));
  CHECK(peri_csv_read(&x, &y, "/nowhere", &look) == PERI_EIO);
}

/* A table larger than a block, so that cells and lines cross its edges. */
static void test_csv_long(void) {
  enum { ROWS = 700, COLUMNS = 785 };
  char *text = malloc(ROWS * COLUMNS * 4 + 1), *p = text;
  for (int r = 0; r < ROWS; r++) {
    for (int c = 0; c < COLUMNS; c++) p += sprintf(p, "%d%c", (r * 31 + c * 7) % 256 % (c ? 256 : 10), c < COLUMNS - 1 ? ',' : '\n');
  }
  peri_tensor *x = NULL, *y = NULL;
  CHECK(peri_csv_read(&x, &y, gzip_of("long.csv.gz", text, (size_t)(p - text)), &look) == PERI_OK);
  CHECK(x && y && x->dtype == PERI_U8 && x->shape[0] == ROWS && x->shape[1] == COLUMNS - 1);
  int wrong = 0;
  for (int r = 0; x && r < ROWS; r++) {
    const uint8_t *row = (uint8_t *)peri_tensor_data(x) + r * (COLUMNS - 1);
    for (int c = 1; c < COLUMNS; c++) wrong += row[c - 1] != (r * 31 + c * 7) % 256;
    wrong += ((int64_t *)peri_tensor_data(y))[r] != r * 31 % 256 % 10;
  }
  CHECK(wrong == 0);
  peri_tensor_release(x);
  peri_tensor_release(y);
  free(text);
}

static void test_order(void) {
  enum { N = 1000 };
  peri_tensor *a, *b, *c, *d, *e;
  CHECK(peri_batch_order(&a, 7, 3, N) == PERI_OK && peri_batch_order(&b, 7, 3, N) == PERI_OK);
  CHECK(peri_batch_order(&c, 7, 4, N) == PERI_OK && peri_batch_order(&d, 8, 3, N) == PERI_OK);
  CHECK(memcmp(peri_tensor_data(a), peri_tensor_data(b), N * 8) == 0);
  CHECK(memcmp(peri_tensor_data(a), peri_tensor_data(c), N * 8) != 0);
  CHECK(memcmp(peri_tensor_data(a), peri_tensor_data(d), N * 8) != 0);
  int64_t seen = 0, fixed = 0, *order = peri_tensor_data(a);
  bool met[N + 1] = {false};
  for (int i = 0; i < N; i++) {
    if (order[i] >= 1 && order[i] <= N && !met[order[i]]) met[order[i]] = true, seen++;
    fixed += order[i] == i + 1;
  }
  CHECK(seen == N && fixed < 10);
  CHECK(peri_batch_order(&e, 1, 1, 0) == PERI_OK && e->shape[0] == 0);
  peri_tensor_release(e);
  CHECK(peri_batch_order(&e, 1, 1, -1) == PERI_EARG && e == NULL);
  peri_tensor_release(a), peri_tensor_release(b), peri_tensor_release(c), peri_tensor_release(d);
}

static void test_gather(void) {
  uint8_t pixels[4 * 6];
  int64_t places[] = {4, 1, 3, 3};
  double scale[] = {1 / 255.0, 0.5, 2}, shift[] = {0, 1, -1};
  for (int i = 0; i < 24; i++) pixels[i] = (uint8_t)(i * 10);
  peri_tensor *source, *order, *out, *view;
  CHECK(peri_tensor_from(&source, PERI_U8, 3, (int64_t[]){4, 2, 3}, pixels) == PERI_OK);
  CHECK(peri_tensor_from(&order, PERI_I64, 1, (int64_t[]){4}, places) == PERI_OK);
  CHECK(peri_batch_gather(&out, source, order, 2, 3, 3, scale, shift) == PERI_OK);
  CHECK(out->dtype == PERI_F32 && out->ndim == 3 && out->shape[0] == 3 && out->shape[2] == 3);
  const float *v = peri_tensor_data(out);
  int wrong = 0;
  for (int i = 0; i < 18; i++) {
    double pixel = pixels[(places[1 + i / 6] - 1) * 6 + i % 6];
    wrong += fabs(v[i] - (pixel * scale[i % 3] + shift[i % 3])) > 1e-5;
  }
  CHECK(wrong == 0);
  peri_tensor_release(out);
  CHECK(peri_batch_take(&out, source, order, 1, 4) == PERI_OK && out->dtype == PERI_U8);
  CHECK(memcmp(peri_tensor_data(out), pixels + 18, 6) == 0 && memcmp((char *)peri_tensor_data(out) + 6, pixels, 6) == 0);
  peri_tensor_release(out);
  CHECK(peri_batch_gather(&out, source, NULL, 3, 2, 1, scale, shift) == PERI_OK);
  CHECK(fabsf(((float *)peri_tensor_data(out))[0] - 120 / 255.0f) < 1e-6f);
  peri_tensor_release(out);
  /* a view with steps, and an empty batch */
  CHECK(peri_tensor_slice(&view, source, 0, 3, 4, -1) == PERI_OK);
  CHECK(peri_batch_take(&out, view, order, 1, 1) == PERI_OK && memcmp(peri_tensor_data(out), pixels, 6) == 0);
  peri_tensor_release(out);
  CHECK(peri_batch_take(&out, source, order, 1, 0) == PERI_OK && out->shape[0] == 0 && out->shape[1] == 2);
  peri_tensor_release(out);
  /* refusals */
  CHECK(peri_batch_take(&out, source, order, 2, 4) == PERI_EARG && out == NULL && says("rows 2 to 5 of 4"));
  CHECK(peri_batch_take(&out, source, order, 0, 1) == PERI_EARG);
  CHECK(peri_batch_take(&out, source, source, 1, 1) == PERI_ETYPE && says("expected int64"));
  CHECK(peri_batch_gather(&out, source, order, 1, 1, 2, scale, shift) == PERI_ESHAPE && says("2 channels"));
  CHECK(peri_batch_gather(&out, source, order, 1, 1, 0, scale, shift) == PERI_EARG);
  ((int64_t *)peri_tensor_data(order))[2] = 5;
  CHECK(peri_batch_take(&out, source, order, 1, 3) == PERI_EARG && says("order[3] is 5"));
  CHECK(peri_batch_take(&out, source, order, 1, 2) == PERI_OK);
  peri_tensor_release(out), peri_tensor_release(view), peri_tensor_release(source), peri_tensor_release(order);
}

static void test_onehot_and_moments(void) {
  int64_t labels[] = {2, 0, 1};
  float values[] = {1, 10, 3, 20, 5, 60};
  double mean[2], deviation[2];
  peri_tensor *y, *x, *out;
  CHECK(peri_tensor_from(&y, PERI_I64, 1, (int64_t[]){3}, labels) == PERI_OK);
  CHECK(peri_batch_onehot(&out, y, 3) == PERI_OK && out->dtype == PERI_F32);
  static const float expected[] = {0, 0, 1, 1, 0, 0, 0, 1, 0};
  CHECK(memcmp(peri_tensor_data(out), expected, sizeof expected) == 0);
  peri_tensor_release(out);
  CHECK(peri_batch_onehot(&out, y, 2) == PERI_EARG && out == NULL && says("label 2 at row 1"));
  CHECK(peri_tensor_from(&x, PERI_F32, 2, (int64_t[]){3, 2}, values) == PERI_OK);
  CHECK(peri_batch_moments(x, NULL, 2, mean, deviation) == PERI_OK);
  CHECK(fabs(mean[0] - 3) < 1e-9 && fabs(mean[1] - 30) < 1e-9);
  CHECK(fabs(deviation[0] - sqrt(8 / 3.0)) < 1e-9 && fabs(deviation[1] - sqrt(1400 / 3.0)) < 1e-9);
  CHECK(peri_batch_moments(x, NULL, 1, mean, deviation) == PERI_OK && fabs(mean[0] - 16.5) < 1e-9);
  CHECK(peri_batch_moments(x, NULL, 3, mean, deviation) == PERI_ESHAPE);
  peri_tensor_release(x), peri_tensor_release(y);
}

/* The bits of a batch do not depend on the number of threads. */
static void test_threads(void) {
  enum { N = 3000, ROW = 100 };
  double scale = 1 / 255.0, shift = -0.1307;
  peri_tensor *source, *order, *out[2];
  CHECK(peri_tensor_zeros(&source, PERI_U8, 2, (int64_t[]){N, ROW}) == PERI_OK);
  uint8_t *pixels = peri_tensor_data(source);
  for (int i = 0; i < N * ROW; i++) pixels[i] = (uint8_t)(i * 2654435761U >> 24);
  CHECK(peri_batch_order(&order, 1, 1, N) == PERI_OK);
  for (int i = 0; i < 2; i++) {
    peri_threads_set(i ? 3 : 1);
    CHECK(peri_batch_gather(&out[i], source, order, 1, N, 1, &scale, &shift) == PERI_OK);
  }
  CHECK(memcmp(peri_tensor_data(out[0]), peri_tensor_data(out[1]), sizeof(float) * N * ROW) == 0);
  peri_tensor_release(out[0]), peri_tensor_release(out[1]), peri_tensor_release(source), peri_tensor_release(order);
}

int main(void) {
  if (!mkdtemp(folder)) return 1;
  uint64_t live = peri_memory_live();
  test_idx_types();
  test_idx_errors();
  test_idx_write();
  test_idx_write_limits();
  test_csv();
  test_csv_errors();
  test_csv_long();
  test_order();
  test_gather();
  test_onehot_and_moments();
  test_threads();
  CHECK(peri_memory_live() == live);
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) failures++;
  printf("%s: %d failures\n", __FILE__, failures);
  return failures != 0;
}
