/* threads.c - workers wait for a job number to change, go through a gate, and take pieces from a shared counter.

   `gate` counts the workers inside the present job, and has the bit CLOSED between jobs. A worker adds itself
   and, when it sees CLOSED, takes itself away again; the caller closes the gate when no piece is left and
   waits for those inside only. So a job's fields are never changed under a worker, and a worker that the
   system has not let run (another process has its processor) is not waited for: the caller does its pieces. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { MOST_THREADS = 256, SPINS = 4000, CLOSED = 1 << 30 };

static struct {
  void (*work)(void *, int64_t);
  void *context;
  int64_t pieces;
} job;
static atomic_int_fast64_t next_piece;
static atomic_uint generation;
static atomic_int gate = CLOSED, sleepers;
static atomic_bool stopping;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_t workers[MOST_THREADS];
static unsigned first_generation[MOST_THREADS];
static int running;       /* workers alive */
static atomic_int wanted; /* threads asked for, 0 = not yet chosen */
static _Thread_local bool inside;

static void pause_briefly(void) {
#if defined(__x86_64__)
  _mm_pause();
#else
  sched_yield();
#endif
}

/* Flush-to-zero and denormals-are-zero around kernels; Lua's arithmetic outside is untouched. */
static unsigned denormals_flush(void) {
#if defined(__x86_64__)
  unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040U);
  return mode;
#else
  return 0;
#endif
}
static void denormals_restore(unsigned mode) {
#if defined(__x86_64__)
  _mm_setcsr(mode);
#else
  (void)mode;
#endif
}

static void run_pieces(void) {
  inside = true;
  unsigned mode = denormals_flush();
  for (;;) {
    int64_t piece = atomic_fetch_add(&next_piece, 1);
    if (piece >= job.pieces) break;
    job.work(job.context, piece);
  }
  denormals_restore(mode);
  inside = false;
}

static void *worker(void *argument) {
  unsigned seen = *(unsigned *)argument;
  for (;;) {
    for (int spin = 0; spin < SPINS && atomic_load(&generation) == seen; spin++) pause_briefly();
    if (atomic_load(&generation) == seen) {
      pthread_mutex_lock(&lock);
      atomic_fetch_add(&sleepers, 1);
      while (atomic_load(&generation) == seen) pthread_cond_wait(&wake, &lock);
      atomic_fetch_sub(&sleepers, 1);
      pthread_mutex_unlock(&lock);
    }
    seen = atomic_load(&generation);
    if (atomic_load(&stopping)) return NULL;
    if (!(atomic_fetch_add(&gate, 1) & CLOSED)) run_pieces();
    atomic_fetch_sub(&gate, 1);
  }
}

static void publish(void) {
  atomic_fetch_add(&generation, 1);
  if (atomic_load(&sleepers)) {
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
  }
}

static void stop_workers(void) {
  if (running == 0) return;
  atomic_store(&stopping, true);
  publish();
  for (int i = 0; i < running; i++) pthread_join(workers[i], NULL);
  atomic_store(&stopping, false);
  running = 0;
}

/* A forked child has none of its parent's workers. One may have held `lock` at the fork, or stood in the
   gate; one that slept is a sleeper no more. The child starts workers of its own when it needs them. */
static void forget_workers(void) {
  running = 0;
  inside = false;
  atomic_store(&sleepers, 0);
  atomic_store(&gate, CLOSED);
  lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  jobs = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}
static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

/* Workers that cannot be started are done without. Signals belong to the main thread. */
static void start_workers(int count) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  for (running = 0; running < count; running++) {
    first_generation[running] = atomic_load(&generation);
    if (pthread_create(&workers[running], NULL, worker, &first_generation[running])) break;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int clamp(long count) {
  return count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : (int)count;
}

int peri_threads(void) {
  if (atomic_load(&wanted) == 0) {
    const char *asked = getenv("PERILUNE_THREADS");
    long count = asked ? strtol(asked, NULL, 10) : 0;
    if (count < 1) {
      cpu_set_t set;
      count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                          : sysconf(_SC_NPROCESSORS_ONLN);
    }
    atomic_store(&wanted, clamp(count));
  }
  return atomic_load(&wanted);
}

void peri_threads_set(int count) {
  pthread_mutex_lock(&jobs);
  atomic_store(&wanted, clamp(count));
  if (running != atomic_load(&wanted) - 1) stop_workers();
  pthread_mutex_unlock(&jobs);
}

void peri_threads_stop(void) {
  pthread_mutex_lock(&jobs);
  stop_workers();
  pthread_mutex_unlock(&jobs);
}

/* The workers run this library's code, so they must be gone before it is. A thread that exits the
   process in the middle of another's job leaves them to the system. */
__attribute__((destructor)) static void stop_at_unload(void) {
  if (pthread_mutex_trylock(&jobs)) return;
  stop_workers();
  pthread_mutex_unlock(&jobs);
}

static void run_alone(int64_t pieces, void (*work)(void *, int64_t), void *context) {
  unsigned mode = denormals_flush();
  for (int64_t piece = 0; piece < pieces; piece++) work(context, piece);
  denormals_restore(mode);
}

void peri_parallel(int64_t pieces, void (*work)(void *context, int64_t piece), void *context) {
  if (pieces < 1) return;
  if (inside || pieces == 1 || peri_threads() == 1) {
    run_alone(pieces, work, context);
    return;
  }
  pthread_mutex_lock(&jobs);
  if (running == 0) start_workers(atomic_load(&wanted) - 1);
  job.work = work;
  job.context = context;
  job.pieces = pieces;
  atomic_store(&next_piece, 0);
  atomic_fetch_and(&gate, ~CLOSED);
  publish();
  run_pieces();
  atomic_fetch_or(&gate, CLOSED);
  for (int spin = 0; atomic_load(&gate) != CLOSED; spin++) {
    if (spin < SPINS) pause_briefly();
    else sched_yield();
  }
  pthread_mutex_unlock(&jobs);
}
