/* arguments.c - Lua arguments read by a signature: in order, by name, or both.

   f(x, 2)            in order
   f(x, {axis = 2})   a table with a name in it gives arguments by name, and must be the last
   f{x, axis = 2}     its list part goes on in order: into one parameter when that takes a list
   A first pass finds where on the stack each argument stands; a second converts, when the type of the
   tensors is known that a plain number must take. */
#include <string.h>

#include "bind/bind.h"

typedef struct reading {
  lua_State *L;
  const char *what;
  const peri_signature *s;
  const char *const *also;
  int slot[PERI_MAX_ARGS]; /* stack index of each argument, 0 when absent */
} reading;

static int fail_names(reading *r, const char *format, const char *name) {
  luaL_Buffer b;
  luaL_buffinit(r->L, &b);
  for (int k = 0; k < r->s->count; k++) {
    if (k) luaL_addstring(&b, ", ");
    luaL_addstring(&b, r->s->param[k].name);
  }
  for (int k = 0; r->also && r->also[k]; k++) {
    if (k || r->s->count) luaL_addstring(&b, ", ");
    luaL_addstring(&b, r->also[k]);
  }
  luaL_pushresult(&b);
  const char *names = lua_tostring(r->L, -1);
  lua_pushfstring(r->L, format, name);
  return peri_lua_error(r->L, "%s: %s; it takes %s", r->what, lua_tostring(r->L, -1), names);
}

/* Is `name` this parameter's name or one of its other spellings? */
static bool named(const peri_param *p, const char *name) {
  if (strcmp(p->name, name) == 0) return true;
  size_t length = strlen(name);
  for (const char *at = p->others; *at;) {
    size_t here = strcspn(at, "/");
    if (here == length && strncmp(at, name, length) == 0) return true;
    at += here;
    if (*at) at++;
  }
  return false;
}

static bool left_to_caller(const reading *r, const char *name) {
  for (int k = 0; r->also && r->also[k]; k++) {
    if (strcmp(r->also[k], name) == 0) return true;
  }
  return false;
}

static bool takes_list(peri_kind kind) {
  return kind == PERI_K_TENSORS || kind == PERI_K_SHAPE || kind == PERI_K_INTS || kind == PERI_K_AXES;
}

static bool has_names(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      lua_pop(L, 1);
      return true;
    }
  }
  return false;
}

static void read_named(reading *r, int table) {
  lua_State *L = r->L;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      lua_pop(L, 1);
      continue;
    }
    const char *name = lua_tostring(L, -2);
    int k = 0;
    while (k < r->s->count && !named(&r->s->param[k], name)) k++;
    if (k == r->s->count) {
      if (!left_to_caller(r, name)) fail_names(r, "unknown argument '%s'", name);
      lua_pop(L, 1);
      continue;
    }
    if (r->slot[k]) fail_names(r, "argument '%s' is given twice", name);
    luaL_checkstack(L, 4, r->what);
    r->slot[k] = lua_gettop(L);
    lua_pushvalue(L, -2); /* the value stays below, the key goes on top for lua_next */
  }
}

/* The list part of a table, from parameter k on. */
static void read_list(reading *r, int table, int k) {
  lua_State *L = r->L;
  int count = (int)luaL_len(L, table);
  if (count == 0 || k >= r->s->count) {
    if (count) fail_names(r, "%s", "too many arguments");
    return;
  }
  lua_geti(L, table, 1);
  bool whole = takes_list(r->s->param[k].kind) && !lua_istable(L, -1);
  lua_pop(L, 1);
  if (whole) {
    r->slot[k] = table;
    return;
  }
  for (int i = 0; i < count; i++, k++) {
    if (k >= r->s->count) fail_names(r, "%s", "too many arguments");
    luaL_checkstack(L, 4, r->what);
    lua_geti(L, table, i + 1);
    r->slot[k] = lua_gettop(L);
  }
}

/* The rest of the plain arguments as one list: t:reshape(2, 3), t:permute(2, 1). */
static bool rest_is_list(reading *r, int index, int k, int top) {
  peri_kind kind = r->s->param[k].kind;
  if (!takes_list(kind) || kind == PERI_K_TENSORS || top == index || k != r->s->count - 1) return false;
  if (!lua_isnumber(r->L, index)) return false;
  lua_createtable(r->L, top - index + 1, 0);
  for (int i = index; i <= top; i++) {
    lua_pushvalue(r->L, i);
    lua_rawseti(r->L, -2, i - index + 1);
  }
  r->slot[k] = lua_gettop(r->L);
  return true;
}

static void find_arguments(reading *r, int first) {
  int top = lua_gettop(r->L), k = 0;
  for (int index = first; index <= top; index++, k++) {
    if (index == top && has_names(r->L, index)) {
      read_list(r, index, k);
      read_named(r, index);
      return;
    }
    if (k >= r->s->count) fail_names(r, "%s", "too many arguments");
    if (rest_is_list(r, index, k, top)) return;
    if (!lua_isnil(r->L, index)) r->slot[k] = index;
  }
}

/* --- converting --- */

static int fail_kind(reading *r, const peri_param *p, int index) {
  const char *got = luaL_typename(r->L, index);
  const char *wanted = p->kind == PERI_K_CHOICE ? p->choices : peri_kind_name(p->kind);
  int type = lua_type(r->L, index);
  if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN) { /* the text of a tensor or table says no more */
    return peri_lua_error(r->L, "%s: argument '%s' wants %s, got %s", r->what, p->name, wanted,
                          peri_lua_test_tensor(r->L, index) ? "a tensor" : got);
  }
  return peri_lua_error(r->L, "%s: argument '%s' wants %s, got %s (%s)", r->what, p->name, wanted, got,
                        luaL_tolstring(r->L, index, NULL));
}

static int64_t integer_at(reading *r, const peri_param *p, int index) {
  int exact;
  lua_Integer value = lua_tointegerx(r->L, index, &exact);
  if (!exact || lua_type(r->L, index) != LUA_TNUMBER) fail_kind(r, p, index);
  return value;
}

/* 1-based from the front, negative from the back; 0 names nothing. */
static int64_t axis_at(reading *r, const peri_param *p, int index) {
  int64_t axis = integer_at(r, p, index);
  if (axis == 0) peri_lua_error(r->L, "%s: '%s' counts from 1 (or from -1 at the end), 0 is no axis", r->what, p->name);
  return axis > 0 ? axis - 1 : axis;
}

static void read_ints(reading *r, const peri_param *p, int index, peri_value *v) {
  lua_State *L = r->L;
  bool axes = p->kind == PERI_K_AXES;
  if (!lua_istable(L, index)) {
    v->ints.count = 1;
    v->ints.at[0] = axes ? axis_at(r, p, index) : integer_at(r, p, index);
  } else {
    int64_t count = luaL_len(L, index);
    if (count > PERI_MAX_INTS) peri_lua_error(L, "%s: '%s' takes at most %d numbers", r->what, p->name, PERI_MAX_INTS);
    v->ints.count = (int)count;
    for (int i = 0; i < v->ints.count; i++) {
      lua_geti(L, index, i + 1);
      v->ints.at[i] = axes ? axis_at(r, p, lua_gettop(L)) : integer_at(r, p, lua_gettop(L));
      lua_pop(L, 1);
    }
  }
  if (p->kind == PERI_K_PAIR) {
    if (v->ints.count == 1) v->ints.at[1] = v->ints.at[0];
    else if (v->ints.count != 2) peri_lua_error(L, "%s: '%s' takes one number or two", r->what, p->name);
    v->ints.count = 2;
  }
}

static void read_tensors(reading *r, const peri_param *p, int index, peri_value *v) {
  lua_State *L = r->L;
  if (!lua_istable(L, index)) fail_kind(r, p, index);
  int64_t count = luaL_len(L, index);
  luaL_argcheck(L, count < 1 << 20, index, "too many tensors");
  v->tensors.count = (int)count;
  luaL_checkstack(L, 4, r->what);
  v->tensors.at = lua_newuserdatauv(L, sizeof(peri_tensor *) * (size_t)(count + 1), 0);
  for (int i = 0; i < v->tensors.count; i++) {
    lua_geti(L, index, i + 1);
    v->tensors.at[i] = peri_lua_test_tensor(L, -1);
    if (!v->tensors.at[i]) {
      peri_lua_error(L, "%s: element %d of '%s' is no tensor but %s", r->what, i + 1, p->name, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
}

/* A number where a tensor is wanted takes the type of the other tensors. */
static void read_tensor(reading *r, const peri_param *p, int index, const peri_tensor *model, peri_value *v) {
  lua_State *L = r->L;
  if (lua_type(L, index) == LUA_TUSERDATA) {
    if (!luaL_testudata(L, index, PERI_LUA_TENSOR)) fail_kind(r, p, index);
    v->tensor = peri_lua_tensor(L, index);
    return;
  }
  bool boolean = lua_isboolean(L, index);
  if ((lua_type(L, index) != LUA_TNUMBER && !boolean) || !model) fail_kind(r, p, index);
  double number = boolean ? lua_toboolean(L, index) : lua_tonumber(L, index);
  if (!peri_dtype_floating(model->dtype) && number != (double)(int64_t)number) {
    peri_lua_error(L, "%s: %f is no integer, but the tensor is %s; convert it with :float() first", r->what, number,
               peri_dtype_name(model->dtype));
  }
  if (model->dtype == PERI_U8 && (number < 0 || number > 255)) {
    peri_lua_error(L, "%s: %f does not fit into uint8 (0 to 255); convert the tensor first", r->what, number);
  }
  luaL_checkstack(L, 4, r->what);
  peri_tensor **box = peri_lua_new_tensor(L);
  if (model->dtype == PERI_I64 && lua_isinteger(L, index)) {
    int64_t value = lua_tointeger(L, index);
    peri_lua_check(L, peri_tensor_from(box, PERI_I64, 0, NULL, &value));
  } else {
    peri_lua_check(L, peri_tensor_full(box, model->dtype, 0, NULL, number));
  }
  v->tensor = *box;
}

static void read_choice(reading *r, const peri_param *p, int index, peri_value *v) {
  size_t length;
  const char *word = lua_type(r->L, index) == LUA_TSTRING ? lua_tolstring(r->L, index, &length) : NULL;
  int found = word ? peri_choice_index(p, word, length) : -1;
  if (found < 0) {
    peri_lua_error(r->L, "%s: '%s' is %s; it can be %s", r->what, p->name, luaL_tolstring(r->L, index, NULL), p->choices);
  }
  v->integer = found;
}

static void convert(reading *r, const peri_param *p, int index, const peri_tensor *model, peri_value *v) {
  lua_State *L = r->L;
  switch (p->kind) {
  case PERI_K_TENSOR: read_tensor(r, p, index, model, v); break;
  case PERI_K_TENSORS: read_tensors(r, p, index, v); break;
  case PERI_K_NUMBER:
    if (lua_type(L, index) != LUA_TNUMBER) fail_kind(r, p, index);
    v->number = lua_tonumber(L, index);
    break;
  case PERI_K_INT: v->integer = integer_at(r, p, index); break;
  case PERI_K_BOOL:
    if (!lua_isboolean(L, index)) fail_kind(r, p, index);
    v->boolean = lua_toboolean(L, index);
    break;
  case PERI_K_AXIS: v->integer = axis_at(r, p, index); break;
  case PERI_K_DTYPE: {
    peri_dtype dtype = PERI_F32;
    if (lua_type(L, index) != LUA_TSTRING) fail_kind(r, p, index);
    peri_lua_check(L, peri_dtype_parse(&dtype, lua_tostring(L, index)));
    v->integer = dtype;
    break;
  }
  case PERI_K_STRING:
    if (lua_type(L, index) != LUA_TSTRING) fail_kind(r, p, index);
    v->string = lua_tostring(L, index);
    break;
  case PERI_K_CHOICE: read_choice(r, p, index, v); break;
  default: read_ints(r, p, index, v); break;
  }
  v->given = true;
}

/* The tensor whose type a plain number takes: the first, but a mask only when there is no other. */
static const peri_tensor *model_tensor(const reading *r) {
  const peri_tensor *model = NULL;
  for (int k = 0; k < r->s->count; k++) {
    const peri_tensor *t = r->slot[k] ? peri_lua_test_tensor(r->L, r->slot[k]) : NULL;
    if (t && t->dtype != PERI_U8) return t;
    if (!model) model = t;
  }
  return model;
}

static void convert_all(reading *r, peri_value *arg) {
  const peri_tensor *model = model_tensor(r);
  memset(arg, 0, sizeof *arg * PERI_MAX_ARGS);
  for (int k = 0; k < r->s->count; k++) {
    const peri_param *p = &r->s->param[k];
    if (r->slot[k]) convert(r, p, r->slot[k], model, &arg[k]);
    else if (!p->optional) fail_names(r, "argument '%s' is missing", p->name);
    else arg[k] = p->fallback;
  }
}

void peri_lua_arguments(lua_State *L, const char *what, const peri_signature *s, int first, peri_value *arg) {
  reading r = {.L = L, .what = what, .s = s};
  find_arguments(&r, first);
  convert_all(&r, arg);
}

void peri_lua_arguments_table(lua_State *L, const char *what, const peri_signature *s, int index,
                              const char *const *also, peri_value *arg) {
  reading r = {.L = L, .what = what, .s = s, .also = also};
  if (!lua_isnoneornil(L, index)) {
    if (!lua_istable(L, index)) peri_lua_error(L, "%s: wants its arguments in one table {...}, got %s", what, luaL_typename(L, index));
    read_list(&r, index, 0);
    read_named(&r, index);
  }
  convert_all(&r, arg);
}
