/* index.c - t[key] and t[key] = value.

   A key is a position (1 is the first, -1 the last), a mask (uint8) or positions (int64) over the first
   axis or axes, or a list with one entry an axis: a position (drops the axis), {} (all), {i} (keeps the
   axis), {from, to} or {from, to, step} (both ends included), a mask or a tensor of positions. Reading is
   by ops, so it is differentiable; writing goes into a view. */
#include "bind/bind.h"
#include "ops/ops.h"

/* A position from Lua on an axis of n, as 0-based; raises out of range. */
static int64_t position(lua_State *L, int64_t asked, int64_t n, int axis) {
  int64_t at = asked < 0 ? asked + n : asked - 1;
  if (asked == 0 || at < 0 || at >= n) {
    peri_lua_error(L, "index %I is out of range on axis %d of size %I", (lua_Integer)asked, axis + 1, (lua_Integer)n);
  }
  return at;
}

/* Replaces the tensor on top of the stack by the op's result. */
static peri_tensor *replace(lua_State *L, const peri_op *op, int args, const peri_value *arg) {
  peri_lua_apply(L, op, args, arg);
  lua_remove(L, -2);
  return peri_lua_tensor(L, -1);
}

/* {}, {i}, {from, to [, step]} at `key`: the tensor on top becomes its slice. */
static void slice_axis(lua_State *L, int key, int axis) {
  peri_tensor *t = peri_lua_tensor(L, -1);
  int64_t n = t->shape[axis], bound[3] = {1, -1, 1};
  int count = (int)luaL_len(L, key);
  if (count > 3) peri_lua_error(L, "a range is {from, to, step}, not %d numbers", count);
  for (int i = 0; i < count; i++) {
    int exact;
    lua_geti(L, key, i + 1);
    bound[i] = lua_tointegerx(L, -1, &exact);
    if (!exact) peri_lua_error(L, "a range is {from, to, step} of integers, got %s", luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
  }
  if (count == 0) return;
  if (count == 1) bound[1] = bound[0];
  if (bound[2] == 0) peri_lua_error(L, "the step of a range must not be 0");
  int64_t from = n == 0 && count == 2 ? 0 : position(L, bound[0], n, axis), to = bound[1] < 0 ? bound[1] + n : bound[1] - 1;
  if (to >= n || to < -1) peri_lua_error(L, "index %I is out of range on axis %d of size %I", (lua_Integer)bound[1], axis + 1, (lua_Integer)n);
  int64_t steps = (to - from) / bound[2];
  int64_t length = (to - from) * (bound[2] > 0 ? 1 : -1) < 0 ? 0 : steps + 1;
  peri_value arg[] = {PERI_T(t), PERI_I(axis), PERI_I(from + 1), PERI_I(length), PERI_I(bound[2])};
  replace(L, &peri_op_slice, 5, arg);
}

/* Pushes the positions that a mask over `axis` of t, or a tensor of positions, stands for. */
static peri_tensor *push_positions(lua_State *L, peri_tensor *key, const peri_tensor *t, int axis) {
  bool mask = key->dtype == PERI_U8 && key->ndim == 1 && key->shape[0] == t->shape[axis];
  if (!mask && key->dtype != PERI_I64) {
    peri_lua_error(L, "axis %d is indexed by int64 positions or by a uint8 mask of its size %I, not by a %s", axis + 1,
               (lua_Integer)t->shape[axis], peri_tensor_text(key));
  }
  if (!mask) {
    *peri_lua_new_tensor(L) = peri_tensor_retain(key);
    return key;
  }
  peri_value find = PERI_T(key);
  peri_lua_apply(L, &peri_op_nonzero, 1, &find); /* one row an element; its one column is the positions */
  peri_value column[] = {PERI_T(peri_lua_tensor(L, -1)), PERI_I(1), PERI_I(1)};
  return replace(L, &peri_op_select, 3, column);
}

/* A mask over one axis, or positions: the tensor on top becomes what they pick. */
static void pick_axis(lua_State *L, peri_tensor *key, int axis) {
  peri_tensor *t = peri_lua_tensor(L, -1);
  key = push_positions(L, key, t, axis);
  lua_insert(L, -2);
  peri_value arg[] = {PERI_T(t), PERI_I(axis), PERI_T(key)};
  replace(L, &peri_op_index_select, 3, arg);
  lua_remove(L, -2);
}

static void select_axis(lua_State *L, lua_Integer asked, int axis) {
  peri_tensor *t = peri_lua_tensor(L, -1);
  int64_t at = position(L, asked, t->shape[axis], axis);
  peri_value arg[] = {PERI_T(t), PERI_I(axis), PERI_I(at + 1)};
  replace(L, &peri_op_select, 3, arg);
}

/* In an assignment: the one tensor among a list's keys, and the axis of the view that it is for. */
typedef struct picked_axis {
  int key; /* stack index of the positions, 0 when there are none */
  int axis;
} picked_axis;

/* Applies the list at `keys` to the tensor on top. For an assignment (`place` given) the tensor stays a view, and
   positions go into the stack's slot below it and into `place`. */
static void apply_list(lua_State *L, int keys, picked_axis *place) {
  int count = (int)luaL_len(L, keys), axis = 0;
  peri_tensor *t = peri_lua_tensor(L, -1);
  int keep_slot = lua_gettop(L) - 1; /* where an assignment has left room */
  if (count > t->ndim) peri_lua_error(L, "%d indices for a tensor of %d dimensions", count, t->ndim);
  for (int i = 0; i < count; i++) {
    lua_geti(L, keys, i + 1);
    lua_insert(L, -2); /* key below, tensor on top */
    int key = lua_gettop(L) - 1;
    peri_tensor *picked = peri_lua_test_tensor(L, key);
    if (picked && place) {
      if (place->key) peri_lua_error(L, "assignment takes one mask or one tensor of positions in a list, not two");
      push_positions(L, picked, t, axis);
      lua_replace(L, place->key = keep_slot);
      place->axis = axis++;
    } else if (picked) {
      pick_axis(L, picked, axis);
      axis += peri_lua_tensor(L, -1)->ndim - t->ndim + 1;
    } else if (lua_istable(L, key)) {
      slice_axis(L, key, axis++);
    } else if (lua_isinteger(L, key)) {
      select_axis(L, lua_tointeger(L, key), axis);
    } else {
      peri_lua_error(L, "an index is an integer, a range {from, to, step}, a mask or a tensor of positions, not %s",
                 luaL_typename(L, key));
    }
    t = peri_lua_tensor(L, -1);
    lua_remove(L, key);
  }
}

/* t[i] of a vector is a number, unless someone may want to differentiate it. */
static int element_or_tensor(lua_State *L, peri_tensor *t) {
  if (t->ndim > 0 || (peri_grad_enabled() && peri_tensor_requires_grad(t))) return 1;
  if (t->dtype == PERI_I64) lua_pushinteger(L, *(int64_t *)peri_tensor_data(t));
  else if (t->dtype == PERI_U8) lua_pushinteger(L, *(uint8_t *)peri_tensor_data(t));
  else lua_pushnumber(L, peri_tensor_item(t));
  return 1;
}

int peri_lua_index(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1), *key = peri_lua_test_tensor(L, 2);
  if (lua_isinteger(L, 2)) {
    lua_Integer at = lua_tointeger(L, 2);
    if (t->ndim == 0) return peri_lua_error(L, "a scalar tensor has no elements to index; use t:item()");
    if (at == t->shape[0] + 1) return 0; /* ipairs ends here */
    lua_pushvalue(L, 1);
    select_axis(L, at, 0);
  } else if (key && key->dtype == PERI_U8 && !(key->ndim == 1 && t->ndim > 1)) {
    peri_value arg[] = {PERI_T(t), PERI_T(key)};
    return peri_lua_apply(L, &peri_op_masked_select, 2, arg);
  } else if (key) {
    lua_pushvalue(L, 1);
    pick_axis(L, key, 0);
  } else if (lua_istable(L, 2)) {
    lua_pushvalue(L, 1);
    apply_list(L, 2, NULL);
  } else {
    return peri_lua_error(L, "a tensor is indexed by an integer, a list, a mask or positions, not by %s (%s)",
                      luaL_typename(L, 2), luaL_tolstring(L, 2, NULL));
  }
  return element_or_tensor(L, peri_lua_tensor(L, -1));
}

/* The value at `index` as a tensor of t's type: a tensor itself, or a number boxed on top of the stack. */
static peri_tensor *value_like(lua_State *L, int index, const peri_tensor *t) {
  peri_tensor *value = peri_lua_test_tensor(L, index);
  if (value) return value;
  if (!lua_isnumber(L, index)) {
    peri_lua_error(L, "assignment: wants a number or a tensor, got %s", luaL_typename(L, index));
  }
  double number = lua_tonumber(L, index);
  if (!peri_dtype_floating(t->dtype) && (number != (double)(int64_t)number || (t->dtype == PERI_U8 && (number < 0 || number > 255)))) {
    peri_lua_error(L, "%f cannot be stored in a %s tensor", number, peri_dtype_name(t->dtype));
  }
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_full(box, t->dtype, 0, NULL, number));
  return *box;
}

/* view[..., positions at `axis`, ...] = value: the axis is brought to the front of both, where put writes. */
static int put_axis(peri_tensor *view, int axis, const peri_tensor *positions, const peri_tensor *value) {
  int64_t shape[PERI_MAX_DIMS];
  int order[PERI_MAX_DIMS] = {axis};
  peri_tensor *wide = NULL, *from = NULL, *to = NULL;
  if (positions->ndim != 1) {
    return peri_fail(PERI_ESHAPE, "assignment: positions in a list are a vector, not a %s", peri_tensor_text(positions));
  }
  for (int i = 0, next = 1; i < view->ndim; i++) {
    shape[i] = i == axis ? positions->shape[0] : view->shape[i];
    if (i != axis) order[next++] = i;
  }
  int status = peri_tensor_expand(&wide, value, view->ndim, shape);
  if (status == PERI_ESHAPE) {
    return peri_fail(status, "assignment: a value of shape %s does not fit into shape %s",
                     peri_shape_text(value->ndim, value->shape), peri_shape_text(view->ndim, shape));
  }
  if (status >= 0) status = peri_tensor_permute(&from, wide, order);
  if (status >= 0) status = peri_tensor_permute(&to, view, order);
  if (status >= 0) status = peri_tensor_put(to, positions, from);
  peri_tensor_release(wide);
  peri_tensor_release(from);
  peri_tensor_release(to);
  return status;
}

int peri_lua_newindex(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1), *key = peri_lua_test_tensor(L, 2);
  if (peri_grad_enabled() && peri_tensor_requires_grad(t)) {
    return peri_lua_error(L, "a tensor that requires a gradient cannot be changed in place; do it inside peri.no_grad(...)");
  }
  peri_tensor *value = value_like(L, 3, t);
  if (key) {
    if (key->dtype == PERI_U8) peri_lua_check(L, peri_tensor_put_mask(t, key, value));
    else peri_lua_check(L, peri_tensor_put(t, key, value));
    return 0;
  }
  picked_axis place = {0, 0};
  lua_pushnil(L); /* room for positions found in a list */
  lua_pushvalue(L, 1);
  if (lua_isinteger(L, 2)) select_axis(L, lua_tointeger(L, 2), 0);
  else if (lua_istable(L, 2)) apply_list(L, 2, &place);
  else return peri_lua_error(L, "a tensor is indexed by an integer, a list, a mask or positions, not by %s", luaL_typename(L, 2));
  peri_tensor *view = peri_lua_tensor(L, -1), *fits = NULL;
  if (place.key) {
    peri_lua_check(L, put_axis(view, place.axis, peri_lua_tensor(L, place.key), value));
    return 0;
  }
  int status = peri_tensor_expand(&fits, value, view->ndim, view->shape);
  peri_tensor_release(fits);
  if (status == PERI_ESHAPE) {
    return peri_lua_error(L, "assignment: a value of shape %s does not fit into shape %s",
                      peri_shape_text(value->ndim, value->shape), peri_shape_text(view->ndim, view->shape));
  }
  peri_lua_check(L, status < 0 ? status : peri_tensor_copy(view, value));
  return 0;
}
