/* http_door.c - the service's door against clients in C: what it lets through and what not, bodies, times, storms of
   clients that go at any moment, endings. Answers are checked to be those of their requests. Runs under the sanitizers. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "hosts/http.h"
#include "http_door/client.h"

_Atomic int failures;

int main(int count, char **argument) {
  static const struct {
    const char *name;
    void (*run)(void);
  } tests[] = {{"policy", test_policy}, {"bodies", test_bodies}, {"time", test_time}, {"storm", test_storm}, {"endings", test_endings},
               {"faults", test_faults}};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (count > 1 && strcmp(argument[1], tests[i].name) != 0) continue;
    double begun = seconds();
    tests[i].run();
    CHECK(peri_memory_live() == 0);
    printf("%s: %.1f s\n", tests[i].name, seconds() - begun);
  }
  return failures > 0;
}
