/* call.h - an op: its descriptor, its arguments, and the one way to call it.

   An op is one file under ops/ that defines `const peri_op peri_op_NAME`, and one row PERI_OP(NAME)
   in ops.def. The descriptor is all there is to know about it: the Lua binding, argument checks,
   help(), the reference, the gradient check and the file formats read it.

   The signature is text, parsed once: names with types, `?` for optional, `= value` for a default:

     "x: tensor, kernel: tensor, bias: tensor?, stride: pair = 1, padding: valid|same = valid"

     tensor   a tensor. A Lua number is accepted where another tensor argument gives the type
     tensors  a list of tensors
     number   a double                 int   an integer            bool   true or false
     axis     one axis: 1-based or negative in Lua, 0-based in a call; `= -1` is the last
     axes     one axis or a list; empty list or absent (`?`) means all
     ints     a list of integers, or one   pair   two integers, one integer given means both
     shape    a list of sizes            dtype   "float32", ...      string  text
     a|b|c    a choice: the value is the position, from 0
   In Lua arguments come in order, or by name in one table. A name may have other spellings, for
   people who come from elsewhere: "kernel/kernel_size: pair". */
#ifndef PERI_GRAD_CALL_H
#define PERI_GRAD_CALL_H

#include "grad/tape.h"

enum { PERI_MAX_ARGS = 16, PERI_MAX_OUTS = 4, PERI_MAX_AUX = 4, PERI_MAX_INTS = 8 };

typedef enum peri_kind {
  PERI_K_TENSOR, PERI_K_TENSORS, PERI_K_NUMBER, PERI_K_INT, PERI_K_BOOL, PERI_K_AXIS, PERI_K_AXES,
  PERI_K_INTS, PERI_K_PAIR, PERI_K_SHAPE, PERI_K_DTYPE, PERI_K_STRING, PERI_K_CHOICE
} peri_kind;

/* One argument's value. `given` is false when an optional argument is absent and has no default. */
typedef struct peri_value {
  bool given;
  union {
    peri_tensor *tensor;
    double number;
    int64_t integer; /* int, axis, dtype, choice */
    bool boolean;
    const char *string;
    struct { int count; int64_t at[PERI_MAX_INTS]; } ints; /* ints, pair, shape, axes */
    struct { int count; peri_tensor **at; } tensors;
  };
} peri_value;

/* One parameter, as parsed from a signature. */
typedef struct peri_param {
  char name[24];
  char others[40];           /* other spellings, split by '/' */
  peri_kind kind;
  bool optional;             /* may be absent: `?`, or a default */
  peri_value fallback;       /* the default; given is false without one */
  char choices[160];         /* "valid|same" */
} peri_param;

typedef struct peri_signature {
  int count;
  peri_param param[PERI_MAX_ARGS];
} peri_signature;

/* Parses a signature; a mistake in one is a programmer's error reported as PERI_EARG. */
int peri_signature_parse(peri_signature *out, const char *text);

/* The parsed form of a descriptor's signature: made at the first use, kept; NULL with the message set when
   memory is short. `text` must be a constant. */
const peri_signature *peri_signature_of(const char *text);

const char *peri_kind_name(peri_kind kind);
int peri_choice_index(const peri_param *p, const char *word, size_t length); /* -1 when it is none of them */
const char *peri_choice_name(const peri_param *p, int64_t index);            /* this thread's buffer */

struct peri_op;

/* A call under way, and afterwards the node's memory of it. */
typedef struct peri_call {
  const struct peri_op *op;
  int args;
  peri_value arg[PERI_MAX_ARGS];
  int outs;
  peri_tensor *out[PERI_MAX_OUTS];
  peri_tensor *aux[PERI_MAX_AUX]; /* what forward computed for backward: the call owns them */
  bool recording;                 /* some input wants a gradient: backward may follow */
  struct peri_node *node;         /* in backward: where peri_wants and peri_give_item look */
} peri_call;

enum {
  PERI_OP_ORIGIN = 1,    /* remember the input even when not recording (softmax, sigmoid: losses look) */
  PERI_OP_NO_METHOD = 2, /* a function of the module only, no method of tensors */
  PERI_OP_NO_FUNCTION = 4, /* a method only */
  PERI_OP_RANDOM = 8,    /* draws from the generator */
  PERI_OP_NEW_AXIS = 16  /* its axis counts the axes of the result, one more than the input has */
};

typedef struct peri_op {
  const char *name;
  const char *signature;
  const char *doc;     /* one line of what it is, then shapes, formula, errors and source */
  const char *example; /* Lua argument lists for the gradient check and help, split by ';':
                          "randn(2, 3), 1; randn(4), {axis = 1}". Evaluated with peri's functions in
                          scope and float64 as the type; every float tensor in it is checked */
  /* Reads c->arg, checks shapes and types, fills c->out and c->outs (new tensors). When c->recording it
     may leave results for backward in c->aux. */
  int (*forward)(peri_call *c);
  /* NULL when not differentiable. grad_out[i] is NULL where out i got no gradient. Puts a new tensor
     into grad_in[k] for each tensor argument k that wants(c, k); a list's tensors follow at their own
     positions: slot k of a `tensors` argument is grad_list. */
  int (*backward)(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in);
  int outs;           /* the most results it gives; 0 means 1 */
  unsigned keep_args; /* bit k: backward reads the elements of tensor argument k; otherwise only its shape is kept */
  unsigned constant_outs; /* bit k: no gradient flows through output k */
  unsigned keep_outs; /* bit k: backward reads the elements of output k */
  unsigned flags;
} peri_op;

/* Does backward need to make the gradient of tensor argument k (of item i in a list)? */
bool peri_wants(const peri_call *c, int k);
bool peri_wants_item(const peri_call *c, int k, int i);

/* Inside backward of an op with a `tensors` argument at slot k: hands over the gradient of item i. */
int peri_give_item(peri_call *c, int k, int i, peri_tensor *grad);

/* Inside backward, for an op that can make the gradient of tensor argument k part by part, and does not read the
   argument's elements after that: the sink that waits for it, which must then get all of it, or NULL. */
const peri_sink *peri_sink_begin(peri_call *c, int k);

/* All ops, in the order of ops.def; and by name, NULL when there is none (ops/ops.c). */
extern const peri_op *const peri_ops[];
extern const int peri_op_count;
const peri_op *peri_op_find(const char *name);

/* Calls an op: `args` values in the signature's order (missing ones at the end take their defaults,
   as do ones with given = false). Records on the tape when recording is on and an input wants a
   gradient. out receives the results, new; the number of results is returned. */
int peri_apply(const peri_op *op, int args, const peri_value *arg, peri_tensor **out);

/* For ops and layers that call ops: PERI_CALL(&y, peri_op_matmul, PERI_T(a), PERI_T(b)). */
#define PERI_T(t) ((peri_value){.given = (t) != NULL, .tensor = (t)})
#define PERI_N(v) ((peri_value){.given = true, .number = (v)})
#define PERI_I(v) ((peri_value){.given = true, .integer = (v)})
#define PERI_B(v) ((peri_value){.given = true, .boolean = (v)})
#define PERI_ABSENT ((peri_value){.given = false})
#define PERI_PAIR(a, b) ((peri_value){.given = true, .ints = {.count = 2, .at = {(a), (b)}}})
#define PERI_CALL(out, op, ...)                                                                    \
  peri_apply(&(op), (int)(sizeof((peri_value[]){__VA_ARGS__}) / sizeof(peri_value)),               \
             (const peri_value[]){__VA_ARGS__}, (out))

#endif
