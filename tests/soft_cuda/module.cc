// Loads images with dlopen from an anonymous file, so that nothing stays on disk.
#include "tests/soft_cuda/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "tests/soft_cuda/image_format.h"
#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/worker.h"

namespace soft {
namespace {

// A path to the file that no module had before: dlopen takes equal names for equal files.
std::string FreshPath(int file) {
  static std::atomic<uint32_t> count{0};
  std::string path = "/proc/self/fd";
  for (uint32_t n = ++count; n; n >>= 1) path += n & 1 ? "/." : "/";
  return path + "/" + std::to_string(file);
}

struct Search {
  ElfW(Addr) base;
  Module* module;
};

int Visit(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<Search*>(data);
  if (info->dlpi_addr != search->base) return 0;
  size_t end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& h = info->dlpi_phdr[i];
    if (h.p_type == PT_TLS) search->module->shared_bytes = h.p_memsz;
    if (h.p_type == PT_LOAD && h.p_vaddr + h.p_memsz > end) end = h.p_vaddr + h.p_memsz;
  }
  search->module->code = {reinterpret_cast<const char*>(info->dlpi_addr), end};
  return 1;
}

}  // namespace

CUresult Module::Load(const void* image) {
  const std::string bytes = UnpackImage(static_cast<const char*>(image));
  if (bytes.empty()) return CUDA_ERROR_INVALID_IMAGE;
  const int file = memfd_create("soft_cuda", MFD_CLOEXEC);
  if (file < 0) return CUDA_ERROR_OPERATING_SYSTEM;
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(file, bytes.data() + done, bytes.size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  if (done == bytes.size()) handle = dlopen(FreshPath(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  close(file);
  if (!handle) {
    const char* why = dlerror();
    std::fprintf(stderr, "soft CUDA: cannot load a module: %s\n", why ? why : "no space");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  table = static_cast<const SoftModule*>(dlsym(handle, "soft_module"));
  if (!table || table->version != SOFT_MODULE_VERSION) return CUDA_ERROR_INVALID_IMAGE;
  *table->thread_offset = ThreadOffset();
  *table->self = ThisThread;
  Shared();
  link_map* map = nullptr;
  dlinfo(handle, RTLD_DI_LINKMAP, &map);
  Search search{map->l_addr, this};
  dl_iterate_phdr(Visit, &search);
  for (int i = 0; i < table->kernel_count; ++i) {
    auto function = std::make_unique<Function>();
    function->module = this;
    function->kernel = &table->kernels[i];
    functions[table->kernels[i].name] = std::move(function);
  }
  ++Value(kModules);
  return CUDA_SUCCESS;
}

Module::~Module() {
  if (table) --Value(kModules);
  if (handle) dlclose(handle);
}

CUresult Module::Global(const char* name, void** out, size_t* out_bytes) const {
  void* address = dlsym(handle, name);
  Dl_info info;
  ElfW(Sym)* symbol = nullptr;
  if (!address || !code.Contains(address, 1) ||
      !dladdr1(address, &info, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) || !symbol)
    return CUDA_ERROR_NOT_FOUND;
  *out = address;
  *out_bytes = symbol->st_size;
  return CUDA_SUCCESS;
}

Range Module::Shared() const {
  if (!table->touch_shared) return {};
  table->touch_shared();  // glibc makes a thread's copy at its first use
  void* start = nullptr;
  dlinfo(handle, RTLD_DI_TLS_DATA, &start);
  return {static_cast<const char*>(start), start ? shared_bytes : 0};
}

}  // namespace soft
