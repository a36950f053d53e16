/* optim.c - the optimiser userdata. The box holds the optimiser; its user value is a table for what belongs to
   Lua: the learning rate's driver. lua/perilune/optim.lua makes the constructors and completes the methods; this
   file gives it the parts. */
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "bind/bind.h"
#include "grad/profile.h"
#include "optim/optimiser.h"

static peri_optimiser *check_optimiser(lua_State *L, int index) {
  peri_optimiser **box = luaL_checkudata(L, index, PERI_LUA_OPTIMIZER);
  if (!*box) luaL_argerror(L, index, "the optimizer has been freed");
  return *box;
}

static double number_of(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  double value = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

static bool flag_of(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* optimizer(rule, options): a new optimiser without weights; options have the names of peri_optimiser_options,
   and what is not given is 0. */
static int l_optimizer(lua_State *L) {
  peri_optimiser_options p = {.rule = PERI_RULE_SGD};
  peri_lua_check(L, peri_rule_parse(&p.rule, luaL_checkstring(L, 1)));
  luaL_checktype(L, 2, LUA_TTABLE);
  p.momentum = number_of(L, 2, "momentum");
  p.beta1 = number_of(L, 2, "beta1");
  p.beta2 = number_of(L, 2, "beta2");
  p.epsilon = number_of(L, 2, "epsilon");
  p.initial = number_of(L, 2, "initial");
  p.weight_decay = number_of(L, 2, "weight_decay");
  p.decoupled_decay = number_of(L, 2, "decoupled_decay");
  p.clip_value = number_of(L, 2, "clip_value");
  p.clip_norm = number_of(L, 2, "clip_norm");
  p.global_clip_norm = number_of(L, 2, "global_clip_norm");
  p.averages = lua_getfield(L, 2, "ema") != LUA_TNIL;
  p.ema = luaL_optnumber(L, -1, 0);
  p.nesterov = flag_of(L, 2, "nesterov");
  p.centered = flag_of(L, 2, "centered");
  p.amsgrad = flag_of(L, 2, "amsgrad");
  peri_optimiser **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, PERI_LUA_OPTIMIZER);
  peri_lua_check(L, peri_optimiser_new(box, &p));
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static int l_free(lua_State *L) {
  peri_optimiser **box = luaL_checkudata(L, 1, PERI_LUA_OPTIMIZER);
  peri_optimiser *o = *box;
  *box = NULL;
  peri_optimiser_release(o);
  return 0;
}

/* attached(): the table that belongs to Lua. */
static int l_attached(lua_State *L) {
  check_optimiser(L, 1);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* The tensor at place i of the list at `index`, borrowed from the list; raises on what cannot be trained. */
static peri_tensor *tensor_in_list(lua_State *L, int index, lua_Integer i) {
  lua_geti(L, index, i);
  peri_tensor *t = peri_lua_test_tensor(L, -1);
  if (!t) peri_lua_error(L, "item %I of the list wants a tensor, got %s", i, luaL_typename(L, -1));
  lua_pop(L, 1);
  if (!peri_tensor_is_leaf(t)) {
    peri_lua_error(L, "item %I of the list, %s, is the result of an op: an optimizer changes leaves, such as net:parameters()",
               i, peri_tensor_text(t));
  }
  if (peri_optimiser_accepts(t) < 0) peri_lua_error(L, "item %I of the list: %s", i, peri_message());
  return t;
}

/* known(list): how many of the list's tensors are this optimiser's. */
static int l_known(lua_State *L) {
  const peri_optimiser *o = check_optimiser(L, 1);
  lua_Integer known = 0, count = luaL_len(L, 2);
  for (lua_Integer i = 1; i <= count; i++) known += peri_optimiser_has(o, tensor_in_list(L, 2, i));
  lua_pushinteger(L, known);
  return 1;
}

/* add(list): takes the list's tensors; all or, with an error, none. */
static int l_add(lua_State *L) {
  peri_optimiser *o = check_optimiser(L, 1);
  lua_Integer count = luaL_len(L, 2);
  for (lua_Integer i = 1; i <= count; i++) tensor_in_list(L, 2, i);
  for (lua_Integer i = 1; i <= count; i++) peri_lua_check(L, peri_optimiser_add(o, tensor_in_list(L, 2, i)));
  return 0;
}

/* step_c(rate) -> the number of tensors stepped */
static int l_step(lua_State *L) {
  peri_optimiser *o = check_optimiser(L, 1);
  double rate = luaL_checknumber(L, 2);
  peri_watch watch = peri_watch_start();
  int stepped = peri_optimiser_step(o, rate, peri_tensor_grad);
  peri_watch_stop(&watch, "optimizer:step", 0, 0, NULL);
  if (stepped < 0) peri_fail_prefix(stepped, "optimizer:step: ");
  lua_pushinteger(L, peri_lua_check(L, stepped));
  return 1;
}

/* minimize_c(loss, rate) -> the number of tensors stepped: backward and step as one, or one after the other where the
   options do not allow it. From the first change of a weight on an interruption waits for the last. */
static int l_minimize(lua_State *L) {
  peri_optimiser *o = check_optimiser(L, 1);
  peri_tensor *loss = peri_lua_tensor(L, 2);
  double rate = luaL_checknumber(L, 3);
  bool able = peri_optimiser_stream_able(o);
  int held = peri_interrupt_hold(able), status = able ? peri_optimiser_stream_begin(o, rate) : PERI_OK;
  for (int64_t i = 0; able && status >= 0 && i < peri_optimiser_count(o); i++) {
    peri_sink sink = {peri_optimiser_stream_take, peri_optimiser_stream_end, peri_optimiser_stream_part(o, i)};
    peri_tensor_set_sink(peri_optimiser_weight(o, i), &sink);
  }
  if (status >= 0) status = peri_backward(loss, NULL, false);
  for (int64_t i = 0; i < peri_optimiser_count(o); i++) peri_tensor_set_sink(peri_optimiser_weight(o, i), NULL);
  if (status >= 0) {
    peri_watch watch = peri_watch_start();
    status = peri_optimiser_step(o, rate, peri_tensor_grad);
    peri_watch_stop(&watch, "optimizer:step", 0, 0, NULL);
    if (status < 0) peri_fail_prefix(status, "optimizer:minimize: ");
  }
  peri_interrupt_hold(held);
  lua_pushinteger(L, peri_lua_check(L, status));
  return 1;
}

/* zero_grad(): clears every gradient. */
static int l_zero_grad(lua_State *L) {
  peri_optimiser *o = check_optimiser(L, 1);
  for (int64_t i = 0; i < peri_optimiser_count(o); i++) {
    peri_tensor *weight = peri_optimiser_weight(o, i);
    if (peri_tensor_grad(weight)) peri_lua_check(L, peri_tensor_set_grad(weight, NULL));
  }
  return 0;
}

/* swap_ema(): exchanges the weights and their averages. */
static int l_swap(lua_State *L) {
  int status = peri_optimiser_swap(check_optimiser(L, 1));
  if (status < 0) peri_fail_prefix(status, "optimizer:swap_ema: ");
  peri_lua_check(L, status);
  return 0;
}

static int l_swapped(lua_State *L) {
  lua_pushboolean(L, peri_optimiser_swapped(check_optimiser(L, 1)));
  return 1;
}

/* weights(): the list of its tensors. */
static int l_weights(lua_State *L) {
  const peri_optimiser *o = check_optimiser(L, 1);
  lua_createtable(L, (int)peri_optimiser_count(o), 0);
  for (int64_t i = 0; i < peri_optimiser_count(o); i++) {
    peri_tensor **box = peri_lua_new_tensor(L);
    *box = peri_tensor_retain(peri_optimiser_weight(o, i));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* state_c() -> { ["1/m"] = copy, ... }, the list of steps made */
static int l_state(lua_State *L) {
  const peri_optimiser *o = check_optimiser(L, 1);
  lua_newtable(L);
  lua_createtable(L, (int)peri_optimiser_count(o), 0);
  for (int64_t i = 0; i < peri_optimiser_count(o); i++) {
    lua_pushinteger(L, peri_optimiser_steps(o, i));
    lua_rawseti(L, -2, i + 1);
    for (int k = 0; k < PERI_OPTIMISER_SLOTS; k++) {
      const peri_tensor *slot = peri_optimiser_slot(o, i, k);
      if (!slot || peri_optimiser_steps(o, i) == 0) continue;
      lua_pushfstring(L, "%I/%s", (lua_Integer)i + 1, peri_optimiser_slot_name(o, k));
      peri_tensor **box = peri_lua_new_tensor(L);
      peri_lua_check(L, peri_tensor_clone(box, slot));
      lua_rawset(L, -4);
    }
  }
  return 2;
}

/* The place of a state's tensor from its name, "3/m"; raises on any other. */
static int64_t place_of(lua_State *L, const peri_optimiser *o, const char *name) {
  char *rest;
  long long i = strtoll(name, &rest, 10);
  if (rest != name && *rest == '/' && i >= 1 && i <= peri_optimiser_count(o)) {
    for (int k = 0; k < PERI_OPTIMISER_SLOTS; k++) {
      const char *slot = peri_optimiser_slot_name(o, k);
      if (slot && strcmp(slot, rest + 1) == 0) return (i - 1) * PERI_OPTIMISER_SLOTS + k;
    }
  }
  return peri_lua_error(L, "optimizer:restore: this optimizer, of %I tensors, has no place for the state's '%s'",
                    (lua_Integer)peri_optimiser_count(o), name);
}

/* restore_c(tensors, steps, swapped): the reverse of state_c; nothing has changed when it raises. */
static int l_restore(lua_State *L) {
  peri_optimiser *o = check_optimiser(L, 1);
  int64_t count = peri_optimiser_count(o);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  if (luaL_len(L, 3) != count) {
    return peri_lua_error(L, "optimizer:restore: the state is of %I tensors, this optimizer has %I", luaL_len(L, 3), (lua_Integer)count);
  }
  bool swapped = lua_toboolean(L, 4);
  size_t slots = (size_t)count * PERI_OPTIMISER_SLOTS;
  peri_tensor **slot = lua_newuserdatauv(L, slots * sizeof *slot + 1, 0);
  int64_t *steps = lua_newuserdatauv(L, (size_t)count * sizeof *steps + 1, 0);
  for (size_t k = 0; k < slots; k++) slot[k] = NULL;
  for (int64_t i = 0; i < count; i++) {
    int exact;
    lua_geti(L, 3, i + 1);
    steps[i] = lua_tointegerx(L, -1, &exact);
    if (!exact || steps[i] < 0) return peri_lua_error(L, "optimizer:restore: the steps of tensor %I are %s", (lua_Integer)i + 1, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) return peri_lua_error(L, "optimizer:restore: the state's tensors are named by strings");
    int64_t place = place_of(L, o, lua_tostring(L, -2));
    slot[place] = peri_lua_test_tensor(L, -1);
    if (!slot[place]) return peri_lua_error(L, "optimizer:restore: '%s' wants a tensor, got %s", lua_tostring(L, -2), luaL_typename(L, -1));
  }
  int status = peri_optimiser_restore(o, slot, steps, swapped);
  if (status < 0) peri_fail_prefix(status, "optimizer:restore: ");
  peri_lua_check(L, status);
  return 0;
}

static int l_len(lua_State *L) {
  lua_pushinteger(L, peri_optimiser_count(check_optimiser(L, 1)));
  return 1;
}

static const luaL_Reg methods[] = {{"attached", l_attached}, {"known", l_known},      {"add", l_add},
                                   {"step_c", l_step},       {"minimize_c", l_minimize},
                                      {"zero_grad", l_zero_grad}, {"swap_ema", l_swap},
                                   {"swapped", l_swapped},   {"weights", l_weights},  {"state_c", l_state},
                                   {"restore_c", l_restore}, {"free", l_free},        {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", l_free}, {"__close", l_free}, {"__len", l_len}, {NULL, NULL}};

/* Adds core.optimizer, core.optimizer_methods and core.optimizer_metatable, which optim.lua completes. */
void peri_lua_open_optim(lua_State *L) {
  lua_pushcfunction(L, l_optimizer);
  lua_setfield(L, -2, "optimizer");
  luaL_newmetatable(L, PERI_LUA_OPTIMIZER);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "optimizer_methods");
  lua_setfield(L, -2, "__methods");
  lua_setfield(L, -2, "optimizer_metatable");
}
