/* interrupt.c - one atomic flag. */
#include "base/interrupt.h"

#include <stdatomic.h>

#include "base/status.h"

static atomic_int flag, held;

void peri_interrupt_raise(void) { atomic_store(&flag, 1); }
void peri_interrupt_clear(void) { atomic_store(&flag, 0); }
int peri_interrupted(void) { return atomic_load_explicit(&flag, memory_order_relaxed); }

int peri_interrupt_poll(void) {
  if (!peri_interrupted() || atomic_load_explicit(&held, memory_order_relaxed)) return PERI_OK;
  return peri_fail(PERI_EINTERRUPT, "interrupted");
}

int peri_interrupt_hold(int wanted) { return atomic_exchange(&held, wanted); }
