/* threads.c - workers wait for a job number to change, go through a gate, and take pieces from a shared counter.

   `gate` counts the workers inside the present job, and has the bit CLOSED between jobs. A worker adds itself
   and, when it sees CLOSED, takes itself away again; the caller closes the gate when no piece is left and
   waits for those inside only. So a job's fields are never changed under a worker, and a worker that the
   system has not let run (another process has its processor) is not waited for: the caller does its pieces.

   A worker without work spins for SPIN_SECONDS, then sleeps until it is woken; where there are more threads than
   processors, or peri_threads_spin says so, it sleeps at once. Why not OpenMP: a job of 8 pieces of 5 us, median microseconds, on a Zen 5 with two
   processors, by the time since the last job (libgomp of gcc 12; the ideal is 20; with 8 threads, 40 us of work that
   two processors share):

     since the last job            0 us   100 us   200 us   1 ms
     this pool, 2 threads          20.6    20.6     20.6    40     (asleep: one wake-up)
     libgomp, 2, active (default)  21.0    21.0     21.0    21     (spins on for milliseconds, between jobs too)
     libgomp, 2, passive           45      48       43      50
     this pool, 8 threads          21     41       45       43
     libgomp, 8 threads            97      94       105     103

   An empty job takes 0.4 us here and 0.6 us there. A step of training leaves gaps of 10 to 200 us between jobs. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/arena.h"

enum { MOST_THREADS = 256, SPINS = 4000, CLOSED = 1 << 30 };
#define SPIN_SECONDS 300e-6

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
static bool crowded;      /* more threads than processors: spinning would take a processor from who has work */
static _Atomic double spin_seconds = SPIN_SECONDS;
static atomic_int wanted; /* threads asked for, 0 = not yet chosen */
static _Thread_local bool inside;

static void pause_briefly(void) {
#if defined(__x86_64__)
  _mm_pause();
#else
  sched_yield();
#endif
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Until there is another job than `seen`, or the time is up; the clock is read now and then only. */
static void spin(unsigned seen) {
  double patience = crowded ? 0 : atomic_load(&spin_seconds);
  if (!(patience > 0)) return;
  double until = now() + patience;
  do {
    for (int i = 0; i < 100; i++) {
      if (atomic_load(&generation) != seen) return;
      pause_briefly();
    }
  } while (now() < until);
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
  bool planned = peri__arena_pause();
  unsigned mode = denormals_flush();
  for (;;) {
    int64_t piece = atomic_fetch_add(&next_piece, 1);
    if (piece >= job.pieces) break;
    job.work(job.context, piece);
  }
  denormals_restore(mode);
  peri__arena_resume(planned);
  inside = false;
}

static void *worker(void *argument) {
  unsigned seen = *(unsigned *)argument;
  for (;;) {
    spin(seen);
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

/* Tells the workers of a job; wakes no more sleepers than it has use for. */
static void publish(int64_t helpers) {
  atomic_fetch_add(&generation, 1);
  int asleep = atomic_load(&sleepers);
  if (!asleep) return;
  pthread_mutex_lock(&lock);
  if (helpers >= asleep) pthread_cond_broadcast(&wake);
  else
    for (int64_t i = 0; i < helpers; i++) pthread_cond_signal(&wake);
  pthread_mutex_unlock(&lock);
}

static void stop_workers(void) {
  if (running == 0) return;
  atomic_store(&stopping, true);
  publish(running);
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

/* Processors that this process may use. */
static long processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
}

/* Workers that cannot be started are done without. Signals belong to the main thread. */
static void start_workers(int count) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  crowded = count + 1 > processors();
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
    atomic_store(&wanted, clamp(count < 1 ? processors() : count));
  }
  return atomic_load(&wanted);
}

void peri_threads_set(int count) {
  pthread_mutex_lock(&jobs);
  int now_wanted = clamp(count);
  atomic_store(&wanted, now_wanted);
  /* One thread needs no worker: those that are there sleep on, for whoever asks for one thread does so for a while. */
  if (now_wanted > 1 && running != now_wanted - 1) stop_workers();
  pthread_mutex_unlock(&jobs);
}

double peri_threads_spin(double seconds) { return atomic_exchange(&spin_seconds, seconds); }

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
  bool planned = peri__arena_pause();
  unsigned mode = denormals_flush();
  for (int64_t piece = 0; piece < pieces; piece++) work(context, piece);
  denormals_restore(mode);
  peri__arena_resume(planned);
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
  publish(pieces - 1);
  run_pieces();
  atomic_fetch_or(&gate, CLOSED);
  for (int spin = 0; atomic_load(&gate) != CLOSED; spin++) {
    if (spin < SPINS) pause_briefly();
    else sched_yield();
  }
  pthread_mutex_unlock(&jobs);
}
