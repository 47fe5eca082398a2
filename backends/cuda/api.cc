#include "api.h"

#include <dlfcn.h>

#include <initializer_list>

namespace sy::cuda {
namespace {

void* Open(const std::string& path, std::initializer_list<const char*> names, std::string* reason) {
  if (!path.empty()) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) *reason = dlerror();
    return library;
  }
  for (const char* name : names) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
    if (reason->empty()) *reason = dlerror();
  }
  return nullptr;
}

}  // namespace

bool LoadDriver(const std::string& path, Driver* out, std::string* reason) {
  void* library = Open(path, {"libcuda.so.1", "libcuda.so"}, reason);
  if (!library) {
    *reason = "no NVIDIA driver: " + *reason;
    return false;
  }
  reason->clear();
#define X(name, args)                                                       \
  out->name = reinterpret_cast<decltype(out->name)>(dlsym(library, #name)); \
  if (!out->name) *reason = "the NVIDIA driver is too old: it lacks " #name;
  SY_CUDA_DRIVER_FUNCTIONS(X)
#undef X
  return reason->empty();
}

bool LoadNvrtc(const std::string& path, Nvrtc* out, std::string* reason) {
  void* library =
      Open(path, {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"}, reason);
  if (!library) {
    *reason = "no NVRTC (CUDA toolkit, or PyPI's nvidia-cuda-nvrtc): " + *reason;
    return false;
  }
  reason->clear();
#define X(name, args)                                                       \
  out->name = reinterpret_cast<decltype(out->name)>(dlsym(library, #name)); \
  if (!out->name) *reason = "NVRTC is too old: it lacks " #name;
  SY_CUDA_NVRTC_FUNCTIONS(X)
#undef X
  return reason->empty();
}

bool LoadBlas(const std::string& path, BlasApi* out, std::string* reason) {
  void* library =
      Open(path, {"libcublas.so", "libcublas.so.13", "libcublas.so.12", "libcublas.so.11"}, reason);
  if (!library) return false;
  reason->clear();
#define X(name, args)                                                       \
  out->name = reinterpret_cast<decltype(out->name)>(dlsym(library, #name)); \
  if (!out->name) *reason = "cuBLAS lacks " #name;
  SY_CUDA_BLAS_FUNCTIONS(X)
#undef X
  return reason->empty();
}

}  // namespace sy::cuda
