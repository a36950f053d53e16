/* layers.h - the descriptors of all layers, and what their files share. */
#ifndef PERI_LAYERS_H
#define PERI_LAYERS_H

#include "layers/layer.h"

#define PERI_LAYER(name) extern const peri_layer_type peri_layer_##name;
#include "layers/layers.def"

/* The choices of an `activation` parameter, in the order of peri_activation. */
#define PERI_ACTIVATIONS "linear|relu|leaky_relu|elu|gelu|silu|sigmoid|tanh|softplus|softmax"
typedef enum peri_activation {
  PERI_LINEAR, PERI_RELU, PERI_LEAKY_RELU, PERI_ELU, PERI_GELU, PERI_SILU, PERI_SIGMOID, PERI_TANH, PERI_SOFTPLUS, PERI_SOFTMAX
} peri_activation;

/* Applies an activation; takes over x. `parameter` is the slope of leaky_relu or elu's alpha; NAN: the op's default. */
int peri__activate(peri_tensor **out, peri_tensor *x, int64_t activation, double parameter);

/* Initialisers as a parameter: their names, from initialise.c. */
#define PERI_INITIALISERS                                                                          \
  "zeros|ones|glorot_uniform|glorot_normal|he_uniform|he_normal|lecun_uniform|lecun_normal|"       \
  "orthogonal|truncated_normal|random_normal|random_uniform"

/* The text of a choice argument of a layer: its initialiser's name. */
const char *peri__layer_choice(const peri_layer *l, int argument);

/* l->in must have `ndim` sizes; the message says what the layer wants. */
int peri__want_input(const peri_layer *l, int ndim, const char *what);

/* PERI_ESHAPE unless the batch x fits the shape that l was built for. */
int peri__layer_check(const peri_layer *l, const peri_tensor *x);

/* What a Dense layer does after its product, and the layer with another activation in its place (dense.c). */
int64_t peri__dense_activation(const peri_layer *l);
int peri__dense_forward(peri_layer *l, int64_t activation, peri_tensor **out, peri_tensor *x);

/* The geometry of a built MaxPool2D or AveragePool2D on one image (pool2d.c). */
int peri__pool2d_window(const peri_layer *l, peri_window *g);

/* A MaxPool2D whose windows tile the image: no padding, stride = size, as conv2d_pool has it. */
bool peri__pool2d_tiles(const peri_layer *l);

/* The top, bottom, left and right padding of a ZeroPadding2D (shape.c). */
int peri__padding_of(const peri_layer *l, int64_t side[4]);

/* A pass of x through a container's children from..to - 1, with the runs that have a fused op as one call (sequential.c). */
int peri__sequential_run(peri_layer *l, int from, int to, peri_tensor **out, peri_tensor *x, bool training);

/* False when a layer, or one inside it, is written in Lua: then the loop over them is Lua's. */
bool peri_layer_in_c(const peri_layer *l);

#endif
