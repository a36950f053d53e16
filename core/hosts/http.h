/* http.h - the service's door: connections on libmicrohttpd, requests gathered into batches of images, answers.

     I/O threads      each runs one daemon of libmicrohttpd over epoll: reads requests, decides what they may (token, origin,
                      limits), reads small bodies into images, writes answers. Fixed answers never leave it
     workers          read the bodies that take longer: pictures, strokes, much JSON
     the caller       one thread: peri_http_wait gives it batches for a net, requests that a program answers, and signals

   A request belongs to its I/O thread and, while it waits for an answer, also to the queue or the caller: it is counted.
   Its connection may go, or its time be over, meanwhile; the answer is then dropped. What the caller is given (batch,
   request) is its own until it is answered, which may be on any thread; every one must be answered or failed once.

   The window: a batch leaves at once when no other request has begun to arrive, else at most `window` seconds after
   its first one was complete. A sender that is slower than the window is not waited for.

   What libmicrohttpd (0.9.75) answers by itself, before there is a request: 400 to a malformed Content-Length or chunk
   (the former with its head twice), 414, 431 and 505, as a page of HTML without the headers of all answers, after which the
   connection is closed; to a request line that is none it closes without a word. Nothing of ours sees these; the answers
   are counted, as of the route "other", and are not in the access log.

   A client that closes its sending half behind its request may find no answer: libmicrohttpd looks at the socket again
   before it sends one that had to wait, takes the end for the client's, and closes. To ask each socket whether it has
   ended before that would cost all others a system call an answer.

   Signals HUP, TERM and INT are the door's while one is open, and given back afterwards. Functions return a status as
   base/status.h has it; all options are copied. */
#ifndef PERI_HOSTS_HTTP_H
#define PERI_HOSTS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hosts/http_body.h"

typedef struct peri_http peri_http;
typedef struct peri_http_batch peri_http_batch;
typedef struct peri_http_request peri_http_request;

/* --- opening --- */

typedef struct peri_http_model {
  const char *name; /* of ?model= */
  peri_body_shape shape;
  const char *const *labels; /* `classes` names */
  size_t classes;
  double threshold; /* a prediction as confident as this is certain */
} peri_http_model;

typedef struct peri_http_header {
  const char *name, *value;
} peri_http_header;

typedef struct peri_http_file { /* a fixed answer to GET and HEAD */
  const char *path, *type, *body;
  size_t bytes;
  const peri_http_header *headers; /* beside those of all answers */
  size_t header_count;
} peri_http_file;

typedef enum peri_http_kind {
  PERI_HTTP_PREDICT, /* images of its body go through batches */
  PERI_HTTP_IMAGES,  /* its body is read as images, and the caller answers */
  PERI_HTTP_PLAIN    /* the caller answers */
} peri_http_kind;

typedef struct peri_http_route {
  const char *method, *path;
  peri_http_kind kind;
} peri_http_route;

typedef struct peri_http_options {
  const char *host;
  int port; /* 0: any that is free */
  bool reuse_port;
  int threads, workers;
  int batch;     /* images */
  double window; /* seconds, as all times here */
  int queue;     /* images that wait at most; more: 429 */
  size_t body, header;
  int connections;
  double idle, receive, answer;
  const char *token;             /* NULL: none is asked for */
  const char *const *origins;    /* allowed beside the host's own; "*" is any */
  size_t origin_count;
  const char *const *hosts;      /* names to be asked by, beside the loopback's own (http_host.c) */
  size_t host_count;
  const char *access_log;        /* a path, "-" for standard output, NULL for none */
  const peri_http_header *headers; /* on every answer */
  size_t header_count;
  const peri_http_file *files;
  size_t file_count;
  const peri_http_route *routes;
  size_t route_count;
  const peri_http_model *models; /* the first is the default */
  size_t model_count;
  peri_body_images images;       /* how pictures and strokes are read */
} peri_http_options;

/* The defaults of all numbers. */
peri_http_options peri_http_defaults(void);

int peri_http_open(peri_http **out, const peri_http_options *options);

/* Ends everything: requests that wait are answered 503. Batches and requests that the caller still holds stay valid, and
   answering them does nothing. NULL is allowed. */
void peri_http_close(peri_http *door);

int peri_http_port(const peri_http *door);
const char *peri_http_host(const peri_http *door);

/* --- what the caller does --- */

typedef enum peri_http_event_kind {
  PERI_HTTP_NOTHING, /* the time is over, or the door has been drained */
  PERI_HTTP_BATCH,
  PERI_HTTP_REQUEST,
  PERI_HTTP_SIGNAL
} peri_http_event_kind;

typedef struct peri_http_event {
  peri_http_event_kind kind;
  peri_http_batch *batch;
  peri_http_request *request;
  const char *signal; /* "HUP", "TERM", "INT" */
} peri_http_event;

/* Waits at most so many seconds. */
int peri_http_wait(peri_http *door, double seconds, peri_http_event *out);

/* Images of one model, in the order of their coming. */
int peri_http_batch_model(const peri_http_batch *batch); /* place in the list, from 0 */
int64_t peri_http_batch_count(const peri_http_batch *batch);
void peri_http_batch_shape(const peri_http_batch *batch, peri_body_shape *shape, size_t *classes);
void peri_http_batch_copy(const peri_http_batch *batch, float *to); /* (count, height, width, channels) */

/* Answers every request of the batch and frees it. probabilities: (count, classes), classes as the model has. */
int peri_http_batch_answer(peri_http_batch *batch, const float *probabilities);
void peri_http_batch_fail(peri_http_batch *batch, int status, const char *reason);

/* What a request that the caller answers holds; texts live as long as it does. */
typedef struct peri_http_seen {
  const char *method, *path;
  const char *fields; /* query and header: name, 0, value, 0, ...; names of headers are lower case */
  size_t queries, headers; /* of each so many pairs, queries first */
  const char *body;
  size_t bytes;
  const float *images; /* (count, height, width, channels); NULL for a plain one */
  int64_t count;
  peri_body_shape shape;
  const char *kind, *label, *class; /* NULL when not given */
  bool input;
  int model;
} peri_http_seen;
void peri_http_request_see(const peri_http_request *request, peri_http_seen *out);

/* Answers and lets go of the request. The headers come beside those of all answers. */
int peri_http_request_answer(peri_http_request *request, int status, const char *type, const char *body, size_t bytes,
                             const peri_http_header *headers, size_t header_count);
void peri_http_request_fail(peri_http_request *request, int status, const char *reason);

/* Other models from now on. What waits for one that has no namesake of the same shape any more is answered 503. */
int peri_http_models(peri_http *door, const peri_http_model *models, size_t count);

/* What /readyz says: false at first. */
void peri_http_ready(peri_http *door, bool ready);

/* Begins to drain: no more connections are taken, and those there are close after their answer. Waits at most so many
   seconds. 1: nothing waits for an answer any more; 0: the time is over, or the caller has something to do. */
int peri_http_drain(peri_http *door, double seconds);

/* --- counts --- */

enum { PERI_HTTP_LATENCIES = 14, PERI_HTTP_BATCHES = 12 };

/* Upper bounds of the buckets: seconds, and images; what is larger is in one more bucket. */
extern const double peri_http_latency_bounds[PERI_HTTP_LATENCIES];
extern const int peri_http_batch_bounds[PERI_HTTP_BATCHES];

typedef struct peri_http_counts {
  uint64_t connections, accepted, refused; /* open now; ever taken; closed for being slow */
  uint64_t images, received, sent;         /* bytes of bodies */
  uint64_t queued;                         /* images that wait now */
  uint64_t waiting;                        /* requests that wait for an answer now */
  uint64_t batches, batch_sum, batch_sizes[PERI_HTTP_BATCHES + 1];
  uint64_t latency_count, latencies[PERI_HTTP_LATENCIES + 1];
  double latency_sum;
} peri_http_counts;
void peri_http_count(peri_http *door, peri_http_counts *out);

/* Calls `each` for every route and status that was answered: "POST /v1/predict", 200, 12345. Routes that do not exist
   are "other". */
void peri_http_count_routes(peri_http *door, void (*each)(void *context, const char *route, int status, uint64_t count),
                            void *context);

#endif
