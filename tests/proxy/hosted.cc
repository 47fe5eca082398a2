// SyHost without libswitchyard.so. It has no pool, no cache on disk and no ops of its own, and runs
// parallel_for on the caller's thread, so that a plugin's results do not depend on it.
#include "tests/proxy/hosted.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

namespace proxy {
namespace {

constexpr int kLogLevel = SY_LOG_WARNING;

thread_local std::string message;  // of host->fail

struct Shared {
  std::mutex mutex;
  LogSink log;
  std::map<int32_t, std::string> ops;
};
Shared& All() {
  static auto* shared = new Shared;
  return *shared;
}

SyStatus Fail(SyStatus code, const char* format, ...) {
  char text[4096];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  message = text;
  return code;
}

SyStatus FailText(SyStatus code, const char* text, int64_t length) {
  message.assign(text, static_cast<size_t>(length));
  return code;
}

void Log(int32_t level, const char* text) {
  if (level > kLogLevel) return;
  std::lock_guard<std::mutex> lock(All().mutex);
  if (All().log)
    All().log(level, text);
  else
    std::fprintf(stderr, "%s\n", text);
}

// The plugin's own declaration is all there is of an option.
const char* OptionText(const SyHost* host, const char* name);

int32_t FindOp(const char* name) {
  std::lock_guard<std::mutex> lock(All().mutex);
  for (const auto& [op, known] : All().ops)
    if (known == name) return op;
  return -1;
}

void* HostAlloc(int64_t bytes, int64_t alignment) {
  void* memory = nullptr;
  if (bytes <= 0 || posix_memalign(&memory, static_cast<size_t>(std::max<int64_t>(alignment, 8)),
                                   static_cast<size_t>(bytes)) != 0)
    return nullptr;
  return memory;
}

// Of sy.h there is only what speaks of errors; the rest is NULL and beyond `size`.
const SyApi* Api() {
  static const SyApi api = [] {
    SyApi a{};
    a.size = offsetof(SyApi, status_name);
    a.abi = SY_ABI;
    a.version = [] { return SY_VERSION_STRING; };
    a.abi_number = [] { return SY_ABI; };
    a.last_message = []() -> const char* { return message.c_str(); };
    return a;
  }();
  return &api;
}

SyHost MakeHost(const char* plugin_path) {
  SyHost h{};
  h.size = sizeof h;
  h.abi = SY_ABI;
  h.name = "sy_proxy_host";
  h.version = SY_VERSION_STRING;
  h.plugin_path = plugin_path;
  h.api = Api();
  h.fail = Fail;
  h.fail_text = FailText;
  h.stream_fail = [](const SyHost*, uint64_t, uint64_t, SyStatus, const char* text) {
    Log(SY_LOG_ERROR, text);
  };
  h.log_level = [] { return kLogLevel; };
  h.log = Log;
  h.parallel_for = [](int64_t count, int64_t grain, SyRangeFn fn, void* context) {
    for (int64_t begin = 0; begin < count; begin += grain)
      fn(context, begin, std::min(count, begin + grain));
  };
  h.thread_count = [] { return 1; };
  h.host_alloc = HostAlloc;
  h.host_free = [](void* memory) { std::free(memory); };
  h.option_int = [](const SyHost* host, const char* name) -> int64_t {
    return std::strtoll(OptionText(host, name), nullptr, 10);
  };
  h.option_float = [](const SyHost* host, const char* name) {
    return std::strtod(OptionText(host, name), nullptr);
  };
  h.option_text = OptionText;
  h.cache_dir = []() -> const char* { return nullptr; };
  h.cache_get = [](const char*, void*, int64_t) -> int64_t { return -1; };
  h.cache_put = [](const char*, const void*, int64_t) -> SyStatus { return SY_OK; };
  h.clock_ns = [] {
    return static_cast<int64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                    std::chrono::steady_clock::now().time_since_epoch())
                                    .count());
  };
  h.op_find = FindOp;
  h.op_name = OpName;
  h.device_extension = [](uint64_t, const char*) -> const void* { return nullptr; };
  h.extension = [](const char*) -> const void* { return nullptr; };
  return h;
}

// Those of the only plugin, for OptionText.
const SyPlugin* the_plugin = nullptr;

const char* OptionText(const SyHost*, const char* name) {
  for (int i = 0; the_plugin && i < the_plugin->option_count; ++i) {
    const SyOption* o = SY_AT(SyOption, the_plugin->options, the_plugin->option_size, i);
    if (!std::strcmp(o->name, name)) return o->default_value ? o->default_value : "";
  }
  return "";
}

template <class Table>
void CopyTable(Table* to, const Table* from) {
  if (from) std::memcpy(to, from, std::min<size_t>(sizeof *to, from->size));
}

}  // namespace

std::string TakeMessage() { return std::exchange(message, ""); }

void SetLog(LogSink sink) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().log = std::move(sink);
}

void NameOp(int32_t op, std::string name) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().ops.insert_or_assign(op, std::move(name));
}

const char* OpName(int32_t op) {
  std::lock_guard<std::mutex> lock(All().mutex);
  auto it = All().ops.find(op);
  return it == All().ops.end() ? nullptr : it->second.c_str();
}

Hosted::~Hosted() { Close(); }

std::string Hosted::Load(const char* path) {
  char* resolved = realpath(path, nullptr);
  file_ = resolved ? resolved : path;
  std::free(resolved);
  host_ = MakeHost(file_.c_str());
  library_ = dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) return dlerror();
  auto entry = reinterpret_cast<SyPluginMainFn>(dlsym(library_, "sy_plugin_main"));
  if (!entry) return "no plugin: no symbol sy_plugin_main";
  const SyPlugin* table = entry(&host_);
  if (!table) return TakeMessage();
  if (table->abi >> 16 != SY_ABI_MAJOR) return "built for another major ABI";
  CopyTable(&plugin_, table);
  the_plugin = &plugin_;
  if (!plugin_.device || !plugin_.memory) return "has no devices";
  if (plugin_.stream) return "has streams; this host serves devices whose calls are complete";
  if (plugin_.op_count) return "adds ops; this host has none";
  CopyTable(&device_, plugin_.device);
  CopyTable(&memory_, plugin_.memory);
  for (int i = 0; i < plugin_.kernel_count; ++i) {
    const SyKernel* row = SY_AT(SyKernel, plugin_.kernels, plugin_.kernel_size, i);
    SyKernel k{};
    std::memcpy(&k, row, std::min<size_t>(sizeof k, plugin_.kernel_size));
    if (k.device) continue;
    kernels_.push_back(k);
    rows_.push_back(row);
  }
  return "";
}

std::string Hosted::Start() {
  if (plugin_.start && plugin_.start(&host_, &state_) != SY_OK) return "start: " + TakeMessage();
  started_ = true;
  return "";
}

void Hosted::Close() {
  if (started_ && plugin_.close) plugin_.close(state_);
  started_ = false;
}

}  // namespace proxy
