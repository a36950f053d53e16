/* public_api.c - the library from C, through perilune.h alone: a net learns XOR, errors teach, nothing leaks. */
#include "perilune.h"

#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, peri_message());                  \
      return 1;                                                                                    \
    }                                                                                              \
  } while (0)

static int dense(peri_layer **out, int64_t units, int64_t activation) {
  peri_value arg[PERI_MAX_ARGS] = {PERI_I(units), PERI_I(activation)};
  return peri_layer_new(out, peri_layer_type_find("Dense"), arg, NULL);
}

/* w -= rate * gradient, for every weight of a net of two layers. */
static void descend(peri_layer *net, double rate) {
  for (int i = 0; i < net->children; i++) {
    for (int k = 0; k < net->child[i]->weights; k++) {
      peri_tensor *w = net->child[i]->weight[k].tensor;
      peri_kernels_of(w->dtype)->axpy(peri_tensor_count(w), -rate, peri_tensor_data(peri_tensor_grad(w)), peri_tensor_data(w));
      peri_tensor_touch(w);
      peri_tensor_set_grad(w, NULL);
    }
  }
}

static int learn(double *last) {
  static const float inputs[] = {0, 0, 0, 1, 1, 0, 1, 1};
  static const int64_t labels[] = {0, 1, 1, 0};
  peri_layer *net, *hidden, *output;
  peri_tensor *x, *y;
  peri_seed(3);
  CHECK(peri_layer_new(&net, peri_layer_type_find("Sequential"), NULL, "xor") >= 0);
  CHECK(dense(&hidden, 8, 7 /* tanh */) >= 0 && dense(&output, 2, 0) >= 0);
  CHECK(peri_layer_add(net, hidden) >= 0 && peri_layer_add(net, output) >= 0);
  CHECK(strcmp(output->name, "dense_1") == 0);
  CHECK(peri_tensor_from(&x, PERI_F32, 2, (int64_t[]){4, 2}, inputs) >= 0);
  CHECK(peri_tensor_from(&y, PERI_I64, 1, (int64_t[]){4}, labels) >= 0);
  for (int step = 0; step < 500; step++) {
    peri_tensor *logits, *losses, *loss;
    CHECK(peri_layer_forward(net, &logits, x, true) >= 0);
    CHECK(PERI_CALL(&losses, *peri_op_find("cross_entropy"), PERI_T(logits), PERI_T(y)) == 1);
    CHECK(PERI_CALL(&loss, *peri_op_find("mean"), PERI_T(losses)) == 1);
    CHECK(peri_backward(loss, NULL, false) >= 0);
    *last = peri_tensor_item(loss);
    descend(net, 0.5);
    peri_tensor_release(logits);
    peri_tensor_release(losses);
    peri_tensor_release(loss);
  }
  peri_tensor_release(x);
  peri_tensor_release(y);
  peri_layer_release(hidden);
  peri_layer_release(output);
  peri_layer_release(net);
  return 0;
}

static int errors_teach(void) {
  peri_tensor *a, *b, *c = NULL;
  CHECK(peri_tensor_zeros(&a, PERI_F32, 2, (int64_t[]){2, 3}) >= 0);
  CHECK(peri_tensor_zeros(&b, PERI_F32, 2, (int64_t[]){2, 3}) >= 0);
  CHECK(PERI_CALL(&c, *peri_op_find("matmul"), PERI_T(a), PERI_T(b)) == PERI_ESHAPE);
  CHECK(strstr(peri_message(), "matmul") && strstr(peri_message(), "(2, 3)") && c == NULL);
  CHECK(peri_op_find("no such op") == NULL);
  peri_tensor_release(a);
  peri_tensor_release(b);
  return 0;
}

int main(void) {
  double loss = 1;
  if (learn(&loss) || errors_teach()) return 1; /* the first pass fills caches: parsed signatures */
  uint64_t before = peri_memory_live();
  if (learn(&loss) || errors_teach()) return 1;
  CHECK(loss < 0.05);
  CHECK(peri_memory_live() == before);
  printf("XOR learned, loss %.4f\n", loss);
  return 0;
}
