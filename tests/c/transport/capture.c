/* capture.c - what is written arrives: all of it, in order, while it happens; afterwards everything is as before. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"
#include "transport/client.h"

static client c;
static peri_transport *t;
static const peri_slice none = {"{}", 2};

static void begin(void) {
  client_begin(&c);
  peri_transport_options o = options_of(&c);
  CHECK(peri_transport_open(&t, &o) == PERI_OK);
  CHECK(client_connect(&c));
  CHECK(peri_transport_capture(t, 1) == PERI_OK);
}

static void end(void) {
  peri_transport_close(t);
  client_end(&c);
  CHECK(peri_memory_live() == 0);
}

static void mark(void) { CHECK(peri_transport_publish(t, "mark", none, none, NULL, 0) == PERI_OK); }

/* What was written until now is exactly this. */
static void expect(const char *wanted) {
  size_t size = 0;
  int messages;
  mark();
  char *text = client_output(&c, "mark", &size, &messages);
  CHECK(text != NULL && strcmp(text, wanted) == 0);
  if (text != NULL && strcmp(text, wanted) != 0) fprintf(report, "came:   %s\nwanted: %s\n", text, wanted);
  free(text);
}

static void raw(int fd, const char *text) { CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text)); }

static void test_order(void) {
  expect("");
  printf("a%d", 1);
  fputs("b", stderr);
  putchar('c');
  puts("d");
  fprintf(stderr, "e");
  expect("1:a12:b1:cd\n2:e");
  printf("1");
  raw(1, "2");
  printf("3");
  CHECK(system("echo 4") == 0);
  printf("5");
  raw(2, "6");
  fputs("7", stderr);
  CHECK(system("printf 8; printf 9 >&2") == 0);
  printf("A");
  expect("1:1234\n52:671:82:91:A");
}

static void test_text(void) {
  fwrite("a\xFF", 1, 2, stdout);
  expect("1:a\xEF\xBF\xBD");
  for (const char *byte = "\xE2\x82\xAC\xF0\x9F\x98\x80"; *byte; byte++) {
    fwrite(byte, 1, 1, stdout);
    usleep(60000); /* longer than output waits */
  }
  expect("1:\xE2\x82\xAC\xF0\x9F\x98\x80");
  fputs("x\xE2\x82", stdout);
  fputs("-", stderr);
  fputs("\xAC", stdout); /* the character is whole, where its end came */
  expect("1:x2:-1:\xE2\x82\xAC");
  fputs("x\xE2\x82", stdout);
  expect("1:x\xEF\xBF\xBD");
  fputs("\xAC", stdout);
  expect("1:\xEF\xBF\xBD");
  fwrite("\0", 1, 1, stdout);
  incoming m;
  CHECK(client_read(&c, c.iopub, 3000, &m) && strcmp(m.content, "{\"name\":\"stdout\",\"text\":\"\\u0000\"}") == 0);
  incoming_clear(&m);
  expect("");
}

/* Without a flush it comes by itself, and little writes come together. */
static void test_live(void) {
  incoming m;
  printf("live");
  printf("ly");
  CHECK(client_read(&c, c.iopub, 1000, &m));
  CHECK(strcmp(m.content, "{\"name\":\"stdout\",\"text\":\"lively\"}") == 0);
  incoming_clear(&m);
  raw(1, "raw");
  CHECK(client_read(&c, c.iopub, 1000, &m));
  CHECK(strcmp(m.content, "{\"name\":\"stdout\",\"text\":\"raw\"}") == 0);
  incoming_clear(&m);
}

static void test_buffers_and_parents(void) {
  static char room[4096];
  setvbuf(stdout, room, _IOFBF, sizeof room);
  printf("kept");
  expect("1:kept");
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("old");
  CHECK(peri_transport_parent(t, (peri_slice){"{\"new\":1}", 9}, NULL, 0, 0) == PERI_OK);
  printf("new");
  incoming m;
  CHECK(peri_transport_flush(t) == PERI_OK);
  CHECK(client_read(&c, c.iopub, 1000, &m) && strcmp(m.parent, "{}") == 0 && strstr(m.content, "old") != NULL);
  incoming_clear(&m);
  CHECK(client_read(&c, c.iopub, 1000, &m) && strcmp(m.parent, "{\"new\":1}") == 0 && strstr(m.content, "new") != NULL);
  incoming_clear(&m);
  printf("seen");
  CHECK(peri_transport_mute(t, 1) == PERI_OK);
  printf("not seen");
  raw(2, "nor this");
  CHECK(peri_transport_mute(t, 0) == PERI_OK);
  expect("1:seen");
}

/* A child in the background keeps the pipes open: nobody waits for it. */
static void test_background(void) {
  double before = seconds();
  CHECK(system("(sleep 2; echo late) & echo early") == 0);
  expect("1:early\n");
  CHECK(seconds() - before < 1);
  incoming m;
  CHECK(client_read(&c, c.iopub, 5000, &m) && strstr(m.content, "late") != NULL);
  incoming_clear(&m);
}

/* Who writes to a child that has gone is told, not killed; children of ours are killed as ever. */
static void test_broken_pipe(void) {
  peri_child *child;
  FILE *file;
  int status = -1;
  char block[1 << 17] = "";
  CHECK(peri_child_start(&child, "exec true", 'w', &file) == PERI_OK);
  size_t wrote = fwrite(block, 1, sizeof block, file);
  CHECK(wrote < sizeof block || fflush(file) != 0);
  fclose(file);
  CHECK(peri_child_wait(child, &status) == PERI_OK && status == 0);
  CHECK(peri_child_start(&child, "yes | head -n 1", 0, NULL) == PERI_OK);
  CHECK(peri_child_wait(child, &status) == PERI_OK && status == 0);
  expect("1:y\n");
}

static atomic_int writing;

static void *write_much(void *unused) {
  (void)unused;
  while (atomic_load(&writing)) fputs("w", stdout);
  return NULL;
}

/* fork() while another thread writes: the child writes too, and no lock of ours stops it. */
static void test_fork(void) {
  pthread_t thread;
  atomic_store(&writing, 1);
  pthread_create(&thread, NULL, write_much, NULL);
  for (int i = 0; i < 40; i++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(10);
      fputs("c", stderr);
      _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  atomic_store(&writing, 0);
  pthread_join(thread, NULL);
  mark();
  size_t size = 0, found = 0;
  int messages;
  char *text = client_output(&c, "mark", &size, &messages);
  CHECK(text != NULL);
  for (size_t i = 0; text != NULL && i < size; i++) found += text[i] == 'c';
  CHECK(found == 40);
  free(text);
}

static void *produce(void *bytes) {
  char line[81];
  memset(line, 'x', sizeof line);
  line[79] = '\n';
  for (size_t done = 0; done < (size_t)(uintptr_t)bytes; done += 80) {
    snprintf(line, sizeof line, "%078zu", done);
    line[78] = ' ';
    line[79] = '\n';
    fwrite(line, 1, 80, stdout);
  }
  mark();
  return NULL;
}

static void test_volume(void) {
  enum { BYTES = 80 << 18 }; /* 20 MB */
  pthread_t thread;
  size_t size = 0;
  int messages, wrong = 0;
  pthread_create(&thread, NULL, produce, (void *)(uintptr_t)BYTES);
  char *text = client_output(&c, "mark", &size, &messages);
  pthread_join(thread, NULL);
  CHECK(text != NULL && size == BYTES + 2);
  for (size_t i = 0; text != NULL && i < BYTES; i += 80) {
    text[2 + i + 78] = 0;
    wrong += strtoul(text + 2 + i, NULL, 10) != i;
  }
  CHECK(wrong == 0);
  free(text);
  CHECK(system("head -c 20000000 /dev/zero | tr '\\0' y") == 0);
  mark();
  text = client_output(&c, "mark", &size, &messages);
  CHECK(text != NULL && size == 20000002 && strspn(text + 2, "y") == 20000000);
  free(text);
  for (int i = 0; i < 10000; i++) printf("%d\n", i);
  mark();
  text = client_output(&c, "mark", &size, &messages);
  CHECK(text != NULL && size == 2 + 48890 && messages < 20);
  free(text);
}

static void test_afterwards(const struct stat before[3], FILE *const files[3]) {
  peri_transport *other = NULL;
  client second;
  client_begin(&second);
  peri_transport_options o = options_of(&second);
  CHECK(peri_transport_open(&other, &o) == PERI_OK);
  CHECK(peri_transport_capture(other, 1) == PERI_ESTATE);
  peri_transport_close(other);
  client_end(&second);
  printf("last");
  CHECK(peri_transport_capture(t, 0) == PERI_OK);
  expect("1:last");
  CHECK(stdin == files[0] && stdout == files[1] && stderr == files[2]);
  for (int fd = 0; fd < 3; fd++) {
    struct stat now;
    CHECK(fstat(fd, &now) == 0 && now.st_ino == before[fd].st_ino && now.st_dev == before[fd].st_dev);
  }
  CHECK(peri_transport_capture(t, 1) == PERI_OK);
  printf("again");
  expect("1:again");
}

int test_capture(void);

int test_capture(void) {
  struct stat before[3];
  FILE *const files[3] = {stdin, stdout, stderr};
  for (int fd = 0; fd < 3; fd++) fstat(fd, &before[fd]);
  begin();
  test_order();
  test_text();
  test_live();
  test_buffers_and_parents();
  test_background();
  test_broken_pipe();
  test_fork();
  test_volume();
  test_afterwards(before, files);
  end();
  CHECK(stdout == files[1]);
  return failures;
}
