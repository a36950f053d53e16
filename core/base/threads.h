/* threads.h - a pool of worker threads for work cut into pieces.

   The number of pieces is chosen from the size of the work alone, never from the number of threads,
   so that sums of pieces, added in order of piece, give the same bits whatever the thread count.
   Idle workers spin for 0.3 ms, then sleep (peri_threads_spin). One job runs at a time; a call from inside a
   piece runs its own pieces in place. */
#ifndef PERI_BASE_THREADS_H
#define PERI_BASE_THREADS_H

#include <stdint.h>

/* The number of threads that take part (the caller is one of them); at start PERILUNE_THREADS or the
   number of processors this process may use. Setting less than 1 or more than 256 is clamped. */
int peri_threads(void);
void peri_threads_set(int count);

/* Sets for how long an idle worker spins, in seconds; returns what it was. 0: it sleeps at once, which suits a program
   whose other threads want the processors between two jobs. */
double peri_threads_spin(double seconds);

/* Runs work(context, piece) for every piece in 0..pieces-1 and returns when all are done. Denormals
   are flushed to zero while a piece runs, on every thread alike, and the caller's mode is restored. */
void peri_parallel(int64_t pieces, void (*work)(void *context, int64_t piece), void *context);

/* Stops and joins the workers (at unload; before fork in a child that will use the core). */
void peri_threads_stop(void);

#endif
