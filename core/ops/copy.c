/* copy.c - copies that a gradient passes through: another element type, memory of their own, dense memory. */
#include "ops/ops.h"

static int to_forward(peri_call *c) {
  c->outs = 1;
  return peri_tensor_cast(&c->out[0], c->arg[0].tensor, (peri_dtype)c->arg[1].integer);
}
static int cast_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return peri_tensor_cast(&grad_in[0], grad_out[0], c->arg[0].tensor->dtype);
}
const peri_op peri_op_to = {.name = "to",
                            .signature = "x: tensor, dtype: dtype",
                            .doc = "A copy with another element type: float32, float64, int64 or uint8. Floats become integers by "
                                   "dropping the fraction.",
                            .example = "randn(2, 3), 'float64'",
                            .forward = to_forward,
                            .backward = cast_backward};

static int clone_forward(peri_call *c) {
  c->outs = 1;
  return peri_tensor_clone(&c->out[0], c->arg[0].tensor);
}
const peri_op peri_op_clone = {.name = "clone",
                               .signature = "x: tensor",
                               .doc = "A dense copy with memory of its own.",
                               .example = "randn(2, 3)",
                               .forward = clone_forward,
                               .backward = cast_backward};

static int contiguous_forward(peri_call *c) {
  c->outs = 1;
  return peri_tensor_contiguous_of(&c->out[0], c->arg[0].tensor);
}
const peri_op peri_op_contiguous = {.name = "contiguous",
                                    .signature = "x: tensor",
                                    .doc = "The same elements in dense memory: x itself, seen anew, where it is dense already.",
                                    .example = "randn(2, 3); randn(3, 2).T",
                                    .forward = contiguous_forward,
                                    .backward = cast_backward};
