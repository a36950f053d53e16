/* window_keys.c - keys by name: a key that types a character is called by it ("c", "+", "ä"), others by a word, the
   same words that the prompt's and the terminal's keys have. */
#include "hosts/window_internal.h"

#include <string.h>

static const struct {
  SDL_Keycode key;
  const char *name;
} named[] = {
    {SDLK_RETURN, "enter"},      {SDLK_ESCAPE, "escape"},    {SDLK_BACKSPACE, "backspace"}, {SDLK_TAB, "tab"},
    {SDLK_SPACE, "space"},       {SDLK_DELETE, "delete"},    {SDLK_INSERT, "insert"},       {SDLK_HOME, "home"},
    {SDLK_END, "end"},           {SDLK_PAGEUP, "page-up"},   {SDLK_PAGEDOWN, "page-down"},  {SDLK_UP, "up"},
    {SDLK_DOWN, "down"},         {SDLK_LEFT, "left"},        {SDLK_RIGHT, "right"},         {SDLK_F1, "f1"},
    {SDLK_F2, "f2"},             {SDLK_F3, "f3"},            {SDLK_F4, "f4"},               {SDLK_F5, "f5"},
    {SDLK_F6, "f6"},             {SDLK_F7, "f7"},            {SDLK_F8, "f8"},               {SDLK_F9, "f9"},
    {SDLK_F10, "f10"},           {SDLK_F11, "f11"},          {SDLK_F12, "f12"},             {SDLK_KP_ENTER, "enter"},
    {SDLK_KP_0, "0"},            {SDLK_KP_1, "1"},           {SDLK_KP_2, "2"},              {SDLK_KP_3, "3"},
    {SDLK_KP_4, "4"},            {SDLK_KP_5, "5"},           {SDLK_KP_6, "6"},              {SDLK_KP_7, "7"},
    {SDLK_KP_8, "8"},            {SDLK_KP_9, "9"},           {SDLK_KP_PLUS, "+"},           {SDLK_KP_MINUS, "-"},
    {SDLK_KP_MULTIPLY, "*"},     {SDLK_KP_DIVIDE, "/"},      {SDLK_KP_PERIOD, "."},         {SDLK_KP_EQUALS, "="},
    {SDLK_LSHIFT, NULL},         {SDLK_RSHIFT, NULL},        {SDLK_LCTRL, NULL},            {SDLK_RCTRL, NULL},
    {SDLK_LALT, NULL},           {SDLK_RALT, NULL},          {SDLK_LGUI, NULL},             {SDLK_RGUI, NULL},
    {SDLK_MODE, NULL},           {SDLK_CAPSLOCK, NULL},      {SDLK_NUMLOCKCLEAR, NULL},     {SDLK_SCROLLLOCK, NULL},
};
enum { NAMED = sizeof named / sizeof *named };

static void encode(Uint32 character, char out[5]) {
  int length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  static const uint8_t first[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (int i = length - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (character & 0x3F));
    character >>= 6;
  }
  out[0] = (char)(length == 1 ? character : first[length] | character);
  out[length] = 0;
}

const char *peri__window_key_name(SDL_Keycode key, char buffer[PERI_WINDOW_TEXT_MOST]) {
  for (int i = 0; i < NAMED; i++) {
    if (named[i].key == key) return named[i].name;
  }
  if (!(key & SDLK_SCANCODE_MASK) && key > ' ' && key <= 0x10FFFF) {
    encode((Uint32)key, buffer);
    return buffer;
  }
  const char *name = SDL_GetKeyName(key);
  size_t length = strlen(name);
  if (length == 0 || length >= PERI_WINDOW_TEXT_MOST) return NULL;
  for (size_t i = 0; i <= length; i++) buffer[i] = name[i] == ' ' ? '-' : (char)SDL_tolower((unsigned char)name[i]);
  return buffer;
}

SDL_Keycode peri__window_key_of(const char *name) {
  char buffer[PERI_WINDOW_TEXT_MOST];
  if (name[0] > ' ' && name[0] < 127 && name[1] == 0) return SDL_tolower((unsigned char)name[0]);
  for (int i = 0; i < NAMED; i++) {
    if (named[i].name && strcmp(named[i].name, name) == 0) return named[i].key;
  }
  if ((unsigned char)name[0] >= 0x80) { /* one character of UTF-8 */
    const unsigned char *at = (const unsigned char *)name;
    int length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    Uint32 character = at[0] & (0xFFU >> (length + 1));
    for (int i = 1; i < length; i++) {
      if ((at[i] & 0xC0) != 0x80) return SDLK_UNKNOWN;
      character = character << 6 | (at[i] & 0x3FU);
    }
    return at[length] == 0 ? (SDL_Keycode)character : SDLK_UNKNOWN;
  }
  SDL_strlcpy(buffer, name, sizeof buffer);
  for (char *at = buffer; *at; at++) {
    if (*at == '-') *at = ' ';
  }
  return SDL_GetKeyFromName(buffer);
}
