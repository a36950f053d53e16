/* file.c - files are whole or not there: replacement, permissions, links, failure in the middle, bounds. */
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "test.h"

_Atomic int failures;
static char folder[] = "/tmp/perilune-file-XXXXXX";

static const char *path_of(const char *name) {
  static char paths[4][128];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

/* How many entries the folder has: leftovers of failed writes would show. */
static int entries(void) {
  int count = 0;
  DIR *d = opendir(folder);
  for (struct dirent *e; d && (e = readdir(d));) count += e->d_name[0] != '.' || strlen(e->d_name) > 2;
  if (d) closedir(d);
  return count;
}

static int save(const char *path, const char *text, size_t times) {
  peri_file_writer *w;
  int status = peri_file_writer_open(&w, path);
  for (size_t i = 0; i < times && status == PERI_OK; i++) {
    status = peri_file_writer_write(w, text, strlen(text));
    if (status < 0) peri_file_writer_abort(w);
  }
  return status < 0 ? status : peri_file_writer_commit(w);
}

static int holds(const char *path, const char *text) {
  uint8_t *data;
  size_t bytes;
  if (peri_file_read(&data, &bytes, path, 1000) < 0) return 0;
  int same = bytes == strlen(text) && !memcmp(data, text, bytes + 1);
  peri_free(data);
  return same;
}

static void check_replacing(void) {
  struct stat found;
  const char *path = path_of("a"), *link = path_of("link");
  CHECK(save(path, "one", 1) == PERI_OK && holds(path, "one"));
  CHECK(chmod(path, 0640) == 0);
  CHECK(save(path, "two", 1) == PERI_OK && holds(path, "two"));
  CHECK(stat(path, &found) == 0 && (found.st_mode & 0777) == 0640);
  CHECK(symlink("a", link) == 0 && save(link, "three", 1) == PERI_OK && holds(path, "three"));
  CHECK(lstat(link, &found) == 0 && S_ISLNK(found.st_mode));
  CHECK(entries() == 2);
  unlink(link);
}

static int create(const char *path, const char *text, bool *made) {
  peri_file_writer *w;
  int status = peri_file_writer_open(&w, path);
  if (status == PERI_OK && (status = peri_file_writer_write(w, text, strlen(text))) < 0) peri_file_writer_abort(w);
  return status < 0 ? status : peri_file_writer_commit_new(w, made);
}

/* Creating replaces nothing: not a file, not what a link points at, not a link that points nowhere. */
static void check_creating(void) {
  bool made;
  const char *path = path_of("new"), *link = path_of("to_nowhere");
  int before = entries();
  CHECK(create(path, "one", &made) == PERI_OK && made && holds(path, "one"));
  CHECK(create(path, "two", &made) == PERI_OK && !made && holds(path, "one"));
  CHECK(symlink("nothing", link) == 0 && create(link, "three", &made) == PERI_OK && !made);
  CHECK(access(path_of("nothing"), F_OK) != 0 && entries() == before + 2);
  CHECK(unlink(link) == 0 && symlink("new", link) == 0 && create(link, "four", &made) == PERI_OK && !made && holds(path, "one"));
  unlink(link);
  unlink(path);
  CHECK(entries() == before);
}

/* Of processes that create the same names at once, each name is made by one. */
static void check_creating_at_once(void) {
  enum { PROCESSES = 4, NAMES = 50 };
  int total = 0, pipes[2];
  CHECK(pipe(pipes) == 0);
  for (int p = 0; p < PROCESSES; p++) {
    if (fork() != 0) continue;
    unsigned char count = 0;
    for (int i = 0; i < NAMES; i++) {
      char name[16];
      bool made = false;
      snprintf(name, sizeof name, "n%d", i);
      if (create(path_of(name), "x", &made) == PERI_OK && made) count++;
    }
    _exit(write(pipes[1], &count, 1) == 1 ? 0 : 1);
  }
  for (int p = 0; p < PROCESSES; p++) {
    unsigned char count = 0;
    CHECK(read(pipes[0], &count, 1) == 1);
    total += count;
  }
  while (wait(NULL) > 0) continue;
  close(pipes[0]);
  close(pipes[1]);
  CHECK(total == NAMES);
  for (int i = 0; i < NAMES; i++) {
    char name[16];
    snprintf(name, sizeof name, "n%d", i);
    CHECK(holds(path_of(name), "x"));
    unlink(path_of(name));
  }
  CHECK(entries() == 1);
}

static void check_large(void) {
  uint8_t *data;
  size_t bytes;
  const char *path = path_of("large");
  CHECK(save(path, "0123456789", 100000) == PERI_OK);
  CHECK(peri_file_read(&data, &bytes, path, 999999) == PERI_EIO);
  CHECK(peri_file_read(&data, &bytes, path, 1000000) == PERI_OK && bytes == 1000000);
  for (size_t i = 0; data && i < bytes; i += 12345) CHECK(data[i] == '0' + i % 10);
  peri_free(data);
  unlink(path);
}

/* The limit on a file's size stands for a full disk: write fails in the middle. */
static void check_full_disk(void) {
  struct rlimit before, small = {100000, RLIM_INFINITY};
  const char *path = path_of("a");
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  setrlimit(RLIMIT_FSIZE, &small);
  CHECK(save(path, "0123456789", 100000) == PERI_EIO);
  CHECK(strstr(peri_message(), path) && strstr(peri_message(), "unchanged"));
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(holds(path, "three"));
  CHECK(entries() == 1);
}

static void check_interrupt(void) {
  const char *path = path_of("a");
  peri_interrupt_raise();
  CHECK(save(path, "0123456789", 100000) == PERI_EINTERRUPT);
  peri_interrupt_clear();
  CHECK(holds(path, "three") && entries() == 1);
}

static void check_refusals(void) {
  uint8_t *data;
  size_t bytes;
  const char *pipe = path_of("pipe"), *absent = path_of("none/a");
  CHECK(save(absent, "x", 1) == PERI_EIO && strstr(peri_message(), "none"));
  CHECK(save(folder, "x", 1) == PERI_EIO && strstr(peri_message(), "folder"));
  CHECK(save("/dev/full", "x", 1) == PERI_EIO);
  CHECK(save("", "x", 1) == PERI_EARG);
  CHECK(mkfifo(pipe, 0600) == 0);
  CHECK(peri_file_read(&data, &bytes, pipe, 10) == PERI_EIO); /* and does not wait for a writer */
  CHECK(save(pipe, "x", 1) == PERI_EIO);
  unlink(pipe);
  CHECK(peri_file_read(&data, &bytes, absent, 10) == PERI_EIO && !data);
  CHECK(peri_file_read(&data, &bytes, folder, 10) == PERI_EIO && strstr(peri_message(), "folder"));
  CHECK(entries() == 1);
}

static void check_reader(void) {
  peri_file_reader r;
  char text[8] = "";
  CHECK(peri_file_reader_open(&r, path_of("a")) == PERI_OK && r.size == 5);
  CHECK(peri_file_reader_at(&r, 3, text, 2) == PERI_OK && !memcmp(text, "ee", 2));
  CHECK(peri_file_reader_at(&r, 5, text, 0) == PERI_OK);
  CHECK(peri_file_reader_at(&r, 4, text, 2) == PERI_EFORMAT);
  CHECK(peri_file_reader_at(&r, 6, text, 0) == PERI_EFORMAT);
  CHECK(peri_file_reader_at(&r, UINT64_MAX, text, 2) == PERI_EFORMAT);
  CHECK(truncate(path_of("a"), 1) == 0 && peri_file_reader_at(&r, 0, text, 5) == PERI_EIO);
  peri_file_reader_close(&r);
  peri_file_reader_close(&r);
  CHECK(peri_file_reader_memory(&r, "abc", 3, "memory") == PERI_OK);
  CHECK(peri_file_reader_at(&r, 1, text, 2) == PERI_OK && !memcmp(text, "bc", 2));
  CHECK(peri_file_reader_at(&r, 2, text, 2) == PERI_EFORMAT && strstr(peri_message(), "memory"));
  peri_file_reader_close(&r);
}

int main(void) {
  if (!mkdtemp(folder)) return 2;
  check_replacing();
  check_creating();
  check_creating_at_once();
  check_large();
  check_full_disk();
  check_interrupt();
  check_refusals();
  check_reader();
  unlink(path_of("a"));
  CHECK(rmdir(folder) == 0);
  CHECK(peri_memory_live() == 0);
  if (!failures) printf("files: all well\n");
  return failures != 0;
}
