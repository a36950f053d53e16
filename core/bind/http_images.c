/* http_images.c - core/image's readers for the service (see http_images.h). */
#include "bind/http_images.h"

#include <string.h>

#include "base/status.h"
#include "image/image.h"

enum { PIXELS_MOST = 1 << 24 }; /* a camera's picture; unpacked and as floats, one takes some 40 bytes a pixel */

static int copy_out(float *image, peri_tensor *digit) {
  memcpy(image, peri_tensor_data(digit), (size_t)peri_tensor_count(digit) * sizeof *image);
  peri_tensor_release(digit);
  return PERI_OK;
}

static int read_picture(float *image, const void *bytes, size_t size) {
  peri_tensor *picture, *digit;
  PERI_TRY(peri_image_parse_within(&picture, bytes, size, "the body", PERI_IMAGE_AS_IS, PIXELS_MOST));
  int status = peri_image_digit(&digit, picture, &(peri_digit_options){.ink = 0, .thicken = PERI_IMAGE_THICKEN});
  peri_tensor_release(picture);
  return status < 0 ? status : copy_out(image, digit);
}

static int read_drawing(float *image, const peri_body_drawing *d) {
  peri_tensor *digit;
  PERI_TRY(peri_image_drawing_digit(&digit, &(peri_image_drawing){d->points, d->lengths, d->strokes, d->pen, d->width, d->height}));
  if (digit == NULL) return peri_fail(PERI_EARG, "strokes: nothing is drawn on the canvas of %g x %g", d->width, d->height);
  return copy_out(image, digit);
}

const peri_body_images peri_http_images = {.picture = read_picture, .drawing = read_drawing};
