/* raw_terminal.c - a terminal that hands over every key and mouse event as it comes, and gets its old
   state back whatever happens.

   core.raw_terminal(enter, leave) puts standard input into raw mode and writes `enter` to standard
   output; core.raw_terminal_end() undoes the mode and writes `leave`. The same is done at exit, before a
   signal ends the process, and around a stop (SIGTSTP). Handlers are put only where the disposition is the
   default one: what the embedding program handles itself stays its own. Everything a handler touches is
   prepared beforehand, so that it calls nothing but async-signal-safe functions.

   While other code runs (core.raw_terminal_run) Ctrl-C is a signal, and what that code prints is collected
   (capture.h) instead of spoiling the screen. The terminal is held by descriptors of our own, so that it
   is drawn on and given back all the same. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/status.h"
#include "bind/bind.h"
#include "bind/capture.h"

enum { SEQUENCE_MOST = 256, READ_MOST = 1 << 16, HIGH = 10 };

typedef struct sequence {
  char text[SEQUENCE_MOST];
  size_t length;
} sequence;

static volatile sig_atomic_t raw;  /* the terminal is ours now */
static volatile sig_atomic_t redraw; /* its size changed, or we were stopped and go on */
static int input = -1, output = -1;  /* the terminal */
static struct termios before, during;
static sequence enter, leave;

static const int fatal[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM,
                            SIGUSR1, SIGUSR2, SIGPIPE, SIGXCPU};
enum { FATAL_COUNT = sizeof fatal / sizeof *fatal };
static bool ours[FATAL_COUNT];
static bool stop_ours, resize_ours;

/* Gives up on a terminal that takes nothing for a second: a signal must be able to end us. */
static void write_sequence(const sequence *s) {
  for (size_t done = 0; done < s->length;) {
    struct pollfd ready = {.fd = output, .events = POLLOUT};
    if (poll(&ready, 1, 1000) == 0) return;
    ssize_t n = write(output, s->text + done, s->length - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += (size_t)n;
  }
}

static void give_back(void) {
  if (!raw) return;
  raw = 0;
  write_sequence(&leave);
  tcsetattr(input, TCSANOW, &before);
  tcflush(input, TCIFLUSH); /* mouse reports under way are not for the shell */
  peri__capture_drop();
}

static void on_fatal(int number) {
  give_back();
  signal(number, SIG_DFL);
  raise(number); /* delivered as we return */
}

static void on_stop(int number) {
  (void)number;
  int saved = errno;
  if (raw) {
    write_sequence(&leave);
    tcsetattr(input, TCSANOW, &before);
    raise(SIGSTOP);
    tcsetattr(input, TCSANOW, &during);
    write_sequence(&enter);
    redraw = 1;
  }
  errno = saved;
}

static void on_resize(int number) {
  (void)number;
  redraw = 1;
}

static bool take_signal(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler}, now; /* no SA_RESTART: poll comes back at once */
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return false;
  return sigaction(number, &action, NULL) == 0;
}

static void give_signal(int number, void (*handler)(int)) {
  struct sigaction now;
  if (sigaction(number, NULL, &now) == 0 && now.sa_handler == handler) signal(number, SIG_DFL);
}

/* Signals whose handlers others have put back to the default since are taken again. */
static void take_fatal(void) {
  for (int i = 0; i < FATAL_COUNT; i++) ours[i] = take_signal(fatal[i], on_fatal) || ours[i];
}

/* Undoes everything; at exit and when core.so is unloaded too, so that no handler outlives its code. */
static void end_raw(void) {
  give_back();
  peri__capture_end();
  for (int i = 0; i < FATAL_COUNT; i++) {
    if (ours[i]) give_signal(fatal[i], on_fatal);
    ours[i] = false;
  }
  if (stop_ours) give_signal(SIGTSTP, on_stop);
  if (resize_ours) give_signal(SIGWINCH, on_resize);
  stop_ours = resize_ours = false;
  if (input >= 0) close(input);
  if (output >= 0) close(output);
  input = output = -1;
}

static void check_sequence(lua_State *L, int index, sequence *out) {
  size_t length;
  const char *text = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, length <= SEQUENCE_MOST, index, "raw_terminal: the sequence is longer than 256 bytes");
  memcpy(out->text, text, length);
  out->length = length;
}

/* core.raw_terminal(enter, leave) */
static int l_raw_terminal(lua_State *L) {
  static bool registered;
  if (raw) return luaL_error(L, "raw_terminal: the terminal is in raw mode already");
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
    return luaL_error(L, "raw_terminal: standard input and output must be a terminal");
  }
  check_sequence(L, 1, &enter);
  check_sequence(L, 2, &leave);
  if (!registered && atexit(end_raw) != 0) return luaL_error(L, "raw_terminal: cannot register the clean-up at exit");
  registered = true;
  input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, HIGH);
  output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, HIGH);
  if (input < 0 || output < 0 || tcgetattr(input, &before) != 0) {
    int reason = errno;
    end_raw();
    return luaL_error(L, "raw_terminal: cannot read the terminal's settings: %s", strerror(reason));
  }
  during = before;
  cfmakeraw(&during);
  during.c_cc[VMIN] = 1;
  during.c_cc[VTIME] = 0;
  raw = 1;
  take_fatal();
  stop_ours = take_signal(SIGTSTP, on_stop);
  resize_ours = take_signal(SIGWINCH, on_resize);
  if (tcsetattr(input, TCSANOW, &during) != 0) {
    int reason = errno;
    leave.length = 0; /* nothing was written yet */
    end_raw();
    return luaL_error(L, "raw_terminal: cannot set the terminal's mode: %s", strerror(reason));
  }
  write_sequence(&enter);
  return 0;
}

static int l_raw_terminal_end(lua_State *L) {
  (void)L;
  end_raw();
  return 0;
}

/* core.raw_terminal_read(seconds) -> what came within that time ("" when nothing did), and whether the screen
   has to be drawn anew (resized, or continued after a stop); nil when the input is closed. */
static int l_raw_terminal_read(lua_State *L) {
  static char bytes[READ_MOST];
  lua_Number seconds = luaL_checknumber(L, 1);
  if (!(seconds > 0)) seconds = 0;
  if (seconds > 3600) seconds = 3600;
  struct pollfd ready = {.fd = input, .events = POLLIN};
  ssize_t count = 0;
  int found = redraw ? 0 : poll(&ready, 1, (int)(seconds * 1000 + 0.999));
  if (found > 0) {
    count = read(input, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
      count = 0;
    } else if (count <= 0) {
      lua_pushnil(L);
      return 1;
    }
  } else if (found < 0 && errno != EINTR) {
    return luaL_error(L, "raw_terminal_read: %s", strerror(errno));
  }
  lua_pushlstring(L, bytes, (size_t)count);
  lua_pushboolean(L, redraw);
  redraw = 0;
  return 2;
}

/* core.raw_terminal_write(text): all of it, past Lua's buffers; false when the terminal is gone. */
static int l_raw_terminal_write(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  for (size_t done = 0; done < length;) {
    ssize_t n = write(output, text + done, length - done);
    if (n < 0 && errno == EAGAIN) {
      struct pollfd ready = {.fd = output, .events = POLLOUT};
      poll(&ready, 1, 100);
    } else if (n < 0 && errno != EINTR) {
      lua_pushboolean(L, 0);
      return 1;
    } else if (n > 0) {
      done += (size_t)n;
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* core.raw_terminal_size() -> columns, rows; nil where the terminal does not tell. */
static int l_raw_terminal_size(lua_State *L) {
  struct winsize size;
  if (ioctl(output, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return 0;
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  return 2;
}

/* core.raw_terminal_run(on): other code runs from now on, or no longer. Keys that are typed meanwhile wait. Ctrl-Z
   would stop a program that holds the screen: it waits too. */
static int l_raw_terminal_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  if (!raw) return luaL_error(L, "raw_terminal_run: the terminal is not in raw mode");
  bool on = lua_toboolean(L, 1);
  if (on) {
    peri_lua_check(L, peri__capture_begin());
  } else {
    peri__capture_end();
  }
  during.c_cc[VSUSP] = on ? _POSIX_VDISABLE : before.c_cc[VSUSP];
  if (on) {
    during.c_lflag |= (tcflag_t)ISIG;
  } else {
    during.c_lflag &= ~(tcflag_t)ISIG;
    take_fatal();
  }
  tcsetattr(input, TCSANOW, &during);
  return 0;
}

/* core.raw_terminal_output() -> what the code that runs has printed since the last call, and how many bytes before that
   were too many. */
static int l_raw_terminal_output(lua_State *L) {
  size_t lost;
  luaL_Buffer buffer;
  char *bytes = luaL_buffinitsize(L, &buffer, PERI_CAPTURE_MOST);
  luaL_pushresultsize(&buffer, peri__capture_take(bytes, &lost));
  lua_pushinteger(L, (lua_Integer)lost);
  return 2;
}

/* Adds the functions to the table at the top of the stack. */
void peri_lua_open_raw_terminal(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"raw_terminal", l_raw_terminal},
    {"raw_terminal_end", l_raw_terminal_end},
    {"raw_terminal_read", l_raw_terminal_read},
    {"raw_terminal_write", l_raw_terminal_write},
    {"raw_terminal_size", l_raw_terminal_size},
    {"raw_terminal_run", l_raw_terminal_run},
    {"raw_terminal_output", l_raw_terminal_output},
    {NULL, NULL},
  };
  luaL_setfuncs(L, functions, 0);
}
