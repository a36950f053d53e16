/* main.c - the `perilune` command: a Lua host that takes lua5.4's options, finds the Perilune package
   beside itself, and has a prompt.

     perilune [options] [script [args]]    as lua5.4 has them: -e -i -l -v -E -W - --
     perilune draw ...                     a command of ours: perilune.draw's main(args)
     perilune kernel ...                   the notebook's: perilune.kernel's
     perilune serve ...                    the service's: perilune.serve's

   Everything that may raise runs inside one protected call; the exit status is lua5.4's. */
#include <lauxlib.h>
#include <libgen.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main.h"

static const char *const program = "perilune";

/* Names that run a module's main(args). A file of such a name is run as ./draw. One that arms interrupts itself,
   piece by piece, is not interrupted between the pieces. */
static const struct {
  const char *name;
  int arms;
} commands[] = {{"draw", 1}, {"kernel", 1}, {"serve", 0}};

enum { HAS_ERROR = 1, HAS_INTERACTIVE = 2, HAS_VERSION = 4, HAS_EXPRESSION = 8, HAS_NOENV = 16, NO_COLOR = 32 };

static void complain(const char *message) {
  fprintf(stderr, "%s: %s\n", program, message);
  fflush(stderr);
}

static const char usage[] =
  "usage: perilune [options] [script [args]]\n"
  "       perilune draw [options]      draw a digit and see it recognised (perilune draw --help)\n"
  "       perilune serve [options]     the recogniser as a web page and an API (perilune serve --help)\n"
  "       perilune kernel install      make Jupyter know this Lua (perilune kernel --help)\n"
  "Without a script on a terminal: a prompt, where help() tells what there is.\n"
  "  -e stat      run the string 'stat'\n"
  "  -i           go to the prompt after the script\n"
  "  -l mod       require 'mod' into the global 'mod'\n"
  "  -l g=mod     require 'mod' into the global 'g'\n"
  "  -v           show versions\n"
  "  -E           ignore environment variables and the prompt's start-up file\n"
  "  -W           turn warnings on\n"
  "  --no-color   no colours (as the variable NO_COLOR says it)\n"
  "  --version    show versions and leave\n"
  "  --help       show this and leave\n"
  "  --           no more options follow\n"
  "  -            run standard input\n"
  "The prompt first runs the file $PERILUNE_INIT, else perilune/init.lua in $XDG_CONFIG_HOME (~/.config), and keeps\n"
  "its history in $PERILUNE_HISTORY, else in perilune/history in $XDG_STATE_HOME (~/.local/state).\n";

static void print_version(void) {
  printf("Perilune %s  (%s)\n", PERILUNE_VERSION, LUA_RELEASE);
  fflush(stdout);
}

/* --- where the Lua package is --- */

static int is_there(const char *folder, const char *name) {
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/%s", folder, name);
  return n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
}

/* package[field] = value .. ";" .. package[field]; both values are on top of the stack before. */
static void prepend(lua_State *L, const char *field, const char *value) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushfstring(L, "%s;", value);
  lua_getfield(L, -2, field);
  lua_concat(L, 2);
  lua_setfield(L, -2, field);
  lua_pop(L, 1);
}

/* In a build folder: this source tree's lua/ and the build's modules. Elsewhere: the prefix that the
   command was installed under. */
static void set_paths(lua_State *L) {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return;
  self[length] = 0;
  const char *folder = dirname(self);
  const char *lua, *modules;
  if (is_there(folder, "lua/perilune")) {
    const char *source = PERILUNE_SOURCE_DIR "/lua";
    lua = is_there(source, "perilune") ? lua_pushstring(L, source) : lua_pushfstring(L, "%s/../lua", folder);
    modules = lua_pushfstring(L, "%s/lua/?.so", folder);
  } else {
    lua = lua_pushfstring(L, "%s/../share/lua/5.4", folder);
    modules = lua_pushfstring(L, "%s/../%s/lua/5.4/?.so", folder, PERILUNE_LIBDIR);
  }
  prepend(L, "path", lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", lua, lua));
  lua_pop(L, 1);
  prepend(L, "cpath", modules);
  lua_pop(L, 2);
}

/* --- running chunks --- */

/* Turns any error object into text with a traceback. */
static int with_traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Says what is wrong when status is none of success; returns status. */
static int report(lua_State *L, int status) {
  if (status != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    complain(message != NULL ? message : "(error object is no string)");
    lua_pop(L, 1);
  }
  return status;
}

/* Calls the function below `arguments` values on the stack. */
static int call(lua_State *L, int arguments, int results) {
  int base = lua_gettop(L) - arguments;
  lua_pushcfunction(L, with_traceback);
  lua_insert(L, base);
  int status = peri_main_pcall(L, arguments, results, base, 1);
  lua_remove(L, base);
  return status;
}

static int run_loaded(lua_State *L, int status) {
  return report(L, status == LUA_OK ? call(L, 0, 0) : status);
}

static int run_string(lua_State *L, const char *code, const char *name) {
  return run_loaded(L, luaL_loadbuffer(L, code, strlen(code), name));
}

static int run_file(lua_State *L, const char *path) {
  return run_loaded(L, luaL_loadfile(L, path));
}

/* -l mod, -l g=mod */
static int run_require(lua_State *L, const char *option) {
  const char *equals = strchr(option, '=');
  const char *module = equals != NULL ? equals + 1 : option;
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = call(L, 1, 1);
  if (status == LUA_OK) {
    if (equals != NULL) {
      lua_pushlstring(L, option, (size_t)(equals - option));
    } else {
      lua_pushstring(L, option);
    }
    lua_insert(L, -2);
    lua_pushglobaltable(L);
    lua_insert(L, -3);
    lua_settable(L, -3);
    lua_pop(L, 1);
  }
  return report(L, status);
}

/* Pushes arg[1], arg[2], ... and returns how many. */
static int push_script_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int table = lua_gettop(L);
  int n = (int)luaL_len(L, table);
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return n;
}

static int run_script(lua_State *L, char **argv) {
  const char *path = argv[0];
  if (strcmp(path, "-") == 0 && strcmp(argv[-1], "--") != 0) path = NULL; /* standard input */
  int status = luaL_loadfile(L, path);
  if (status == LUA_OK) status = call(L, push_script_arguments(L), LUA_MULTRET);
  return report(L, status);
}

static int run_init(lua_State *L) {
  const char *name = "=LUA_INIT_5_4";
  const char *code = getenv(name + 1);
  if (code == NULL) code = getenv((name = "=LUA_INIT") + 1);
  if (code == NULL) return LUA_OK;
  return code[0] == '@' ? run_file(L, code + 1) : run_string(L, code, name);
}

/* perilune.repl's run{...}. It arms interrupts itself, piece by piece. */
static int run_prompt(lua_State *L, int flags) {
  lua_pushcfunction(L, with_traceback);
  lua_getglobal(L, "require");
  lua_pushstring(L, "perilune.repl");
  int status = lua_pcall(L, 1, 1, -3);
  if (status == LUA_OK) {
    lua_getfield(L, -1, "run");
    lua_createtable(L, 0, 2);
    lua_pushboolean(L, !(flags & NO_COLOR));
    lua_setfield(L, -2, "color");
    lua_pushstring(L, PERILUNE_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushboolean(L, (flags & HAS_NOENV) != 0);
    lua_setfield(L, -2, "plain_start");
    status = lua_pcall(L, 1, 0, -4);
  }
  return report(L, status);
}

/* --- commands --- */

/* The row of a command, or -1. */
static int find_command(const char *name) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(name, commands[i].name) == 0) return (int)i;
  }
  return -1;
}

/* require("perilune.NAME").main({args}): its result is the exit status (nothing or true: 0, false: 1). */
static int run_command(lua_State *L, int argc, char **argv) {
  lua_getglobal(L, "require");
  lua_pushfstring(L, "perilune.%s", argv[1]);
  int status = call(L, 1, 1);
  if (status == LUA_OK) {
    lua_getfield(L, -1, "main");
    lua_remove(L, -2);
    lua_createtable(L, argc - 2, 0);
    for (int i = 2; i < argc; i++) {
      lua_pushstring(L, argv[i]);
      lua_rawseti(L, -2, i - 1);
    }
    status = commands[find_command(argv[1])].arms ? lua_pcall(L, 1, 1, 0) : call(L, 1, 1);
  }
  if (report(L, status) != LUA_OK) return EXIT_FAILURE;
  if (lua_isinteger(L, -1)) return (int)(lua_tointeger(L, -1) & 0xFF);
  return lua_isboolean(L, -1) && !lua_toboolean(L, -1) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- options --- */

/* Reads the options: their flags, and in *first the index of the script (argc when there is none). On
   HAS_ERROR *first is the index of the bad option. */
static int read_options(int argc, char **argv, int *first) {
  int flags = 0;
  int i;
  for (i = 1; i < argc; i++) {
    const char *option = argv[i];
    *first = i;
    if (option[0] != '-' || option[1] == 0) return flags; /* a script, or - */
    if (strcmp(option, "--") == 0) {
      *first = i + 1;
      return flags;
    }
    if (strcmp(option, "--no-color") == 0) {
      flags |= NO_COLOR;
      continue;
    }
    if (strchr("el", option[1]) != NULL) {
      if (option[1] == 'e') flags |= HAS_EXPRESSION;
      if (option[2] == 0 && (++i == argc || argv[i][0] == '-')) return flags | HAS_ERROR;
      continue;
    }
    if (option[2] != 0) return flags | HAS_ERROR;
    switch (option[1]) {
      case 'i': flags |= HAS_INTERACTIVE | HAS_VERSION; break;
      case 'v': flags |= HAS_VERSION; break;
      case 'E': flags |= HAS_NOENV; break;
      case 'W': break;
      default: return flags | HAS_ERROR;
    }
  }
  *first = i;
  return flags;
}

static void complain_about_option(const char *option) {
  if (option[1] == 'e' || option[1] == 'l') {
    fprintf(stderr, "%s: '%s' needs argument\n", program, option);
  } else {
    fprintf(stderr, "%s: unrecognized option '%s'\n", program, option);
  }
  fputs(usage, stderr);
}

/* Runs -e, -l and -W in their order, up to the script. Returns 0 when one failed. */
static int run_options(lua_State *L, char **argv, int end) {
  for (int i = 1; i < end; i++) {
    char option = argv[i][0] == '-' ? argv[i][1] : 0;
    if (option == 'W') {
      lua_warning(L, "@on", 0);
    } else if (option == 'e' || option == 'l') {
      const char *value = argv[i][2] != 0 ? argv[i] + 2 : argv[++i];
      int status = option == 'e' ? run_string(L, value, "=(command line)") : run_require(L, value);
      if (status != LUA_OK) return 0;
    }
  }
  return 1;
}

/* arg[0] is the script (or the program), what follows has positive, what comes before negative indices. */
static void set_arg(lua_State *L, int argc, char **argv, int script) {
  if (script == argc) script = 0;
  lua_createtable(L, argc - script, script + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/* --- the whole --- */

static int run_all(lua_State *L, int argc, char **argv, int flags, int script) {
  if (!(flags & HAS_NOENV) && run_init(L) != LUA_OK) return 0;
  if (!run_options(L, argv, script)) return 0;
  if (script < argc && run_script(L, argv + script) != LUA_OK) return 0;
  if (flags & HAS_INTERACTIVE) return run_prompt(L, flags) == LUA_OK;
  if (script == argc && !(flags & (HAS_EXPRESSION | HAS_VERSION))) {
    if (isatty(STDIN_FILENO)) return run_prompt(L, flags) == LUA_OK;
    return run_file(L, NULL) == LUA_OK;
  }
  return 1;
}

/* Protected: argc, argv -> exit status. */
static int l_main(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  int script = argc;
  int flags = read_options(argc, argv, &script);
  luaL_checkversion(L);
  if (flags & HAS_ERROR) {
    complain_about_option(argv[script]);
    lua_pushinteger(L, EXIT_FAILURE);
    return 1;
  }
  if (flags & NO_COLOR) setenv("NO_COLOR", "1", 1); /* for all who write, here and in children */
  if (flags & HAS_NOENV) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  set_paths(L);
  peri_main_interrupts(L);
  peri_main_open_host(L);
  if (argc > 1 && find_command(argv[1]) >= 0) {
    set_arg(L, argc, argv, 1);
    lua_pushinteger(L, run_command(L, argc, argv));
    return 1;
  }
  if (flags & HAS_VERSION) print_version();
  set_arg(L, argc, argv, script);
  lua_pushinteger(L, run_all(L, argc, argv, flags, script) ? EXIT_SUCCESS : EXIT_FAILURE);
  return 1;
}

int main(int argc, char **argv) {
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
    fputs(usage, stdout);
    return EXIT_SUCCESS;
  }
  if (argc > 1 && strcmp(argv[1], "--version") == 0) {
    print_version();
    return EXIT_SUCCESS;
  }
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    complain("cannot create state: not enough memory");
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, l_main);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int status = lua_pcall(L, 2, 1, 0);
  int result = status == LUA_OK ? (int)lua_tointeger(L, -1) : EXIT_FAILURE;
  report(L, status);
  lua_close(L);
  return result;
}
