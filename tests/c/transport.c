/* transport.c - the notebook's transport against a front end in C: requests, what is captured, input, endings. */
#include "hosts/transport.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "transport/client.h"

int failures;
FILE *report;

static client c;
static peri_transport *t;
static const peri_slice none = {"{}", 2};

static peri_slice slice(const char *text) { return (peri_slice){text, strlen(text)}; }

static void begin(void) {
  client_begin(&c);
  peri_transport_options o = options_of(&c);
  CHECK(peri_transport_open(&t, &o) == PERI_OK);
  CHECK(client_connect(&c));
}

static void end(void) {
  peri_transport_close(t);
  client_end(&c);
  CHECK(peri_memory_live() == 0);
}

/* ---------------------------------------------------------------- requests */

static int next_is(void *socket, const char *type, const char *parent, const char *content) {
  incoming m;
  if (!client_read(&c, socket, 3000, &m)) return 0;
  int same = strcmp(m.type, type) == 0 && strcmp(m.parent, parent) == 0 && strcmp(m.content, content) == 0;
  if (!same) fprintf(report, "came: %s %s %s\n", m.type, m.parent, m.content);
  incoming_clear(&m);
  return same;
}

#define BUSY "{\"execution_state\":\"busy\"}"
#define IDLE "{\"execution_state\":\"idle\"}"

static void test_requests(void) {
  peri_transport_message m;
  begin();
  CHECK(peri_transport_receive(t, 0, &m) == PERI_TRANSPORT_TIMEOUT);
  double before = seconds();
  CHECK(peri_transport_receive(t, 30, &m) == PERI_TRANSPORT_TIMEOUT);
  CHECK(seconds() - before >= 0.029 && seconds() - before < 1);
  static const char header[] = "{\"msg_id\":\"1\",\"msg_type\":\"execute_request\"}";
  client_send(&c, c.shell, header, "{\"code\":\"1\"}", 0);
  CHECK(peri_transport_receive(t, 3000, &m) == PERI_TRANSPORT_MESSAGE);
  CHECK(strcmp(m.wire.type, "execute_request") == 0 && m.wire.identities == 1);
  CHECK(m.frames[0].size == 3 && memcmp(m.frames[0].at, "\xFFme", 3) == 0);
  CHECK(m.count == m.wire.buffers + 1 && memcmp(m.frames[m.wire.buffers].at, "\0\1\2", 3) == 0);
  CHECK(peri_transport_reply(t, m.frames, 1, m.wire.header, "execute_reply", slice("{\"a\":1}"), none) == PERI_OK);
  CHECK(next_is(c.shell, "execute_reply", header, "{\"a\":1}"));
  CHECK(peri_transport_parent(t, m.wire.header, m.frames, 1, 0) == PERI_OK);
  peri_slice buffer = {"\0\xFF", 2};
  CHECK(peri_transport_publish(t, "comm_msg", slice("{\"x\":2}"), none, &buffer, 1) == PERI_OK);
  incoming got;
  CHECK(client_read(&c, c.iopub, 3000, &got));
  CHECK(strcmp(got.type, "comm_msg") == 0 && strcmp(got.parent, header) == 0 && got.buffer_size == 2 && got.buffer[1] == '\xFF');
  incoming_clear(&got);
  zmq_send(c.heartbeat, "ping\0\xFF", 6, 0);
  char echo[16];
  CHECK(zmq_recv(c.heartbeat, echo, sizeof echo, 0) == 6 && memcmp(echo, "ping\0\xFF", 6) == 0);
  end();
}

static void test_bad_messages(void) {
  peri_transport_message m;
  begin();
  client_send(&c, c.shell, "{\"msg_type\":\"forged\"}", "{}", 1);
  client_send(&c, c.shell, "{\"msg_type\":\"twice\"}", "{}", 0);
  client_send(&c, c.shell, "{\"msg_type\":\"twice\"}", "{}", 0);
  client_send(&c, c.shell, "{\"msg_type\":\"\xFF\"}", "{}", 0);
  client_send(&c, c.shell, "{\"msg_type\":\"no_object\"}", "[]", 0);
  peri_slice few[] = {slice(PERI_DELIMITER), slice("x"), slice("{}")}, empty = {"", 0};
  client_send_raw(c.shell, few, 3);
  client_send_raw(c.shell, &empty, 1);
  client_send(&c, c.shell, "{\"msg_type\":\"last\"}", "{}", 0);
  CHECK(peri_transport_receive(t, 3000, &m) == PERI_TRANSPORT_MESSAGE && strcmp(m.wire.type, "twice") == 0);
  CHECK(peri_transport_receive(t, 3000, &m) == PERI_TRANSPORT_MESSAGE && strcmp(m.wire.type, "last") == 0);
  CHECK(peri_transport_dropped(t) == 6);
  client_send(&c, c.control, "{\"msg_type\":\"shutdown_request\"}", "{}", 1);
  CHECK(peri_transport_receive(t, 100, &m) == PERI_TRANSPORT_TIMEOUT);
  CHECK(peri_transport_dropped(t) == 7);
  end();
}

static void *interrupt_idle(void *unused) {
  (void)unused;
  usleep(100000); /* main waits by then */
  client_send(&c, c.control, "{\"msg_type\":\"interrupt_request\",\"n\":2}", "{}", 0);
  return NULL;
}

/* The control thread answers while nobody receives; an interrupt counts when something is being worked on. */
static void test_control(void) {
  peri_transport_message m;
  static const char info[] = "{\"msg_type\":\"kernel_info_request\"}", stop[] = "{\"msg_type\":\"interrupt_request\",\"n\":1}";
  static const char other[] = "{\"msg_type\":\"debug_request\"}", leave[] = "{\"msg_type\":\"shutdown_request\"}";
  begin();
  client_send(&c, c.control, info, "{}", 0);
  CHECK(next_is(c.control, "kernel_info_reply", info, "{\"protocol_version\":\"5.4\",\"banner\":\"b\"}"));
  CHECK(next_is(c.iopub, "status", info, BUSY));
  CHECK(next_is(c.iopub, "status", info, IDLE));
  client_send(&c, c.control, other, "{}", 0);
  CHECK(next_is(c.iopub, "status", other, BUSY));
  CHECK(next_is(c.iopub, "status", other, IDLE));
  client_send(&c, c.control, stop, "{}", 0);
  CHECK(next_is(c.control, "interrupt_reply", stop, "{\"status\":\"ok\"}"));
  CHECK(peri_interrupted());
  CHECK(next_is(c.iopub, "status", stop, BUSY));
  CHECK(next_is(c.iopub, "status", stop, IDLE));
  CHECK(peri_transport_receive(t, 10, &m) == PERI_TRANSPORT_INTERRUPT); /* left over: used up here */
  CHECK(!peri_interrupted());
  CHECK(peri_transport_receive(t, 10, &m) == PERI_TRANSPORT_TIMEOUT);
  pthread_t thread;
  pthread_create(&thread, NULL, interrupt_idle, NULL);
  CHECK(peri_transport_receive(t, 400, &m) == PERI_TRANSPORT_TIMEOUT); /* nothing is worked on: nothing happens */
  pthread_join(thread, NULL);
  CHECK(!peri_interrupted());
  client_send(&c, c.control, leave, "{\"restart\":true}", 0);
  CHECK(peri_transport_receive(t, 3000, &m) == PERI_TRANSPORT_SHUTDOWN);
  CHECK(peri_transport_restarting(t));
  peri_interrupt_clear();
  end();
}

static void test_addresses(void) {
  begin();
  peri_transport *other;
  peri_transport_options o = options_of(&c);
  CHECK(peri_transport_open(&other, &o) == PERI_EIO && other == NULL);
  CHECK(strstr(peri_message(), "shell") != NULL && strstr(peri_message(), c.ip) != NULL && strstr(peri_message(), "in use") != NULL);
  o.ip = "127.0.0.1";
  o.transport = "tcp";
  o.shell_port = 0;
  CHECK(peri_transport_open(&other, &o) == PERI_EARG);
  o.transport = "carrier pigeon";
  CHECK(peri_transport_open(&other, &o) == PERI_EARG && strstr(peri_message(), "pigeon") != NULL);
  o = options_of(&c);
  o.kernel_info = "[]";
  CHECK(peri_transport_open(&other, &o) == PERI_EARG);
  void *context = zmq_ctx_new(), *taken = zmq_socket(context, ZMQ_PAIR);
  char address[64];
  size_t size = sizeof address;
  zmq_bind(taken, "tcp://127.0.0.1:*");
  zmq_getsockopt(taken, ZMQ_LAST_ENDPOINT, address, &size);
  o = options_of(&c);
  o.transport = "tcp";
  o.ip = "127.0.0.1";
  o.shell_port = atoi(strrchr(address, ':') + 1);
  CHECK(peri_transport_open(&other, &o) == PERI_EIO && strstr(peri_message(), address) != NULL);
  zmq_close(taken);
  zmq_ctx_term(context);
  /* the first one was not harmed */
  peri_transport_message m;
  client_send(&c, c.shell, "{\"msg_type\":\"still\"}", "{}", 0);
  CHECK(peri_transport_receive(t, 3000, &m) == PERI_TRANSPORT_MESSAGE);
  end();
}

/* ---------------------------------------------------------------- input */

static void *answer(void *text) {
  incoming m;
  while (client_read(&c, c.input, 5000, &m)) {
    incoming_clear(&m);
    char content[64];
    static int number;
    snprintf(content, sizeof content, "{\"value\":\"%s\",\"n\":%d}", (const char *)text, number++);
    client_send(&c, c.input, "{\"msg_type\":\"input_reply\"}", content, 0);
    if (strcmp(text, "^D") == 0) break;
    if (*(const char *)text == '4') text = (void *)(uintptr_t) "\\u00e9";
    else text = (void *)(uintptr_t) "^D";
  }
  return NULL;
}

static void *interrupt_soon(void *unused) {
  (void)unused;
  usleep(100000);
  peri_interrupt_raise();
  return NULL;
}

static void test_input(void) {
  peri_slice me = {"\xFFme", 3};
  peri_text line = {0};
  pthread_t thread;
  char word[16] = "", rest[16] = "";
  int number = 0;
  begin();
  CHECK(peri_transport_capture(t, 1) == PERI_OK);
  CHECK(peri_transport_parent(t, slice("{}"), &me, 1, 0) == PERI_OK);
  CHECK(peri_transport_input(t, slice("?"), 0, &line) == PERI_EUNSUPPORTED);
  CHECK(getchar() == EOF && ferror(stdin));
  peri_slice nobody = {"nobody", 6};
  CHECK(peri_transport_parent(t, slice("{}"), &nobody, 1, 1) == PERI_OK);
  CHECK(peri_transport_input(t, slice("?"), 0, &line) == PERI_EUNSUPPORTED);
  CHECK(peri_transport_parent(t, slice("{}"), &me, 1, 1) == PERI_OK);
  pthread_create(&thread, NULL, answer, (void *)(uintptr_t) "42 abc");
  CHECK(scanf("%d %15s", &number, word) == 2 && number == 42 && strcmp(word, "abc") == 0);
  CHECK(getchar() == '\n');
  CHECK(fgets(rest, sizeof rest, stdin) != NULL && strcmp(rest, "\xC3\xA9\n") == 0);
  CHECK(getchar() == EOF && feof(stdin));
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, interrupt_soon, NULL);
  CHECK(peri_transport_input(t, slice("?"), 1, &line) == PERI_TRANSPORT_INTERRUPT);
  CHECK(peri_transport_input(t, slice("not asked"), 1, &line) == PERI_TRANSPORT_INTERRUPT);
  peri_interrupt_clear();
  pthread_join(thread, NULL);
  peri_text_clear(&line);
  incoming m;
  CHECK(client_read(&c, c.input, 3000, &m) && strcmp(m.content, "{\"prompt\":\"?\",\"password\":true}") == 0);
  incoming_clear(&m);
  CHECK(!client_read(&c, c.input, 100, &m));
  CHECK(peri_transport_capture(t, 0) == PERI_OK);
  end();
}

/* ---------------------------------------------------------------- children */

static double waited_for(const char *command, int *status) {
  peri_child *child;
  double before = seconds();
  CHECK(peri_child_start(&child, command, 0, NULL) == PERI_OK);
  CHECK(peri_child_wait(child, status) == PERI_OK);
  return seconds() - before;
}

static void test_children(void) {
  int status;
  waited_for("sleep 0.5; exit 3", &status);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
  static const char *const commands[] = {"sleep 20", "trap '' INT TERM; sleep 20; sleep 20", "sh -c 'sleep 20; true'"};
  for (size_t i = 0; i < 3; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt_soon, NULL);
    CHECK(waited_for(commands[i], &status) < 0.6);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == (i == 1 ? SIGKILL : SIGINT));
    pthread_join(thread, NULL);
    peri_interrupt_clear();
  }
  peri_child *child;
  FILE *file;
  char line[16] = "";
  CHECK(peri_child_start(&child, "cat >/dev/null; exit 4", 'w', &file) == PERI_OK);
  CHECK(fputs("x", file) >= 0 && fclose(file) == 0);
  CHECK(peri_child_wait(child, &status) == PERI_OK && WEXITSTATUS(status) == 4);
  CHECK(peri_child_start(&child, "echo hi", 'r', &file) == PERI_OK);
  CHECK(fgets(line, sizeof line, file) != NULL && strcmp(line, "hi\n") == 0 && fclose(file) == 0);
  CHECK(peri_child_wait(child, &status) == PERI_OK && status == 0);
}

/* Those that live when the transport is closed end with it. */
static void test_children_at_the_end(void) {
  peri_child *child;
  FILE *file;
  int status;
  begin();
  CHECK(peri_child_start(&child, "trap '' TERM; sleep 20; sleep 20", 'r', &file) == PERI_OK);
  usleep(100000);
  peri_transport_close(t);
  double before = seconds();
  CHECK(peri_child_wait(child, &status) == PERI_OK);
  CHECK(seconds() - before < 1);
  fclose(file);
  client_end(&c);
}

/* Every allocation of opening and of a message fails once: an error, and nothing is left behind. */
static void test_faults(void) {
  if (peri_memory_fail_at(0) == PERI_EUNSUPPORTED) return;
  int failed = 0, opened = 0;
  for (uint64_t n = 1; !opened; n++) {
    peri_transport *other;
    client_begin(&c);
    peri_transport_options o = options_of(&c);
    peri_memory_fail_at(n);
    int status = peri_transport_open(&other, &o);
    if (status >= 0) status = peri_transport_parent(other, slice("{\"a\":1}"), &none, 1, 0);
    if (status >= 0) status = peri_transport_publish(other, "x", none, none, &none, 1);
    opened = status >= 0;
    failed += status == PERI_ENOMEM;
    CHECK(status >= 0 || status == PERI_ENOMEM);
    peri_memory_fail_at(0);
    peri_transport_close(other);
    client_end(&c);
    CHECK(peri_memory_live() == 0);
  }
  CHECK(failed > 8);
}

int test_capture(void);
int test_endings(void);

int main(void) {
  report = fdopen(dup(STDERR_FILENO), "w");
  setvbuf(report, NULL, _IONBF, 0);
  test_requests();
  test_bad_messages();
  test_control();
  test_addresses();
  test_input();
  test_children();
  test_children_at_the_end();
  test_faults();
  test_capture();
  test_endings();
  fprintf(report, "%d failures\n", failures);
  fclose(report);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
