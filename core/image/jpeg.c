/* jpeg.c - JPEG through libjpeg, from memory and to a file.

   libjpeg's error exit longjmps back into this file; what must be released lives outside the function
   that calls setjmp. A camera's EXIF orientation is applied. A file that stops short is an error, where
   libjpeg alone would fill the rest with grey. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "image/internal.h"

enum { SCANS_MOST = 200, MEMORY_MOST = 1 << 30, BUFFER = 1 << 15 };

typedef struct jpeg_state {
  struct jpeg_error_mgr errors; /* first: libjpeg hands it back */
  jmp_buf back;
  int status; /* of a failure of ours; 0 when libjpeg complained */
  char message[JMSG_LENGTH_MAX];
  struct jpeg_progress_mgr progress;
  JSAMPLE *row;
  peri_tensor *image;
  const peri_image_source *source;
} jpeg_state;

static void on_error(j_common_ptr info) {
  jpeg_state *state = (jpeg_state *)(void *)info->err;
  if (state->status == 0) info->err->format_message(info, state->message);
  longjmp(state->back, 1);
}

static void leave(jpeg_state *state, int status) {
  if (status >= 0) return;
  state->status = status;
  longjmp(state->back, 1);
}

/* Warnings are let pass, but for the ones that say that data are missing. */
static void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  info->err->num_warnings++;
  int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER) on_error(info);
}
static void say_nothing(j_common_ptr info) { (void)info; }

/* A progressive file may hold any number of scans, each as costly as the picture. */
static void on_progress(j_common_ptr info) {
  jpeg_state *state = (jpeg_state *)(void *)info->err;
  leave(state, peri_interrupt_poll());
  if (info->is_decompressor && ((j_decompress_ptr)(void *)info)->input_scan_number > SCANS_MOST) {
    snprintf(state->message, sizeof state->message, "more than %d scans", SCANS_MOST);
    longjmp(state->back, 1);
  }
}

static struct jpeg_error_mgr *prepare(jpeg_state *state) {
  jpeg_std_error(&state->errors);
  state->errors.error_exit = on_error;
  state->errors.emit_message = on_message;
  state->errors.output_message = say_nothing;
  state->progress.progress_monitor = on_progress;
  return &state->errors;
}

/* --- EXIF: a TIFF directory inside the APP1 marker; tag 0x112 is the orientation, 1 to 8 --- */

static unsigned exif_number(const JOCTET *p, int bytes, bool little) {
  unsigned value = 0;
  for (int i = 0; i < bytes; i++) value |= (unsigned)p[i] << 8 * (little ? i : bytes - 1 - i);
  return value;
}

static int orientation_in(const JOCTET *data, size_t length) {
  if (length < 14 || memcmp(data, "Exif\0\0", 6) != 0) return 1;
  const JOCTET *tiff = data + 6;
  size_t size = length - 6;
  bool little = tiff[0] == 'I';
  size_t at = exif_number(tiff + 4, 4, little);
  if (at > size - 2) return 1;
  unsigned entries = exif_number(tiff + at, 2, little);
  for (at += 2; entries > 0 && at + 12 <= size; entries--, at += 12) {
    if (exif_number(tiff + at, 2, little) != 0x112) continue;
    unsigned value = exif_number(tiff + at + 8, 2, little);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

static int orientation_of(j_decompress_ptr info) {
  for (jpeg_saved_marker_ptr m = info->marker_list; m; m = m->next) {
    if (m->marker == JPEG_APP0 + 1) return orientation_in(m->data, m->data_length);
  }
  return 1;
}

/* Where the pixel (y, x) of the file stands upright: orientations of 5 and more exchange the axes, then
   bit patterns of the number tell which axes are mirrored. */
static void place(int orientation, int64_t height, int64_t width, int64_t y, int64_t x, int64_t *to_y, int64_t *to_x) {
  bool mirror_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  bool mirror_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  *to_y = orientation >= 5 ? x : y;
  *to_x = orientation >= 5 ? y : x;
  if (mirror_y) *to_y = height - 1 - *to_y;
  if (mirror_x) *to_x = width - 1 - *to_x;
}

/* One row of the file into the upright picture. CMYK comes inverted, as Adobe writes it. */
static void put_row(jpeg_state *state, j_decompress_ptr info, int orientation, int64_t y) {
  int64_t height = state->image->shape[0], width = state->image->shape[1], channels = state->image->shape[2];
  float *v = peri_tensor_data(state->image);
  const JSAMPLE *from = state->row;
  for (int64_t x = 0; x < info->output_width; x++, from += info->output_components) {
    int64_t to_y, to_x;
    place(orientation, height, width, y, x, &to_y, &to_x);
    float *to = v + (to_y * width + to_x) * channels;
    for (int64_t c = 0; c < channels; c++) {
      to[c] = (float)from[c] / 255.0f;
      if (info->output_components == 4) to[c] *= (float)from[3] / 255.0f;
    }
  }
}

static void read_picture(jpeg_state *state, j_decompress_ptr info) {
  const peri_image_source *s = state->source;
  info->progress = &state->progress;
  info->mem->max_memory_to_use = MEMORY_MOST;
  jpeg_mem_src(info, s->bytes, (unsigned long)s->count);
  jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(info, TRUE);
  int orientation = orientation_of(info), channels = info->num_components == 1 ? 1 : 3;
  info->out_color_space = info->num_components == 1 ? JCS_GRAYSCALE : info->num_components == 4 ? JCS_CMYK : JCS_RGB;
  bool turned = orientation >= 5;
  leave(state, peri__image_new(&state->image, s, turned ? info->image_height : info->image_width,
                               turned ? info->image_width : info->image_height, channels));
  jpeg_start_decompress(info);
  state->row = peri_alloc((size_t)info->output_width * (size_t)info->output_components);
  if (!state->row) leave(state, PERI_ENOMEM);
  while (info->output_scanline < info->output_height) {
    JSAMPROW rows[1] = {state->row};
    int64_t y = info->output_scanline;
    jpeg_read_scanlines(info, rows, 1);
    put_row(state, info, orientation, y);
  }
  jpeg_finish_decompress(info);
}

static int guarded_read(jpeg_state *state, j_decompress_ptr info) {
  if (setjmp(state->back)) return state->status < 0 ? state->status : PERI_EFORMAT;
  jpeg_create_decompress(info);
  read_picture(state, info);
  return PERI_OK;
}

int peri__jpeg_read(peri_tensor **out, const peri_image_source *s) {
  struct jpeg_decompress_struct info = {0};
  jpeg_state state = {.source = s};
  info.err = prepare(&state);
  int status = guarded_read(&state, &info);
  if (status == PERI_EFORMAT && state.status == 0) {
    size_t at = info.src ? s->count - info.src->bytes_in_buffer : 0;
    peri_fail(status, "image: %s: JPEG, about byte %zu of %zu: %s", s->name, at < s->count ? at : s->count, s->count, state.message);
  }
  jpeg_destroy_decompress(&info);
  peri_free(state.row);
  if (status < 0) peri_tensor_release(state.image);
  else *out = state.image;
  return status;
}

/* --- writing --- */

typedef struct jpeg_target {
  struct jpeg_destination_mgr manager; /* first: libjpeg hands it back */
  peri_file_writer *writer;
  JOCTET buffer[BUFFER];
} jpeg_target;

static void target_start(j_compress_ptr info) {
  jpeg_target *target = (jpeg_target *)(void *)info->dest;
  target->manager.next_output_byte = target->buffer;
  target->manager.free_in_buffer = BUFFER;
}
static void target_write(j_compress_ptr info, size_t count) {
  jpeg_target *target = (jpeg_target *)(void *)info->dest;
  leave((jpeg_state *)(void *)info->err, peri_file_writer_write(target->writer, target->buffer, count));
  target_start(info);
}
static boolean target_full(j_compress_ptr info) {
  target_write(info, BUFFER);
  return TRUE;
}
static void target_end(j_compress_ptr info) {
  target_write(info, BUFFER - ((jpeg_target *)(void *)info->dest)->manager.free_in_buffer);
}

static int guarded_write(jpeg_state *state, j_compress_ptr info, jpeg_target *target, const peri_image_samples *s, int quality) {
  if (setjmp(state->back)) return state->status < 0 ? state->status : PERI_EFORMAT;
  jpeg_create_compress(info);
  info->progress = &state->progress;
  info->dest = &target->manager;
  info->image_width = (JDIMENSION)s->width;
  info->image_height = (JDIMENSION)s->height;
  info->input_components = s->channels;
  info->in_color_space = s->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(info);
  jpeg_set_quality(info, quality, TRUE);
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < info->image_height) {
    const JSAMPLE *row = s->bytes + (size_t)info->next_scanline * (size_t)s->width * (size_t)s->channels;
    JSAMPROW rows[1] = {(JSAMPROW)(uintptr_t)row};
    jpeg_write_scanlines(info, rows, 1);
  }
  jpeg_finish_compress(info);
  return PERI_OK;
}

int peri__jpeg_write(peri_file_writer *w, const peri_image_samples *s, int quality) {
  struct jpeg_compress_struct info = {0};
  jpeg_state state = {0};
  jpeg_target *target = peri_alloc(sizeof *target);
  if (!target) return PERI_ENOMEM;
  target->manager = (struct jpeg_destination_mgr){
      .init_destination = target_start, .empty_output_buffer = target_full, .term_destination = target_end};
  target->writer = w;
  info.err = prepare(&state);
  int status = guarded_write(&state, &info, target, s, quality);
  if (status == PERI_EFORMAT && state.status == 0) peri_fail(status, "image.save: JPEG: %s", state.message);
  jpeg_destroy_compress(&info);
  peri_free(target);
  return status;
}
