/* main_host.c - Ctrl-C for the `perilune` command, and perilune.host, what the prompt needs from it.

   Ctrl-C has two ears. Long C work polls the flag of base/interrupt.h; Lua code gets a hook that raises
   "interrupted!". Hooks belong to coroutines, hence our own coroutine.resume, wrap and close, which keep
   `running` up to date. A permanent hook would halve the speed of tight loops: it is set by the signal
   handler only (lua_sethook is safe there).

   The first error, whichever ear it came by, can be caught, so that a program may put its things in order.
   Code that then goes on for another million instructions, or until a second Ctrl-C, without the flag having
   been cleared (core.interrupt_clear: fit does) gets the error at every instruction until the caller of
   peri_main_pcall has it: `while true do pcall(f) end` comes back to the prompt. */
#include "main.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"

/* Instructions between the error that can be caught and the one that cannot, and how many a resume counts for: it
   sets the hook anew, and with it the hook's own count. */
enum { GRACE = 1000000, RESUME_COST = GRACE / 1000 };

enum { CALM, ASKED, RAISED, INSISTING };

static lua_State *volatile running;         /* the coroutine whose code runs now */
static volatile sig_atomic_t armed;         /* inside peri_main_pcall */
static volatile sig_atomic_t deadly;        /* and a repeated Ctrl-C ends the process */
static volatile sig_atomic_t stage = CALM;
static int grace; /* what resumes have left of it */
static pthread_t lua_thread;

static void on_hook(lua_State *L, lua_Debug *ar);

static void set_hook(lua_State *L) {
  if (stage == RAISED) {
    lua_sethook(L, on_hook, LUA_MASKCOUNT, GRACE);
  } else {
    lua_sethook(L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  }
}

static void on_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (!peri_interrupt_open() || stage == CALM) { /* somebody has dealt with it already */
    stage = CALM;
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  int raised_by_c = stage == ASKED && !peri_interrupted();
  stage = stage == ASKED ? RAISED : INSISTING;
  grace = GRACE;
  set_hook(L);
  if (raised_by_c) return;
  luaL_error(L, "interrupted!");
}

static void on_signal(int number) {
  int saved = errno;
  if (!pthread_equal(pthread_self(), lua_thread)) {
    pthread_kill(lua_thread, number);
  } else {
    if (armed) {
      if (deadly && stage == ASKED && peri_interrupted()) { /* nobody has noticed the last one */
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(number, &standard, NULL);
        raise(number);
      }
      stage = stage == CALM || !peri_interrupt_open() ? ASKED : INSISTING;
      lua_State *L = running;
      if (L != NULL) set_hook(L);
    }
    peri_interrupt_raise();
  }
  errno = saved;
}

int peri_main_pcall(lua_State *L, int arguments, int results, int handler, int may_die) {
  lua_State *running_before = running;
  int armed_before = armed, deadly_before = deadly;
  running = L;
  deadly = may_die;
  if (!armed_before) {
    stage = CALM;
    peri_interrupt_clear();
  }
  armed = 1;
  int status = lua_pcall(L, arguments, results, handler);
  armed = armed_before;
  deadly = deadly_before;
  running = running_before;
  if (!armed_before) {
    stage = CALM;
    lua_sethook(L, NULL, 0, 0);
    peri_interrupt_clear();
  }
  return status;
}

/* --- coroutines --- */

static const char trace_key = 0; /* its address: the registry's field for the last dead coroutine's traceback */

/* After a change of coroutines: the interrupt was meant for all of us. */
static void hook_again(lua_State *L) {
  if (stage == RAISED && (grace -= RESUME_COST) <= 0) stage = INSISTING;
  if (stage != CALM) set_hook(L);
}

/* Resumes `co` with `arguments` values from the top of L. Returns how many results were moved to L, or -1
   with the error object there. */
static int resume(lua_State *L, lua_State *co, int arguments) {
  if (!lua_checkstack(co, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, arguments);
  lua_State *before = running;
  running = co;
  int results = 0;
  int status = lua_resume(co, L, arguments, &results);
  running = before;
  hook_again(L);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

/* Closes `co`, with an interrupt reaching into what its pending <close> variables do. Returns its status; the error
   object, old or new, is on its stack. */
static int reset(lua_State *L, lua_State *co) {
  lua_State *before = running;
  running = co;
  hook_again(co);
  int status = lua_resetthread(co);
  running = before;
  hook_again(L);
  return status;
}

static int l_resume(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTHREAD);
  lua_State *co = lua_tothread(L, 1);
  int results = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  if (results < 0) results = 1;
  lua_insert(L, -(results + 1));
  return results + 1;
}

/* The body of what coroutine.wrap gives; the coroutine is upvalue 1. */
static int l_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int results = resume(L, co, lua_gettop(L));
  if (results >= 0) return results;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    /* Its stack is about to go: keep the traceback for whoever tells the person. */
    luaL_traceback(L, co, NULL, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &trace_key);
    lua_pop(L, 1);
    reset(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int l_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, l_wrapped, 1);
  return 1;
}

static int l_close(lua_State *L) {
  lua_Debug frame;
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  if (co == L) return luaL_error(L, "cannot close a running coroutine");
  if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame)) return luaL_error(L, "cannot close a normal coroutine");
  int closed = reset(L, co) == LUA_OK;
  lua_pushboolean(L, closed);
  if (closed) return 1;
  lua_xmove(co, L, 1);
  return 2;
}

void peri_main_interrupts(lua_State *L) {
  lua_thread = pthread_self();
  struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: a read comes back at once */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  lua_getglobal(L, LUA_COLIBNAME);
  static const luaL_Reg functions[] = {
    {"resume", l_resume}, {"wrap", l_wrap}, {"close", l_close}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}

/* --- perilune.host --- */

/* host.xpcall(f, handler, ...): xpcall that Ctrl-C reaches into. */
static int l_xpcall(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  int arguments = lua_gettop(L) - 2;
  lua_pushvalue(L, 1);
  lua_remove(L, 1);     /* handler, arguments, f */
  lua_insert(L, 2);     /* handler, f, arguments */
  int status = peri_main_pcall(L, arguments, LUA_MULTRET, 1, 0);
  lua_pushboolean(L, status == LUA_OK);
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* host.own_xpcall(f, handler, ...): the same for who runs pieces inside a piece: an interrupt that comes in here has
   reached whom it was for, and troubles nobody outside. */
static int l_own_xpcall(lua_State *L) {
  int results = l_xpcall(L);
  stage = CALM;
  lua_sethook(L, NULL, 0, 0);
  peri_interrupt_clear();
  return results;
}

/* host.interrupted(): was Ctrl-C pressed since the last question (at the prompt)? */
static int l_interrupted(lua_State *L) {
  lua_pushboolean(L, peri_interrupted());
  peri_interrupt_clear();
  return 1;
}

/* host.coroutine_traceback(): that of the last wrapped coroutine that died of an error, once; or nil. */
static int l_coroutine_traceback(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &trace_key);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &trace_key);
  return 1;
}

static int l_clock(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec * 1e-9);
  return 1;
}

/* host.isatty(0, 1 or 2) */
static int l_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* host.columns(): of the terminal on standard output, or nil. */
static int l_columns(lua_State *L) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

/* host.program(): the absolute path of this command, or nil. */
static int l_program(lua_State *L) {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || (size_t)length == sizeof path) return 0;
  lua_pushlstring(L, path, (size_t)length);
  return 1;
}

/* host.versions(): Perilune's and Lua's ("Lua 5.4.6"). */
static int l_versions(lua_State *L) {
  lua_pushliteral(L, PERILUNE_VERSION);
  lua_pushliteral(L, LUA_RELEASE);
  return 2;
}

static int l_open_host(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"xpcall", l_xpcall}, {"own_xpcall", l_own_xpcall}, {"interrupted", l_interrupted},
    {"coroutine_traceback", l_coroutine_traceback}, {"clock", l_clock},   {"isatty", l_isatty},           {"columns", l_columns},
    {"program", l_program}, {"versions", l_versions},
    {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}

void peri_main_open_host(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, l_open_host);
  lua_setfield(L, -2, "perilune.host");
  lua_pop(L, 1);
}
