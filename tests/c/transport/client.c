/* client.c - see client.h. */
#include "transport/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char key[] = "the key";

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void client_begin(client *c) {
  *c = (client){0};
  strcpy(c->folder, "/tmp/perilune-XXXXXX");
  if (mkdtemp(c->folder) == NULL) exit(2);
  snprintf(c->ip, sizeof c->ip, "%s/k", c->folder);
  if (peri_wire_open(&c->wire, (peri_slice){key, strlen(key)}) < 0) exit(2);
}

peri_transport_options options_of(const client *c) {
  return (peri_transport_options){.transport = "ipc", .ip = c->ip, .shell_port = 1, .control_port = 2, .stdin_port = 3,
                                  .iopub_port = 4, .hb_port = 5, .key = {key, strlen(key)}, .session = "the session",
                                  .username = "me", .kernel_info = "{\"protocol_version\":\"5.4\",\"banner\":\"b\"}"};
}

static void *connected(client *c, int type, int port) {
  char address[128];
  void *socket = zmq_socket(c->context, type);
  int none = 0;
  snprintf(address, sizeof address, "ipc://%s-%d", c->ip, port);
  zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
  if (type == ZMQ_DEALER) zmq_setsockopt(socket, ZMQ_IDENTITY, "\xFFme", 3);
  if (type == ZMQ_SUB) zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
  if (zmq_connect(socket, address) != 0) exit(2);
  return socket;
}

int client_connect(client *c) {
  incoming m;
  c->context = zmq_ctx_new();
  c->shell = connected(c, ZMQ_DEALER, 1);
  c->control = connected(c, ZMQ_DEALER, 2);
  c->input = connected(c, ZMQ_DEALER, 3);
  c->iopub = connected(c, ZMQ_SUB, 4);
  c->heartbeat = connected(c, ZMQ_REQ, 5);
  if (!client_read(c, c->iopub, 5000, &m)) return 0;
  int welcome = strcmp(m.type, "iopub_welcome") == 0 && strcmp(m.content, "{\"subscription\":\"\"}") == 0 &&
                m.topic_size == 0 && strcmp(m.parent, "{}") == 0;
  incoming_clear(&m);
  return welcome;
}

void client_end(client *c) {
  void *sockets[] = {c->shell, c->control, c->input, c->iopub, c->heartbeat};
  for (int i = 0; i < 5; i++)
    if (sockets[i] != NULL) zmq_close(sockets[i]);
  if (c->context != NULL) zmq_ctx_term(c->context);
  peri_wire_close(c->wire);
  for (int port = 1; port <= 5; port++) {
    char file[128];
    snprintf(file, sizeof file, "%s-%d", c->ip, port);
    unlink(file);
  }
  rmdir(c->folder);
}

void client_send_raw(void *socket, const peri_slice *frames, size_t count) {
  for (size_t i = 0; i < count; i++) zmq_send(socket, frames[i].at, frames[i].size, i + 1 < count ? ZMQ_SNDMORE : 0);
}

void client_send(client *c, void *socket, const char *header, const char *content, int spoil) {
  char signature[PERI_SIGNATURE_HEX + 1];
  peri_slice frames[7] = {{PERI_DELIMITER, strlen(PERI_DELIMITER)}, {signature, PERI_SIGNATURE_HEX}, {header, strlen(header)},
                          {"{}", 2}, {"{}", 2}, {content, strlen(content)}, {"\0\1\2", 3}};
  peri_wire_sign(c->wire, signature, frames + 2, 4);
  if (spoil) signature[17] = signature[17] == 'a' ? 'b' : 'a';
  client_send_raw(socket, frames, 7);
}

static char *text_of(peri_slice bytes) {
  char *text = malloc(bytes.size + 1);
  memcpy(text, bytes.at, bytes.size);
  text[bytes.size] = 0;
  return text;
}

int client_read(client *c, void *socket, int milliseconds, incoming *m) {
  enum { MOST = 16 };
  zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
  zmq_msg_t part[MOST];
  peri_slice frame[MOST];
  size_t count = 0;
  *m = (incoming){0};
  int found;
  while ((found = zmq_poll(&item, 1, milliseconds)) < 0 && errno == EINTR) continue; /* an interrupt that is tested */
  if (found <= 0) return 0;
  do {
    zmq_msg_init(&part[count]);
    if (zmq_msg_recv(&part[count], socket, 0) < 0) return 0;
    frame[count] = (peri_slice){zmq_msg_data(&part[count]), zmq_msg_size(&part[count])};
  } while (zmq_msg_more(&part[count++]) && count < MOST);
  peri_wire_message wire;
  int good = peri_wire_read(&wire, c->wire, frame, count) >= 0;
  if (good) {
    strcpy(m->type, wire.type);
    m->parent = text_of(wire.parent);
    m->content = text_of(wire.content);
    m->topic = text_of(wire.identities ? frame[0] : (peri_slice){"", 0});
    m->topic_size = wire.identities ? frame[0].size : 0;
    if (wire.buffers < count && frame[wire.buffers].size <= sizeof m->buffer) {
      m->buffer_size = frame[wire.buffers].size;
      memcpy(m->buffer, frame[wire.buffers].at, m->buffer_size);
    }
  }
  while (count > 0) zmq_msg_close(&part[--count]);
  return good;
}

void incoming_clear(incoming *m) {
  free(m->parent);
  free(m->content);
  free(m->topic);
}

char *client_output(client *c, const char *type, size_t *size, int *messages) {
  peri_text all = {0};
  char last = 0, *result = NULL;
  *messages = 0;
  for (int done = 0; !done;) {
    incoming m;
    if (!client_read(c, c->iopub, 5000, &m)) break;
    done = strcmp(m.type, type) == 0;
    if (strcmp(m.type, "stream") == 0) {
      peri_slice content = {m.content, strlen(m.content)};
      char stream = strstr(m.content, "\"name\":\"stderr\"") != NULL ? '2' : '1';
      char mark[2] = {stream, ':'};
      CHECK(content.size < 1000000);
      (*messages)++;
      if (stream != last) peri_text_add(&all, mark, 2);
      last = stream;
      peri_wire_string(&all, peri_wire_field(content, "text"));
    }
    incoming_clear(&m);
    if (done) {
      *size = all.size;
      result = text_of((peri_slice){all.size ? all.at : "", all.size});
    }
  }
  peri_text_clear(&all);
  return result;
}
