/* compile_emit.c - from a net to a list of steps: containers are laid flat, what one kernel does is one step, weights
   are copied, batch-norms folded. Where values lie and how pieces run is compile.c's.

   An emit_ function gives the number of the value that holds the result, or a failure. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "layers/compile_steps.h"
#include "layers/conv2d.h"
#include "layers/fuse.h"
#include "ops/ops.h"

/* --- growing lists --- */

static int grow(void **list, int count, int *room, size_t size) {
  if (count < *room) return PERI_OK;
  int wanted = *room ? 2 * *room : 16;
  void *more = peri_alloc_zeroed(size * (size_t)wanted);
  if (!more) return PERI_ENOMEM;
  if (count) memcpy(more, *list, size * (size_t)count);
  peri_free(*list);
  *list = more;
  *room = wanted;
  return PERI_OK;
}

static int64_t count_of(const peri_shape *s) {
  int64_t count = 1;
  for (int i = 0; i < s->ndim; i++) count *= s->at[i];
  return count;
}

/* A new value's number, or a failure. */
static int add_value(peri_compiled *c, const peri_shape *shape) {
  PERI_TRY(grow((void **)&c->value, c->values, &c->value_room, sizeof *c->value));
  c->value[c->values] = (peri__value){.shape = *shape, .floats = count_of(shape), .made = -1, .last = -1, .at = -1};
  return c->values++;
}

/* One layer of the flat list, with its place in the net: "3.1". */
typedef struct item {
  peri_layer *l;
  char path[32];
} item;

/* A step over `count` items from `it` on; NULL when memory is short. It writes value `out`. */
static peri__step *add_step(peri_compiled *c, int (*run)(const peri__step *, int64_t, const float *const *, float *, float *),
                            const char *op, const item *it, int count, int in, int out) {
  if (grow((void **)&c->step, c->steps, &c->step_room, sizeof *c->step) < 0) return NULL;
  peri__step *s = &c->step[c->steps++];
  *s = (peri__step){.run = run, .op = op, .kernels = c->kernels, .in = {in, -1}, .out = out, .rows = 1};
  const char *last = it[count - 1].path, *dot = strrchr(last, '.');
  if (count == 1) snprintf(s->layers, sizeof s->layers, "%s", it->path);
  else snprintf(s->layers, sizeof s->layers, "%s-%s", it->path, dot && strchr(it->path, '.') ? dot + 1 : last);
  return s;
}

/* --- convolutions and dense layers, with what follows them --- */

typedef struct run {
  int count;                 /* items, dropouts among them included */
  int64_t activation;
  double parameter;          /* of the activation, or NAN */
  const peri_layer *norm;    /* a batch-norm to fold, or NULL */
  const peri_layer *pool;    /* a max-pool in the same pass, or NULL */
} run;

static bool linear_layer(const peri_layer *l) {
  return l->type == &peri_layer_Conv2D || l->type == &peri_layer_DepthwiseConv2D || l->type == &peri_layer_Dense;
}
static int64_t own_activation(const peri_layer *l) {
  return l->type == &peri_layer_Dense ? peri__dense_activation(l) : peri__conv2d_activation(l);
}

/* The item at or behind `at` that does something when not training. */
static int skip_idle(const item *it, int count, int at) {
  while (at < count && it[at].l->type == &peri_layer_Dropout) at++;
  return at;
}

static run run_of(const item *it, int count) {
  run r = {.count = 1, .activation = own_activation(it[0].l), .parameter = NAN};
  int next = skip_idle(it, count, 1);
  if (r.activation == PERI_LINEAR && next < count && it[next].l->type == &peri_layer_BatchNorm) {
    r.norm = it[next].l;
    r.count = next + 1;
    next = skip_idle(it, count, next + 1);
  }
  if (r.activation == PERI_LINEAR && next < count && it[next].l->type == &peri_layer_Activation) {
    const peri_value *a = it[next].l->arg;
    r.activation = a[0].integer;
    if (a[1].given) r.parameter = a[1].number;
    r.count = next + 1;
    next = skip_idle(it, count, next + 1);
  }
  if (r.activation == PERI_RELU && next < count && it[0].l->type == &peri_layer_Conv2D && peri__pool2d_tiles(it[next].l)) {
    r.pool = it[next].l;
    r.count = next + 1;
  }
  return r;
}

/* A dense float32 copy of a weight. */
static int copy_weight(float **out, const peri_tensor *t) {
  int64_t n = peri_tensor_count(t);
  peri_tensor *dense;
  PERI_TRY(peri_tensor_clone(&dense, t));
  *out = peri_alloc((size_t)n * sizeof(float));
  if (*out) memcpy(*out, peri_tensor_data(dense), (size_t)n * sizeof(float));
  peri_tensor_release(dense);
  return *out ? PERI_OK : PERI_ENOMEM;
}

/* A batch-norm with its running moments as scale and shift of each channel: y = scale x + shift. */
static int norm_as_affine(const peri_layer *l, float **scale, float **shift) {
  int64_t c = l->in.at[l->in.ndim - 1];
  const peri_weight *w = l->weight, *moments = w + l->weights - 2;
  bool scaled = l->arg[2].boolean, centred = l->arg[3].boolean;
  *scale = peri_alloc((size_t)c * sizeof(float));
  *shift = peri_alloc((size_t)c * sizeof(float));
  if (!*scale || !*shift) return PERI_ENOMEM;
  for (int64_t j = 0; j < c; j++) {
    double gamma = scaled ? peri_tensor_get(w[0].tensor, &j) : 1, beta = centred ? peri_tensor_get(w[scaled].tensor, &j) : 0;
    double a = gamma / sqrt(peri_tensor_get(moments[1].tensor, &j) + l->arg[1].number);
    (*scale)[j] = (float)a;
    (*shift)[j] = (float)(beta - a * peri_tensor_get(moments[0].tensor, &j));
  }
  return PERI_OK;
}

/* kernel and bias of a layer whose outputs are the last axis of the kernel, with a batch-norm behind it folded in. */
static int take_weights(peri__step *s, const peri_layer *l, const peri_layer *norm) {
  int64_t outputs = l->out.at[l->out.ndim - 1], n = peri_tensor_count(l->weight[0].tensor);
  PERI_TRY(copy_weight(&s->kernel, l->weight[0].tensor));
  s->parameters = n;
  if (l->weights > 1) {
    PERI_TRY(copy_weight(&s->bias, l->weight[1].tensor));
    s->parameters += outputs;
  }
  if (!norm) return PERI_OK;
  float *scale = NULL, *shift = NULL;
  int status = norm_as_affine(norm, &scale, &shift);
  if (status >= 0) {
    for (int64_t i = 0; i < n; i++) s->kernel[i] *= scale[i % outputs];
    for (int64_t j = 0; j < outputs && s->bias; j++) shift[j] += s->bias[j] * scale[j];
    peri_free(s->bias);
    s->bias = shift;
    s->parameters = n + outputs;
    shift = NULL;
  }
  peri_free(scale);
  peri_free(shift);
  return status;
}

static const peri_op *const ops[] = {[PERI_RELU] = &peri_op_relu,     [PERI_LEAKY_RELU] = &peri_op_leaky_relu,
                                     [PERI_ELU] = &peri_op_elu,       [PERI_GELU] = &peri_op_gelu,
                                     [PERI_SILU] = &peri_op_silu,     [PERI_SIGMOID] = &peri_op_sigmoid,
                                     [PERI_TANH] = &peri_op_tanh,     [PERI_SOFTPLUS] = &peri_op_softplus,
                                     [PERI_SOFTMAX] = &peri_op_softmax};
static const peri_unary functions[] = {
    [PERI_RELU] = PERI_UNARY_relu, [PERI_LEAKY_RELU] = PERI_UNARY_leaky_relu, [PERI_ELU] = PERI_UNARY_elu,
    [PERI_GELU] = PERI_UNARY_gelu, [PERI_SILU] = PERI_UNARY_silu, [PERI_SIGMOID] = PERI_UNARY_sigmoid,
    [PERI_TANH] = PERI_UNARY_tanh, [PERI_SOFTPLUS] = PERI_UNARY_softplus};

/* An activation of value `in`, of a shape. `fresh`: nothing else reads that value, so it is written over. */
static int emit_activation(peri_compiled *c, const item *it, const peri_shape *shape, int64_t activation, double parameter,
                           int in, bool fresh) {
  if (activation == PERI_LINEAR) return in;
  bool softmax = activation == PERI_SOFTMAX;
  int out = fresh && !softmax ? in : add_value(c, shape);
  if (out < 0) return out;
  peri__step *s = add_step(c, softmax ? peri__run_softmax : peri__run_unary, ops[activation]->name, it, 1, in, out);
  if (!s) return PERI_ENOMEM;
  s->cols = shape->ndim ? shape->at[shape->ndim - 1] : 1;
  s->rows = count_of(shape) / s->cols;
  s->in_place = !softmax;
  if (softmax) return out;
  s->function = (int)functions[activation];
  if (activation != PERI_LEAKY_RELU && activation != PERI_ELU) return out;
  const peri_signature *signature = peri_signature_of(ops[activation]->signature);
  if (!signature) return PERI_ENOMEM;
  s->p = isnan(parameter) ? signature->param[1].fallback.number : parameter;
  return out;
}

static int settle_conv(peri__step *s, const peri_layer *l, const run *r) {
  peri_conv_pool *g = &s->g;
  PERI_TRY(peri__conv2d_window(l, &g->conv));
  g->pool_h = r->pool ? r->pool->arg[0].ints.at[0] : 1;
  g->pool_w = r->pool ? r->pool->arg[0].ints.at[1] : 1;
  g->ph = g->conv.oh / g->pool_h;
  g->pw = g->conv.ow / g->pool_w;
  double each = (double)g->conv.kh * (double)g->conv.kw * (double)(g->conv.c / g->conv.groups) * (double)g->conv.oc;
  s->multiplications = each * (double)(g->conv.oh * g->conv.ow);
  s->executed = each * (double)(g->ph * g->pool_h * g->pw * g->pool_w); /* until the kernel has chosen its way */
  return PERI_OK;
}

/* A convolution or dense layer and its run. */
static int emit_linear(peri_compiled *c, const item *it, const run *r, int in) {
  const peri_layer *l = it->l;
  bool conv = l->type != &peri_layer_Dense;
  int out = add_value(c, r->pool ? &r->pool->out : &l->out);
  if (out < 0) return out;
  peri__step *s = add_step(c, conv ? peri__run_conv : peri__run_dense,
                           r->pool ? "conv2d_pool" : conv ? "conv2d" : "dense", it, r->count, in, out);
  if (!s) return PERI_ENOMEM;
  PERI_TRY(take_weights(s, l, r->norm));
  s->relu = r->activation == PERI_RELU;
  if (conv) {
    PERI_TRY(settle_conv(s, l, r));
  } else {
    s->cols = l->out.at[l->out.ndim - 1];
    s->inner = l->in.at[l->in.ndim - 1];
    s->rows = count_of(&l->out) / s->cols;
    s->multiplications = s->executed = (double)s->rows * (double)s->cols * (double)s->inner;
  }
  return s->relu ? out : emit_activation(c, it, &l->out, r->activation, r->parameter, out, true);
}

/* --- the other layers --- */

static int emit_items(peri_compiled *c, const item *it, int count, int in);
static int emit_inside(peri_compiled *c, peri_layer *l, const char *path, int in);

static int emit_norm(peri_compiled *c, const item *it, int in) {
  const peri_layer *l = it->l;
  bool batch = l->type == &peri_layer_BatchNorm;
  int out = add_value(c, &l->out);
  if (out < 0) return out;
  peri__step *s = add_step(c, batch ? peri__run_affine : peri__run_layer_norm, batch ? "batch_norm" : "layer_norm", it, 1, in, out);
  if (!s) return PERI_ENOMEM;
  s->cols = l->in.at[l->in.ndim - 1];
  s->rows = count_of(&l->in) / s->cols;
  for (int i = 0; i < l->weights; i++) s->parameters += s->cols;
  if (batch) {
    s->in_place = true;
    PERI_TRY(norm_as_affine(l, &s->kernel, &s->bias));
    return out;
  }
  bool scale = l->arg[1].boolean, center = l->arg[2].boolean;
  s->epsilon = l->arg[0].number;
  s->scratch = 2 * s->rows;
  if (scale) PERI_TRY(copy_weight(&s->kernel, l->weight[0].tensor));
  if (center) PERI_TRY(copy_weight(&s->bias, l->weight[scale].tensor));
  return out;
}

static int emit_pool(peri_compiled *c, const item *it, int in) {
  const peri_layer *l = it->l;
  bool max = l->type == &peri_layer_MaxPool2D, global = l->type == &peri_layer_GlobalAveragePool2D;
  int out = add_value(c, &l->out);
  if (out < 0) return out;
  peri__step *s = add_step(c, global ? peri__run_global_pool : max ? peri__run_max_pool : peri__run_average_pool,
                           global ? "mean" : max ? "max_pool2d" : "average_pool2d", it, 1, in, out);
  if (!s) return PERI_ENOMEM;
  s->rows = l->in.at[0] * l->in.at[1];
  s->cols = l->in.at[2];
  if (global) return out;
  PERI_TRY(peri__pool2d_window(l, &s->g.conv));
  if (max) s->scratch = count_of(&l->out); /* the winners' places, int32 */
  return out;
}

static int emit_pad(peri_compiled *c, const item *it, int in) {
  const peri_layer *l = it->l;
  int64_t side[4];
  PERI_TRY(peri__padding_of(l, side));
  int out = add_value(c, &l->out);
  if (out < 0) return out;
  peri__step *s = add_step(c, peri__run_pad, "zero_pad2d", it, 1, in, out);
  if (!s) return PERI_ENOMEM;
  s->g.conv = (peri_window){.h = l->in.at[0], .w = l->in.at[1], .c = l->in.at[2], .oh = l->out.at[0], .ow = l->out.at[1],
                            .pad_top = side[0], .pad_left = side[2]};
  return out;
}

/* Layers whose result is added to their input; ReLU behind it goes along. Gives how many items are done in *taken. */
static int emit_residual(peri_compiled *c, const item *it, int count, int in, int *taken) {
  int inner = emit_inside(c, it->l, it->path, in);
  if (inner < 0) return inner;
  int out = add_value(c, &it->l->out), next = skip_idle(it, count, 1);
  if (out < 0) return out;
  bool relu = next < count && it[next].l->type == &peri_layer_Activation && it[next].l->arg[0].integer == PERI_RELU;
  *taken = relu ? next + 1 : 1;
  peri__step *s = add_step(c, peri__run_add, "add", it, *taken, inner, out);
  if (!s) return PERI_ENOMEM;
  s->in[1] = in;
  s->cols = count_of(&it->l->out);
  s->relu = relu;
  s->in_place = inner != in;
  return out;
}

static int emit_concat(peri_compiled *c, const item *it, int in) {
  const peri_layer *l = it->l;
  int64_t width = l->out.at[l->out.ndim - 1], offset = 0;
  int out = add_value(c, &l->out);
  if (out < 0) return out;
  for (int i = 0; i < l->children; i++) {
    item branch = {.l = l->child[i]};
    snprintf(branch.path, sizeof branch.path, "%.16s%s%d", it->path, *it->path ? "." : "", i + 1);
    bool chain = branch.l->type == &peri_layer_Sequential;
    int part = chain ? emit_inside(c, branch.l, branch.path, in) : emit_items(c, &branch, 1, in);
    if (part < 0) return part;
    peri__step *s = add_step(c, peri__run_place, "cat", &branch, 1, part, out);
    if (!s) return PERI_ENOMEM;
    s->cols = branch.l->out.at[branch.l->out.ndim - 1];
    s->rows = count_of(&branch.l->out) / s->cols;
    s->offset = offset;
    s->width = width;
    offset += s->cols;
  }
  return out;
}

/* Any other layer: it runs itself, on tensors. */
static int emit_layer(peri_compiled *c, const item *it, int in) {
  int out = add_value(c, &it->l->out);
  if (out < 0) return out;
  peri__step *s = add_step(c, NULL, it->l->type->name, it, 1, in, out);
  if (!s) return PERI_ENOMEM;
  s->layer = peri_layer_retain(it->l);
  for (int i = 0; i < it->l->weights; i++) s->parameters += peri_tensor_count(it->l->weight[i].tensor);
  c->alone = true;
  return out;
}

/* One item, or the run that begins with it: the result's value; in *taken how many items are done. */
static int emit_item(peri_compiled *c, const item *it, int count, int in, int *taken) {
  const peri_layer *l = it->l;
  const peri_layer_type *type = l->type;
  *taken = 1;
  if (linear_layer(l)) {
    run r = run_of(it, count);
    *taken = r.count;
    return emit_linear(c, it, &r, in);
  }
  if (type == &peri_layer_Dropout || type == &peri_layer_Flatten || type == &peri_layer_Reshape) {
    return in; /* the same numbers in the same order */
  }
  if (type == &peri_layer_BatchNorm || type == &peri_layer_LayerNorm) return emit_norm(c, it, in);
  if (type == &peri_layer_MaxPool2D || type == &peri_layer_AveragePool2D || type == &peri_layer_GlobalAveragePool2D) {
    return emit_pool(c, it, in);
  }
  if (type == &peri_layer_ZeroPadding2D) return emit_pad(c, it, in);
  if (type == &peri_layer_Activation) {
    return emit_activation(c, it, &l->in, l->arg[0].integer, l->arg[1].given ? l->arg[1].number : NAN, in, false);
  }
  if (type == &peri_layer_Residual) return emit_residual(c, it, count, in, taken);
  if (type == &peri_layer_Concat) return emit_concat(c, it, in);
  return emit_layer(c, it, in);
}

static int emit_items(peri_compiled *c, const item *it, int count, int in) {
  for (int at = 0, taken; at < count; at += taken) {
    in = emit_item(c, it + at, count - at, in, &taken);
    if (in < 0) return in;
  }
  return in;
}

/* --- laying containers flat --- */

static int count_items(const peri_layer *l) {
  int count = 0;
  for (int i = 0; i < l->children; i++) count += l->child[i]->type == &peri_layer_Sequential ? count_items(l->child[i]) : 1;
  return count;
}

static item *flatten(item *to, const peri_layer *l, const char *path) {
  for (int i = 0; i < l->children; i++) {
    char place[sizeof to->path];
    snprintf(place, sizeof place, "%.16s%s%d", path, *path ? "." : "", i + 1);
    if (l->child[i]->type == &peri_layer_Sequential) {
      to = flatten(to, l->child[i], place);
    } else {
      to->l = l->child[i];
      memcpy(to++->path, place, sizeof place);
    }
  }
  return to;
}

/* The layers inside a container, one after another. */
static int emit_inside(peri_compiled *c, peri_layer *l, const char *path, int in) {
  int count = count_items(l);
  if (count == 0) return in;
  item *items = peri_alloc_zeroed(sizeof *items * (size_t)count);
  if (!items) return PERI_ENOMEM;
  flatten(items, l, path);
  int out = emit_items(c, items, count, in);
  peri_free(items);
  return out;
}

int peri__compile_copy(peri_compiled *c) {
  item whole = {.path = "1"};
  int out = add_value(c, &c->out);
  if (out < 0) return out;
  peri__step *s = add_step(c, peri__run_copy, "copy", &whole, 1, 0, out);
  if (!s) return PERI_ENOMEM;
  s->cols = count_of(&c->out);
  return out;
}

int peri__compile_emit(peri_compiled *c, peri_layer *net) {
  PERI_TRY(add_value(c, &net->in));
  if (net->type == &peri_layer_Sequential) return emit_inside(c, net, "", 0);
  item whole = {.l = net, .path = "1"};
  if (net->type == &peri_layer_Residual || net->type == &peri_layer_Concat) whole.path[0] = 0;
  return emit_items(c, &whole, 1, 0);
}
