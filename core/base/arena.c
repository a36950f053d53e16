/* arena.c - recording a scope's requests, planning their places, serving them.

   A recording is a list of requests; births and deaths are counted by one clock that ticks at each of them. The plan
   puts the largest block first, each into the smallest gap between those placed already whose lives cross its own.
   A request is served from its place only when no live block of the chunk lies there, whatever the plan says. */
#include "base/arena.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/status.h"

enum { MOST_REQUESTS = 4096, MOST_FAILURES = 8 };

typedef struct peri__chunk {
  int64_t references; /* the arena's, and one a live block */
  size_t bytes;
  char *memory;
  peri__block *live;
} chunk;

typedef struct request {
  size_t bytes, offset;
  int64_t born, died; /* died is 0 for one that outlived the scope: it has no place */
} request;

typedef struct plan {
  uint64_t key;
  int64_t count;
  request *requests;
  size_t bytes, sum;
  int64_t blocks;
  bool ready;
  int failures; /* recordings in a row that the next scope did not repeat */
} plan;

struct peri_arena {
  int plans;
  plan plan[PERI_ARENA_PLANS];
  chunk *chunk;
  plan *now;         /* served from in this scope, or NULL */
  plan *recording;   /* being recorded in this scope, or NULL */
  bool recorded;     /* `requests` hold a whole scope of `recorded_key` that is not planned yet */
  uint64_t recorded_key;
  int64_t count;     /* requests so far in this scope */
  int64_t clock;
  uint64_t serial;   /* of the present recording; 0 when there is none */
  request *requests; /* of the present recording */
};

static _Thread_local peri_arena *active;
static _Thread_local bool paused;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of every chunk's list and references */
static atomic_uint_fast64_t serials, chunk_bytes;

uint64_t peri_arena_bytes(void) { return atomic_load(&chunk_bytes); }
bool peri__arena_pause(void) {
  bool before = paused;
  paused = true;
  return before;
}
void peri__arena_resume(bool before) { paused = before; }

/* --- chunks --- */

static size_t room_for(size_t bytes) {
  return PERI_HEADER_BYTES + ((bytes + PERI_ALIGNMENT - 1) & ~(size_t)(PERI_ALIGNMENT - 1));
}

static int chunk_new(chunk **out, size_t bytes) {
  chunk *c = peri_alloc_zeroed(sizeof *c);
  if (!c) return PERI_ENOMEM;
  c->memory = peri_alloc(bytes);
  if (!c->memory) {
    peri_free(c);
    return PERI_ENOMEM;
  }
  PERI_POISON(c->memory, bytes);
  c->references = 1;
  c->bytes = bytes;
  atomic_fetch_add(&chunk_bytes, bytes);
  *out = c;
  return PERI_OK;
}

static void chunk_release(chunk *c) {
  if (!c) return;
  pthread_mutex_lock(&lock);
  bool last = --c->references == 0;
  pthread_mutex_unlock(&lock);
  if (!last) return;
  atomic_fetch_sub(&chunk_bytes, c->bytes);
  PERI_UNPOISON(c->memory, c->bytes);
  peri_free(c->memory);
  peri_free(c);
}

/* A block at a place, unless something lives there. */
static peri__block *chunk_take(chunk *c, size_t offset, size_t bytes) {
  char *from = c->memory + offset, *to = from + room_for(bytes);
  peri__block *b = (peri__block *)(void *)from;
  pthread_mutex_lock(&lock);
  for (const peri__block *other = c->live; other; other = other->next) {
    const char *there = (const char *)other;
    if (there < to && from < there + room_for(other->bytes)) {
      pthread_mutex_unlock(&lock);
      return NULL;
    }
  }
  PERI_UNPOISON(from, PERI_HEADER_BYTES + bytes);
  *b = (peri__block){.bytes = bytes, .capacity = bytes, .next = c->live, .chunk = c};
  if (c->live) c->live->previous = b;
  c->live = b;
  c->references++;
  pthread_mutex_unlock(&lock);
  return b;
}

void peri__arena_give_back(peri__block *b) {
  chunk *c = b->chunk;
  pthread_mutex_lock(&lock);
  if (b->next) b->next->previous = b->previous;
  if (b->previous) b->previous->next = b->next;
  else c->live = b->next;
  pthread_mutex_unlock(&lock);
  PERI_POISON(b, PERI_HEADER_BYTES + b->bytes);
  chunk_release(c);
}

/* --- planning --- */

typedef struct placed {
  size_t from, to;
  const request *request;
} placed;

static int by_size(const void *a_, const void *b_) {
  const request *a = *(request *const *)a_, *b = *(request *const *)b_;
  if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
  return a->born < b->born ? -1 : 1;
}

/* The start of the smallest gap that r fits into among those placed (in order of place) that live when r does. */
static size_t gap_for(const request *r, const placed *list, int64_t count) {
  size_t best = 0, best_size = SIZE_MAX, end = 0, wanted = room_for(r->bytes);
  for (int64_t i = 0; i < count; i++) {
    bool together = list[i].request->born < r->died && r->born < list[i].request->died;
    if (!together) continue;
    if (list[i].from > end && list[i].from - end >= wanted && list[i].from - end < best_size) {
      best = end;
      best_size = list[i].from - end;
    }
    if (list[i].to > end) end = list[i].to;
  }
  return best_size == SIZE_MAX ? end : best;
}

static void place_all(plan *p, request **order, placed *list) {
  int64_t planned = 0;
  for (int64_t i = 0; i < p->count; i++) {
    if (p->requests[i].died) order[planned++] = &p->requests[i];
  }
  qsort(order, (size_t)planned, sizeof(request *), by_size);
  p->bytes = p->sum = 0;
  p->blocks = planned;
  for (int64_t i = 0; i < planned; i++) {
    request *r = order[i];
    r->offset = gap_for(r, list, i);
    placed new = {r->offset, r->offset + room_for(r->bytes), r};
    int64_t at = i;
    for (; at > 0 && list[at - 1].from > new.from; at--) list[at] = list[at - 1];
    list[at] = new;
    if (new.to > p->bytes) p->bytes = new.to;
    p->sum += r->bytes;
  }
}

/* Turns the recording into the plan of its key. */
static int plan_recording(peri_arena *a, plan *p) {
  size_t count = (size_t)a->count + 1;
  request *requests = peri_alloc(count * sizeof *requests);
  request **order = peri_alloc(count * sizeof *order);
  placed *list = peri_alloc(count * sizeof *list);
  int status = requests && order && list ? PERI_OK : PERI_ENOMEM;
  if (status >= 0) {
    memcpy(requests, a->requests, (size_t)a->count * sizeof *requests);
    peri_free(p->requests);
    p->requests = requests;
    p->count = a->count;
    place_all(p, order, list);
    p->ready = true;
    a->recorded = false;
    requests = NULL;
  }
  peri_free(requests);
  peri_free(order);
  peri_free(list);
  return status;
}

/* --- scopes --- */

static plan *plan_of(peri_arena *a, uint64_t key) {
  for (int i = 0; i < a->plans; i++) {
    if (a->plan[i].key == key) return &a->plan[i];
  }
  if (a->plans == PERI_ARENA_PLANS) return NULL;
  a->plan[a->plans] = (plan){.key = key};
  return &a->plan[a->plans++];
}

static int make_chunk(peri_arena *a, size_t bytes) {
  if (bytes == 0 || (a->chunk && a->chunk->bytes >= bytes)) return PERI_OK;
  chunk *larger;
  PERI_TRY(chunk_new(&larger, bytes));
  chunk_release(a->chunk);
  a->chunk = larger;
  return PERI_OK;
}

int peri_arena_begin(peri_arena *a, uint64_t key) {
  if (active) return 0;
  if (a->recorded) PERI_TRY(plan_recording(a, plan_of(a, a->recorded_key)));
  plan *p = plan_of(a, key);
  if (p && p->ready) PERI_TRY(make_chunk(a, p->bytes));
  a->now = p && p->ready ? p : NULL;
  a->recording = p && !p->ready && p->failures < MOST_FAILURES ? p : NULL;
  a->count = a->clock = 0;
  a->serial = a->recording ? atomic_fetch_add(&serials, 1) + 1 : 0;
  active = a;
  return 1;
}

void peri_arena_end(peri_arena *a, bool complete) {
  if (active != a) return;
  active = NULL;
  if (a->now && complete) a->now->failures = 0;
  if (a->recording && complete) {
    a->recorded = true;
    a->recorded_key = a->recording->key;
  }
  a->now = a->recording = NULL;
  a->serial = 0;
}

static void record(peri_arena *a, size_t bytes, uint64_t *recording, int64_t *place) {
  if (a->count == MOST_REQUESTS) { /* too long to be worth it: never again */
    a->recording->failures = MOST_FAILURES;
    a->recording = NULL;
    a->serial = 0;
    return;
  }
  a->requests[a->count] = (request){.bytes = bytes, .born = ++a->clock};
  *recording = a->serial;
  *place = a->count++;
}

peri__block *peri__arena_take(size_t bytes, uint64_t *recording, int64_t *place) {
  peri_arena *a = active;
  *recording = 0;
  *place = 0;
  if (!a || bytes < PERI_ARENA_LEAST || paused) return NULL;
  if (a->recording) record(a, bytes, recording, place);
  if (!a->now) return NULL;
  plan *p = a->now;
  if (a->count == p->count || p->requests[a->count].bytes != bytes) { /* other work than was recorded */
    p->ready = false;
    p->failures++;
    a->now = NULL;
    return NULL;
  }
  const request *r = &p->requests[a->count++];
  return r->died ? chunk_take(a->chunk, r->offset, bytes) : NULL;
}

void peri__arena_died(const peri__block *b) {
  peri_arena *a = active;
  if (a && a->serial == b->recording) a->requests[b->place].died = ++a->clock;
}

/* --- life --- */

int peri_arena_new(peri_arena **out) {
  peri_arena *a = peri_alloc_zeroed(sizeof *a);
  if (!a) return PERI_ENOMEM;
  a->requests = peri_alloc(MOST_REQUESTS * sizeof *a->requests);
  if (!a->requests) {
    peri_free(a);
    return PERI_ENOMEM;
  }
  *out = a;
  return PERI_OK;
}

void peri_arena_release(peri_arena *a) {
  if (!a) return;
  peri_arena_end(a, false);
  chunk_release(a->chunk);
  for (int i = 0; i < a->plans; i++) peri_free(a->plan[i].requests);
  peri_free(a->requests);
  peri_free(a);
}

bool peri_arena_plan_at(const peri_arena *a, int i, peri_arena_plan *out) {
  int seen = 0;
  for (int k = 0; k < a->plans; k++) {
    const plan *p = &a->plan[k];
    if (!p->ready || seen++ < i) continue;
    *out = (peri_arena_plan){.key = p->key, .blocks = p->blocks, .bytes = p->bytes, .sum = p->sum};
    return true;
  }
  return false;
}
