/* edit.h - line editing on a terminal, on libedit (BSD licence), and the history file beside it.

   One editor at a time, used by the thread that handles SIGINT: Ctrl-C is seen through the flag of
   base/interrupt.h. Text is UTF-8 whatever the locale says. Lines may hold line breaks (pasted ones). */
#ifndef PERI_HOSTS_EDIT_H
#define PERI_HOSTS_EDIT_H

typedef struct peri_edit peri_edit;

/* Asked at Tab: `before` is the text up to the cursor. Sets *insert to what to put there and *listing to
   what to show below the line; each NULL or from malloc. */
typedef void peri_edit_complete(void *context, const char *before, char **insert, char **listing);

/* Opens standard input and output for editing. Free with peri_edit_close. */
int peri_edit_open(peri_edit **out, int history_size, peri_edit_complete *complete, void *context);
void peri_edit_close(peri_edit *edit);

enum { PERI_EDIT_LINE, PERI_EDIT_END, PERI_EDIT_INTERRUPTED };

/* Reads a line without its line break into *line (from malloc, the caller frees). Returns one of the above
   or a negative status; *line is NULL unless it is PERI_EDIT_LINE. */
int peri_edit_read(peri_edit *edit, const char *prompt, char **line);

/* Adds an entry to the history that the arrow keys walk. */
int peri_edit_remember(peri_edit *edit, const char *entry);

/* Appends text to a file with one write, or replaces the file whole (temporary file, fsync, rename).
   Folders that are missing are made; the file is the user's alone (mode 0600). */
int peri_edit_append(const char *path, const char *text, unsigned long length);
int peri_edit_replace(const char *path, const char *text, unsigned long length);

#endif
