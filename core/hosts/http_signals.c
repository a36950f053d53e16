/* http_signals.c - HUP, TERM and INT while a door is open: a handler counts them and wakes an I/O thread of each door,
   which wakes the caller. The handlers of before come back when the last door closes. */
#include "hosts/http_internal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/status.h"

enum { DOORS = 16 };

static const int numbers[PERI__HTTP_SIGNALS] = {SIGHUP, SIGTERM, SIGINT};
static const char *const names[PERI__HTTP_SIGNALS] = {"HUP", "TERM", "INT"};

static _Atomic unsigned came[PERI__HTTP_SIGNALS];
static _Atomic int wakes[DOORS]; /* an eventfd + 1 of each door; 0: free */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the two below */
static int doors;
static struct sigaction before[PERI__HTTP_SIGNALS];

static void on_signal(int number) {
  int kept = errno;
  for (int i = 0; i < PERI__HTTP_SIGNALS; i++) {
    if (numbers[i] == number) atomic_fetch_add(&came[i], 1);
  }
  for (int i = 0; i < DOORS; i++) {
    uint64_t one = 1;
    int fd = atomic_load(&wakes[i]) - 1;
    if (fd >= 0) (void)!write(fd, &one, sizeof one);
  }
  errno = kept;
}

int peri__http_signals_open(peri_http *door) {
  door->signal_slot = -1;
  for (int i = 0; i < PERI__HTTP_SIGNALS; i++) atomic_store(&door->seen[i], atomic_load(&came[i]));
  pthread_mutex_lock(&lock);
  for (int i = 0; i < DOORS && door->signal_slot < 0; i++) {
    int none = 0;
    if (atomic_compare_exchange_strong(&wakes[i], &none, door->io[0].wake + 1)) door->signal_slot = i;
  }
  if (door->signal_slot >= 0 && doors++ == 0) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < PERI__HTTP_SIGNALS; i++) sigaction(numbers[i], &action, &before[i]);
  }
  pthread_mutex_unlock(&lock);
  return door->signal_slot < 0 ? peri_fail(PERI_ESTATE, "http.open: %d doors are open already", DOORS) : PERI_OK;
}

void peri__http_signals_close(peri_http *door) {
  if (door->signal_slot < 0) return;
  pthread_mutex_lock(&lock);
  atomic_store(&wakes[door->signal_slot], 0);
  door->signal_slot = -1;
  if (--doors == 0) {
    for (int i = 0; i < PERI__HTTP_SIGNALS; i++) sigaction(numbers[i], &before[i], NULL);
  }
  pthread_mutex_unlock(&lock);
}

bool peri__http_signals_any(peri_http *door) {
  for (int i = 0; i < PERI__HTTP_SIGNALS; i++) {
    if (atomic_load_explicit(&came[i], memory_order_relaxed) != atomic_load_explicit(&door->seen[i], memory_order_relaxed)) return true;
  }
  return false;
}

/* The same signal twice before anybody looked is one. */
const char *peri__http_signals_next(peri_http *door) {
  for (int i = 0; i < PERI__HTTP_SIGNALS; i++) {
    unsigned now = atomic_load(&came[i]);
    if (now == atomic_load(&door->seen[i])) continue;
    atomic_store(&door->seen[i], now);
    if (numbers[i] == SIGHUP) peri__http_log_reopen(door);
    return names[i];
  }
  return NULL;
}
