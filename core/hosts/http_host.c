/* http_host.c - by which names the service may be asked.

   A browser lets a page ask the host that the page's own address names, and looks that name up again whenever it likes: a
   page of another site whose name suddenly stands for 127.0.0.1 (DNS rebinding) would so be a page of this service, and its
   Origin would be the Host. A service on loopback is for this machine's own, so there the Host must be what only such a
   service is called: localhost, a name under it, a loopback address (an address is looked up by nobody), or a name that the
   options allow, as a proxy's. Elsewhere nobody knows by which names others reach the machine, and any will do unless the
   options say which. A request without a Host (HTTP/1.0) is no browser's.

   /healthz and /readyz are not asked for their Host: they tell a page no more than that a connection is taken, which it can
   see anyhow, and those who look after services ask them by whatever address they have. */
#include "hosts/http_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static bool is_loopback4(struct in_addr a) { return ntohl(a.s_addr) >> 24 == 127; }

static bool is_loopback6(const struct in6_addr *a) {
  struct in_addr within;
  memcpy(&within, a->s6_addr + 12, sizeof within);
  return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && is_loopback4(within));
}

bool peri__http_is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) return is_loopback4(((const struct sockaddr_in *)address)->sin_addr);
  return address->sa_family == AF_INET6 && is_loopback6(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* The name of "name:8080", "[::1]:8080", "name."; false: it is none, or longer than any. */
static bool name_of(char name[256], const char *host) {
  const char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");
  if (!end) return false;
  size_t length = (size_t)(end + (*host == '[') - host);
  const char *port = host + length;
  if (*port && (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1))) return false;
  if (length > 1 && host[length - 1] == '.') length--;
  if (length == 0 || length > 255) return false;
  memcpy(name, host, length);
  name[length] = 0;
  return true;
}

static bool is_local(const char *name) {
  static const char local[] = "localhost";
  struct in_addr four;
  struct in6_addr six;
  size_t length = strlen(name), tail = sizeof local - 1;
  if (length >= tail && strcasecmp(name + length - tail, local) == 0) return length == tail || name[length - tail - 1] == '.';
  if (*name != '[') return inet_pton(AF_INET, name, &four) == 1 && is_loopback4(four);
  char inner[256];
  snprintf(inner, sizeof inner, "%.*s", (int)(length - 2), name + 1);
  return inet_pton(AF_INET6, inner, &six) == 1 && is_loopback6(&six);
}

bool peri__http_host_allowed(const peri_http *door, const char *host) {
  char given[256];
  if ((!door->loopback && !door->hosts.count) || !host) return true;
  if (!name_of(given, host)) return false;
  if (is_local(given)) return true;
  for (const char *name = NULL, *value = NULL; peri__http_pairs_next(&door->hosts, &name, &value);) {
    if (strcasecmp(given, name) == 0) return true;
  }
  return false;
}
