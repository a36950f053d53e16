/* endings.c - a process that does not come back, or whose parent has gone, is ended by the transport. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "transport/client.h"

static client c;

/* A kernel that says something and then hears nothing any more. `pipe` is kept open while it lives. */
static void deaf_kernel(pid_t parent, int pipe) {
  peri_transport *t;
  peri_transport_options o = options_of(&c);
  o.parent = parent;
  if (peri_transport_open(&t, &o) < 0) _exit(3);
  peri_transport_capture(t, 1);
  if (write(pipe, "r", 1) != 1) _exit(4);
  peri_transport_message m;
  if (parent == 0) peri_transport_receive(t, 10000, &m);
  printf("last words\xE2\x82"); /* a character that is never finished goes out at the very end */
  for (;;) usleep(10000);
}

/* The kernel is a child of ours, or a grandchild whose parent ends at once. Returns the pipe that it holds. */
static int start(int orphan, pid_t *child) {
  int ends[2];
  char ready;
  client_begin(&c);
  if (pipe(ends) != 0) exit(2);
  *child = fork();
  if (*child == 0) {
    close(ends[0]);
    if (!orphan) deaf_kernel(0, ends[1]);
    pid_t parent = getpid();
    if (fork() == 0) deaf_kernel(parent, ends[1]);
    usleep(500000);
    _exit(0);
  }
  close(ends[1]);
  CHECK(read(ends[0], &ready, 1) == 1);
  return ends[0];
}

/* Seconds until nobody holds the pipe. */
static double until_closed(int pipe) {
  char byte;
  double before = seconds();
  while (read(pipe, &byte, 1) > 0) continue;
  close(pipe);
  return seconds() - before;
}

static void test_shutdown(void) {
  pid_t child;
  int status = -1, messages;
  size_t size;
  int pipe = start(0, &child);
  CHECK(client_connect(&c));
  client_send(&c, c.shell, "{\"msg_type\":\"go\"}", "{}", 0);
  usleep(300000);
  client_send(&c, c.control, "{\"msg_type\":\"shutdown_request\"}", "{\"restart\":false}", 0);
  incoming m;
  CHECK(client_read(&c, c.control, 2000, &m) && strcmp(m.content, "{\"status\":\"ok\",\"restart\":false}") == 0);
  incoming_clear(&m);
  double took = until_closed(pipe);
  CHECK(took > 2 && took < 6);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  char *text = client_output(&c, "shutdown_reply", &size, &messages);
  CHECK(text != NULL && strcmp(text, "1:last words") == 0);
  free(text);
  CHECK(client_read(&c, c.iopub, 2000, &m) && strcmp(m.type, "status") == 0);
  incoming_clear(&m);
  CHECK(client_read(&c, c.iopub, 2000, &m) && strstr(m.content, "\"text\":\"\xEF\xBF\xBD\"") != NULL);
  incoming_clear(&m);
  for (int port = 1; port <= 5; port++) {
    char file[128];
    snprintf(file, sizeof file, "%s-%d", c.ip, port);
    CHECK(access(file, F_OK) != 0);
  }
  client_end(&c);
}

static void test_parent(void) {
  pid_t child;
  int pipe = start(1, &child);
  double took = until_closed(pipe);
  CHECK(took > 0.4 && took < 7);
  CHECK(waitpid(child, NULL, 0) == child);
  client_end(&c);
}

int test_endings(void);

int test_endings(void) {
  test_shutdown();
  test_parent();
  return failures;
}
