/* transport_sockets.c - binding, and messages of several frames. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "hosts/transport_internal.h"

enum { MOST_FRAMES = 1 << 16 };

/* --- receiving --- */

static int grow(peri__parts *p) {
  if (p->count < p->capacity) return PERI_OK;
  size_t capacity = p->capacity ? 2 * p->capacity : 16;
  zmq_msg_t *part = peri_alloc(capacity * sizeof *part);
  peri_slice *slice = peri_alloc(capacity * sizeof *slice);
  if (part == NULL || slice == NULL) {
    peri_free(part);
    peri_free(slice);
    return PERI_ENOMEM;
  }
  for (size_t i = 0; i < p->count; i++) {
    zmq_msg_init(&part[i]);
    zmq_msg_move(&part[i], &p->part[i]);
    zmq_msg_close(&p->part[i]);
  }
  peri_free(p->part);
  peri_free(p->slice);
  p->part = part;
  p->slice = slice;
  p->capacity = capacity;
  return PERI_OK;
}

static void empty(peri__parts *p) {
  while (p->count > 0) zmq_msg_close(&p->part[--p->count]);
}

void peri__parts_clear(peri__parts *p) {
  empty(p);
  peri_free(p->part);
  peri_free(p->slice);
  *p = (peri__parts){0};
}

int peri__parts_receive(peri__parts *p, void *socket) {
  int more = 1, kept = 1;
  empty(p);
  while (more) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    while (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      zmq_msg_close(&part);
      if (errno == EAGAIN) return 0;
      return peri_fail(PERI_EIO, "transport: cannot receive: %s", zmq_strerror(errno));
    }
    more = zmq_msg_more(&part);
    kept = kept && p->count < MOST_FRAMES && grow(p) == PERI_OK;
    if (kept) {
      zmq_msg_init(&p->part[p->count]);
      zmq_msg_move(&p->part[p->count++], &part);
    }
    zmq_msg_close(&part);
  }
  if (!kept) empty(p); /* the whole message is read and given up: too few frames for anybody */
  for (size_t i = 0; i < p->count; i++)
    p->slice[i] = (peri_slice){zmq_msg_data(&p->part[i]), zmq_msg_size(&p->part[i])};
  return 1;
}

/* --- sending --- */

static int send_frame(void *socket, peri_slice frame, int more) {
  while (zmq_send(socket, frame.size ? frame.at : "", frame.size, more ? ZMQ_SNDMORE : 0) < 0) {
    if (errno == EHOSTUNREACH) return peri_fail(PERI_EUNSUPPORTED, "transport: nobody of this name listens");
    if (errno != EINTR) return peri_fail(PERI_EIO, "transport: cannot send: %s", zmq_strerror(errno));
  }
  return PERI_OK;
}

int peri__send(peri_wire *wire, void *socket, const peri__outgoing *m) {
  const peri_slice parts[] = {m->header, m->parent, m->metadata, m->content};
  char signature[PERI_SIGNATURE_HEX + 1];
  peri_wire_sign(wire, signature, parts, 4);
  for (size_t i = 0; i < m->identity_count; i++) PERI_TRY(send_frame(socket, m->identities[i], 1));
  PERI_TRY(send_frame(socket, (peri_slice){PERI_DELIMITER, strlen(PERI_DELIMITER)}, 1));
  PERI_TRY(send_frame(socket, (peri_slice){signature, strlen(signature)}, 1));
  for (int i = 0; i < 4; i++) PERI_TRY(send_frame(socket, parts[i], i < 3 || m->buffer_count > 0));
  for (size_t i = 0; i < m->buffer_count; i++) PERI_TRY(send_frame(socket, m->buffers[i], i + 1 < m->buffer_count));
  return PERI_OK;
}

/* --- binding --- */

/* The address of a port; for ipc also the file. PERI_EARG when it does not fit. */
static int address_of(char *out, size_t size, const peri_transport_options *o, int port, const char *what) {
  const char *ip = strcmp(o->ip, "localhost") == 0 ? "127.0.0.1" : o->ip;
  int n;
  if (strcmp(o->transport, "ipc") == 0) {
    n = snprintf(out, size, "ipc://%s-%d", o->ip, port);
  } else if (strcmp(o->transport, "tcp") == 0) {
    if (port < 1 || port > 65535) return peri_fail(PERI_EARG, "transport: %s_port is %d, no port", what, port);
    n = snprintf(out, size, strchr(ip, ':') != NULL ? "tcp://[%s]:%d" : "tcp://%s:%d", ip, port);
  } else {
    return peri_fail(PERI_EARG, "transport: transport is '%s', known are 'tcp' and 'ipc'", o->transport);
  }
  return n > 0 && (size_t)n < size ? PERI_OK : peri_fail(PERI_EARG, "transport: the address of %s is too long", what);
}

/* libzmq takes a file that somebody listens on away from them: ask first. */
static int is_listened_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return 0;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int answered = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0) close(fd);
  return answered;
}

static int bind_socket(void *socket, const peri_transport_options *options, int port, const char *what) {
  static const char ipc[] = "ipc://";
  char address[512];
  PERI_TRY(address_of(address, sizeof address, options, port, what));
  int one = 1, none = 0, linger = PERI_LINGER;
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
  if (strchr(options->ip, ':') != NULL) zmq_setsockopt(socket, ZMQ_IPV6, &one, sizeof one);
  int used = strncmp(address, ipc, strlen(ipc)) == 0 && is_listened_to(address + strlen(ipc));
  if (!used && zmq_bind(socket, address) == 0) return PERI_OK;
  const char *reason = zmq_strerror(used ? EADDRINUSE : errno);
  return peri_fail(PERI_EIO, "transport: cannot bind %s to %s: %s", what, address, reason);
}

int peri__bind(void **out, void *context, int type, const peri_transport_options *options, int port, const char *what) {
  *out = zmq_socket(context, type);
  if (*out == NULL) return peri_fail(PERI_EIO, "transport: cannot make a socket for %s: %s", what, zmq_strerror(errno));
  int one = 1;
  if (type == ZMQ_ROUTER) zmq_setsockopt(*out, ZMQ_ROUTER_HANDOVER, &one, sizeof one);
  /* a question that nobody hears has to be asked again: elsewhere what nobody hears is nobody's loss */
  if (strcmp(what, "stdin") == 0) zmq_setsockopt(*out, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
  if (type == ZMQ_XPUB) zmq_setsockopt(*out, ZMQ_XPUB_VERBOSE, &one, sizeof one);
  int status = bind_socket(*out, options, port, what);
  if (status < 0) {
    zmq_close(*out);
    *out = NULL;
  }
  return status;
}

void peri__unlink(const peri_transport *t) {
  for (size_t i = 0; i < sizeof t->files / sizeof *t->files; i++)
    if (t->files[i] != NULL) unlink(t->files[i]);
}
