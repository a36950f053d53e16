/* compile.c - a compiled net: where its values lie in a workspace, how a batch is cut into pieces, running them. */
#include "layers/compile.h"

#include <stdatomic.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/threads.h"
#include "layers/compile_steps.h"
#include "layers/layers.h"

enum {
  WORKSPACES = 256,       /* as many as there can be threads */
  CACHE_FLOATS = 1 << 17, /* what a piece's activations may take: half of a core's second cache */
  MOST_IMAGES = 64,       /* of a piece */
  PIECES = 16,            /* wanted of a batch, where each is worth it: */
  PIECE_WORK = 1 << 24,    /* multiplications, as written: some 100 microseconds. Each piece reads all weights anew. */
  TOGETHER_WORK = 3 << 23, /* of a piece, from which few of them go one by one, with all threads at each kernel */
  ALIGN_FLOATS = PERI_ALIGNMENT / (int)sizeof(float)
};

struct peri__workspace {
  atomic_int busy;
  float *memory; /* made at the first use */
};

/* --- planning --- */

static void note_life(peri_compiled *c) {
  for (int i = 0; i < c->steps; i++) {
    const peri__step *s = &c->step[i];
    peri__value *out = &c->value[s->out];
    for (int k = 0; k < 2 && s->in[k] >= 0; k++) c->value[s->in[k]].last = i;
    if (out->made < 0) out->made = i;
    if (out->last < i) out->last = i;
  }
}

static int64_t aligned(int64_t floats) { return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS; }

/* The lowest place at which value v meets no other that lives at the same time. */
static int64_t place_of(const peri_compiled *c, int v) {
  const peri__value *own = &c->value[v];
  int64_t at = 0;
  for (int i = 0; i < c->values;) {
    const peri__value *other = &c->value[i];
    bool together = i != v && other->at >= 0 && other->made <= own->last && own->made <= other->last;
    if (together && other->at < at + aligned(own->floats) && at < other->at + aligned(other->floats)) {
      at = other->at + aligned(other->floats);
      i = 0;
    } else {
      i++;
    }
  }
  return at;
}

/* Offsets are of one image; a workspace of n images has them n times as far apart. */
static void place_values(peri_compiled *c, int64_t *arena, int64_t *scratch) {
  *arena = *scratch = 0;
  for (int i = 0; i < c->steps; i++) {
    const peri__step *s = &c->step[i];
    peri__value *out = &c->value[s->out];
    const peri__value *in = &c->value[s->in[0]];
    if (s->scratch > *scratch) *scratch = s->scratch;
    if (s->out == c->result || out->at >= 0) continue;
    bool over = s->in_place && in->at >= 0 && in->last == i && in->floats == out->floats && out->made == i;
    out->at = over ? in->at : place_of(c, s->out);
    if (out->at + aligned(out->floats) > *arena) *arena = out->at + aligned(out->floats);
  }
}

static int settle(peri_compiled *c) {
  int64_t arena, scratch;
  c->any_input = c->alone;
  for (int i = 0; i < c->steps; i++) c->any_input = c->any_input && (!c->step[i].run || c->step[i].in[0] != 0);
  note_life(c);
  place_values(c, &arena, &scratch);
  for (int i = 0; i < c->steps; i++) c->work += c->step[i].executed;
  int64_t fit = CACHE_FLOATS / (arena + scratch + 1);
  c->most = fit < 1 ? 1 : fit > MOST_IMAGES ? MOST_IMAGES : fit;
  if (c->batch > 0 && c->most > c->batch) c->most = c->batch; /* a piece is never larger than asked for */
  c->scratch_at = arena * c->most;
  c->bytes = (size_t)(c->scratch_at + aligned(scratch * c->most) + ALIGN_FLOATS) * sizeof(float);
  c->workspace = peri_alloc_zeroed(sizeof *c->workspace * WORKSPACES);
  if (!c->workspace) return PERI_ENOMEM;
  c->workspace[0].memory = peri_alloc(c->bytes);
  return c->workspace[0].memory ? PERI_OK : PERI_ENOMEM;
}

/* Kernels in the form that is fastest for about as many images as a piece has. */
static int prepare_weights(peri_compiled *c) {
  for (int i = 0; i < c->steps; i++) {
    peri__step *s = &c->step[i];
    if (s->run != peri__run_conv) continue;
    s->g.conv.n = c->most;
    s->executed = c->kernels->conv_operations(&s->g, PERI_PASS_PREPARED) / (2 * (double)c->most);
    void *ready = peri_alloc((size_t)c->kernels->conv_prepare_size(&s->g));
    if (!ready) return PERI_ENOMEM;
    int status = c->kernels->conv_prepare(&s->g, s->kernel, ready);
    peri_free(s->kernel);
    s->kernel = ready;
    PERI_TRY(status);
  }
  return PERI_OK;
}

int64_t peri_compiled_piece(const peri_compiled *c, int64_t n) {
  int64_t size = (n + PIECES - 1) / PIECES, worth = (int64_t)(PIECE_WORK / (c->work + 1)) + 1;
  if (size < worth) size = worth;
  if (size > c->most) size = c->most;
  int64_t pieces = (n + size - 1) / size;
  return pieces ? (n + pieces - 1) / pieces : 1;
}

/* --- making --- */

static int weights_of(const peri_layer *l) {
  int count = l->weights;
  for (int i = 0; i < l->children; i++) count += weights_of(l->child[i]);
  return count;
}

static void note_weights(peri_compiled *c, const peri_layer *l) {
  for (int i = 0; i < l->weights; i++) {
    peri_tensor *t = l->weight[i].tensor;
    c->weight[c->weights++] =
        (struct peri__seen){.tensor = peri_tensor_retain(t), .storage = t->storage, .version = t->storage->version};
  }
  for (int i = 0; i < l->children; i++) note_weights(c, l->child[i]);
}

/* A softmax or sigmoid as the last step, over the axis that the net's result ends with, is left to the caller. */
static void leave_out(peri_compiled *c) {
  if (c->steps == 0) return;
  const peri__step *s = &c->step[c->steps - 1];
  bool softmax = s->run == peri__run_softmax && c->out.ndim > 0 && s->cols == c->out.at[c->out.ndim - 1];
  if (s->out != c->result || (!softmax && (s->run != peri__run_unary || s->function != PERI_UNARY_sigmoid))) return;
  c->left_out = s->op;
  c->result = s->in[0];
  c->steps--;
}

/* A net that gives its input, or a result that lies where the input does, gets it by a copy. */
static int end_in_a_value(peri_compiled *c) {
  if (c->result != 0) return PERI_OK;
  int out = peri__compile_copy(c);
  if (out < 0) return out;
  c->result = out;
  return PERI_OK;
}

static int check(const peri_layer *net) {
  if (!net->built) return peri_fail(PERI_ESTATE, "compile: the net is not built; build it, or run it on a batch first");
  if (!peri_layer_in_c(net)) {
    return peri_fail(PERI_EUNSUPPORTED, "compile: a layer of the net is written in Lua; only layers in C can be compiled");
  }
  for (int i = 0; i < net->weights; i++) {
    if (net->weight[i].tensor->dtype != PERI_F32) {
      return peri_fail(PERI_ETYPE, "compile: wants a float32 net; the weights of this one are %s",
                       peri_dtype_name(net->weight[i].tensor->dtype));
    }
  }
  for (int i = 0; i < net->children; i++) PERI_TRY(check(net->child[i]));
  return PERI_OK;
}

static int compile(peri_compiled *c, peri_layer *net, unsigned flags) {
  c->kernels = peri_kernels_of(PERI_F32);
  c->in = net->in;
  c->out = net->out;
  c->weight = peri_alloc_zeroed(sizeof *c->weight * (size_t)(weights_of(net) + 1));
  if (!c->weight) return PERI_ENOMEM;
  note_weights(c, net);
  c->result = peri__compile_emit(c, net);
  if (c->result < 0) return c->result;
  if (flags & PERI_COMPILE_LOGITS) leave_out(c);
  PERI_TRY(end_in_a_value(c));
  PERI_TRY(settle(c));
  return prepare_weights(c);
}

int peri_compile(peri_compiled **out, peri_layer *net, int64_t batch, unsigned flags) {
  PERI_TRY(check(net));
  if (batch < 0) return peri_fail(PERI_EARG, "compile: batch must be at least 1, got %lld", (long long)batch);
  peri_compiled *c = peri_alloc_zeroed(sizeof *c);
  if (!c) return PERI_ENOMEM;
  c->batch = batch;
  int status = compile(c, net, flags);
  if (status < 0) {
    peri_compiled_release(c);
    return status;
  }
  *out = c;
  return PERI_OK;
}

void peri_compiled_release(peri_compiled *c) {
  if (!c) return;
  for (int i = 0; i < c->steps; i++) {
    peri_free(c->step[i].kernel);
    peri_free(c->step[i].bias);
    peri_layer_release(c->step[i].layer);
  }
  for (int i = 0; i < c->weights; i++) peri_tensor_release(c->weight[i].tensor);
  for (int i = 0; i < WORKSPACES && c->workspace; i++) peri_free(c->workspace[i].memory);
  peri_free(c->step);
  peri_free(c->value);
  peri_free(c->weight);
  peri_free(c->workspace);
  peri_free(c);
}

bool peri_compiled_current(const peri_compiled *c) {
  if (c->kernels != peri_kernels_of(PERI_F32)) return false; /* another precision */
  for (int i = 0; i < c->weights; i++) {
    const struct peri__seen *seen = &c->weight[i];
    if (seen->tensor->storage != seen->storage || seen->storage->version != seen->version) return false;
  }
  return true;
}

/* Versions only grow, so their sum does too. */
uint64_t peri_layer_weights_state(const peri_layer *l) {
  uint64_t sum = 0;
  for (int i = 0; i < l->weights; i++) sum += l->weight[i].tensor->storage->version;
  for (int i = 0; i < l->children; i++) sum += peri_layer_weights_state(l->child[i]);
  return sum;
}

/* --- running --- */

typedef struct pass {
  peri_compiled *c;
  const char *x; /* images of in_bytes bytes each */
  size_t in_bytes;
  peri_dtype dtype;
  float *y;
  int64_t n, size; /* images, and those of a piece */
  atomic_int status;
} pass;

/* A free workspace, its memory made; NULL when there is none. */
static struct peri__workspace *take_workspace(const peri_compiled *c) {
  for (int i = 0; i < WORKSPACES; i++) {
    struct peri__workspace *w = &c->workspace[i];
    if (atomic_exchange(&w->busy, 1)) continue;
    if (!w->memory) w->memory = peri_alloc(c->bytes);
    if (w->memory) return w;
    atomic_store(&w->busy, 0);
    return NULL;
  }
  return NULL;
}

/* A step that is a layer: its input as a tensor over the memory where it lies, its result copied from there. */
static void keep_memory(void *owner) { (void)owner; }

static int run_layer(const peri__step *s, int64_t n, const void *in, peri_dtype dtype, float *out) {
  peri_storage storage = {.references = 2, .data = (void *)(uintptr_t)in, .release = keep_memory};
  peri_tensor x = {.references = 2, .dtype = dtype, .ndim = s->layer->in.ndim + 1, .shape = {n}, .storage = &storage}, *y = NULL;
  for (int i = 0; i < s->layer->in.ndim; i++) x.shape[i + 1] = s->layer->in.at[i];
  x.strides[x.ndim - 1] = 1;
  for (int i = x.ndim - 2; i >= 0; i--) x.strides[i] = x.strides[i + 1] * x.shape[i + 1];
  storage.bytes = (size_t)(peri_tensor_count(&x)) * peri_dtype_size(dtype);
  peri_tensor *dense = NULL;
  int status = peri_layer_forward(s->layer, &y, &x, false);
  if (status >= 0) status = peri_tensor_contiguous_of(&dense, y);
  if (status >= 0) memcpy(out, peri_tensor_data(dense), (size_t)peri_tensor_count(dense) * sizeof(float));
  peri_tensor_release(dense);
  peri_tensor_release(y);
  return status;
}

static int run_steps(const pass *p, float *memory, int64_t first, int64_t n) {
  const peri_compiled *c = p->c;
  const char *x = p->x + (size_t)first * p->in_bytes;
  float *y = p->y + first * c->value[c->result].floats;
  for (int i = 0; i < c->steps; i++) {
    const peri__step *s = &c->step[i];
    const float *in[2] = {NULL, NULL};
    for (int k = 0; k < 2 && s->in[k] >= 0; k++) {
      const peri__value *v = &c->value[s->in[k]];
      in[k] = s->in[k] == 0 ? (const float *)(const void *)x : s->in[k] == c->result ? y : memory + v->at * c->most;
    }
    float *out = s->out == c->result ? y : memory + c->value[s->out].at * c->most;
    if (s->run) PERI_TRY(s->run(s, n, in, out, memory + c->scratch_at));
    else PERI_TRY(run_layer(s, n, in[0], s->in[0] == 0 ? p->dtype : PERI_F32, out));
  }
  return PERI_OK;
}

static void run_piece(void *context, int64_t piece) {
  pass *p = context;
  if (atomic_load(&p->status) < 0) return;
  int64_t first = piece * p->size, n = p->n - first < p->size ? p->n - first : p->size;
  struct peri__workspace *w = take_workspace(p->c);
  int status = w ? peri_interrupted() ? PERI_EINTERRUPT : run_steps(p, w->memory, first, n) : PERI_ENOMEM;
  if (status < 0) atomic_store(&p->status, status);
  if (w) atomic_store(&w->busy, 0);
}

/* One piece, or few of much work: one after another, each kernel shared among the threads. */
static bool one_by_one(const peri_compiled *c, int64_t pieces, int64_t n) {
  if (c->alone || pieces == 1) return true;
  return pieces < PIECES && c->work * (double)((n + pieces - 1) / pieces) > TOGETHER_WORK;
}

static int run(pass *p) {
  int64_t pieces = (p->n + p->size - 1) / p->size;
  if (one_by_one(p->c, pieces, p->n)) {
    for (int64_t i = 0; i < pieces; i++) {
      PERI_TRY(peri_interrupt_poll());
      run_piece(p, i);
    }
  } else {
    peri_parallel(pieces, run_piece, p);
  }
  int status = atomic_load(&p->status);
  if (status >= 0 || p->c->alone) return status; /* a layer has left its message on this thread */
  if (status == PERI_EINTERRUPT) return peri_fail(status, "compiled net: interrupted");
  return peri_fail(status, "compiled net: no memory for a workspace of %zu bytes", p->c->bytes);
}

static bool fits_samples(const peri_tensor *t, const peri_shape *each) {
  return t->ndim == each->ndim + 1 && memcmp(t->shape + 1, each->at, sizeof(int64_t) * (size_t)each->ndim) == 0;
}

bool peri_compiled_takes(const peri_compiled *c, const peri_tensor *x) {
  return fits_samples(x, &c->in) && (x->dtype == PERI_F32 || c->any_input);
}

static int check_shapes(const peri_compiled *c, const peri_tensor *x, const peri_tensor *y) {
  if (!fits_samples(x, &c->in)) {
    return peri_fail(PERI_ESHAPE, "compiled net: x must be a batch of samples of shape %s, got %s",
                     peri_shape_text(c->in.ndim, c->in.at), peri_shape_text(x->ndim, x->shape));
  }
  if (!peri_compiled_takes(c, x)) {
    return peri_fail(PERI_ETYPE, "compiled net: x must be float32, got %s; convert it with x:float()", peri_tensor_text(x));
  }
  if (y->dtype == PERI_F32 && fits_samples(y, &c->out) && y->shape[0] == x->shape[0] && peri_tensor_contiguous(y)) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "compiled net: for %lld samples the result must be a dense float32 tensor of samples %s, got %s",
                   (long long)x->shape[0], peri_shape_text(c->out.ndim, c->out.at), peri_tensor_text(y));
}

int peri_compiled_run(peri_compiled *c, const peri_tensor *x, peri_tensor *y) {
  PERI_TRY(check_shapes(c, x, y));
  if (x->shape[0] == 0) return PERI_OK;
  peri_tensor *copy = NULL;
  if (!peri_tensor_contiguous(x)) PERI_TRY(peri_tensor_clone(&copy, x));
  pass p = {.c = c, .x = peri_tensor_data(copy ? copy : x), .dtype = x->dtype, .y = peri_tensor_data(y), .n = x->shape[0]};
  p.in_bytes = (size_t)c->value[0].floats * peri_dtype_size(x->dtype);
  p.size = peri_compiled_piece(c, p.n);
  bool before = peri_grad_set_enabled(false);
  int status = run(&p);
  peri_grad_set_enabled(before);
  peri_tensor_release(copy);
  if (status >= 0) peri_tensor_touch(y);
  return status;
}

/* --- looking --- */

const peri_shape *peri_compiled_out(const peri_compiled *c) { return &c->out; }
const char *peri_compiled_left_out(const peri_compiled *c) { return c->left_out; }
size_t peri_compiled_bytes(const peri_compiled *c) { return c->bytes; }
int peri_compiled_steps(const peri_compiled *c) { return c->steps; }

peri_compiled_step peri_compiled_step_at(const peri_compiled *c, int i) {
  const peri__step *s = &c->step[i];
  return (peri_compiled_step){.layers = s->layers, .op = s->op, .out = c->value[s->out].shape, .parameters = s->parameters,
                              .multiplications = s->multiplications, .executed = s->executed};
}
