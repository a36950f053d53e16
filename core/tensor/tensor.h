/* tensor.h - n-dimensional arrays: shape, strides and an offset over counted storage.

   A peri_tensor is a handle: several can view one storage. Handles are reference counted
   (peri_tensor_retain, peri_tensor_release); "new" in a name, or an `out` parameter, means that the
   caller owns one reference. Axes and offsets in C are 0-based; int64 tensors that hold positions
   (argmax, sort, gather, index) hold 1-based ones, because Lua reads them.

   A storage counts its changes in `version`, so that differentiation can tell when something it
   saved was written over. Everything that writes into existing elements must call
   peri_tensor_touch. */
#ifndef PERI_TENSOR_H
#define PERI_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

enum { PERI_MAX_DIMS = 8 };

typedef struct peri_storage {
  int64_t references;
  uint64_t version;
  size_t bytes;
  void *data;
  void (*release)(void *owner); /* frees memory that is not ours (a mapped file); NULL: peri_free(data) */
  void *owner;
} peri_storage;

typedef struct peri_tensor {
  int64_t references;
  peri_dtype dtype;
  int ndim;                       /* 0 is a scalar of one element */
  int64_t shape[PERI_MAX_DIMS];
  int64_t strides[PERI_MAX_DIMS]; /* in elements; 0 where broadcast */
  int64_t offset;                 /* in elements */
  peri_storage *storage;          /* NULL in a stub: a shape and type without data (see grad/tape.h) */
  struct peri_meta *meta;         /* place in a graph, or NULL; owned; grad/tape.h knows what it is */
} peri_tensor;

/* --- types --- */
size_t peri_dtype_size(peri_dtype dtype);
const char *peri_dtype_name(peri_dtype dtype);            /* "float32", "float64", "int64", "uint8" */
int peri_dtype_parse(peri_dtype *out, const char *name);  /* also float, double, long, byte */
static inline bool peri_dtype_floating(peri_dtype dtype) { return dtype == PERI_F32 || dtype == PERI_F64; }

/* --- making and releasing (tensor.c) --- */
int peri_tensor_new(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape); /* elements not set */
int peri_tensor_zeros(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape);
int peri_tensor_full(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape, double value);
int peri_tensor_like(peri_tensor **out, const peri_tensor *model);  /* same type and shape, dense, not set */
int peri_tensor_stub(peri_tensor **out, const peri_tensor *model);  /* shape and type, no data */
int peri_tensor_from(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape, const void *data); /* copies */
peri_tensor *peri_tensor_retain(peri_tensor *t);
void peri_tensor_release(peri_tensor *t); /* NULL is allowed */

/* --- looking --- */
int64_t peri_tensor_count(const peri_tensor *t); /* number of elements */
bool peri_tensor_contiguous(const peri_tensor *t);
void *peri_tensor_data(const peri_tensor *t);    /* the first element */
bool peri_tensor_same_shape(const peri_tensor *a, const peri_tensor *b);
double peri_tensor_get(const peri_tensor *t, const int64_t *index);   /* one element as a double; no checks */
double peri_tensor_item(const peri_tensor *t);                        /* the only element of a one-element tensor */
const char *peri_shape_text(int ndim, const int64_t *shape);          /* "(2, 3)"; one of 8 rotating buffers a thread */
const char *peri_tensor_text(const peri_tensor *t);                   /* "float32 (2, 3)", likewise */

/* Marks the elements as changed. */
static inline void peri_tensor_touch(peri_tensor *t) { t->storage->version++; }

/* --- views: share the storage of `t`, carry no meta (view.c) --- */
int peri_tensor_alias(peri_tensor **out, const peri_tensor *t);
int peri_tensor_as(peri_tensor **out, const peri_tensor *t, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset);
int peri_tensor_reshape(peri_tensor **out, const peri_tensor *t, int ndim, const int64_t *shape); /* one size may be -1; a copy when a view cannot do it */
int peri_tensor_permute(peri_tensor **out, const peri_tensor *t, const int *axes);
int peri_tensor_slice(peri_tensor **out, const peri_tensor *t, int axis, int64_t start, int64_t length, int64_t step); /* step may be negative */
int peri_tensor_select(peri_tensor **out, const peri_tensor *t, int axis, int64_t index);         /* drops the axis */
int peri_tensor_expand(peri_tensor **out, const peri_tensor *t, int ndim, const int64_t *shape);  /* broadcast view */

/* --- copies (copy.c) --- */
int peri_tensor_contiguous_of(peri_tensor **out, peri_tensor *t); /* t itself, retained, when dense already */
int peri_tensor_clone(peri_tensor **out, const peri_tensor *t);   /* dense */
int peri_tensor_cast(peri_tensor **out, const peri_tensor *t, peri_dtype dtype); /* float to int truncates; dense */
int peri_tensor_copy(peri_tensor *to, const peri_tensor *from);   /* broadcasts and casts; overlapping views are safe */
int peri_tensor_fill(peri_tensor *t, double value);

/* --- writing through positions (put.c) --- */
int peri_tensor_put(peri_tensor *t, const peri_tensor *positions, const peri_tensor *value);  /* t[positions] = value: 1-based int64 over the first axis */
int peri_tensor_put_mask(peri_tensor *t, const peri_tensor *mask, const peri_tensor *value);  /* where mask (uint8, over t's leading axes) is not 0 */

/* --- broadcasting and walking (iterate.c) --- */
/* The common shape of a and b under NumPy's rule; PERI_ESHAPE names `op` and both shapes. */
int peri_broadcast(const char *op, int andim, const int64_t *ashape, int bndim, const int64_t *bshape, int *ndim, int64_t *shape);

/* Walks up to 4 tensors of one broadcast shape together; the innermost runs are as long as their
   strides allow. Each step gives pointers, strides in elements and a count:
     peri_walk w;
     PERI_TRY(peri_walk_start(&w, "add", ndim, shape, 3, tensors));
     for (; w.left; peri_walk_next(&w)) f(w.count, w.data[0], w.stride[0], ...);
   Tensors must be expandable to `shape`. */
typedef struct peri_walk {
  int tensors, ndim;
  int64_t shape[PERI_MAX_DIMS], index[PERI_MAX_DIMS];
  int64_t strides[4][PERI_MAX_DIMS];
  size_t size[4];
  char *data[4];
  int64_t stride[4]; /* of the innermost run */
  int64_t count;     /* elements in a run */
  int64_t left;      /* runs left, this one included */
} peri_walk;
int peri_walk_start(peri_walk *w, const char *op, int ndim, const int64_t *shape, int tensors, const peri_tensor *const *t);
void peri_walk_next(peri_walk *w);

/* --- printing (print.c): like NumPy's; a string to free with peri_free --- */
typedef struct peri_print_options {
  int precision, threshold, edge_items, line_width; /* 4, 1000, 3, 80 */
} peri_print_options;
extern peri_print_options peri_print;
char *peri_tensor_print(const peri_tensor *t);

#endif
