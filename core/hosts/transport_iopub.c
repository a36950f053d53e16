/* transport_iopub.c - what everybody sees: the queue, and the thread that sends it.

   Whoever publishes makes an item and hangs it behind the last one under the lock; output that was captured goes
   before it, as an item of its own. The thread turns output into stream messages, signs, and sends. Topics of
   messages are their types; a new subscriber is greeted with iopub_welcome (JEP 65). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "hosts/transport_internal.h"

enum { STREAM_BYTES = 900000 }; /* of a stream message's text, escaped: the message stays below 1 MB */

int64_t peri__now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void peri__wake(int event) {
  uint64_t one = 1;
  int saved = errno;
  while (write(event, &one, sizeof one) < 0 && errno == EINTR) continue;
  errno = saved;
}

void peri__calm(int event) {
  uint64_t count;
  while (read(event, &count, sizeof count) < 0 && errno == EINTR) continue;
}

/* --- parents --- */

int peri__parent_new(peri__parent **out, peri_slice header) {
  if (header.size == 0) header = (peri_slice){"{}", 2};
  peri__parent *parent = *out = peri_alloc(sizeof *parent + header.size);
  if (parent == NULL) return PERI_ENOMEM;
  char *text = (char *)(parent + 1);
  memcpy(text, header.at, header.size);
  atomic_init(&parent->references, 1);
  parent->header = (peri_slice){text, header.size};
  return PERI_OK;
}

static peri__parent *keep(peri__parent *parent) {
  atomic_fetch_add(&parent->references, 1);
  return parent;
}

void peri__parent_release(peri__parent *parent) {
  if (parent != NULL && atomic_fetch_sub(&parent->references, 1) == 1) peri_free(parent);
}

/* --- items --- */

static char *put(char **at, peri_slice bytes) {
  char *copy = *at;
  if (bytes.size > 0) memcpy(copy, bytes.at, bytes.size);
  *at += bytes.size;
  return copy;
}

int peri__item_new(peri__item **out, peri__parent *parent, const char *type, peri_slice content, peri_slice metadata,
                   const peri_slice *buffers, size_t count) {
  size_t size = sizeof(peri__item) + count * sizeof *buffers + strlen(type) + 1 + content.size + metadata.size;
  for (size_t i = 0; i < count; i++) size += buffers[i].size;
  peri__item *item = *out = peri_alloc(size);
  if (item == NULL) return PERI_ENOMEM;
  peri_slice *copies = (peri_slice *)(item + 1);
  char *at = (char *)(copies + count);
  *item = (peri__item){.parent = keep(parent), .buffers = copies, .buffer_count = count};
  for (size_t i = 0; i < count; i++) copies[i] = (peri_slice){put(&at, buffers[i]), buffers[i].size};
  item->content = (peri_slice){put(&at, content), content.size};
  item->metadata = (peri_slice){put(&at, metadata), metadata.size};
  item->type = put(&at, (peri_slice){type, strlen(type) + 1});
  return PERI_OK;
}

static void free_item(peri__item *item) {
  peri__parent_release(item->parent);
  peri_text_clear(&item->output.text);
  peri_text_clear(&item->output.runs);
  peri_free(item);
}

void peri__queue(peri_transport *t, peri__item *item) {
  item->next = NULL;
  *t->last = item;
  t->last = &item->next;
}

/* Adds what was kept back because its character was not finished. */
static int finish_characters(peri_transport *t) {
  for (int fd = 1; fd <= 2; fd++) {
    size_t size = t->unfinished[fd].size;
    if (size == 0) continue;
    peri__run run = {fd, size};
    PERI_TRY(peri_text_add(&t->output.text, t->unfinished[fd].bytes, size));
    PERI_TRY(peri_text_add(&t->output.runs, &run, sizeof run));
    t->unfinished[fd].size = 0;
    t->unsent += size;
  }
  return PERI_OK;
}

int peri__queue_output(peri_transport *t, int whole) {
  if (whole) PERI_TRY(finish_characters(t));
  t->output_due = 0;
  if (t->output.text.size == 0) return PERI_OK;
  if (t->muted) {
    t->unsent -= t->output.text.size;
    t->output.text.size = t->output.runs.size = 0;
    pthread_cond_broadcast(&t->sent);
    return PERI_OK;
  }
  peri__item *item = peri_alloc(sizeof *item);
  if (item == NULL) return PERI_ENOMEM;
  *item = (peri__item){.parent = keep(t->parent), .output = t->output};
  t->output = (peri__output){0};
  peri__queue(t, item);
  return PERI_OK;
}

int peri_transport_publish(peri_transport *t, const char *type, peri_slice content, peri_slice metadata,
                           const peri_slice *buffers, size_t count) {
  peri__item *item;
  PERI_TRY(peri__item_new(&item, t->parent, type, content, metadata, buffers, count));
  int status = peri_transport_flush(t);
  pthread_mutex_lock(&t->lock);
  peri__queue(t, item);
  pthread_mutex_unlock(&t->lock);
  peri__wake(t->iopub_event);
  return status;
}

int peri__status(peri_transport *t, peri__parent *parent, const char *state) {
  char content[64];
  int length = snprintf(content, sizeof content, "{\"execution_state\":\"%s\"}", state);
  peri__item *item;
  peri_slice text = {content, (size_t)length};
  PERI_TRY(peri__item_new(&item, parent, "status", text, (peri_slice){"{}", 2}, NULL, 0));
  pthread_mutex_lock(&t->lock);
  peri__queue(t, item);
  pthread_mutex_unlock(&t->lock);
  peri__wake(t->iopub_event);
  return PERI_OK;
}

/* --- sending --- */

static int send_message(peri_transport *t, peri_slice topic, const char *type, peri__outgoing *message) {
  peri_text header = {0};
  int status = peri_wire_header(&header, type, (peri_slice){t->who.at, t->who.size});
  message->identities = &topic;
  message->identity_count = 1;
  message->header = (peri_slice){header.at, header.size};
  if (status >= 0) status = peri__send(t->wire, t->iopub, message);
  peri_text_clear(&header);
  return status;
}

/* One stream message; *at moves over what it holds. */
static int send_stream(peri_transport *t, const peri__item *item, int fd, peri_slice *at) {
  const char *name = fd == STDERR_FILENO ? "stderr" : "stdout";
  peri_text content = {0};
  size_t used = 0;
  int status = peri_text_put(&content, fd == STDERR_FILENO ? "{\"name\":\"stderr\",\"text\":\""
                                                              : "{\"name\":\"stdout\",\"text\":\"");
  if (status >= 0) status = peri_wire_escape(&content, *at, STREAM_BYTES, &used);
  if (status >= 0) status = peri_text_put(&content, "\"}");
  if (status >= 0) {
    char topic[32];
    int length = snprintf(topic, sizeof topic, "stream.%s", name);
    peri__outgoing message = {
      .parent = item->parent->header, .content = {content.at, content.size}, .metadata = {"{}", 2}};
    status = send_message(t, (peri_slice){topic, (size_t)length}, "stream", &message);
  }
  peri_text_clear(&content);
  at->at += used;
  at->size -= used;
  return status;
}

static int send_output(peri_transport *t, const peri__item *item) {
  const peri__run *run = (const peri__run *)item->output.runs.at;
  size_t count = item->output.runs.size / sizeof *run;
  const char *at = item->output.text.at;
  for (size_t i = 0; i < count; at += run[i++].size) {
    peri_slice left = {at, run[i].size};
    while (left.size > 0) PERI_TRY(send_stream(t, item, run[i].fd, &left));
  }
  return PERI_OK;
}

static int send_item(peri_transport *t, const peri__item *item) {
  if (item->type == NULL) return send_output(t, item);
  peri__outgoing message = {.parent = item->parent->header, .content = item->content, .metadata = item->metadata,
                            .buffers = item->buffers, .buffer_count = item->buffer_count};
  return send_message(t, (peri_slice){item->type, strlen(item->type)}, item->type, &message);
}

static int welcome(peri_transport *t, peri_slice topic) {
  peri_text content = {0};
  int status = peri_text_put(&content, "{\"subscription\":");
  if (status >= 0) status = peri_wire_quote(&content, topic);
  if (status >= 0) status = peri_text_put(&content, "}");
  if (status >= 0) {
    peri__outgoing message = {.parent = {"{}", 2}, .content = {content.at, content.size}, .metadata = {"{}", 2}};
    status = send_message(t, topic, "iopub_welcome", &message);
  }
  peri_text_clear(&content);
  return status;
}

/* A byte 1 and a topic: somebody subscribes. */
static void greet(peri_transport *t, peri__parts *parts) {
  while (peri__parts_receive(parts, t->iopub) == 1) {
    if (parts->count == 1 && parts->slice[0].size > 0 && parts->slice[0].at[0] == 1)
      welcome(t, (peri_slice){parts->slice[0].at + 1, parts->slice[0].size - 1});
  }
}

/* --- the thread --- */

/* With the lock held: takes the whole queue. */
static peri__item *take(peri_transport *t) {
  peri__item *first = t->first;
  t->first = NULL;
  t->last = &t->first;
  return first;
}

/* Sends a list of items and frees them. What cannot be sent (no memory) is lost: there is nobody to tell. */
static void send_all(peri_transport *t, peri__item *item) {
  while (item != NULL) {
    peri__item *next = item->next;
    size_t size = item->output.text.size;
    send_item(t, item);
    free_item(item);
    if (size > 0) {
      pthread_mutex_lock(&t->lock);
      t->unsent -= size;
      pthread_cond_broadcast(&t->sent);
      pthread_mutex_unlock(&t->lock);
    }
    item = next;
  }
}

/* Queues output that is due. Returns how many ms the rest may wait, -1 when there is none. */
static long queue_what_is_due(peri_transport *t) {
  if (t->output_due == 0) return -1;
  int64_t left = t->output_due - peri__now();
  if (left > 0 && t->output.text.size < PERI_CALM_BYTES) return (long)left;
  peri__queue_output(t, 0);
  return -1;
}

void *peri__iopub_thread(void *transport) {
  peri_transport *t = transport;
  peri__parts parts = {0};
  int finish = 0;
  long wait = -1;
  while (!finish) {
    zmq_pollitem_t items[] = {
      {.socket = t->iopub, .events = ZMQ_POLLIN},
      {.fd = t->iopub_event, .events = ZMQ_POLLIN},
      {.fd = t->epoll, .events = ZMQ_POLLIN},
    };
    if (zmq_poll(items, 3, wait) < 0 && errno != EINTR) break;
    if (items[1].revents) peri__calm(t->iopub_event);
    if (items[0].revents) greet(t, &parts);
    pthread_mutex_lock(&t->lock);
    if (items[2].revents) peri__drain_pipes(t);
    wait = queue_what_is_due(t);
    finish = t->finish;
    peri__item *list = take(t);
    pthread_mutex_unlock(&t->lock);
    send_all(t, list);
  }
  peri__parts_clear(&parts);
  zmq_close(t->iopub);
  t->iopub = NULL;
  return NULL;
}
