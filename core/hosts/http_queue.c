/* http_queue.c - the requests that wait for the caller: the window, batches, answers.

   predictions   by the order of their coming. A batch takes the images of the first one's model; of a request that has
                 more than fit, a part, and the rest goes behind the others, so that nobody waits for the whole of it
   requests      for the caller itself; it is given a batch and a request in turn */
#include "hosts/http_internal.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

enum { SMALL_BATCH = 8 }; /* images: fewer keep the net's threads no better busy */

typedef struct part {
  peri_http_request *request; /* with a reference */
  int64_t first, count;       /* images of it */
} part;

struct peri_http_batch {
  peri_http *door;
  peri__http_models *models;
  int model;
  int64_t count;
  int parts;
  part part[];
};

bool peri__http_reserve(peri_http *door, int64_t n) {
  if (atomic_fetch_add(&door->queued, n) + n <= door->queue) return true;
  atomic_fetch_sub(&door->queued, n);
  return false;
}

void peri__http_finish(peri__http_list *list) {
  for (peri_http_request *r = list->head; r;) {
    peri__http_io *io = r->io;
    peri__http_list run;
    peri__http_list_clear(&run);
    while (r && r->io == io) {
      peri_http_request *next = r->next;
      peri__http_list_add(&run, r);
      r = next;
    }
    pthread_mutex_lock(&io->lock);
    bool first = !io->done.head;
    *io->done.tail = run.head;
    io->done.tail = run.tail;
    if (first) peri__http_io_wake(io);
    pthread_mutex_unlock(&io->lock);
  }
  peri__http_list_clear(list);
}

/* The answer is written: the caller's reference goes to `out`. */
static void answered(peri_http_request *r, peri__http_list *out) {
  atomic_fetch_sub(&r->door->waiting, 1);
  atomic_store(&r->state, PERI__HTTP_ANSWERED);
  peri__http_list_add(out, r);
}

static void fail_into(peri_http_request *r, int status, const char *reason, peri__http_list *out) {
  if (!peri__http_request_claim(r)) {
    peri__http_request_release(r);
    return;
  }
  peri__http_refuse(r, status, "%s", reason);
  if (status == 503) peri__http_pairs_add(&r->extra, "Retry-After", "1");
  answered(r, out);
}

/* --- coming in --- */

/* Its model as it is now; false: there is none of the same shape and classes any more. */
static bool adopt(peri_http *door, peri_http_request *r) {
  if (!r->models || r->models == door->models) return true;
  const peri__http_model *was = &r->models->model[r->model];
  int place = peri__http_models_find(door->models, was->name);
  if (place < 0) return false;
  const peri__http_model *is = &door->models->model[place];
  if (memcmp(&is->shape, &was->shape, sizeof is->shape) != 0 || is->classes != was->classes) return false;
  peri__http_models_release(r->models);
  r->models = peri__http_models_retain(door->models);
  r->model = place;
  return true;
}

/* How many images a batch takes: half of those that wait now or were answered last, for who was answered asks again. So
   one half is read and answered while the other goes through the net, and no processor waits for the others; all at once
   would have them take turns. */
static int64_t enough(const peri_http *door) {
  int64_t half = (atomic_load(&door->queued) + door->last + 1) / 2;
  if (half < SMALL_BATCH) half = SMALL_BATCH;
  return half < door->batch ? half : door->batch;
}

static bool batch_is_due(const peri_http *door, int64_t now) {
  const peri_http_request *first = door->predictions.head;
  return first && (door->young == 0 || atomic_load(&door->queued) >= enough(door) || now >= first->complete + door->window);
}

void peri__http_publish(peri_http *door, peri__http_list *fresh, int young_before, int young) {
  peri__http_list gone;
  peri__http_list_clear(&gone);
  pthread_mutex_lock(&door->lock);
  bool was_empty = !door->predictions.head;
  door->young += young - young_before;
  for (peri_http_request *r = fresh->head, *next; r; r = next) {
    next = r->next;
    bool predicts = r->endpoint->kind == PERI_HTTP_PREDICT;
    if (adopt(door, r)) {
      peri__http_list_add(predicts ? &door->predictions : &door->requests, r);
    } else {
      atomic_fetch_sub(&door->queued, r->has_images ? r->count : 1);
      fail_into(r, 503, "the model is being replaced", &gone);
    }
  }
  bool due = door->requests.head || batch_is_due(door, 0) || (was_empty && door->predictions.head);
  bool wake = door->caller_waits && due;
  if (wake) door->caller_waits = false;
  pthread_mutex_unlock(&door->lock);
  if (wake) pthread_cond_signal(&door->wakes);
  peri__http_list_clear(fresh);
  peri__http_finish(&gone);
}

void peri__http_wake_caller(peri_http *door) {
  pthread_mutex_lock(&door->lock);
  pthread_cond_signal(&door->wakes);
  pthread_mutex_unlock(&door->lock);
}

void peri__http_queue_fail(peri_http *door, int status, const char *reason) {
  peri__http_list gone, *lists[2] = {&door->predictions, &door->requests};
  peri__http_list_clear(&gone);
  pthread_mutex_lock(&door->lock);
  for (int i = 0; i < 2; i++) {
    for (peri_http_request *r = lists[i]->head, *next; r; r = next) {
      next = r->next;
      fail_into(r, status, reason, &gone);
    }
    peri__http_list_clear(lists[i]);
  }
  atomic_store(&door->queued, 0);
  pthread_mutex_unlock(&door->lock);
  peri__http_finish(&gone);
}

int peri_http_models(peri_http *door, const peri_http_model *models, size_t count) {
  peri__http_models *m, *old;
  peri__http_list gone, stay, *lists[2] = {&door->predictions, &door->requests};
  PERI_TRY(peri__http_models_new(&m, models, count));
  peri__http_list_clear(&gone);
  pthread_mutex_lock(&door->lock);
  old = door->models;
  door->models = m;
  atomic_fetch_add(&door->generation, 1);
  for (int i = 0; i < 2; i++) {
    peri__http_list_clear(&stay);
    for (peri_http_request *r = lists[i]->head, *next; r; r = next) {
      next = r->next;
      if (adopt(door, r)) {
        peri__http_list_add(&stay, r);
      } else {
        atomic_fetch_sub(&door->queued, r->has_images ? r->count - r->taken : 1);
        fail_into(r, 503, "the model is being replaced", &gone);
      }
    }
    *lists[i] = stay;
    if (!stay.head) peri__http_list_clear(lists[i]);
  }
  pthread_mutex_unlock(&door->lock);
  peri__http_models_release(old);
  peri__http_finish(&gone);
  return PERI_OK;
}

/* --- going out --- */

/* Drops those at the front that have been answered otherwise. */
static void drop_answered(peri_http *door, peri__http_list *list) {
  while (list->head && atomic_load(&list->head->state) != PERI__HTTP_OPEN) {
    peri_http_request *r = list->head;
    if (!(list->head = r->next)) peri__http_list_clear(list);
    atomic_fetch_sub(&door->queued, r->has_images ? r->count - r->taken : 1);
    peri__http_request_release(r);
  }
}

static void count_batch(peri_http *door, int64_t count) {
  int bucket = 0;
  while (bucket < PERI_HTTP_BATCHES && count > peri_http_batch_bounds[bucket]) bucket++;
  door->batches++;
  door->batch_sum += (uint64_t)count;
  door->batch_sizes[bucket]++;
}

/* Moves images of the first request's model into the batch; the others keep their order. */
static void fill_batch(peri_http *door, peri_http_batch *b) {
  int64_t wanted = enough(door);
  peri__http_list stay, again;
  peri__http_list_clear(&stay);
  peri__http_list_clear(&again);
  peri_http_request *r = door->predictions.head;
  for (peri_http_request *next; r && b->count < wanted; r = next) {
    next = r->next;
    if (r->model != b->model) {
      peri__http_list_add(&stay, r);
      continue;
    }
    int64_t rest = r->count - r->taken, room = door->batch - b->count, n = rest < room ? rest : room;
    b->part[b->parts++] = (part){.request = r, .first = r->taken, .count = n};
    b->count += n;
    r->taken += n;
    if (n < rest) {
      atomic_fetch_add(&r->references, 1); /* the batch's; the queue keeps its own */
      peri__http_list_add(&again, r);
    }
  }
  *stay.tail = r; /* those behind the last one that was looked at */
  if (r) stay.tail = door->predictions.tail;
  *stay.tail = again.head;
  if (again.head) stay.tail = again.tail;
  door->predictions.head = stay.head;
  door->predictions.tail = stay.head ? stay.tail : &door->predictions.head;
}

/* All requests in the queue are of the door's models (adopt). */
static int take_batch(peri_http *door, peri_http_batch **out) {
  peri_http_batch *b = peri_alloc(sizeof *b + (size_t)door->batch * sizeof b->part[0]);
  if (!b) return PERI_ENOMEM;
  *b = (peri_http_batch){.door = door, .models = peri__http_models_retain(door->models), .model = door->predictions.head->model};
  fill_batch(door, b);
  door->last = b->count;
  atomic_fetch_sub(&door->queued, b->count);
  count_batch(door, b->count);
  *out = b;
  return PERI_OK;
}

/* A request of the caller's own takes its time from the batches: an explanation as long as ten of them. Where batches come
   one after the other, SHARE times as long is theirs after it, so that one who asks for explanations in a loop gets a fifth
   of the caller's time and no more; where there is none for BUSY, nobody is held up. */
enum { SHARE = 4, BUSY = 1000000, FIRST_MOST = 100000000 }; /* nanoseconds */

static void came_back(peri_http *door, int64_t now) {
  int64_t theirs = SHARE * (now - door->given_at);
  if (door->given == PERI_HTTP_BATCH) door->last_batch = now;
  if (door->given == PERI_HTTP_REQUEST) door->batches_first = now + (theirs < FIRST_MOST ? theirs : FIRST_MOST);
  door->given = PERI_HTTP_NOTHING;
}

/* Until when requests are held up. */
static int64_t held_until(const peri_http *door) {
  int64_t calm = door->last_batch + BUSY;
  return calm < door->batches_first ? calm : door->batches_first;
}

/* Under the lock: what is there for the caller; 1 when *out is set. */
static int take(peri_http *door, peri_http_event *out) {
  if ((out->signal = peri__http_signals_next(door))) {
    out->kind = PERI_HTTP_SIGNAL;
    return 1;
  }
  drop_answered(door, &door->predictions);
  drop_answered(door, &door->requests);
  int64_t now = peri__http_now();
  bool due = batch_is_due(door, now), held = now < held_until(door);
  if (due && (!door->requests.head || !door->served_batch || held)) {
    door->served_batch = true;
    out->kind = door->given = PERI_HTTP_BATCH;
    PERI_TRY(take_batch(door, &out->batch));
    return 1;
  }
  peri_http_request *r = door->requests.head;
  if (!r || held) return 0;
  door->served_batch = false;
  door->given_at = now;
  if (!(door->requests.head = r->next)) peri__http_list_clear(&door->requests);
  atomic_fetch_sub(&door->queued, r->has_images ? r->count : 1);
  out->kind = door->given = PERI_HTTP_REQUEST;
  out->request = r;
  return 1;
}

static void sleep_until(peri_http *door, int64_t at) {
  struct timespec t = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
  door->caller_waits = true;
  pthread_cond_timedwait(&door->wakes, &door->lock, &t);
  door->caller_waits = false;
}

int peri_http_wait(peri_http *door, double seconds, peri_http_event *out) {
  int64_t begun = peri__http_now(), end = begun + (int64_t)((seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds) * 1e9);
  *out = (peri_http_event){.kind = PERI_HTTP_NOTHING};
  pthread_mutex_lock(&door->lock);
  came_back(door, begun);
  int found;
  while ((found = take(door, out)) == 0) {
    int64_t until = end;
    const peri_http_request *first = door->predictions.head;
    if (first && first->complete + door->window < until) until = first->complete + door->window;
    if (door->requests.head && held_until(door) < until) until = held_until(door);
    if (peri__http_now() >= end) break;
    if (atomic_load(&door->draining) && atomic_load(&door->waiting) == 0) break;
    sleep_until(door, until);
  }
  pthread_mutex_unlock(&door->lock);
  if (found < 0) { /* they would wait in vain for memory that they hold themselves */
    *out = (peri_http_event){.kind = PERI_HTTP_NOTHING};
    peri__http_queue_fail(door, 503, "there is no memory for a batch");
  }
  return PERI_OK;
}

int peri_http_drain(peri_http *door, double seconds) {
  int64_t end = peri__http_now() + (int64_t)((seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds) * 1e9);
  if (!atomic_exchange(&door->draining, true)) {
    for (int i = 0; i < door->threads; i++) peri__http_io_wake(&door->io[i]);
  }
  pthread_mutex_lock(&door->lock);
  while (atomic_load(&door->waiting) > 0 && !door->predictions.head && !door->requests.head && peri__http_now() < end) {
    int64_t soon = peri__http_now() + 10000000; /* an answer given wakes nobody here */
    sleep_until(door, soon < end ? soon : end);
  }
  pthread_mutex_unlock(&door->lock);
  return atomic_load(&door->waiting) == 0;
}

/* --- batches --- */

int peri_http_batch_model(const peri_http_batch *batch) { return batch->model; }
int64_t peri_http_batch_count(const peri_http_batch *batch) { return batch->count; }

void peri_http_batch_shape(const peri_http_batch *batch, peri_body_shape *shape, size_t *classes) {
  *shape = batch->models->model[batch->model].shape;
  *classes = batch->models->model[batch->model].classes;
}

void peri_http_batch_copy(const peri_http_batch *batch, float *to) {
  size_t pixels = batch->models->model[batch->model].pixels;
  for (int i = 0; i < batch->parts; i++) {
    const part *p = &batch->part[i];
    memcpy(to, p->request->images + (size_t)p->first * pixels, (size_t)p->count * pixels * sizeof *to);
    to += (size_t)p->count * pixels;
  }
}

static void free_batch(peri_http_batch *b) {
  peri__http_models_release(b->models);
  peri_free(b);
}

/* Keeps a part's probabilities. 1: the request has all; its own are in *all. */
static int gather(const part *p, const float *probabilities, size_t classes, const float **all) {
  peri_http_request *r = p->request;
  *all = probabilities;
  if (p->count == r->count) return 1;
  if (!r->probabilities && !(r->probabilities = peri_alloc((size_t)r->count * classes * sizeof *r->probabilities))) return PERI_ENOMEM;
  memcpy(r->probabilities + (size_t)p->first * classes, probabilities, (size_t)p->count * classes * sizeof *probabilities);
  r->answered += p->count;
  *all = r->probabilities;
  return r->answered == r->count;
}

static void write_answer(peri_http_request *r, const peri__http_model *m, const float *probabilities, int64_t now) {
  peri_answer answer = {.count = (size_t)r->count, .probabilities = probabilities, .pixels = m->pixels,
                        .inputs = r->wants_input ? r->images : NULL, .milliseconds = (double)(now - r->complete) / 1e6};
  r->status = 200;
  int status = peri_answer_write(&r->text, m->answer, &answer);
  if (status < 0) peri__http_refuse(r, 500, "%s", peri_message());
}

int peri_http_batch_answer(peri_http_batch *b, const float *probabilities) {
  const peri__http_model *m = &b->models->model[b->model];
  peri__http_list out;
  peri__http_list_clear(&out);
  int64_t now = peri__http_now();
  for (int i = 0; i < b->parts; i++) {
    peri_http_request *r = b->part[i].request;
    const float *all;
    int whole = gather(&b->part[i], probabilities, m->classes, &all);
    probabilities += (size_t)b->part[i].count * m->classes;
    if (whole < 0) {
      fail_into(r, 503, "there is no memory for the answer", &out);
    } else if (whole && peri__http_request_claim(r)) {
      write_answer(r, m, all, now);
      answered(r, &out);
    } else {
      peri__http_request_release(r);
    }
  }
  peri__http_finish(&out);
  free_batch(b);
  return PERI_OK;
}

void peri_http_batch_fail(peri_http_batch *b, int status, const char *reason) {
  peri__http_list out;
  peri__http_list_clear(&out);
  for (int i = 0; i < b->parts; i++) fail_into(b->part[i].request, status, reason, &out);
  peri__http_finish(&out);
  free_batch(b);
}

/* --- requests for the caller --- */

void peri_http_request_see(const peri_http_request *r, peri_http_seen *out) {
  *out = (peri_http_seen){.method = r->method, .path = r->path, .fields = r->fields.text, .queries = r->queries,
                          .headers = r->fields.count - r->queries, .body = r->body ? r->body : "", .bytes = r->size,
                          .model = r->models ? r->model : 0, .input = r->wants_input};
  if (!r->has_images) return;
  out->images = r->images;
  out->count = r->count;
  out->shape = r->models->model[r->model].shape;
  out->kind = peri_body_kind_name(r->kind);
  if (r->has_label) out->label = r->notes.at;
  if (r->has_class) out->class = r->notes.at + (r->has_label ? strlen(r->notes.at) + 1 : 0);
}

int peri_http_request_answer(peri_http_request *r, int status, const char *type, const char *body, size_t bytes,
                             const peri_http_header *headers, size_t header_count) {
  peri__http_list out;
  int failed = PERI_OK;
  peri__http_list_clear(&out);
  if (!peri__http_request_claim(r)) {
    peri__http_request_release(r);
    return PERI_OK;
  }
  r->status = status;
  r->answer_type = NULL;
  if (type) failed = peri__http_pairs_add(&r->extra, "Content-Type", type);
  if (failed >= 0) failed = peri_text_add(&r->text, body, bytes);
  for (size_t i = 0; i < header_count && failed >= 0; i++) failed = peri__http_pairs_add(&r->extra, headers[i].name, headers[i].value);
  if (failed < 0) peri__http_refuse(r, 503, "there is no memory for the answer");
  answered(r, &out);
  peri__http_finish(&out);
  return failed < 0 ? failed : PERI_OK;
}

void peri_http_request_fail(peri_http_request *r, int status, const char *reason) {
  peri__http_list out;
  peri__http_list_clear(&out);
  fail_into(r, status, reason, &out);
  peri__http_finish(&out);
}
