// With SOFT_CUDA_CHECK a kernel is compiled with -fsanitize=thread, and these are the functions that
// its instrumentation calls: every access goes to the driver. Hidden, so that they never meet a real
// sanitizer in the process. The last part of the prelude, with SOFT_CHECKED defined before the first.
#define SOFT_HOOK extern "C" __attribute__((visibility("hidden"), no_sanitize_thread, used)) void
SOFT_UNCHECKED void soft_aligned(const void* p, unsigned long n, SoftAccess kind) {
  soft_note(p, n, (unsigned long)p % n ? SOFT_MISALIGNED : kind);
}
#define SOFT_HOOKS(n)                                                                         \
  SOFT_HOOK __tsan_read##n(void* p) { soft_aligned(p, n, SOFT_READ); }                           \
  SOFT_HOOK __tsan_write##n(void* p) { soft_aligned(p, n, SOFT_WRITE); }                         \
  SOFT_HOOK __tsan_volatile_read##n(void* p) { soft_aligned(p, n, SOFT_READ); }               \
  SOFT_HOOK __tsan_volatile_write##n(void* p) { soft_aligned(p, n, SOFT_WRITE); }             \
  SOFT_HOOK __tsan_unaligned_read##n(void* p) { soft_note(p, n, SOFT_READ); }                 \
  SOFT_HOOK __tsan_unaligned_write##n(void* p) { soft_note(p, n, SOFT_WRITE); }               \
  SOFT_HOOK __tsan_unaligned_volatile_read##n(void* p) { soft_note(p, n, SOFT_READ); }        \
  SOFT_HOOK __tsan_unaligned_volatile_write##n(void* p) { soft_note(p, n, SOFT_WRITE); }
SOFT_HOOKS(1)
SOFT_HOOKS(2)
SOFT_HOOKS(4)
SOFT_HOOKS(8)
SOFT_HOOKS(16)
SOFT_HOOK __tsan_read_range(void* p, unsigned long n) { soft_note(p, n, SOFT_READ); }
SOFT_HOOK __tsan_write_range(void* p, unsigned long n) { soft_note(p, n, SOFT_WRITE); }
SOFT_HOOK __tsan_init() {}
SOFT_HOOK __tsan_func_entry(void*) {}
SOFT_HOOK __tsan_func_exit(void*) {}
SOFT_HOOK __tsan_vptr_update(void**, void*) {}

// Large structs are copied by calls of these, which would escape.
#define SOFT_COPY extern "C" __attribute__((visibility("hidden"), no_sanitize_thread, used)) void*
SOFT_COPY memcpy(void* to, const void* from, unsigned long n) {
  soft_note(from, n, SOFT_READ);
  soft_note(to, n, SOFT_WRITE);
  for (unsigned long i = 0; i < n; ++i) ((volatile char*)to)[i] = ((const char*)from)[i];
  return to;
}
SOFT_COPY memmove(void* to, const void* from, unsigned long n) {
  if (to <= from) return memcpy(to, from, n);
  soft_note(from, n, SOFT_READ);
  soft_note(to, n, SOFT_WRITE);
  for (unsigned long i = n; i-- > 0;) ((volatile char*)to)[i] = ((const char*)from)[i];
  return to;
}
SOFT_COPY memset(void* to, int value, unsigned long n) {
  soft_note(to, n, SOFT_WRITE);
  for (unsigned long i = 0; i < n; ++i) ((volatile char*)to)[i] = (char)value;
  return to;
}
