/* module_linalg.c - the module of linear algebra, loaded by lua/perilune/linalg.lua, which documents the functions. */
#include "linalg/linalg.h"

#include "bind/bind.h"

/* The tensor at `index`, which must not be one whose gradient is being recorded: none flows through LAPACK. */
static peri_tensor *matrix(lua_State *L, const char *name, int index) {
  peri_tensor *t = peri_lua_tensor(L, index);
  if (peri_grad_enabled() && peri_tensor_requires_grad(t)) {
    luaL_error(L, "%s: no gradient flows through linalg; give it a:detach(), or call it inside peri.no_grad", name);
  }
  return t;
}

/* svd(a, full) -> u, s, vh */
static int l_svd(lua_State *L) {
  peri_tensor *a = matrix(L, "svd", 1);
  bool full = lua_toboolean(L, 2);
  lua_settop(L, 1);
  peri_tensor **u = peri_lua_new_tensor(L), **s = peri_lua_new_tensor(L), **vh = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_linalg_svd(u, s, vh, a, full));
  return 3;
}

/* svdvals(a) -> s */
static int l_svdvals(lua_State *L) {
  peri_tensor *a = matrix(L, "svdvals", 1);
  peri_lua_check(L, peri_linalg_svd(NULL, peri_lua_new_tensor(L), NULL, a, false));
  return 1;
}

/* eigh(a, upper) -> values, vectors */
static int l_eigh(lua_State *L) {
  peri_tensor *a = matrix(L, "eigh", 1);
  bool upper = lua_toboolean(L, 2);
  peri_tensor **values = peri_lua_new_tensor(L), **vectors = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_linalg_eigh(values, vectors, a, upper));
  return 2;
}

/* eigvalsh(a, upper) -> values */
static int l_eigvalsh(lua_State *L) {
  peri_tensor *a = matrix(L, "eigvalsh", 1);
  bool upper = lua_toboolean(L, 2);
  peri_lua_check(L, peri_linalg_eigh(peri_lua_new_tensor(L), NULL, a, upper));
  return 1;
}

/* qr(a, complete) -> q, r */
static int l_qr(lua_State *L) {
  peri_tensor *a = matrix(L, "qr", 1);
  bool complete = lua_toboolean(L, 2);
  peri_tensor **q = peri_lua_new_tensor(L), **r = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_linalg_qr(q, r, a, complete));
  return 2;
}

/* cholesky(a, upper) -> l */
static int l_cholesky(lua_State *L) {
  peri_tensor *a = matrix(L, "cholesky", 1);
  bool upper = lua_toboolean(L, 2);
  peri_lua_check(L, peri_linalg_cholesky(peri_lua_new_tensor(L), a, upper));
  return 1;
}

/* solve(a, b) -> x */
static int l_solve(lua_State *L) {
  peri_tensor *a = matrix(L, "solve", 1), *b = matrix(L, "solve", 2);
  peri_lua_check(L, peri_linalg_solve(peri_lua_new_tensor(L), a, b));
  return 1;
}

/* lstsq(a, b, rcond) -> x, rank, s */
static int l_lstsq(lua_State *L) {
  peri_tensor *a = matrix(L, "lstsq", 1), *b = matrix(L, "lstsq", 2);
  lua_Number rcond = luaL_optnumber(L, 3, -1);
  peri_tensor **x = peri_lua_new_tensor(L), **rank = peri_lua_new_tensor(L), **s = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_linalg_lstsq(x, rank, s, a, b, rcond));
  return 3;
}

/* slogdet(a) -> sign, logdet */
static int l_slogdet(lua_State *L) {
  peri_tensor *a = matrix(L, "slogdet", 1);
  peri_tensor **sign = peri_lua_new_tensor(L), **logdet = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_linalg_slogdet(sign, logdet, a));
  return 2;
}

#define ONE(name)                                                       \
  static int l_##name(lua_State *L) {                                   \
    peri_tensor *a = matrix(L, #name, 1);                               \
    peri_lua_check(L, peri_linalg_##name(peri_lua_new_tensor(L), a));   \
    return 1;                                                           \
  }
ONE(inverse)
ONE(det)
ONE(trace)

static const luaL_Reg functions[] = {
  {"svd", l_svd},         {"svdvals", l_svdvals},   {"eigh", l_eigh},   {"eigvalsh", l_eigvalsh},
  {"qr", l_qr},           {"cholesky", l_cholesky}, {"solve", l_solve}, {"lstsq", l_lstsq},
  {"slogdet", l_slogdet}, {"inverse", l_inverse},   {"det", l_det},     {"trace", l_trace},
  {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_perilune_linalg(lua_State *L);
int luaopen_perilune_linalg(lua_State *L) {
  peri_linalg_start();
  luaL_newlib(L, functions);
  return 1;
}
