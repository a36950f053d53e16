/* capture.h - what is written to standard output and error is collected instead of shown, while the terminal belongs to
   something that is drawn. One capture at a time; not for the signal handlers, except peri__capture_drop. */
#ifndef PERI_BIND_CAPTURE_H
#define PERI_BIND_CAPTURE_H

#include <stddef.h>

enum { PERI_CAPTURE_MOST = 1 << 18 }; /* bytes that are kept until they are taken; of more, the newest */

/* Standard output and error go to us from now on, also what child processes write; standard input is empty. */
int peri__capture_begin(void);

/* The streams are as they were. What was collected can still be taken. */
void peri__capture_end(void);

/* Copies what has come since the last call to `out`, which holds PERI_CAPTURE_MOST bytes, and returns how much that is;
   *lost are the bytes before it that were too many. */
size_t peri__capture_take(char *out, size_t *lost);

/* In a signal handler: the streams are as they were, for the words of who ends the process. */
void peri__capture_drop(void);

#endif
