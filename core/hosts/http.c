/* http.c - opening and closing the door. */
#include "hosts/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

enum { BACKLOG = 4096, SPARE_FILES = 256 };

peri_http_options peri_http_defaults(void) {
  return (peri_http_options){.host = "127.0.0.1", .port = 8080, .threads = 1, .workers = 1, .batch = 256, .window = 0.002,
                             .queue = 4096, .body = 8 << 20, .header = 16 << 10, .connections = 16384, .idle = 60,
                             .receive = 10, .answer = 30};
}

/* --- listening --- */

static int listen_on(const struct addrinfo *at, bool reuse) {
  int on = 1, fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (at->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof on);
  if ((reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) || bind(fd, at->ai_addr, at->ai_addrlen) < 0 ||
      listen(fd, BACKLOG) < 0) {
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
  }
  return fd;
}

static int listen_at(peri_http *door, const peri_http_options *o, int *out) {
  char port[16];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
  struct sockaddr_storage bound;
  socklen_t length = sizeof bound;
  snprintf(port, sizeof port, "%d", o->port);
  int failed = getaddrinfo(o->host, port, &hints, &list);
  if (failed) return peri_fail(PERI_EIO, "http.open: argument 'host': %s: %s", o->host, gai_strerror(failed));
  int fd = -1;
  for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) fd = listen_on(at, o->reuse_port);
  int reason = errno;
  freeaddrinfo(list);
  if (fd < 0) return peri_fail(PERI_EIO, "http.open: cannot listen on %s, port %d: %s", o->host, o->port, strerror(reason));
  getsockname(fd, (struct sockaddr *)&bound, &length);
  door->loopback = peri__http_is_loopback((const struct sockaddr *)&bound);
  if (bound.ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&bound;
    inet_ntop(AF_INET6, &in->sin6_addr, door->host, sizeof door->host);
    door->port = ntohs(in->sin6_port);
  } else {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&bound;
    inet_ntop(AF_INET, &in->sin_addr, door->host, sizeof door->host);
    door->port = ntohs(in->sin_port);
  }
  *out = fd;
  return PERI_OK;
}

/* As many files as there may be connections; where that many are not allowed, libmicrohttpd waits for one to close. */
static void raise_files(int connections) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t)connections + SPARE_FILES;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted ? wanted : limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- options --- */

static int64_t nanoseconds(double seconds) { return (int64_t)(seconds * 1e9); }

static int check_positive(const char *name, double value, double most) {
  if (value > 0 && value <= most) return PERI_OK;
  return peri_fail(PERI_EARG, "http.open: argument '%s' wants more than 0 and at most %g, got %g", name, most, value);
}

static int check_options(const peri_http_options *o) {
  if (o->port < 0 || o->port > 65535) return peri_fail(PERI_EARG, "http.open: argument 'port' wants 0 to 65535, got %d", o->port);
  PERI_TRY(check_positive("threads", o->threads, 64));
  PERI_TRY(check_positive("workers", o->workers, 64));
  PERI_TRY(check_positive("batch", o->batch, 65536));
  PERI_TRY(check_positive("queue", o->queue, 1 << 20));
  PERI_TRY(check_positive("body", (double)o->body, 1 << 30));
  PERI_TRY(check_positive("connections", o->connections, 1 << 20));
  PERI_TRY(check_positive("idle", o->idle, 1e6));
  PERI_TRY(check_positive("receive", o->receive, 1e6));
  PERI_TRY(check_positive("answer", o->answer, 1e6));
  if (!(o->window >= 0 && o->window <= 10)) return peri_fail(PERI_EARG, "http.open: argument 'window' wants 0 to 10 seconds, got %g", o->window);
  if (o->header < 1024 || o->header > 1 << 20)
    return peri_fail(PERI_EARG, "http.open: argument 'header' wants 1024 to %d bytes, got %zu", 1 << 20, o->header);
  return PERI_OK;
}

static int copy_options(peri_http *door, const peri_http_options *o) {
  door->threads = o->threads;
  door->batch = o->batch;
  door->queue = o->queue;
  door->window = nanoseconds(o->window);
  door->idle = nanoseconds(o->idle);
  door->receive = nanoseconds(o->receive);
  door->answer = nanoseconds(o->answer);
  door->body = o->body;
  door->header = o->header;
  door->connections = o->connections;
  door->images = o->images;
  if (o->token) {
    if (!*o->token) return peri_fail(PERI_EARG, "http.open: argument 'token' is empty");
    door->token = peri_strdup(o->token);
    if (!door->token) return PERI_ENOMEM;
    door->token_length = strlen(o->token);
  }
  for (size_t i = 0; i < o->origin_count; i++) {
    door->any_origin |= strcmp(o->origins[i], "*") == 0;
    PERI_TRY(peri__http_pairs_add(&door->origins, o->origins[i], ""));
  }
  for (size_t i = 0; i < o->host_count; i++) PERI_TRY(peri__http_pairs_add(&door->hosts, o->hosts[i], ""));
  for (size_t i = 0; i < o->header_count; i++) PERI_TRY(peri__http_pairs_add(&door->headers, o->headers[i].name, o->headers[i].value));
  PERI_TRY(peri__http_models_new(&door->models, o->models, o->model_count));
  return peri__http_endpoints_open(door, o);
}

/* --- life --- */

static void make_locks(peri_http *door) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&door->lock, NULL);
  pthread_cond_init(&door->wakes, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_mutex_init(&door->log_lock, NULL);
  pthread_mutex_init(&door->workers.lock, NULL);
  pthread_cond_init(&door->workers.ready, NULL);
}

/* Threads of ours take no signals: those are for the program's own. */
static int start_threads(peri_http *door, int workers) {
  sigset_t all, before;
  int status = PERI_OK, failed = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < door->threads && !failed; i++) {
    failed = pthread_create(&door->io[i].thread, NULL, peri__http_io_run, &door->io[i]);
    door->io[i].started = !failed;
  }
  if (failed) status = peri_fail(PERI_ENOMEM, "http.open: no thread for connections: %s", strerror(failed));
  else status = peri__http_workers_open(door, workers);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

static int open_all(peri_http *door, const peri_http_options *o) {
  int listening = -1, status;
  PERI_TRY(copy_options(door, o));
  PERI_TRY(peri__http_log_open(door, o->access_log));
  raise_files(o->connections);
  door->io = peri_alloc_zeroed((size_t)o->threads * sizeof *door->io);
  if (!door->io) return PERI_ENOMEM;
  PERI_TRY(listen_at(door, o, &listening));
  status = PERI_OK;
  for (int i = 0; i < o->threads && status >= 0; i++) status = peri__http_io_open(&door->io[i], door, listening);
  close(listening); /* each has one of its own */
  PERI_TRY(status);
  PERI_TRY(peri__http_signals_open(door));
  return start_threads(door, o->workers);
}

int peri_http_open(peri_http **out, const peri_http_options *options) {
  PERI_TRY(check_options(options));
  peri_http *door = peri_alloc_zeroed(sizeof *door);
  if (!door) return PERI_ENOMEM;
  door->log = door->signal_slot = -1;
  make_locks(door);
  peri__http_list_clear(&door->predictions);
  peri__http_list_clear(&door->requests);
  peri__http_list_clear(&door->workers.list);
  int status = open_all(door, options);
  if (status < 0) {
    peri_http_close(door);
    return status;
  }
  *out = door;
  return PERI_OK;
}

static void stop_threads(peri_http *door) {
  atomic_store(&door->draining, true);
  peri__http_workers_close(door);
  peri__http_queue_fail(door, 503, "the service ends");
  atomic_store(&door->closing, true);
  for (int i = 0; door->io && i < door->threads; i++) {
    if (!door->io[i].started) continue;
    peri__http_io_wake(&door->io[i]);
    pthread_join(door->io[i].thread, NULL);
  }
}

void peri_http_close(peri_http *door) {
  if (!door) return;
  stop_threads(door);
  peri__http_signals_close(door);
  peri__http_queue_fail(door, 503, "the service ends");
  for (int i = 0; door->io && i < door->threads; i++) peri__http_io_close(&door->io[i]);
  peri_free(door->io);
  peri__http_endpoints_close(door);
  peri__http_log_close(door);
  peri__http_models_release(door->models);
  peri__http_pairs_free(&door->origins);
  peri__http_pairs_free(&door->hosts);
  peri__http_pairs_free(&door->headers);
  peri_free(door->token);
  pthread_mutex_destroy(&door->lock);
  pthread_cond_destroy(&door->wakes);
  pthread_mutex_destroy(&door->log_lock);
  pthread_mutex_destroy(&door->workers.lock);
  pthread_cond_destroy(&door->workers.ready);
  peri_free(door);
}

int peri_http_port(const peri_http *door) { return door->port; }
const char *peri_http_host(const peri_http *door) { return door->host; }
void peri_http_ready(peri_http *door, bool ready) { atomic_store(&door->is_ready, ready); }
