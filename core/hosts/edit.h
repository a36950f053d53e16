/* edit.h - what line editing needs from a terminal (key mode, reading with a time limit, signals, widths of characters),
   and the history file beside it.

   One user at a time, on the thread that handles SIGINT: Ctrl-C is seen through the flag of base/interrupt.h. In key
   mode every byte arrives as it is typed, nothing is echoed, and only Ctrl-C and Ctrl-\ still make signals; output is
   as always. The terminal's own mode comes back with peri_edit_leave, at exit, and before SIGTERM or SIGHUP ends the
   process. Text is UTF-8 whatever the locale says. */
#ifndef PERI_HOSTS_EDIT_H
#define PERI_HOSTS_EDIT_H

#include <stddef.h>

/* Puts the terminal on standard input into key mode, and asks it to mark pasted text; what was typed before is kept.
   Entering twice is one entering. */
int peri_edit_enter(void);
void peri_edit_leave(void);

/* As Ctrl-Z does: leaves, stops the process, and enters again when it goes on. */
int peri_edit_suspend(void);

enum { PERI_EDIT_BYTES, PERI_EDIT_TIMEOUT, PERI_EDIT_INTERRUPT, PERI_EDIT_REDRAW, PERI_EDIT_END };

/* Waits at most `milliseconds` (-1: for ever) for input and reads up to `most` bytes into `bytes`. Returns
   PERI_EDIT_BYTES with *count > 0; PERI_EDIT_INTERRUPT after Ctrl-C (the flag is cleared); PERI_EDIT_REDRAW when the
   terminal's size changed or the process was stopped and goes on; PERI_EDIT_END when the input has ended. */
int peri_edit_read(char *bytes, size_t most, int milliseconds, size_t *count);

/* 1 when standard input can be read (or has ended) within so many milliseconds, -1: for ever; 0 also when a signal
   ended the wait. */
int peri_edit_ready(int milliseconds);

/* Writes all of it to standard output, past stdio's buffer (which is flushed before). */
int peri_edit_write(const char *text, size_t length);

/* Columns and rows of the terminal on standard output, 80 and 24 where it does not tell. */
void peri_edit_size(int *columns, int *rows);

/* Columns that UTF-8 text takes; a control character or a byte that is no UTF-8 counts as one. */
size_t peri_edit_width(const char *text, size_t length);

/* Appends text to a file with one write, or replaces the file whole (temporary file, fsync, rename).
   Folders that are missing are made; the file is the user's alone (mode 0600). */
int peri_edit_append(const char *path, const char *text, unsigned long length);
int peri_edit_replace(const char *path, const char *text, unsigned long length);

#endif
