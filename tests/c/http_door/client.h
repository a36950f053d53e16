/* client.h - what the tests of the service's door share: a client on plain sockets, a program that answers. */
#ifndef TESTS_HTTP_DOOR_CLIENT_H
#define TESTS_HTTP_DOOR_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "hosts/http.h"
#include "test.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 10 };

typedef struct reply {
  int status; /* 0: the connection ended instead */
  char head[8192], body[1 << 16];
  size_t size;
} reply;

double seconds(void);
void rest(double seconds);

/* --- the client: -1 and false when the other side has gone --- */
int client_connect(int port);
bool client_send(int fd, const void *bytes, size_t size);
bool client_text(int fd, const char *text);
bool client_read(int fd, reply *out, bool head_only);
/* One request with a body (NULL: none) and more header lines, each ended by \r\n; its Host is localhost when they name none. */
bool client_request(int fd, const char *method, const char *path, const char *lines, const void *body, size_t size);
/* The same on a connection of its own; returns the status. */
int ask(int port, const char *method, const char *path, const char *lines, const void *body, size_t size, reply *out);
bool has(const reply *r, const char *text); /* in head or body */

#define RAW "Content-Type: application/octet-stream\r\n"
/* An image of class c: c lit pixels. */
void digit(unsigned char image[PIXELS], int c);

/* --- the program: answers a batch with the class of each image, a request with what it says --- */
typedef struct program {
  peri_http *door;
  pthread_t thread;
  _Atomic bool ends, sleeps; /* sleeps: takes nothing */
  _Atomic int batches, requests, largest;
  _Atomic double delay; /* seconds before each answer */
  _Atomic double slow;  /* and before that to a request */
  _Atomic bool hung_up; /* SIGHUP came */
} program;

peri_http_options options_of(void);
bool program_open(program *p, const peri_http_options *o);
void program_close(program *p);

void test_policy(void);
void test_bodies(void);
void test_time(void);
void test_storm(void);
void test_endings(void);
void test_faults(void);

#endif
