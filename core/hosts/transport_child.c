/* transport_child.c - child processes that an interrupt ends.

   A list of the living ones, under a lock, so that the control thread can tell their groups of an interrupt. A child
   is reaped under that lock: its number is never used for another's group. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "hosts/transport_internal.h"

extern char **environ;

/* In ms: between looks at the flag; after an interrupt SIGTERM, then SIGKILL; how much longer one has that was
   interrupted before anybody waited for it. */
enum { WAIT = 50, ASK_AGAIN = 150, KILL = 250, PATIENCE = 1000 };

struct peri_child {
  peri_child *next;
  pid_t pid;
  int pidfd;     /* -1 on a system without them */
  int64_t told;  /* when its group was told of an interrupt; 0: it was not */
  int ending;    /* the kernel has left: it is not waited for at leisure */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static peri_child *living;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void once(void) { pthread_atfork(before_fork, after_fork, after_fork); }

static void tell(int number) {
  for (peri_child *child = living; child != NULL; child = child->next) {
    kill(-child->pid, number);
    if (child->told == 0) child->told = peri__now();
  }
}

void peri__children_interrupt(void) {
  pthread_mutex_lock(&lock);
  tell(SIGINT);
  pthread_mutex_unlock(&lock);
}

void peri__children_end(void) {
  pthread_mutex_lock(&lock);
  tell(SIGTERM);
  for (peri_child *child = living; child != NULL; child = child->next) child->ending = 1;
  pthread_mutex_unlock(&lock);
}

/* Starts `sh -c command` with `given` as its fd `fd` (when that is not negative). Returns an errno. */
static int spawn(pid_t *pid, const char *command, int given, int fd) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t usual, none;
  char shell[] = "sh", option[] = "-c";
  char *arguments[] = {shell, option, (char *)(uintptr_t)command, NULL};
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGINT);
  sigaddset(&usual, SIGQUIT);
  sigaddset(&usual, SIGPIPE);
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  error = posix_spawnattr_init(&attributes);
  if (error == 0) {
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setsigmask(&attributes, &none);
    if (given >= 0) error = posix_spawn_file_actions_adddup2(&actions, given, fd);
    if (error == 0) error = posix_spawn(pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static int fail_start(const char *command, int error) {
  errno = error;
  return peri_fail(PERI_EIO, "cannot run '%s': %s", command, strerror(error));
}

/* The pipe's end that is the child's, and ours as a file. */
static int open_pipe(int *theirs, FILE **file, char mode) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return errno;
  int ours = mode == 'r' ? ends[0] : ends[1];
  *theirs = mode == 'r' ? ends[1] : ends[0];
  *file = fdopen(ours, mode == 'r' ? "r" : "w");
  if (*file != NULL) return 0;
  int error = errno;
  close(ends[0]);
  close(ends[1]);
  return error;
}

int peri_child_start(peri_child **out, const char *command, char mode, FILE **file) {
  static pthread_once_t first = PTHREAD_ONCE_INIT;
  pthread_once(&first, once);
  FILE *ours = NULL;
  int theirs = -1;
  peri_child *child = *out = peri_alloc_zeroed(sizeof *child);
  if (child == NULL) return PERI_ENOMEM;
  int error = mode != 0 ? open_pipe(&theirs, &ours, mode) : 0;
  if (error == 0) {
    fflush(NULL);
    pthread_mutex_lock(&lock);
    error = spawn(&child->pid, command, theirs, mode == 'r' ? STDOUT_FILENO : STDIN_FILENO);
    if (error == 0) {
      child->next = living;
      living = child;
    }
    pthread_mutex_unlock(&lock);
    if (theirs >= 0) close(theirs);
  }
  if (error != 0) {
    if (ours != NULL) fclose(ours);
    peri_free(child);
    *out = NULL;
    return fail_start(command, error);
  }
  child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
  if (child->pidfd >= 0) fcntl(child->pidfd, F_SETFD, FD_CLOEXEC);
  if (mode != 0) *file = ours;
  return PERI_OK;
}

/* Has it ended? Then it is reaped and out of the list. */
static int reap(peri_child *child, int *status) {
  pthread_mutex_lock(&lock);
  pid_t ended = waitpid(child->pid, status, WNOHANG);
  int gone = ended == child->pid || (ended < 0 && errno != EINTR);
  if (ended < 0) *status = 0; /* somebody else has reaped it */
  if (gone) {
    peri_child **link = &living;
    while (*link != child) link = &(*link)->next;
    *link = child->next;
  }
  pthread_mutex_unlock(&lock);
  return gone;
}

static int is_pressed(const peri_child *child) {
  pthread_mutex_lock(&lock);
  int pressed = child->told != 0;
  pthread_mutex_unlock(&lock);
  return pressed || peri_interrupted();
}

/* Presses a child harder as time goes by, which for it began at `since`; `step` counts what was done. */
static void press(peri_child *child, int64_t *since, int *step) {
  pthread_mutex_lock(&lock);
  int now_interrupted = peri_interrupted(), now = now_interrupted || child->ending;
  if (child->told == 0) {
    child->told = peri__now();
    if (now_interrupted) kill(-child->pid, SIGINT);
  }
  if (now) *since = child->told;
  int64_t passed = peri__now() - *since - (now ? 0 : PATIENCE);
  if (*step < 1 && passed >= ASK_AGAIN) {
    *step = 1;
    kill(-child->pid, SIGTERM);
  }
  if (*step < 2 && passed >= KILL) {
    *step = 2;
    kill(-child->pid, SIGKILL);
  }
  pthread_mutex_unlock(&lock);
}

int peri_child_wait(peri_child *child, int *status) {
  int step = 0, wait = 1;
  int64_t since = peri__now();
  while (!reap(child, status)) {
    int pressed = is_pressed(child);
    if (pressed) press(child, &since, &step);
    if (child->pidfd >= 0) {
      struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
      poll(&end, 1, pressed ? 10 : WAIT);
    } else {
      poll(NULL, 0, wait);
      if (wait < 10) wait++;
    }
  }
  if (child->pidfd >= 0) close(child->pidfd);
  peri_free(child);
  return PERI_OK;
}
