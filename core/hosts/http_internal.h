/* http_internal.h - what the door's files share. See http.h for who runs where.

   Locks: door->lock guards the queue; an I/O thread's lock guards its list `done`; neither is taken under the other.
   A request's words, images and text belong to whoever has it: its I/O thread until it is published, then the queue and
   the caller. Who turns its state from OPEN to CLAIMED writes the answer, and nobody else. */
#ifndef PERI_HOSTS_HTTP_INTERNAL_H
#define PERI_HOSTS_HTTP_INTERNAL_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "hosts/http.h"

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

typedef struct peri__http_io peri__http_io;
typedef struct peri__http_connection peri__http_connection;

/* --- models: never changed once made --- */

typedef struct peri__http_model {
  char *name;
  peri_body_shape shape;
  size_t pixels, classes;
  peri_answer_model *answer;
} peri__http_model;

typedef struct peri__http_models {
  _Atomic int references;
  size_t count;
  peri__http_model model[];
} peri__http_models;

int peri__http_models_new(peri__http_models **out, const peri_http_model *models, size_t count);
peri__http_models *peri__http_models_retain(peri__http_models *m);
void peri__http_models_release(peri__http_models *m); /* NULL is allowed */
int peri__http_models_find(const peri__http_models *m, const char *name); /* -1: there is none; NULL: the first */

/* --- what is served --- */

typedef enum peri__http_serves {
  PERI__HTTP_OTHER, /* what is not served */
  PERI__HTTP_HEALTH,
  PERI__HTTP_READY,
  PERI__HTTP_FILE,
  PERI__HTTP_ROUTE
} peri__http_serves;

typedef struct peri__http_endpoint {
  peri__http_serves serves;
  peri_http_kind kind; /* of a route */
  char *method, *path, *label;
  size_t length; /* of path */
  size_t bytes;  /* of a file */
  struct MHD_Response *file, *unchanged;
  char *etag;
} peri__http_endpoint;

/* Copies of what the options name. */
typedef struct peri__http_pairs {
  char *text; /* name, 0, value, 0, ... */
  size_t count, size, room;
} peri__http_pairs;

int peri__http_pairs_add(peri__http_pairs *p, const char *name, const char *value);
void peri__http_pairs_clear(peri__http_pairs *p); /* keeps the room */
void peri__http_pairs_free(peri__http_pairs *p);
/* for (const char *name = NULL, *value; peri__http_pairs_next(&pairs, &name, &value);) */
bool peri__http_pairs_next(const peri__http_pairs *p, const char **name, const char **value);

/* --- requests --- */

enum { PERI__HTTP_OPEN, PERI__HTTP_CLAIMED, PERI__HTTP_ANSWERED };
enum { PERI__HTTP_KEPT = 64 << 10 }; /* a buffer as large as this stays with its connection */

struct peri_http_request {
  _Atomic int references; /* the connection's; and that of the queue, the caller or the list `done` */
  _Atomic int state;
  peri_http *door;
  peri__http_io *io;
  peri__http_connection *connection; /* the I/O thread's; NULL when it has gone */
  peri_http_request *next;           /* in one list at a time */
  /* arriving */
  const peri__http_endpoint *endpoint;
  bool begun, waits, wants_input, wants_close;
  bool hides; /* its URL has a NUL in it */
  char method[16], path[128]; /* cut to fit */
  int64_t began, complete; /* nanoseconds; 0: not yet */
  char *body;
  size_t size, room, held; /* held: bytes that the door counts */
  uint64_t received;
  /* read */
  peri__http_models *models;
  int model;
  bool has_images;
  peri_body_kind kind;
  float *images;
  int64_t count, images_room, taken, answered;
  peri_text notes; /* label, 0, class, 0 */
  bool has_label, has_class;
  peri__http_pairs fields; /* of the query and the header, for the caller */
  size_t queries;
  char *type; /* Content-Type, for a worker */
  /* answered */
  float *probabilities; /* of a request that is answered in parts */
  int status;
  const char *answer_type; /* a constant; NULL: it is in `extra` */
  peri_text text;
  peri__http_pairs extra;
};

int peri__http_request_new(peri_http_request **out, peri__http_connection *c);
void peri__http_request_reset(peri_http_request *r);
void peri__http_request_release(peri_http_request *r); /* drops one reference */
/* True when the answer is the calling thread's to write. */
bool peri__http_request_claim(peri_http_request *r);
/* Writes an error as the answer; the state is not looked at. */
void peri__http_refuse(peri_http_request *r, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Reads the body as images into the request; false, and *error is set, when it cannot. */
bool peri__http_read_images(peri_http_request *r, peri_body_reader *reader, const char *type, peri_body_error *error);

/* --- connections and I/O threads --- */

typedef enum peri__http_stage {
  PERI__HTTP_IDLE,      /* no request has begun */
  PERI__HTTP_QUIET,     /* the same for longer than a second */
  PERI__HTTP_ARRIVING,  /* one has, and is not whole */
  PERI__HTTP_LATE,      /* the same for longer than a window: batches do not wait for it */
  PERI__HTTP_WAITING,   /* for its answer */
  PERI__HTTP_SENDING,
  PERI__HTTP_LINGERING, /* refused in its middle: what comes is thrown away until the other side has read the answer */
  PERI__HTTP_DOOMED,    /* shut down; libmicrohttpd will close it */
  PERI__HTTP_STAGES
} peri__http_stage;

struct peri__http_connection {
  peri__http_connection *next, *previous; /* in its stage's ring, by `since` */
  peri__http_stage stage;
  int64_t since;
  peri__http_io *io;
  int fd;
  struct MHD_Connection *mhd;
  peri_http_request *request; /* kept from one request to the next */
  char client[INET6_ADDRSTRLEN];
};

enum { PERI__HTTP_STATUSES = 26 };

typedef struct peri__http_counts { /* written by one thread, read by any */
  _Atomic uint64_t open, accepted, refused, images, received, sent, latency_count, latency_nanoseconds;
  _Atomic uint64_t latencies[PERI_HTTP_LATENCIES + 1];
  _Atomic uint64_t *answers; /* (endpoints, PERI__HTTP_STATUSES) */
} peri__http_counts;

static inline void peri__http_add(_Atomic uint64_t *to, uint64_t n) {
  atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

typedef struct peri__http_list {
  peri_http_request *head, **tail; /* tail is set by clear */
} peri__http_list;
void peri__http_list_clear(peri__http_list *l);
void peri__http_list_add(peri__http_list *l, peri_http_request *r);

struct peri__http_io {
  peri_http *door;
  pthread_t thread;
  bool started;
  struct MHD_Daemon *daemon;
  int epoll, wake; /* wake: an eventfd */
  int64_t now;     /* of the sweep */
  peri__http_connection stages[PERI__HTTP_STAGES]; /* rings' heads */
  int young, told;                                 /* connections that are ARRIVING; as the door was told */
  uint64_t peak;                                   /* the most connections since memory was given back */
  uint64_t generation;                             /* of `models` */
  peri__http_list fresh;                           /* became complete in this sweep */
  peri__http_models *models;
  peri_body_reader *reader;
  bool quiet, closing; /* it has quiesced; it ends */
  peri_text log;
  int64_t logged; /* when it was written last */
  peri__http_counts counts;
  pthread_mutex_t lock;
  peri__http_list done; /* answered by others */
};

int peri__http_io_open(peri__http_io *io, peri_http *door, int listening);
void peri__http_io_close(peri__http_io *io); /* of one that was zeroed or opened; its thread has ended */
void *peri__http_io_run(void *io);
void peri__http_io_wake(peri__http_io *io);
void peri__http_connection_stage(peri__http_connection *c, peri__http_stage stage, int64_t since);

/* http_request.c: one request on its I/O thread. */
void peri__http_begin(peri_http_request *r, const char *uri);
/* -1: the connection is to be closed; else 0. */
int peri__http_handle(peri_http_request *r, const char *url, const char *method, const char *version, const char *data,
                      size_t *bytes);
void peri__http_give_up(peri_http_request *r, int status, const char *reason); /* answers in the caller's stead */

/* http_reply.c */
int peri__http_reply(peri_http_request *r); /* queues the answer with libmicrohttpd; -1 when it cannot */
void peri__http_reply_raw(peri__http_connection *c, peri_http_request *r); /* past libmicrohttpd, in a request's middle */
int peri__http_endpoints_open(peri_http *door, const peri_http_options *o);
void peri__http_endpoints_close(peri_http *door);

/* http_host.c */
bool peri__http_is_loopback(const struct sockaddr *address);
bool peri__http_host_allowed(const peri_http *door, const char *host); /* a request's Host; NULL: it has none */

/* --- the queue (http_queue.c) --- */

/* Hands over a sweep's complete requests; `young` requests are on their way. */
void peri__http_publish(peri_http *door, peri__http_list *fresh, int young_before, int young);
/* A place for n images in the queue; false: it is full. */
bool peri__http_reserve(peri_http *door, int64_t n);
/* Gives answered requests back to their I/O threads, with the references. */
void peri__http_finish(peri__http_list *list);
void peri__http_queue_fail(peri_http *door, int status, const char *reason);
void peri__http_wake_caller(peri_http *door);

/* --- workers (http_workers.c) --- */

typedef struct peri__http_workers {
  pthread_t *threads;
  int count, jobs;
  bool closing;
  pthread_mutex_t lock;
  pthread_cond_t ready;
  peri__http_list list;
} peri__http_workers;

int peri__http_workers_open(peri_http *door, int count);
void peri__http_workers_close(peri_http *door);
void peri__http_workers_add(peri_http *door, peri_http_request *r); /* takes the reference */

/* --- counts, log, signals --- */

size_t peri__http_sent(const peri_http_request *r); /* bytes of the answer's body */
void peri__http_counted(peri_http_request *r, int64_t ended); /* a request has ended, on its I/O thread */
void peri__http_counted_status(peri__http_io *io, int status); /* one that libmicrohttpd has answered by itself */
int peri__http_log_open(peri_http *door, const char *path);
void peri__http_log_close(peri_http *door);
void peri__http_log_add(peri__http_io *io, const peri_http_request *r);
void peri__http_log_flush(peri__http_io *io);
void peri__http_log_reopen(peri_http *door);

int peri__http_signals_open(peri_http *door);
void peri__http_signals_close(peri_http *door);
bool peri__http_signals_any(peri_http *door);
const char *peri__http_signals_next(peri_http *door); /* NULL: none has come */

enum { PERI__HTTP_SIGNALS = 3 };

/* --- the door --- */

struct peri_http {
  char host[INET6_ADDRSTRLEN + 2];
  int port, threads;
  int batch;
  int64_t window, idle, receive, answer; /* nanoseconds */
  int64_t queue;
  size_t body, header;
  int connections;
  char *token;
  size_t token_length;
  peri__http_pairs origins, headers; /* origins: as names, with empty values */
  bool any_origin;
  peri__http_pairs hosts; /* as origins */
  bool loopback;          /* it listens for this machine only */
  peri__http_endpoint *endpoints; /* the first is "other" */
  size_t endpoint_count;
  peri_body_images images;
  peri__http_io *io;
  peri__http_workers workers;
  _Atomic bool is_ready, draining, closing;
  /* the queue, under the lock */
  pthread_mutex_t lock;
  pthread_cond_t wakes;
  bool caller_waits, served_batch;
  peri_http_event_kind given;                  /* to the caller, who has not come back since */
  int64_t given_at, last_batch, batches_first; /* when; when one was done; until when requests let batches go first */
  peri__http_list predictions, requests;
  int young;       /* requests on their way, of all I/O threads */
  int64_t last;    /* images of the last batch */
  peri__http_models *models;
  uint64_t batches, batch_sum, batch_sizes[PERI_HTTP_BATCHES + 1];
  _Atomic uint64_t generation; /* of models */
  _Atomic int64_t queued;      /* images that wait, of requests for the caller one each */
  _Atomic int64_t waiting;     /* requests without an answer */
  _Atomic int64_t held;        /* bytes of bodies in memory */
  /* the log */
  pthread_mutex_t log_lock;
  int log;
  char *log_path;
  /* signals */
  _Atomic unsigned seen[PERI__HTTP_SIGNALS];
  int signal_slot;
};

int64_t peri__http_now(void); /* nanoseconds of the monotonic clock */

#endif
