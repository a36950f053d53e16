/* main.h - what the files of the `perilune` command share: interrupts, and the module perilune.host. */
#ifndef PERI_MAIN_H
#define PERI_MAIN_H

#include <lua.h>

/* Takes over SIGINT for this process and puts coroutine.resume and coroutine.wrap that know which
   coroutine runs into L's library. Call once, from the thread that runs Lua. */
void peri_main_interrupts(lua_State *L);

/* lua_pcall during which Ctrl-C raises "interrupted!" in the code that runs. With `may_die`, a second
   Ctrl-C before the first was noticed ends the process as it would end lua5.4; without it, it cannot be
   caught by the code any more. */
int peri_main_pcall(lua_State *L, int arguments, int results, int handler, int may_die);

/* Registers perilune.host (clock, isatty, columns, xpcall, ...) in package.preload. */
void peri_main_open_host(lua_State *L);

#endif
