/* zip_write.c - an archive of stored members.

   The date is always 1980-01-01, so that the same content gives the same bytes. zip64 fields appear
   only where a number needs them. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "format/zip.h"

enum { LARGE = 0x7FFFFFFF, DOS_DATE = 0x21, FLAG_UTF8 = 0x800, MAX_NAME = 4096 };

/* A record under construction. */
typedef struct record {
  size_t used;
  uint8_t data[128];
} record;

static void put(record *r, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) r->data[r->used++] = (uint8_t)(value >> 8 * i);
}

static uint64_t cut(uint64_t value) { return value > LARGE ? 0xFFFFFFFF : value; }

static int write_record(peri_zip_writer *z, const record *r, const char *name) {
  PERI_TRY(peri_file_writer_write(z->file, r->data, r->used));
  return name ? peri_file_writer_write(z->file, name, strlen(name)) : PERI_OK;
}

static int add(peri_zip_writer *z, const peri_zip_member *m) {
  if (z->count == z->capacity) {
    size_t larger = z->capacity ? 2 * z->capacity : 8;
    peri_zip_member *moved = peri_alloc(larger * sizeof *moved);
    if (!moved) return PERI_ENOMEM;
    if (z->count) memcpy(moved, z->member, z->count * sizeof *moved);
    peri_free(z->member);
    z->member = moved;
    z->capacity = larger;
  }
  z->member[z->count] = *m;
  z->member[z->count].name = peri_strdup(m->name);
  return z->member[z->count].name ? (int)(z->count++, PERI_OK) : PERI_ENOMEM;
}

/* The fields that a local header and a directory entry share: version needed to name length. */
static void put_common(record *r, const peri_zip_member *m) {
  put(r, m->size > LARGE ? 45 : 20, 2);
  put(r, FLAG_UTF8, 2);
  put(r, 0, 2); /* stored */
  put(r, 0, 2);
  put(r, DOS_DATE, 2);
  put(r, m->crc, 4);
  put(r, cut(m->size), 4);
  put(r, cut(m->size), 4);
  put(r, strlen(m->name), 2);
}

int peri_zip_begin(peri_zip_writer *z, const char *name, uint64_t size, uint32_t crc) {
  char copy[MAX_NAME + 1];
  size_t length = strlen(name);
  if (length == 0 || length > MAX_NAME)
    return peri_fail(PERI_EARG, "zip: a member's name must have 1 to %d bytes", MAX_NAME);
  memcpy(copy, name, length + 1);
  peri_zip_member m = {
      .name = copy, .header = peri_file_writer_offset(z->file), .packed = size, .size = size, .crc = crc};
  PERI_TRY(add(z, &m));
  record r = {0}, extra = {0};
  put(&r, 0x04034B50, 4);
  put_common(&r, &m);
  if (size > LARGE) {
    put(&extra, 1, 2);
    put(&extra, 16, 2);
    put(&extra, size, 8);
    put(&extra, size, 8);
  }
  put(&r, extra.used, 2);
  PERI_TRY(write_record(z, &r, name));
  return write_record(z, &extra, NULL);
}

static int write_entry(peri_zip_writer *z, const peri_zip_member *m) {
  record r = {0}, extra = {0};
  if (m->size > LARGE) {
    put(&extra, m->size, 8);
    put(&extra, m->size, 8);
  }
  if (m->header > LARGE) put(&extra, m->header, 8);
  put(&r, 0x02014B50, 4);
  put(&r, 45, 2); /* made by: version 4.5, no particular system */
  put_common(&r, m);
  put(&r, extra.used ? extra.used + 4 : 0, 2);
  put(&r, 0, 8); /* comment length, disk, internal attributes, half of the external ones */
  put(&r, 0, 2);
  put(&r, cut(m->header), 4);
  PERI_TRY(write_record(z, &r, m->name));
  if (!extra.used) return PERI_OK;
  record tag = {0};
  put(&tag, 1, 2);
  put(&tag, extra.used, 2);
  PERI_TRY(write_record(z, &tag, NULL));
  return write_record(z, &extra, NULL);
}

static int write_end64(peri_zip_writer *z, uint64_t start, uint64_t end) {
  record r = {0};
  put(&r, 0x06064B50, 4);
  put(&r, 44, 8);
  put(&r, 45, 2);
  put(&r, 45, 2);
  put(&r, 0, 8);
  put(&r, z->count, 8);
  put(&r, z->count, 8);
  put(&r, end - start, 8);
  put(&r, start, 8);
  put(&r, 0x07064B50, 4); /* the locator */
  put(&r, 0, 4);
  put(&r, end, 8);
  put(&r, 1, 4);
  return write_record(z, &r, NULL);
}

int peri_zip_finish(peri_zip_writer *z) {
  uint64_t start = peri_file_writer_offset(z->file);
  for (size_t i = 0; i < z->count; i++) PERI_TRY(write_entry(z, &z->member[i]));
  uint64_t end = peri_file_writer_offset(z->file);
  bool large = z->count >= 0xFFFF || end > LARGE;
  if (large) PERI_TRY(write_end64(z, start, end));
  record r = {0};
  put(&r, 0x06054B50, 4);
  put(&r, 0, 4);
  put(&r, large ? 0xFFFF : z->count, 2);
  put(&r, large ? 0xFFFF : z->count, 2);
  put(&r, large ? 0xFFFFFFFF : end - start, 4);
  put(&r, large ? 0xFFFFFFFF : start, 4);
  put(&r, 0, 2);
  return write_record(z, &r, NULL);
}

void peri_zip_writer_clear(peri_zip_writer *z) {
  for (size_t i = 0; i < z->count; i++) peri_free(z->member[i].name);
  peri_free(z->member);
  *z = (peri_zip_writer){0};
}
