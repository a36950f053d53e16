/* embedding.c - a row of a table for each identifier; identifiers are the data's own, from 0. */
#include <string.h>

#include "layers/layers.h"
#include "ops/ops.h"

enum { INPUTS, UNITS, INIT };

static int build(peri_layer *l) {
  int64_t shape[2] = {l->arg[INPUTS].integer, l->arg[UNITS].integer};
  if (shape[0] < 1 || shape[1] < 1) {
    return peri_fail(PERI_EARG, "Embedding: both sizes must be at least 1, got %lld and %lld", (long long)shape[0], (long long)shape[1]);
  }
  if (l->in.ndim + 2 > PERI_MAX_DIMS) return peri_fail(PERI_ESHAPE, "Embedding: inputs have too many dimensions");
  l->out = l->in;
  l->out.at[l->out.ndim++] = shape[1];
  return peri_layer_weight(l, "embeddings", 2, shape, peri__layer_choice(l, INIT), false);
}

/* Identifiers as positions, which count from 1. */
static int positions(peri_tensor **out, const peri_layer *l, const peri_tensor *x) {
  PERI_TRY(peri_tensor_cast(out, x, PERI_I64));
  int64_t *at = peri_tensor_data(*out), count = peri_tensor_count(*out), inputs = l->arg[INPUTS].integer;
  for (int64_t i = 0; i < count; i++) {
    if (at[i] < 0 || at[i] >= inputs) {
      int status = peri_fail(PERI_EARG, "Embedding: identifier %lld is not one of the %lld from 0 to %lld", (long long)at[i],
                             (long long)inputs, (long long)inputs - 1);
      peri_tensor_release(*out);
      return status;
    }
    at[i]++;
  }
  return PERI_OK;
}

static int forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  peri_tensor *at;
  PERI_TRY(positions(&at, l, x));
  int count = PERI_CALL(out, peri_op_index_select, PERI_T(l->weight[0].tensor), PERI_I(0), PERI_T(at));
  peri_tensor_release(at);
  return count < 0 ? count : PERI_OK;
}

const peri_layer_type peri_layer_Embedding = {
    .name = "Embedding",
    .signature = "inputs/input_dim: int, units/output_dim: int, "
                 "initializer/embeddings_initializer: " PERI_INITIALISERS " = random_uniform",
    .doc = "A learned vector for each identifier 0 to inputs - 1: (N, ...) -> (N, ..., units).",
    .example = "{7, 3} on 4",
    .keras = "Embedding",
    .build = build,
    .forward = forward};
