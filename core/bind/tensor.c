/* tensor.c - the tensor userdata: its box, properties, metamethods, and methods that are no ops. */
#include <string.h>

#include "base/memory.h"
#include "bind/bind.h"
#include "ops/ops.h"

/* --- the box --- */

peri_tensor **peri_lua_new_tensor(lua_State *L) {
  peri_lua_collect(L);
  peri_tensor **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, PERI_LUA_TENSOR);
  return box;
}

peri_tensor *peri_lua_test_tensor(lua_State *L, int index) {
  peri_tensor **box = luaL_testudata(L, index, PERI_LUA_TENSOR);
  return box ? *box : NULL;
}

peri_tensor *peri_lua_tensor(lua_State *L, int index) {
  peri_tensor **box = luaL_testudata(L, index, PERI_LUA_TENSOR);
  if (!box) {
    lua_Debug call;
    bool known = lua_getstack(L, 0, &call) && lua_getinfo(L, "n", &call) && call.name;
    peri_lua_error(L, "%s: argument %d wants a tensor, got %s", known ? call.name : "call", index, luaL_typename(L, index));
  }
  if (!*box) peri_lua_error(L, "the tensor has been freed: its <close> block has ended, or t:free() was called");
  return *box;
}

int peri_lua_shape(lua_State *L, int index, int64_t shape[PERI_MAX_DIMS]) {
  bool list = lua_istable(L, index);
  int count = list ? (int)luaL_len(L, index) : lua_gettop(L) - index + 1;
  if (count > PERI_MAX_DIMS) return peri_lua_error(L, "a tensor has at most %d dimensions, not %d", PERI_MAX_DIMS, count);
  for (int i = 0; i < count; i++) {
    int exact;
    if (list) lua_geti(L, index, i + 1);
    else lua_pushvalue(L, index + i);
    shape[i] = lua_tointegerx(L, -1, &exact);
    if (!exact) return peri_lua_error(L, "a shape is a list of integers; element %d is %s", i + 1, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
  }
  return count;
}

void peri_lua_push_shape(lua_State *L, int ndim, const int64_t *shape) {
  lua_createtable(L, ndim, 0);
  for (int i = 0; i < ndim; i++) {
    lua_pushinteger(L, shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* --- life --- */

static int l_tensor_free(lua_State *L) {
  peri_tensor **box = luaL_checkudata(L, 1, PERI_LUA_TENSOR);
  peri_tensor *t = *box;
  *box = NULL;
  peri_tensor_release(t);
  return 0;
}

/* --- properties: t.shape, t.dtype, ... --- */

static int p_shape(lua_State *L, peri_tensor *t) {
  peri_lua_push_shape(L, t->ndim, t->shape);
  return 1;
}
static int p_strides(lua_State *L, peri_tensor *t) {
  peri_lua_push_shape(L, t->ndim, t->strides);
  return 1;
}
static int p_dtype(lua_State *L, peri_tensor *t) {
  lua_pushstring(L, peri_dtype_name(t->dtype));
  return 1;
}
static int p_ndim(lua_State *L, peri_tensor *t) {
  lua_pushinteger(L, t->ndim);
  return 1;
}
static int p_requires_grad(lua_State *L, peri_tensor *t) {
  lua_pushboolean(L, peri_tensor_requires_grad(t));
  return 1;
}
static int p_is_leaf(lua_State *L, peri_tensor *t) {
  lua_pushboolean(L, peri_tensor_is_leaf(t));
  return 1;
}
static int p_grad(lua_State *L, peri_tensor *t) {
  if (!peri_tensor_grad(t)) {
    lua_pushnil(L);
    return 1;
  }
  peri_tensor **box = peri_lua_new_tensor(L);
  *box = peri_tensor_retain(peri_tensor_grad(t));
  return 1;
}
static int p_transposed(lua_State *L, peri_tensor *t) {
  int64_t axes[PERI_MAX_DIMS];
  peri_value arg[2] = {PERI_T(t), {.given = true}};
  for (int i = 0; i < t->ndim; i++) axes[i] = t->ndim - 1 - i;
  arg[1].ints.count = t->ndim;
  memcpy(arg[1].ints.at, axes, sizeof axes);
  return peri_lua_apply(L, &peri_op_permute, 2, arg);
}

static const struct {
  const char *name;
  int (*push)(lua_State *L, peri_tensor *t);
} properties[] = {{"shape", p_shape}, {"dtype", p_dtype},     {"ndim", p_ndim},
                  {"grad", p_grad},   {"strides", p_strides}, {"requires_grad", p_requires_grad},
                  {"T", p_transposed}, {"is_leaf", p_is_leaf}};

/* Names first (methods live in upvalue 1), everything else is an index. */
static int l_tensor_index(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return peri_lua_index(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  const char *name = lua_tostring(L, 2);
  for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
    if (strcmp(properties[i].name, name) == 0) return properties[i].push(L, peri_lua_tensor(L, 1));
  }
  return 1;
}

static int l_tensor_newindex(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return peri_lua_newindex(L);
  peri_tensor *t = peri_lua_tensor(L, 1);
  const char *name = lua_tostring(L, 2);
  if (strcmp(name, "requires_grad") == 0) {
    peri_lua_check(L, peri_tensor_require_grad(t, lua_toboolean(L, 3)));
  } else if (strcmp(name, "grad") == 0) {
    peri_lua_check(L, peri_tensor_set_grad(t, lua_isnil(L, 3) ? NULL : peri_lua_tensor(L, 3)));
  } else {
    return peri_lua_error(L, "a tensor has no field '%s' to assign to; there are 'grad' and 'requires_grad'", name);
  }
  return 0;
}

/* --- values --- */

static void push_number(lua_State *L, const peri_tensor *t, const char *data) {
  switch (t->dtype) {
  case PERI_F32: lua_pushnumber(L, (lua_Number) * (const float *)(const void *)data); break;
  case PERI_F64: lua_pushnumber(L, *(const double *)(const void *)data); break;
  case PERI_I64: lua_pushinteger(L, *(const int64_t *)(const void *)data); break;
  default: lua_pushinteger(L, *(const uint8_t *)data); break;
  }
}

/* item(): the value of a tensor of one element. */
static int l_tensor_item(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1);
  if (peri_tensor_count(t) != 1) return peri_lua_error(L, "item: a %s has no single value", peri_tensor_text(t));
  push_number(L, t, peri_tensor_data(t));
  return 1;
}

static void push_nested(lua_State *L, const peri_tensor *t, int axis, const char *data) {
  if (axis == t->ndim) {
    push_number(L, t, data);
    return;
  }
  luaL_checkstack(L, 3, "tensor nested too deeply");
  int64_t step = t->strides[axis] * (int64_t)peri_dtype_size(t->dtype);
  lua_createtable(L, (int)t->shape[axis], 0);
  for (int64_t i = 0; i < t->shape[axis]; i++) {
    push_nested(L, t, axis + 1, data + i * step);
    lua_rawseti(L, -2, i + 1);
  }
}

/* totable(): nested Lua tables of numbers; a number for a scalar. */
static int l_tensor_totable(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1);
  push_nested(L, t, 0, peri_tensor_data(t));
  return 1;
}

static int l_tensor_len(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1);
  if (t->ndim == 0) return peri_lua_error(L, "a scalar tensor has no length");
  lua_pushinteger(L, t->shape[0]);
  return 1;
}

static int l_tensor_count(lua_State *L) {
  lua_pushinteger(L, peri_tensor_count(peri_lua_tensor(L, 1)));
  return 1;
}

static int l_tensor_contiguous(lua_State *L) {
  lua_pushboolean(L, peri_tensor_contiguous(peri_lua_tensor(L, 1)));
  return 1;
}

static int l_tensor_tostring(lua_State *L) {
  peri_tensor **box = luaL_checkudata(L, 1, PERI_LUA_TENSOR);
  if (!*box) {
    lua_pushliteral(L, "tensor (freed)");
    return 1;
  }
  luaL_Buffer buffer;
  char *text = peri_tensor_print(*box);
  if (!text) return peri_lua_check(L, PERI_ENOMEM);
  size_t length = strlen(text);
  char *space = luaL_buffinitsize(L, &buffer, length); /* may raise: then only this text leaks, at the end of memory */
  memcpy(space, text, length);
  peri_free(text);
  luaL_pushresultsize(&buffer, length);
  return 1;
}

/* equal(u): true when both have the same type, shape and elements. */
static int l_tensor_equal(lua_State *L) {
  peri_tensor *a = peri_lua_tensor(L, 1), *b = peri_lua_tensor(L, 2);
  bool same = a->dtype == b->dtype && peri_tensor_same_shape(a, b);
  if (same) {
    const peri_tensor *both[2] = {a, b};
    peri_walk w;
    peri_lua_check(L, peri_walk_start(&w, "equal", a->ndim, a->shape, 2, both));
    uint8_t chunk[256];
    for (; w.left && same; peri_walk_next(&w)) {
      for (int64_t i = 0; i < w.count && same; i += 256) {
        int64_t n = w.count - i < 256 ? w.count - i : 256;
        peri_kernels_of(a->dtype)->compare(PERI_COMPARE_eq, n, w.data[0] + i * w.stride[0] * (int64_t)w.size[0],
                                           w.stride[0], w.data[1] + i * w.stride[1] * (int64_t)w.size[1], w.stride[1],
                                           chunk);
        same = !memchr(chunk, 0, (size_t)n);
      }
    }
  }
  lua_pushboolean(L, same);
  return 1;
}

/* --- in place --- */

/* A change in place of something that a gradient is wanted for would make the tape lie. */
static peri_tensor *writable(lua_State *L, int index) {
  peri_tensor *t = peri_lua_tensor(L, index);
  if (peri_grad_enabled() && peri_tensor_requires_grad(t)) {
    peri_lua_error(L, "a tensor that requires a gradient cannot be changed in place; do it inside peri.no_grad(...)");
  }
  return t;
}

/* copy_(u): writes the elements of u, broadcast and converted, into this tensor; returns it. */
static int l_tensor_copy(lua_State *L) {
  peri_tensor *t = writable(L, 1);
  peri_lua_check(L, peri_tensor_copy(t, peri_lua_tensor(L, 2)));
  lua_settop(L, 1);
  return 1;
}

/* fill_(value): sets every element; returns this tensor. */
static int l_tensor_fill(lua_State *L) {
  peri_lua_check(L, peri_tensor_fill(writable(L, 1), luaL_checknumber(L, 2)));
  lua_settop(L, 1);
  return 1;
}

static int l_tensor_zero(lua_State *L) {
  peri_lua_check(L, peri_tensor_fill(writable(L, 1), 0));
  lua_settop(L, 1);
  return 1;
}

/* add_(u [, scale]), sub_, mul_, div_: elementwise with u (a tensor or a number), written back into this tensor. */
static int inplace(lua_State *L, const peri_op *op) {
  peri_tensor *t = writable(L, 1);
  peri_value arg[PERI_MAX_ARGS];
  const peri_signature *s = peri_signature_of(op->signature);
  if (!s) return peri_lua_check(L, PERI_ENOMEM);
  lua_settop(L, 2);
  peri_lua_arguments(L, op->name, s, 1, arg);
  if (peri_grad_enabled() && peri_tensor_requires_grad(arg[1].tensor)) {
    return peri_lua_error(L, "%s_: the other tensor requires a gradient, which a change in place cannot record", op->name);
  }
  peri_lua_apply(L, op, 2, arg);
  peri_lua_check(L, peri_tensor_copy(t, peri_lua_tensor(L, -1)));
  lua_settop(L, 1);
  return 1;
}
static int l_tensor_add(lua_State *L) { return inplace(L, &peri_op_add); }
static int l_tensor_sub(lua_State *L) { return inplace(L, &peri_op_sub); }
static int l_tensor_mul(lua_State *L) { return inplace(L, &peri_op_mul); }
static int l_tensor_div(lua_State *L) { return inplace(L, &peri_op_div); }

/* --- comparisons that Lua would turn into one boolean --- */

static int l_tensor_eq(lua_State *L) {
  return peri_lua_error(L, "== gives one boolean in Lua: use a:eq(b) for a mask, a:equal(b) for one answer, "
                       "rawequal(a, b) for the same object");
}
static int l_tensor_lt(lua_State *L) {
  return peri_lua_error(L, "< and > give one boolean in Lua: use a:lt(b) or a:gt(b) for a mask");
}
static int l_tensor_le(lua_State *L) {
  return peri_lua_error(L, "<= and >= give one boolean in Lua: use a:le(b) or a:ge(b) for a mask");
}

static int l_tensor_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

static const luaL_Reg methods[] = {{"item", l_tensor_item},
                                   {"totable", l_tensor_totable},
                                   {"equal", l_tensor_equal},
                                   {"numel", l_tensor_count},
                                   {"is_contiguous", l_tensor_contiguous},
                                   {"copy_", l_tensor_copy},
                                   {"fill_", l_tensor_fill},
                                   {"zero_", l_tensor_zero},
                                   {"add_", l_tensor_add},
                                   {"sub_", l_tensor_sub},
                                   {"mul_", l_tensor_mul},
                                   {"div_", l_tensor_div},
                                   {"free", l_tensor_free},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__gc", l_tensor_free},
                                       {"__close", l_tensor_free},
                                       {"__tostring", l_tensor_tostring},
                                       {"__len", l_tensor_len},
                                       {"__eq", l_tensor_eq},
                                       {"__lt", l_tensor_lt},
                                       {"__le", l_tensor_le},
                                       {"__concat", l_tensor_concat},
                                       {NULL, NULL}};

/* Adds core.tensor_methods, which Lua modules may add methods to. */
void peri_lua_open_tensor(lua_State *L) {
  luaL_newmetatable(L, PERI_LUA_TENSOR);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "tensor_methods");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__methods"); /* for completion */
  lua_pushcclosure(L, l_tensor_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_tensor_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_pop(L, 1);
}
