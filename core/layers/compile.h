/* compile.h - a net made ready to run and nothing else: a flat list of steps over raw memory.

   peri_compile takes a snapshot of a built float32 net. Weights are copied in the form the kernels like best,
   batch-norms are folded into the convolution or dense layer before them, dropout is gone, layers that one kernel
   does are one step. What the net learns later is not seen: peri_compiled_current tells, and one compiles again.

   A batch is cut into pieces of a few images. Each piece goes through all steps on one thread, its activations in
   a workspace that stays in that core's cache; the threads meet once, at the end. A batch that is one piece, and few
   pieces of much work, go through one after another with the threads at every kernel together. How a batch is cut
   depends on its size alone. Workspaces are planned when compiling, and kept.

   Layers without a step of their own run through peri_layer_forward; then pieces run one after another. */
#ifndef PERI_LAYERS_COMPILE_H
#define PERI_LAYERS_COMPILE_H

#include "layers/layer.h"

typedef struct peri_compiled peri_compiled;

enum { PERI_COMPILE_LOGITS = 1 }; /* leave out a softmax or sigmoid at the end */

/* `batch`: the most images that go through together; 0: as many as are fastest. PERI_ESTATE when the net is not
   built, PERI_ETYPE when it is not float32, PERI_EUNSUPPORTED when a layer is written in Lua. */
int peri_compile(peri_compiled **out, peri_layer *net, int64_t batch, unsigned flags);
void peri_compiled_release(peri_compiled *c);

/* y = net(x) for any number of images: x (n, in...), y (n, out...). x may have any strides; y is dense. */
int peri_compiled_run(peri_compiled *c, const peri_tensor *x, peri_tensor *y);

bool peri_compiled_takes(const peri_compiled *c, const peri_tensor *x); /* whether x fits in shape and type */
const peri_shape *peri_compiled_out(const peri_compiled *c);

/* Whether the net's weights, and the precision, are still those that were compiled. */
bool peri_compiled_current(const peri_compiled *c);

/* A number that changes whenever a weight of the layer, or of one inside it, is written over. */
uint64_t peri_layer_weights_state(const peri_layer *l);

/* The op left out by PERI_COMPILE_LOGITS: "softmax", "sigmoid" or NULL. */
const char *peri_compiled_left_out(const peri_compiled *c);

/* What is run: for printing. */
typedef struct peri_compiled_step {
  const char *layers; /* "1-2", "3.1" */
  const char *op;
  peri_shape out;
  int64_t parameters;
  double multiplications; /* of one image, as written; those really executed: */
  double executed;
} peri_compiled_step;
int peri_compiled_steps(const peri_compiled *c);
peri_compiled_step peri_compiled_step_at(const peri_compiled *c, int i);
int64_t peri_compiled_piece(const peri_compiled *c, int64_t n); /* images of a piece, of a batch of n */
size_t peri_compiled_bytes(const peri_compiled *c);             /* of a workspace */

#endif
