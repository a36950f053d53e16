/* http_store.c - what the door keeps: models, pairs of texts, requests and lists of them. */
#include "hosts/http_internal.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/status.h"

int64_t peri__http_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- models --- */

static int copy_model(peri__http_model *to, const peri_http_model *from) {
  to->name = peri_strdup(from->name);
  if (!to->name) return PERI_ENOMEM;
  to->shape = from->shape;
  to->pixels = (size_t)(from->shape.height * from->shape.width * from->shape.channels);
  to->classes = from->classes;
  return peri_answer_model_open(&to->answer, from->name, from->labels, from->classes, from->threshold);
}

int peri__http_models_new(peri__http_models **out, const peri_http_model *models, size_t count) {
  if (count == 0) return peri_fail(PERI_EARG, "http.open: argument 'models' wants at least one model");
  peri__http_models *m = peri_alloc_zeroed(sizeof *m + count * sizeof m->model[0]);
  if (!m) return PERI_ENOMEM;
  atomic_init(&m->references, 1);
  m->count = count;
  for (size_t i = 0; i < count; i++) {
    int status = copy_model(&m->model[i], &models[i]);
    if (status < 0) {
      peri__http_models_release(m);
      return status;
    }
  }
  *out = m;
  return PERI_OK;
}

peri__http_models *peri__http_models_retain(peri__http_models *m) {
  atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
  return m;
}

void peri__http_models_release(peri__http_models *m) {
  if (!m || atomic_fetch_sub(&m->references, 1) > 1) return;
  for (size_t i = 0; i < m->count; i++) {
    peri_answer_model_close(m->model[i].answer);
    peri_free(m->model[i].name);
  }
  peri_free(m);
}

int peri__http_models_find(const peri__http_models *m, const char *name) {
  if (!name) return 0;
  for (size_t i = 0; i < m->count; i++) {
    if (strcmp(m->model[i].name, name) == 0) return (int)i;
  }
  return -1;
}

/* --- pairs --- */

int peri__http_pairs_add(peri__http_pairs *p, const char *name, const char *value) {
  size_t names = strlen(name) + 1, values = strlen(value) + 1, needed = p->size + names + values;
  if (needed > p->room) {
    size_t room = needed * 2 < 128 ? 128 : needed * 2;
    char *larger = peri_alloc(room);
    if (!larger) return PERI_ENOMEM;
    if (p->size) memcpy(larger, p->text, p->size);
    peri_free(p->text);
    p->text = larger;
    p->room = room;
  }
  memcpy(p->text + p->size, name, names);
  memcpy(p->text + p->size + names, value, values);
  p->size = needed;
  p->count++;
  return PERI_OK;
}

void peri__http_pairs_clear(peri__http_pairs *p) { p->size = p->count = 0; }

void peri__http_pairs_free(peri__http_pairs *p) {
  peri_free(p->text);
  *p = (peri__http_pairs){0};
}

bool peri__http_pairs_next(const peri__http_pairs *p, const char **name, const char **value) {
  *name = *name ? *value + strlen(*value) + 1 : p->text;
  if (!*name || *name >= p->text + p->size) return false;
  *value = *name + strlen(*name) + 1;
  return true;
}

/* --- requests --- */

int peri__http_request_new(peri_http_request **out, peri__http_connection *c) {
  peri_http_request *r = peri_alloc_zeroed(sizeof *r);
  if (!r) return PERI_ENOMEM;
  atomic_init(&r->references, 1);
  r->door = c->io->door;
  r->io = c->io;
  r->connection = c;
  *out = r;
  return PERI_OK;
}

static void shrink(peri_text *t) {
  t->size = 0;
  if (t->room > PERI__HTTP_KEPT) peri_text_clear(t);
}

/* Ready for the connection's next request; small buffers stay. */
void peri__http_request_reset(peri_http_request *r) {
  if (r->room > PERI__HTTP_KEPT) {
    peri_free(r->body);
    r->body = NULL;
    r->room = 0;
  }
  if (r->images_room > (int64_t)(PERI__HTTP_KEPT / sizeof(float))) {
    peri_free(r->images);
    r->images = NULL;
    r->images_room = 0;
  }
  shrink(&r->text);
  shrink(&r->notes);
  peri__http_pairs_free(&r->fields);
  peri__http_pairs_clear(&r->extra);
  peri_free(r->probabilities);
  peri_free(r->type);
  peri__http_models_release(r->models);
  r->probabilities = NULL;
  r->type = NULL;
  r->models = NULL;
  r->endpoint = NULL;
  r->next = NULL;
  r->answer_type = "application/json";
  r->begun = r->waits = r->wants_input = r->wants_close = r->has_images = r->has_label = r->has_class = false;
  r->began = r->complete = 0;
  r->size = r->queries = 0;
  r->received = 0;
  r->count = r->taken = r->answered = 0;
  r->status = 0;
  atomic_store(&r->state, PERI__HTTP_OPEN);
}

void peri__http_request_release(peri_http_request *r) {
  if (!r || atomic_fetch_sub(&r->references, 1) > 1) return;
  peri_free(r->body);
  peri_free(r->images);
  peri_free(r->probabilities);
  peri_free(r->type);
  peri_text_clear(&r->text);
  peri_text_clear(&r->notes);
  peri__http_pairs_free(&r->fields);
  peri__http_pairs_free(&r->extra);
  peri__http_models_release(r->models);
  peri_free(r);
}

bool peri__http_request_claim(peri_http_request *r) {
  int open = PERI__HTTP_OPEN;
  return atomic_compare_exchange_strong(&r->state, &open, PERI__HTTP_CLAIMED);
}

void peri__http_refuse(peri_http_request *r, int status, const char *format, ...) {
  char reason[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  r->status = status;
  r->answer_type = "application/json";
  r->text.size = 0;
  peri__http_pairs_clear(&r->extra);
  if (peri_answer_error(&r->text, status, reason) < 0) r->text.size = 0; /* the status says it, too */
}

void peri__http_list_clear(peri__http_list *l) {
  l->head = NULL;
  l->tail = &l->head;
}

void peri__http_list_add(peri__http_list *l, peri_http_request *r) {
  r->next = NULL;
  *l->tail = r;
  l->tail = &r->next;
}
