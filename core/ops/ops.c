/* ops.c - the table of all ops. */
#include "ops/ops.h"

#include <string.h>

const peri_op *const peri_ops[] = {
#define PERI_OP(name) &peri_op_##name,
#include "ops/ops.def"
};
const int peri_op_count = (int)(sizeof peri_ops / sizeof peri_ops[0]);

const peri_op *peri_op_find(const char *name) {
  for (int i = 0; i < peri_op_count; i++) {
    if (strcmp(peri_ops[i]->name, name) == 0) return peri_ops[i];
  }
  return NULL;
}
