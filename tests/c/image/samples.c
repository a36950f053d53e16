/* samples.c - small picture files of every kind, made with the libraries themselves. */
#include "samples.h"

#include <png.h>
#include <stdlib.h>

#include <jpeglib.h>

static void put(png_structp png, png_bytep data, size_t count) {
  sample_file *f = png_get_io_ptr(png);
  if (f->count + count > sizeof f->bytes) abort();
  memcpy(f->bytes + f->count, data, count);
  f->count += count;
}
static void flush(png_structp png) { (void)png; }

void sample_png(sample_file *f, int width, int height, int colour_type, int depth, bool interlaced, const uint8_t *rows,
                size_t row_bytes, int clear) {
  static const png_color palette[4] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {51, 102, 153}};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_bytep pointers[64];
  f->count = 0;
  if (setjmp(png_jmpbuf(png))) abort();
  png_set_write_fn(png, f, put, flush);
  png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour_type,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (colour_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 4);
  if (clear >= 0) {
    png_byte alpha = 0;
    png_color_16 grey = {.gray = (png_uint_16)clear};
    png_set_tRNS(png, info, &alpha, 1, colour_type == PNG_COLOR_TYPE_PALETTE ? NULL : &grey);
  }
  png_write_info(png, info);
  for (int y = 0; y < height; y++) pointers[y] = (png_bytep)(uintptr_t)(rows + (size_t)y * row_bytes);
  png_write_image(png, pointers);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
}

void sample_jpeg(sample_file *f, int width, int height, int components, bool progressive, const uint8_t *rows, int orientation) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *memory = NULL;
  unsigned long count = 0;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &memory, &count);
  info.image_width = (JDIMENSION)width;
  info.image_height = (JDIMENSION)height;
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (orientation) {
    uint8_t exif[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)orientation, 0, 0, 0, 0, 0, 0};
    jpeg_write_marker(&info, JPEG_APP0 + 1, exif, sizeof exif);
  }
  for (int y = 0; y < height; y++) {
    JSAMPROW row = (JSAMPROW)(uintptr_t)(rows + (size_t)y * (size_t)(width * components));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  if (count > sizeof f->bytes) abort();
  memcpy(f->bytes, memory, count);
  f->count = count;
  free(memory);
}
