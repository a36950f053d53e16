/* interrupt.h - the flag behind Ctrl-C and the notebook's stop button.

   A signal handler or another thread raises the flag; long C work polls it once a batch or tile and
   returns PERI_EINTERRUPT; whoever turns that into an error delivers it: polls find nothing any more. Whoever deals
   with it clears it. Until then the host may see to it that code which catches the error and goes on ends as well. */
#ifndef PERI_BASE_INTERRUPT_H
#define PERI_BASE_INTERRUPT_H

void peri_interrupt_raise(void); /* safe in a signal handler */
void peri_interrupt_clear(void);
void peri_interrupt_deliver(void);
int peri_interrupted(void);     /* 1 while the flag is up */
int peri_interrupt_open(void);  /* 1 from the raising to the clearing */

/* PERI_OK, or PERI_EINTERRUPT with a message while the flag is up. */
int peri_interrupt_poll(void);

/* While held, polls find nothing and the flag stays up: for work that must not stop half-way (weights being
   changed). Returns the old state. */
int peri_interrupt_hold(int held);

#endif
