/* safetensors_write.c - the header is made whole, then the elements follow in its order. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/elements.h"
#include "format/json.h"
#include "format/safetensors.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000 };

static int check_name(const char *path, const char *name, const char *what) {
  if (!*name) return peri_fail(PERI_EARG, "%s: a %s's name is empty", path, what);
  if (!peri_utf8_valid(name, strlen(name))) {
    return peri_fail(PERI_EARG, "%s: the name '%.200s' is not UTF-8", path, name);
  }
  return PERI_OK;
}

static int check(const char *path, const peri_named *list) {
  PERI_TRY(peri_named_unique(list, path, PERI_EARG));
  for (size_t i = 0; i < list->tensors; i++) {
    PERI_TRY(check_name(path, list->tensor[i].name, "tensor"));
    if (!strcmp(list->tensor[i].name, "__metadata__")) {
      return peri_fail(PERI_EARG, "%s: '__metadata__' is the format's own name; call the tensor otherwise", path);
    }
  }
  for (size_t i = 0; i < list->texts; i++) {
    PERI_TRY(check_name(path, list->text[i].name, "text"));
    if (!peri_utf8_valid(list->text[i].text, list->text[i].length)) {
      return peri_fail(PERI_EARG, "%s: the text of '%.200s' is not UTF-8", path, list->text[i].name);
    }
  }
  return PERI_OK;
}

/* The reference orders types by size, largest first, so that elements stay aligned. */
static int rank(const peri_tensor *t) {
  static const int ranks[PERI_DTYPES] = {[PERI_I64] = 0, [PERI_F64] = 1, [PERI_F32] = 2, [PERI_U8] = 3};
  return ranks[t->dtype];
}

static int by_type_and_name(const void *a, const void *b) {
  const peri_named_tensor *x = *(const peri_named_tensor *const *)a, *y = *(const peri_named_tensor *const *)b;
  int difference = rank(x->tensor) - rank(y->tensor);
  return difference ? difference : strcmp(x->name, y->name);
}

static void put_metadata(peri_json_text *t, const peri_named *list) {
  peri_json_put(t, "\"__metadata__\":{");
  for (size_t i = 0; i < list->texts; i++) {
    if (i) peri_json_put(t, ",");
    peri_json_put_string(t, list->text[i].name, strlen(list->text[i].name));
    peri_json_put(t, ":");
    peri_json_put_string(t, list->text[i].text, list->text[i].length);
  }
  peri_json_put(t, "}");
}

static uint64_t bytes_of(const peri_tensor *t) {
  return (uint64_t)peri_tensor_count(t) * peri_dtype_size(t->dtype);
}

static void put_tensor(peri_json_text *t, const peri_named_tensor *item, uint64_t begin) {
  const peri_tensor *tensor = item->tensor;
  peri_json_put_string(t, item->name, strlen(item->name));
  peri_json_put(t, ":{\"dtype\":\"%s\",\"shape\":[", peri_element_infos[peri_element_of(tensor->dtype)].safetensors);
  for (int i = 0; i < tensor->ndim; i++) peri_json_put(t, i ? ",%" PRId64 : "%" PRId64, tensor->shape[i]);
  peri_json_put(t, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + bytes_of(tensor));
}

static int make_header(peri_json_text *t, const char *path, const peri_named *list,
                       const peri_named_tensor *const *sorted) {
  uint64_t at = 0;
  peri_json_put(t, "{");
  if (list->texts) put_metadata(t, list);
  for (size_t i = 0; i < list->tensors; i++) {
    if (i || list->texts) peri_json_put(t, ",");
    put_tensor(t, sorted[i], at);
    at += bytes_of(sorted[i]->tensor);
  }
  peri_json_put(t, "}");
  while (t->status == PERI_OK && t->used % 8) peri_json_put(t, " ");
  if (t->status == PERI_OK && t->used > MAX_HEADER) {
    return peri_fail(PERI_EARG, "%s: names and texts take %zu bytes, more than the format's limit of %d", path, t->used,
                     MAX_HEADER);
  }
  return t->status;
}

static int write_file(const char *path, const peri_json_text *t, size_t count, const peri_named_tensor *const *sorted) {
  peri_file_writer *w;
  uint8_t length[LENGTH_BYTES];
  for (int i = 0; i < LENGTH_BYTES; i++) length[i] = (uint8_t)((uint64_t)t->used >> 8 * i);
  PERI_TRY(peri_file_writer_open(&w, path));
  int status = peri_file_writer_write(w, length, sizeof length);
  if (status == PERI_OK) status = peri_file_writer_write(w, t->data, t->used);
  for (size_t i = 0; i < count && status == PERI_OK; i++) status = peri_elements_write(w, sorted[i]->tensor);
  if (status == PERI_OK) return peri_file_writer_commit(w);
  peri_file_writer_abort(w);
  return status;
}

int peri_safetensors_save(const char *path, const peri_named *list) {
  PERI_TRY(check(path, list));
  const peri_named_tensor **sorted = peri_alloc((list->tensors + 1) * sizeof *sorted);
  if (!sorted) return PERI_ENOMEM;
  for (size_t i = 0; i < list->tensors; i++) sorted[i] = &list->tensor[i];
  qsort(sorted, list->tensors, sizeof *sorted, by_type_and_name);
  peri_json_text t = {0};
  int status = make_header(&t, path, list, sorted);
  if (status == PERI_OK) status = write_file(path, &t, list->tensors, sorted);
  peri_free(t.data);
  peri_free(sorted);
  return status;
}
