/* http_io.c - the threads that serve connections.

   A sweep: wait until a socket or an answer is there; resume the connections whose answers have come; let libmicrohttpd
   read, ask (http_request.c) and write whatever it can; see whose time is over; hand all requests that became whole to
   the queue at once. So the caller is woken once a sweep, and a batch is what a sweep has found.

   A connection is suspended while its request waits for an answer, so libmicrohttpd does not touch it meanwhile. */
#include "hosts/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

enum { RUNS = 4, SLEEP_MOST = 250, CROWD = 256 }; /* of libmicrohttpd in one sweep; milliseconds; connections */

static const int64_t LINGER = 2000000000, FAREWELL = 1000000000, QUIET = 1000000000; /* nanoseconds */

/* --- connections --- */

static void unlink_connection(peri__http_connection *c) {
  if (c->stage == PERI__HTTP_ARRIVING) c->io->young--;
  c->next->previous = c->previous;
  c->previous->next = c->next;
}

static void link_connection(peri__http_connection *c, peri__http_stage stage, int64_t since) {
  peri__http_connection *ring = &c->io->stages[stage];
  c->stage = stage;
  c->since = since;
  c->next = ring;
  c->previous = ring->previous;
  ring->previous->next = c;
  ring->previous = c;
  if (stage == PERI__HTTP_ARRIVING) c->io->young++;
}

void peri__http_connection_stage(peri__http_connection *c, peri__http_stage stage, int64_t since) {
  unlink_connection(c);
  link_connection(c, stage, since);
}

static void name_client(peri__http_connection *c, const struct sockaddr *address) {
  if (address->sa_family == AF_INET) inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, c->client, sizeof c->client);
  if (address->sa_family == AF_INET6) inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, c->client, sizeof c->client);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket, enum MHD_ConnectionNotificationCode code) {
  peri__http_io *io = context;
  peri__http_connection *c = *socket;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    c = peri_alloc_zeroed(sizeof *c);
    *socket = c;
    if (!c) return; /* its requests are refused */
    c->io = io;
    c->mhd = mhd;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    name_client(c, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    link_connection(c, PERI__HTTP_IDLE, io->now);
    peri__http_add(&io->counts.accepted, 1);
    peri__http_add(&io->counts.open, 1);
    if (io->counts.open > io->peak) io->peak = io->counts.open;
  } else if (c) {
    unlink_connection(c);
    if (c->request) c->request->connection = NULL;
    peri__http_request_release(c->request);
    peri_free(c);
    *socket = NULL;
    peri__http_add(&io->counts.open, (uint64_t)-1);
  }
}

static void *on_begin(void *context, const char *uri, struct MHD_Connection *mhd) {
  (void)context;
  peri__http_connection *c = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
  if (!c) return NULL;
  if (!c->request) {
    if (peri__http_request_new(&c->request, c) < 0) return NULL;
    peri__http_request_reset(c->request);
  }
  peri__http_begin(c->request, uri);
  return c->request;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *bytes, void **request) {
  (void)context, (void)mhd;
  if (!*request) return MHD_NO;
  return peri__http_handle(*request, url, method, version, data, bytes) < 0 ? MHD_NO : MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code) {
  (void)context, (void)mhd, (void)code;
  peri_http_request *r = *request;
  *request = NULL;
  if (!r) return;
  peri__http_connection *c = r->connection;
  if (r->waits && peri__http_request_claim(r)) { /* the connection goes, and nobody has answered yet */
    atomic_store(&r->state, PERI__HTTP_ANSWERED);
    atomic_fetch_sub(&r->door->waiting, 1);
  }
  peri__http_counted(r, peri__http_now());
  if (atomic_load(&r->references) > 1) { /* the queue or the caller has it still: the next request is another object */
    r->connection = NULL;
    c->request = NULL;
    peri__http_request_release(r);
  } else {
    peri__http_request_reset(r);
  }
  if (c->stage != PERI__HTTP_DOOMED) peri__http_connection_stage(c, PERI__HTTP_IDLE, c->io->now);
}

/* libmicrohttpd tells nobody but its log what it answers by itself, and there not to whom. */
static void on_message(void *context, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
static void on_message(void *context, const char *format, va_list arguments) {
  if (strstr(format, "HTTP response code is %u")) peri__http_counted_status(context, (int)va_arg(arguments, unsigned));
}

/* --- time --- */

static void doom(peri__http_connection *c) {
  shutdown(c->fd, SHUT_RDWR);
  peri__http_connection_stage(c, PERI__HTTP_DOOMED, c->io->now);
}

static void late(peri__http_connection *c) {
  peri_http_request *r = c->request;
  peri__http_add(&c->io->counts.refused, 1);
  peri__http_refuse(r, 408, "the request was not whole after %g seconds", (double)c->io->door->receive / 1e9);
  peri__http_reply_raw(c, r);
  doom(c);
}

/* Calls `over` for each connection that has been in a stage for longer than `limit`. Returns when the next one will. */
static int64_t expire(peri__http_io *io, peri__http_stage stage, int64_t limit, void (*over)(peri__http_connection *c)) {
  peri__http_connection *ring = &io->stages[stage];
  while (ring->next != ring && ring->next->since + limit <= io->now) over(ring->next);
  return ring->next == ring ? INT64_MAX : ring->next->since + limit;
}

/* libmicrohttpd does not see the end that comes together with a part of a request (it reads less than it could, and is not
   told of the rest), so whoever is late is looked at once. */
static void late_or_gone(peri__http_connection *c, peri__http_stage stage) {
  char byte;
  if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) doom(c);
  else peri__http_connection_stage(c, stage, c->since);
}

static void slow(peri__http_connection *c) { late_or_gone(c, PERI__HTTP_LATE); }
static void quiet(peri__http_connection *c) { late_or_gone(c, PERI__HTTP_QUIET); }

static void idle(peri__http_connection *c) {
  peri__http_add(&c->io->counts.refused, 1);
  doom(c);
}

static void unanswered(peri__http_connection *c) {
  peri_http_request *r = c->request;
  peri__http_connection_stage(c, PERI__HTTP_SENDING, c->io->now);
  peri__http_give_up(r, 503, "there was no answer in time");
}

/* Returns for how many milliseconds nobody's time is over. */
static int expire_all(peri__http_io *io) {
  const peri_http *door = io->door;
  int64_t next = INT64_MAX, at[7];
  expire(io, PERI__HTTP_ARRIVING, door->window, slow);
  at[0] = expire(io, PERI__HTTP_LATE, door->receive, late);
  at[6] = expire(io, PERI__HTTP_IDLE, QUIET < door->idle ? QUIET : door->idle, quiet);
  at[1] = expire(io, PERI__HTTP_QUIET, door->idle, idle);
  at[2] = expire(io, PERI__HTTP_SENDING, door->idle, idle);
  at[3] = expire(io, PERI__HTTP_LINGERING, LINGER, doom);
  at[4] = expire(io, PERI__HTTP_WAITING, door->answer, unanswered);
  at[5] = io->stages[PERI__HTTP_ARRIVING].next == &io->stages[PERI__HTTP_ARRIVING] ? INT64_MAX : io->now + door->receive;
  for (int i = 0; i < 7; i++) next = at[i] < next ? at[i] : next;
  if (next - io->now >= (int64_t)SLEEP_MOST * 1000000) return SLEEP_MOST;
  return (int)((next - io->now) / 1000000) + 1;
}

/* --- sweeps --- */

void peri__http_io_wake(peri__http_io *io) {
  uint64_t one = 1;
  (void)!write(io->wake, &one, sizeof one);
}

static void resume_answered(peri__http_io *io) {
  pthread_mutex_lock(&io->lock);
  peri_http_request *r = io->done.head;
  peri__http_list_clear(&io->done);
  pthread_mutex_unlock(&io->lock);
  while (r) {
    peri_http_request *next = r->next;
    if (r->connection) MHD_resume_connection(r->connection->mhd);
    peri__http_request_release(r);
    r = next;
  }
}

static void refresh_models(peri__http_io *io) {
  peri_http *door = io->door;
  if (atomic_load_explicit(&door->generation, memory_order_relaxed) == io->generation) return;
  peri__http_models_release(io->models);
  pthread_mutex_lock(&door->lock);
  io->models = peri__http_models_retain(door->models);
  io->generation = atomic_load(&door->generation);
  pthread_mutex_unlock(&door->lock);
}

/* No more connections are taken; those that have been made already are served. */
static void quiesce(peri__http_io *io) {
  int listening = MHD_quiesce_daemon(io->daemon);
  io->quiet = true;
  if (listening < 0) return;
  for (;;) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd = accept4(listening, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno == EINTR) continue;
    if (fd < 0) break;
    MHD_add_connection(io->daemon, fd, (struct sockaddr *)&address, length); /* closes it when it cannot */
  }
  close(listening);
}

/* Requests that wait are answered 503; true when all answers are out, or have had their time. */
static bool farewell(peri__http_io *io, int64_t *begun) {
  if (!*begun) *begun = io->now;
  for (peri__http_connection *c = io->stages[PERI__HTTP_WAITING].next, *next; c != &io->stages[PERI__HTTP_WAITING]; c = next) {
    next = c->next;
    int state = atomic_load(&c->request->state);
    if (state == PERI__HTTP_OPEN) unanswered(c);
  }
  bool waits = io->stages[PERI__HTTP_WAITING].next != &io->stages[PERI__HTTP_WAITING];
  bool sends = io->stages[PERI__HTTP_SENDING].next != &io->stages[PERI__HTTP_SENDING];
  return !waits && (!sends || io->now - *begun > FAREWELL);
}

/* A crowd's connections are of 20 KB, freed one by one and kept by the allocator: for 10,000 that have gone, 100 MB for
   ever. They go back once nobody asks anything, so that no answer waits for it, and only when most of a crowd has gone, so
   that it is not done for each who comes and goes. */
static void give_back(peri__http_io *io) {
  uint64_t open = io->counts.open;
  bool asked = io->young > 0 || io->stages[PERI__HTTP_WAITING].next != &io->stages[PERI__HTTP_WAITING];
  if (asked || io->peak < CROWD || open > io->peak / 4) return;
  io->peak = open;
  peri_memory_trim();
}

static bool sweep(peri__http_io *io, int64_t *ending) {
  peri_http *door = io->door;
  MHD_UNSIGNED_LONG_LONG unused;
  io->now = peri__http_now();
  refresh_models(io);
  resume_answered(io);
  if (!io->quiet && atomic_load_explicit(&door->draining, memory_order_relaxed)) quiesce(io);
  int runs = 0;
  bool again;
  do {
    MHD_run(io->daemon);
    again = MHD_get_timeout(io->daemon, &unused) == MHD_YES && unused == 0;
  } while (again && ++runs < RUNS);
  int limit = expire_all(io);
  if (io->fresh.head || io->young != io->told) {
    peri__http_publish(door, &io->fresh, io->told, io->young);
    io->told = io->young;
  }
  if (peri__http_signals_any(door)) peri__http_wake_caller(door);
  bool ends = atomic_load_explicit(&door->closing, memory_order_relaxed);
  if (ends && farewell(io, ending)) return false;
  peri__http_log_flush(io);
  struct epoll_event events[2];
  int ready = epoll_wait(io->epoll, events, 2, again ? 0 : ends ? 1 : limit);
  if (ready == 0 && !again) give_back(io);
  return true;
}

void *peri__http_io_run(void *context) {
  peri__http_io *io = context;
  int64_t ending = 0;
  while (sweep(io, &ending)) continue;
  return NULL;
}

/* --- opening --- */

static int watch(peri__http_io *io, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  return epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? peri_fail(PERI_EIO, "http.open: epoll: %s", strerror(errno)) : PERI_OK;
}

static int start_daemon(peri__http_io *io, int listening) {
  const peri_http *door = io->door;
  unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
  io->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, on_request, io, MHD_OPTION_EXTERNAL_LOGGER, on_message, io, MHD_OPTION_LISTEN_SOCKET,
      listening, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)((door->connections + door->threads - 1) / door->threads), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      door->header + 2048, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_URI_LOG_CALLBACK, on_begin, io,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, io, MHD_OPTION_NOTIFY_CONNECTION, on_connection, io,
      MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
  if (io->daemon) return PERI_OK;
  close(listening);
  return peri_fail(PERI_EIO, "http.open: libmicrohttpd does not start: %s", strerror(errno));
}

int peri__http_io_open(peri__http_io *io, peri_http *door, int listening) {
  io->door = door;
  io->epoll = io->wake = -1;
  pthread_mutex_init(&io->lock, NULL);
  peri__http_list_clear(&io->fresh);
  peri__http_list_clear(&io->done);
  for (int i = 0; i < PERI__HTTP_STAGES; i++) io->stages[i].next = io->stages[i].previous = &io->stages[i];
  io->models = peri__http_models_retain(door->models);
  io->counts.answers = peri_alloc_zeroed(door->endpoint_count * PERI__HTTP_STATUSES * sizeof *io->counts.answers);
  if (!io->counts.answers) return PERI_ENOMEM;
  peri_body_limits limits = PERI_BODY_LIMITS;
  limits.images = (size_t)door->queue;
  PERI_TRY(peri_body_reader_open(&io->reader, &limits, &door->images));
  io->epoll = epoll_create1(EPOLL_CLOEXEC);
  io->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int own = fcntl(listening, F_DUPFD_CLOEXEC, 0);
  if (io->epoll < 0 || io->wake < 0 || own < 0) return peri_fail(PERI_EIO, "http.open: %s", strerror(errno));
  PERI_TRY(start_daemon(io, own));
  PERI_TRY(watch(io, io->wake, EPOLLIN | EPOLLET));
  return watch(io, MHD_get_daemon_info(io->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN);
}

void peri__http_io_close(peri__http_io *io) {
  if (!io->door) return;
  if (io->daemon) MHD_stop_daemon(io->daemon);
  peri__http_log_flush(io);
  if (io->epoll >= 0) close(io->epoll);
  if (io->wake >= 0) close(io->wake);
  for (peri_http_request *r = io->done.head, *next; r; r = next) {
    next = r->next;
    peri__http_request_release(r);
  }
  peri_body_reader_close(io->reader);
  peri__http_models_release(io->models);
  peri_text_clear(&io->log);
  peri_free((void *)io->counts.answers);
  pthread_mutex_destroy(&io->lock);
}
