/* npz.c - a zip of npy files. A stored member is read in place, a deflated one is unpacked first. */
#include <string.h>
#include <stdio.h>
#include <zlib.h>

#include "base/memory.h"
#include "format/elements.h"
#include "format/npy.h"
#include "format/zip.h"

enum { MAX_NAME = 2048 };

/* --- reading --- */

static int read_member(peri_tensor **out, const peri_zip *z, const peri_zip_member *m) {
  char where[512];
  snprintf(where, sizeof where, "%s: member '%.200s'", z->reader->path, m->name);
  if (!m->deflated) {
    PERI_TRY(peri_zip_verify(z, m));
    return peri__npy_read(out, z->reader, m->offset, m->size, where);
  }
  uint8_t *data;
  PERI_TRY(peri_zip_read(&data, z, m));
  int status = peri_npy_parse(out, data, (size_t)m->size, where);
  peri_free(data);
  return status;
}

static int add_member(peri_named *out, const peri_zip *z, const peri_zip_member *m) {
  size_t length = strlen(m->name);
  if (length <= 4 || length > MAX_NAME || strcmp(m->name + length - 4, ".npy") != 0) {
    return peri_fail(PERI_EFORMAT, "%s: member '%.200s' is no array (its name must be NAME.npy)", z->reader->path,
                     m->name);
  }
  char name[MAX_NAME + 1];
  peri_tensor *t;
  memcpy(name, m->name, length - 4);
  name[length - 4] = '\0';
  PERI_TRY(read_member(&t, z, m));
  int status = peri_named_add(out, name, t);
  peri_tensor_release(t);
  return status;
}

static int read_all(peri_named *out, peri_file_reader *r) {
  peri_zip z;
  peri_named list = {0};
  int status = peri_zip_open(&z, r);
  if (status == PERI_OK) {
    for (size_t i = 0; i < z.count && status == PERI_OK; i++) status = add_member(&list, &z, &z.member[i]);
    peri_zip_close(&z);
  }
  peri_file_reader_close(r);
  if (status < 0) peri_named_clear(&list);
  *out = list;
  return status;
}

int peri_npz_load(peri_named *out, const char *path) {
  peri_file_reader r;
  *out = (peri_named){0};
  PERI_TRY(peri_file_reader_open(&r, path));
  return read_all(out, &r);
}

int peri_npz_parse(peri_named *out, const void *data, size_t bytes, const char *path) {
  peri_file_reader r;
  *out = (peri_named){0};
  PERI_TRY(peri_file_reader_memory(&r, data, bytes, path));
  return read_all(out, &r);
}

/* --- writing --- */

static int check_name(const char *path, const char *name) {
  if (!*name || strlen(name) > MAX_NAME) {
    return peri_fail(PERI_EARG, "%s: an array's name must have 1 to %d bytes", path, MAX_NAME);
  }
  if (!peri_utf8_valid(name, strlen(name))) return peri_fail(PERI_EARG, "%s: the name '%s' is not UTF-8", path, name);
  if (*name == '/' || strchr(name, '\\') || strstr(name, "..")) {
    return peri_fail(PERI_EARG, "%s: the name '%s' could leave the folder it is unpacked in", path, name);
  }
  return PERI_OK;
}

static int add_crc(void *context, const void *data, size_t bytes) {
  uLong *crc = context;
  for (const uint8_t *at = data; bytes;) {
    uInt size = bytes < 1U << 30 ? (uInt)bytes : 1U << 30;
    *crc = crc32(*crc, at, size);
    at += size;
    bytes -= size;
  }
  return PERI_OK;
}

static int write_member(peri_zip_writer *z, const peri_named_tensor *item) {
  char text[PERI_NPY_HEADER], name[MAX_NAME + 5];
  size_t length = peri__npy_header(text, item->tensor);
  uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)text, (uInt)length);
  snprintf(name, sizeof name, "%s.npy", item->name);
  PERI_TRY(peri_elements_each(item->tensor, add_crc, &crc));
  uint64_t size = length + (uint64_t)peri_tensor_count(item->tensor) * peri_dtype_size(item->tensor->dtype);
  PERI_TRY(peri_zip_begin(z, name, size, (uint32_t)crc));
  PERI_TRY(peri_file_writer_write(z->file, text, length));
  return peri_elements_write(z->file, item->tensor);
}

int peri_npz_save(const char *path, const peri_named *list) {
  PERI_TRY(peri_named_unique(list, path, PERI_EARG));
  for (size_t i = 0; i < list->tensors; i++) PERI_TRY(check_name(path, list->tensor[i].name));
  peri_zip_writer z = {0};
  PERI_TRY(peri_file_writer_open(&z.file, path));
  peri_file_writer *file = z.file;
  int status = PERI_OK;
  for (size_t i = 0; i < list->tensors && status == PERI_OK; i++) status = write_member(&z, &list->tensor[i]);
  if (status == PERI_OK) status = peri_zip_finish(&z);
  peri_zip_writer_clear(&z);
  if (status == PERI_OK) return peri_file_writer_commit(file);
  peri_file_writer_abort(file);
  return status;
}
