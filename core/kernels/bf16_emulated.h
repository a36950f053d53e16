/* bf16_emulated.h - products of operands rounded to bfloat16, on float32 kernels, and the rule which of
   them are rounded. */
#ifndef PERI_KERNELS_BF16_EMULATED_H
#define PERI_KERNELS_BF16_EMULATED_H

#include "kernels/kernels.h"

/* Writes the entries over those of a float32 table; `of` is the set whose kernels they call. One at a time. */
void peri__bf16_emulate(const peri_kernels *of, peri_kernels *table);

/* Whether a convolution multiplies in bfloat16. */
static inline int peri__bf16_pays(const peri_window *g) { return g->c > g->groups; }

#endif
