/* http_counts.c - what the door counts. Each I/O thread writes counters of its own; who asks adds them up. */
#include "hosts/http_internal.h"

#include <string.h>

const double peri_http_latency_bounds[PERI_HTTP_LATENCIES] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                              0.025,  0.05,    0.1,    0.25,  0.5,    1,     5};
const int peri_http_batch_bounds[PERI_HTTP_BATCHES] = {1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 1024};

/* 0 stands for every other one. */
static const int statuses[PERI__HTTP_STATUSES] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408,
                                                  409, 411, 413, 414, 415, 422, 429, 431, 500, 501, 503, 505, 507, 0};

static size_t place_of(int status) {
  size_t i = 0;
  while (i < PERI__HTTP_STATUSES - 1 && statuses[i] != status) i++;
  return i;
}

size_t peri__http_sent(const peri_http_request *r) {
  if (strcmp(r->method, "HEAD") == 0) return 0;
  bool file = r->endpoint && r->endpoint->serves == PERI__HTTP_FILE;
  return file && r->status == 200 ? r->endpoint->bytes : r->text.size;
}

void peri__http_counted(peri_http_request *r, int64_t ended) {
  peri__http_io *io = r->io;
  peri__http_counts *c = &io->counts;
  atomic_fetch_sub(&r->door->held, (int64_t)r->held);
  r->held = 0;
  if (!r->status) return; /* the connection broke before there was anything to say */
  int64_t took = ended - r->began;
  int bucket = 0;
  while (bucket < PERI_HTTP_LATENCIES && (double)took > peri_http_latency_bounds[bucket] * 1e9) bucket++;
  peri__http_add(&c->latencies[bucket], 1);
  peri__http_add(&c->latency_count, 1);
  peri__http_add(&c->latency_nanoseconds, (uint64_t)took);
  peri__http_add(&c->received, r->received);
  peri__http_add(&c->sent, peri__http_sent(r));
  if (r->status == 200) peri__http_add(&c->images, (uint64_t)r->count);
  const peri_http *door = r->door;
  size_t endpoint = r->endpoint ? (size_t)(r->endpoint - door->endpoints) : 0;
  peri__http_add(&c->answers[endpoint * PERI__HTTP_STATUSES + place_of(r->status)], 1);
  peri__http_log_add(io, r);
}

void peri__http_counted_status(peri__http_io *io, int status) { peri__http_add(&io->counts.answers[place_of(status)], 1); }

static uint64_t get(const _Atomic uint64_t *from) { return atomic_load_explicit(from, memory_order_relaxed); }

void peri_http_count(peri_http *door, peri_http_counts *out) {
  *out = (peri_http_counts){.queued = (uint64_t)atomic_load(&door->queued), .waiting = (uint64_t)atomic_load(&door->waiting)};
  uint64_t nanoseconds = 0;
  for (int i = 0; i < door->threads; i++) {
    const peri__http_counts *c = &door->io[i].counts;
    out->connections += get(&c->open);
    out->accepted += get(&c->accepted);
    out->refused += get(&c->refused);
    out->images += get(&c->images);
    out->received += get(&c->received);
    out->sent += get(&c->sent);
    out->latency_count += get(&c->latency_count);
    nanoseconds += get(&c->latency_nanoseconds);
    for (int j = 0; j <= PERI_HTTP_LATENCIES; j++) out->latencies[j] += get(&c->latencies[j]);
  }
  out->latency_sum = (double)nanoseconds / 1e9;
  pthread_mutex_lock(&door->lock);
  out->batches = door->batches;
  out->batch_sum = door->batch_sum;
  for (int j = 0; j <= PERI_HTTP_BATCHES; j++) out->batch_sizes[j] = door->batch_sizes[j];
  pthread_mutex_unlock(&door->lock);
}

void peri_http_count_routes(peri_http *door, void (*each)(void *context, const char *route, int status, uint64_t count),
                            void *context) {
  for (size_t e = 0; e < door->endpoint_count; e++) {
    for (size_t s = 0; s < PERI__HTTP_STATUSES; s++) {
      uint64_t n = 0;
      for (int i = 0; i < door->threads; i++) n += get(&door->io[i].counts.answers[e * PERI__HTTP_STATUSES + s]);
      if (n) each(context, door->endpoints[e].label, statuses[s], n);
    }
  }
}
