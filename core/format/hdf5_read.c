/* hdf5_read.c - the parent's side of reading: start the child, listen with a clock, reap it.

   The child is in a process group of its own, so that Ctrl-C reaches only us; we kill it, by its
   number and only while it is our unreaped child. Whatever ends it, the caller gets a status and a
   message with the path. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "format/hdf5.h"
#include "hosts/h5frames.h"

enum { MAX_SKIPPED = 16, SLICE_MS = 50, BUFFER_BYTES = 1 << 16, NO_PROGRAM = 127 };
static const double IDLE_SECONDS = 20;
static const char program_name[] = "perilune-h5read";

/* --- finding the child --- */

/* The folder of a file, with its slash; empty when that is too long. */
static void folder_of(char out[PATH_MAX], const char *file) {
  const char *slash = strrchr(file, '/');
  size_t length = slash ? (size_t)(slash - file) + 1 : 0;
  if (length >= PATH_MAX) length = 0;
  memcpy(out, file, length);
  out[length] = '\0';
}

static bool try_program(char *out, size_t size, const char *folder, const char *relative) {
  int length = snprintf(out, size, "%s%s%s", folder, relative, program_name);
  return length > 0 && (size_t)length < size && access(out, X_OK) == 0;
}

int peri_h5_program(char *out, size_t size) {
  char here[PATH_MAX] = "", exe[PATH_MAX] = "", link[PATH_MAX];
  const char *given = getenv("PERILUNE_LIBEXEC");
  Dl_info info;
  if (given && *given) {
    if (try_program(out, size, given, "/")) return PERI_OK;
    return peri_fail(PERI_ESTATE, "hdf5: there is no program %s/%s (the folder is from PERILUNE_LIBEXEC)", given,
                     program_name);
  }
  if (dladdr((void *)(uintptr_t)&peri_h5_program, &info) && info.dli_fname && realpath(info.dli_fname, link)) {
    folder_of(here, link);
  }
  ssize_t length = readlink("/proc/self/exe", link, sizeof link - 1);
  if (length > 0) {
    link[length] = '\0';
    folder_of(exe, link);
  }
  if (try_program(out, size, here, "../../")) return PERI_OK;                /* build/lua/perilune */
  if (try_program(out, size, here, PERI_H5READ_RELATIVE)) return PERI_OK;    /* the installed module */
  if (try_program(out, size, exe, "")) return PERI_OK;                       /* build/perilune */
  if (try_program(out, size, exe, "../libexec/perilune/")) return PERI_OK;   /* the installed command */
  if (try_program(out, size, exe, "../")) return PERI_OK;                    /* build/tests */
  return peri_fail(PERI_ESTATE,
                   "hdf5: cannot find the program %s, which reads .h5 files; looked beside %s and %s (set "
                   "PERILUNE_LIBEXEC to its folder)",
                   program_name, here, exe);
}

/* --- the child --- */

typedef struct child {
  pid_t pid;
  int fd; /* its standard output */
  const char *path;
  double idle_seconds;
  size_t at, end; /* of what waits in the buffer */
  uint8_t buffer[BUFFER_BYTES];
} child;

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int output) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
  if (!error) error = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
#endif
  if (!error) error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
  if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
  if (error) return error;
  return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int spawn(child *c, const char *program, const char *path, const char *const *skip) {
  extern char **environ;
  char *arguments[MAX_SKIPPED + 3] = {(char *)(uintptr_t)program, (char *)(uintptr_t)path};
  for (int i = 0; skip && skip[i]; i++) {
    if (i == MAX_SKIPPED) return peri_fail(PERI_EARG, "hdf5: more than %d groups to skip", MAX_SKIPPED);
    arguments[i + 2] = (char *)(uintptr_t)skip[i];
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return peri_fail(PERI_EIO, "%s: cannot make a pipe: %s", path, strerror(errno));
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  int error = set_up(&actions, &attributes, ends[1]);
  if (!error) error = posix_spawn(&c->pid, program, &actions, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  c->fd = ends[0];
  if (!error) return PERI_OK;
  close(ends[0]);
  return peri_fail(PERI_EIO, "%s: cannot start %s: %s", path, program, strerror(error));
}

/* Kills and reaps the child; its wait status, or -1 when somebody else has reaped it. */
static int reap(child *c) {
  int status = -1;
  if (c->pid <= 0) return -1;
  kill(c->pid, SIGKILL); /* no effect on one that has ended by itself */
  while (waitpid(c->pid, &status, 0) < 0) {
    if (errno == EINTR) continue;
    status = -1;
    break;
  }
  c->pid = 0;
  return status;
}

/* The stream has ended before its last frame. */
static int fail_ended(child *c) {
  int status = reap(c);
  if (status >= 0 && WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL)) {
    return peri_fail(PERI_EFORMAT, "%s: damaged: reading it took too long and was stopped", c->path);
  }
  if (status >= 0 && WIFSIGNALED(status)) {
    return peri_fail(PERI_EFORMAT,
                     "%s: damaged: libhdf5 crashed while it read the file (signal %d, in a process of its own)",
                     c->path, WTERMSIG(status));
  }
  if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM) {
    return peri_fail(PERI_ESTATE, "%s: cannot read it: %s does not start; is libhdf5 installed?", c->path,
                     program_name);
  }
  if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == PERI_H5_EXIT_DAMAGED) {
    return peri_fail(PERI_EFORMAT, "%s: damaged: libhdf5 cannot read all of its data", c->path);
  }
  return peri_fail(PERI_EFORMAT, "%s: damaged: reading it ended in the middle (exit status %d)", c->path,
                   status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits until the child has said something or has ended; polls the interrupt flag. */
static int wait_for_child(child *c) {
  double deadline = now() + c->idle_seconds;
  for (;;) {
    struct pollfd waiting = {.fd = c->fd, .events = POLLIN};
    PERI_TRY(peri_interrupt_poll());
    int ready = poll(&waiting, 1, SLICE_MS);
    if (ready > 0) return PERI_OK;
    if (ready < 0 && errno != EINTR) return peri_fail(PERI_EIO, "%s: cannot wait: %s", c->path, strerror(errno));
    if (now() > deadline) {
      return peri_fail(PERI_EFORMAT, "%s: damaged: libhdf5 was silent for %g s and was stopped", c->path,
                       c->idle_seconds);
    }
  }
}

/* Some bytes straight into `to`. */
static int read_some(child *c, void *to, size_t bytes, size_t *got) {
  for (;;) {
    PERI_TRY(wait_for_child(c));
    ssize_t done = read(c->fd, to, bytes);
    if (done > 0) {
      *got = (size_t)done;
      return PERI_OK;
    }
    if (done == 0) return fail_ended(c);
    if (errno != EINTR) return peri_fail(PERI_EIO, "%s: cannot read: %s", c->path, strerror(errno));
  }
}

static int read_exactly(void *context, void *to, size_t bytes) {
  child *c = context;
  for (uint8_t *at = to; bytes;) {
    size_t got = 0;
    if (c->at == c->end && bytes >= BUFFER_BYTES) {
      PERI_TRY(read_some(c, at, bytes, &got));
    } else {
      if (c->at == c->end) {
        PERI_TRY(read_some(c, c->buffer, BUFFER_BYTES, &got));
        c->at = 0;
        c->end = got;
      }
      got = c->end - c->at < bytes ? c->end - c->at : bytes;
      memcpy(at, c->buffer + c->at, got);
      c->at += got;
    }
    at += got;
    bytes -= got;
  }
  return PERI_OK;
}

/* Errors of the file itself (missing, a folder) are found here, and its size bounds what may come. */
static int size_of(uint64_t *size, const char *path) {
  peri_file_reader r;
  PERI_TRY(peri_file_reader_open(&r, path));
  *size = r.size;
  peri_file_reader_close(&r);
  return PERI_OK;
}

int peri_h5_read(peri_h5_node **out, const char *path, const peri_h5_options *options) {
  static const peri_h5_options none = {0};
  char program[PATH_MAX];
  uint64_t size = 0;
  *out = NULL;
  if (!options) options = &none;
  if (options->program) snprintf(program, sizeof program, "%s", options->program);
  else PERI_TRY(peri_h5_program(program, sizeof program));
  PERI_TRY(size_of(&size, path));
  child *c = peri_alloc_zeroed(sizeof *c);
  if (!c) return PERI_ENOMEM;
  c->path = path;
  c->idle_seconds = options->idle_seconds > 0 ? options->idle_seconds : IDLE_SECONDS;
  int status = spawn(c, program, path, options->skip);
  if (status == PERI_OK) {
    status = peri_h5_frames(out, path, PERI_H5_LIMIT(size), read_exactly, c);
    close(c->fd);
    reap(c);
  }
  peri_free(c);
  return status;
}
