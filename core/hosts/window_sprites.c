/* window_sprites.c - white masks as textures, by key, in a cache bounded in number and bytes: the one that was not
   painted for the longest makes room. */
#include "hosts/window_internal.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

static uint64_t hash_of(const void *key, size_t bytes) { /* FNV-1a */
  uint64_t hash = 0xcbf29ce484222325U;
  for (const uint8_t *at = key; bytes > 0; at++, bytes--) hash = (hash ^ *at) * 0x100000001b3U;
  return hash;
}

static void drop(peri__sprites *cache, peri__sprite *s) {
  if (!s->used) return;
  SDL_DestroyTexture(s->texture);
  peri_free(s->key);
  cache->bytes -= s->bytes;
  *s = (peri__sprite){0};
}

void peri__sprites_free(peri_window *w) {
  for (int i = 0; i < PERI_SPRITES_MOST; i++) drop(&w->sprites, &w->sprites.at[i]);
}

peri__sprite *peri__sprite_find(peri_window *w, const void *key, size_t key_bytes) {
  uint64_t hash = hash_of(key, key_bytes);
  for (int i = 0; i < PERI_SPRITES_MOST; i++) {
    peri__sprite *s = &w->sprites.at[i];
    if (s->used && s->hash == hash && s->key_bytes == key_bytes && memcmp(s->key, key, key_bytes) == 0) return s;
  }
  return NULL;
}

/* An empty place, with room for so many bytes more. */
static peri__sprite *make_room(peri__sprites *cache, size_t bytes) {
  for (;;) {
    peri__sprite *oldest = NULL, *empty = NULL;
    for (int i = 0; i < PERI_SPRITES_MOST; i++) {
      peri__sprite *s = &cache->at[i];
      if (!s->used) empty = s;
      else if (!oldest || s->used < oldest->used) oldest = s;
    }
    if (empty && (cache->bytes + bytes <= PERI_SPRITE_BYTES_MOST || !oldest)) return empty;
    drop(cache, oldest);
  }
}

static SDL_Texture *texture_of(peri_window *w, const uint8_t *mask, int width, int height) {
  size_t count = (size_t)width * (size_t)height;
  uint32_t *pixels = peri_alloc(count * sizeof *pixels);
  if (!pixels) return NULL;
  for (size_t i = 0; i < count; i++) pixels[i] = (uint32_t)mask[i] << 24 | 0xFFFFFF;
  SDL_Texture *texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_STATIC, width, height);
  if (!texture || SDL_UpdateTexture(texture, NULL, pixels, width * 4) != 0) {
    peri__window_fail("a texture cannot be made");
    if (texture) SDL_DestroyTexture(texture);
    texture = NULL;
  } else {
    SDL_SetTextureBlendMode(texture, SDL_BLENDMODE_BLEND);
    SDL_SetTextureScaleMode(texture, SDL_ScaleModeNearest);
  }
  peri_free(pixels);
  return texture;
}

int peri__sprite_make(peri_window *w, peri__sprite **out, const void *key, size_t key_bytes, const uint8_t *mask,
                      int width, int height) {
  size_t bytes = (size_t)width * (size_t)height * 4;
  peri__sprite *s = make_room(&w->sprites, bytes);
  void *copy = peri_alloc(key_bytes);
  if (!copy) return PERI_ENOMEM;
  memcpy(copy, key, key_bytes);
  SDL_Texture *texture = texture_of(w, mask, width, height);
  if (!texture) {
    peri_free(copy);
    return PERI_ESTATE;
  }
  *s = (peri__sprite){.hash = hash_of(key, key_bytes), .used = ++w->sprites.clock, .key = copy, .key_bytes = key_bytes,
                      .bytes = bytes, .texture = texture, .width = width, .height = height};
  w->sprites.bytes += bytes;
  *out = s;
  return PERI_OK;
}

int peri__sprite_paint(peri_window *w, peri__sprite *s, const SDL_Rect *part, int x, int y, uint32_t colour) {
  SDL_Rect to = {x, y, part ? part->w : s->width, part ? part->h : s->height};
  s->used = ++w->sprites.clock;
  SDL_SetTextureColorMod(s->texture, (Uint8)(colour >> 16), (Uint8)(colour >> 8), (Uint8)colour);
  SDL_SetTextureAlphaMod(s->texture, peri__alpha(colour));
  return SDL_RenderCopy(w->renderer, s->texture, part, &to) == 0 ? PERI_OK : peri__window_fail("a texture cannot be painted");
}
