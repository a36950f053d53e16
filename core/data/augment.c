/* augment.c - what may happen to a picture, what is drawn for one, and doing it (augment.h). */
#include "data/augment.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/status.h"

peri_augment peri_augment_none(void) {
  static const peri_range one = {1, 1};
  return (peri_augment){.probability = 1, .scale = one, .scale_x = one, .scale_y = one, .contrast = one,
                        .erase_area = {0.02, 0.33}, .erase_aspect = {0.3, 3.3}};
}

/* --- checks --- */

static int check_range(const char *name, peri_range r, double low, double high) {
  if (!isfinite(r.low) || !isfinite(r.high) || r.low > r.high) {
    return peri_fail(PERI_EARG, "augment: %s is {%g, %g}, expected the lower number first, both finite", name, r.low,
                     r.high);
  }
  if (r.low < low || r.high > high) {
    return peri_fail(PERI_EARG, "augment: %s is {%g, %g}, expected numbers from %g to %g", name, r.low, r.high, low,
                     high);
  }
  return PERI_OK;
}

static int check_number(const char *name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    return peri_fail(PERI_EARG, "augment: %s is %g, expected a number from %g to %g", name, value, low, high);
  }
  return PERI_OK;
}

int peri_augment_check(const peri_augment *a) {
  enum { WIDE = 1000000 };
  const struct {
    const char *name;
    peri_range range;
    double low, high;
  } ranges[] = {
      {"rotation", a->rotation, -WIDE, WIDE},       {"scale", a->scale, 0.01, 100},
      {"scale_x", a->scale_x, 0.01, 100},           {"scale_y", a->scale_y, 0.01, 100},
      {"shear_x", a->shear_x, -80, 80},             {"shear_y", a->shear_y, -80, 80},
      {"shift_x", a->shift_x, -WIDE, WIDE},         {"shift_y", a->shift_y, -WIDE, WIDE},
      {"elastic's alpha", a->elastic_alpha, 0, WIDE}, {"brightness", a->brightness, -WIDE, WIDE},
      {"contrast", a->contrast, 0, WIDE},           {"erase's area", a->erase_area, 0.0001, 1},
      {"erase's aspect", a->erase_aspect, 0.01, 100},
  };
  const struct {
    const char *name;
    double value, low, high;
  } numbers[] = {
      {"probability", a->probability, 0, 1},
      {"flip's chance to mirror left and right", a->flip_horizontal, 0, 1},
      {"flip's chance to mirror top and bottom", a->flip_vertical, 0, 1},
      {"noise", a->noise, 0, WIDE},
      {"erase's probability", a->erase, 0, 1},
      {"mixup", a->mixup, 0, 1000},
      {"elastic's sigma", a->elastic_sigma, a->elastic_alpha.high > 0 ? 0.1 : 0, 1000},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    PERI_TRY(check_range(ranges[i].name, ranges[i].range, ranges[i].low, ranges[i].high));
  }
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    PERI_TRY(check_number(numbers[i].name, numbers[i].value, numbers[i].low, numbers[i].high));
  }
  double most_x = fmax(fabs(a->shear_x.low), fabs(a->shear_x.high));
  double most_y = fmax(fabs(a->shear_y.low), fabs(a->shear_y.high));
  if (most_x + most_y > 85) {
    return peri_fail(PERI_EARG, "augment: shear_x and shear_y reach %g and %g degrees, expected 85 together at most",
                     most_x, most_y);
  }
  return PERI_OK;
}

/* --- drawing --- */

uint64_t peri_augment_key(uint64_t seed, uint64_t epoch, int64_t index) {
  return peri__mix(peri__mix(peri__mix(seed) ^ epoch) + 0xA0761D6478BD642FU + (uint64_t)index * 0xE7037ED1A0B428DBU);
}

double peri__draw_unit(uint64_t key, uint64_t number) {
  uint32_t words[4];
  peri_philox(key, number / 2, words);
  const uint32_t *pair = words + number % 2 * 2;
  return (double)((((uint64_t)pair[0] << 32) | pair[1]) >> 11) * 0x1p-53;
}

double peri__draw_range(uint64_t key, uint64_t number, peri_range r) {
  return r.low == r.high ? r.low : r.low + (r.high - r.low) * peri__draw_unit(key, number);
}

void peri_augment_draw_for(peri_augment_draw *out, const peri_augment *a, uint64_t key, int64_t h, int64_t w) {
  *out = (peri_augment_draw){.map = {1, 0, 0, 0, 1, 0}, .contrast = 1};
  if (a->probability < 1 && peri__draw_unit(key, 2 * PERI__DRAW_CHANCE) >= a->probability) return;
  peri__affine_draw(out, a, key, h, w);
  out->alpha = peri__draw_range(key, 2 * PERI__DRAW_COLOUR, a->elastic_alpha);
  out->moved |= out->alpha > 0;
  out->brightness = peri__draw_range(key, 2 * PERI__DRAW_COLOUR + 1, a->brightness);
  out->contrast = peri__draw_range(key, 2 * PERI__DRAW_COLOUR + 2, a->contrast);
  out->noisy = a->noise > 0;
  if (a->erase > 0) peri__erase_draw(out, a, key, h, w);
}

/* --- a run of pictures --- */

int peri__augmenter_new(peri__augmenter **out, const peri_augment *options, const peri_augment_values *values,
                        const peri_tensor *source) {
  *out = NULL;
  PERI_TRY(peri_augment_check(options));
  if ((source->dtype != PERI_U8 && source->dtype != PERI_F32) || source->ndim < 3 || source->ndim > 4) {
    return peri_fail(PERI_ETYPE, "augment: pictures are uint8 or float32 of shape (N, H, W) or (N, H, W, C), got %s",
                     peri_tensor_text(source));
  }
  int64_t h = source->shape[1], w = source->shape[2], c = source->ndim == 4 ? source->shape[3] : 1;
  if (values->channels < 1 || values->channels > PERI_AUGMENT_CHANNELS ||
      (values->channels > 1 && values->channels != c)) {
    return peri_fail(PERI_ESHAPE, "augment: %lld channels to scale, but the pictures have %lld",
                     (long long)values->channels, (long long)c);
  }
  if (h < 1 || w < 1 || c < 1 || (double)(h + 3) * (double)(w + 3) * (double)c > 2e9) {
    return peri_fail(PERI_ESHAPE, "augment: pictures of %s are %s", peri_tensor_text(source),
                     h < 1 || w < 1 || c < 1 ? "empty" : "too large");
  }
  peri__augmenter *p = peri_alloc_zeroed(sizeof *p);
  if (!p) return PERI_ENOMEM;
  p->options = *options;
  p->h = h, p->w = w, p->c = c, p->dtype = source->dtype, p->channels = values->channels;
  for (int64_t i = 0; i < p->channels; i++) {
    p->scale[i] = (float)values->scale[i];
    p->shift[i] = (float)values->shift[i];
    p->fill[i] = (float)values->fill[i];
    p->unit[i] = (float)values->unit[i];
    p->origin[i] = (float)values->origin[i];
  }
  if (options->elastic_alpha.high > 0) {
    int status = peri__elastic_taps(&p->taps, &p->radius, options->elastic_sigma, h > w ? h : w);
    if (status < 0) {
      peri__augmenter_free(p);
      return status;
    }
  }
  *out = p;
  return PERI_OK;
}

void peri__augmenter_free(peri__augmenter *p) {
  if (!p) return;
  peri_free(p->taps);
  peri_free(p);
}

/* A picture with its border, two fields, and what making a field wants. */
int64_t peri__augmenter_scratch(const peri__augmenter *p) {
  return (p->h + 3) * (p->w + 3) * p->c + (p->taps ? 4 * p->h * p->w : 0);
}

/* --- one picture --- */

/* `count` pixels of fill. */
static void fill_pixels(const peri__augmenter *p, int64_t count, float *to) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t c = 0; c < p->c; c++) *to++ = p->fill[p->channels == 1 ? 0 : c];
}

/* The stored picture, scaled, with one row and column of fill before it and two behind. */
static void spread(const peri__augmenter *p, const char *from, float *to) {
  size_t wide = (size_t)(p->w * p->c) * peri_dtype_size(p->dtype);
  fill_pixels(p, p->w + 3, to);
  for (int64_t r = 0; r < p->h; r++) {
    float *row = to + (r + 1) * (p->w + 3) * p->c;
    fill_pixels(p, 1, row);
    peri__convert(p->dtype, from + (size_t)r * wide, p->w * p->c, p->channels, p->scale, p->shift, row + p->c);
    fill_pixels(p, 2, row + (p->w + 1) * p->c);
  }
  fill_pixels(p, 2 * (p->w + 3), to + (p->h + 1) * (p->w + 3) * p->c);
}

static void move(const peri__augmenter *p, const peri_augment_draw *d, uint64_t key, const void *from, float *to,
                 float *scratch) {
  peri_resample g = {.h = p->h, .w = p->w, .c = p->c};
  int64_t n = p->h * p->w;
  float *rows = NULL, *columns = NULL, *bordered = scratch;
  memcpy(g.map, d->map, sizeof g.map);
  if (d->alpha > 0) {
    rows = scratch + (p->h + 3) * (p->w + 3) * p->c;
    columns = rows + n;
    peri__elastic_field(p, key, d->alpha, rows, columns, columns + n);
  }
  spread(p, from, bordered);
  peri_kernels_of(PERI_F32)->resample(&g, bordered, rows, columns, to);
}

/* v -> (v - mean) contrast + mean + brightness, the mean of each channel. */
static void recolour(const peri__augmenter *p, const peri_augment_draw *d, float *picture) {
  int64_t n = p->h * p->w;
  for (int64_t c = 0; c < p->c; c++) {
    double mean = 0;
    for (int64_t i = 0; i < n; i++) mean += (double)picture[i * p->c + c];
    mean /= (double)n;
    float factor = (float)d->contrast;
    float offset = (float)(mean * (1 - d->contrast) + d->brightness * (double)p->unit[p->channels == 1 ? 0 : c]);
    for (int64_t i = 0; i < n; i++) picture[i * p->c + c] = picture[i * p->c + c] * factor + offset;
  }
}

static void add_noise(const peri__augmenter *p, uint64_t key, float *picture, float *scratch) {
  int64_t n = p->h * p->w * p->c;
  peri_kernels_of(PERI_F32)->normal_noise(key, PERI__DRAW_NOISE, n, p->options.noise, scratch);
  for (int64_t i = 0; i < n; i += p->c)
    for (int64_t c = 0; c < p->c; c++) picture[i + c] += p->unit[p->channels == 1 ? 0 : c] * scratch[i + c];
}

void peri__augment_picture(const peri__augmenter *p, uint64_t key, const void *from, float *to, float *scratch) {
  peri_augment_draw d;
  peri_augment_draw_for(&d, &p->options, key, p->h, p->w);
  if (d.moved) move(p, &d, key, from, to, scratch);
  else peri__convert(p->dtype, from, p->h * p->w * p->c, p->channels, p->scale, p->shift, to);
  if (d.brightness != 0 || d.contrast != 1) recolour(p, &d, to);
  if (d.noisy) add_noise(p, key, to, scratch);
  if (d.erase[2] > 0) peri__erase(p, key, d.erase, to);
}
