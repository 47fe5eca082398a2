#include "dispatcher/loader/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "dispatcher/check/check.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/kernel.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"
#include "dispatcher/tensor/dtype.h"

namespace sy {
namespace {

struct Row {  // what `sy plugins` lists
  std::string name, file, version, reason;
  int32_t state = SY_PLUGIN_REFUSED;
  uint32_t abi = 0;
  int32_t device_count = 0, kernel_count = 0, op_count = 0;
};

struct World {
  std::recursive_mutex mutex;  // loading; a plugin's start may ask for devices
  std::vector<std::unique_ptr<PluginInstance>> plugins;  // never shrinks
  std::vector<std::unique_ptr<Row>> rows;
  std::vector<std::unique_ptr<SyDevice>> devices;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<std::unique_ptr<KernelTable>> tables;
  std::vector<std::pair<std::string, std::string>>
      early_options;  // set before the plugin was loaded
  struct Waiting {    // plugins on demand
    std::string path;
    std::vector<std::string> kinds;
  };
  std::vector<Waiting> waiting;
  std::atomic<bool> any_waiting{false};
  bool loading_all = false;
  std::atomic<bool> loaded_all{false};  // and not just begun: other threads look at this
  std::atomic<bool> any_loaded{false};
  std::atomic<SyDevice*> by_ordinal[kMaxDevices] = {};
  std::atomic<int> device_count{0};
  uint32_t generation = 0;
};
World& TheWorld() {
  static auto* world = new World;
  return *world;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Says in words what a file is not, before the dynamic linker says it in its own.
absl::Status CheckElf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::ErrnoToStatus(errno, "cannot be read");
  ElfW(Ehdr) h{};
  in.read(reinterpret_cast<char*>(&h), sizeof h);
  if (in.gcount() < SELFMAG || std::memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
    return absl::InvalidArgumentError("is not an ELF file");
  if (in.gcount() < static_cast<std::streamsize>(sizeof h))
    return absl::InvalidArgumentError("is a truncated ELF file");
  if (h.e_ident[EI_CLASS] != (sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32))
    return absl::InvalidArgumentError("is built for another word size");
#if defined(__x86_64__)
  if (h.e_machine != EM_X86_64)
    return absl::InvalidArgumentError(
        absl::StrFormat("is built for another machine (ELF machine %d)", h.e_machine));
#endif
  if (h.e_type != ET_DYN) return absl::InvalidArgumentError("is not a shared library");
  // The dynamic linker maps segments without asking whether the file holds them; touching them then
  // kills.
  in.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(in.tellg());
  for (unsigned i = 0; i < h.e_phnum; ++i) {
    ElfW(Phdr) segment{};
    in.seekg(static_cast<std::streamoff>(h.e_phoff + uint64_t{i} * h.e_phentsize));
    in.read(reinterpret_cast<char*>(&segment), sizeof segment);
    if (in.gcount() < static_cast<std::streamsize>(sizeof segment) ||
        (segment.p_type == PT_LOAD && segment.p_offset + segment.p_filesz > size))
      return absl::InvalidArgumentError("is a truncated ELF file");
  }
  return absl::OkStatus();
}

absl::StatusOr<SyPluginMainFn> FindMain(void* library) {
  void* symbol = dlsym(library, "sy_plugin_main");
  Dl_info info;
  const ElfW(Sym)* entry = nullptr;
  if (!symbol || !dladdr1(symbol, &info, reinterpret_cast<void**>(const_cast<ElfW(Sym)**>(&entry)),
                          RTLD_DL_SYMENT))
    return absl::InvalidArgumentError(
        "has no symbol sy_plugin_main: not a Switchyard plugin, or built with it hidden");
  if (entry && ELF64_ST_TYPE(entry->st_info) != STT_FUNC)
    return absl::InvalidArgumentError("sy_plugin_main is not a function");
  return reinterpret_cast<SyPluginMainFn>(symbol);
}

// ---- options

absl::Status CheckOptionValue(const PluginInstance& p, const OptionValue& o,
                              std::string_view value) {
  const std::string text(value);
  const std::string who = absl::StrCat("option ", p.name, ".", o.name, ": \"", text, "\"; want ");
  if (o.type == SY_OPTION_BOOL) {
    for (const char* good : {"", "0", "1", "on", "off", "true", "false", "yes", "no"})
      if (text == good) return absl::OkStatus();
    return absl::InvalidArgumentError(who + "on or off");
  }
  if (o.type == SY_OPTION_TEXT) return absl::OkStatus();
  double d = 0;
  int64_t i = 0;
  const bool parsed =
      o.type == SY_OPTION_INT ? absl::SimpleAtoi(text, &i) : absl::SimpleAtod(text, &d);
  if (o.type == SY_OPTION_INT) d = static_cast<double>(i);
  if (!parsed)
    return absl::InvalidArgumentError(who + (o.type == SY_OPTION_INT ? "an integer" : "a number"));
  if (o.min < o.max && !(d >= o.min && d <= o.max))
    return absl::InvalidArgumentError(absl::StrCat(who, o.min, " to ", o.max));
  return absl::OkStatus();
}

absl::Status ApplyOption(PluginInstance* p, std::string_view name, std::string_view value) {
  for (OptionValue& o : p->options) {
    if (o.name != name) continue;
    if (absl::Status s = CheckOptionValue(*p, o, value); !s.ok()) return s;
    o.text = std::string(value);
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  for (const OptionValue& o : p->options) names.push_back(o.name);
  const std::string near = Nearest(name, names);
  return absl::NotFoundError(
      absl::StrFormat("plugin %s has no option %s; %s", p->name, std::string(name),
                      !near.empty()   ? absl::StrCat("did you mean ", near, "?")
                      : names.empty() ? std::string("it has none")
                                      : absl::StrCat("it has ", absl::StrJoin(names, ", "))));
}

absl::Status GatherOptions(World& w, PluginInstance* p) {
  for (OptionValue& o : p->options) {
    const std::string env =
        "SY_" + absl::AsciiStrToUpper(p->name) + "_" + absl::AsciiStrToUpper(o.name);
    const std::string value = Environment(env.c_str());
    if (value.empty()) continue;
    if (absl::Status s = ApplyOption(p, o.name, value); !s.ok())
      return absl::InvalidArgumentError(absl::StrCat(s.message(), " (from ", env, ")"));
  }
  for (const auto& [name, value] : w.early_options) {
    const size_t dot = name.find('.');
    if (name.substr(0, dot) != p->name) continue;
    if (absl::Status s = ApplyOption(p, name.substr(dot + 1), value); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// ---- devices and kernels

absl::Status MakeDevices(World& w, PluginInstance* p,
                         std::vector<std::unique_ptr<SyDevice>>* made) {
  if (!p->has_device) return absl::OkStatus();
  SetMessage("");
  const int32_t count = p->device_fns.count(p->state);
  if (count == 0) p->reason = LastMessage();
  if (count < 0 || count > 32)
    return absl::InvalidArgumentError(
        absl::StrFormat("says it has %d devices; want 0 to 32", count));
  if (p->device_fns.count(p->state) != count)
    return absl::InvalidArgumentError("changes its number of devices from call to call");
  std::vector<std::string> kinds;
  for (int32_t i = 0; i < count; ++i) {
    auto d = std::make_unique<SyDevice>();
    // The struct lies in a larger buffer, so that writing past `size` is seen.
    struct {
      SyDeviceInfo info;
      unsigned char guard[256];
    } room{};
    std::memset(room.guard, 0xa5, sizeof room.guard);
    room.info.size = sizeof(SyDeviceInfo);
    SetMessage("");
    const SyStatus code = p->device_fns.info(p->state, i, &room.info);
    if (code != SY_OK)
      return StatusFrom(code, absl::StrFormat("info of device %d: %s", i,
                                              *LastMessage() ? LastMessage() : "no reason given"));
    for (unsigned char c : room.guard)
      if (c != 0xa5)
        return absl::InvalidArgumentError(
            absl::StrFormat("info of device %d writes behind the struct's size", i));
    if (absl::Status s = CheckDeviceInfo(&room.info, i); !s.ok()) return s;
    d->info = room.info;
    d->plugin = p;
    d->plugin_index = i;
    d->synchronous = !p->has_streams;
    const std::string kind = d->kind = room.info.kind;
    d->info.kind = d->kind.c_str();
    d->index = static_cast<int32_t>(std::count(kinds.begin(), kinds.end(), kind));
    for (const auto& other : w.devices)
      if (other->kind == kind && other->plugin != p && other->state.load() != SyDevice::kClosed)
        return absl::AlreadyExistsError(
            absl::StrFormat("device kind %s belongs to plugin %s", kind, other->plugin->name));
    kinds.push_back(kind);
    d->name = absl::StrCat(kind, ":", d->index);
    d->description = room.info.name ? room.info.name : kind;
    d->driver = room.info.driver ? room.info.driver : "";
    while (d->ordinal < kMaxDevices && (w.by_ordinal[d->ordinal].load() ||
                                        std::any_of(made->begin(), made->end(), [&](const auto& m) {
                                          return m->ordinal == d->ordinal;
                                        })))
      ++d->ordinal;
    if (d->ordinal >= kMaxDevices)
      return absl::ResourceExhaustedError(
          absl::StrFormat("more than %d devices in this process", kMaxDevices));
    made->push_back(std::move(d));
  }
  return absl::OkStatus();
}

void MakeKernels(World& w, PluginInstance* p) {
  for (size_t i = 0; i < p->kernels.size(); ++i) {
    const SyKernel& k = p->kernels[i];
    auto kernel = std::make_unique<Kernel>();
    kernel->fns = k;
    kernel->row = p->kernel_rows[i];
    kernel->plugin = p;
    kernel->op = k.op;
    kernel->variant = k.variant ? k.variant : k.op;
    kernel->core = CoreByName(k.op);
    w.kernels.push_back(std::move(kernel));
  }
}

bool Serves(const Kernel& k, const SyDevice& d) {
  return k.fns.device ? d.kind == k.fns.device : k.plugin == d.plugin;
}

// Publishes, for every device, the table of what is loaded now.
void RebuildTables(World& w) {
  ++w.generation;
  for (const auto& d : w.devices) {
    if (d->state.load() == SyDevice::kClosed) continue;
    auto table = std::make_unique<KernelTable>();
    table->generation = w.generation;
    for (const auto& k : w.kernels) {
      if (k->plugin->state_code != SY_PLUGIN_LOADED || !Serves(*k, *d)) continue;
      if (k->core >= 0) {
        table->core[k->core].push_back(k.get());
        continue;
      }
      const Op* op = FindOp(k->op);
      if (!op) {
        if (LogLevel() >= SY_LOG_INFO)
          Log(SY_LOG_INFO, absl::StrFormat("plugin %s: kernel for unknown op %s is left out",
                                           k->plugin->name, k->op));
        continue;
      }
      if (k->fns.rev != op->rev) {
        if (LogLevel() >= SY_LOG_INFO)
          Log(SY_LOG_INFO,
              absl::StrFormat(
                  "plugin %s: kernel for %s revision %d is left out; this library has %d",
                  k->plugin->name, k->op, k->fns.rev, op->rev));
        continue;
      }
      if (static_cast<int32_t>(table->named.size()) <= op->id)
        table->named.resize(static_cast<size_t>(op->id) + 1);
      table->named[static_cast<size_t>(op->id)].push_back(k.get());
    }
    auto better = [&](const Kernel* a, const Kernel* b) {
      if (a->fns.priority != b->fns.priority) return a->fns.priority > b->fns.priority;
      const bool a_owns = a->plugin == d->plugin, b_owns = b->plugin == d->plugin;
      if (a_owns != b_owns) return a_owns;
      return a->plugin->name < b->plugin->name;
    };
    for (auto& list : table->core) std::stable_sort(list.begin(), list.end(), better);
    for (auto& list : table->named) std::stable_sort(list.begin(), list.end(), better);
    d->kernels.store(table.get(), std::memory_order_release);
    w.tables.push_back(std::move(table));
  }
}

// "cuda,cpu" keeps these, "-opencl" drops that.
bool Wanted(const std::string& filter, const std::string& name) {
  bool positive = false, listed = false;
  for (absl::string_view part : absl::StrSplit(filter, ',', absl::SkipEmpty())) {
    if (part[0] == '-') {
      if (part.substr(1) == name) return false;
    } else {
      positive = true;
      listed |= part == name;
    }
  }
  return !positive || listed;
}

// The names in SY_CHECK as in SY_PLUGINS; empty where it says yes or no.
std::string CheckFilter() {
  std::string filter;
  GetOption("check", &filter);
  for (const char* all : {"1", "on", "true", "yes"})
    if (filter == all) return "";
  return GetOptions().check ? filter : "";
}

bool IsWatched(const std::string& plugin) {
  return GetOptions().check && Wanted(CheckFilter(), plugin);
}

// A name in a filter that no plugin has is misspelt, or of a plugin that is loaded by its path
// later.
void WarnOfUnknown(const char* variable, const std::string& filter,
                   const std::set<std::string>& known) {
  for (absl::string_view part : absl::StrSplit(filter, ',', absl::SkipEmpty())) {
    const std::string name(absl::StripPrefix(part, "-"));
    if (!known.contains(name))
      Log(SY_LOG_WARNING,
          absl::StrFormat(
              "%s names %s, but no plugin on the search path has that name; there are: %s",
              variable, name, known.empty() ? "none" : absl::StrJoin(known, ", ")));
  }
}

absl::Status LoadLibrary(World& w, const std::string& path, const Manifest* manifest, Row* row) {
  if (absl::Status s = CheckTrust(path); !s.ok()) return s;
  if (absl::Status s = CheckElf(path); !s.ok()) return s;
  struct stat st {};
  stat(path.c_str(), &st);
  for (const auto& p : w.plugins)
    if (p->inode == st.st_ino && p->device_node == st.st_dev && p->state_code == SY_PLUGIN_LOADED)
      return absl::AlreadyExistsError(
          absl::StrFormat("is the same file as plugin %s, loaded from %s", p->name, p->file));

  auto instance = std::make_unique<PluginInstance>();
  PluginInstance* p = instance.get();
  char resolved[PATH_MAX];
  p->file = realpath(path.c_str(), resolved) ? resolved : path;
  p->inode = st.st_ino;
  p->device_node = st.st_dev;
  FillHost(p);

  void* library = dlopen(p->file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return absl::FailedPreconditionError(dlerror());
  p->library = library;
  // Before start has run nothing of the plugin can be alive: unmapping is safe.
  bool started = false;
  absl::Cleanup undo = [&] {
    if (started && p->close_fn) p->close_fn(p->state);
    if (!started || (p->flags & SY_PLUGIN_UNLOADABLE)) dlclose(library);
  };
  absl::StatusOr<SyPluginMainFn> entry = FindMain(library);
  if (!entry.ok()) return entry.status();
  SetMessage("");
  const SyPlugin* table = (*entry)(&p->host);
  if (!table)
    return absl::FailedPreconditionError(*LastMessage() ? LastMessage()
                                                        : "refused to load and gave no reason");
  absl::Status checked = CheckAndCopyTables(table, p);
  row->abi = p->abi;
  if (!checked.ok()) return checked;
  row->name = p->name;
  row->version = p->version;
  if (manifest &&
      (manifest->name != p->name || manifest->abi >> 16 != p->abi >> 16 || manifest->abi != p->abi))
    return absl::FailedPreconditionError(absl::StrFormat(
        "the manifest says %s for ABI %d.%d, the library is %s for ABI %d.%d", manifest->name,
        manifest->abi >> 16, manifest->abi & 0xffff, p->name, p->abi >> 16, p->abi & 0xffff));
  for (const auto& other : w.plugins)
    if (other->name == p->name && other->state_code == SY_PLUGIN_LOADED)
      return absl::AlreadyExistsError(
          absl::StrFormat("a plugin %s is loaded already, from %s", p->name, other->file));
  std::vector<SyOpSpec> ops;
  if (absl::Status s = CheckOps(table, &ops); !s.ok()) return s;
  for (const SyOpSpec& o : ops)
    if (FindOp(o.name))
      return absl::AlreadyExistsError(absl::StrFormat("op %s exists already", o.name));
  if (absl::Status s = GatherOptions(w, p); !s.ok()) return s;

  if (IsWatched(p->name)) check::Watch(p);
  if (p->start_fn) {
    SetMessage("");
    const SyStatus code = p->start_fn(&p->host, &p->state);
    if (code != SY_OK)
      return StatusFrom(
          code,
          absl::StrCat("start: ", *LastMessage() ? LastMessage() : "failed and gave no reason"));
  }
  started = true;
  std::vector<std::unique_ptr<SyDevice>> devices;
  if (absl::Status s = MakeDevices(w, p, &devices); !s.ok()) return s;

  // Nothing can fail from here on but the registration of ops, whose names were checked.
  for (const SyOpSpec& o : ops) {
    absl::StatusOr<Op*> op = AddPluginOp(p, o);
    if (!op.ok()) return op.status();
    p->ops.push_back((*op)->id);
  }
  std::move(undo).Cancel();
  p->started = true;
  MakeKernels(w, p);
  row->device_count = static_cast<int32_t>(devices.size());
  row->kernel_count = static_cast<int32_t>(p->kernels.size());
  row->op_count = static_cast<int32_t>(ops.size());
  row->reason = p->reason;
  for (auto& d : devices) {
    p->devices.push_back(d.get());
    w.devices.push_back(std::move(d));
  }
  w.plugins.push_back(std::move(instance));
  RebuildTables(w);
  for (SyDevice* d : p->devices) w.by_ordinal[d->ordinal].store(d, std::memory_order_release);
  for (SyDevice* d : p->devices)
    w.device_count.store(std::max(w.device_count.load(), d->ordinal + 1),
                         std::memory_order_release);
  w.any_loaded.store(true);
  return absl::OkStatus();
}

absl::Status LoadLocked(World& w, const std::string& path) {
  auto row = std::make_unique<Row>();
  row->file = path;
  row->name = BaseName(path);
  absl::Status status;
  if (absl::EndsWith(path, ".json")) {
    absl::StatusOr<Manifest> m = ReadManifest(path);
    status = m.status();
    if (m.ok()) {
      row->name = m->name;
      row->abi = m->abi;
      row->file = m->library;
      status = CheckCpuFeatures(m->cpu_features);
      if (status.ok() && m->abi >> 16 != SY_ABI_MAJOR)
        status = absl::FailedPreconditionError(absl::StrFormat(
            "built for ABI %d.%d, this library speaks %d.%d; rebuild it with these headers",
            m->abi >> 16, m->abi & 0xffff, SY_ABI_MAJOR, SY_ABI_MINOR));
      if (status.ok()) status = LoadLibrary(w, m->library, &*m, row.get());
    }
  } else {
    status = LoadLibrary(w, path, nullptr, row.get());
  }
  if (!status.ok()) {
    // One line that begins with the file; checks deeper down have named it already.
    const std::string file = BaseName(row->file);
    std::string text(status.message().data(), status.message().size());
    if (!absl::StartsWith(text, file)) text = absl::StrCat(file, ": ", text);
    status = absl::Status(status.code(), text);
    row->state = SY_PLUGIN_REFUSED;
    row->reason = text;
  } else {
    row->state = SY_PLUGIN_LOADED;
  }
  w.rows.push_back(std::move(row));
  return status;
}

void Fill(const Row& r, SyPluginReport* out) {
  SY_SET(out, state, r.state);
  SY_SET(out, name, r.name.c_str());
  SY_SET(out, file, r.file.c_str());
  SY_SET(out, version, r.version.c_str());
  SY_SET(out, reason, r.reason.c_str());
  SY_SET(out, abi, r.abi);
  SY_SET(out, device_count, r.device_count);
  SY_SET(out, kernel_count, r.kernel_count);
  SY_SET(out, op_count, r.op_count);
}

void LoadOrWarn(World& w, const std::string& path) {
  const absl::Status s = LoadLocked(w, path);
  if (!s.ok() && !absl::IsAlreadyExists(s))
    Log(SY_LOG_WARNING, absl::StrCat("plugin refused: ", s.message()));
}

// Loads plugins on demand that bring this kind of device; all of them for "".
void LoadWaiting(World& w, const std::string& kind) {
  for (size_t i = 0; i < w.waiting.size();) {
    const std::vector<std::string>& kinds = w.waiting[i].kinds;
    if (!kind.empty() && std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
      ++i;
      continue;
    }
    const std::string path = w.waiting[i].path;
    w.waiting.erase(w.waiting.begin() + static_cast<std::ptrdiff_t>(i));
    LoadOrWarn(w, path);
  }
  w.any_waiting.store(!w.waiting.empty(), std::memory_order_release);
}

}  // namespace

absl::Status LoadPlugin(const std::string& path) {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  return LoadLocked(w, path);
}

bool PluginsLoaded() { return TheWorld().any_loaded.load(); }

void LoadAllPlugins() {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  if (w.loading_all) return;
  w.loading_all = true;
  std::string filter;
  GetOption("plugins", &filter);
  std::set<std::string> names;
  for (const std::string& path : FindPlugins()) {
    const std::string file = BaseName(path), name(absl::StripSuffix(file, ".sy.json"));
    names.insert(name);
    if (!Wanted(filter, name)) {
      Log(SY_LOG_INFO, absl::StrCat("plugin ", name, " is left out by SY_PLUGINS"));
      continue;
    }
    if (absl::EndsWith(path, ".json")) {
      absl::StatusOr<Manifest> m = ReadManifest(path);
      if (m.ok() && m->on_demand) {
        w.waiting.push_back({path, m->kinds});
        w.any_waiting.store(true);
        continue;
      }
    }
    LoadOrWarn(w, path);
  }
  WarnOfUnknown("SY_PLUGINS", filter, names);
  for (const auto& p : w.plugins) names.insert(p->name);
  WarnOfUnknown("SY_CHECK", CheckFilter(), names);
  w.loaded_all.store(true, std::memory_order_release);
}

void LoadWaitingPlugins() {
  World& w = TheWorld();
  LoadAllPlugins();
  if (!w.any_waiting.load(std::memory_order_acquire)) return;
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  LoadWaiting(w, "");
}

void EnsurePlugins() {
  if (!TheWorld().loaded_all.load(std::memory_order_acquire)) LoadAllPlugins();
}

absl::Status ClosePlugin(std::string_view name) {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  PluginInstance* p = nullptr;
  for (const auto& q : w.plugins)
    if (q->name == name && q->state_code == SY_PLUGIN_LOADED) p = q.get();
  if (!p) return absl::NotFoundError(absl::StrFormat("no loaded plugin %s", std::string(name)));
  for (SyDevice* d : p->devices) {
    if (const int64_t bytes = d->pool.live_bytes() - d->own_bytes;
        bytes > 0 || d->wrapped.load() > 0)
      return absl::FailedPreconditionError(
          absl::StrFormat("plugin %s: tensors live on %s (%d bytes of its own, %d over foreign "
                          "memory); release them first",
                          p->name, d->name, bytes, d->wrapped.load()));
    if (const int64_t n = d->timestamps.load(); n > 0)
      return absl::FailedPreconditionError(absl::StrFormat(
          "plugin %s: %d time stamps of %s live; release them first", p->name, n, d->name));
  }
  p->state_code = SY_PLUGIN_CLOSED;
  RebuildTables(w);
  for (int32_t id : p->ops) RetireOp(id);
  for (const auto& k : w.kernels) {
    if (k->plugin != p) continue;
    std::lock_guard<std::mutex> plans(k->plan_mutex);
    for (auto& [key, entry] : k->plans)
      if (entry->state && k->fns.drop) k->fns.drop(p->state, entry->state);
    k->plans.clear();
  }
  for (SyDevice* d : p->devices) {
    w.by_ordinal[d->ordinal].store(nullptr);
    CloseDevice(d);
    if (Thread().device == d) Thread().device = nullptr;
  }
  if (p->close_fn) p->close_fn(p->state);
  if (p->flags & SY_PLUGIN_UNLOADABLE) dlclose(p->library);
  for (const auto& r : w.rows)
    if (r->name == p->name && r->state == SY_PLUGIN_LOADED) r->state = SY_PLUGIN_CLOSED;
  return absl::OkStatus();
}

absl::Status ScanManifests(const char* folder,
                           const std::function<void(const SyPluginReport&)>& visit) {
  std::vector<std::string> files = folder ? ManifestsIn(folder) : FindPlugins();
  for (const std::string& path : files) {
    Row row;
    row.file = path;
    row.name = BaseName(path);
    row.state = SY_PLUGIN_MANIFEST_ONLY;
    if (absl::EndsWith(path, ".json")) {
      absl::StatusOr<Manifest> m = ReadManifest(path);
      if (m.ok()) {
        row.name = m->name;
        row.file = m->library;
        row.abi = m->abi;
        if (absl::Status s = CheckTrust(m->library); !s.ok()) {
          row.state = SY_PLUGIN_REFUSED;
          row.reason = std::string(s.message());
        }
      } else {
        row.state = SY_PLUGIN_REFUSED;
        row.reason = std::string(m.status().message());
      }
    }
    SyPluginReport report{};
    report.size = sizeof report;
    Fill(row, &report);
    visit(report);
  }
  return absl::OkStatus();
}

int PluginRowCount() {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  return static_cast<int>(w.rows.size());
}

absl::Status ReportPlugin(int index, SyPluginReport* report) {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  if (index < 0 || index >= static_cast<int>(w.rows.size()))
    return absl::OutOfRangeError(absl::StrFormat("plugin %d; there are %d", index, w.rows.size()));
  Fill(*w.rows[static_cast<size_t>(index)], report);
  return absl::OkStatus();
}

absl::Status SetPluginOption(std::string_view name, std::string_view value) {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  const std::string plugin(name.substr(0, name.find('.')));
  for (const auto& p : w.plugins)
    if (p->name == plugin && p->state_code == SY_PLUGIN_LOADED)
      return absl::FailedPreconditionError(absl::StrFormat(
          "option %s: plugin %s is loaded already; set it before", std::string(name), plugin));
  w.early_options.emplace_back(name, value);
  return absl::OkStatus();
}

bool GetPluginOption(std::string_view name, std::string* value) {
  World& w = TheWorld();
  std::lock_guard<std::recursive_mutex> lock(w.mutex);
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return false;
  for (const auto& p : w.plugins) {
    if (p->name != name.substr(0, dot)) continue;
    for (const OptionValue& o : p->options)
      if (o.name == name.substr(dot + 1)) {
        *value = o.text;
        return true;
      }
  }
  return false;
}

// ---- devices

std::vector<SyDevice*> LoadedDevices() {
  EnsurePlugins();
  World& w = TheWorld();
  std::vector<SyDevice*> all;
  for (int i = 0; i < w.device_count.load(std::memory_order_acquire); ++i)
    if (SyDevice* d = w.by_ordinal[i].load(std::memory_order_acquire)) all.push_back(d);
  return all;
}

std::vector<SyDevice*> AllDevices() {
  LoadWaitingPlugins();
  return LoadedDevices();
}

SyDevice* CpuDevice() {
  for (SyDevice* d : LoadedDevices())
    if (d->name == "cpu:0") return d;
  return nullptr;
}

SyDevice* CurrentDevice() {
  ThreadState& t = Thread();
  if (t.device) return t.device;
  if (SyDevice* cpu = CpuDevice()) return cpu;
  const std::vector<SyDevice*> all = AllDevices();
  return all.empty() ? nullptr : all[0];
}
void SetCurrentDevice(SyDevice* device) { Thread().device = device; }

SyDevice* DeviceByHandle(uint64_t handle) {
  for (SyDevice* d : LoadedDevices())
    if (d->state.load() == SyDevice::kOpen && d->handle == handle) return d;
  return nullptr;
}

absl::StatusOr<SyDevice*> FindDevice(std::string_view name) {
  EnsurePlugins();
  if (name.empty()) {
    if (SyDevice* d = CurrentDevice()) return d;
  }
  World& w = TheWorld();
  std::string wanted(name);
  if (!wanted.empty() && wanted.find(':') == std::string::npos) wanted += ":0";
  if (w.any_waiting.load(std::memory_order_acquire)) {
    std::lock_guard<std::recursive_mutex> lock(w.mutex);
    LoadWaiting(w, wanted.substr(0, wanted.find(':')));
  }
  for (SyDevice* d : LoadedDevices())
    if (d->name == wanted) return d;
  std::vector<std::string> names;  // for the message, all there are
  for (SyDevice* d : AllDevices()) names.push_back(d->name);
  if (names.empty()) {
    std::lock_guard<std::recursive_mutex> lock(w.mutex);
    std::string why;
    for (const auto& r : w.rows)
      absl::StrAppend(&why, "; ", r->name, ": ", r->reason.empty() ? "no device" : r->reason);
    std::string path;
    GetOption("plugin_path", &path);
    return absl::NotFoundError(
        absl::StrFormat("no device %s: no plugin offers a device; searched SY_PLUGIN_PATH \"%s\" "
                        "and the folder switchyard beside the "
                        "library%s",
                        wanted.empty() ? "cpu:0" : wanted, path, why));
  }
  const std::string kind = wanted.substr(0, wanted.find(':'));
  std::string why;
  {
    std::lock_guard<std::recursive_mutex> lock(w.mutex);
    for (const auto& r : w.rows)
      if (r->name == kind && !r->reason.empty())
        why = absl::StrCat("plugin ", kind, ": ", r->reason, "; ");
  }
  const std::string near = why.empty() ? Nearest(wanted, names) : "";
  return absl::NotFoundError(absl::StrFormat(
      "no device %s; %s%sthere are %s", std::string(name), why,
      near.empty() ? "" : absl::StrCat("did you mean ", near, "? "), absl::StrJoin(names, ", ")));
}

}  // namespace sy
