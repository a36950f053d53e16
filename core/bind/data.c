/* data.c - data sets' core: reading IDX and CSV, orders, and rows gathered into batches. The face is
   lua/perilune/data.lua. */
#include "data/data.h"

#include <string.h>

#include "bind/bind.h"

enum { CHANNELS_MOST = 64 };

/* idx_read(path) -> tensor */
static int l_idx_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  peri_lua_check(L, peri_idx_read(peri_lua_new_tensor(L), path));
  return 1;
}

/* idx_write(path, tensor) */
static int l_idx_write(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a path must not hold a NUL character");
  peri_lua_check(L, peri_idx_write(path, peri_lua_tensor(L, 2)));
  return 0;
}

/* csv_read(path [, { header = true|false, label = column|name|false, separator = "," }]) -> x, y or nil.
   What is not said is looked for (data.h). */
static int l_csv_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  peri_csv_options o = {.header = PERI_CSV_AUTO, .label = PERI_CSV_AUTO, .separator = ','};
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    if (lua_getfield(L, 2, "header") != LUA_TNIL) o.header = lua_toboolean(L, -1);
    switch (lua_getfield(L, 2, "label")) { /* what a name points at stays on the stack */
    case LUA_TNIL: break;
    case LUA_TBOOLEAN: o.label = lua_toboolean(L, -1) ? PERI_CSV_AUTO : 0; break;
    case LUA_TNUMBER:
      o.label = luaL_checkinteger(L, -1);
      luaL_argcheck(L, o.label >= 1, 2, "csv: label is a column, counted from 1, or a name");
      break;
    default: o.label_name = luaL_checkstring(L, -1);
    }
    if (lua_getfield(L, 2, "separator") != LUA_TNIL) {
      size_t length;
      const char *text = luaL_checklstring(L, -1, &length);
      luaL_argcheck(L, length == 1, 2, "csv: separator is one character");
      o.separator = *text;
    }
  }
  peri_tensor **x = peri_lua_new_tensor(L), **y = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_csv_read(x, y, path, &o));
  if (*y) return 2;
  lua_pop(L, 1);
  return 1;
}

/* permutation(seed, epoch, n) -> int64 (n): a random order of 1..n, the same for the same arguments. */
static int l_permutation(lua_State *L) {
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 1), epoch = (uint64_t)luaL_checkinteger(L, 2);
  int64_t n = luaL_checkinteger(L, 3);
  peri_lua_check(L, peri_batch_order(peri_lua_new_tensor(L), seed, epoch, n));
  return 1;
}

static peri_tensor *optional_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : peri_lua_tensor(L, index);
}

/* A number, or a list of one for each channel; returns how many. */
static int numbers_at(lua_State *L, int index, double fallback, double list[CHANNELS_MOST]) {
  list[0] = fallback;
  if (lua_isnoneornil(L, index)) return 1;
  if (lua_type(L, index) != LUA_TTABLE) {
    list[0] = luaL_checknumber(L, index);
    return 1;
  }
  lua_Integer count = luaL_len(L, index);
  luaL_argcheck(L, count >= 1 && count <= CHANNELS_MOST, index, "wants a number or a list of 1 to 64 numbers");
  for (lua_Integer i = 0; i < count; i++) {
    int is_number;
    lua_geti(L, index, i + 1);
    list[i] = lua_tonumberx(L, -1, &is_number);
    luaL_argcheck(L, is_number, index, "wants a number or a list of numbers");
    lua_pop(L, 1);
  }
  return (int)count;
}

/* gather_rows(source, order or nil, first, count [, scale [, shift]]) -> float32: rows order[first ...], each
   value v as v * scale + shift; scale and shift are numbers, or lists of one for each channel (last axis). */
static int l_gather_rows(lua_State *L) {
  double scale[CHANNELS_MOST], shift[CHANNELS_MOST];
  peri_tensor *source = peri_lua_tensor(L, 1), *order = optional_tensor(L, 2);
  int64_t first = luaL_checkinteger(L, 3), count = luaL_checkinteger(L, 4);
  int scales = numbers_at(L, 5, 1, scale), shifts = numbers_at(L, 6, 0, shift);
  int channels = scales > shifts ? scales : shifts;
  luaL_argcheck(L, (scales == 1 || scales == channels) && (shifts == 1 || shifts == channels), 6,
                "gather_rows: scale and shift have different lengths");
  for (int c = 1; c < channels; c++) {
    if (scales == 1) scale[c] = scale[0];
    if (shifts == 1) shift[c] = shift[0];
  }
  peri_lua_check(L, peri_batch_gather(peri_lua_new_tensor(L), source, order, first, count, channels, scale, shift));
  return 1;
}

/* take_rows(source, order or nil, first, count) -> the rows as they are */
static int l_take_rows(lua_State *L) {
  peri_tensor *source = peri_lua_tensor(L, 1), *order = optional_tensor(L, 2);
  int64_t first = luaL_checkinteger(L, 3), count = luaL_checkinteger(L, 4);
  peri_lua_check(L, peri_batch_take(peri_lua_new_tensor(L), source, order, first, count));
  return 1;
}

/* onehot_rows(labels, classes) -> float32 (n, classes) */
static int l_onehot_rows(lua_State *L) {
  peri_tensor *labels = peri_lua_tensor(L, 1);
  int64_t classes = luaL_checkinteger(L, 2);
  peri_lua_check(L, peri_batch_onehot(peri_lua_new_tensor(L), labels, classes));
  return 1;
}

static void push_numbers(lua_State *L, int64_t count, const double *list) {
  lua_createtable(L, (int)count, 0);
  for (int64_t i = 0; i < count; i++) {
    lua_pushnumber(L, list[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* row_moments(source, order or nil, each) -> list of means, list of standard deviations */
static int l_row_moments(lua_State *L) {
  double mean[CHANNELS_MOST], deviation[CHANNELS_MOST];
  peri_tensor *source = peri_lua_tensor(L, 1), *order = optional_tensor(L, 2);
  lua_Integer each = luaL_optinteger(L, 3, 1);
  luaL_argcheck(L, each >= 1 && each <= CHANNELS_MOST, 3, "wants 1 to 64 channels");
  peri_lua_check(L, peri_batch_moments(source, order, each, mean, deviation));
  push_numbers(L, each, mean);
  push_numbers(L, each, deviation);
  return 2;
}

static const luaL_Reg functions[] = {{"idx_read", l_idx_read},       {"csv_read", l_csv_read},
                                     {"idx_write", l_idx_write},
                                     {"permutation", l_permutation}, {"gather_rows", l_gather_rows},
                                     {"take_rows", l_take_rows},     {"onehot_rows", l_onehot_rows},
                                     {"row_moments", l_row_moments}, {NULL, NULL}};

void peri_lua_open_data(lua_State *L) { luaL_setfuncs(L, functions, 0); }
