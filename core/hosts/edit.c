/* edit.c - see edit.h. */
#include "hosts/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/status.h"

/* Terminals mark pasted text with ESC [ 200 ~ and ESC [ 201 ~ between these two. */
static const char mark_pastes[] = "\x1b[?2004h", mark_no_pastes[] = "\x1b[?2004l";

static volatile sig_atomic_t inside; /* the terminal is in key mode */
static volatile sig_atomic_t redraw;
static pthread_t owner; /* the thread that waits for keys */
static struct termios before, during;

/* Handlers that stand while we are inside, and what stood there before. */
static void on_change(int number);
static void on_end(int number);
static struct watched {
  int number;
  void (*handler)(int);
  int taken;
  struct sigaction earlier;
} watched[] = {{.number = SIGWINCH, .handler = on_change}, {.number = SIGCONT, .handler = on_change},
               {.number = SIGTERM, .handler = on_end},     {.number = SIGHUP, .handler = on_end}};
enum { WATCHED = sizeof watched / sizeof *watched };

static void write_mark(const char *mark) {
  ssize_t n = write(STDOUT_FILENO, mark, strlen(mark));
  (void)n; /* a terminal that has gone needs no marks */
}

static void on_change(int number) {
  int saved = errno;
  redraw = 1;
  if (!pthread_equal(pthread_self(), owner)) {
    pthread_kill(owner, number);
  } else if (number == SIGCONT && inside) {
    tcsetattr(STDIN_FILENO, TCSADRAIN, &during);
    write_mark(mark_pastes);
  }
  errno = saved;
}

static void on_end(int number) {
  if (inside) {
    write_mark(mark_no_pastes);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
  }
  signal(number, SIG_DFL);
  raise(number); /* delivered as we return */
}

/* Resizing and going on are ours whoever cared before; ends only where they would end the process anyway. */
static void take_signals(void) {
  for (int i = 0; i < WATCHED; i++) {
    struct sigaction action = {.sa_handler = watched[i].handler};
    sigemptyset(&action.sa_mask);
    sigaction(watched[i].number, NULL, &watched[i].earlier);
    int is_default = !(watched[i].earlier.sa_flags & SA_SIGINFO) && watched[i].earlier.sa_handler == SIG_DFL;
    watched[i].taken = watched[i].handler == on_change || is_default;
    if (watched[i].taken) sigaction(watched[i].number, &action, NULL);
  }
}

static void give_signals(void) {
  for (int i = 0; i < WATCHED; i++) {
    if (watched[i].taken) sigaction(watched[i].number, &watched[i].earlier, NULL);
    watched[i].taken = 0;
  }
}

int peri_edit_enter(void) {
  static int registered;
  if (inside) return PERI_OK;
  if (!registered && atexit(peri_edit_leave) != 0) return peri_fail(PERI_ENOMEM, "the prompt: no clean-up at exit");
  registered = 1;
  if (tcgetattr(STDIN_FILENO, &before) != 0) {
    return peri_fail(PERI_EIO, "the prompt: standard input is no terminal that can be set: %s", strerror(errno));
  }
  during = before;
  during.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
  during.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
  during.c_lflag |= ISIG;
  during.c_oflag |= OPOST | ONLCR;
  during.c_cc[VSUSP] = _POSIX_VDISABLE; /* the mode has to be put back before a stop: peri_edit_suspend */
  during.c_cc[VMIN] = 1;
  during.c_cc[VTIME] = 0;
  owner = pthread_self();
  take_signals();
  inside = 1;
  while (tcsetattr(STDIN_FILENO, TCSADRAIN, &during) != 0) { /* keeps what was typed ahead */
    if (errno == EINTR) continue;
    int reason = errno;
    inside = 0;
    give_signals();
    return peri_fail(PERI_EIO, "the prompt: the terminal cannot be set: %s", strerror(reason));
  }
  write_mark(mark_pastes);
  return PERI_OK;
}

void peri_edit_leave(void) {
  if (!inside) return;
  inside = 0;
  write_mark(mark_no_pastes);
  while (tcsetattr(STDIN_FILENO, TCSADRAIN, &before) != 0 && errno == EINTR) continue;
  give_signals();
}

int peri_edit_suspend(void) {
  peri_edit_leave();
  raise(SIGTSTP);
  redraw = 1;
  return peri_edit_enter();
}

/* What signals have asked for: PERI_EDIT_TIMEOUT when nothing. */
static int asked(void) {
  if (peri_interrupted()) {
    peri_interrupt_clear();
    return PERI_EDIT_INTERRUPT;
  }
  if (redraw) {
    redraw = 0;
    return PERI_EDIT_REDRAW;
  }
  return PERI_EDIT_TIMEOUT;
}

int peri_edit_read(char *bytes, size_t most, int milliseconds, size_t *count) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  sigset_t ours, others;
  *count = 0;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  for (int i = 0; i < WATCHED; i++) sigaddset(&ours, watched[i].number);
  /* Blocked from here to the wait, which lets them in: none comes between asking and waiting. */
  pthread_sigmask(SIG_BLOCK, &ours, &others);
  int result = asked(), ready = 0;
  if (result == PERI_EDIT_TIMEOUT) {
    ready = ppoll(&input, 1, milliseconds < 0 ? NULL : &limit, &others);
  }
  pthread_sigmask(SIG_SETMASK, &others, NULL); /* what is still pending comes here */
  if (result == PERI_EDIT_TIMEOUT) result = asked();
  if (result != PERI_EDIT_TIMEOUT || ready <= 0) return result;
  ssize_t n = read(STDIN_FILENO, bytes, most);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return asked();
  if (n <= 0) return PERI_EDIT_END;
  *count = (size_t)n;
  return PERI_EDIT_BYTES;
}

int peri_edit_ready(int milliseconds) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&input, 1, milliseconds) > 0;
}

void peri_edit_size(int *columns, int *rows) {
  struct winsize size;
  int told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  *columns = told && size.ws_col > 0 ? size.ws_col : 80;
  *rows = told && size.ws_row > 0 ? size.ws_row : 24;
}

/* --- widths --- */

/* The user's locale when it is UTF-8, else any that is; (locale_t)0 when there is none at all. */
static locale_t find_locale(void) {
  static const char *const names[] = {"", "C.UTF-8", "en_US.UTF-8"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    locale_t found = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
    if (found != (locale_t)0) {
      if (strcmp(nl_langinfo_l(CODESET, found), "UTF-8") == 0) return found;
      freelocale(found);
    }
  }
  return (locale_t)0;
}

static locale_t locale; /* of all widths, once looked for */
static int looked;

__attribute__((destructor)) static void free_locale(void) {
  if (locale != (locale_t)0) freelocale(locale);
  locale = (locale_t)0;
}

size_t peri_edit_width(const char *text, size_t length) {
  size_t columns = 0;
  int plain = 1;
  for (size_t i = 0; i < length && plain; i++) plain = (unsigned char)text[i] < 0x80;
  if (plain) return length;
  if (!looked) locale = find_locale();
  looked = 1;
  if (locale == (locale_t)0) { /* one column a character */
    for (size_t i = 0; i < length; i++) columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
  }
  locale_t earlier = uselocale(locale);
  mbstate_t state;
  memset(&state, 0, sizeof state);
  while (length > 0) {
    wchar_t character;
    size_t used = mbrtowc(&character, text, length, &state);
    int width = 1;
    if (used == 0 || used > length) { /* NUL, or no UTF-8 */
      used = 1;
      memset(&state, 0, sizeof state);
    } else {
      width = wcwidth(character);
    }
    columns += width < 0 ? 1 : (size_t)width;
    text += used;
    length -= used;
  }
  uselocale(earlier);
  return columns;
}

/* --- the history file --- */

static int fail_file(const char *verb, const char *path) {
  return peri_fail(PERI_EIO, "the prompt: cannot %s %s: %s", verb, path, strerror(errno));
}

/* Makes the folders above path, each readable by the user alone. */
static int make_folders(const char *path) {
  char folder[PATH_MAX];
  if (strlen(path) >= sizeof folder) return peri_fail(PERI_EARG, "history: the path is too long: %s", path);
  strcpy(folder, path);
  for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return fail_file("make the folder", folder);
    *slash = '/';
  }
  return PERI_OK;
}

static int write_all(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, text, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) { /* somebody made the terminal non-blocking */
      struct pollfd output = {.fd = fd, .events = POLLOUT};
      poll(&output, 1, 100);
      continue;
    }
    if (n < 0) return -1;
    text += n;
    length -= (size_t)n;
  }
  return 0;
}

int peri_edit_write(const char *text, size_t length) {
  fflush(stdout);
  return write_all(STDOUT_FILENO, text, length) == 0 ? PERI_OK : fail_file("write to", "the terminal");
}

int peri_edit_append(const char *path, const char *text, unsigned long length) {
  return peri_file_append(path, text, length);
}

int peri_edit_replace(const char *path, const char *text, unsigned long length) {
  char temporary[PATH_MAX];
  PERI_TRY(make_folders(path));
  int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (n < 0 || (size_t)n >= sizeof temporary) return peri_fail(PERI_EARG, "history: the path is too long: %s", path);
  int fd = mkstemp(temporary); /* mode 0600 */
  if (fd < 0) return fail_file("make a file beside", path);
  int status = PERI_OK;
  if (write_all(fd, text, length) != 0 || fsync(fd) != 0) status = fail_file("write", temporary);
  if (close(fd) != 0 && status == PERI_OK) status = fail_file("write", temporary);
  if (status == PERI_OK && rename(temporary, path) != 0) status = fail_file("replace", path);
  if (status != PERI_OK) unlink(temporary);
  return status;
}
