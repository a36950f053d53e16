/* csv.c - a table of numbers, read in one pass through a block of the file.

   A cell is collected into a small buffer and turned into a number when its separator comes. Values are
   kept as bytes for as long as all are whole numbers in 0..255 (pictures stay a quarter of the size) and
   widened to float32 once, at the first that is not. Lines and columns in messages count from 1. */
#include "data/data.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/stream.h"

enum { BLOCK = 1 << 18, CELL_MOST = 64, COLUMNS_MOST = 1 << 20, NAMED_COLUMNS = 785 };

typedef struct csv_cells { /* growing arrays of one row after another */
  void *values;            /* uint8 or float */
  bool wide;               /* float */
  int64_t count, room;
  int64_t *labels;
  int64_t rows, label_room;
} csv_cells;

typedef struct csv {
  peri_stream stream;
  const peri_csv_options *options;
  locale_t locale; /* "C": 0.5 has a point in every country */
  char *block;
  size_t at, end;
  int64_t line, column, columns; /* columns: of the first line, 0 before its end */
  char cell[CELL_MOST];
  int cell_length;
  bool quoted;            /* inside quotes */
  bool names;             /* this is a header's line */
  int64_t label;          /* column, 0 none */
  csv_cells cells;
} csv;

/* The cell as it may be shown in a message. */
static const char *shown(csv *c) {
  c->cell[c->cell_length] = 0;
  for (char *p = c->cell; *p; p++) {
    if (!isprint((unsigned char)*p)) *p = '?';
  }
  return c->cell;
}

static int refuse(csv *c, const char *expected) {
  return peri_fail(PERI_EFORMAT, "csv: %s: line %" PRId64 ", column %" PRId64 ": '%s', expected %s", c->stream.path, c->line,
                   c->column, shown(c), expected);
}

/* Makes room for one element more; the block doubles. */
static int grow(void **block, int64_t *room, int64_t used, size_t size) {
  if (used < *room) return PERI_OK;
  int64_t larger = *room ? *room * 2 : 4096;
  void *fresh = peri_alloc((size_t)larger * size);
  if (!fresh) return PERI_ENOMEM;
  if (used) memcpy(fresh, *block, (size_t)used * size);
  peri_free(*block);
  *block = fresh;
  *room = larger;
  return PERI_OK;
}

static int widen(csv_cells *cells) {
  float *wide = peri_alloc((size_t)cells->room * sizeof *wide);
  if (!wide) return PERI_ENOMEM;
  const uint8_t *narrow = cells->values;
  for (int64_t i = 0; i < cells->count; i++) wide[i] = narrow[i];
  peri_free(cells->values);
  cells->values = wide;
  cells->wide = true;
  return PERI_OK;
}

static int store_value(csv_cells *cells, double value) {
  bool byte = value >= 0 && value <= 255 && value == (double)(int)value;
  if (!byte && !cells->wide) PERI_TRY(widen(cells));
  PERI_TRY(grow(&cells->values, &cells->room, cells->count, cells->wide ? sizeof(float) : 1));
  if (cells->wide) ((float *)cells->values)[cells->count++] = (float)value;
  else ((uint8_t *)cells->values)[cells->count++] = (uint8_t)value;
  return PERI_OK;
}

/* The cell as a number. Whole numbers of up to 15 digits are read here; everything else by strtod. */
static bool parse(csv *c, double *out) {
  int i = 0, end = c->cell_length;
  while (i < end && c->cell[i] == ' ') i++;
  while (end > i && c->cell[end - 1] == ' ') end--;
  if (end == i || end - i >= CELL_MOST - 1) return false;
  int64_t whole = 0;
  int first = i;
  while (i < end && i - first < 15 && c->cell[i] >= '0' && c->cell[i] <= '9') whole = whole * 10 + (c->cell[i++] - '0');
  if (i == end) {
    *out = (double)whole;
    return true;
  }
  if (memchr(c->cell, 0, (size_t)end)) return false;
  char kept = c->cell[end], *stop;
  c->cell[end] = 0;
  *out = strtod_l(c->cell + first, &stop, c->locale);
  bool good = stop == c->cell + end && strpbrk(c->cell + first, "xX(") == NULL; /* no hexadecimal */
  c->cell[end] = kept;
  return good;
}

static int end_name(csv *c) {
  shown(c);
  const char *wanted = c->options->label_name;
  if (wanted ? strcmp(c->cell, wanted) == 0 : c->options->label == PERI_CSV_AUTO && strcasecmp(c->cell, "label") == 0) {
    c->label = c->column;
  }
  return PERI_OK;
}

/* A cell has ended: `column` is its number. */
static int end_cell(csv *c) {
  double value;
  if (c->columns && c->column > c->columns) return PERI_OK; /* end_line says what is wrong */
  if (c->column > COLUMNS_MOST) {
    return peri_fail(PERI_EFORMAT, "csv: %s: line %" PRId64 " has more than %d columns", c->stream.path, c->line, COLUMNS_MOST);
  }
  if (c->names) return end_name(c);
  if (c->cell_length == 0) {
    return peri_fail(PERI_EFORMAT, "csv: %s: line %" PRId64 ", column %" PRId64 ": the cell is empty, expected a number",
                     c->stream.path, c->line, c->column);
  }
  if (!parse(c, &value)) return refuse(c, "a number");
  if (c->column != c->label) return store_value(&c->cells, value);
  if (!(value >= -0x1p53 && value <= 0x1p53) || value != (double)(int64_t)value) return refuse(c, "a label (a whole number)");
  void *labels = c->cells.labels;
  int status = grow(&labels, &c->cells.label_room, c->cells.rows, sizeof *c->cells.labels);
  c->cells.labels = labels;
  PERI_TRY(status);
  c->cells.labels[c->cells.rows] = (int64_t)value;
  return PERI_OK;
}

/* After the first line: is the label's column there? */
static int check_label(const csv *c) {
  if (c->options->label_name && c->label == 0) {
    return peri_fail(PERI_EARG, "csv: %s: no column of the first line is called '%.100s'", c->stream.path, c->options->label_name);
  }
  if (c->label <= c->columns) return PERI_OK;
  return peri_fail(PERI_EARG, "csv: %s: the label's column is %" PRId64 ", but there are %" PRId64 " columns", c->stream.path,
                   c->label, c->columns);
}

static int end_line(csv *c) {
  if (c->columns == 0) {
    c->columns = c->column;
    PERI_TRY(check_label(c));
  }
  if (c->column != c->columns) {
    return peri_fail(PERI_EFORMAT, "csv: %s: line %" PRId64 " has %" PRId64 " column%s, expected %" PRId64 " as in the first line",
                     c->stream.path, c->line, c->column, c->column == 1 ? "" : "s", c->columns);
  }
  if (!c->names) c->cells.rows++;
  return PERI_OK;
}

/* Reads the next block. *more is false at the end of the file. */
static int refill(csv *c, bool *more) {
  c->at = 0;
  int status = peri__stream_read(&c->stream, c->block, BLOCK, &c->end);
  *more = c->end > 0;
  return status;
}

/* Looks at the first line, which lies in the first block, to tell names from numbers and count columns. */
static void look_at_first_line(csv *c) {
  const peri_csv_options *o = c->options;
  size_t i = c->at;
  bool quoted = false, all_numbers = true;
  int64_t columns = 1;
  csv probe = {.locale = c->locale};
  for (; i <= c->end; i++) {
    char ch = i < c->end ? c->block[i] : '\n';
    if (ch == '"') quoted = !quoted;
    else if (!quoted && (ch == o->separator || ch == '\n' || ch == '\r')) {
      double value;
      if (probe.cell_length == 0 || !parse(&probe, &value)) all_numbers = false;
      probe.cell_length = 0;
      if (ch != o->separator) break;
      columns++;
    } else if (probe.cell_length < CELL_MOST - 1) probe.cell[probe.cell_length++] = ch;
  }
  c->names = o->header == PERI_CSV_AUTO ? !all_numbers : o->header != 0;
  c->label = o->label > 0 ? o->label : 0;
  if (!c->names && o->label == PERI_CSV_AUTO && columns == NAMED_COLUMNS) c->label = 1;
}

/* One character of the file; `\n` also stands for the end of a last line without one. */
static inline int take(csv *c, char ch) {
  if (ch == '"' && (c->quoted || c->cell_length == 0)) {
    c->quoted = !c->quoted;
    return PERI_OK;
  }
  if (!c->quoted) {
    if (ch == c->options->separator) {
      PERI_TRY(end_cell(c));
      c->column++;
      c->cell_length = 0;
      return PERI_OK;
    }
    if (ch == '\n') {
      if (c->column > 1 || c->cell_length > 0) { /* not an empty line */
        PERI_TRY(end_cell(c));
        PERI_TRY(end_line(c));
        c->names = false;
      }
      c->line++;
      c->column = 1;
      c->cell_length = 0;
      return PERI_OK;
    }
    if (ch == '\r') return PERI_OK;
  } else if (ch == '\n') {
    c->cell_length = c->cell_length < CELL_MOST - 1 ? c->cell_length : CELL_MOST - 1;
    return refuse(c, "a closing quote on the same line");
  }
  if (c->cell_length < CELL_MOST - 1) c->cell[c->cell_length++] = ch;
  else if (!c->names) return refuse(c, "a number");
  return PERI_OK;
}

static int read_all(csv *c) {
  bool more;
  PERI_TRY(refill(c, &more));
  if (c->end >= 3 && memcmp(c->block, "\xEF\xBB\xBF", 3) == 0) c->at = 3; /* a byte order mark */
  while (c->at < c->end && (c->block[c->at] == '\n' || c->block[c->at] == '\r')) {
    if (c->block[c->at++] == '\n') c->line++;
  }
  look_at_first_line(c);
  while (more) {
    for (; c->at < c->end; c->at++) PERI_TRY(take(c, c->block[c->at]));
    PERI_TRY(refill(c, &more));
  }
  PERI_TRY(take(c, '\n'));
  if (c->cells.rows > 0) return PERI_OK;
  return peri_fail(PERI_EFORMAT, "csv: %s: there is no row of numbers in the file", c->stream.path);
}

static int make_tensors(csv *c, peri_tensor **x, peri_tensor **y) {
  int64_t shape[2] = {c->cells.rows, c->columns - (c->label > 0)};
  if (shape[1] < 1) return peri_fail(PERI_EFORMAT, "csv: %s: there is no column beside the labels", c->stream.path);
  PERI_TRY(peri_tensor_from(x, c->cells.wide ? PERI_F32 : PERI_U8, 2, shape, c->cells.values));
  return c->label ? peri_tensor_from(y, PERI_I64, 1, shape, c->cells.labels) : PERI_OK;
}

int peri_csv_read(peri_tensor **x, peri_tensor **y, const char *path, const peri_csv_options *options) {
  csv c = {.options = options, .line = 1, .column = 1};
  int status;
  *x = *y = NULL;
  if (options->separator == '\n' || options->separator == '"' || isalnum((unsigned char)options->separator)) {
    return peri_fail(PERI_EARG, "csv: '%c' cannot separate cells", options->separator);
  }
  PERI_TRY(peri__stream_open(&c.stream, "csv", path));
  c.block = peri_alloc(BLOCK);
  c.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c.block || !c.locale) status = peri_fail(PERI_ENOMEM, "csv: out of memory while reading %s", path);
  else status = read_all(&c);
  if (status >= 0) status = make_tensors(&c, x, y);
  if (status < 0) {
    peri_tensor_release(*x);
    *x = NULL;
  }
  if (c.locale) freelocale(c.locale);
  peri_free(c.block);
  peri_free(c.cells.values);
  peri_free(c.cells.labels);
  peri__stream_close(&c.stream);
  return status;
}
