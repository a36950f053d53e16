/* hdf5.h - HDF5 files as trees: groups and tensors that carry texts as attributes.

   This knows HDF5 and nothing of Keras: which groups and attributes a model file has is said in
   lua/perilune/keras.lua. The functions live in the optional module hdf5.so, not in the core.

   Written in this process by libhdf5 (hdf5_write.c), into memory and from there to a file that is
   whole or not there. Foreign files are read by a short-lived child program, perilune-h5read
   (hosts/h5read.c), because libhdf5 can crash or hang on a malformed file; the child sends the tree
   through a pipe as frames (hdf5_frames.c), which are parsed as suspiciously as a file. */
#ifndef PERI_FORMAT_HDF5_H
#define PERI_FORMAT_HDF5_H

#include "tensor/tensor.h"

typedef struct peri_h5_text {
  char *data; /* NUL behind the last byte */
  size_t length;
} peri_h5_text;

/* A text, or a list of texts: a list of one is not a text. */
typedef struct peri_h5_attribute {
  char *name;
  bool list;
  size_t count, capacity;
  peri_h5_text *text;
} peri_h5_attribute;

typedef struct peri_h5_node {
  char *name;           /* one component of a path; "" for the root */
  uint32_t hash;        /* of the name: a group may have thousands of children */
  int depth;            /* 0 for the root; at most PERI_H5_MAX_DEPTH */
  peri_tensor *tensor;  /* NULL in a group */
  size_t attributes, attribute_capacity;
  peri_h5_attribute *attribute;
  size_t children, child_capacity;
  struct peri_h5_node **child;
} peri_h5_node;

/* --- trees (hdf5_tree.c) --- */
int peri_h5_root(peri_h5_node **out);
void peri_h5_free(peri_h5_node *node); /* and all below it; NULL is allowed */

/* Finds or makes the group at a path such as "model_weights/conv2d", below `from`. */
int peri_h5_group(peri_h5_node **out, peri_h5_node *from, const char *path);

/* Adds a tensor (retained) at a path; the groups before its last component are made. */
int peri_h5_tensor(peri_h5_node **out, peri_h5_node *from, const char *path, peri_tensor *t);

/* Adds an attribute without texts, then its texts. */
int peri_h5_attribute_new(peri_h5_attribute **out, peri_h5_node *node, const char *name, bool list);
int peri_h5_attribute_add(peri_h5_attribute *a, const char *text, size_t length);

/* --- files --- */
/* Writes the tree. The same tree gives the same bytes. */
int peri_h5_write(const char *path, const peri_h5_node *root);

typedef struct peri_h5_options {
  const char *program;      /* the reader child; NULL: found by peri_h5_program */
  const char *const *skip;  /* names of root groups that are not wanted, ended by NULL; or NULL */
  double idle_seconds;      /* how long the child may be silent; 0: 20 seconds */
} peri_h5_options;

/* Reads a file through the child. options may be NULL. */
int peri_h5_read(peri_h5_node **out, const char *path, const peri_h5_options *options);

/* Where the reader child is: $PERILUNE_LIBEXEC, or beside the build or the installation that this
   library is from. PERI_ESTATE with the places when it is in none of them. */
int peri_h5_program(char *out, size_t size);

/* Parses a stream of frames; `read` gives exactly the bytes asked for or fails. `limit` bounds what
   all tensors and texts together may hold. `where` begins messages. (hdf5_frames.c) */
typedef int (*peri_h5_source)(void *context, void *to, size_t bytes);
int peri_h5_frames(peri_h5_node **out, const char *where, uint64_t limit, peri_h5_source read, void *context);

#endif
