/* loader.c - a ring of batches between threads that prepare them and one that takes them.

   A buffer is FREE, then a thread claims the next batch and FILLs it, then it is READY, then LENT: the caller has a
   view of its memory. A lent buffer is FREE again when nothing but the loader holds its storage; until then another
   takes its place, so that a batch that somebody keeps never changes. One mutex guards the states, and two conditions
   say that there is room, and that a batch is ready. The threads only read the recipe and write into buffers that they
   claimed: reference counts belong to the thread that calls. */
#include "data/loader.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/threads.h"

enum { LENT_MOST = 8, BUFFERS = PERI_LOADER_AHEAD_MOST + LENT_MOST, PIECES = 64, POLL_NANOSECONDS = 50000000 };

typedef enum buffer_state { NONE, FREE, FILLING, READY, LENT } buffer_state;

typedef struct buffer {
  peri_tensor *x, *y;
  void *x_data, *y_data; /* for the threads, which do not look into tensors that others change */
  buffer_state state;
  int64_t batch;
} buffer;

typedef struct worker {
  pthread_t thread;
  peri_loader *loader;
  float *scratch;
} worker;

struct peri_loader {
  peri__rows rows;
  int64_t size, batches, taken; /* taken: batches that the caller has had */
  int ahead, workers;           /* workers: threads that run */
  pid_t process;                /* the one that has them */
  pthread_mutex_t lock;
  pthread_cond_t room, ready;
  atomic_bool stopping;
  int64_t claimed; /* batches that threads have begun */
  buffer buffers[BUFFERS];
  worker worker[PERI_LOADER_WORKERS_MOST];
};

static int64_t rows_in(const peri_loader *l, int64_t batch) {
  int64_t left = l->rows.count - batch * l->size;
  return left < l->size ? left : l->size;
}

/* --- the threads --- */

typedef struct fill {
  worker *w;
  buffer *b;
} fill;

static void fill_buffer(void *context, int64_t piece) {
  const fill *f = context;
  peri_loader *l = f->w->loader;
  int64_t count = rows_in(l, f->b->batch);
  (void)piece;
  for (int64_t i = 0; i < count && !atomic_load_explicit(&l->stopping, memory_order_relaxed); i++) {
    peri__rows_put(&l->rows, f->b->batch * l->size + i, f->b->x_data, f->b->y_data, i, f->w->scratch);
  }
}

static buffer *find(peri_loader *l, buffer_state state) {
  for (int i = 0; i < BUFFERS; i++) {
    if (l->buffers[i].state == state) return &l->buffers[i];
  }
  return NULL;
}

static void *work(void *argument) {
  worker *w = argument;
  peri_loader *l = w->loader;
  pthread_mutex_lock(&l->lock);
  for (;;) {
    buffer *b = NULL;
    while (!atomic_load(&l->stopping) && l->claimed < l->batches && !(b = find(l, FREE))) {
      pthread_cond_wait(&l->room, &l->lock);
    }
    if (!b) break;
    b->state = FILLING;
    b->batch = l->claimed++;
    pthread_mutex_unlock(&l->lock);
    peri_parallel(1, fill_buffer, &(fill){w, b}); /* one piece runs here, with denormals as in every kernel */
    pthread_mutex_lock(&l->lock);
    b->state = READY;
    pthread_cond_signal(&l->ready);
  }
  pthread_cond_broadcast(&l->room); /* nobody needs to wait for more */
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* Threads that cannot be started are done without. Signals belong to the main thread. */
static void start_workers(peri_loader *l, int count) {
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  for (l->workers = 0; l->workers < count; l->workers++) {
    worker *w = &l->worker[l->workers];
    w->loader = l;
    w->scratch = peri_alloc((size_t)l->rows.scratch * sizeof(float));
    if (!w->scratch) break;
    if (pthread_create(&w->thread, NULL, work, w)) {
      peri_free(w->scratch);
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop_workers(peri_loader *l) {
  bool ours = l->process == getpid();
  if (ours && l->workers) {
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->stopping, true);
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
  }
  for (int i = 0; i < l->workers; i++) {
    if (ours) pthread_join(l->worker[i].thread, NULL);
    peri_free(l->worker[i].scratch);
  }
  l->workers = 0;
}

/* --- buffers: all of this on the caller's thread, under the lock --- */

static void drop_buffer(buffer *b) {
  peri_tensor_release(b->x);
  peri_tensor_release(b->y);
  *b = (buffer){.state = NONE};
}

static bool is_held(const peri_tensor *t) { return t && t->storage->references > 1; }

/* Takes back what the caller has let go, and makes buffers until `ahead` of them can be filled. A failure counts only
   where there is nothing to go on with. */
static int replenish(peri_loader *l) {
  int usable = 0, lent = 0;
  buffer *oldest = NULL;
  for (int i = 0; i < BUFFERS; i++) {
    buffer *b = &l->buffers[i];
    if (b->state == LENT && !is_held(b->x) && !is_held(b->y)) {
      b->state = FREE;
      peri_tensor_touch(b->x);
      if (b->y) peri_tensor_touch(b->y);
    }
    usable += b->state == FREE || b->state == FILLING || b->state == READY;
    lent += b->state == LENT;
    if (b->state == LENT && (!oldest || b->batch < oldest->batch)) oldest = b;
  }
  if (lent > LENT_MOST - 1) drop_buffer(oldest); /* whoever holds it keeps it */
  int64_t wanted = l->batches - l->taken < l->ahead ? l->batches - l->taken : l->ahead;
  for (; usable < wanted; usable++) {
    buffer *b = find(l, NONE);
    int status = peri__rows_room(&l->rows, l->size, &b->x, &b->y);
    if (status < 0) return usable ? PERI_OK : status;
    b->x_data = peri_tensor_data(b->x);
    b->y_data = b->y ? peri_tensor_data(b->y) : NULL;
    b->state = FREE;
  }
  pthread_cond_broadcast(&l->room);
  return PERI_OK;
}

/* Views of a buffer's first rows. */
static int lend(const peri_loader *l, const buffer *b, peri_tensor **x, peri_tensor **y) {
  int64_t count = rows_in(l, b->batch);
  PERI_TRY(peri_tensor_slice(x, b->x, 0, 0, count, 1));
  if (!b->y) return PERI_OK;
  int status = peri_tensor_slice(y, b->y, 0, 0, count, 1);
  if (status < 0) {
    peri_tensor_release(*x);
    *x = NULL;
  }
  return status;
}

static buffer *find_ready(peri_loader *l) {
  for (int i = 0; i < BUFFERS; i++) {
    if (l->buffers[i].state == READY && l->buffers[i].batch == l->taken) return &l->buffers[i];
  }
  return NULL;
}

/* Waits for the next batch, and looks for an interruption twenty times a second meanwhile. */
static int wait_ready(peri_loader *l, buffer **b) {
  while (!(*b = find_ready(l))) {
    struct timespec until;
    PERI_TRY(peri_interrupt_poll());
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_NANOSECONDS;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&l->ready, &l->lock, &until);
  }
  return PERI_OK;
}

static int next_from_workers(peri_loader *l, peri_tensor **x, peri_tensor **y) {
  buffer *b;
  int status;
  pthread_mutex_lock(&l->lock);
  PERI_TRY_GOTO(done, replenish(l));
  PERI_TRY_GOTO(done, wait_ready(l, &b));
  PERI_TRY_GOTO(done, lend(l, b, x, y));
  b->state = LENT;
  l->taken++;
  (void)replenish(l); /* what fails here is tried again when it matters */
  status = 1;
done:
  pthread_mutex_unlock(&l->lock);
  return status;
}

/* --- without threads of its own --- */

typedef struct in_place {
  const peri_loader *l;
  void *x, *y;
  float *scratch;
  int64_t count, rows_a_piece;
} in_place;

static void fill_piece(void *context, int64_t piece) {
  const in_place *p = context;
  const peri__rows *r = &p->l->rows;
  int64_t begin = piece * p->rows_a_piece, end = begin + p->rows_a_piece;
  for (int64_t i = begin; i < (end < p->count ? end : p->count) && !peri_interrupted(); i++) {
    peri__rows_put(r, p->l->taken * p->l->size + i, p->x, p->y, i, p->scratch + piece * r->scratch);
  }
}

static int next_in_place(peri_loader *l, peri_tensor **x, peri_tensor **y) {
  int64_t count = rows_in(l, l->taken), rows_a_piece = (count + PIECES - 1) / PIECES;
  int64_t pieces = (count + rows_a_piece - 1) / rows_a_piece;
  int status;
  in_place p = {.l = l, .count = count, .rows_a_piece = rows_a_piece};
  PERI_TRY(peri_interrupt_poll());
  PERI_TRY(peri__rows_room(&l->rows, count, x, y));
  p.x = peri_tensor_data(*x);
  p.y = *y ? peri_tensor_data(*y) : NULL;
  p.scratch = peri_alloc((size_t)(pieces * l->rows.scratch) * sizeof(float));
  status = p.scratch ? PERI_OK : PERI_ENOMEM;
  if (p.scratch) {
    peri_parallel(pieces, fill_piece, &p);
    peri_free(p.scratch);
    status = peri_interrupt_poll();
  }
  if (status < 0) {
    peri_tensor_release(*x);
    peri_tensor_release(*y);
    *x = *y = NULL;
    return status;
  }
  l->taken++;
  return 1;
}

/* --- the loader --- */

static int check(const peri_recipe *r) {
  if (r->size < 1) return peri_fail(PERI_EARG, "batches: size is %lld, expected 1 or more", (long long)r->size);
  if (r->ahead < PERI_LOADER_AUTO || r->ahead > PERI_LOADER_AHEAD_MOST) {
    return peri_fail(PERI_EARG, "batches: ahead is %d, expected 0 to %d", r->ahead, PERI_LOADER_AHEAD_MOST);
  }
  if (r->workers < 0 || r->workers > PERI_LOADER_WORKERS_MOST) {
    return peri_fail(PERI_EARG, "batches: workers is %d, expected 0 to %d", r->workers, PERI_LOADER_WORKERS_MOST);
  }
  return PERI_OK;
}

static int ahead_of(const peri_recipe *r) {
  enum { AHEAD = 2 };
  cpu_set_t set;
  if (r->ahead != PERI_LOADER_AUTO) return r->ahead;
  long processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  return processors > peri_threads() ? AHEAD : 0;
}

int peri_loader_new(peri_loader **out, const peri_recipe *recipe) {
  *out = NULL;
  PERI_TRY(check(recipe));
  peri_loader *l = peri_alloc_zeroed(sizeof *l);
  if (!l) return PERI_ENOMEM;
  int status = peri__rows_open(&l->rows, recipe);
  if (status < 0) {
    peri_free(l);
    return status;
  }
  int64_t count = l->rows.count;
  l->size = recipe->size < count || recipe->drop_last ? recipe->size : count > 0 ? count : 1;
  l->batches = recipe->drop_last ? count / l->size : (count + l->size - 1) / l->size;
  l->process = getpid();
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->room, NULL);
  pthread_cond_init(&l->ready, NULL);
  atomic_init(&l->stopping, false);
  *out = l;
  int ahead = ahead_of(recipe), workers = recipe->workers < ahead ? recipe->workers : ahead; /* more would idle */
  l->ahead = workers ? ahead : 0;
  if (l->batches < 2 || l->ahead == 0) return PERI_OK;
  status = replenish(l);
  if (status < 0) {
    peri_loader_free(l);
    *out = NULL;
    return status;
  }
  start_workers(l, workers);
  return PERI_OK;
}

int peri_loader_next(peri_loader *l, peri_tensor **x, peri_tensor **y) {
  *x = *y = NULL;
  if (l->taken >= l->batches) return 0;
  bool threads = l->workers > 0 && l->process == getpid(); /* a child of fork has not got them */
  return (threads ? next_from_workers : next_in_place)(l, x, y);
}

void peri_loader_free(peri_loader *l) {
  if (!l) return;
  stop_workers(l);
  for (int i = 0; i < BUFFERS; i++) drop_buffer(&l->buffers[i]);
  if (l->process == getpid()) {
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->room);
    pthread_cond_destroy(&l->ready);
  }
  peri__rows_close(&l->rows);
  peri_free(l);
}
