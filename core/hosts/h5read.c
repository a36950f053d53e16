/* h5read.c - perilune-h5read FILE [SKIPPED_GROUP...]: the child that opens foreign HDF5 files.

   It walks the whole file and sends it to standard output as frames (h5frames.h): groups, numeric
   datasets as little-endian float32, float64, int64 or uint8, and texts and lists of texts among the
   attributes; other kinds of object and attribute are passed over. Root groups named on the command
   line are skipped. It lives for one file and limits itself first: memory, time, no file larger than
   0 bytes, no core dump, no new privileges. libhdf5 may then crash or hang as it likes: the parent
   sees a dead or silent child.

   Refused, with a reason for a person: links to other files or by name (soft, external, user-defined),
   datasets stored in other files or mapped from them, filters that would load a plugin, groups that
   contain themselves, and datasets that claim more than their stored bytes can unpack to. */
#include <hdf5.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hosts/h5frames.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are written in the host's order");

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

enum { MEMORY_BYTES = 1 << 30, CPU_SECONDS = 120, BLOCK_ELEMENTS = 1 << 20, MAX_GROUPS = PERI_H5_MAX_OBJECTS };

static uint64_t left;                /* bytes that the file may still give */
static haddr_t visited[MAX_GROUPS];  /* groups, by address: links can make circles */
static size_t groups, objects;
static bool in_frame;                /* between a frame's kind and its end: no reason can be sent then */
static char **skipped;

/* --- sending --- */

static void send_bytes(const void *data, size_t bytes) {
  if (bytes && fwrite(data, 1, bytes, stdout) != bytes) exit(1); /* the parent is gone */
}

static void send_u32(uint32_t value) { send_bytes(&value, sizeof value); }
static void send_u64(uint64_t value) { send_bytes(&value, sizeof value); }

static void send_text(const char *text, size_t length) {
  send_u32((uint32_t)length);
  send_bytes(text, length);
}

/* Sends the reason and ends the program; in the middle of a frame the exit status must do. */
static _Noreturn void give_up(const char *format, ...) {
  char reason[600];
  va_list arguments;
  if (in_frame) {
    fflush(stdout);
    _Exit(PERI_H5_EXIT_DAMAGED);
  }
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  send_bytes("E", 1);
  send_text(reason, strlen(reason));
  fflush(stdout);
  _Exit(0); /* no handlers: libhdf5's could meet the state that made us give up */
}

static void check_name(const char *name, const char *path) {
  if (strlen(name) > PERI_H5_MAX_PATH || !*name) give_up("'%.200s' has a name that is empty or too long", path);
}

static void spend(uint64_t bytes, const char *path) {
  if (bytes > left) give_up("'%.200s' claims more data than a file of this size can hold", path);
  left -= bytes;
}

/* --- attributes --- */

/* Texts of a fixed length end at the first NUL, or at the length (space-padded: at the last letter). */
static size_t fixed_length(const char *text, size_t size, H5T_str_t padding) {
  size_t length = strnlen(text, size);
  while (padding == H5T_STR_SPACEPAD && length && text[length - 1] == ' ') length--;
  return length;
}

static void send_fixed(hid_t attribute, hid_t type, size_t count, const char *path) {
  size_t size = H5Tget_size(type);
  if (size == 0 || size > PERI_H5_MAX_TEXT || count > PERI_H5_MAX_TEXT / size)
    give_up("'%.200s': an attribute is too large", path);
  spend(count * size, path);
  char *data = calloc(count ? count : 1, size);
  if (!data) give_up("not enough memory for an attribute of '%.200s'", path);
  if (count && H5Aread(attribute, type, data) < 0) give_up("an attribute of '%.200s' cannot be read", path);
  for (size_t i = 0; i < count; i++)
    send_text(data + i * size, fixed_length(data + i * size, size, H5Tget_strpad(type)));
  free(data);
}

static void send_variable(hid_t attribute, hid_t type, hid_t space, size_t count, const char *path) {
  char **texts = calloc(count ? count : 1, sizeof *texts);
  if (!texts) give_up("not enough memory for an attribute of '%.200s'", path);
  if (count && H5Aread(attribute, type, (void *)texts) < 0) give_up("an attribute of '%.200s' cannot be read", path);
  for (size_t i = 0; i < count; i++) {
    size_t length = texts[i] ? strlen(texts[i]) : 0;
    if (length > PERI_H5_MAX_TEXT) give_up("'%.200s': an attribute is too large", path);
    spend(length, path);
    send_text(texts[i] ? texts[i] : "", length);
  }
  if (count) H5Dvlen_reclaim(type, space, H5P_DEFAULT, (void *)texts);
  free((void *)texts);
}

/* An attribute that holds nothing is an empty list whatever its type: NumPy turns an empty list of
   names into float64 of shape (0,). Numbers are passed over. */
static void send_attribute(hid_t attribute, const char *name, const char *path) {
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  H5S_class_t kind = H5Sget_simple_extent_type(space);
  hssize_t points = kind == H5S_NULL ? 0 : H5Sget_simple_extent_npoints(space);
  bool text = H5Tget_class(type) == H5T_STRING, list = kind != H5S_SCALAR;
  if (type < 0 || space < 0 || points < 0) give_up("an attribute of '%.200s' is damaged", path);
  if (text || points == 0) {
    if (points > PERI_H5_MAX_LIST) give_up("'%.200s': attribute '%.200s' has too many texts", path, name);
    check_name(name, path);
    in_frame = true;
    send_bytes(list ? "L" : "A", 1);
    send_text(name, strlen(name));
    if (list) send_u32((uint32_t)points);
    if (text && H5Tis_variable_str(type) > 0) send_variable(attribute, type, space, (size_t)points, path);
    else if (text) send_fixed(attribute, type, (size_t)points, path);
    in_frame = false;
  }
  H5Sclose(space);
  H5Tclose(type);
}

static void send_attributes(hid_t object, const char *path) {
  H5O_info_t info;
  if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0) give_up("'%.200s' is damaged", path);
  for (hsize_t i = 0; i < info.num_attrs; i++) {
    char name[PERI_H5_MAX_PATH + 2];
    hid_t attribute = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Aget_name(attribute, sizeof name, name) < 0)
      give_up("an attribute of '%.200s' is damaged", path);
    send_attribute(attribute, name, path);
    H5Aclose(attribute);
  }
}

/* --- datasets --- */

/* The type that elements are sent as: 0 float32, 1 float64, 2 int64, 3 uint8; -1 for no number. */
static int sent_type(hid_t type, hid_t *native) {
  size_t size = H5Tget_size(type);
  switch (H5Tget_class(type)) {
  case H5T_FLOAT:
    if (size > 8) return -1;
    *native = size <= 4 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE;
    return size <= 4 ? 0 : 1;
  case H5T_INTEGER: {
    bool is_signed = H5Tget_sign(type) == H5T_SGN_2, byte = size == 1 && !is_signed;
    if (size > 8 || (size == 8 && !is_signed)) return -1; /* uint64 need not fit into int64 */
    *native = byte ? H5T_STD_U8LE : H5T_STD_I64LE;
    return byte ? 3 : 2;
  }
  default: return -1;
  }
}

static void check_storage(hid_t set, const char *path) {
  hid_t properties = H5Dget_create_plist(set);
  if (properties < 0) give_up("'%.200s' is damaged", path);
  if (H5Pget_external_count(properties) != 0) give_up("'%.200s' keeps its data in another file", path);
  H5D_layout_t layout = H5Pget_layout(properties);
  if (layout == H5D_VIRTUAL) give_up("'%.200s' is put together from other files", path);
  if (layout < 0) give_up("'%.200s' is damaged", path);
  int filters = H5Pget_nfilters(properties);
  for (int i = 0; i < filters; i++) {
    unsigned flags, configuration;
    size_t values = 0;
    H5Z_filter_t filter = H5Pget_filter2(properties, (unsigned)i, &flags, &values, NULL, 0, NULL, &configuration);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32) {
      give_up("'%.200s' is packed by filter %d; gzip, shuffle and fletcher32 can be read", path, (int)filter);
    }
  }
  H5Pclose(properties);
}

typedef struct shape {
  int ndim;
  hsize_t size[PERI_H5_MAX_DIMS];
  uint64_t count;
} shape;

static void read_shape(shape *s, hid_t space, const char *path) {
  int ndim = H5Sget_simple_extent_ndims(space);
  if (ndim < 0) give_up("'%.200s' is damaged", path);
  if (ndim > PERI_H5_MAX_DIMS) give_up("'%.200s' has %d dimensions, more than %d", path, ndim, PERI_H5_MAX_DIMS);
  s->ndim = H5Sget_simple_extent_dims(space, s->size, NULL);
  s->count = H5Sget_simple_extent_type(space) == H5S_NULL ? 0 : 1;
  for (int i = 0; i < ndim; i++) {
    if (__builtin_mul_overflow(s->count, s->size[i], &s->count)) give_up("'%.200s' has an absurd shape", path);
  }
}

/* Sends all elements in row-major order, a block of at most BLOCK_ELEMENTS at a time: `axis` is the
   first whose rows are no larger than a block; axes before it are walked one index at a time. */
static void send_elements(hid_t set, hid_t file_space, const shape *s, hid_t native, const char *path) {
  hsize_t start[PERI_H5_MAX_DIMS] = {0}, count[PERI_H5_MAX_DIMS], row = s->count;
  int axis = -1;
  do row /= s->size[++axis];
  while (row > BLOCK_ELEMENTS);
  hsize_t rows = BLOCK_ELEMENTS / row;
  void *block = malloc((size_t)(rows < s->size[axis] ? rows : s->size[axis]) * (size_t)row * H5Tget_size(native));
  if (!block) give_up("not enough memory for '%.200s'", path);
  for (int i = 0; i < s->ndim; i++) count[i] = i < axis ? 1 : s->size[i];
  for (;;) {
    hsize_t rest = s->size[axis] - start[axis];
    count[axis] = rest < rows ? rest : rows;
    hsize_t elements = count[axis] * row;
    hid_t memory_space = H5Screate_simple(1, &elements, NULL);
    if (H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(set, native, memory_space, file_space, H5P_DEFAULT, block) < 0) {
      give_up("the data of '%.200s' cannot be read: damaged or cut short", path);
    }
    H5Sclose(memory_space);
    send_bytes(block, (size_t)elements * H5Tget_size(native));
    int i = axis;
    start[i] += count[axis];
    while (start[i] >= s->size[i] && i > 0) {
      start[i] = 0;
      start[--i]++;
    }
    if (start[0] >= s->size[0]) break;
  }
  free(block);
}

static void send_dataset(hid_t set, const char *path) {
  hid_t type = H5Dget_type(set), space = H5Dget_space(set), native = -1;
  int sent = type < 0 || space < 0 ? -1 : sent_type(type, &native);
  check_storage(set, path);
  if (sent >= 0) {
    shape s;
    read_shape(&s, space, path);
    uint64_t stored = H5Dget_storage_size(set), bytes;
    if (__builtin_mul_overflow(s.count, H5Tget_size(native), &bytes) || bytes > PERI_H5_LIMIT(stored)) {
      give_up("'%.200s' claims %llu elements but has only %llu bytes stored", path, (unsigned long long)s.count,
              (unsigned long long)stored);
    }
    spend(bytes, path);
    in_frame = true;
    send_bytes("T", 1);
    send_text(path, strlen(path));
    send_bytes((const unsigned char[]){(unsigned char)sent, (unsigned char)s.ndim}, 2);
    for (int i = 0; i < s.ndim; i++) send_u64(s.size[i]);
    if (s.ndim == 0 && s.count) {
      double scalar = 0; /* room for any of the types */
      if (H5Dread(set, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, &scalar) < 0) give_up("'%.200s' cannot be read", path);
      send_bytes(&scalar, H5Tget_size(native));
    } else if (s.count) {
      send_elements(set, space, &s, native, path);
    }
    in_frame = false;
    send_attributes(set, path);
  }
  H5Sclose(space);
  H5Tclose(type);
}

/* --- groups --- */

static void send_group(hid_t group, const char *path, int depth);

static void send_object(hid_t group, const char *name, const char *path, int depth) {
  hid_t object = H5Oopen(group, name, H5P_DEFAULT);
  H5I_type_t kind = object < 0 ? H5I_BADID : H5Iget_type(object);
  if (object < 0) give_up("'%.200s' cannot be opened: damaged", path);
  if (++objects > PERI_H5_MAX_OBJECTS) give_up("it has more than %d objects", PERI_H5_MAX_OBJECTS);
  if (kind == H5I_GROUP) send_group(object, path, depth + 1);
  else if (kind == H5I_DATASET) send_dataset(object, path);
  H5Oclose(object);
}

static bool wanted(const char *name, int depth) {
  for (char **skip = skipped; depth == 0 && *skip; skip++) {
    if (!strcmp(*skip, name)) return false;
  }
  return true;
}

/* Each group is entered once: a second way to it could be a circle. */
static void enter(hid_t group, const char *path, int depth) {
  H5O_info_t info;
  if (H5Oget_info2(group, &info, H5O_INFO_BASIC) < 0) give_up("'%.200s' is damaged", path);
  for (size_t i = 0; i < groups; i++) {
    if (visited[i] == info.addr) give_up("group '%.200s' is reached by two ways", path);
  }
  if (groups == MAX_GROUPS || depth > PERI_H5_MAX_DEPTH) give_up("groups are nested too deep at '%.200s'", path);
  visited[groups++] = info.addr;
}

static void send_group(hid_t group, const char *path, int depth) {
  H5G_info_t info;
  enter(group, path, depth);
  send_bytes("G", 1);
  send_text(path, strlen(path));
  send_attributes(group, path);
  if (H5Gget_info(group, &info) < 0) give_up("'%.200s' is damaged", path);
  for (hsize_t i = 0; i < info.nlinks; i++) {
    H5L_info_t link;
    char *below = malloc(2 * PERI_H5_MAX_PATH + 4), *name = below ? below + strlen(path) + (depth > 0) : NULL;
    if (!below) give_up("not enough memory");
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
    if (length <= 0 || strlen(path) + (size_t)length + 1 > PERI_H5_MAX_PATH)
      give_up("a name in '%.200s' is damaged or too long", path);
    sprintf(below, depth > 0 ? "%s/" : "%s", path);
    if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, (size_t)length + 1, H5P_DEFAULT) < 0 ||
        H5Lget_info_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, &link, H5P_DEFAULT) < 0) {
      give_up("a link in '%.200s' is damaged", path);
    }
    if (wanted(name, depth)) {
      if (link.type != H5L_TYPE_HARD) give_up("'%.200s' is a link by name or to another file: refused", below);
      send_object(group, name, below, depth);
    }
    free(below);
  }
}

/* --- the program --- */

static void limit(int resource, rlim_t value) {
  struct rlimit r = {value, value};
  setrlimit((__rlimit_resource_t)resource, &r);
}

static void limit_everything(void) {
#ifndef SANITIZED /* the shadow alone takes terabytes of addresses */
  limit(RLIMIT_AS, MEMORY_BYTES);
#endif
  limit(RLIMIT_CPU, CPU_SECONDS);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_CORE, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, 9); /* nobody listens any more */
}

int main(int argc, char **argv) {
  struct stat found;
  if (argc < 2) {
    fprintf(stderr,
            "usage: perilune-h5read FILE [SKIPPED_GROUP...]\nreads an HDF5 file for perilune; see core/hosts\n");
    return 2;
  }
  limit_everything();
  skipped = argv + 2;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5PLset_loading_state(0);
  send_bytes(PERI_H5_MAGIC, PERI_H5_MAGIC_BYTES);
  if (stat(argv[1], &found) < 0 || !S_ISREG(found.st_mode)) give_up("it is no regular file");
  left = PERI_H5_LIMIT(found.st_size);
  if (H5Fis_hdf5(argv[1]) <= 0) give_up("it is not an HDF5 file (or its beginning is damaged)");
  hid_t file = H5Fopen(argv[1], H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) give_up("it is damaged or cut short: libhdf5 cannot open it");
  hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
  if (root < 0) give_up("its root group is damaged");
  send_group(root, "/", 0);
  send_bytes(".", 1);
  if (fflush(stdout) != 0) return 1;
  _Exit(0); /* closing a damaged file is one more chance to crash, for nothing */
}
