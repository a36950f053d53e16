/* transport.c - opening and closing, and the main thread's own sockets: requests, replies, input. */
#include "hosts/transport.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "hosts/transport_internal.h"

/* ms: how long an answer is waited for before signals are asked about (one may come just before the waiting), and how
   often and how long a front end is looked for that does not listen yet */
enum { INPUT_WAIT = 100, ASK_AGAIN = 10, LISTEN_WAIT = 3000 };

/* ms: how long a question waits at most for what was printed before it, and how much longer than that */
enum { SENT_WAIT = 200, AHEAD = 10 };

/* --- opening and closing --- */

static void on_interrupt(int number) {
  (void)number;
  peri_interrupt_raise();
}

/* Where nobody handles SIGINT it would end the process. */
static void handle_interrupts(peri_transport *t) {
  struct sigaction now, ours = {.sa_handler = on_interrupt};
  sigemptyset(&ours.sa_mask);
  if (sigaction(SIGINT, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO)) return;
  if (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN) return;
  t->sigint_ours = sigaction(SIGINT, &ours, NULL) == 0;
}

static int read_options(peri_transport *t, const peri_transport_options *o) {
  peri_slice info = {o->kernel_info, strlen(o->kernel_info)};
  if (!peri_wire_is_object(info)) return peri_fail(PERI_EARG, "transport: kernel_info is no JSON object");
  if (strlen(o->session) >= sizeof t->session) return peri_fail(PERI_EARG, "transport: the session's name is too long");
  strcpy(t->session, o->session);
  PERI_TRY(peri_text_add(&t->kernel_info, info.at, info.size));
  peri_text version = {0};
  peri_slice given = peri_wire_field(info, "protocol_version");
  int status = given.at != NULL ? peri_wire_string(&version, given) : peri_text_put(&version, "5.3");
  if (status >= 0) status = peri_text_add(&version, "", 1);
  if (status >= 0) status = peri_wire_who(&t->who, o->session, o->username, version.at);
  peri_text_clear(&version);
  t->parent_process = o->parent;
  t->parent_at_start = getppid();
  return status;
}

static int open_events(peri_transport *t) {
  int *events[] = {&t->main_event, &t->control_event, &t->heartbeat_event, &t->iopub_event};
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    *events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*events[i] < 0) return peri_fail(PERI_EIO, "transport: cannot make an eventfd: %s", strerror(errno));
  }
  t->epoll = epoll_create1(EPOLL_CLOEXEC);
  return t->epoll < 0 ? peri_fail(PERI_EIO, "transport: cannot make an epoll: %s", strerror(errno)) : PERI_OK;
}

static int open_sockets(peri_transport *t, const peri_transport_options *o) {
  const struct { void **socket; void *context; int type, port; const char *name; } all[] = {
    {&t->shell, t->context, ZMQ_ROUTER, o->shell_port, "shell"},
    {&t->stdin_, t->context, ZMQ_ROUTER, o->stdin_port, "stdin"},
    {&t->heartbeat, t->context, ZMQ_REP, o->hb_port, "hb"},
    {&t->control, t->side_context, ZMQ_ROUTER, o->control_port, "control"},
    {&t->iopub, t->side_context, ZMQ_XPUB, o->iopub_port, "iopub"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    PERI_TRY(peri__bind(all[i].socket, all[i].context, all[i].type, o, all[i].port, all[i].name));
    if (strcmp(o->transport, "ipc") != 0) continue;
    char file[512];
    snprintf(file, sizeof file, "%s-%d", o->ip, all[i].port);
    t->files[i] = peri_strdup(file);
    if (t->files[i] == NULL) return PERI_ENOMEM;
  }
  return PERI_OK;
}

static int start_threads(peri_transport *t) {
  const struct { pthread_t *thread; void *(*body)(void *); } all[] = {
    {&t->iopub_thread, peri__iopub_thread},
    {&t->heartbeat_thread, peri__heartbeat_thread},
    {&t->control_thread, peri__control_thread},
  };
  for (t->threads = 0; t->threads < 3; t->threads++) {
    int error = pthread_create(all[t->threads].thread, NULL, all[t->threads].body, t);
    if (error != 0) return peri_fail(PERI_EIO, "transport: cannot start a thread: %s", strerror(error));
  }
  return PERI_OK;
}

static int open_all(peri_transport *t, const peri_transport_options *o) {
  PERI_TRY(read_options(t, o));
  PERI_TRY(peri_wire_open(&t->wire, o->key));
  PERI_TRY(peri__parent_new(&t->parent, (peri_slice){"{}", 2}));
  PERI_TRY(open_events(t));
  t->context = zmq_ctx_new();
  t->side_context = zmq_ctx_new();
  if (t->context == NULL || t->side_context == NULL) return peri_fail(PERI_ENOMEM, "transport: no memory for libzmq");
  PERI_TRY(open_sockets(t, o));
  return start_threads(t);
}

int peri_transport_open(peri_transport **out, const peri_transport_options *options) {
  *out = NULL;
  peri_transport *t = peri_alloc_zeroed(sizeof *t);
  if (t == NULL) return PERI_ENOMEM;
  t->process = getpid();
  t->main = pthread_self();
  t->main_event = t->control_event = t->heartbeat_event = t->iopub_event = t->epoll = -1;
  for (int fd = 0; fd < 3; fd++) t->pipes[fd] = t->saved[fd] = -1;
  t->last = &t->first;
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->sent, NULL);
  sigset_t all, before; /* the threads take no signals */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int status = open_all(t, options);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (status < 0) {
    char message[1024];
    strncpy(message, peri_message(), sizeof message - 1);
    message[sizeof message - 1] = 0;
    peri_transport_close(t);
    return peri_fail(status, "%s", message);
  }
  handle_interrupts(t);
  *out = t;
  return PERI_OK;
}

static void join_threads(peri_transport *t) {
  atomic_store(&t->closing, 1);
  if (t->threads > 2) {
    peri__wake(t->control_event);
    pthread_join(t->control_thread, NULL);
  }
  if (t->threads > 1) {
    peri__wake(t->heartbeat_event);
    pthread_join(t->heartbeat_thread, NULL);
  }
  if (t->threads > 0) {
    pthread_mutex_lock(&t->lock);
    t->finish = 1;
    pthread_mutex_unlock(&t->lock);
    peri__wake(t->iopub_event);
    pthread_join(t->iopub_thread, NULL);
  }
}

static void close_sockets(peri_transport *t) {
  void *sockets[] = {t->shell, t->stdin_, t->heartbeat, t->control, t->iopub};
  for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
    if (sockets[i] != NULL) zmq_close(sockets[i]);
  peri__parts_clear(&t->received);
  peri__parts_clear(&t->answered);
  void *contexts[] = {t->side_context, t->context};
  for (int i = 0; i < 2; i++) /* an interrupt does not hasten the farewell */
    while (contexts[i] != NULL && zmq_ctx_term(contexts[i]) < 0 && errno == EINTR) continue;
  peri__unlink(t);
  for (size_t i = 0; i < sizeof t->files / sizeof *t->files; i++) peri_free(t->files[i]);
}

void peri_transport_close(peri_transport *t) {
  if (t == NULL || t->process != getpid()) return;
  peri_transport_capture(t, 0);
  peri__children_end();
  join_threads(t);
  close_sockets(t);
  if (t->sigint_ours) signal(SIGINT, SIG_DFL);
  int fds[] = {t->main_event, t->control_event, t->heartbeat_event, t->iopub_event, t->epoll};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  peri__parent_release(t->parent);
  peri_text *buffers[] = {&t->who, &t->kernel_info, &t->identities, &t->input, &t->output.text, &t->output.runs};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) peri_text_clear(buffers[i]);
  peri_free(t->identity);
  peri_wire_close(t->wire);
  pthread_cond_destroy(&t->sent);
  pthread_mutex_destroy(&t->lock);
  peri_free(t);
}

/* --- requests --- */

/* Waits for a message on one of main's sockets: 1, or 0 when something else woke us. */
static int wait_for(peri_transport *t, void *socket, long milliseconds) {
  zmq_pollitem_t items[] = {{.socket = socket, .events = ZMQ_POLLIN}, {.fd = t->main_event, .events = ZMQ_POLLIN}};
  int found = zmq_poll(items, 2, milliseconds);
  if (found < 0 && errno != EINTR) return peri_fail(PERI_EIO, "transport: cannot wait: %s", zmq_strerror(errno));
  if (found > 0 && items[1].revents) peri__calm(t->main_event);
  return found > 0 && items[0].revents != 0;
}

static int receive(peri_transport *t, int64_t until, peri_transport_message *out) {
  for (int expired = 0;;) {
    if (atomic_load(&t->shutdown)) return PERI_TRANSPORT_SHUTDOWN;
    if (peri_interrupted()) return PERI_TRANSPORT_INTERRUPT;
    PERI_TRY(peri__parts_receive(&t->received, t->shell));
    if (t->received.count > 0) {
      *out = (peri_transport_message){.frames = t->received.slice, .count = t->received.count};
      if (peri_wire_read(&out->wire, t->wire, out->frames, out->count) >= 0) return PERI_TRANSPORT_MESSAGE;
      atomic_fetch_add(&t->dropped, 1);
      continue;
    }
    if (expired) return PERI_TRANSPORT_TIMEOUT;
    int64_t left = until < 0 ? -1 : until - peri__now();
    expired = until >= 0 && left <= 0;
    PERI_TRY(wait_for(t, t->shell, until < 0 ? -1 : expired ? 0 : (long)left));
  }
}

int peri_transport_receive(peri_transport *t, int milliseconds, peri_transport_message *out) {
  atomic_store(&t->idle, 1);
  int found = receive(t, milliseconds < 0 ? -1 : peri__now() + milliseconds, out);
  atomic_store(&t->idle, 0);
  peri_interrupt_clear();
  return found;
}

int peri_transport_restarting(const peri_transport *t) { return atomic_load(&t->restart); }

uint64_t peri_transport_dropped(const peri_transport *t) { return atomic_load(&t->dropped); }

static int keep_identities(peri_transport *t, const peri_slice *identities, size_t count) {
  t->identity_count = 0;
  t->identities.size = 0;
  peri_free(t->identity);
  t->identity = peri_alloc((count + 1) * sizeof *identities);
  if (t->identity == NULL) return PERI_ENOMEM;
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += identities[i].size;
  PERI_TRY(peri_text_reserve(&t->identities, total)); /* does not move below */
  for (size_t i = 0; i < count; i++) {
    t->identity[i] = (peri_slice){t->identities.at + t->identities.size, identities[i].size};
    PERI_TRY(peri_text_add(&t->identities, identities[i].at, identities[i].size));
  }
  t->identity_count = count;
  return PERI_OK;
}

int peri_transport_parent(peri_transport *t, peri_slice header, const peri_slice *identities, size_t count,
                          int allow_stdin) {
  peri__parent *parent;
  if (header.size > 0 && !peri_wire_is_object(header))
    return peri_fail(PERI_EARG, "transport: a parent that is no JSON object");
  PERI_TRY(peri__parent_new(&parent, header));
  PERI_TRY(peri_transport_flush(t));
  pthread_mutex_lock(&t->lock);
  peri__parent *before = t->parent;
  t->parent = parent;
  pthread_mutex_unlock(&t->lock);
  peri__parent_release(before);
  peri__forget_input(t);
  t->allow_stdin = allow_stdin;
  return keep_identities(t, identities, count);
}

static int send_from_main(peri_transport *t, void *socket, const peri_slice *identities, size_t count,
                          peri_slice parent, const char *type, peri_slice content, peri_slice metadata) {
  peri_text header = {0};
  int status = peri_wire_header(&header, type, (peri_slice){t->who.at, t->who.size});
  if (status >= 0) {
    peri__outgoing message = {.identities = identities, .identity_count = count, .header = {header.at, header.size},
                              .parent = parent, .content = content, .metadata = metadata};
    status = peri__send(t->wire, socket, &message);
  }
  peri_text_clear(&header);
  return status;
}

int peri_transport_reply(peri_transport *t, const peri_slice *identities, size_t count, peri_slice parent,
                         const char *type, peri_slice content, peri_slice metadata) {
  return send_from_main(t, t->shell, identities, count, parent, type, content, metadata);
}

/* --- input --- */

int peri_transport_takes_input(const peri_transport *t) { return t->allow_stdin && t->identity_count > 0; }

static int send_request(peri_transport *t, peri_slice prompt, int password) {
  peri_text content = {0};
  int status = peri_text_put(&content, "{\"prompt\":");
  if (status >= 0) status = peri_wire_quote(&content, prompt);
  if (status >= 0) status = peri_text_put(&content, password ? ",\"password\":true}" : ",\"password\":false}");
  if (status >= 0)
    status = send_from_main(t, t->stdin_, t->identity, t->identity_count, t->parent->header, "input_request",
                            (peri_slice){content.at, content.size}, (peri_slice){"{}", 2});
  peri_text_clear(&content);
  return status;
}

/* Reads the messages on stdin that are there up to the first answer, whose text goes to *line: 1 when there is one. */
static int read_answer(peri_transport *t, peri_text *line) {
  for (;;) {
    PERI_TRY(peri__parts_receive(&t->answered, t->stdin_));
    if (t->answered.count == 0) return 0;
    peri_wire_message m;
    line->size = 0;
    if (peri_wire_read(&m, t->wire, t->answered.slice, t->answered.count) >= 0 && strcmp(m.type, "input_reply") == 0 &&
        peri_wire_string(line, peri_wire_field(m.content, "value")) >= 0)
      return 1;
    atomic_fetch_add(&t->dropped, 1);
  }
}

/* Sends the question. A front end may have connected its stdin socket a moment after the others. */
static int ask(peri_transport *t, peri_slice prompt, int password) {
  int64_t until = peri__now() + LISTEN_WAIT;
  int status;
  while ((status = send_request(t, prompt, password)) == PERI_EUNSUPPORTED && peri__now() < until) {
    if (peri_interrupted() || atomic_load(&t->shutdown)) return PERI_OK; /* the caller sees it */
    PERI_TRY(wait_for(t, t->stdin_, ASK_AGAIN));
  }
  return status;
}

/* Lets what was printed go ahead of a question: a console that was asked reads nothing else until it has the answer, so
   that io.write "name? " would not be seen. */
static void let_output_ahead(peri_transport *t) {
  struct timespec tick = {.tv_nsec = 1000000}, ahead = {.tv_nsec = AHEAD * 1000000};
  for (int64_t until = peri__now() + SENT_WAIT; peri__now() < until; nanosleep(&tick, NULL)) {
    pthread_mutex_lock(&t->lock);
    size_t unsent = t->unsent;
    pthread_mutex_unlock(&t->lock);
    if (unsent == 0) break;
  }
  nanosleep(&ahead, NULL);
}

int peri_transport_input(peri_transport *t, peri_slice prompt, int password, peri_text *line) {
  line->size = 0;
  if (!peri_transport_takes_input(t))
    return peri_fail(PERI_EUNSUPPORTED, "input: this front end takes no input (allow_stdin is false)");
  if (peri_interrupted()) return PERI_TRANSPORT_INTERRUPT; /* who asks again and again asks nobody */
  int stale; /* answers to questions that were given up */
  while ((stale = read_answer(t, line)) > 0) continue;
  PERI_TRY(stale);
  PERI_TRY(peri_transport_flush(t));
  let_output_ahead(t);
  PERI_TRY(ask(t, prompt, password));
  for (;;) {
    if (peri_interrupted() || atomic_load(&t->shutdown)) return PERI_TRANSPORT_INTERRUPT;
    int found = read_answer(t, line);
    if (found < 0) return found;
    if (found) return PERI_TRANSPORT_MESSAGE;
    PERI_TRY(wait_for(t, t->stdin_, INPUT_WAIT));
  }
}
