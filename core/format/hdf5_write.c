/* hdf5_write.c - a tree into an HDF5 file.

   libhdf5 builds the file in memory (its "core" driver) and we write that image ourselves: a full
   disk is then our error with our message, where libhdf5 would fail in the middle of closing, and the
   target is replaced in one step. Texts are variable-length strings, because a fixed one of more than
   about 64 KB does not fit into an object header; times are not recorded, so that the same tree gives
   the same bytes. */
#include <hdf5.h>
#include <string.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "format/hdf5.h"
#include "format/named.h"

enum { IMAGE_STEP = 1 << 20 };

/* libhdf5's innermost reason. */
static herr_t take_reason(unsigned n, const H5E_error2_t *error, void *context) {
  if (n == 0) snprintf(context, 200, "%s", error->desc ? error->desc : "unknown");
  return 0;
}

static int fail(const char *what, const char *name) {
  char reason[200] = "unknown";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, reason);
  H5Eclear2(H5E_DEFAULT);
  return peri_fail(PERI_EIO, "hdf5: cannot %s '%.200s': %s", what, name, reason);
}

/* --- attributes --- */

static bool ascii(const peri_h5_attribute *a) {
  for (size_t i = 0; i < a->count; i++) {
    for (size_t k = 0; k < a->text[i].length; k++) {
      if ((unsigned char)a->text[i].data[k] >= 0x80) return false;
    }
  }
  return true;
}

static int check_texts(const peri_h5_attribute *a) {
  for (size_t i = 0; i < a->count; i++) {
    if (strlen(a->text[i].data) != a->text[i].length) {
      return peri_fail(PERI_EARG, "hdf5: a text of attribute '%.200s' holds a NUL", a->name);
    }
    if (!peri_utf8_valid(a->text[i].data, a->text[i].length)) {
      return peri_fail(PERI_EARG, "hdf5: a text of attribute '%.200s' is not UTF-8", a->name);
    }
  }
  if (!a->list && a->count != 1) return peri_fail(PERI_EARG, "hdf5: attribute '%.200s' has no text", a->name);
  return PERI_OK;
}

static int write_attribute(hid_t object, const peri_h5_attribute *a) {
  hsize_t count = a->count;
  PERI_TRY(check_texts(a));
  const char **pointers = peri_alloc((a->count + 1) * sizeof *pointers);
  if (!pointers) return PERI_ENOMEM;
  for (size_t i = 0; i < a->count; i++) pointers[i] = a->text[i].data;
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  if (!ascii(a)) H5Tset_cset(type, H5T_CSET_UTF8);
  hid_t space = a->list ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(object, a->name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  int status = PERI_OK;
  if (attribute < 0 || (a->count && H5Awrite(attribute, type, (const void *)pointers) < 0)) {
    status = fail("write attribute", a->name);
  }
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  peri_free(pointers);
  return status;
}

static int write_attributes(hid_t object, const peri_h5_node *node) {
  for (size_t i = 0; i < node->attributes; i++) PERI_TRY(write_attribute(object, &node->attribute[i]));
  return PERI_OK;
}

/* --- tensors and groups --- */

/* Names outside ASCII are marked as UTF-8. */
static hid_t link_properties(const char *name) {
  hid_t properties = H5Pcreate(H5P_LINK_CREATE);
  for (; *name; name++) {
    if ((unsigned char)*name >= 0x80) {
      H5Pset_char_encoding(properties, H5T_CSET_UTF8);
      break;
    }
  }
  return properties;
}

static int write_elements(hid_t set, hid_t type, const peri_h5_node *node) {
  peri_tensor *dense;
  if (peri_tensor_count(node->tensor) == 0) return PERI_OK;
  PERI_TRY(peri_tensor_contiguous_of(&dense, node->tensor));
  int status = PERI_OK;
  if (H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, peri_tensor_data(dense)) < 0)
    status = fail("write", node->name);
  peri_tensor_release(dense);
  return status;
}

static int write_tensor(hid_t parent, const peri_h5_node *node) {
  const peri_tensor *t = node->tensor;
  hid_t type = t->dtype == PERI_F32   ? H5T_IEEE_F32LE
               : t->dtype == PERI_F64 ? H5T_IEEE_F64LE
               : t->dtype == PERI_I64 ? H5T_STD_I64LE
                                      : H5T_STD_U8LE;
  hsize_t sizes[PERI_MAX_DIMS];
  for (int i = 0; i < t->ndim; i++) sizes[i] = (hsize_t)t->shape[i];
  hid_t space = t->ndim ? H5Screate_simple(t->ndim, sizes, NULL) : H5Screate(H5S_SCALAR);
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE), linking = link_properties(node->name);
  H5Pset_obj_track_times(creation, false);
  hid_t set = H5Dcreate2(parent, node->name, type, space, linking, creation, H5P_DEFAULT);
  int status = set < 0 ? fail("create", node->name) : write_elements(set, type, node);
  if (status == PERI_OK) status = write_attributes(set, node);
  if (set >= 0) H5Dclose(set);
  H5Pclose(linking);
  H5Pclose(creation);
  H5Sclose(space);
  return status;
}

static int write_children(hid_t group, const peri_h5_node *node);

static int write_group(hid_t parent, const peri_h5_node *node) {
  hid_t creation = H5Pcreate(H5P_GROUP_CREATE), linking = link_properties(node->name);
  H5Pset_obj_track_times(creation, false);
  hid_t group = H5Gcreate2(parent, node->name, linking, creation, H5P_DEFAULT);
  int status = group < 0 ? fail("create group", node->name) : write_children(group, node);
  if (group >= 0) H5Gclose(group);
  H5Pclose(linking);
  H5Pclose(creation);
  return status;
}

static int write_children(hid_t group, const peri_h5_node *node) {
  PERI_TRY(write_attributes(group, node));
  for (size_t i = 0; i < node->children; i++) {
    const peri_h5_node *child = node->child[i];
    PERI_TRY(peri_interrupt_poll());
    if (!peri_utf8_valid(child->name, strlen(child->name))) {
      return peri_fail(PERI_EARG, "hdf5: the name '%.200s' is not UTF-8", child->name);
    }
    PERI_TRY(child->tensor ? write_tensor(group, child) : write_group(group, child));
  }
  return PERI_OK;
}

/* --- the file --- */

static hid_t create_in_memory(void) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_fapl_core(access, IMAGE_STEP, false);
  H5Pset_obj_track_times(creation, false);
  hid_t file = H5Fcreate("perilune", H5F_ACC_TRUNC, creation, access);
  H5Pclose(access);
  H5Pclose(creation);
  return file;
}

static int write_image(const char *path, hid_t file) {
  H5Fflush(file, H5F_SCOPE_GLOBAL);
  ssize_t bytes = H5Fget_file_image(file, NULL, 0);
  if (bytes <= 0) return fail("finish", path);
  void *image = peri_alloc((size_t)bytes);
  if (!image) return PERI_ENOMEM;
  int status = H5Fget_file_image(file, image, (size_t)bytes) == bytes ? PERI_OK : fail("finish", path);
  peri_file_writer *w = NULL;
  if (status == PERI_OK) status = peri_file_writer_open(&w, path);
  if (status == PERI_OK) status = peri_file_writer_write(w, image, (size_t)bytes);
  peri_free(image);
  if (status == PERI_OK) return peri_file_writer_commit(w);
  peri_file_writer_abort(w);
  return status;
}

int peri_h5_write(const char *path, const peri_h5_node *root) {
  H5E_auto2_t print;
  void *data;
  H5Eget_auto2(H5E_DEFAULT, &print, &data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the library would print its errors on stderr */
  hid_t file = create_in_memory();
  int status = file < 0 ? fail("create", path) : PERI_OK;
  if (file >= 0) {
    status = write_children(file, root);
    if (status == PERI_OK) status = write_image(path, file);
    H5Fclose(file);
  }
  H5Eset_auto2(H5E_DEFAULT, print, data);
  return status;
}
