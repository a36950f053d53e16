/* compile_steps.h - the steps of a compiled net: what compile_emit.c makes, steps.c runs and compile.c strings together. */
#ifndef PERI_LAYERS_COMPILE_STEPS_H
#define PERI_LAYERS_COMPILE_STEPS_H

#include "layers/compile.h"

/* A value is what a step reads or writes: `floats` numbers an image. Value 0 is the net's input. */
typedef struct peri__value {
  peri_shape shape; /* of an image's */
  int64_t floats;
  int made, last; /* the step that writes it first (-1: the input); the last that reads it */
  int64_t at;     /* where in a workspace, in floats; -1: outside (input, result) */
} peri__value;

typedef struct peri__step {
  /* `n` images; in[i] and out are values. Scratch holds scratch_floats. */
  int (*run)(const struct peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
  const char *op;
  char layers[64];
  int in[2], out;      /* values; in[1] is -1 where there is one input */
  bool in_place;       /* may write over in[0] */
  int64_t scratch;     /* floats for `n` images: scratch n */
  int64_t parameters;
  double multiplications, executed;
  /* what the runners read */
  const peri_kernels *kernels; /* those of the precision at the time of compiling */
  peri_conv_pool g;     /* conv.n is set when running; pool_h = pool_w = 1: no pool */
  int64_t rows, cols, inner;
  float *kernel, *bias; /* copies; owned */
  int relu;
  double p, epsilon;
  int function;         /* peri_unary */
  int64_t offset, width; /* of a part of each row (joining branches) */
  peri_layer *layer;     /* of a step that runs the layer itself; owned */
} peri__step;

struct peri_compiled {
  peri_shape in, out;
  const peri_kernels *kernels;
  int64_t batch;       /* the most images that go through together, as asked; 0: any */
  int64_t most;        /* images of a piece at most */
  const char *left_out;
  bool alone;          /* a step runs a layer: pieces must not run side by side */
  bool any_input;      /* whatever reads the input takes any type */
  int steps, step_room;
  peri__step *step;
  int values, value_room;
  peri__value *value;
  int result;          /* the value that is the result */
  int64_t scratch_at;  /* in a workspace, in floats */
  size_t bytes;        /* of a workspace */
  double work;         /* multiplications of an image */
  int weights;         /* the net's, and their versions when they were copied */
  struct peri__seen { peri_tensor *tensor; const peri_storage *storage; uint64_t version; } *weight;
  struct peri__workspace *workspace; /* one for each thread that ever ran a piece at the same time */
};

/* steps.c: the runners. */
int peri__run_conv(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_dense(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_unary(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_softmax(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_affine(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_layer_norm(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_max_pool(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_average_pool(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_global_pool(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_pad(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_add(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_place(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);
int peri__run_copy(const peri__step *s, int64_t n, const float *const *in, float *out, float *scratch);

/* compile_emit.c: fills c's steps and values; gives the number of the result's value. */
int peri__compile_emit(peri_compiled *c, peri_layer *net);

/* Adds a step that copies the net's input; gives the number of the copy. */
int peri__compile_copy(peri_compiled *c);

#endif
