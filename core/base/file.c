/* file.c - atomic writes by temporary file and rename; bounded reads by pread. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"

enum { BUFFER_BYTES = 1 << 16, PIECE_BYTES = 1 << 22 }; /* a piece: what is moved between two polls */

struct peri_file_writer {
  int fd;
  char target[PATH_MAX];    /* links resolved */
  char temporary[PATH_MAX]; /* same folder */
  uint64_t offset;
  size_t used;
  uint8_t buffer[BUFFER_BYTES];
};

/* The length of the folder's part of a path, the slash included; 0 when there is none. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

static int fail_write(const peri_file_writer *w, const char *what, int error) {
  const char *hint = error == ENOSPC || error == EDQUOT ? "; free some space or save elsewhere" : "";
  return peri_fail(PERI_EIO, "%s: cannot %s: %s%s (an older file of that name is unchanged)", w->target, what,
                   strerror(error), hint);
}

/* Resolves the target into w->target and finds out which permissions to give; only a regular file
   may be replaced. */
static int resolve(peri_file_writer *w, const char *path, mode_t *mode) {
  struct stat found;
  *mode = 0;
  if (!*path) return peri_fail(PERI_EARG, "write: the file's name is empty");
  if (strlen(path) >= PATH_MAX) return peri_fail(PERI_EARG, "write: the path is longer than %d bytes", PATH_MAX);
  if (stat(path, &found) < 0) {
    if (errno != ENOENT) return peri_fail(PERI_EIO, "%s: cannot write: %s", path, strerror(errno));
    strcpy(w->target, path);
    return PERI_OK;
  }
  if (S_ISDIR(found.st_mode)) return peri_fail(PERI_EIO, "%s: cannot write: it is a folder", path);
  if (!S_ISREG(found.st_mode)) return peri_fail(PERI_EIO, "%s: cannot write: it is no regular file", path);
  if (access(path, W_OK) < 0) return peri_fail(PERI_EIO, "%s: cannot write: %s", path, strerror(errno));
  if (!realpath(path, w->target)) return peri_fail(PERI_EIO, "%s: cannot write: %s", path, strerror(errno));
  *mode = found.st_mode & 0777;
  return PERI_OK;
}

static int create(peri_file_writer *w) {
  static atomic_uint counter;
  size_t folder = folder_length(w->target);
  if (folder + 64 > PATH_MAX) return peri_fail(PERI_EARG, "%s: the path is too long", w->target);
  for (int attempt = 0; attempt < 100; attempt++) {
    snprintf(w->temporary, sizeof w->temporary, "%.*s.perilune-%ld-%u.tmp", (int)folder, w->target, (long)getpid(),
             atomic_fetch_add(&counter, 1U));
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) return PERI_OK;
    if (errno != EEXIST) break;
  }
  const char *hint = errno == ENOENT ? " (make the folder first)" : "";
  return peri_fail(PERI_EIO, "%s: cannot write: no file can be made in folder '%.*s': %s%s", w->target,
                   folder ? (int)folder : 1, folder ? w->target : ".", strerror(errno), hint);
}

int peri_file_writer_open(peri_file_writer **out, const char *path) {
  int status;
  mode_t mode;
  *out = NULL;
  peri_file_writer *w = peri_alloc(sizeof *w);
  if (!w) return PERI_ENOMEM;
  w->used = 0;
  w->offset = 0;
  PERI_TRY_GOTO(failed, resolve(w, path, &mode));
  PERI_TRY_GOTO(failed, create(w));
  if (mode) (void)fchmod(w->fd, mode); /* a file system without permissions may refuse */
  *out = w;
  return PERI_OK;
failed:
  peri_free(w);
  return status;
}

static int put(peri_file_writer *w, const uint8_t *data, size_t bytes) {
  while (bytes) {
    PERI_TRY(peri_interrupt_poll());
    ssize_t done = write(w->fd, data, bytes < PIECE_BYTES ? bytes : PIECE_BYTES);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return fail_write(w, "write", done < 0 ? errno : ENOSPC);
    data += done;
    bytes -= (size_t)done;
  }
  return PERI_OK;
}

static int flush(peri_file_writer *w) {
  size_t used = w->used;
  w->used = 0;
  return put(w, w->buffer, used);
}

int peri_file_writer_write(peri_file_writer *w, const void *data, size_t bytes) {
  w->offset += bytes;
  if (bytes > BUFFER_BYTES - w->used) PERI_TRY(flush(w));
  if (bytes > BUFFER_BYTES) return put(w, data, bytes);
  if (bytes) memcpy(w->buffer + w->used, data, bytes);
  w->used += bytes;
  return PERI_OK;
}

uint64_t peri_file_writer_offset(const peri_file_writer *w) { return w->offset; }

/* The rename itself is durable once the folder is synced. File systems that cannot sync a folder
   say so with EINVAL, and there is nothing more to do there. */
static void sync_folder(const char *target) {
  char folder[PATH_MAX];
  size_t length = folder_length(target);
  memcpy(folder, length ? target : ".", length ? length : 1);
  folder[length ? length : 1] = '\0';
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

/* Makes the bytes durable in the temporary file; on failure the writer is aborted. */
static int finish(peri_file_writer *w) {
  int status = flush(w);
  if (status == PERI_OK && fsync(w->fd) < 0) status = fail_write(w, "write", errno);
  if (status == PERI_OK) {
    int closed = close(w->fd); /* network file systems report a full disk here */
    w->fd = -1;
    if (closed < 0) status = fail_write(w, "write", errno);
  }
  if (status < 0) peri_file_writer_abort(w);
  return status;
}

int peri_file_writer_commit(peri_file_writer *w) {
  PERI_TRY(finish(w));
  if (rename(w->temporary, w->target) < 0) {
    int status = fail_write(w, "rename to", errno);
    peri_file_writer_abort(w);
    return status;
  }
  sync_folder(w->target);
  peri_free(w);
  return PERI_OK;
}

/* Gives the finished file its name if that is free. A link does it in one step; a file system without links has the
   name taken by an empty file first, which the finished one then replaces. Returns 0, or what is in the way. */
static int claim(const peri_file_writer *w) {
  if (link(w->temporary, w->target) == 0) return 0;
  if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS && errno != EMLINK) return errno;
  int fd = open(w->target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  close(fd);
  if (rename(w->temporary, w->target) == 0) return 0;
  int error = errno;
  unlink(w->target);
  return error;
}

int peri_file_writer_commit_new(peri_file_writer *w, bool *made) {
  *made = false;
  PERI_TRY(finish(w));
  int error = claim(w);
  int status = error == 0 || error == EEXIST ? PERI_OK : fail_write(w, "give the file its name", error);
  *made = error == 0;
  if (*made) sync_folder(w->target);
  peri_file_writer_abort(w); /* the temporary name goes, whatever has become of the file */
  return status;
}

void peri_file_writer_abort(peri_file_writer *w) {
  if (!w) return;
  if (w->fd >= 0) close(w->fd);
  unlink(w->temporary);
  peri_free(w);
}

/* --- reading --- */

int peri_file_reader_open(peri_file_reader *r, const char *path) {
  struct stat found;
  *r = (peri_file_reader){.fd = -1};
  if (!*path) return peri_fail(PERI_EARG, "read: the file's name is empty");
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not blocking: a pipe must not hang us */
  if (fd < 0) return peri_fail(PERI_EIO, "%s: cannot open: %s", path, strerror(errno));
  const char *reason = NULL;
  if (fstat(fd, &found) < 0) reason = strerror(errno);
  else if (S_ISDIR(found.st_mode)) reason = "it is a folder";
  else if (!S_ISREG(found.st_mode)) reason = "it is no regular file";
  if (reason) {
    close(fd);
    return peri_fail(PERI_EIO, "%s: cannot read: %s", path, reason);
  }
  r->path = peri_strdup(path);
  if (!r->path) {
    close(fd);
    return PERI_ENOMEM;
  }
  r->fd = fd;
  r->size = (uint64_t)found.st_size;
  return PERI_OK;
}

int peri_file_reader_memory(peri_file_reader *r, const void *data, size_t bytes, const char *path) {
  *r = (peri_file_reader){.fd = -1, .memory = data, .size = bytes, .path = peri_strdup(path)};
  return r->path ? PERI_OK : PERI_ENOMEM;
}

int peri_file_reader_at(const peri_file_reader *r, uint64_t offset, void *to, size_t bytes) {
  if (offset > r->size || bytes > r->size - offset) {
    return peri_fail(PERI_EFORMAT, "%s: the file ends too early: %zu bytes wanted at offset %llu, it has %llu bytes",
                     r->path, bytes, (unsigned long long)offset, (unsigned long long)r->size);
  }
  if (r->fd < 0) {
    if (bytes) memcpy(to, r->memory + offset, bytes);
    return PERI_OK;
  }
  for (uint8_t *at = to; bytes;) {
    PERI_TRY(peri_interrupt_poll());
    ssize_t done = pread(r->fd, at, bytes < PIECE_BYTES ? bytes : PIECE_BYTES, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      return peri_fail(PERI_EIO, "%s: cannot read at offset %llu: %s", r->path, (unsigned long long)offset,
                       strerror(errno));
    }
    if (done == 0) {
      return peri_fail(PERI_EIO, "%s: the file became shorter while it was read (offset %llu)", r->path,
                       (unsigned long long)offset);
    }
    at += done;
    offset += (uint64_t)done;
    bytes -= (size_t)done;
  }
  return PERI_OK;
}

void peri_file_reader_close(peri_file_reader *r) {
  if (r->path && r->fd >= 0) close(r->fd);
  peri_free(r->path);
  *r = (peri_file_reader){.fd = -1};
}

int peri_file_read(uint8_t **out, size_t *bytes, const char *path, uint64_t limit) {
  peri_file_reader r;
  int status;
  *out = NULL;
  *bytes = 0;
  PERI_TRY(peri_file_reader_open(&r, path));
  if (r.size > limit) {
    PERI_TRY_GOTO(done, peri_fail(PERI_EIO, "%s: has %llu bytes, more than the limit of %llu", path,
                                  (unsigned long long)r.size, (unsigned long long)limit));
  }
  uint8_t *data = peri_alloc((size_t)r.size + 1);
  if (!data) PERI_TRY_GOTO(done, PERI_ENOMEM);
  status = peri_file_reader_at(&r, 0, data, (size_t)r.size);
  data[r.size] = '\0';
  if (status < 0) {
    peri_free(data);
  } else {
    *out = data;
    *bytes = (size_t)r.size;
  }
done:
  peri_file_reader_close(&r);
  return status;
}

static int make_folders(const char *path) {
  char folder[PATH_MAX];
  if (strlen(path) >= sizeof folder) return peri_fail(PERI_EARG, "append: the path is too long: %s", path);
  strcpy(folder, path);
  for (char *slash = strchr(folder + 1, '/'); *folder && slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
      return peri_fail(PERI_EIO, "%s: cannot make the folder %s: %s", path, folder, strerror(errno));
    *slash = '/';
  }
  return PERI_OK;
}

int peri_file_append(const char *path, const void *data, size_t bytes) {
  const char *at = data;
  PERI_TRY(make_folders(path));
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return peri_fail(PERI_EIO, "%s: cannot open it to append: %s", path, strerror(errno));
  int error = 0;
  while (bytes > 0 && error == 0) { /* once, but for a full disk or a signal */
    ssize_t n = write(fd, at, bytes);
    if (n < 0 && errno != EINTR) error = errno;
    if (n > 0) {
      at += n;
      bytes -= (size_t)n;
    }
  }
  if (close(fd) < 0 && error == 0) error = errno;
  return error == 0 ? PERI_OK : peri_fail(PERI_EIO, "%s: cannot append: %s", path, strerror(error));
}
