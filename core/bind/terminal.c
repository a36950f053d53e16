/* terminal.c - what a progress bar and Ctrl-C need from the system: is a stream a terminal, how large is
   it, a clock that never goes back, and a SIGINT handler that raises the interrupt flag.

   The handler is installed only while a long run asks for it (signal_interrupt(true) ... (false)); what
   was there before (stock lua's own handler, the prompt's) comes back afterwards. A second Ctrl-C before
   the first was noticed is handed to that earlier handler, so that nothing can lock a person out. */
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "bind/bind.h"

/* The handler that was there before, and how many asked for ours (fit may run inside fit). */
static struct sigaction earlier;
static int installed;

static void on_interrupt(int signal_number) {
  int saved = errno;
  if (peri_interrupted()) {
    struct sigaction ours;
    if (sigaction(signal_number, &earlier, &ours) == 0) {
      raise(signal_number); /* blocked while we are in here: delivered as we return */
    }
  }
  peri_interrupt_raise();
  errno = saved;
}

/* core.signal_interrupt(on): Ctrl-C raises the interrupt flag from now on, or no longer. Calls nest. */
static int l_signal_interrupt(lua_State *L) {
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  if (lua_toboolean(L, 1)) {
    struct sigaction ours = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&ours.sa_mask);
    if (installed == 0 && sigaction(SIGINT, &ours, &earlier) != 0) {
      return peri_lua_error(L, "signal_interrupt: cannot install a handler for SIGINT");
    }
    installed++;
  } else if (installed > 0 && --installed == 0) {
    struct sigaction now;
    /* Only if nobody put another handler over ours. */
    if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_interrupt) sigaction(SIGINT, &earlier, NULL);
  }
  return 0;
}

static int l_interrupted(lua_State *L) {
  lua_pushboolean(L, peri_interrupted());
  return 1;
}

/* core.interrupt_poll(): raises "interrupted" when Ctrl-C was pressed. */
static int l_interrupt_poll(lua_State *L) {
  peri_lua_check(L, peri_interrupt_poll());
  return 0;
}

static int l_interrupt_clear(lua_State *L) {
  (void)L;
  peri_interrupt_clear();
  return 0;
}

/* core.isatty(fd or file): a number, or an open file such as io.stderr. */
static int l_isatty(lua_State *L) {
  luaL_Stream *stream = luaL_testudata(L, 1, LUA_FILEHANDLE);
  if (stream != NULL) {
    if (stream->closef == NULL) return peri_lua_error(L, "isatty: the file is closed");
    lua_pushboolean(L, isatty(fileno(stream->f)));
  } else {
    lua_Integer fd = luaL_checkinteger(L, 1);
    luaL_argcheck(L, fd >= 0 && fd < 1 << 20, 1, "a file descriptor or an open file is wanted");
    lua_pushboolean(L, isatty((int)fd));
  }
  return 1;
}

/* core.terminal_size() -> columns, rows of the first of stderr, stdout, stdin that is a terminal; or nil. */
static int l_terminal_size(lua_State *L) {
  static const int order[] = {STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    struct winsize size;
    if (ioctl(order[i], TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      lua_pushinteger(L, size.ws_col);
      lua_pushinteger(L, size.ws_row);
      return 2;
    }
  }
  lua_pushnil(L);
  return 1;
}

static lua_Number seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec * 1e-9;
}

/* core.monotonic() -> seconds since some moment; never goes back. */
static int l_monotonic(lua_State *L) {
  lua_pushnumber(L, seconds_now());
  return 1;
}

/* core.sleep(seconds): waits; less when a signal came. Ctrl-C raises "interrupted". */
static int l_sleep(lua_State *L) {
  enum { LONGEST = 50000000 }; /* nanoseconds between two looks at the flag, which another thread may raise */
  lua_Number seconds = luaL_checknumber(L, 1), end = seconds_now() + seconds;
  luaL_argcheck(L, seconds == seconds, 1, "seconds: wants a number");
  for (lua_Number left = seconds; left > 0; left = end - seconds_now()) {
    const struct timespec piece = {.tv_nsec = left * 1e9 < LONGEST ? (long)(left * 1e9) : LONGEST};
    peri_lua_check(L, peri_interrupt_poll());
    if (nanosleep(&piece, NULL) != 0) break;
  }
  peri_lua_check(L, peri_interrupt_poll());
  return 0;
}

/* Adds the functions to the table at the top of the stack. */
void peri_lua_open_terminal(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"isatty", l_isatty},
    {"terminal_size", l_terminal_size},
    {"monotonic", l_monotonic},
    {"sleep", l_sleep},
    {"interrupted", l_interrupted},
    {"interrupt_clear", l_interrupt_clear},
    {"interrupt_poll", l_interrupt_poll},
    {"signal_interrupt", l_signal_interrupt},
    {NULL, NULL},
  };
  luaL_setfuncs(L, functions, 0);
}
