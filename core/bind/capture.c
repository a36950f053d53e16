/* capture.c - see capture.h. The streams are the writing end of a pipe, which a thread of ours empties into a ring: so
   nobody who writes ever waits for us, and a program that writes without end fills neither memory nor disk. */
#include "bind/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

enum { STREAMS = 3, HIGH = 10 /* descriptors of ours lie above those that programs number themselves */ };

static volatile sig_atomic_t capturing;
static int kept[STREAMS]; /* what the streams were */
static int reading = -1, waking[2] = {-1, -1};
static pthread_t thread;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static char ring[PERI_CAPTURE_MOST];
static size_t start, length, lost_bytes;

static void keep(const char *bytes, size_t count) {
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < count; i++) {
    ring[(start + length) % sizeof ring] = bytes[i];
    if (length < sizeof ring) {
      length++;
    } else {
      start = (start + 1) % sizeof ring;
      lost_bytes++;
    }
  }
  pthread_mutex_unlock(&lock);
}

/* Reads until nothing is there. False when all writers are gone. */
static bool empty_pipe(void) {
  char bytes[4096];
  for (;;) {
    ssize_t n = read(reading, bytes, sizeof bytes);
    if (n > 0) keep(bytes, (size_t)n);
    if (n == 0) return false;
    if (n < 0 && errno != EINTR) return errno == EAGAIN;
  }
}

static void *collect(void *unused) {
  struct pollfd both[2] = {{.fd = reading, .events = POLLIN}, {.fd = waking[0], .events = POLLIN}};
  for (;;) {
    if (poll(both, 2, -1) < 0 && errno != EINTR) return unused;
    if (!empty_pipe() || (both[1].revents != 0)) return unused;
  }
}

static void close_all(int *descriptors, int count) {
  for (int i = 0; i < count; i++) {
    if (descriptors[i] >= 0) close(descriptors[i]);
    descriptors[i] = -1;
  }
}

/* The thread takes no signals: they are for those who know what to do with them. */
static int start_thread(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int status = pthread_create(&thread, NULL, collect, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

static int fail(const char *what, int reason, int *ends, int null) {
  close_all(ends, 2);
  close_all(waking, 2);
  close_all(kept, STREAMS);
  if (null >= 0) close(null);
  return peri_fail(PERI_EIO, "cannot collect what is printed: %s: %s", what, strerror(reason));
}

int peri__capture_begin(void) {
  if (capturing) return peri_fail(PERI_ESTATE, "what is printed is being collected already");
  int ends[2] = {-1, -1}, null = -1;
  for (int i = 0; i < STREAMS; i++) kept[i] = -1;
  fflush(stdout);
  fflush(stderr);
  if (isatty(STDOUT_FILENO)) setvbuf(stdout, NULL, _IOLBF, 0); /* else a first write to our pipe would end that */
  if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(waking, O_CLOEXEC) != 0) return fail("pipe", errno, ends, null);
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail("pipe", errno, ends, null);
  if ((null = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) return fail("/dev/null", errno, ends, null);
  for (int i = 0; i < STREAMS; i++) {
    if ((kept[i] = fcntl(i, F_DUPFD_CLOEXEC, HIGH)) < 0) return fail("dup", errno, ends, null);
  }
  reading = ends[0];
  int status = start_thread();
  if (status != 0) return fail("thread", status, ends, null);
  capturing = 1;
  dup2(null, STDIN_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  close(null);
  return PERI_OK;
}

void peri__capture_drop(void) {
  if (!capturing) return;
  capturing = 0;
  for (int i = 0; i < STREAMS; i++) dup2(kept[i], i);
}

void peri__capture_end(void) {
  if (reading < 0) return;
  if (capturing) {
    fflush(stdout);
    fflush(stderr);
  }
  peri__capture_drop();
  while (write(waking[1], "", 1) < 0 && errno == EINTR) continue;
  pthread_join(thread, NULL);
  clearerr(stdin); /* who read in vain may read again */
  close_all(kept, STREAMS);
  close_all(waking, 2);
  close_all(&reading, 1);
}

size_t peri__capture_take(char *out, size_t *lost) {
  if (capturing) {
    fflush(stdout);
    fflush(stderr);
  }
  pthread_mutex_lock(&lock);
  size_t count = length, first = sizeof ring - start;
  if (first > count) first = count;
  memcpy(out, ring + start, first);
  memcpy(out + first, ring, count - first);
  *lost = lost_bytes;
  start = length = lost_bytes = 0;
  pthread_mutex_unlock(&lock);
  return count;
}
