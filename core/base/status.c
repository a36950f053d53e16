/* status.c - the per-thread message behind every failure. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };
static _Thread_local char message[MESSAGE_BYTES];

int peri_fail(int status, const char *format, ...) {
  char text[MESSAGE_BYTES]; /* the arguments may point into the old message */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(message, text, sizeof message);
  return status;
}

int peri_fail_prefix(int status, const char *format, ...) {
  char prefix[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(prefix, sizeof prefix, format, arguments);
  va_end(arguments);
  return peri_fail(status, "%s%s", prefix, message);
}

const char *peri_message(void) { return message; }

const char *peri_status_text(int status) {
  switch (status) {
#define X(name, code, text)                                                                        \
  case code: return text;
    PERI_STATUS_TABLE(X)
#undef X
  default: return "unknown status";
  }
}
