/* http_json_number.c - numbers of JSON texts.

   A number of few digits is a whole number times or over a power of ten, both exact in double: then one multiplication
   or division rounds right. The rest is strtod's, in a locale whose decimal point is one. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hosts/http_json.h"

enum { POWER_MOST = 22, DIGITS_MOST = 15 }; /* 10^22 is the last power that is exact; 15 digits are below 2^53 */

static const double powers[POWER_MOST + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The number when it is exact in the way said above. */
static bool read_short(double *out, const char *at, const char *end) {
  bool negative = at < end && *at == '-';
  int64_t whole = 0;
  int digits = 0, power = 0, exponent = 0;
  if (negative) at++;
  for (; at < end && is_digit(*at); at++, digits++) whole = digits < DIGITS_MOST ? whole * 10 + (*at - '0') : whole;
  if (at < end && *at == '.') {
    for (at++; at < end && is_digit(*at); at++, digits++, power--) whole = digits < DIGITS_MOST ? whole * 10 + (*at - '0') : whole;
  }
  if (digits > DIGITS_MOST) return false;
  if (at < end) { /* an exponent */
    bool down = at + 1 < end && at[1] == '-';
    for (at += at + 1 < end && (at[1] == '-' || at[1] == '+') ? 2 : 1; at < end && exponent < 1000; at++) exponent = exponent * 10 + (*at - '0');
    power += down ? -exponent : exponent;
  }
  if (power < -POWER_MOST || power > POWER_MOST) return false;
  double value = power < 0 ? (double)whole / powers[-power] : (double)whole * powers[power];
  *out = negative ? -value : value;
  return true;
}

bool peri__json_number(double *out, const char *text, size_t size, void *locale) {
  char copy[PERI_BODY_NUMBER_MOST + 1];
  if (size > PERI_BODY_NUMBER_MOST) return false;
  if (read_short(out, text, text + size)) return true;
  memcpy(copy, text, size);
  copy[size] = 0;
  *out = strtod_l(copy, NULL, (locale_t)locale);
  return isfinite(*out);
}
