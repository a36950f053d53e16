/* transport_capture.c - what a program writes, in the order in which it writes it.

   stdio's three streams are replaced by streams of ours (fopencookie), unbuffered, whose writes go straight to one
   buffer: the order of writes inside the process is exact. Fds 1 and 2 are pipes, for child processes and for
   write(2); every write of ours takes first what lies in them, and the iopub thread takes it when nobody writes.
   A pipe that a child in the background keeps open is no matter: nobody waits for its end.

   A fork()ed child has no threads: its streams write to fds 1 and 2, which are our pipes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "hosts/transport_internal.h"

enum { PIPE_BYTES = 1 << 20, OUTPUT_WAIT = 50 /* ms */, NOT_SAVED = -1, WAS_CLOSED = -2 };

static peri_transport *captured; /* the one transport that has the streams */
static int forked;               /* this process is a child without threads */
static struct sigaction pipe_before;

/* --- the buffer; all with the lock held --- */

static int add_run(peri_transport *t, int fd, size_t size) {
  peri_text *runs = &t->output.runs;
  peri__run *last = runs->size > 0 ? (peri__run *)(runs->at + runs->size) - 1 : NULL;
  if (last != NULL && last->fd == fd) {
    last->size += size;
    return PERI_OK;
  }
  peri__run run = {fd, size};
  return peri_text_add(runs, &run, sizeof run);
}

/* Keeps back what is an unfinished character at the end of the last run, which is of stream fd. */
static void keep_unfinished(peri_transport *t, int fd) {
  peri_text *text = &t->output.text;
  peri__run *run = (peri__run *)(t->output.runs.at + t->output.runs.size) - 1;
  size_t rest = peri_utf8_unfinished((peri_slice){text->at + text->size - run->size, run->size});
  memcpy(t->unfinished[fd].bytes, text->at + text->size - rest, rest);
  t->unfinished[fd].size = rest;
  text->size -= rest;
  run->size -= rest;
  t->unsent -= rest;
}

static int add(peri_transport *t, int fd, const char *bytes, size_t size) {
  size_t kept = t->unfinished[fd].size;
  if (size == 0) return PERI_OK;
  PERI_TRY(peri_text_reserve(&t->output.text, kept + size));
  PERI_TRY(add_run(t, fd, kept + size));
  t->unfinished[fd].size = 0;
  peri_text_add(&t->output.text, t->unfinished[fd].bytes, kept);
  peri_text_add(&t->output.text, bytes, size);
  t->unsent += kept + size;
  if (bytes[size - 1] & 0x80) keep_unfinished(t, fd);
  return PERI_OK;
}

/* Tells the iopub thread that there is output: when it is the first, and when it is much. */
static void announce(peri_transport *t, size_t before) {
  size_t size = t->output.text.size;
  int first = t->output_due == 0 && size > 0;
  if (first) t->output_due = peri__now() + OUTPUT_WAIT;
  if (first || (before < PERI_CALM_BYTES && size >= PERI_CALM_BYTES)) peri__wake(t->iopub_event);
}

/* --- pipes --- */

/* Takes what lies in one pipe: not more than a pipe holds, so that a busy writer cannot keep us. */
static int drain(peri_transport *t, int fd) {
  for (size_t taken = 0; taken < PIPE_BYTES;) {
    ssize_t n = read(t->pipes[fd], t->piece, sizeof t->piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return PERI_OK;
    PERI_TRY(add(t, fd, t->piece, (size_t)n));
    taken += (size_t)n;
  }
  return PERI_OK;
}

int peri__drain_pipes(peri_transport *t) {
  struct epoll_event events[2];
  if (!t->captured || epoll_wait(t->epoll, events, 2, 0) <= 0) return PERI_OK;
  size_t before = t->output.text.size;
  int status = drain(t, STDOUT_FILENO);
  if (status >= 0) status = drain(t, STDERR_FILENO);
  announce(t, before);
  return status;
}

/* --- streams --- */

static ssize_t write_all(int fd, const char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, bytes + done, size - done);
    if (n < 0 && errno != EINTR) return 0;
    if (n > 0) done += (size_t)n;
  }
  return (ssize_t)size;
}

static ssize_t write_stream(peri_transport *t, int fd, const char *bytes, size_t size) {
  if (forked) return write_all(fd, bytes, size);
  int saved = errno;
  pthread_mutex_lock(&t->lock);
  while (t->unsent > PERI_MOST_BYTES && !t->finish) pthread_cond_wait(&t->sent, &t->lock);
  int status = peri__drain_pipes(t);
  size_t before = t->output.text.size;
  if (status >= 0) status = add(t, fd, bytes, size);
  announce(t, before);
  pthread_mutex_unlock(&t->lock);
  errno = status < 0 ? ENOMEM : saved;
  return status < 0 ? 0 : (ssize_t)size;
}

static ssize_t write_stdout(void *t, const char *bytes, size_t size) { return write_stream(t, 1, bytes, size); }
static ssize_t write_stderr(void *t, const char *bytes, size_t size) { return write_stream(t, 2, bytes, size); }

/* Asks for a line; EOF after one that is just Ctrl-D, or ^D for browsers that keep the key to themselves. */
static int ask(peri_transport *t) {
  int status = peri_transport_input(t, (peri_slice){"", 0}, 0, &t->input);
  t->input_at = 0;
  if (status == PERI_TRANSPORT_MESSAGE) {
    int end = (t->input.size == 1 && t->input.at[0] == 4) || (t->input.size == 2 && memcmp(t->input.at, "^D", 2) == 0);
    if (end) t->input.size = 0;
    if (end) return 0;
    return peri_text_add(&t->input, "\n", 1) < 0 ? ENOMEM : 0;
  }
  t->input.size = 0;
  return status == PERI_TRANSPORT_INTERRUPT ? EINTR : status == PERI_EUNSUPPORTED ? ENOTSUP : EIO;
}

static ssize_t read_stdin(void *transport, char *bytes, size_t size) {
  peri_transport *t = transport;
  if (forked || !pthread_equal(pthread_self(), t->main)) { /* the front end is the main thread's to ask */
    errno = EPERM;
    return -1;
  }
  if (t->input_at >= t->input.size) {
    int error = ask(t);
    if (error != 0) {
      errno = error;
      return -1;
    }
  }
  size_t left = t->input.size - t->input_at;
  if (size > left) size = left;
  if (size > 0) memcpy(bytes, t->input.at + t->input_at, size);
  t->input_at += size;
  return (ssize_t)size;
}

void peri__forget_input(peri_transport *t) {
  t->input.size = t->input_at = 0;
  if (t->captured) {
    __fpurge(t->stream[0]);
    clearerr(t->stream[0]);
  }
}

/* --- fork --- */

static void before_fork(void) {
  if (captured != NULL) pthread_mutex_lock(&captured->lock);
}
static void after_fork_here(void) {
  if (captured != NULL) pthread_mutex_unlock(&captured->lock);
}
static void after_fork_there(void) {
  if (captured != NULL) pthread_mutex_unlock(&captured->lock);
  forked = 1;
}

static void at_exit(void) {
  if (captured != NULL && !forked) peri_transport_close(captured);
}

static void once(void) {
  pthread_atfork(before_fork, after_fork_here, after_fork_there);
  atexit(at_exit);
}

/* --- on and off --- */

/* Keeps fd in saved[fd] and puts `other` in its place. */
static int replace_fd(peri_transport *t, int fd, int other) {
  t->saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (t->saved[fd] < 0 && errno == EBADF) t->saved[fd] = WAS_CLOSED;
  if (t->saved[fd] == NOT_SAVED) return peri_fail(PERI_EIO, "transport: cannot keep fd %d: %s", fd, strerror(errno));
  if (dup2(other, fd) < 0) return peri_fail(PERI_EIO, "transport: cannot replace fd %d: %s", fd, strerror(errno));
  return PERI_OK;
}

static void restore_fds(peri_transport *t) {
  for (int fd = 0; fd < 3; fd++) {
    if (t->saved[fd] >= 0) {
      dup2(t->saved[fd], fd);
      close(t->saved[fd]);
    } else if (t->saved[fd] == WAS_CLOSED) {
      close(fd);
    }
    t->saved[fd] = NOT_SAVED;
  }
}

static void close_pipes(peri_transport *t) {
  for (int fd = 1; fd < 3; fd++) {
    if (t->pipes[fd] >= 0) close(t->pipes[fd]); /* leaves epoll with it */
    t->pipes[fd] = -1;
  }
}

static int open_pipe(peri_transport *t, int fd) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return peri_fail(PERI_EIO, "transport: cannot make a pipe: %s", strerror(errno));
  t->pipes[fd] = ends[0];
  struct epoll_event event = {.events = EPOLLIN};
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* else it keeps the usual size */
  int status = replace_fd(t, fd, ends[1]);
  close(ends[1]);
  if (status >= 0 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, ends[0], &event) < 0)
    return peri_fail(PERI_EIO, "transport: cannot watch a pipe: %s", strerror(errno));
  return status;
}

static int open_fds(peri_transport *t) {
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0) return peri_fail(PERI_EIO, "transport: cannot open /dev/null: %s", strerror(errno));
  int status = replace_fd(t, STDIN_FILENO, nothing);
  if (nothing > 2) close(nothing);
  PERI_TRY(status);
  PERI_TRY(open_pipe(t, STDOUT_FILENO));
  return open_pipe(t, STDERR_FILENO);
}

static int open_streams(peri_transport *t) {
  t->stream[0] = fopencookie(t, "r", (cookie_io_functions_t){.read = read_stdin});
  t->stream[1] = fopencookie(t, "w", (cookie_io_functions_t){.write = write_stdout});
  t->stream[2] = fopencookie(t, "w", (cookie_io_functions_t){.write = write_stderr});
  for (int fd = 0; fd < 3; fd++) {
    if (t->stream[fd] == NULL) return peri_fail(PERI_ENOMEM, "transport: no memory for a stream");
    setvbuf(t->stream[fd], NULL, _IONBF, 0);
  }
  return PERI_OK;
}

static void close_streams(peri_transport *t) {
  for (int fd = 0; fd < 3; fd++) {
    if (t->stream[fd] != NULL) fclose(t->stream[fd]);
    t->stream[fd] = NULL;
  }
}

static void swap_streams(peri_transport *t, int on) {
  if (on) {
    fflush(stdout); /* to where it was meant to go */
    fflush(stderr);
    t->before[0] = stdin;
    t->before[1] = stdout;
    t->before[2] = stderr;
  }
  FILE *const *now = on ? t->stream : t->before;
  stdin = now[0];
  stdout = now[1];
  stderr = now[2];
}

static int begin(peri_transport *t) {
  static pthread_once_t first = PTHREAD_ONCE_INIT;
  if (captured != NULL) return peri_fail(PERI_ESTATE, "transport: another transport captures what is written already");
  pthread_once(&first, once);
  int status = open_streams(t);
  if (status >= 0) status = open_fds(t);
  if (status < 0) {
    restore_fds(t);
    close_pipes(t);
    close_streams(t);
    return status;
  }
  swap_streams(t, 1);
  struct sigaction ignored = {.sa_handler = SIG_IGN}; /* a cell that writes to a child that has gone gets an error */
  sigaction(SIGPIPE, &ignored, &pipe_before);
  captured = t;
  pthread_mutex_lock(&t->lock);
  t->captured = 1;
  pthread_mutex_unlock(&t->lock);
  return PERI_OK;
}

static int end(peri_transport *t) {
  int status = peri_transport_flush(t);
  swap_streams(t, 0);
  restore_fds(t);
  sigaction(SIGPIPE, &pipe_before, NULL);
  pthread_mutex_lock(&t->lock);
  peri__drain_pipes(t);
  t->captured = 0;
  close_pipes(t);
  pthread_mutex_unlock(&t->lock);
  captured = NULL;
  close_streams(t);
  t->input.size = t->input_at = 0;
  int last = peri_transport_flush(t);
  return status < 0 ? status : last;
}

int peri_transport_capture(peri_transport *t, int on) {
  if (!on == !t->captured) return PERI_OK;
  return on ? begin(t) : end(t);
}

int peri_transport_mute(peri_transport *t, int on) {
  int status = peri_transport_flush(t);
  pthread_mutex_lock(&t->lock);
  t->muted = on;
  pthread_mutex_unlock(&t->lock);
  return status;
}

FILE *peri_transport_stream(const peri_transport *t, int fd) {
  return t->captured && fd >= 0 && fd < 3 ? t->stream[fd] : NULL;
}

int peri_transport_flush(peri_transport *t) {
  if (t->captured) {
    fflush(t->stream[1]); /* somebody may have given them buffers */
    fflush(t->stream[2]);
  }
  pthread_mutex_lock(&t->lock);
  int status = peri__drain_pipes(t), queued = peri__queue_output(t, 1);
  pthread_mutex_unlock(&t->lock);
  peri__wake(t->iopub_event);
  return status < 0 ? status : queued;
}
