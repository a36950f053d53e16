/* transport.h - the notebook kernel's side of the notebook protocol: sockets, threads, capture of what is written.

   The thread that opens a transport is the main thread: it runs Lua, and owns the shell and stdin sockets. Only
   it may call the functions below (peri_transport_post apart). Beside it run
     control    verifies; answers kernel_info, interrupt and shutdown while the main thread computes
     heartbeat  echoes; ends the process when its parent has gone
     iopub      sends what is published, in the order in which it was queued: one queue, one lock
   Captured output waits in one buffer, in the order of its writing, until it is queued: at the latest 50 ms after
   its first byte, and before anything that the main thread publishes.

   An interrupt is a SIGINT to the main thread: whoever handles it raises the flag of base/interrupt.h (where nobody
   handles it, the transport does). No Lua, no longjmp here; functions return a status as base/status.h has it. */
#ifndef PERI_HOSTS_TRANSPORT_H
#define PERI_HOSTS_TRANSPORT_H

#include <stdio.h>
#include <sys/types.h>

#include "hosts/transport_wire.h"

typedef struct peri_transport peri_transport;

typedef struct peri_transport_options {
  const char *transport, *ip; /* "tcp" or "ipc"; for ipc the sockets are the files ip-port */
  int shell_port, control_port, stdin_port, iopub_port, hb_port;
  peri_slice key;                /* of the signatures; empty: none */
  const char *session, *username;
  const char *kernel_info;       /* the content of kernel_info_reply, a JSON object */
  pid_t parent;                  /* the process ends when this one has gone; 0: it does not */
} peri_transport_options;

/* Binds all sockets and starts the threads; PERI_EIO names the address that could not be bound. */
int peri_transport_open(peri_transport **out, const peri_transport_options *options);

/* Ends the capture, sends what is queued (waiting at most a second for those who read it), frees all. In a fork()ed
   child it does nothing. */
void peri_transport_close(peri_transport *t);

/* --- requests --- */

typedef struct peri_transport_message {
  peri_slice *frames; /* all of them: identities, ..., buffers; valid until the next receive or close */
  size_t count;
  peri_wire_message wire;
} peri_transport_message;

enum { PERI_TRANSPORT_MESSAGE, PERI_TRANSPORT_TIMEOUT, PERI_TRANSPORT_INTERRUPT, PERI_TRANSPORT_SHUTDOWN };

/* Waits for a verified message on shell, at most so long (for ever below 0). An interrupt that comes meanwhile, or
   was left from before, is used up here. */
int peri_transport_receive(peri_transport *t, int milliseconds, peri_transport_message *out);

/* After PERI_TRANSPORT_SHUTDOWN: was it one with restart? */
int peri_transport_restarting(const peri_transport *t);

/* How many messages were dropped: forged, replayed or malformed ones. */
uint64_t peri_transport_dropped(const peri_transport *t);

/* The request being worked on: what is captured and published from now on has its header (JSON) as parent, and
   input is asked of its sender. An empty header: none. What was captured before goes out under the one before. */
int peri_transport_parent(peri_transport *t, peri_slice header, const peri_slice *identities, size_t count,
                          int allow_stdin);

/* Answers on shell. `identities` and `parent` are those of the message answered. */
int peri_transport_reply(peri_transport *t, const peri_slice *identities, size_t count, peri_slice parent,
                         const char *type, peri_slice content, peri_slice metadata);

/* --- what everybody sees --- */

/* Queues a message for iopub, behind all that was written before. content and metadata are JSON objects. */
int peri_transport_publish(peri_transport *t, const char *type, peri_slice content, peri_slice metadata,
                           const peri_slice *buffers, size_t count);

/* Queues all that was written until now to fds 1 and 2 and to stdio. */
int peri_transport_flush(peri_transport *t);

/* --- capture --- */

/* Puts pipes on fds 1 and 2, nothing on fd 0, and streams of ours in place of stdio's three; only one transport at a
   time can. With `on` 0 everything is as it was before. */
int peri_transport_capture(peri_transport *t, int on);

/* While muted, what is captured is dropped: nobody sees it. */
int peri_transport_mute(peri_transport *t, int on);

/* stdin, stdout or stderr (0, 1, 2) while captured; NULL else. */
FILE *peri_transport_stream(const peri_transport *t, int fd);

/* Asks the front end for a line into *line (cleared first). PERI_TRANSPORT_MESSAGE: it is there;
   PERI_TRANSPORT_INTERRUPT; PERI_EUNSUPPORTED: this front end takes none. */
int peri_transport_input(peri_transport *t, peri_slice prompt, int password, peri_text *line);

/* May the present request ask for input? */
int peri_transport_takes_input(const peri_transport *t);

/* --- children --- */

/* A shell command in a process group of its own. The group is told of every interrupt, as at a terminal. */
typedef struct peri_child peri_child;

/* mode 0: its stdin and stdout are ours; 'r': *file reads its stdout; 'w': *file writes its stdin. */
int peri_child_start(peri_child **out, const char *command, char mode, FILE **file);

/* Waits, frees the child, and gives waitpid's status. An interrupt meanwhile ends the child: in a quarter of a
   second it is dead or has ended by itself. One that was interrupted before has a second more. */
int peri_child_wait(peri_child *child, int *status);

#endif
