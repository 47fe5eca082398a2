// The driver's soname finds it under whatever name it was opened.
#include "tests/soft_cuda/beside.h"

#include <dlfcn.h>

#include <string>

namespace soft {
namespace {

DriverEntries Open() {
  Dl_info own;
  void* handle = dlopen("libsoft_cuda.so", RTLD_NOW | RTLD_NOLOAD);
  if (!handle && dladdr(reinterpret_cast<void*>(&Driver), &own)) {
    std::string path = own.dli_fname;
    path.resize(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
    handle = dlopen((path + "libsoft_cuda.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  if (!handle) return {};
  DriverEntries e;
  e.get = reinterpret_cast<decltype(e.get)>(dlsym(handle, "soft_cuda_get"));
  e.compile_begins =
      reinterpret_cast<decltype(e.compile_begins)>(dlsym(handle, "soft_cuda_compile_begins"));
  e.enqueue = reinterpret_cast<decltype(e.enqueue)>(dlsym(handle, "soft_cuda_enqueue"));
  e.touch = reinterpret_cast<decltype(e.touch)>(dlsym(handle, "soft_cuda_touch"));
  return e;
}

}  // namespace

const DriverEntries& Driver() {
  static const DriverEntries entries = Open();
  return entries;
}

}  // namespace soft
