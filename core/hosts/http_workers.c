/* http_workers.c - the threads that read the bodies which take longer, so that a slow one disturbs nobody. Each takes the
   oldest request, reads its images, and hands it to the queue, or back to its I/O thread with what was wrong. */
#include "hosts/http_internal.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

static void refuse(peri_http_request *r, int status, const char *reason) {
  peri__http_list out;
  peri__http_list_clear(&out);
  if (!peri__http_request_claim(r)) {
    peri__http_request_release(r);
    return;
  }
  peri__http_refuse(r, status, "%s", reason);
  if (status == 429 || status == 503) peri__http_pairs_add(&r->extra, "Retry-After", "1");
  atomic_fetch_sub(&r->door->waiting, 1);
  atomic_store(&r->state, PERI__HTTP_ANSWERED);
  peri__http_list_add(&out, r);
  peri__http_finish(&out);
}

static void read_one(peri_http *door, peri_http_request *r, peri_body_reader *reader) {
  peri_body_error error;
  peri__http_list one;
  if (atomic_load(&r->state) != PERI__HTTP_OPEN) {
    peri__http_request_release(r);
  } else if (!peri__http_read_images(r, reader, r->type, &error)) {
    refuse(r, error.status, error.reason);
  } else if (!peri__http_reserve(door, r->count)) {
    refuse(r, 429, "too many images wait: try again in a second");
  } else {
    peri__http_list_clear(&one);
    peri__http_list_add(&one, r);
    peri__http_publish(door, &one, 0, 0);
  }
}

static peri_http_request *next_job(peri__http_workers *w) {
  pthread_mutex_lock(&w->lock);
  while (!w->list.head && !w->closing) pthread_cond_wait(&w->ready, &w->lock);
  peri_http_request *r = w->list.head;
  if (r && !(w->list.head = r->next)) peri__http_list_clear(&w->list);
  pthread_mutex_unlock(&w->lock);
  return r;
}

static void *run(void *context) {
  peri_http *door = context;
  peri_body_reader *reader = NULL;
  peri_body_limits limits = PERI_BODY_LIMITS;
  limits.images = (size_t)door->queue;
  for (peri_http_request *r; (r = next_job(&door->workers));) {
    if (!reader && peri_body_reader_open(&reader, &limits, &door->images) < 0) {
      refuse(r, 503, "there is no memory for reading the body");
      continue;
    }
    read_one(door, r, reader);
  }
  peri_body_reader_close(reader);
  return NULL;
}

void peri__http_workers_add(peri_http *door, peri_http_request *r) {
  peri__http_workers *w = &door->workers;
  pthread_mutex_lock(&w->lock);
  peri__http_list_add(&w->list, r);
  pthread_cond_signal(&w->ready);
  pthread_mutex_unlock(&w->lock);
}

int peri__http_workers_open(peri_http *door, int count) {
  peri__http_workers *w = &door->workers;
  w->threads = peri_alloc((size_t)count * sizeof *w->threads);
  if (!w->threads) return PERI_ENOMEM;
  for (; w->count < count; w->count++) {
    int failed = pthread_create(&w->threads[w->count], NULL, run, door);
    if (failed) return peri_fail(PERI_ENOMEM, "http.open: no thread for reading bodies: %s", strerror(failed));
  }
  return PERI_OK;
}

/* What waits is answered first: the list is empty when a worker ends. */
void peri__http_workers_close(peri_http *door) {
  peri__http_workers *w = &door->workers;
  pthread_mutex_lock(&w->lock);
  w->closing = true;
  pthread_cond_broadcast(&w->ready);
  pthread_mutex_unlock(&w->lock);
  for (int i = 0; i < w->count; i++) pthread_join(w->threads[i], NULL);
  peri_free(w->threads);
  w->threads = NULL;
  w->count = 0;
}
