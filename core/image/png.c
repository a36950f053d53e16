/* png.c - PNG through libpng, from and to memory; peri_image_encode is its own way out, with alpha.

   libpng reports errors by a longjmp, which stays inside this file: everything that must be released
   lives in a structure outside the function that calls setjmp. Files of every depth and kind are turned
   into 16 or 8 bits of grey or RGB, with or without alpha; alpha is laid over white here. */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "image/internal.h"

enum { DEFLATE_MOST = 1032 }; /* deflate makes at most 1032 bytes of one */

typedef struct png_state {
  png_structp png;
  png_infop info;
  const peri_image_source *source;
  size_t at; /* bytes read */
  peri_file_writer *writer; /* NULL: into the buffer */
  uint8_t *buffer;
  size_t used, room;
  int status; /* of a failure of ours; 0 when libpng itself complained */
  char message[200];
  png_bytep samples;
  png_bytepp rows;
  peri_tensor *image;
} png_state;

static void on_error(png_structp png, png_const_charp text) {
  png_state *state = png_get_error_ptr(png);
  snprintf(state->message, sizeof state->message, "%s", text);
  png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}
static png_voidp allocate(png_structp png, png_alloc_size_t bytes) {
  (void)png;
  return peri_alloc(bytes);
}
static void release(png_structp png, png_voidp block) {
  (void)png;
  peri_free(block);
}

static void read_bytes(png_structp png, png_bytep to, size_t count) {
  png_state *state = png_get_io_ptr(png);
  if (state->source->count - state->at < count) png_error(png, "the file ends too early");
  memcpy(to, state->source->bytes + state->at, count);
  state->at += count;
}

/* Leaves through libpng's error path with a failure of ours. */
static void leave(png_state *state, int status) {
  if (status >= 0) return;
  state->status = status;
  png_error(state->png, "");
}

static void on_row(png_structp png, png_uint_32 row, int pass) {
  (void)pass;
  if (row % 256 == 0) leave(png_get_error_ptr(png), peri_interrupt_poll());
}

/* Asks for 8 or 16 bits of grey or RGB, with alpha where there is any. */
static void ask_for_plain_samples(png_state *state) {
  png_structp png = state->png;
  png_set_expand(png);
  png_set_packing(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  png_set_swap(png);
#endif
  png_set_interlace_handling(png);
  png_read_update_info(png, state->info);
}

static inline float sample(const png_state *state, bool wide, size_t at) {
  if (!wide) return (float)state->samples[at] / 255.0f;
  uint16_t value;
  memcpy(&value, state->samples + 2 * at, 2);
  return (float)value / 65535.0f;
}

/* Samples to floats; alpha over white: a v + (1 - a). */
static void lay_over_white(png_state *state, size_t pixels, int channels, int colours, bool wide) {
  float *v = peri_tensor_data(state->image);
  for (size_t i = 0; i < pixels; i++) {
    float alpha = channels > colours ? sample(state, wide, i * (size_t)channels + (size_t)colours) : 1.0f;
    for (int c = 0; c < colours; c++) {
      float value = sample(state, wide, i * (size_t)channels + (size_t)c);
      *v++ = channels > colours ? alpha * value + (1.0f - alpha) : value;
    }
  }
}

static void read_picture(png_state *state) {
  png_structp png = state->png;
  png_set_read_fn(png, state, read_bytes);
  png_set_user_limits(png, PERI_IMAGE_SIDE_MOST, PERI_IMAGE_SIDE_MOST);
  png_set_chunk_cache_max(png, 64);
  png_set_chunk_malloc_max(png, 1 << 23);
  png_set_read_status_fn(png, on_row);
  png_read_info(png, state->info);
  png_uint_32 width = png_get_image_width(png, state->info), height = png_get_image_height(png, state->info);
  int colours = png_get_color_type(png, state->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
  if (png_get_rowbytes(png, state->info) > (uint64_t)state->source->count * DEFLATE_MOST / height + 1) {
    png_error(png, "the file is too short for its picture");
  }
  leave(state, peri__image_new(&state->image, state->source, width, height, colours));
  ask_for_plain_samples(state);
  size_t row = png_get_rowbytes(png, state->info);
  state->samples = peri_alloc(row * height);
  state->rows = peri_alloc(height * sizeof *state->rows);
  if (!state->samples || !state->rows) leave(state, PERI_ENOMEM);
  for (png_uint_32 y = 0; y < height; y++) state->rows[y] = state->samples + y * row;
  png_read_image(png, state->rows);
  png_read_end(png, NULL);
  lay_over_white(state, (size_t)width * height, png_get_channels(png, state->info), colours,
                 png_get_bit_depth(png, state->info) == 16);
}

/* Runs `work` between setjmp and the release of everything; 0 when it came to its end. */
static int guarded(png_state *state, void (*work)(png_state *)) {
  if (!state->png || !state->info) return peri_fail(PERI_ENOMEM, "image: out of memory");
  if (setjmp(png_jmpbuf(state->png))) return state->status < 0 ? state->status : PERI_EFORMAT;
  work(state);
  return PERI_OK;
}

int peri__png_read(peri_tensor **out, const peri_image_source *s) {
  png_state state = {.source = s};
  state.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning, NULL, allocate, release);
  if (state.png) state.info = png_create_info_struct(state.png);
  int status = guarded(&state, read_picture);
  if (status == PERI_EFORMAT && state.status == 0) {
    peri_fail(status, "image: %s: PNG, byte %zu of %zu: %s", s->name, state.at, s->count, state.message);
  }
  if (state.png) png_destroy_read_struct(&state.png, &state.info, NULL);
  peri_free(state.samples);
  peri_free(state.rows);
  if (status < 0) peri_tensor_release(state.image);
  else *out = state.image;
  return status;
}

/* --- writing --- */

static int into_buffer(png_state *state, const uint8_t *from, size_t count) {
  if (state->used + count > state->room) {
    size_t room = 2 * state->room + count + 4096;
    uint8_t *more = peri_alloc(room);
    if (!more) return PERI_ENOMEM;
    if (state->used) memcpy(more, state->buffer, state->used);
    peri_free(state->buffer);
    state->buffer = more;
    state->room = room;
  }
  memcpy(state->buffer + state->used, from, count);
  state->used += count;
  return PERI_OK;
}

static void write_bytes(png_structp png, png_bytep from, size_t count) {
  png_state *state = png_get_io_ptr(png);
  leave(state, state->writer ? peri_file_writer_write(state->writer, from, count) : into_buffer(state, from, count));
}
static void flush_nothing(png_structp png) { (void)png; }

typedef struct png_picture {
  png_state state; /* first: the error functions see it */
  const peri_image_samples *samples;
} png_picture;

static void write_picture(png_state *state) {
  const peri_image_samples *s = ((png_picture *)(void *)state)->samples;
  png_set_write_fn(state->png, state, write_bytes, flush_nothing);
  png_set_user_limits(state->png, PERI_IMAGE_SIDE_MOST, PERI_IMAGE_SIDE_MOST);
  static const int kinds[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  int times = s->scale > 1 ? s->scale : 1;
  png_set_IHDR(state->png, state->info, (png_uint_32)(s->width * times), (png_uint_32)(s->height * times), 8,
               kinds[s->channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  /* Equal rows and runs of equal pixels are what deflate finds by itself. */
  if (times > 1) png_set_filter(state->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
  png_write_info(state->png, state->info);
  size_t channels = (size_t)s->channels, row = (size_t)s->width * channels;
  if (times > 1) {
    state->samples = peri_alloc(row * (size_t)times);
    if (!state->samples) leave(state, PERI_ENOMEM);
  }
  for (int y = 0; y < s->height; y++) {
    const uint8_t *from = s->bytes + (size_t)y * row;
    uint8_t *to = state->samples;
    for (int x = 0; to && x < s->width; x++, from += channels) {
      for (int i = 0; i < times; i++, to += channels) memcpy(to, from, channels);
    }
    for (int i = 0; i < times; i++) png_write_row(state->png, to ? state->samples : from);
  }
  png_write_end(state->png, NULL);
}

/* Writes the picture to where its state says. */
static int compress(png_picture *picture, const char *op) {
  png_state *state = &picture->state;
  state->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, state, on_error, on_warning, NULL, allocate, release);
  if (state->png) state->info = png_create_info_struct(state->png);
  int status = guarded(state, write_picture);
  if (status == PERI_EFORMAT && state->status == 0) peri_fail(status, "%s: PNG: %s", op, state->message);
  if (state->png) png_destroy_write_struct(&state->png, &state->info);
  peri_free(state->samples);
  return status;
}

int peri__png_write(peri_file_writer *w, const peri_image_samples *s) {
  png_picture picture = {.state = {.writer = w}, .samples = s};
  return compress(&picture, "image.save");
}

int peri_image_encode(uint8_t **bytes, size_t *count, const peri_tensor *image, int scale) {
  *bytes = NULL;
  *count = 0;
  peri_image_samples samples;
  PERI_TRY(peri__image_samples(&samples, "image.encode", image, scale));
  png_picture picture = {.samples = &samples};
  int status = compress(&picture, "image.encode");
  peri_free((void *)samples.bytes);
  if (status < 0) {
    peri_free(picture.state.buffer);
    return status;
  }
  *bytes = picture.state.buffer;
  *count = picture.state.used;
  return PERI_OK;
}
