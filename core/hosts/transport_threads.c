/* transport_threads.c - the control thread and the heartbeat's. Neither touches Lua.

   Both can ask the main thread to leave: they set `shutdown`, wake it where it waits, and interrupt it where it
   computes. When it has not come back to close the transport in PERI_GRACE ms, they end the process, after what
   was queued has been sent. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "hosts/transport_internal.h"

static void interrupt_main(peri_transport *t) {
  if (atomic_load(&t->idle)) return; /* nothing is being worked on */
  pthread_kill(t->main, SIGINT); /* first, lest a cell ends well because its child has ended */
  peri__children_interrupt();
}

static void ask_to_leave(peri_transport *t, int restart) {
  atomic_store(&t->restart, restart);
  atomic_store(&t->shutdown, 1);
  interrupt_main(t); /* before it is woken, or it would be seen at work */
  peri__wake(t->main_event);
}

/* The end without the main thread, by the control thread, which has closed its socket. */
static void end_process(peri_transport *t) {
  peri__children_end();
  pthread_mutex_lock(&t->lock);
  peri__drain_pipes(t);
  peri__queue_output(t, 1);
  t->finish = 1;
  pthread_mutex_unlock(&t->lock);
  peri__wake(t->iopub_event);
  pthread_join(t->iopub_thread, NULL);
  zmq_ctx_term(t->side_context); /* waits until it is sent, PERI_LINGER at most */
  peri__unlink(t);
  _exit(0);
}

/* --- control --- */

static int is_true(peri_slice value) { return value.size == 4 && memcmp(value.at, "true", 4) == 0; }

static int answer(peri_transport *t, const peri__parts *parts, const peri_wire_message *m, const char *type,
                  peri_slice content) {
  peri_text header = {0};
  int status = peri_wire_header(&header, type, (peri_slice){t->who.at, t->who.size});
  if (status >= 0) {
    peri__outgoing reply = {.identities = parts->slice, .identity_count = m->identities, .parent = m->header,
                            .header = {header.at, header.size}, .metadata = {"{}", 2}, .content = content};
    status = peri__send(t->wire, t->control, &reply);
  }
  peri_text_clear(&header);
  return status;
}

/* The reply goes to iopub as well, so that the other front ends know. */
static int answer_shutdown(peri_transport *t, const peri__parts *parts, const peri_wire_message *m,
                           peri__parent *parent) {
  int restart = is_true(peri_wire_field(m->content, "restart"));
  char text[64];
  int length = snprintf(text, sizeof text, "{\"status\":\"ok\",\"restart\":%s}", restart ? "true" : "false");
  peri_slice content = {text, (size_t)length};
  peri__item *item;
  PERI_TRY(peri__item_new(&item, parent, "shutdown_reply", content, (peri_slice){"{}", 2}, NULL, 0));
  pthread_mutex_lock(&t->lock);
  peri__queue(t, item);
  pthread_mutex_unlock(&t->lock);
  int status = answer(t, parts, m, "shutdown_reply", content);
  ask_to_leave(t, restart);
  return status;
}

static int serve(peri_transport *t, const peri__parts *parts) {
  static const peri_slice ok = {"{\"status\":\"ok\"}", 15};
  peri_wire_message m;
  if (peri_wire_read(&m, t->wire, parts->slice, parts->count) < 0) {
    atomic_fetch_add(&t->dropped, 1);
    return PERI_OK;
  }
  peri__parent *parent;
  PERI_TRY(peri__parent_new(&parent, m.header));
  int status = peri__status(t, parent, "busy");
  if (strcmp(m.type, "kernel_info_request") == 0) {
    status = answer(t, parts, &m, "kernel_info_reply", (peri_slice){t->kernel_info.at, t->kernel_info.size});
  } else if (strcmp(m.type, "interrupt_request") == 0) {
    interrupt_main(t);
    status = answer(t, parts, &m, "interrupt_reply", ok);
  } else if (strcmp(m.type, "shutdown_request") == 0) {
    status = answer_shutdown(t, parts, &m, parent);
  }
  int last = peri__status(t, parent, "idle");
  peri__parent_release(parent);
  return status < 0 ? status : last;
}

/* How many ms are left for the main thread since `asked` (0: it was not asked to leave), -1 for no end. */
static long grace(const peri_transport *t, int64_t *asked) {
  if (!atomic_load(&t->shutdown)) return -1;
  if (*asked == 0) *asked = peri__now();
  int64_t left = *asked + PERI_GRACE - peri__now();
  return left > 0 ? (long)left : 0;
}

void *peri__control_thread(void *transport) {
  peri_transport *t = transport;
  peri__parts parts = {0};
  int64_t asked = 0;
  for (;;) {
    long wait = grace(t, &asked);
    zmq_pollitem_t items[] = {{.socket = t->control, .events = ZMQ_POLLIN},
                              {.fd = t->control_event, .events = ZMQ_POLLIN}};
    if (zmq_poll(items, 2, wait) < 0 && errno != EINTR) break;
    if (items[1].revents) peri__calm(t->control_event);
    if (atomic_load(&t->closing)) break;
    if (items[0].revents) {
      while (peri__parts_receive(&parts, t->control) == 1) serve(t, &parts);
    }
    if (grace(t, &asked) == 0) {
      zmq_close(t->control);
      t->control = NULL;
      end_process(t);
    }
  }
  peri__parts_clear(&parts);
  zmq_close(t->control);
  t->control = NULL;
  return NULL;
}

/* --- heartbeat --- */

static void echo(void *socket) {
  zmq_msg_t part;
  zmq_msg_init(&part);
  int more = 1;
  while (more && zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0) {
    more = zmq_msg_more(&part);
    if (zmq_msg_send(&part, socket, more ? ZMQ_SNDMORE : 0) < 0) break;
  }
  zmq_msg_close(&part);
}

/* The parent has gone when we were given to another, or when there is no such process any more. */
static int is_orphan(const peri_transport *t) {
  if (t->parent_process <= 0) return 0;
  if (getppid() != t->parent_at_start) return 1;
  return t->parent_process != t->parent_at_start && kill(t->parent_process, 0) < 0 && errno == ESRCH;
}

void *peri__heartbeat_thread(void *transport) {
  peri_transport *t = transport;
  int told = 0;
  while (!atomic_load(&t->closing)) {
    zmq_pollitem_t items[] = {{.socket = t->heartbeat, .events = ZMQ_POLLIN},
                              {.fd = t->heartbeat_event, .events = ZMQ_POLLIN}};
    if (zmq_poll(items, 2, t->parent_process > 0 ? 1000 : -1) < 0 && errno != EINTR) break;
    if (items[1].revents) peri__calm(t->heartbeat_event);
    if (items[0].revents) echo(t->heartbeat);
    if (!told && is_orphan(t)) {
      told = 1;
      ask_to_leave(t, 0);
      peri__wake(t->control_event); /* it keeps the time */
    }
  }
  zmq_close(t->heartbeat);
  t->heartbeat = NULL;
  return NULL;
}
