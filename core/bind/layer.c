/* layer.c - the layer userdata. The box holds the layer; its user value holds what belongs to Lua: the list of
   a container's children, or the function or object of a layer written in Lua. lua/perilune/nn.lua makes the
   constructors and the methods that people see; this file gives it the parts. */
#include "layers/layer.h"

#include <string.h>

#include "bind/bind.h"
#include "layers/compile.h"
#include "layers/layers.h"

static peri_layer *check_layer(lua_State *L, int index) {
  peri_layer **box = luaL_checkudata(L, index, PERI_LUA_LAYER);
  if (!*box) luaL_argerror(L, index, "the layer has been freed");
  return *box;
}

/* Raises with the layer's place in front: "net.3 Conv2D: ..." or "Dense: ...". */
static int check_layer_status(lua_State *L, const peri_layer *l, int status) {
  if (status >= 0) return status;
  const char *name = l->type->name;
  if (peri_message()[0] == '.') peri_fail_prefix(status, "net");
  else if (strncmp(peri_message(), name, strlen(name)) != 0) peri_fail_prefix(status, "%s: ", name);
  return peri_lua_check(L, status);
}

static void shape_at(lua_State *L, int index, peri_shape *shape) {
  luaL_checktype(L, index, LUA_TTABLE);
  shape->ndim = peri_lua_shape(L, index, shape->at);
  if (shape->ndim >= PERI_MAX_DIMS) peri_lua_error(L, "a shape without the batch axis has at most %d sizes", PERI_MAX_DIMS - 1);
  for (int i = 0; i < shape->ndim; i++) {
    if (shape->at[i] < 1) peri_lua_error(L, "sizes of a shape must be at least 1, got %I", (lua_Integer)shape->at[i]);
  }
}

/* --- making --- */

/* layer(type, {arguments}): a new layer; the names `name` and `trainable` go with every type. */
static int l_layer(lua_State *L) {
  static const char *const also[] = {"name", "trainable", NULL};
  const peri_layer_type *type = peri_layer_type_find(luaL_checkstring(L, 1));
  const char *name = NULL;
  peri_value arg[PERI_MAX_ARGS];
  if (!type) return peri_lua_error(L, "there is no layer '%s'", lua_tostring(L, 1));
  const peri_signature *s = peri_signature_of(type->signature);
  if (!s) return peri_lua_check(L, PERI_ENOMEM);
  bool trainable = true;
  if (lua_istable(L, 2)) {
    if (lua_getfield(L, 2, "name") != LUA_TNIL) name = luaL_checkstring(L, -1);
    if (lua_getfield(L, 2, "trainable") != LUA_TNIL) trainable = lua_toboolean(L, -1);
  }
  if (name && (strchr(name, '/') || !*name)) return peri_lua_error(L, "%s: a layer's name must not be empty or contain '/'", type->name);
  peri_layer **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, PERI_LUA_LAYER);
  int made = lua_gettop(L);
  peri_lua_arguments_table(L, type->name, s, 2, also, arg);
  peri_lua_check(L, peri_layer_new(box, type, arg, name));
  peri_lua_check(L, peri_layer_set_trainable(*box, trainable));
  lua_newtable(L);
  lua_setiuservalue(L, made, 1);
  lua_settop(L, made);
  return 1;
}

static int l_free(lua_State *L) {
  peri_layer **box = luaL_checkudata(L, 1, PERI_LUA_LAYER);
  peri_layer *l = *box;
  *box = NULL;
  peri_layer_release(l);
  return 0;
}

/* attached(): the table that belongs to Lua: children in a container, { object = ... } in a layer written in Lua. */
static int l_attached(lua_State *L) {
  check_layer(L, 1);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* adopt(child): makes child the container's last. */
static int l_adopt(lua_State *L) {
  peri_layer *l = check_layer(L, 1), *child = check_layer(L, 2);
  peri_lua_check(L, peri_layer_add(l, child));
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, luaL_len(L, -2) + 1);
  return 0;
}

/* --- building and running --- */

/* build_c(shape [, dtype]) */
static int l_build(lua_State *L) {
  peri_layer *l = check_layer(L, 1);
  peri_shape in;
  shape_at(L, 2, &in);
  if (!lua_isnoneornil(L, 3)) {
    peri_dtype dtype = PERI_F32;
    peri_lua_check(L, peri_dtype_parse(&dtype, luaL_checkstring(L, 3)));
    if (!peri_dtype_floating(dtype)) return peri_lua_error(L, "build: weights are float32 or float64, not %s", lua_tostring(L, 3));
    if (!l->built) peri_layer_set_dtype(l, dtype);
  }
  check_layer_status(L, l, peri_layer_build(l, &in));
  return 0;
}

/* set_built(in, out): for layers that Lua has built. */
static int l_set_built(lua_State *L) {
  peri_layer *l = check_layer(L, 1);
  shape_at(L, 2, &l->in);
  shape_at(L, 3, &l->out);
  l->built = true;
  return 0;
}

/* forward_c(x, training) */
static int l_forward(lua_State *L) {
  peri_layer *l = check_layer(L, 1);
  peri_tensor *x = peri_lua_tensor(L, 2), **box = peri_lua_new_tensor(L);
  check_layer_status(L, l, peri_layer_forward(l, box, x, lua_toboolean(L, 3)));
  return 1;
}

/* run_c(from, to, x, training): the children from..to one after another, in one call. */
static int l_run(lua_State *L) {
  peri_layer *l = check_layer(L, 1);
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
  luaL_argcheck(L, from >= 1 && from <= to && to <= l->children, 2, "no such layers");
  peri_tensor *x = peri_lua_tensor(L, 4), **box = peri_lua_new_tensor(L);
  check_layer_status(L, l, peri__sequential_run(l, (int)from - 1, (int)to, box, x, lua_toboolean(L, 5)));
  return 1;
}

/* weights_state(): a number that changes whenever a weight is written over. */
static int l_weights_state(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)peri_layer_weights_state(check_layer(L, 1)));
  return 1;
}

/* in_c(): false when this layer, or one inside it, is written in Lua. */
static int l_in_c(lua_State *L) {
  lua_pushboolean(L, peri_layer_in_c(check_layer(L, 1)));
  return 1;
}

/* --- looking --- */

static void push_shape_or_nil(lua_State *L, const peri_layer *l, const peri_shape *shape) {
  if (l->built) peri_lua_push_shape(L, shape->ndim, shape->at);
  else lua_pushnil(L);
}

static void push_argument(lua_State *L, const peri_param *p, const peri_value *v) {
  switch (p->kind) {
  case PERI_K_NUMBER: lua_pushnumber(L, v->number); break;
  case PERI_K_INT: lua_pushinteger(L, v->integer); break;
  case PERI_K_BOOL: lua_pushboolean(L, v->boolean); break;
  case PERI_K_STRING: lua_pushstring(L, v->string); break;
  case PERI_K_CHOICE: lua_pushstring(L, peri_choice_name(p, v->integer)); break;
  default: peri_lua_push_shape(L, v->ints.count, v->ints.at); break;
  }
}

/* config(): the arguments that the layer was made with, defaults filled in, by name. */
static int l_config(lua_State *L) {
  const peri_layer *l = check_layer(L, 1);
  const peri_signature *s = peri_signature_of(l->type->signature);
  lua_createtable(L, 0, s->count);
  for (int k = 0; k < s->count; k++) {
    if (!l->arg[k].given) continue;
    push_argument(L, &s->param[k], &l->arg[k]);
    lua_setfield(L, -2, s->param[k].name);
  }
  return 1;
}

/* own_weights(): this layer's weights, not its children's: a list of { name, tensor, statistic }. */
static int l_own_weights(lua_State *L) {
  const peri_layer *l = check_layer(L, 1);
  lua_createtable(L, l->weights, 0);
  for (int i = 0; i < l->weights; i++) {
    lua_createtable(L, 0, 3);
    peri_tensor **box = peri_lua_new_tensor(L);
    *box = peri_tensor_retain(l->weight[i].tensor);
    lua_setfield(L, -2, "tensor");
    lua_pushstring(L, l->weight[i].name);
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, l->weight[i].statistic);
    lua_setfield(L, -2, "statistic");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* Properties by name; methods are in upvalue 1; a number is a child; a weight's name is the weight. */
static int l_index(lua_State *L) {
  peri_layer *l = check_layer(L, 1);
  if (lua_isinteger(L, 2)) {
    lua_getiuservalue(L, 1, 1);
    lua_Integer at = lua_tointeger(L, 2);
    lua_geti(L, -1, at < 0 ? at + l->children + 1 : at);
    return 1;
  }
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(name, "name") == 0) lua_pushstring(L, l->name);
  else if (strcmp(name, "type") == 0) lua_pushstring(L, l->type->name);
  else if (strcmp(name, "trainable") == 0) lua_pushboolean(L, l->trainable);
  else if (strcmp(name, "built") == 0) lua_pushboolean(L, l->built);
  else if (strcmp(name, "dtype") == 0) lua_pushstring(L, peri_dtype_name(l->dtype));
  else if (strcmp(name, "input_shape") == 0) push_shape_or_nil(L, l, &l->in);
  else if (strcmp(name, "output_shape") == 0) push_shape_or_nil(L, l, &l->out);
  else {
    for (int i = 0; i < l->weights; i++) {
      if (strcmp(name, l->weight[i].name) != 0) continue;
      peri_tensor **box = peri_lua_new_tensor(L);
      *box = peri_tensor_retain(l->weight[i].tensor);
      return 1;
    }
    lua_getiuservalue(L, 1, 1); /* fields that Lua code has set: net.classes */
    lua_getfield(L, -1, name);
  }
  return 1;
}

static int l_newindex(lua_State *L) {
  peri_layer *l = check_layer(L, 1);
  const char *name = luaL_checkstring(L, 2);
  if (strcmp(name, "trainable") == 0) {
    peri_lua_check(L, peri_layer_set_trainable(l, lua_toboolean(L, 3)));
  } else if (strcmp(name, "name") == 0 || strcmp(name, "type") == 0 || strcmp(name, "built") == 0) {
    return peri_lua_error(L, "'%s' of a layer cannot be changed", name);
  } else {
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, name);
  }
  return 0;
}

static int l_len(lua_State *L) {
  lua_pushinteger(L, check_layer(L, 1)->children);
  return 1;
}

/* layer_types(): a list of { name, signature, doc, example, keras }. */
static int l_layer_types(lua_State *L) {
  lua_createtable(L, peri_layer_type_count, 0);
  for (int i = 0; i < peri_layer_type_count; i++) {
    const peri_layer_type *type = peri_layer_types[i];
    const char *const field[] = {"name", type->name, "signature", type->signature, "doc", type->doc, "example", type->example,
                                 "keras", type->keras};
    lua_createtable(L, 0, 5);
    for (size_t k = 0; k < sizeof field / sizeof field[0]; k += 2) {
      if (!field[k + 1]) continue;
      lua_pushstring(L, field[k + 1]);
      lua_setfield(L, -2, field[k]);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* initialise(t, name): fills a tensor as a layer's initialiser would. */
static int l_initialise(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1);
  if (!peri_dtype_floating(t->dtype) || !peri_tensor_contiguous(t)) return peri_lua_error(L, "initialise: wants a dense float32 or float64 tensor");
  peri_lua_check(L, peri_initialise(t, luaL_checkstring(L, 2)));
  peri_tensor_touch(t);
  lua_settop(L, 1);
  return 1;
}

/* origin(t, op): the input of the op `op` when that is what made t, else nil. */
static int l_origin(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1), **box = peri_lua_new_tensor(L);
  if (!peri_tensor_origin(t, luaL_checkstring(L, 2), box)) lua_pushnil(L);
  return 1;
}

static const luaL_Reg methods[] = {{"attached", l_attached}, {"adopt", l_adopt},       {"build_c", l_build},
                                   {"set_built", l_set_built}, {"forward_c", l_forward}, {"run_c", l_run},
                                   {"in_c", l_in_c},         {"config", l_config},     {"own_weights", l_own_weights},
                                   {"free", l_free},         {"weights_state", l_weights_state}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", l_free}, {"__close", l_free}, {"__newindex", l_newindex}, {"__len", l_len}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"layer", l_layer}, {"layer_types", l_layer_types}, {"initialise", l_initialise},
                                     {"origin", l_origin}, {NULL, NULL}};

/* Adds core.layer_methods and core.layer_metatable, which nn.lua completes. */
void peri_lua_open_layer(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, PERI_LUA_LAYER);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "layer_methods");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__methods");
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "__index");
  lua_setfield(L, -2, "layer_metatable");
}
