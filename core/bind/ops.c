/* ops.c - every row of ops.def as a function of the module, a method of tensors, and a description. */
#include "ops/ops.h"

#include "bind/bind.h"
#include "layers/layer.h"

int peri_lua_apply(lua_State *L, const peri_op *op, int args, const peri_value *arg) {
  peri_tensor *out[PERI_MAX_OUTS] = {NULL};
  peri_tensor **box[PERI_MAX_OUTS];
  int most = op->outs ? op->outs : 1;
  luaL_checkstack(L, most, op->name);
  for (int i = 0; i < most; i++) box[i] = peri_lua_new_tensor(L);
  int count = peri_lua_check(L, peri_apply(op, args, arg, out));
  for (int i = 0; i < count; i++) *box[i] = out[i];
  lua_pop(L, most - count);
  return count;
}

static int l_op(lua_State *L) {
  const peri_op *op = lua_touserdata(L, lua_upvalueindex(1));
  const peri_signature *s = peri_signature_of(op->signature);
  peri_value arg[PERI_MAX_ARGS];
  if (!s) return peri_lua_check(L, PERI_ENOMEM);
  peri_lua_arguments(L, op->name, s, 1, arg);
  return peri_lua_apply(L, op, s->count, arg);
}

/* Lua's operators; the names of their metamethods are Lua's. */
static const struct {
  const char *metamethod, *op;
} operators[] = {{"__add", "add"}, {"__sub", "sub"},   {"__mul", "mul"}, {"__div", "div"},
                 {"__mod", "mod"}, {"__idiv", "idiv"}, {"__pow", "pow"}};

/* -t: Lua hands the operand over twice. */
static int l_unary_minus(lua_State *L) {
  peri_value arg = PERI_T(peri_lua_tensor(L, 1));
  return peri_lua_apply(L, &peri_op_neg, 1, &arg);
}

static void push_text(lua_State *L, const char *field, const char *text) {
  if (!text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

/* describe(name): what an op or a layer is: { name, kind, signature, doc, example, differentiable }, or nil. */
static int l_describe(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const peri_op *op = peri_op_find(name);
  lua_newtable(L);
  push_text(L, "name", name);
  if (op) {
    push_text(L, "kind", "op");
    push_text(L, "signature", op->signature);
    push_text(L, "doc", op->doc);
    push_text(L, "example", op->example);
    lua_pushboolean(L, op->backward != NULL);
    lua_setfield(L, -2, "differentiable");
    lua_pushboolean(L, (op->flags & PERI_OP_RANDOM) != 0);
    lua_setfield(L, -2, "random");
    return 1;
  }
  const peri_layer_type *layer = peri_layer_type_find(name);
  if (layer) {
    push_text(L, "kind", "layer");
    push_text(L, "signature", layer->signature);
    push_text(L, "doc", layer->doc);
    push_text(L, "example", layer->example);
    push_text(L, "keras", layer->keras);
    return 1;
  }
  lua_pushnil(L);
  return 1;
}

/* ops(): the names of all ops, in order. */
static int l_ops(lua_State *L) {
  lua_createtable(L, peri_op_count, 0);
  for (int i = 0; i < peri_op_count; i++) {
    lua_pushstring(L, peri_ops[i]->name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

void peri_lua_open_ops(lua_State *L) {
  lua_getfield(L, -1, "tensor_methods");
  for (int i = 0; i < peri_op_count; i++) {
    const peri_op *op = peri_ops[i];
    lua_pushlightuserdata(L, (void *)(uintptr_t)op);
    lua_pushcclosure(L, l_op, 1);
    if (!(op->flags & PERI_OP_NO_FUNCTION)) {
      lua_pushvalue(L, -1);
      lua_setfield(L, -4, op->name);
    }
    if (op->flags & PERI_OP_NO_METHOD) lua_pop(L, 1);
    else lua_setfield(L, -2, op->name);
  }
  lua_pop(L, 1);
  luaL_getmetatable(L, PERI_LUA_TENSOR);
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)peri_op_find(operators[i].op));
    lua_pushcclosure(L, l_op, 1);
    lua_setfield(L, -2, operators[i].metamethod);
  }
  lua_pushcfunction(L, l_unary_minus);
  lua_setfield(L, -2, "__unm");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_describe);
  lua_setfield(L, -2, "describe");
  lua_pushcfunction(L, l_ops);
  lua_setfield(L, -2, "ops");
}
