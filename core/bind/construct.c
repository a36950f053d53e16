/* construct.c - new tensors from Lua: from tables, filled, counted, random.

   Sizes come one by one or in a list, then optionally a type's name or a table of options:
     peri.zeros(2, 3)   peri.zeros({2, 3}, "float64")   peri.zeros(2, 3, {dtype = "int64"})
   Options: dtype (default "float32"), requires_grad (default false). */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bind/bind.h"

typedef struct options {
  peri_dtype dtype;
  bool requires_grad;
} options;

static peri_dtype dtype_at(lua_State *L, int index) {
  peri_dtype dtype = PERI_F32;
  peri_lua_check(L, peri_dtype_parse(&dtype, luaL_checkstring(L, index)));
  return dtype;
}

/* Reads and removes a trailing type name or option table. */
static options take_options(lua_State *L, const char *what, peri_dtype fallback) {
  options o = {.dtype = fallback};
  int top = lua_gettop(L);
  if (top == 0) peri_lua_error(L, "%s: wants sizes or numbers, got nothing", what);
  if (lua_type(L, top) == LUA_TSTRING) {
    o.dtype = dtype_at(L, top);
    lua_settop(L, top - 1);
  } else if (lua_type(L, top) == LUA_TTABLE) {
    lua_pushnil(L);
    bool names = false;
    while (lua_next(L, top)) {
      if (lua_type(L, -2) == LUA_TSTRING) {
        const char *name = lua_tostring(L, -2);
        names = true;
        if (strcmp(name, "dtype") == 0) o.dtype = dtype_at(L, -1);
        else if (strcmp(name, "requires_grad") == 0) o.requires_grad = lua_toboolean(L, -1);
        else peri_lua_error(L, "%s: unknown option '%s'; it takes dtype, requires_grad", what, name);
      }
      lua_pop(L, 1);
    }
    if (names) lua_settop(L, top - 1);
  }
  return o;
}

static int finish(lua_State *L, peri_tensor *t, options o) {
  if (o.requires_grad) peri_lua_check(L, peri_tensor_require_grad(t, true));
  return 1;
}

/* --- filled --- */

static int filled(lua_State *L, const char *what, double value) {
  int64_t shape[PERI_MAX_DIMS];
  options o = take_options(L, what, PERI_F32);
  int ndim = peri_lua_shape(L, 1, shape);
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_full(box, o.dtype, ndim, shape, value));
  return finish(L, *box, o);
}
static int l_zeros(lua_State *L) { return filled(L, "zeros", 0); }
static int l_ones(lua_State *L) { return filled(L, "ones", 1); }

/* full(shape, value [, options]) */
static int l_full(lua_State *L) {
  int64_t shape[PERI_MAX_DIMS];
  options o = take_options(L, "full", PERI_F32);
  luaL_checktype(L, 1, LUA_TTABLE);
  int ndim = peri_lua_shape(L, 1, shape);
  double value = luaL_checknumber(L, 2);
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_full(box, o.dtype, ndim, shape, value));
  return finish(L, *box, o);
}

/* eye(n [, m]): ones on the diagonal. */
static int l_eye(lua_State *L) {
  options o = take_options(L, "eye", PERI_F32);
  lua_Integer n = luaL_checkinteger(L, 1), m = luaL_optinteger(L, 2, n);
  peri_tensor **box = peri_lua_new_tensor(L), *diagonal;
  peri_lua_check(L, peri_tensor_zeros(box, o.dtype, 2, (int64_t[]){n, m}));
  int64_t count = n < m ? n : m, stride = m + 1;
  peri_lua_check(L, peri_tensor_as(&diagonal, *box, 1, &count, &stride, 0));
  int status = peri_tensor_fill(diagonal, 1);
  peri_tensor_release(diagonal);
  peri_lua_check(L, status);
  return finish(L, *box, o);
}

/* --- counted --- */

/* Writes first + i * step; the values are made in double and converted once. */
static int counted(lua_State *L, options o, double first, double step, int64_t count) {
  peri_tensor **box = peri_lua_new_tensor(L), **out = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_new(box, PERI_F64, 1, &count));
  double *data = peri_tensor_data(*box);
  for (int64_t i = 0; i < count; i++) data[i] = first + (double)i * step;
  peri_lua_check(L, peri_tensor_cast(out, *box, o.dtype));
  return finish(L, *out, o);
}

/* arange(stop), arange(start, stop [, step]): from start (default 1) to stop, both included when met, as Lua's for. */
static int l_arange(lua_State *L) {
  options o = take_options(L, "arange", PERI_F32);
  bool one = lua_gettop(L) == 1;
  double start = one ? 1 : luaL_checknumber(L, 1), stop = luaL_checknumber(L, one ? 1 : 2);
  double step = luaL_optnumber(L, 3, 1);
  if (!(step != 0 && isfinite(step) && isfinite(start) && isfinite(stop)))
    peri_lua_error(L, "arange: wants finite numbers and a step that is not 0");
  double count = floor((stop - start) / step * (1 + 1e-15) + 1e-12) + 1;
  luaL_argcheck(L, count < 1e15, 2, "arange: too many numbers");
  return counted(L, o, start, step, count > 0 ? (int64_t)count : 0);
}

/* linspace(start, stop, count): evenly spaced, both ends included. */
static int l_linspace(lua_State *L) {
  options o = take_options(L, "linspace", PERI_F32);
  double start = luaL_checknumber(L, 1), stop = luaL_checknumber(L, 2);
  lua_Integer count = luaL_checkinteger(L, 3);
  luaL_argcheck(L, count >= 0, 3, "linspace: the count must not be negative");
  return counted(L, o, start, count > 1 ? (stop - start) / (double)(count - 1) : 0, count);
}

/* --- random --- */

static int random_filled(lua_State *L, const char *what, bool normal) {
  int64_t shape[PERI_MAX_DIMS];
  options o = take_options(L, what, PERI_F32);
  int ndim = peri_lua_shape(L, 1, shape);
  if (!peri_dtype_floating(o.dtype)) return peri_lua_error(L, "%s: the type must be float32 or float64", what);
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_new(box, o.dtype, ndim, shape));
  int64_t n = peri_tensor_count(*box);
  peri_rng *rng = peri_rng_default();
  void *data = peri_tensor_data(*box);
  if (o.dtype == PERI_F32 && normal) peri_rng_normal_f32(rng, n, data, 0, 1);
  else if (o.dtype == PERI_F32) peri_rng_uniform_f32(rng, n, data, 0, 1);
  else if (normal) peri_rng_normal_f64(rng, n, data, 0, 1);
  else peri_rng_uniform_f64(rng, n, data, 0, 1);
  return finish(L, *box, o);
}
static int l_rand(lua_State *L) { return random_filled(L, "rand", false); }
static int l_randn(lua_State *L) { return random_filled(L, "randn", true); }

/* randint(low, high, shape): int64, uniform, both ends included. */
static int l_randint(lua_State *L) {
  int64_t shape[PERI_MAX_DIMS];
  options o = take_options(L, "randint", PERI_I64);
  lua_Integer low = luaL_checkinteger(L, 1), high = luaL_checkinteger(L, 2);
  luaL_argcheck(L, low <= high, 2, "randint: the range is empty");
  int ndim = peri_lua_shape(L, 3, shape);
  peri_tensor **box = peri_lua_new_tensor(L), **out = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_new(box, PERI_I64, ndim, shape));
  peri_rng_integers(peri_rng_default(), peri_tensor_count(*box), peri_tensor_data(*box), low, high);
  peri_lua_check(L, peri_tensor_cast(out, *box, o.dtype));
  return 1;
}

/* randperm(n): the positions 1 to n in a random order, int64. */
static int l_randperm(lua_State *L) {
  int64_t n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0, 1, "randperm: the count must not be negative");
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_new(box, PERI_I64, 1, &n));
  int64_t *data = peri_tensor_data(*box);
  peri_rng_permutation(peri_rng_default(), n, data);
  for (int64_t i = 0; i < n; i++) data[i]++;
  return 1;
}

/* --- from a table --- */

/* The shape of nested lists, from their first elements. */
static int table_shape(lua_State *L, int index, int64_t shape[PERI_MAX_DIMS]) {
  int ndim = 0;
  luaL_checkstack(L, PERI_MAX_DIMS + 4, "tensor");
  lua_pushvalue(L, index);
  while (lua_istable(L, -1)) {
    if (ndim == PERI_MAX_DIMS) return peri_lua_error(L, "tensor: lists are nested deeper than %d", PERI_MAX_DIMS);
    shape[ndim++] = luaL_len(L, -1);
    lua_geti(L, -1, 1);
  }
  lua_settop(L, index);
  return ndim;
}

static void store(peri_tensor *t, int64_t at, lua_State *L) {
  double value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1);
  void *data = peri_tensor_data(t);
  switch (t->dtype) {
  case PERI_F32: ((float *)data)[at] = (float)value; break;
  case PERI_F64: ((double *)data)[at] = value; break;
  case PERI_I64: ((int64_t *)data)[at] = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : (int64_t)value; break;
  default: ((uint8_t *)data)[at] = (uint8_t)value; break;
  }
}

/* Copies the list on top of the stack into elements from *at on. */
static void fill_from(lua_State *L, peri_tensor *t, int axis, int64_t *at) {
  if (axis == t->ndim) {
    if (lua_type(L, -1) != LUA_TNUMBER && !lua_isboolean(L, -1)) {
      peri_lua_error(L, "tensor: element %I is %s where a number was expected", (lua_Integer)*at + 1, luaL_typename(L, -1));
    }
    double value = lua_tonumber(L, -1);
    bool integer = !peri_dtype_floating(t->dtype);
    if (integer && (value != floor(value) || fabs(value) > 9.2e18 || (t->dtype == PERI_U8 && (value < 0 || value > 255)))) {
      peri_lua_error(L, "tensor: element %I is %f, which %s cannot hold", (lua_Integer)*at + 1, value, peri_dtype_name(t->dtype));
    }
    store(t, (*at)++, L);
    return;
  }
  if (!lua_istable(L, -1) || luaL_len(L, -1) != t->shape[axis]) {
    peri_lua_error(L, "tensor: lists must be rectangular: on level %d one is not a list of %I elements", axis + 1,
               (lua_Integer)t->shape[axis]);
  }
  for (int64_t i = 1; i <= t->shape[axis]; i++) {
    lua_geti(L, -1, i);
    fill_from(L, t, axis + 1, at);
    lua_pop(L, 1);
  }
}

/* tensor(data [, options]): from nested lists of numbers, one number, or another tensor (a copy). */
static int l_tensor(lua_State *L) {
  int64_t shape[PERI_MAX_DIMS], at = 0;
  peri_tensor *from = peri_lua_test_tensor(L, 1);
  options o = {.dtype = from ? from->dtype : PERI_F32};
  if (lua_gettop(L) > 1) o = take_options(L, "tensor", o.dtype);
  lua_settop(L, 1);
  if (!from && !lua_istable(L, 1) && !lua_isnumber(L, 1)) {
    return peri_lua_error(L, "tensor: wants nested lists of numbers, a number or a tensor, got %s", luaL_typename(L, 1));
  }
  int ndim = from ? 0 : table_shape(L, 1, shape);
  peri_tensor **box = peri_lua_new_tensor(L);
  if (from) {
    peri_lua_check(L, peri_tensor_cast(box, from, o.dtype));
  } else {
    peri_lua_check(L, peri_tensor_new(box, o.dtype, ndim, shape));
    luaL_checkstack(L, PERI_MAX_DIMS + 4, "tensor");
    lua_pushvalue(L, 1);
    fill_from(L, *box, 0, &at);
    lua_pop(L, 1);
  }
  return finish(L, *box, o);
}

static const luaL_Reg functions[] = {{"tensor", l_tensor},     {"zeros", l_zeros},       {"ones", l_ones},
                                     {"full", l_full},         {"eye", l_eye},           {"arange", l_arange},
                                     {"linspace", l_linspace}, {"rand", l_rand},         {"randn", l_randn},
                                     {"randint", l_randint},   {"randperm", l_randperm}, {NULL, NULL}};

void peri_lua_open_construct(lua_State *L) { luaL_setfuncs(L, functions, 0); }
