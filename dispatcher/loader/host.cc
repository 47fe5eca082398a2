// The table that a plugin is given: what SyHost promises, made of the runtime's parts.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/loader/loader.h"
#include "dispatcher/ops/op.h"

namespace sy {

PluginInstance* PluginOf(const SyHost* host) {
  // The host struct is a member of the instance.
  return reinterpret_cast<PluginInstance*>(reinterpret_cast<char*>(const_cast<SyHost*>(host)) -
                                           offsetof(PluginInstance, host));
}

namespace {

SyStatus Fail(SyStatus code, const char* format, ...) {
  char text[4096];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format ? format : "", args);
  va_end(args);
  SetMessage(text);
  return code;
}

SyStatus FailText(SyStatus code, const char* text, int64_t length) {
  SetMessage(text && length > 0 ? std::string_view(text, static_cast<size_t>(length))
                                : std::string_view());
  return code;
}

void StreamFail(const SyHost* host, uint64_t device, uint64_t stream, SyStatus code,
                const char* text) {
  if (code == SY_OK) code = SY_UNKNOWN;
  for (SyDevice* d : PluginOf(host)->devices) {
    if (d->handle != device) continue;
    std::lock_guard<std::mutex> lock(d->mutex);
    for (const auto& s : d->streams) {
      if (s->handle != stream) continue;
      std::lock_guard<std::mutex> error_lock(s->error_mutex);
      if (!s->error.ok()) continue;
      d->failed_streams.fetch_add(1);
      try {
        s->error = StatusFrom(code, absl::StrCat(d->name, ": ", text ? text : "no reason given"));
      } catch (const std::bad_alloc&) {  // nothing may fly through the plugin; a status without
                                         // text needs no memory
        s->error = StatusFrom(code, "");
      }
    }
  }
}

const OptionValue* Option(const SyHost* host, const char* name) {
  for (const OptionValue& o : PluginOf(host)->options)
    if (name && o.name == name) return &o;
  return nullptr;
}

int64_t OptionInt(const SyHost* host, const char* name) {
  const OptionValue* o = Option(host, name);
  if (!o) return 0;
  if (o->type == SY_OPTION_BOOL)
    return o->text == "1" || o->text == "on" || o->text == "true" || o->text == "yes";
  int64_t v = 0;
  return absl::SimpleAtoi(o->text, &v) ? v : 0;
}

double OptionFloat(const SyHost* host, const char* name) {
  const OptionValue* o = Option(host, name);
  double v = 0;
  return o && absl::SimpleAtod(o->text, &v) ? v : 0;
}

const char* OptionText(const SyHost* host, const char* name) {
  const OptionValue* o = Option(host, name);
  return o ? o->text.c_str() : "";
}

// ---- disk cache: one file per key, named by a hash of it, written beside and renamed

const std::string& CacheFolder() {
  static const std::string* folder = [] {
    std::string f;
    GetOption("cache_dir", &f);
    if (f == "off") return new std::string;
    if (f.empty()) {
      const std::string xdg = Environment("XDG_CACHE_HOME"), home = Environment("HOME");
      if (!xdg.empty())
        f = xdg + "/switchyard/kernels";
      else if (!home.empty())
        f = home + "/.cache/switchyard/kernels";
    }
    for (size_t i = 1; i <= f.size(); ++i)
      if (i == f.size() || f[i] == '/') mkdir(f.substr(0, i).c_str(), 0755);
    struct stat st {};
    if (f.empty() || stat(f.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) f.clear();
    return new std::string(f);
  }();
  return *folder;
}

uint64_t HashOf(const void* data, size_t bytes) {  // FNV-1a
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < bytes; ++i)
    h = (h ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  return h;
}

std::string CacheFile(const char* key) {
  return absl::StrCat(CacheFolder(), "/",
                      absl::Hex(HashOf(key, std::strlen(key)), absl::kZeroPad16));
}

// A file holds the key, a newline, the length, a blank, a hash of the bytes, a newline, the bytes:
// a torn, damaged or foreign file is no hit. The hash is looked at when all bytes are read.
int64_t CacheGet(const char* key, void* data, int64_t capacity) {
  if (!key || CacheFolder().empty()) return -1;
  std::FILE* f = std::fopen(CacheFile(key).c_str(), "rb");
  if (!f) return -1;
  int64_t result = -1;
  std::string head(std::strlen(key) + 1, 0);
  long long bytes = -1;
  unsigned long long hash = 0;
  if (std::fread(head.data(), 1, head.size(), f) == head.size() &&
      head == std::string(key) + "\n" && std::fscanf(f, "%lld %llx", &bytes, &hash) == 2 &&
      std::fgetc(f) == '\n' && bytes >= 0) {
    const auto want = static_cast<size_t>(std::min<int64_t>(bytes, capacity));
    if ((!want || std::fread(data, 1, want, f) == want) &&
        (capacity < bytes || HashOf(data, want) == hash))
      result = bytes;
  }
  std::fclose(f);
  return result;
}

SyStatus CachePut(const char* key, const void* data, int64_t bytes) {
  if (!key || CacheFolder().empty() || bytes < 0) return SY_OK;
  const std::string file = CacheFile(key);
  const std::string part = absl::StrCat(file, ".", getpid(), ".", NextCallId());
  std::FILE* f = std::fopen(part.c_str(), "wb");
  if (!f) return Fail(SY_UNAVAILABLE, "cache: %s cannot be written", part.c_str());
  std::fprintf(f, "%s\n%lld %llx\n", key, static_cast<long long>(bytes),
               static_cast<unsigned long long>(HashOf(data, static_cast<size_t>(bytes))));
  const bool good =
      std::fwrite(data, 1, static_cast<size_t>(bytes), f) == static_cast<size_t>(bytes);
  if (std::fclose(f) != 0 || !good || std::rename(part.c_str(), file.c_str()) != 0) {
    std::remove(part.c_str());
    return Fail(SY_UNAVAILABLE, "cache: %s cannot be written", file.c_str());
  }
  return SY_OK;
}

}  // namespace

void FillHost(PluginInstance* p) {
  SyHost& h = p->host;
  h = SyHost{};
  h.size = sizeof h;
  h.abi = SY_ABI;
  h.name = "switchyard";
  h.version = SY_VERSION_STRING;
  h.plugin_path = p->file.c_str();
  h.api = GetApi();
  h.fail = Fail;
  h.fail_text = FailText;
  h.stream_fail = StreamFail;
  h.log_level = [] { return LogLevel(); };
  h.log = [](int32_t level, const char* text) { Log(level, text ? text : ""); };
  h.parallel_for = ParallelFor;
  h.thread_count = [] { return ThreadCount(); };
  h.host_alloc = [](int64_t bytes, int64_t alignment) -> void* {
    if (bytes <= 0 || alignment <= 0 || (alignment & (alignment - 1))) return nullptr;
    void* memory = nullptr;
    return posix_memalign(&memory, static_cast<size_t>(std::max<int64_t>(alignment, 8)),
                          static_cast<size_t>(bytes))
               ? nullptr
               : memory;
  };
  h.host_free = [](void* memory) { std::free(memory); };
  h.option_int = OptionInt;
  h.option_float = OptionFloat;
  h.option_text = OptionText;
  h.cache_dir = []() -> const char* {
    return CacheFolder().empty() ? nullptr : CacheFolder().c_str();
  };
  h.cache_get = CacheGet;
  h.cache_put = CachePut;
  h.clock_ns = [] { return ClockNs(); };
  h.op_find = [](const char* name) -> int32_t {
    const Op* op = name ? FindOp(name) : nullptr;
    return op ? op->id : -1;
  };
  h.op_name = [](int32_t op) -> const char* {
    const Op* o = OpAt(op);
    return o ? o->name.c_str() : nullptr;
  };
  h.device_extension = [](uint64_t device, const char* name) -> const void* {
    SyDevice* d = DeviceByHandle(device);
    return d && name ? d->plugin->device_fns.extension(d->plugin->state, device, name) : nullptr;
  };
  h.extension = [](const char*) -> const void* { return nullptr; };
}

}  // namespace sy
