/* hdf5_tree.c - groups, tensors and attributes in memory. */
#include <string.h>

#include "base/memory.h"
#include "format/hdf5.h"
#include "hosts/h5frames.h"

static int grow(void **items, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) return PERI_OK;
  size_t larger = *capacity ? 2 * *capacity : 4;
  void *moved = peri_alloc(larger * size);
  if (!moved) return PERI_ENOMEM;
  if (count) memcpy(moved, *items, count * size);
  peri_free(*items);
  *items = moved;
  *capacity = larger;
  return PERI_OK;
}

static uint32_t hash_of(const char *name, size_t length) { /* FNV-1a */
  uint32_t hash = 2166136261U;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)name[i]) * 16777619U;
  return hash;
}

static int node_new(peri_h5_node **out, const char *name, size_t length, int depth) {
  peri_h5_node *node = peri_alloc_zeroed(sizeof *node);
  if (!node) return PERI_ENOMEM;
  node->name = peri_alloc(length + 1);
  if (!node->name) {
    peri_free(node);
    return PERI_ENOMEM;
  }
  memcpy(node->name, name, length);
  node->name[length] = '\0';
  node->hash = hash_of(name, length);
  node->depth = depth;
  *out = node;
  return PERI_OK;
}

int peri_h5_root(peri_h5_node **out) { return node_new(out, "", 0, 0); }

void peri_h5_free(peri_h5_node *node) {
  if (!node) return;
  for (size_t i = 0; i < node->children; i++) peri_h5_free(node->child[i]); /* as deep as PERI_H5_MAX_DEPTH */
  for (size_t i = 0; i < node->attributes; i++) {
    peri_h5_attribute *a = &node->attribute[i];
    for (size_t k = 0; k < a->count; k++) peri_free(a->text[k].data);
    peri_free(a->text);
    peri_free(a->name);
  }
  peri_tensor_release(node->tensor);
  peri_free(node->attribute);
  peri_free(node->child);
  peri_free(node->name);
  peri_free(node);
}

static peri_h5_node *find(const peri_h5_node *group, const char *name, size_t length) {
  uint32_t hash = hash_of(name, length);
  for (size_t i = 0; i < group->children; i++) {
    const char *other = group->child[i]->name;
    if (group->child[i]->hash != hash) continue;
    if (!strncmp(other, name, length) && other[length] == '\0') return group->child[i];
  }
  return NULL;
}

static int add_child(peri_h5_node **out, peri_h5_node *group, const char *name, size_t length) {
  void *items = group->child;
  if (group->depth == PERI_H5_MAX_DEPTH) {
    return peri_fail(PERI_EARG, "hdf5: '%.200s' is nested deeper than %d groups", name, PERI_H5_MAX_DEPTH);
  }
  PERI_TRY(grow(&items, group->children, &group->child_capacity, sizeof *group->child));
  group->child = items;
  PERI_TRY(node_new(&group->child[group->children], name, length, group->depth + 1));
  *out = group->child[group->children++];
  return PERI_OK;
}

static int check_component(const char *path, const char *name, size_t length) {
  if (length == 1 && *name == '.') return peri_fail(PERI_EARG, "hdf5: '.' cannot be a name, in '%.200s'", path);
  return PERI_OK;
}

/* Walks the components of path[0, length); empty ones (a slash at the beginning) do not count. */
static int walk(peri_h5_node **out, peri_h5_node *from, const char *path, size_t length) {
  const char *at = path, *end = path + length;
  while (at < end) {
    const char *slash = memchr(at, '/', (size_t)(end - at));
    size_t part = (size_t)((slash ? slash : end) - at);
    if (part) {
      PERI_TRY(check_component(path, at, part));
      peri_h5_node *next = find(from, at, part);
      if (!next) PERI_TRY(add_child(&next, from, at, part));
      if (next->tensor) return peri_fail(PERI_EARG, "hdf5: '%.200s' goes through a tensor", path);
      from = next;
    }
    at += part + 1;
  }
  *out = from;
  return PERI_OK;
}

int peri_h5_group(peri_h5_node **out, peri_h5_node *from, const char *path) {
  if (from->tensor) return peri_fail(PERI_EARG, "hdf5: '%.200s' is below a tensor", path);
  return walk(out, from, path, strlen(path));
}

int peri_h5_tensor(peri_h5_node **out, peri_h5_node *from, const char *path, peri_tensor *t) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t length = strlen(name);
  peri_h5_node *group = NULL, *node = NULL;
  if (!length) return peri_fail(PERI_EARG, "hdf5: the tensor at '%.200s' has no name", path);
  PERI_TRY(check_component(path, name, length));
  if (from->tensor) return peri_fail(PERI_EARG, "hdf5: '%.200s' is below a tensor", path);
  PERI_TRY(walk(&group, from, path, (size_t)(name - path)));
  if (find(group, name, length)) return peri_fail(PERI_EARG, "hdf5: '%.200s' is there already", path);
  PERI_TRY(add_child(&node, group, name, length));
  node->tensor = peri_tensor_retain(t);
  *out = node;
  return PERI_OK;
}

int peri_h5_attribute_new(peri_h5_attribute **out, peri_h5_node *node, const char *name, bool list) {
  for (size_t i = 0; i < node->attributes; i++) {
    if (!strcmp(node->attribute[i].name, name)) {
      return peri_fail(PERI_EARG, "hdf5: attribute '%.200s' is there already", name);
    }
  }
  void *items = node->attribute;
  PERI_TRY(grow(&items, node->attributes, &node->attribute_capacity, sizeof *node->attribute));
  node->attribute = items;
  char *copy = peri_strdup(name);
  if (!copy) return PERI_ENOMEM;
  *out = &node->attribute[node->attributes++];
  **out = (peri_h5_attribute){.name = copy, .list = list};
  return PERI_OK;
}

int peri_h5_attribute_add(peri_h5_attribute *a, const char *text, size_t length) {
  void *items = a->text;
  PERI_TRY(grow(&items, a->count, &a->capacity, sizeof *a->text));
  a->text = items;
  char *copy = peri_alloc(length + 1);
  if (!copy) return PERI_ENOMEM;
  if (length) memcpy(copy, text, length);
  copy[length] = '\0';
  a->text[a->count++] = (peri_h5_text){copy, length};
  return PERI_OK;
}
