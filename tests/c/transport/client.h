/* client.h - a front end of a few lines, for the tests of the transport: the other ends of its sockets, in C. */
#ifndef PERI_TESTS_TRANSPORT_CLIENT_H
#define PERI_TESTS_TRANSPORT_CLIENT_H

#include <stdio.h>
#include <zmq.h>

#include "hosts/transport.h"

extern int failures;

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(report, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                  \
      failures++;                                                                                                      \
    }                                                                                                                  \
  } while (0)

extern FILE *report; /* where failures are told while stdout is captured */

typedef struct client {
  char folder[64], ip[80];
  peri_wire *wire;
  void *context, *shell, *control, *input, *iopub, *heartbeat;
} client;

typedef struct incoming { /* as read: copies, free with incoming_clear */
  char type[PERI_TYPE_BYTES];
  char *parent, *content, *topic; /* texts with a NUL */
  size_t topic_size, buffer_size;
  char buffer[16];
} incoming;

/* Chooses a folder for sockets; options_of is where a transport has to bind then. */
void client_begin(client *c);
peri_transport_options options_of(const client *c);
/* Connects and subscribes; 1 when the welcome has come. */
int client_connect(client *c);
void client_end(client *c);

/* Sends frames from the delimiter on, signed; `spoil` 1 changes the signature. */
void client_send(client *c, void *socket, const char *header, const char *content, int spoil);
void client_send_raw(void *socket, const peri_slice *frames, size_t count);
int client_read(client *c, void *socket, int milliseconds, incoming *m); /* 1, or 0 when nothing came */
void incoming_clear(incoming *m);

/* Reads iopub up to a message of `type`: the stream messages as "1:text2:text..." (neighbours of one stream joined), to
   free. NULL when nothing came for five seconds. *messages: how many stream messages. */
char *client_output(client *c, const char *type, size_t *size, int *messages);

double seconds(void);

#endif
