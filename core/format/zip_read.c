/* zip_read.c - finding the members of an archive, and their bytes.

   An archive ends with:  directory entries | [zip64 end record, its locator] | end record (22 bytes)
   and a comment of up to 65535 bytes. Each entry points back at a local header, whose variable parts
   stand before the member's bytes. All numbers are little-endian. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "format/named.h"
#include "format/zip.h"

enum {
  END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20, ENTRY_BYTES = 46, LOCAL_BYTES = 30,
  MAX_COMMENT = 65535, MAX_MEMBERS = 1 << 20, MAX_DIRECTORY = 1 << 28, CHUNK = 1 << 16,
  FLAG_ENCRYPTED = 1
};

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }
static uint64_t u64(const uint8_t *p) { return u32(p) | (uint64_t)u32(p + 4) << 32; }

static int fail(const peri_file_reader *r, const char *what) {
  return peri_fail(PERI_EFORMAT, "%s: bad zip archive: %s", r->path, what);
}

typedef struct directory {
  uint64_t count, bytes, offset;
} directory;

/* The zip64 end record, when the plain one has no room for the numbers. */
static int find_end64(const peri_file_reader *r, uint64_t end, directory *d) {
  uint8_t data[END64_BYTES];
  if (end < LOCATOR_BYTES + END64_BYTES) return PERI_OK;
  PERI_TRY(peri_file_reader_at(r, end - LOCATOR_BYTES, data, LOCATOR_BYTES));
  if (u32(data) != 0x07064B50) return PERI_OK;
  uint64_t at = u64(data + 8);
  if (at > end - LOCATOR_BYTES - END64_BYTES) return fail(r, "the zip64 record lies outside the file");
  PERI_TRY(peri_file_reader_at(r, at, data, END64_BYTES));
  if (u32(data) != 0x06064B50) return fail(r, "the zip64 record is damaged");
  *d = (directory){.count = u64(data + 32), .bytes = u64(data + 40), .offset = u64(data + 48)};
  return PERI_OK;
}

/* Searches the end record backwards: the last signature whose comment reaches exactly to the end. */
static int find_end(const peri_file_reader *r, directory *d) {
  uint64_t tail = r->size < END_BYTES + MAX_COMMENT ? r->size : END_BYTES + MAX_COMMENT, end = 0;
  if (r->size < END_BYTES) return fail(r, "it is shorter than an empty one");
  uint8_t *data = peri_alloc((size_t)tail);
  if (!data) return PERI_ENOMEM;
  int status = peri_file_reader_at(r, r->size - tail, data, (size_t)tail);
  bool found = false, split = false;
  for (uint64_t i = tail - END_BYTES + 1; status == PERI_OK && !found && i-- > 0;) {
    const uint8_t *p = data + i;
    if (u32(p) != 0x06054B50 || u16(p + 20) != tail - i - END_BYTES) continue;
    found = true;
    split = u16(p + 4) != 0 && u16(p + 4) != 0xFFFF;
    end = r->size - tail + i;
    *d = (directory){.count = u16(p + 10), .bytes = u32(p + 12), .offset = u32(p + 16)};
  }
  peri_free(data);
  PERI_TRY(status);
  if (!found) return fail(r, "it has no end record (not a zip file, or cut short)");
  if (split) return fail(r, "it is split over several files");
  if (d->count == 0xFFFF || d->bytes == 0xFFFFFFFF || d->offset == 0xFFFFFFFF) PERI_TRY(find_end64(r, end, d));
  if (d->offset > end || d->bytes > end - d->offset) return fail(r, "the directory lies outside the file");
  if (d->count > MAX_MEMBERS || d->bytes > MAX_DIRECTORY || d->count * ENTRY_BYTES > d->bytes) {
    return fail(r, "the directory's size is absurd");
  }
  return PERI_OK;
}

/* Sizes that do not fit into 32 bits stand in extra field 1, only those, in this order. */
static int read_extra64(const peri_file_reader *r, const uint8_t *extra, size_t bytes, peri_zip_member *m) {
  uint64_t *wanted[3] = {m->size == 0xFFFFFFFF ? &m->size : NULL, m->packed == 0xFFFFFFFF ? &m->packed : NULL,
                         m->header == 0xFFFFFFFF ? &m->header : NULL};
  if (!wanted[0] && !wanted[1] && !wanted[2]) return PERI_OK;
  while (bytes >= 4) {
    size_t kind = u16(extra), length = u16(extra + 2);
    extra += 4;
    bytes -= 4;
    if (length > bytes) break;
    if (kind == 1) {
      for (int i = 0; i < 3; i++) {
        if (!wanted[i]) continue;
        if (length < 8) return fail(r, "a zip64 size is missing");
        *wanted[i] = u64(extra);
        extra += 8;
        length -= 8;
      }
      return PERI_OK;
    }
    extra += length;
    bytes -= length;
  }
  return PERI_OK; /* a member of exactly 2^32 - 1 bytes, or nonsense that the range checks find */
}

static int read_entry(const peri_file_reader *r, const uint8_t *entry, size_t left, peri_zip_member *m, size_t *used) {
  if (left < ENTRY_BYTES || u32(entry) != 0x02014B50) return fail(r, "a directory entry is damaged");
  size_t name = u16(entry + 28), extra = u16(entry + 30), comment = u16(entry + 32);
  *used = ENTRY_BYTES + name + extra + comment;
  if (*used > left) return fail(r, "a directory entry runs past the directory");
  const char *text = (const char *)entry + ENTRY_BYTES;
  if (name == 0 || memchr(text, 0, name)) return fail(r, "a member's name is empty or holds a NUL");
  if (!peri_utf8_valid(text, name)) return fail(r, "a member's name is not UTF-8");
  *m = (peri_zip_member){.header = u32(entry + 42), .packed = u32(entry + 20), .size = u32(entry + 24),
                         .crc = u32(entry + 16)};
  m->name = peri_alloc(name + 1);
  if (!m->name) return PERI_ENOMEM;
  memcpy(m->name, text, name);
  m->name[name] = '\0';
  unsigned method = u16(entry + 10);
  if (u16(entry + 8) & FLAG_ENCRYPTED) return fail(r, "it is encrypted");
  if (method != 0 && method != 8) {
    return peri_fail(PERI_EUNSUPPORTED,
                     "%s: member '%s' is packed by method %u; stored (0) and deflated (8) can be read", r->path,
                     m->name, method);
  }
  m->deflated = method == 8;
  return read_extra64(r, entry + ENTRY_BYTES + name, extra, m);
}

/* Where the member's bytes begin, and whether they can be what the directory says. */
static int locate(const peri_file_reader *r, peri_zip_member *m, uint64_t limit) {
  uint8_t local[LOCAL_BYTES];
  if (m->header > limit || limit - m->header < LOCAL_BYTES) return fail(r, "a member lies outside the file");
  PERI_TRY(peri_file_reader_at(r, m->header, local, LOCAL_BYTES));
  if (u32(local) != 0x04034B50) return fail(r, "a member's header is damaged");
  m->offset = m->header + LOCAL_BYTES + u16(local + 26) + u16(local + 28);
  if (m->offset > limit || m->packed > limit - m->offset) return fail(r, "a member runs past the directory");
  if (!m->deflated && m->packed != m->size) return fail(r, "a stored member has two sizes");
  if (m->deflated && m->size / 1032 > m->packed) {
    return peri_fail(PERI_EFORMAT, "%s: member '%s' claims %" PRIu64 " bytes out of %" PRIu64 ": impossible", r->path,
                     m->name, m->size, m->packed);
  }
  return PERI_OK;
}

static int by_header(const void *a, const void *b) {
  uint64_t x = (*(peri_zip_member *const *)a)->header, y = (*(peri_zip_member *const *)b)->header;
  return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(peri_zip_member *const *)a)->name, (*(peri_zip_member *const *)b)->name);
}

static int check_apart(const peri_zip *z) {
  if (z->count < 2) return PERI_OK;
  peri_zip_member **sorted = peri_alloc(z->count * sizeof *sorted);
  if (!sorted) return PERI_ENOMEM;
  int status = PERI_OK;
  for (size_t i = 0; i < z->count; i++) sorted[i] = &z->member[i];
  qsort(sorted, z->count, sizeof *sorted, by_header);
  for (size_t i = 1; i < z->count && status == PERI_OK; i++) {
    if (sorted[i - 1]->offset + sorted[i - 1]->packed > sorted[i]->header) status = fail(z->reader, "members overlap");
  }
  qsort(sorted, z->count, sizeof *sorted, by_name);
  for (size_t i = 1; i < z->count && status == PERI_OK; i++) {
    if (!strcmp(sorted[i - 1]->name, sorted[i]->name)) {
      status = peri_fail(PERI_EFORMAT, "%s: two members are called '%s'", z->reader->path, sorted[i]->name);
    }
  }
  peri_free(sorted);
  return status;
}

/* What one archive may unfold to, all in all: real weights hardly deflate, so this is a bomb's limit. */
static const uint64_t MAX_UNPACKED = (uint64_t)4 << 30;

static int check_total(const peri_zip *z) {
  uint64_t total = 0;
  for (size_t i = 0; i < z->count; i++) {
    if (!z->member[i].deflated) continue;
    if (z->member[i].size > MAX_UNPACKED - total) return fail(z->reader, "it unpacks to more than 4 GB");
    total += z->member[i].size;
  }
  return PERI_OK;
}

static int read_directory(peri_zip *z, const directory *d, const uint8_t *data) {
  size_t at = 0, used = 0;
  for (uint64_t i = 0; i < d->count; i++) {
    peri_zip_member *m = &z->member[z->count++]; /* counted first: its name is freed even after a failure */
    *m = (peri_zip_member){0};
    PERI_TRY(read_entry(z->reader, data + at, (size_t)d->bytes - at, m, &used));
    PERI_TRY(locate(z->reader, m, d->offset));
    at += used;
  }
  PERI_TRY(check_total(z));
  return check_apart(z);
}

int peri_zip_open(peri_zip *z, const peri_file_reader *r) {
  directory d = {0};
  *z = (peri_zip){.reader = r};
  PERI_TRY(find_end(r, &d));
  uint8_t *data = peri_alloc((size_t)d.bytes);
  if (!data) return PERI_ENOMEM;
  int status = peri_file_reader_at(r, d.offset, data, (size_t)d.bytes);
  z->member = status == PERI_OK ? peri_alloc(((size_t)d.count + 1) * sizeof *z->member) : NULL;
  if (status == PERI_OK) status = z->member ? read_directory(z, &d, data) : PERI_ENOMEM;
  peri_free(data);
  if (status < 0) peri_zip_close(z);
  return status;
}

void peri_zip_close(peri_zip *z) {
  for (size_t i = 0; i < z->count; i++) peri_free(z->member[i].name);
  peri_free(z->member);
  *z = (peri_zip){0};
}

/* --- members --- */

static int check_crc(const peri_zip *z, const peri_zip_member *m, uLong crc) {
  if ((uint32_t)crc == m->crc) return PERI_OK;
  return peri_fail(PERI_EFORMAT, "%s: member '%s' is damaged: its checksum is %08lx, not %08x", z->reader->path,
                   m->name, crc, m->crc);
}

int peri_zip_verify(const peri_zip *z, const peri_zip_member *m) {
  uint8_t *chunk = peri_alloc(CHUNK);
  if (!chunk) return PERI_ENOMEM;
  uLong crc = crc32(0, NULL, 0);
  int status = PERI_OK;
  for (uint64_t at = 0; at < m->packed && status == PERI_OK;) {
    size_t size = m->packed - at < CHUNK ? (size_t)(m->packed - at) : CHUNK;
    status = peri_file_reader_at(z->reader, m->offset + at, chunk, size);
    if (status == PERI_OK) crc = crc32(crc, chunk, (uInt)size);
    at += size;
  }
  peri_free(chunk);
  PERI_TRY(status);
  return check_crc(z, m, crc);
}

/* Inflates into to[m->size]; the stream must end exactly there, and use all the packed bytes. */
static int inflate_all(const peri_zip *z, const peri_zip_member *m, uint8_t *to, uint8_t *chunk) {
  z_stream stream = {0};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return peri_fail(PERI_ENOMEM, "zlib: out of memory");
  int status = PERI_OK, done = Z_OK;
  uint64_t taken = 0, made = 0;
  uint8_t none; /* zlib wants somewhere to write even when nothing is left */
  while (status == PERI_OK && done == Z_OK) {
    if (stream.avail_in == 0 && taken < m->packed) {
      size_t size = m->packed - taken < CHUNK ? (size_t)(m->packed - taken) : CHUNK;
      status = peri_file_reader_at(z->reader, m->offset + taken, chunk, size);
      if (status < 0) break;
      stream.next_in = chunk;
      stream.avail_in = (uInt)size;
      taken += size;
    }
    uint64_t room = m->size - made;
    uInt given = room > 1U << 30 ? 1U << 30 : (uInt)room;
    stream.next_out = given ? to + made : &none;
    stream.avail_out = given;
    done = inflate(&stream, Z_NO_FLUSH);
    made += given - stream.avail_out;
  }
  if (status == PERI_OK && (done != Z_STREAM_END || made != m->size || taken != m->packed || stream.avail_in)) {
    status = peri_fail(PERI_EFORMAT, "%s: member '%s' is damaged: %s", z->reader->path, m->name,
                       stream.msg ? stream.msg : "it does not unpack to its size");
  }
  inflateEnd(&stream);
  return status;
}

static uLong crc_of(const uint8_t *data, uint64_t bytes) {
  uLong crc = crc32(0, NULL, 0);
  while (bytes) {
    uInt size = bytes < 1U << 30 ? (uInt)bytes : 1U << 30;
    crc = crc32(crc, data, size);
    data += size;
    bytes -= size;
  }
  return crc;
}

int peri_zip_read(uint8_t **out, const peri_zip *z, const peri_zip_member *m) {
  *out = NULL;
  uint8_t *data = peri_alloc((size_t)m->size + 1), *chunk = data ? peri_alloc(CHUNK) : NULL;
  int status = chunk ? PERI_OK : PERI_ENOMEM;
  if (status == PERI_OK) {
    status = m->deflated ? inflate_all(z, m, data, chunk)
                         : peri_file_reader_at(z->reader, m->offset, data, (size_t)m->size);
  }
  if (status == PERI_OK) status = check_crc(z, m, crc_of(data, m->size));
  peri_free(chunk);
  if (status == PERI_OK) *out = data;
  else peri_free(data);
  return status;
}
