/* tape.c - a tensor's place in a graph, and the walk back through it. */
#include "grad/tape.h"

#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "grad/node.h"
#include "grad/profile.h"

/* --- a tensor's place --- */

bool peri_tensor_requires_grad(const peri_tensor *t) { return t->meta && t->meta->requires_grad; }
bool peri_tensor_is_leaf(const peri_tensor *t) { return !t->meta || !t->meta->node; }
peri_tensor *peri_tensor_grad(const peri_tensor *t) { return t->meta ? t->meta->grad : NULL; }

int peri_tensor_require_grad(peri_tensor *t, bool wanted) {
  if (!peri_tensor_is_leaf(t)) {
    return peri_fail(PERI_ESTATE, "requires_grad: the tensor is the result of '%s'; only leaves can be told, "
                                  "or use detach()", t->meta->node->call.op->name);
  }
  if (wanted && !peri_dtype_floating(t->dtype)) {
    return peri_fail(PERI_ETYPE, "requires_grad: only float32 and float64 tensors have gradients, not %s",
                     peri_dtype_name(t->dtype));
  }
  if (!t->meta) {
    if (!wanted) return PERI_OK;
    t->meta = peri_alloc_zeroed(sizeof *t->meta);
    if (!t->meta) return PERI_ENOMEM;
    t->meta->references = 1;
  }
  t->meta->requires_grad = wanted;
  return PERI_OK;
}

int peri_tensor_set_grad(peri_tensor *t, peri_tensor *grad) {
  if (grad && (grad->dtype != t->dtype || !peri_tensor_same_shape(grad, t))) {
    return peri_fail(PERI_ESHAPE, "grad: a gradient must be like its tensor, %s, not %s", peri_tensor_text(t),
                     peri_tensor_text(grad));
  }
  if (!t->meta) {
    if (!grad) return PERI_OK;
    return peri_fail(PERI_ESTATE, "grad: the tensor does not require a gradient");
  }
  peri_tensor_retain(grad);
  peri_tensor_release(t->meta->grad);
  t->meta->grad = grad;
  return PERI_OK;
}

int peri_tensor_detach(peri_tensor **out, const peri_tensor *t) { return peri_tensor_alias(out, t); }

bool peri_tensor_origin(const peri_tensor *t, const char *op, peri_tensor **input) {
  peri_node *node = t->meta ? t->meta->node : NULL;
  if (!node || node->freed || strcmp(node->call.op->name, op) != 0) return false;
  peri_tensor *kept = node->call.arg[0].tensor;
  if (!kept->storage || kept->storage->version != node->version[0]) return false;
  if (peri_tensor_alias(input, kept) < 0) return false;
  (*input)->meta = peri_meta_retain(node->edge[0]);
  return true;
}

/* --- inside an op's backward --- */

static int slot_of(const peri_call *c, int k) {
  return peri__node_first(c->node, peri_signature_of(c->op->signature), k);
}

bool peri_wants(const peri_call *c, int k) { return c->arg[k].given && peri__node_wants(c->node, slot_of(c, k)); }
bool peri_wants_item(const peri_call *c, int k, int i) { return peri__node_wants(c->node, slot_of(c, k) + i); }

int peri_give_item(peri_call *c, int k, int i, peri_tensor *grad) {
  c->node->grad_in[slot_of(c, k) + i] = grad;
  return PERI_OK;
}

/* --- sums of gradients --- */

/* Adds a gradient to *sum and takes it over. A tensor that someone else can see is never added to in
   place; one that is ours alone is. */
static int accumulate(peri_tensor **sum, peri_tensor *grad) {
  if (!*sum) {
    *sum = grad;
    return PERI_OK;
  }
  peri_tensor *total = *sum, *addend = NULL, *copy = NULL;
  bool ours = total->references == 1 && total->storage->references == 1 && peri_tensor_contiguous(total);
  int status = ours ? PERI_OK : peri_tensor_clone(&copy, total);
  if (status >= 0) status = peri_tensor_contiguous_of(&addend, grad);
  if (status >= 0) {
    if (copy) total = copy;
    peri_kernels_of(total->dtype)->axpy(peri_tensor_count(total), 1.0, peri_tensor_data(addend), peri_tensor_data(total));
    peri_tensor_touch(total);
    if (copy) {
      peri_tensor_release(*sum);
      *sum = copy;
      copy = NULL;
    }
  }
  peri_tensor_release(addend);
  peri_tensor_release(copy);
  peri_tensor_release(grad);
  return status;
}

/* A leaf's gradient is dense and its own: the person may write into it, an optimiser reads it as one run. */
static int accumulate_leaf(peri_meta *leaf, peri_tensor *grad) {
  if (!leaf->grad && (grad->references > 1 || grad->storage->references > 1 || !peri_tensor_contiguous(grad))) {
    int status = peri_tensor_clone(&leaf->grad, grad);
    peri_tensor_release(grad);
    return status;
  }
  return accumulate(&leaf->grad, grad);
}

/* --- the walk --- */

typedef struct walk {
  peri_node **nodes; /* every node that the root depends on, each retained */
  int64_t count, room;
  peri_node **ready;
  int64_t ready_count;
  bool keep;
  int captures; /* peri_gradients: where gradients go instead of leaves */
  peri_tensor *const *input;
  peri_tensor **out;
} walk;

uint64_t peri__walk_number;

static int walk_add(walk *w, peri_node *node) {
  if (w->count == w->room) {
    int64_t room = w->room ? 2 * w->room : 64;
    peri_node **more = peri_alloc(sizeof *more * (size_t)room);
    if (!more) return PERI_ENOMEM;
    if (w->count) memcpy(more, w->nodes, sizeof *more * (size_t)w->count);
    peri_free(w->nodes);
    w->nodes = more;
    w->room = room;
  }
  node->mark = peri__walk_number;
  node->selects = w->out != NULL;
  node->useful = !node->selects;
  node->pending = 0;
  node->references++;
  w->nodes[w->count++] = node;
  return PERI_OK;
}

/* Finds every node below the root and counts how many gradients each will be handed. */
static int walk_collect(walk *w, peri_node *root) {
  peri__walk_number++;
  PERI_TRY(walk_add(w, root));
  for (int64_t i = 0; i < w->count; i++) {
    peri_node *node = w->nodes[i];
    if (node->freed) {
      return peri_fail(PERI_ESTATE, "backward: the graph behind '%s' has been freed by an earlier backward; "
                                    "give keep = true to the first one to walk it twice", node->call.op->name);
    }
    for (int k = 0; k < node->inputs; k++) {
      peri_node *below = node->edge[k] ? node->edge[k]->node : NULL;
      if (node->edge[k] && !below && !w->out) peri__sink_count(node->edge[k]);
      if (!below) continue;
      if (below->mark != peri__walk_number) PERI_TRY(walk_add(w, below));
      below->pending++;
    }
  }
  w->ready = peri_alloc(sizeof *w->ready * (size_t)w->count);
  return w->ready ? PERI_OK : PERI_ENOMEM;
}

/* Puts the nodes in an order in which each comes behind those that hand it gradients; uses up `pending`. */
static void walk_sort(walk *w, peri_node *root) {
  int64_t sorted = 0;
  w->nodes[sorted++] = root;
  for (int64_t i = 0; i < sorted; i++) {
    for (int k = 0; k < w->nodes[i]->inputs; k++) {
      peri_meta *edge = w->nodes[i]->edge[k];
      if (edge && edge->node && --edge->node->pending == 0) w->nodes[sorted++] = edge->node;
    }
  }
}

/* Finds the ways from the root to the inputs, and counts the gradients that each node on one will be handed. */
static void walk_select(walk *w, peri_node *root) {
  walk_sort(w, root);
  for (int i = 0; i < w->captures; i++) w->input[i]->meta->wanted = peri__walk_number;
  for (int64_t i = w->count - 1; i >= 0; i--) {
    peri_node *node = w->nodes[i];
    for (int k = 0; k < node->inputs; k++) {
      peri_meta *edge = node->edge[k];
      if (!edge) continue;
      if (edge->node && edge->node->useful) edge->wanted = peri__walk_number;
      if (edge->wanted != peri__walk_number) continue;
      node->useful = true;
      if (edge->node) edge->node->pending++;
    }
  }
}

static int check_versions(const peri_node *node) {
  const peri_call *c = &node->call;
  const peri_signature *s = peri_signature_of(c->op->signature);
  int slot = 0;
  for (int k = 0; k < s->count; k++) {
    bool list = s->param[k].kind == PERI_K_TENSORS;
    if (!c->arg[k].given || (!list && s->param[k].kind != PERI_K_TENSOR)) continue;
    int count = list ? c->arg[k].tensors.count : 1;
    for (int i = 0; i < count; i++, slot++) {
      const peri_tensor *t = list ? c->arg[k].tensors.at[i] : c->arg[k].tensor;
      if (t->storage && t->storage->version != node->version[slot]) {
        return peri_fail(PERI_ESTATE, "backward: '%s' needs its argument '%s', a %s, as it was, but it has been "
                                      "changed in place since", c->op->name, s->param[k].name, peri_tensor_text(t));
      }
    }
  }
  for (int i = 0; i < c->outs; i++) {
    if (c->out[i]->storage && c->out[i]->storage->version != node->out_version[i]) {
      return peri_fail(PERI_ESTATE, "backward: '%s' needs its result, a %s, as it was, but it has been changed in "
                                    "place since", c->op->name, peri_tensor_text(c->out[i]));
    }
  }
  return PERI_OK;
}

/* Runs an op's backward; node->grad_in then holds one new gradient (or NULL) an input. */
static int differentiate(peri_node *node) {
  peri_tensor *by_argument[PERI_MAX_ARGS] = {NULL};
  const peri_signature *s = peri_signature_of(node->call.op->signature);
  PERI_TRY(check_versions(node));
  peri_watch watch = peri_watch_start();
  int status = node->call.op->backward(&node->call, node->grad_out, by_argument);
  const peri_tensor *x = s->param[0].kind == PERI_K_TENSOR && node->call.arg[0].given ? node->call.arg[0].tensor : NULL;
  peri_watch_stop(&watch, node->call.op->name, 1, x ? x->ndim : 0, x ? x->shape : NULL);
  int slot = 0;
  for (int k = 0; k < s->count; k++) {
    if (!node->call.arg[k].given) continue;
    if (s->param[k].kind == PERI_K_TENSOR) node->grad_in[slot++] = by_argument[k];
    else if (s->param[k].kind == PERI_K_TENSORS) slot += node->call.arg[k].tensors.count;
  }
  return status;
}

static int deliver_leaf(walk *w, peri_meta *leaf, peri_tensor *grad) {
  if (!w->out) return accumulate_leaf(leaf, grad);
  int status = PERI_OK;
  for (int i = 0; i < w->captures && status >= 0; i++) {
    if (w->input[i]->meta == leaf) status = accumulate(&w->out[i], peri_tensor_retain(grad));
  }
  peri_tensor_release(grad);
  return status;
}

/* A gradient, or NULL for none, of a leaf with a sink. One that the op has handed over itself is waited for no more. */
static int deliver_sink(const peri_node *node, peri_meta *leaf, peri_tensor *grad) {
  if (leaf->uses == 0) {
    peri_tensor_release(grad);
    return PERI_OK;
  }
  if (grad) PERI_TRY(accumulate_leaf(leaf, grad));
  if (--leaf->uses > 0 || !leaf->grad) return PERI_OK;
  if (!peri_tensor_contiguous(leaf->grad) || !peri__sink_may_change(leaf, node)) return PERI_OK;
  PERI_TRY(leaf->sink.take(leaf->sink.owner, 0, peri_tensor_count(leaf->grad), peri_tensor_data(leaf->grad)));
  leaf->sink.end(leaf->sink.owner);
  peri_tensor_release(leaf->grad);
  leaf->grad = NULL;
  return PERI_OK;
}

static int deliver(walk *w, peri_node *node) {
  for (int k = 0; k < node->inputs; k++) {
    peri_meta *edge = node->edge[k];
    peri_tensor *grad = node->grad_in[k];
    node->grad_in[k] = NULL;
    if (!peri__node_wants(node, k)) {
      peri_tensor_release(grad);
    } else if (!edge->node && peri__sink_waits(edge)) {
      PERI_TRY(deliver_sink(node, edge, grad));
    } else if (!edge->node) {
      if (grad) PERI_TRY(deliver_leaf(w, edge, grad));
    } else {
      if (grad) PERI_TRY(accumulate(&edge->node->grad_out[edge->output], grad));
      if (--edge->node->pending == 0) w->ready[w->ready_count++] = edge->node;
    }
  }
  return PERI_OK;
}

static void drop_gradients(peri_node *node) {
  for (int i = 0; i < PERI_MAX_OUTS; i++) {
    peri_tensor_release(node->grad_out[i]);
    node->grad_out[i] = NULL;
  }
}

static int visit(walk *w, peri_node *node) {
  bool reached = false;
  for (int i = 0; i < PERI_MAX_OUTS; i++) reached = reached || node->grad_out[i];
  for (int i = 0; i < w->captures; i++) {
    peri_meta *meta = w->input[i]->meta;
    if (meta && meta->node == node && node->grad_out[meta->output]) {
      PERI_TRY(accumulate(&w->out[i], peri_tensor_retain(node->grad_out[meta->output])));
    }
  }
  node->grad_in = peri_alloc_zeroed(sizeof *node->grad_in * ((size_t)node->inputs + 1));
  if (!node->grad_in) return PERI_ENOMEM;
  int status = reached && node->useful ? differentiate(node) : PERI_OK;
  if (status >= 0) status = deliver(w, node);
  for (int k = 0; k < node->inputs; k++) peri_tensor_release(node->grad_in[k]);
  peri_free(node->grad_in);
  node->grad_in = NULL;
  drop_gradients(node);
  if (status >= 0 && !w->keep && node->useful) peri__node_forget(node);
  return status;
}

static int walk_run(walk *w, peri_tensor *t, peri_tensor *seed) {
  peri_node *root = t->meta->node;
  PERI_TRY(walk_collect(w, root));
  if (w->out) walk_select(w, root);
  root->grad_out[t->meta->output] = peri_tensor_retain(seed);
  w->ready[w->ready_count++] = root;
  while (w->ready_count) {
    PERI_TRY(peri_interrupt_poll());
    PERI_TRY(visit(w, w->ready[--w->ready_count]));
  }
  return PERI_OK;
}

static int check_root(const peri_tensor *t, const peri_tensor *seed) {
  if (!peri_tensor_requires_grad(t)) {
    return peri_fail(PERI_ESTATE, "backward: the tensor does not depend on any tensor that requires a gradient");
  }
  if (!seed && peri_tensor_count(t) != 1) {
    return peri_fail(PERI_ESHAPE, "backward: a %s is not one number; reduce it first (sum, mean), or give the "
                                  "gradient to start from", peri_tensor_text(t));
  }
  if (seed && (seed->dtype != t->dtype || !peri_tensor_same_shape(seed, t))) {
    return peri_fail(PERI_ESHAPE, "backward: the gradient to start from must be a %s, not a %s", peri_tensor_text(t),
                     peri_tensor_text(seed));
  }
  return PERI_OK;
}

static int run(walk *w, peri_tensor *t, peri_tensor *seed) {
  PERI_TRY(check_root(t, seed));
  peri_tensor *start = peri_tensor_retain(seed);
  if (!start) PERI_TRY(peri_tensor_full(&start, t->dtype, t->ndim, t->shape, 1.0));
  bool before = peri_grad_set_enabled(false);
  int status = t->meta->node ? walk_run(w, t, start) : deliver_leaf(w, t->meta, peri_tensor_retain(start));
  peri_grad_set_enabled(before);
  for (int64_t i = 0; i < w->count; i++) {
    drop_gradients(w->nodes[i]);
    peri__node_release(w->nodes[i]);
  }
  peri_free(w->nodes);
  peri_free(w->ready);
  peri_tensor_release(start);
  return status;
}

int peri_backward(peri_tensor *t, peri_tensor *seed, bool keep) {
  walk w = {.keep = keep};
  return run(&w, t, seed);
}

int peri_gradients(peri_tensor **out, peri_tensor *t, peri_tensor *seed, int inputs, peri_tensor *const *input,
                   bool keep) {
  for (int i = 0; i < inputs; i++) {
    out[i] = NULL;
    if (!peri_tensor_requires_grad(input[i])) {
      return peri_fail(PERI_ESTATE, "grad: input %d does not require a gradient", i + 1);
    }
  }
  walk w = {.keep = keep, .captures = inputs, .input = input, .out = out};
  int status = run(&w, t, seed);
  for (int i = 0; i < inputs && status < 0; i++) {
    peri_tensor_release(out[i]);
    out[i] = NULL;
  }
  return status;
}
