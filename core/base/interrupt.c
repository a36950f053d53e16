/* interrupt.c - one atomic flag. */
#include "base/interrupt.h"

#include <stdatomic.h>

#include "base/status.h"

static atomic_int flag;

void peri_interrupt_raise(void) { atomic_store(&flag, 1); }
void peri_interrupt_clear(void) { atomic_store(&flag, 0); }
int peri_interrupted(void) { return atomic_load_explicit(&flag, memory_order_relaxed); }

int peri_interrupt_poll(void) {
  return peri_interrupted() ? peri_fail(PERI_EINTERRUPT, "interrupted") : PERI_OK;
}
