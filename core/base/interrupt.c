/* interrupt.c - one atomic flag. */
#include "base/interrupt.h"

#include <stdatomic.h>

#include "base/status.h"

enum { CLEAR, RAISED, DELIVERED };

static atomic_int flag, held;

void peri_interrupt_raise(void) { atomic_store(&flag, RAISED); }
void peri_interrupt_clear(void) { atomic_store(&flag, CLEAR); }
int peri_interrupted(void) { return atomic_load_explicit(&flag, memory_order_relaxed) == RAISED; }
int peri_interrupt_open(void) { return atomic_load_explicit(&flag, memory_order_relaxed) != CLEAR; }

void peri_interrupt_deliver(void) {
  int raised = RAISED; /* one that was cleared meanwhile stays so */
  atomic_compare_exchange_strong(&flag, &raised, DELIVERED);
}

int peri_interrupt_poll(void) {
  if (!peri_interrupted() || atomic_load_explicit(&held, memory_order_relaxed)) return PERI_OK;
  return peri_fail(PERI_EINTERRUPT, "interrupted");
}

int peri_interrupt_hold(int wanted) { return atomic_exchange(&held, wanted); }
