/* reference.h - the naive kernels: the oracle that every faster entry is held against. */
#ifndef PERI_KERNELS_REFERENCE_H
#define PERI_KERNELS_REFERENCE_H

#include "kernels/kernels.h"

/* The reference table of an element type; entries that make no sense for integers are NULL. */
const peri_kernels *peri__kernels_reference(peri_dtype dtype);

#endif
