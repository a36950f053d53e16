/* loader.c - augmentation and the loader of batches. The face is lua/perilune/data/augment.lua and dataset.lua.

   An Augment is a peri_augment by value. A Loader's box holds the loader; it is called for the next batch, and frees
   the loader, its threads included, when it is closed or collected. */
#include "data/loader.h"

#include <string.h>

#include "bind/bind.h"

#define LUA_AUGMENT "perilune.Augment"
#define LUA_LOADER "perilune.Loader"

/* Field `name` of the table at 1: a number, or { low, high }; left alone where it is nil. */
static void range_of(lua_State *L, const char *name, peri_range *r) {
  int kind = lua_getfield(L, 1, name);
  if (kind == LUA_TNUMBER) {
    r->low = r->high = lua_tonumber(L, -1);
  } else if (kind == LUA_TTABLE) {
    lua_geti(L, -1, 1);
    lua_geti(L, -2, 2);
    r->low = luaL_checknumber(L, -2);
    r->high = luaL_checknumber(L, -1);
    lua_pop(L, 2);
  } else if (kind != LUA_TNIL) {
    peri_lua_error(L, "augment: %s wants a number or {low, high}, got a %s", name, luaL_typename(L, -1));
  }
  lua_pop(L, 1);
}

static void number_of(lua_State *L, const char *name, double *value) {
  if (lua_getfield(L, 1, name) != LUA_TNIL) *value = luaL_checknumber(L, -1);
  lua_pop(L, 1);
}

static bool flag_of(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* augmentation(options) -> an Augment; options have peri_augment's names, ranges are numbers or { low, high }. */
static int l_augmentation(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  peri_augment a = peri_augment_none();
  range_of(L, "rotation", &a.rotation);
  range_of(L, "scale", &a.scale);
  range_of(L, "scale_x", &a.scale_x);
  range_of(L, "scale_y", &a.scale_y);
  range_of(L, "shear_x", &a.shear_x);
  range_of(L, "shear_y", &a.shear_y);
  range_of(L, "shift_x", &a.shift_x);
  range_of(L, "shift_y", &a.shift_y);
  range_of(L, "elastic_alpha", &a.elastic_alpha);
  range_of(L, "brightness", &a.brightness);
  range_of(L, "contrast", &a.contrast);
  range_of(L, "erase_area", &a.erase_area);
  range_of(L, "erase_aspect", &a.erase_aspect);
  number_of(L, "probability", &a.probability);
  number_of(L, "flip_horizontal", &a.flip_horizontal);
  number_of(L, "flip_vertical", &a.flip_vertical);
  number_of(L, "elastic_sigma", &a.elastic_sigma);
  number_of(L, "noise", &a.noise);
  number_of(L, "erase", &a.erase);
  number_of(L, "mixup", &a.mixup);
  a.erase_random = flag_of(L, "erase_random");
  peri_lua_check(L, peri_augment_check(&a));
  peri_augment *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = a;
  luaL_setmetatable(L, LUA_AUGMENT);
  return 1;
}

/* A list for channels from field `name` of the table at 1; one number stands for all. Returns how many. */
static int64_t channels_of(lua_State *L, const char *name, double fallback, double list[PERI_AUGMENT_CHANNELS]) {
  int kind = lua_getfield(L, 1, name);
  int64_t count = kind == LUA_TTABLE ? luaL_len(L, -1) : 1;
  if (count < 1 || count > PERI_AUGMENT_CHANNELS) {
    peri_lua_error(L, "batches: %s has %I numbers, expected one, or one for each of 1 to 64 channels", name,
                   (lua_Integer)count);
  }
  list[0] = kind == LUA_TNIL || kind == LUA_TTABLE ? fallback : luaL_checknumber(L, -1);
  for (int64_t i = 0; kind == LUA_TTABLE && i < count; i++) {
    lua_geti(L, -1, i + 1);
    list[i] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return count;
}

static void values_of(lua_State *L, peri_augment_values *v) {
  struct {
    const char *name;
    double fallback, *list;
    int64_t count;
  } lists[] = {{"scale", 1, v->scale, 0}, {"shift", 0, v->shift, 0}, {"fill", 0, v->fill, 0}, {"unit", 1, v->unit, 0},
               {"origin", 0, v->origin, 0}};
  enum { LISTS = sizeof lists / sizeof *lists };
  v->channels = 1;
  for (int i = 0; i < LISTS; i++) {
    lists[i].count = channels_of(L, lists[i].name, lists[i].fallback, lists[i].list);
    if (lists[i].count > v->channels) v->channels = lists[i].count;
  }
  for (int i = 0; i < LISTS; i++) {
    if (lists[i].count != 1 && lists[i].count != v->channels) {
      peri_lua_error(L, "batches: %s has %I numbers, and there are %I channels", lists[i].name,
                     (lua_Integer)lists[i].count, (lua_Integer)v->channels);
    }
    for (int64_t c = lists[i].count; c < v->channels; c++) lists[i].list[c] = lists[i].list[0];
  }
}

/* The tensor in field `name` of the table at 1, which keeps it alive meanwhile; NULL where there is none. */
static peri_tensor *tensor_of(lua_State *L, const char *name) {
  peri_tensor *t = lua_getfield(L, 1, name) == LUA_TNIL ? NULL : peri_lua_tensor(L, -1);
  lua_pop(L, 1);
  return t;
}

static lua_Integer integer_of(lua_State *L, const char *name, lua_Integer fallback) {
  lua_getfield(L, 1, name);
  lua_Integer value = luaL_optinteger(L, -1, fallback);
  lua_pop(L, 1);
  return value;
}

static int clamp_int(lua_Integer value) { return value < -2 ? -2 : value > 1 << 20 ? 1 << 20 : (int)value; }

/* loader(recipe) -> a Loader; recipe has peri_recipe's names, `values` lie open in it, augment is an Augment. */
static int l_loader(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  peri_recipe r = {.x = tensor_of(L, "x"), .y = tensor_of(L, "y"), .order = tensor_of(L, "order"),
                   .members = tensor_of(L, "members")};
  luaL_argcheck(L, r.x != NULL, 1, "loader: x is missing");
  r.keep = flag_of(L, "keep");
  values_of(L, &r.values);
  if (lua_getfield(L, 1, "augment") != LUA_TNIL) r.augment = luaL_checkudata(L, -1, LUA_AUGMENT);
  r.seed = (uint64_t)integer_of(L, "seed", 0);
  r.epoch = (uint64_t)integer_of(L, "epoch", 0);
  r.classes = integer_of(L, "classes", 0);
  r.size = integer_of(L, "size", 1);
  r.drop_last = flag_of(L, "drop_last");
  r.ahead = clamp_int(integer_of(L, "ahead", PERI_LOADER_AUTO));
  r.workers = clamp_int(integer_of(L, "workers", 1));
  peri_loader **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, LUA_LOADER);
  peri_lua_check(L, peri_loader_new(box, &r));
  return 1;
}

/* loader() -> x, y; nil after the last batch, or when it has been closed */
static int l_next(lua_State *L) {
  peri_loader **box = luaL_checkudata(L, 1, LUA_LOADER);
  peri_tensor **x = peri_lua_new_tensor(L), **y = peri_lua_new_tensor(L);
  if (!*box || peri_lua_check(L, peri_loader_next(*box, x, y)) == 0) {
    lua_pushnil(L);
    return 1;
  }
  if (*y) return 2;
  lua_pop(L, 1);
  return 1;
}

static int l_free(lua_State *L) {
  peri_loader **box = luaL_checkudata(L, 1, LUA_LOADER), *l = *box;
  *box = NULL;
  peri_loader_free(l);
  return 0;
}

static int l_tostring(lua_State *L) {
  peri_loader **box = luaL_checkudata(L, 1, LUA_LOADER);
  lua_pushstring(L, *box ? "batches of a data set" : "batches of a data set (closed)");
  return 1;
}

static const luaL_Reg loader_meta[] = {{"__call", l_next},  {"__gc", l_free}, {"__close", l_free},
                                       {"__tostring", l_tostring}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"augmentation", l_augmentation}, {"loader", l_loader}, {NULL, NULL}};

void peri_lua_open_loader(lua_State *L) {
  luaL_newmetatable(L, LUA_AUGMENT);
  lua_pop(L, 1);
  luaL_newmetatable(L, LUA_LOADER);
  luaL_setfuncs(L, loader_meta, 0);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
