/* http_log.c - the access log: one JSON object a line.

   Every I/O thread gathers lines and writes them, whole ones only, in one write: when there are 32 KB, and at least four
   times a second. SIGHUP opens the file anew, so that it can be moved away. */
#include "hosts/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

enum { LOG_MOST = 32 << 10 };

static int open_path(const char *path) { return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640); }

int peri__http_log_open(peri_http *door, const char *path) {
  door->log = -1;
  if (!path) return PERI_OK;
  if (strcmp(path, "-") == 0) {
    door->log = STDOUT_FILENO;
    return PERI_OK;
  }
  door->log_path = peri_strdup(path);
  if (!door->log_path) return PERI_ENOMEM;
  door->log = open_path(path);
  return door->log < 0 ? peri_fail(PERI_EIO, "http.open: argument 'access_log': %s: %s", path, strerror(errno)) : PERI_OK;
}

void peri__http_log_close(peri_http *door) {
  if (door->log_path && door->log >= 0) close(door->log);
  peri_free(door->log_path);
  door->log_path = NULL;
  door->log = -1;
}

/* When the file cannot be opened, the lines go on into the old one. */
void peri__http_log_reopen(peri_http *door) {
  if (!door->log_path) return;
  int fd = open_path(door->log_path);
  if (fd < 0) return;
  pthread_mutex_lock(&door->log_lock);
  int old = door->log;
  door->log = fd;
  pthread_mutex_unlock(&door->log_lock);
  close(old);
}

void peri__http_log_flush(peri__http_io *io) {
  peri_http *door = io->door;
  if (io->log.size == 0 || (io->log.size < LOG_MOST && io->now - io->logged < 250000000 && !atomic_load(&door->closing))) return;
  io->logged = io->now;
  pthread_mutex_lock(&door->log_lock);
  for (size_t done = 0; done < io->log.size;) {
    ssize_t n = write(door->log, io->log.at + done, io->log.size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break; /* a full disk does not stop the service */
    done += (size_t)n;
  }
  pthread_mutex_unlock(&door->log_lock);
  io->log.size = 0;
}

static void add(peri_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(peri_text *t, const char *format, ...) {
  char text[160];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  peri_text_add(t, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void peri__http_log_add(peri__http_io *io, const peri_http_request *r) {
  struct timespec now;
  struct tm utc;
  peri_text *t = &io->log;
  if (io->door->log < 0) return;
  size_t start = t->size;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  add(t, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"client\":\"%s\",\"method\":", utc.tm_year + 1900, utc.tm_mon + 1,
      utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000, r->connection->client);
  peri_text_string(t, r->method);
  peri_text_add(t, ",\"path\":", 8);
  peri_text_string(t, r->path);
  add(t, ",\"status\":%d,\"received\":%llu,\"sent\":%zu,\"images\":%lld,\"milliseconds\":%.3f", r->status,
      (unsigned long long)r->received, peri__http_sent(r), r->status == 200 ? (long long)r->count : 0,
      (double)(peri__http_now() - r->began) / 1e6);
  if (r->models && r->model >= 0) {
    peri_text_add(t, ",\"model\":", 9);
    peri_text_string(t, r->models->model[r->model].name);
  }
  if (peri_text_add(t, "}\n", 2) < 0) t->size = start; /* half a line is none */
}
