/* bind.h - what the binding's files share. Only core/bind includes lua.h.

   Every object is a userdata that holds one pointer. The box is made first, with its metatable, and
   the resource is put into it afterwards, so that an error between the two leaks nothing:

     peri_tensor **box = peri_lua_new_tensor(L);
     peri_lua_check(L, peri_tensor_zeros(box, PERI_F32, 2, shape));
     return 1;

   C functions here never hold memory of their own across a call that may raise. */
#ifndef PERI_BIND_H
#define PERI_BIND_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "grad/call.h"

#define PERI_LUA_TENSOR "perilune.Tensor"
#define PERI_LUA_LAYER "perilune.Layer"
#define PERI_LUA_COMPILED "perilune.Compiled"
#define PERI_LUA_OPTIMIZER "perilune.Optimizer"

/* luaL_error, but the position in front is the caller's own line, not one of lua/perilune. */
int peri_lua_error(lua_State *L, const char *format, ...);

/* Raises a Lua error with peri_message() when status is negative, with the caller's position; clears
   the interrupt flag when that was the reason. Returns status. */
int peri_lua_check(lua_State *L, int status);

/* Raises what is wrong with an argument, with printf's formats, as peri_fail(PERI_EARG, ...) would say it; the optional
   modules have it (module_bridge.c). */
void peri_lua_fail(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- tensors (tensor.c) --- */
peri_tensor **peri_lua_new_tensor(lua_State *L);            /* pushes an empty box */
peri_tensor *peri_lua_tensor(lua_State *L, int index);      /* borrowed; raises on anything else, and on a freed handle */
peri_tensor *peri_lua_test_tensor(lua_State *L, int index); /* NULL when it is no tensor */

/* Calls an op with the values and pushes its results; returns their number. */
int peri_lua_apply(lua_State *L, const peri_op *op, int args, const peri_value *arg);

/* A shape from Lua: a table of sizes at `index`, or integers from `index` to the top. Returns ndim. */
int peri_lua_shape(lua_State *L, int index, int64_t shape[PERI_MAX_DIMS]);
void peri_lua_push_shape(lua_State *L, int ndim, const int64_t *shape);

/* Pushes a sorted list of the keys of the table at `index`, which must be strings, so that the same table
   gives the same file; raises an error that begins with `what` (format.c). */
void peri_lua_push_keys(lua_State *L, int index, const char *what);

/* Runs a full collection when off-heap memory has grown enough since the last (gc.c). Called when a box is made. */
void peri_lua_collect(lua_State *L);

/* --- arguments by a signature (arguments.c) --- */
/* Reads the arguments from `first` to the top, in order or by name from one table; raises an error that
   names `what` and lists the right names. Strings and tensors are borrowed from the Lua stack; lists of
   tensors live in a userdata that is left on the stack. */
void peri_lua_arguments(lua_State *L, const char *what, const peri_signature *s, int first, peri_value *arg);

/* The same from the table at `index` alone: its list part fills the parameters in order, its named part by
   name (layers). Names in `also` (a list that ends in NULL) are left to the caller. */
void peri_lua_arguments_table(lua_State *L, const char *what, const peri_signature *s, int index,
                              const char *const *also, peri_value *arg);

/* --- what each file adds to the module table on top of the stack --- */
void peri_lua_open_tensor(lua_State *L);
void peri_lua_open_construct(lua_State *L);
void peri_lua_open_ops(lua_State *L);
void peri_lua_open_grad(lua_State *L);
void peri_lua_open_data(lua_State *L);
void peri_lua_open_loader(lua_State *L);
void peri_lua_open_format(lua_State *L);
void peri_lua_open_bridge(lua_State *L); /* for optional modules: bridge.h */
void peri_lua_open_layer(lua_State *L);
void peri_lua_open_plan(lua_State *L);
void peri_lua_open_compiled(lua_State *L);
void peri_lua_open_optim(lua_State *L);
void peri_lua_open_arena(lua_State *L);
void peri_lua_open_files(lua_State *L);
void peri_lua_open_terminal(lua_State *L);
void peri_lua_open_raw_terminal(lua_State *L);

/* t[key] and t[key] = value for keys that are no names (index.c). */
int peri_lua_index(lua_State *L);
int peri_lua_newindex(lua_State *L);

#endif
