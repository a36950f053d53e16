/* stream.c - zlib's gzFile reads raw and packed files alike; this adds the checks and the messages. */
#include "data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/interrupt.h"
#include "base/status.h"

enum { CHUNK = 1 << 22, DEFLATE_MOST = 1032 }; /* deflate makes at most 1032 bytes of one */

static int open_regular(int *out, struct stat *about, const char *what, const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return peri_fail(PERI_EIO, "%s: cannot open %s: %s", what, path, strerror(errno));
  if (fstat(file, about) < 0 || !S_ISREG(about->st_mode)) {
    close(file);
    return peri_fail(PERI_EIO, "%s: %s is %s, expected a file", what, path,
                     S_ISDIR(about->st_mode) ? "a folder" : "no regular file");
  }
  *out = file;
  return PERI_OK;
}

int peri__stream_open(peri_stream *s, const char *what, const char *path) {
  int file = -1;
  struct stat about = {0};
  *s = (peri_stream){.what = what, .path = path};
  PERI_TRY(open_regular(&file, &about, what, path));
  s->file = gzdopen(file, "rb");
  if (!s->file) {
    close(file);
    return peri_fail(PERI_ENOMEM, "%s: out of memory while opening %s", what, path);
  }
  gzbuffer(s->file, 1 << 17);
  s->packed = !gzdirect(s->file);
  s->most = (uint64_t)about.st_size * (s->packed ? DEFLATE_MOST : 1);
  return PERI_OK;
}

void peri__stream_close(peri_stream *s) {
  if (s->file) gzclose(s->file);
  s->file = NULL;
}

int peri__stream_read(peri_stream *s, void *to, size_t want, size_t *got) {
  *got = 0;
  while (*got < want) {
    size_t left = want - *got;
    int n = gzread(s->file, (char *)to + *got, (unsigned)(left < CHUNK ? left : CHUNK));
    int code = Z_OK;
    const char *text = n < 0 || (size_t)n < left ? gzerror(s->file, &code) : "";
    if (n < 0 || code == Z_BUF_ERROR) { /* the latter is how zlib says that a packed file stops short */
      if (code == Z_ERRNO) text = strerror(errno);
      return peri_fail(code == Z_ERRNO ? PERI_EIO : PERI_EFORMAT, "%s: %s: cannot read past byte %llu%s: %s", s->what,
                       s->path, (unsigned long long)(s->offset + (n > 0 ? (uint64_t)n : 0)),
                       s->packed ? " of the unpacked contents" : "", text);
    }
    if (n == 0) break;
    *got += (size_t)n;
    s->offset += (uint64_t)n;
    PERI_TRY(peri_interrupt_poll());
  }
  return PERI_OK;
}
