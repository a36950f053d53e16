/* status.h - how the core reports failure.

   The core never longjmps, never exits and never prints. A function that can fail returns an int:
   0 (PERI_OK) or more on success, a negative status on failure, with a message for a person kept per
   thread. The message says what was wrong, where (op and argument) and what was expected. */
#ifndef PERI_BASE_STATUS_H
#define PERI_BASE_STATUS_H

#define PERI_STATUS_TABLE(X)                                                                        \
  X(PERI_OK, 0, "ok")                                                                              \
  X(PERI_EARG, -1, "bad argument")                                                                 \
  X(PERI_ESHAPE, -2, "shapes do not fit")                                                          \
  X(PERI_ETYPE, -3, "wrong element type")                                                          \
  X(PERI_ENOMEM, -4, "out of memory")                                                              \
  X(PERI_EIO, -5, "input or output failed")                                                        \
  X(PERI_EFORMAT, -6, "malformed file")                                                            \
  X(PERI_EINTERRUPT, -7, "interrupted")                                                            \
  X(PERI_ESTATE, -8, "not possible in this state")                                                 \
  X(PERI_EUNSUPPORTED, -9, "not supported")

typedef enum peri_status {
#define X(name, code, text) name = code,
  PERI_STATUS_TABLE(X)
#undef X
} peri_status;

/* Sets this thread's message (printf style, cut at 1023 bytes) and returns `status`, so that a
   caller writes `return peri_fail(PERI_ESHAPE, "matmul: a is %s ...", ...)`. */
int peri_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix" in front of this thread's message (a layer's path, an op's name); returns `status`. */
int peri_fail_prefix(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This thread's last message; "" before the first failure. Valid until the next failure. */
const char *peri_message(void);

/* The general text of a status, from the table above. */
const char *peri_status_text(int status);

/* Returns from the calling function when an expression gave a negative status. */
#define PERI_TRY(expression)                                                                       \
  do {                                                                                             \
    int peri__status = (expression);                                                               \
    if (peri__status < 0) return peri__status;                                                     \
  } while (0)

/* The same for functions that release what they hold under a label. `status` is an int in scope. */
#define PERI_TRY_GOTO(label, expression)                                                           \
  do {                                                                                             \
    status = (expression);                                                                         \
    if (status < 0) goto label;                                                                    \
  } while (0)

#endif
