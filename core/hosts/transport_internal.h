/* transport_internal.h - what the transport's files share.

   Locks: `lock` guards the queue, the captured output and `parent`; it is held for moments, never across anything
   that waits for a person or a peer, and never by code that could be left by a longjmp. fork() waits for it.
   Sockets belong to threads: shell and stdin to main, control and heartbeat and iopub to theirs. There are two
   contexts, so that control and iopub can be ended, with what they have sent, whatever the main thread does. */
#ifndef PERI_HOSTS_TRANSPORT_INTERNAL_H
#define PERI_HOSTS_TRANSPORT_INTERNAL_H

#include <stdatomic.h>
#include <zmq.h>

#include "base/status.h"
#include "hosts/transport.h"

enum { PERI_LINGER = 1000, PERI_GRACE = 3000 }; /* ms: for peers to read; for Lua to come back after a shutdown */

/* --- frames on sockets (transport_sockets.c) --- */

typedef struct peri__parts { /* a message as it came */
  zmq_msg_t *part;
  peri_slice *slice;
  size_t count, capacity;
} peri__parts;

int peri__parts_receive(peri__parts *p, void *socket); /* 1, or 0 when there is none (never waits); negative: failed */
void peri__parts_clear(peri__parts *p);

/* Signs and sends identities, delimiter, signature, header, parent, metadata, content, buffers. */
typedef struct peri__outgoing {
  const peri_slice *identities;
  size_t identity_count;
  peri_slice header, parent, metadata, content;
  const peri_slice *buffers;
  size_t buffer_count;
} peri__outgoing;

int peri__send(peri_wire *wire, void *socket, const peri__outgoing *message);

/* A socket of `type`, bound where the options say; `what` is its name in messages. */
int peri__bind(void **out, void *context, int type, const peri_transport_options *options, int port, const char *what);
/* Removes the files of ipc sockets. */
void peri__unlink(const peri_transport *t);

/* --- the queue to iopub (transport_iopub.c) --- */

typedef struct peri__parent { /* of messages; shared and counted */
  atomic_int references;
  peri_slice header; /* inside this block */
} peri__parent;

int peri__parent_new(peri__parent **out, peri_slice header);
void peri__parent_release(peri__parent *parent); /* NULL is allowed */

typedef struct peri__run { /* neighbouring bytes of one stream */
  int fd;
  size_t size;
} peri__run;

typedef struct peri__output { /* captured bytes in the order of their writing */
  peri_text text;
  peri_text runs; /* of peri__run */
} peri__output;

typedef struct peri__item { /* in the queue: a message, or output that becomes stream messages */
  struct peri__item *next;
  peri__parent *parent;
  peri__output output;
  const char *type; /* NULL: output. What follows is inside this block. */
  peri_slice content, metadata;
  const peri_slice *buffers;
  size_t buffer_count;
} peri__item;

enum { PERI_CALM_BYTES = 1 << 19,   /* output beyond which its 50 ms are not waited for */
       PERI_MOST_BYTES = 1 << 26 }; /* beyond which a writer waits until some has been sent */

/* Makes an item of a message; `parent` is kept. */
int peri__item_new(peri__item **out, peri__parent *parent, const char *type, peri_slice content, peri_slice metadata,
                   const peri_slice *buffers, size_t count);

/* With the lock held: queues an item; moves the captured output into the queue (`whole`: with characters that are
   not finished). */
void peri__queue(peri_transport *t, peri__item *item);
int peri__queue_output(peri_transport *t, int whole);

void *peri__iopub_thread(void *transport);
void peri__wake(int eventfd);
void peri__calm(int eventfd); /* undoes it */

/* --- captured output (transport_capture.c) --- */

/* With the lock held: takes what lies in the pipes, without waiting. */
int peri__drain_pipes(peri_transport *t);
void peri__forget_input(peri_transport *t);

/* --- control and heartbeat (transport_threads.c) --- */

void *peri__control_thread(void *transport);
void *peri__heartbeat_thread(void *transport);

/* Publishes status busy or idle under a parent. Any thread. */
int peri__status(peri_transport *t, peri__parent *parent, const char *state);

/* --- children (transport_child.c) --- */

void peri__children_interrupt(void);
void peri__children_end(void); /* the kernel leaves: those that live are told to end */

struct peri_transport {
  pid_t process;    /* that opened it */
  pthread_t main;
  peri_wire *wire;
  peri_text who, kernel_info; /* for headers; the reply's content */
  char session[64];
  pid_t parent_process, parent_at_start;
  void *context, *side_context; /* shell, stdin and heartbeat; control and iopub */
  void *shell, *stdin_, *heartbeat, *control, *iopub;
  char *files[5]; /* of ipc sockets */
  pthread_t control_thread, heartbeat_thread, iopub_thread;
  int threads; /* started, in this order: iopub, heartbeat, control */
  atomic_uint_fast64_t dropped;

  /* Asked for by control or heartbeat: main is to leave. */
  atomic_int shutdown, restart, closing;
  atomic_int idle;  /* main waits for a message */
  int main_event, control_event, heartbeat_event, iopub_event;

  /* Main's own. */
  peri__parts received, answered;
  peri_text identities;  /* of the request: the bytes, one after the other */
  peri_slice *identity;
  size_t identity_count;
  int allow_stdin, sigint_ours;

  pthread_mutex_t lock;
  pthread_cond_t sent;
  peri__item *first, **last;
  int finish;          /* iopub: send what is queued, then end */
  peri__parent *parent;
  peri__output output; /* not yet queued */
  int64_t output_due;  /* monotonic ms when it has to be; 0: there is none */
  size_t unsent;       /* bytes of output, queued or not */
  struct { char bytes[4]; size_t size; } unfinished[3]; /* of a character at a stream's end, by fd */

  int captured, muted;
  char piece[1 << 16];           /* for reading from a pipe */
  int pipes[3], saved[3], epoll; /* pipes: [1], [2]: where we read; saved: the fds as they were */
  FILE *stream[3], *before[3];
  peri_text input;             /* a line that stdin has not read whole */
  size_t input_at;
};

int64_t peri__now(void); /* monotonic milliseconds */

#endif
