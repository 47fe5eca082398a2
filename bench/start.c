// What it costs to have a library: `start LIBRARY` prints the seconds until it is loaded, and where
// it is ours until cpu:0 is open, then the bytes that this process has resident.
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef int (*FindDevice)(const char* name, const void** out_device);

static double Now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: start LIBRARY\n"), 2;
  const double start = Now();
  void* library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "start: %s\n", dlerror()), 1;
  const FindDevice find = (FindDevice)dlsym(library, "sy_device_find");
  const void* device = NULL;
  if (find && find("cpu:0", &device) != 0) return fprintf(stderr, "start: no cpu:0\n"), 1;
  const double spent = Now() - start;
  long pages = 0;
  FILE* statm = fopen("/proc/self/statm", "r");
  if (!statm || fscanf(statm, "%*d %ld", &pages) != 1)
    return fprintf(stderr, "start: no /proc\n"), 1;
  printf("%.9g %ld\n", spent, pages * sysconf(_SC_PAGESIZE));
  return 0;
}
