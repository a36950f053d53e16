/* hdf5.c - the parent of the child that reads .h5 files survives whatever the child does; and a few
   thousand damaged copies of a small file neither crash it nor hang it.

     test_hdf5 [copies]     300 when not given */
#include "format/hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "test.h"

_Atomic int failures;
static char folder[] = "/tmp/perilune-hdf5-XXXXXX";

static const char *path_of(const char *name) {
  static char paths[4][128];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int add_text(peri_h5_node *node, const char *name, bool list, const char *text) {
  peri_h5_attribute *a;
  PERI_TRY(peri_h5_attribute_new(&a, node, name, list));
  return text ? peri_h5_attribute_add(a, text, strlen(text)) : PERI_OK;
}

static int write_small(const char *path) {
  peri_h5_node *root, *node;
  peri_tensor *t;
  PERI_TRY(peri_h5_root(&root));
  PERI_TRY(peri_tensor_full(&t, PERI_F32, 2, (const int64_t[]){3, 4}, 1.5));
  int status = add_text(root, "model_config", false, "{\"class_name\": \"Sequential\"}");
  if (status == PERI_OK) status = add_text(root, "names", true, "dense");
  if (status == PERI_OK) status = peri_h5_group(&node, root, "model_weights/dense");
  if (status == PERI_OK) status = add_text(node, "weight_names", true, NULL);
  if (status == PERI_OK) status = peri_h5_tensor(&node, root, "model_weights/dense/dense/kernel:0", t);
  if (status == PERI_OK) status = peri_h5_write(path, root);
  peri_tensor_release(t);
  peri_h5_free(root);
  return status;
}

static void check_round_trip(void) {
  peri_h5_node *root = NULL, *node = NULL;
  static const char *const skip[] = {"model_weights", NULL};
  CHECK(write_small(path_of("small.h5")) == PERI_OK);
  CHECK(peri_h5_read(&root, path_of("small.h5"), NULL) == PERI_OK);
  if (!root) return;
  CHECK(root->attributes == 2 && !root->attribute[0].list && root->attribute[1].list);
  CHECK(!strcmp(root->attribute[0].text[0].data, "{\"class_name\": \"Sequential\"}"));
  CHECK(peri_h5_group(&node, root, "model_weights/dense/dense") == PERI_OK && node->children == 1);
  peri_tensor *t = node->child[0]->tensor;
  CHECK(t && t->ndim == 2 && t->shape[0] == 3 && t->shape[1] == 4 && ((float *)peri_tensor_data(t))[11] == 1.5F);
  peri_h5_free(root);
  CHECK(peri_h5_read(&root, path_of("small.h5"), &(peri_h5_options){.skip = skip}) == PERI_OK && root->children == 0);
  peri_h5_free(root);
}

/* Reads with a shell script in the child's place. */
static int read_with(const char *script) {
  peri_h5_node *root = NULL;
  const char *program = path_of("child");
  FILE *file = fopen(program, "w");
  if (!file) return 1;
  fprintf(file, "#!/bin/sh\n%s\n", script);
  fclose(file);
  chmod(program, 0700);
  int status = peri_h5_read(&root, path_of("small.h5"), &(peri_h5_options){.program = program, .idle_seconds = 0.3});
  peri_h5_free(root);
  return status;
}

static void check_bad_children(void) {
  static const struct {
    const char *script, *message;
  } bad[] = {
      {"exit 0", "in the middle"},
      {"exit 127", "libhdf5 installed"},
      {"exit 3", "all of its data"},
      {"kill -SEGV $$", "signal 11"},
      {"kill -XCPU $$", "too long"},
      {"exec sleep 100", "silent"},
      {"echo nonsense nonsense", "nonsense"},
      {"printf 'PERIH5\\001\\nE\\007\\000\\000\\000because'", "because"},
      {"printf 'PERIH5\\001\\nG\\377\\377\\377\\377'", "length of a name"},
      {"printf 'PERIH5\\001\\nL\\001\\000\\000\\000n\\377\\377\\017\\000'", "more data than"},
      {"printf 'PERIH5\\001\\nT\\002\\000\\000\\000/t\\000\\001\\377\\377\\377\\377\\377\\377\\377\\177'", "too large"},
      {"printf 'PERIH5\\001\\nT\\002\\000\\000\\000/t\\000\\001\\000\\000\\000\\000\\001\\000\\000\\000'",
       "more data than"},
      {"printf 'PERIH5\\001\\nT\\002\\000\\000\\000/t\\007\\001'", "type or shape"},
      {"printf 'PERIH5\\001\\nG\\001\\000\\000\\000/'; exec sleep 100", "silent"},
      {"printf 'PERIH5\\001\\nG\\003\\000\\000\\000/./'", "cannot be a name"},
      {"printf 'PERIH5\\001\\nG\\002\\000\\000\\000/\\377'", "not UTF-8"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    double start = now();
    CHECK(read_with(bad[i].script) < 0);
    CHECK(strstr(peri_message(), bad[i].message) && strstr(peri_message(), "small.h5"));
    CHECK(now() - start < 5);
  }
  CHECK(read_with("printf 'PERIH5\\001\\nG\\001\\000\\000\\000/.'") == PERI_OK);
  CHECK(read_with("printf 'PERIH5\\001\\nG\\001\\000\\000\\000/.'; exec sleep 100") ==
        PERI_OK); /* killed, not awaited */
  peri_interrupt_raise();
  CHECK(read_with("exec sleep 100") == PERI_EINTERRUPT);
  peri_interrupt_clear();
  unlink(path_of("child"));
  CHECK(peri_h5_read(&(peri_h5_node *){NULL}, path_of("small.h5"), &(peri_h5_options){.program = path_of("child")}) ==
        PERI_EIO);
}

static uint64_t state = 88172645463325252U;
static size_t below(size_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (size_t)(state % n);
}

static void check_damaged(unsigned copies) {
  uint8_t *data, *copy;
  size_t bytes;
  unsigned read = 0, crashed = 0, hung = 0;
  const char *path = path_of("damaged.h5");
  CHECK(peri_file_read(&data, &bytes, path_of("small.h5"), 1 << 20) == PERI_OK);
  copy = peri_alloc(bytes);
  for (unsigned i = 0; i < copies && copy; i++) {
    memcpy(copy, data, bytes);
    size_t size = below(8) ? bytes : below(bytes);
    for (size_t n = 1 + below(8); n; n--) copy[below(bytes)] = (uint8_t)(below(3) ? below(256) : below(2) * 255);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(copy, 1, size, file) == size && fclose(file) == 0);
    peri_h5_node *root = NULL;
    double start = now();
    int status = peri_h5_read(&root, path, &(peri_h5_options){.idle_seconds = 2});
    CHECK(status == PERI_OK || strstr(peri_message(), path));
    CHECK(now() - start < 10);
    read += status == PERI_OK;
    crashed += status < 0 && strstr(peri_message(), "crashed") != NULL;
    hung += status < 0 && strstr(peri_message(), "stopped") != NULL;
    CHECK(status == PERI_OK || !strstr(peri_message(), "nonsense"));
    peri_h5_free(root);
  }
  peri_free(copy);
  peri_free(data);
  unlink(path);
  printf("%u damaged copies: %u read, %u refused, %u crashed libhdf5, %u hung it\n", copies, read,
         copies - read - crashed - hung, crashed, hung);
}

int main(int argc, char **argv) {
  if (!mkdtemp(folder)) return 2;
  check_round_trip();
  check_bad_children();
  check_damaged(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 300);
  unlink(path_of("small.h5"));
  CHECK(rmdir(folder) == 0);
  CHECK(peri_memory_live() == 0);
  return failures != 0;
}
