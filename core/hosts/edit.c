/* edit.c - see edit.h. */
#include "hosts/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/interrupt.h"
#include "base/status.h"

struct peri_edit {
  EditLine *line;
  History *history;
  locale_t locale; /* (locale_t)0 when there is no UTF-8 locale at all */
  peri_edit_complete *complete;
  void *context;
  const char *prompt;
  int cancelled; /* Ctrl-C ended the line */
};

static volatile sig_atomic_t resized, continued;

static void on_resize(int number) {
  (void)number;
  resized = 1;
}

static void on_continue(int number) {
  (void)number;
  continued = 1;
}

static peri_edit *self_of(EditLine *line) {
  void *self = NULL;
  el_get(line, EL_CLIENTDATA, &self);
  return self;
}

static char *get_prompt(EditLine *line) {
  return (char *)(uintptr_t)self_of(line)->prompt;
}

/* What signals asked for while we waited: 1 when the line is to be given up. */
static int after_signal(EditLine *line) {
  if (peri_interrupted()) return 1;
  if (resized) {
    resized = 0;
    el_resize(line);
  }
  if (continued) {
    continued = 0;
    el_set(line, EL_PREP_TERM, 1);
    el_set(line, EL_REFRESH);
  }
  return 0;
}

enum { CTRL_C = 3 };

/* One character of UTF-8 from standard input. A byte that fits nowhere becomes U+FFFD. */
static int get_char(EditLine *line, wchar_t *out) {
  mbstate_t state;
  memset(&state, 0, sizeof state);
  for (;;) {
    char byte;
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 0) return 0;
    if (n < 0) {
      if (errno != EINTR) return -1;
      if (after_signal(line)) {
        *out = CTRL_C; /* bound to cancel */
        return 1;
      }
      continue;
    }
    size_t used = mbrtowc(out, &byte, 1, &state);
    if (used == (size_t)-2) continue;
    if (used == (size_t)-1) *out = 0xFFFD;
    return 1;
  }
}

static unsigned char on_cancel(EditLine *line, int key) {
  (void)key;
  self_of(line)->cancelled = 1;
  return CC_EOF;
}

static unsigned char on_tab(EditLine *line, int key) {
  (void)key;
  peri_edit *self = self_of(line);
  const LineInfo *info = el_line(line);
  char *before = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
  char *insert = NULL, *listing = NULL;
  unsigned char result = CC_NORM;
  if (before != NULL) self->complete(self->context, before, &insert, &listing);
  if (insert != NULL && *insert != 0) {
    result = el_insertstr(line, insert) == 0 ? CC_REFRESH : CC_ERROR;
  } else if (listing == NULL) {
    result = CC_REFRESH_BEEP;
  }
  if (listing != NULL) {
    printf("\n%s\n", listing);
    fflush(stdout);
    result = CC_REDISPLAY;
  }
  free(before);
  free(insert);
  free(listing);
  return result;
}

/* A bracketed paste: everything up to ESC [ 201 ~ goes into the line as it is, tabs and line breaks too. */
static unsigned char on_paste(EditLine *line, int key) {
  static const wchar_t end[] = L"\x1b[201~";
  enum { END = sizeof end / sizeof *end - 1 };
  (void)key;
  size_t used = 0, room = 1024;
  wchar_t *text = malloc(room * sizeof *text);
  while (text != NULL) {
    if (el_wgetc(line, &text[used]) != 1 || (text[used] == CTRL_C && peri_interrupted())) {
      free(text);
      return on_cancel(line, key);
    }
    if (text[used] == L'\r') text[used] = L'\n';
    used++;
    if (used >= END && wmemcmp(text + used - END, end, END) == 0) break;
    if (used + 1 == room) {
      wchar_t *larger = realloc(text, 2 * room * sizeof *text);
      if (larger == NULL) free(text);
      text = larger;
      room *= 2;
    }
  }
  if (text == NULL) return CC_ERROR;
  used -= END;
  while (used > 0 && text[used - 1] == L'\n') used--; /* Enter is the person's to press */
  text[used] = 0;
  unsigned char result = used == 0 || el_winsertstr(line, text) == 0 ? CC_REFRESH : CC_ERROR;
  free(text);
  return result;
}

/* The user's locale when it is UTF-8, else any that is. */
static locale_t open_locale(void) {
  static const char *const names[] = {"", "C.UTF-8", "en_US.UTF-8"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    locale_t locale = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
    if (locale != (locale_t)0) {
      if (strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0) return locale;
      freelocale(locale);
    }
  }
  return (locale_t)0;
}

static locale_t enter(const peri_edit *self) {
  return self->locale != (locale_t)0 ? uselocale(self->locale) : (locale_t)0;
}

static void leave(locale_t before) {
  if (before != (locale_t)0) uselocale(before);
}

static int set_up(peri_edit *self, int history_size) {
  HistEvent event;
  self->line = el_init("perilune", stdin, stdout, stderr);
  self->history = history_init();
  if (self->line == NULL || self->history == NULL) {
    return peri_fail(PERI_ENOMEM, "the prompt: libedit cannot start on this terminal (TERM=%s)",
                     getenv("TERM") != NULL ? getenv("TERM") : "");
  }
  history(self->history, &event, H_SETSIZE, history_size);
  history(self->history, &event, H_SETUNIQUE, 1);
  el_set(self->line, EL_CLIENTDATA, self);
  el_set(self->line, EL_PROMPT, get_prompt);
  el_set(self->line, EL_EDITOR, "emacs");
  el_set(self->line, EL_HIST, history, self->history);
  el_set(self->line, EL_GETCFN, get_char);
  el_set(self->line, EL_ADDFN, "perilune-complete", "complete a name", on_tab);
  el_set(self->line, EL_ADDFN, "perilune-cancel", "give the line up", on_cancel);
  el_set(self->line, EL_ADDFN, "perilune-paste", "take pasted text as it is", on_paste);
  el_source(self->line, NULL); /* ~/.editrc, where there is one */
  static const char *const bindings[][2] = {
    {"\t", "perilune-complete"},       {"^C", "perilune-cancel"},     {"\\e[200~", "perilune-paste"},
    {"^R", "em-inc-search-prev"},      {"\\e[3~", "ed-delete-next-char"}, {"\\e[1;5C", "em-next-word"},
    {"\\e[1;5D", "ed-prev-word"},      {"^W", "ed-delete-prev-word"},
  };
  for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++) {
    el_set(self->line, EL_BIND, bindings[i][0], bindings[i][1], NULL);
  }
  return PERI_OK;
}

int peri_edit_open(peri_edit **out, int history_size, peri_edit_complete *complete, void *context) {
  *out = NULL;
  peri_edit *self = calloc(1, sizeof *self);
  if (self == NULL) return peri_fail(PERI_ENOMEM, "the prompt: out of memory");
  self->complete = complete;
  self->context = context;
  self->prompt = "";
  self->locale = open_locale();
  locale_t before = enter(self);
  int status = set_up(self, history_size);
  leave(before);
  if (status < 0) {
    peri_edit_close(self);
    return status;
  }
  *out = self;
  return PERI_OK;
}

void peri_edit_close(peri_edit *self) {
  if (self == NULL) return;
  locale_t before = enter(self);
  if (self->line != NULL) el_end(self->line);
  if (self->history != NULL) history_end(self->history);
  leave(before);
  if (self->locale != (locale_t)0) freelocale(self->locale);
  free(self);
}

static void set_bracketed_paste(int on) {
  fputs(on ? "\x1b[?2004h" : "\x1b[?2004l", stdout);
  fflush(stdout);
}

int peri_edit_read(peri_edit *self, const char *prompt, char **line) {
  struct sigaction on_window = {.sa_handler = on_resize}, on_cont = {.sa_handler = on_continue};
  struct sigaction window_before, cont_before;
  *line = NULL;
  self->prompt = prompt;
  self->cancelled = 0;
  sigaction(SIGWINCH, &on_window, &window_before);
  sigaction(SIGCONT, &on_cont, &cont_before);
  peri_interrupt_clear();
  locale_t before = enter(self);
  el_resize(self->line);
  set_bracketed_paste(1);
  int count = 0;
  const char *text = el_gets(self->line, &count);
  int kind = PERI_EDIT_END;
  if (self->cancelled) {
    kind = PERI_EDIT_INTERRUPTED;
    peri_interrupt_clear();
    fputs("^C\n", stdout);
  } else if (text != NULL && count > 0) {
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '\n') length--;
    *line = strndup(text, length);
    kind = *line != NULL ? PERI_EDIT_LINE : peri_fail(PERI_ENOMEM, "the prompt: no memory for a line");
  } else {
    fputs("\n", stdout);
  }
  set_bracketed_paste(0);
  leave(before);
  sigaction(SIGWINCH, &window_before, NULL);
  sigaction(SIGCONT, &cont_before, NULL);
  return kind;
}

int peri_edit_remember(peri_edit *self, const char *entry) {
  HistEvent event;
  locale_t before = enter(self);
  int status = history(self->history, &event, H_ENTER, entry);
  leave(before);
  return status < 0 ? peri_fail(PERI_ENOMEM, "the prompt: the history takes no more") : PERI_OK;
}

/* --- the history file --- */

static int fail_file(const char *verb, const char *path) {
  return peri_fail(PERI_EIO, "history: cannot %s %s: %s", verb, path, strerror(errno));
}

/* Makes the folders above path, each readable by the user alone. */
static int make_folders(const char *path) {
  char folder[PATH_MAX];
  if (strlen(path) >= sizeof folder) return peri_fail(PERI_EARG, "history: the path is too long: %s", path);
  strcpy(folder, path);
  for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return fail_file("make the folder", folder);
    *slash = '/';
  }
  return PERI_OK;
}

static int write_all(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, text, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    text += n;
    length -= (size_t)n;
  }
  return 0;
}

int peri_edit_append(const char *path, const char *text, unsigned long length) {
  PERI_TRY(make_folders(path));
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_file("open", path);
  int failed = write_all(fd, text, length) != 0;
  if (failed) {
    int status = fail_file("write to", path);
    close(fd);
    return status;
  }
  return close(fd) == 0 ? PERI_OK : fail_file("write to", path);
}

int peri_edit_replace(const char *path, const char *text, unsigned long length) {
  char temporary[PATH_MAX];
  PERI_TRY(make_folders(path));
  int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (n < 0 || (size_t)n >= sizeof temporary) return peri_fail(PERI_EARG, "history: the path is too long: %s", path);
  int fd = mkstemp(temporary); /* mode 0600 */
  if (fd < 0) return fail_file("make a file beside", path);
  int status = PERI_OK;
  if (write_all(fd, text, length) != 0 || fsync(fd) != 0) status = fail_file("write", temporary);
  if (close(fd) != 0 && status == PERI_OK) status = fail_file("write", temporary);
  if (status == PERI_OK && rename(temporary, path) != 0) status = fail_file("replace", path);
  if (status != PERI_OK) unlink(temporary);
  return status;
}
