// Nothing that a plugin says is believed before it is checked. What passes is copied into structs
// of our own size, with a stub in every place that the plugin left out.
#include <cmath>
#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/kernel.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/loader/loader.h"
#include "dispatcher/tensor/dtype.h"

namespace sy {
namespace {

constexpr uint32_t kMaxStruct = 64 << 10;

// Sizes of the structs in ABI 0.1, the least that a reader accepts.
constexpr uint32_t kMinPlugin = 168, kMinDevice = 56, kMinMemory = 80, kMinStream = 96,
                   kMinKernel = 80, kMinOp = 96, kMinOption = 48, kMinAttr = 56;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(absl::string_view(what.data(), what.size()));
}

// Text of at most `most` bytes, printable, valid UTF-8; plugins hand out pointers, not lengths.
bool GoodText(const char* s, size_t most) {
  if (!s) return false;
  const size_t n = strnlen(s, most + 1);
  if (n == 0 || n > most) return false;
  for (size_t i = 0; i < n;) {
    const auto c = static_cast<unsigned char>(s[i]);
    size_t more = c < 0x80 ? 0 : (c >> 5) == 6 ? 1 : (c >> 4) == 14 ? 2 : (c >> 3) == 30 ? 3 : 9;
    if (more == 9 || c < 32 || c == 127) return false;
    for (++i; more; --more, ++i)
      if ((static_cast<unsigned char>(s[i]) & 0xc0) != 0x80) return false;
  }
  return true;
}

bool GoodName(const char* s) {
  if (!GoodText(s, 32)) return false;
  for (const char* p = s; *p; ++p)
    if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_')) return false;
  return true;
}

absl::Status CheckSize(const char* what, uint32_t size, uint32_t least) {
  if (size >= least && size <= kMaxStruct) return absl::OkStatus();
  return Bad(absl::StrFormat("%s has size %d; want %d to %d: not a %s of this ABI", what, size,
                             least, kMaxStruct, what));
}

absl::Status CheckArray(const char* what, const void* array, int64_t count, uint32_t element,
                        uint32_t least, int64_t most) {
  if (count == 0) return absl::OkStatus();
  if (count < 0 || count > most)
    return Bad(absl::StrFormat("%d %s; want 0 to %d", count, what, most));
  if (!array) return Bad(absl::StrFormat("%d %s at NULL", count, what));
  if (element < least || element > kMaxStruct || element % 8)
    return Bad(
        absl::StrFormat("%s have element size %d; want a multiple of 8 from %d up: use sizeof",
                        what, element, least));
  return absl::OkStatus();
}

template <class T>
void CopyTable(T* to, const T* from) {
  *to = T{};
  std::memcpy(to, from, std::min<size_t>(sizeof(T), from->size));
  to->size = sizeof(T);
}

SyStatus Missing(const char* what) {
  SetMessage(absl::StrCat("the plugin does not offer ", what));
  return SY_UNIMPLEMENTED;
}

void FillMemoryStubs(SyMemoryFns* m) {
  if (!m->flush_range)
    m->flush_range = [](void*, uint64_t, uint64_t, int64_t, int64_t) -> SyStatus { return SY_OK; };
  if (!m->invalidate_range)
    m->invalidate_range = [](void*, uint64_t, uint64_t, int64_t, int64_t) -> SyStatus {
      return SY_OK;
    };
}

void FillDeviceStubs(SyDeviceFns* d) {
  if (!d->memory_info)
    d->memory_info = [](void*, uint64_t, uint64_t* f, uint64_t* t) -> SyStatus {
      *f = *t = 0;
      return Missing("memory_info");
    };
  if (!d->extension)
    d->extension = [](void*, uint64_t, const char*) -> const void* { return nullptr; };
}

absl::Status CheckStreams(const SyStreamFns& s) {
  if (!s.create || !s.destroy || !s.record || !s.wait || !s.query || !s.sync)
    return Bad(
        "the stream table lacks create, destroy, record, wait, query or sync; give all six, or no "
        "table");
  const int stamps =
      (s.timestamp != nullptr) + (s.elapsed != nullptr) + (s.drop_timestamp != nullptr);
  if (stamps % 3)
    return Bad(
        absl::StrFormat("the stream table has %d of timestamp, elapsed and drop_timestamp; "
                        "give all three, or none",
                        stamps));
  return absl::OkStatus();
}

void FillStreamStubs(SyStreamFns* s) {
  if (!s->flush) s->flush = [](void*, uint64_t, uint64_t) -> SyStatus { return SY_OK; };
  if (s->timestamp) return;
  s->timestamp = [](void*, uint64_t, uint64_t, uint64_t*) -> SyStatus {
    return Missing("timestamp");
  };
}

absl::Status CheckKernels(const SyPlugin* p, PluginInstance* plugin) {
  if (absl::Status s =
          CheckArray("kernels", p->kernels, p->kernel_count, p->kernel_size, kMinKernel, 100000);
      !s.ok())
    return s;
  for (int i = 0; i < p->kernel_count; ++i) {
    SyKernel k{};
    std::memcpy(&k, SY_AT(SyKernel, p->kernels, p->kernel_size, i),
                std::min<size_t>(sizeof k, p->kernel_size));
    if (!GoodText(k.op, 128))
      return Bad(absl::StrFormat("kernel %d: op is not a name of 1 to 128 bytes of UTF-8", i));
    if (!k.run) return Bad(absl::StrFormat("kernel %d (%s): run is NULL", i, k.op));
    if (k.rev < 0) return Bad(absl::StrFormat("kernel %d (%s): revision %d", i, k.op, k.rev));
    if (k.dtype && !TypeOf(k.dtype))
      return Bad(absl::StrFormat("kernel %d (%s): unknown dtype 0x%x", i, k.op, k.dtype));
    if (k.device && !GoodName(k.device))
      return Bad(absl::StrFormat("kernel %d (%s): bad device kind", i, k.op));
    if (k.variant && !GoodText(k.variant, 128))
      return Bad(absl::StrFormat("kernel %d (%s): bad variant", i, k.op));
    if (k.max_rank < 0 || k.max_rank > SY_MAX_RANK)
      return Bad(absl::StrFormat("kernel %d (%s): max_rank %d; want 0 to %d", i, k.op, k.max_rank,
                                 SY_MAX_RANK));
    if (!k.device && !p->device)
      return Bad(absl::StrFormat(
          "kernel %d (%s): names no device, and the plugin has none of its own", i, k.op));
    if (!k.plan) k.drop = nullptr;
    k.accepts &= SY_ACCEPTS_ALL;
    plugin->kernels.push_back(k);
    plugin->kernel_rows.push_back(SY_AT(SyKernel, p->kernels, p->kernel_size, i));
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const SyPlugin* p, PluginInstance* plugin) {
  if (absl::Status s =
          CheckArray("options", p->options, p->option_count, p->option_size, kMinOption, 1000);
      !s.ok())
    return s;
  std::set<std::string> names;
  for (int i = 0; i < p->option_count; ++i) {
    SyOption o{};
    std::memcpy(&o, SY_AT(SyOption, p->options, p->option_size, i),
                std::min<size_t>(sizeof o, p->option_size));
    if (!GoodName(o.name)) return Bad(absl::StrFormat("option %d: name is not of a-z, 0-9, _", i));
    if (!names.insert(o.name).second)
      return Bad(absl::StrFormat("option %s is declared twice", o.name));
    if (o.type < SY_OPTION_BOOL || o.type > SY_OPTION_TEXT)
      return Bad(absl::StrFormat("option %s: unknown type %d", o.name, o.type));
    if (o.default_value && !GoodText(o.default_value, 4096) && *o.default_value)
      return Bad(absl::StrFormat("option %s: bad default", o.name));
    OptionValue v;
    v.name = o.name;
    v.doc = o.doc ? o.doc : "";
    v.text = v.default_text = o.default_value ? o.default_value : "";
    v.type = o.type;
    v.min = o.min;
    v.max = o.max;
    if (o.type == SY_OPTION_INT || o.type == SY_OPTION_FLOAT) {
      const double d = v.text.empty() ? 0 : std::strtod(v.text.c_str(), nullptr);
      if (v.min < v.max && !(d >= v.min && d <= v.max))
        return Bad(absl::StrFormat("option %s: default %s is outside %g to %g", o.name, v.text,
                                   v.min, v.max));
    }
    plugin->options.push_back(std::move(v));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAndCopyTables(const SyPlugin* p, PluginInstance* plugin) {
  if (reinterpret_cast<uintptr_t>(p) % alignof(SyPlugin))
    return Bad("sy_plugin_main returned a misaligned pointer");
  if (absl::Status s = CheckSize("SyPlugin", p->size, 8); !s.ok()) return s;
  plugin->abi = p->abi;
  const uint32_t major = p->abi >> 16, minor = p->abi & 0xffff;
  if (major != SY_ABI_MAJOR || (SY_ABI_MAJOR == 0 && minor < SY_ABI_MINOR_OLDEST))
    return absl::FailedPreconditionError(absl::StrFormat(
        "built for ABI %d.%d, this library speaks %d.%d%s; rebuild it with these headers", major,
        minor, SY_ABI_MAJOR, SY_ABI_MINOR,
        SY_ABI_MAJOR == 0 ? absl::StrFormat(" and reads from 0.%d up", SY_ABI_MINOR_OLDEST) : ""));
  if (absl::Status s = CheckSize("SyPlugin", p->size, kMinPlugin); !s.ok()) return s;
  if (!GoodName(p->name)) return Bad("its name is not 1 to 32 of a-z, 0-9, _");
  plugin->name = p->name;
  plugin->version = p->version && GoodText(p->version, 256) ? p->version : "";
  plugin->flags = p->flags;
  plugin->start_fn = p->start;
  plugin->close_fn = p->close;
  if (p->device) {
    if (absl::Status s = CheckSize("SyDeviceFns", p->device->size, kMinDevice); !s.ok()) return s;
    if (!p->memory) return Bad("has a device table and no memory table");
    if (absl::Status s = CheckSize("SyMemoryFns", p->memory->size, kMinMemory); !s.ok()) return s;
    CopyTable(&plugin->device_fns, p->device);
    CopyTable(&plugin->memory, p->memory);
    const SyDeviceFns& d = plugin->device_fns;
    if (!d.count || !d.info || !d.open || !d.close)
      return Bad("the device table lacks count, info, open or close");
    const SyMemoryFns& m = plugin->memory;
    if (!m.alloc || !m.free || !m.copy_in || !m.copy_out || !m.copy_within)
      return Bad("the memory table lacks alloc, free, copy_in, copy_out or copy_within");
    FillDeviceStubs(&plugin->device_fns);
    plugin->has_ranges = m.flush_range && m.invalidate_range;
    FillMemoryStubs(&plugin->memory);
    plugin->has_device = true;
    if (p->stream) {
      if (absl::Status s = CheckSize("SyStreamFns", p->stream->size, kMinStream); !s.ok()) return s;
      CopyTable(&plugin->stream, p->stream);
      if (absl::Status s = CheckStreams(plugin->stream); !s.ok()) return s;
      FillStreamStubs(&plugin->stream);
      plugin->has_streams = true;
    }
  }
  if (absl::Status s = CheckKernels(p, plugin); !s.ok()) return s;
  if (plugin->has_device && plugin->kernels.empty())
    return Bad("offers a device and no kernel; want at least one");
  if (!plugin->has_device && plugin->kernels.empty() && p->op_count == 0)
    return Bad("offers no device, no kernel and no op");
  return CheckOptions(p, plugin);
}

absl::Status CheckOps(const SyPlugin* p, std::vector<SyOpSpec>* ops) {
  if (absl::Status s = CheckArray("ops", p->ops, p->op_count, p->op_size, kMinOp, 1000); !s.ok())
    return s;
  std::set<std::string> op_names;
  for (int i = 0; i < p->op_count; ++i) {
    SyOpSpec o{};
    std::memcpy(&o, SY_AT(SyOpSpec, p->ops, p->op_size, i), std::min<size_t>(sizeof o, p->op_size));
    if (!GoodText(o.name, 128))
      return Bad(absl::StrFormat("op %d: name is not 1 to 128 bytes of UTF-8", i));
    if (!op_names.insert(o.name).second)
      return absl::AlreadyExistsError(absl::StrFormat("op %s is defined twice", o.name));
    if (CoreByName(o.name) >= 0)
      return absl::AlreadyExistsError(absl::StrFormat("op %s: the name of a core kernel", o.name));
    if (o.rev < 1) return Bad(absl::StrFormat("op %s: revision %d; want 1 or more", o.name, o.rev));
    if (!o.infer) return Bad(absl::StrFormat("op %s: infer is NULL", o.name));
    if (o.in_min < 0 || o.in_max < o.in_min || o.in_max > 16 || o.out_count < 1 || o.out_count > 8)
      return Bad(absl::StrFormat("op %s: %d to %d inputs, %d outputs; want at most 16 and 1 to 8",
                                 o.name, o.in_min, o.in_max, o.out_count));
    if (absl::Status s = CheckArray("attributes", o.attrs, o.attr_count, o.attr_size, kMinAttr, 64);
        !s.ok())
      return Bad(absl::StrCat("op ", o.name, ": ", s.message()));
    if (o.attrs_size > 4096)
      return Bad(absl::StrFormat("op %s: attributes take %d bytes", o.name, o.attrs_size));
    std::set<std::string> names;
    for (int j = 0; j < o.attr_count; ++j) {
      const SyAttrSpec* a = SY_AT(SyAttrSpec, o.attrs, o.attr_size, j);
      if (!GoodText(a->name, 64) || !names.insert(a->name).second)
        return Bad(absl::StrFormat("op %s: attribute %d has no name of its own", o.name, j));
      if (a->type < SY_ATTR_INT || a->type > SY_ATTR_TEXT)
        return Bad(
            absl::StrFormat("op %s: attribute %s has unknown type %d", o.name, a->name, a->type));
      const uint32_t bytes = a->type >= SY_ATTR_INTS ? 16 : 8;
      if (a->offset % 8 || a->offset + bytes > o.attrs_size)
        return Bad(absl::StrFormat("op %s: attribute %s at offset %d does not fit into %d bytes",
                                   o.name, a->name, a->offset, o.attrs_size));
    }
    ops->push_back(o);
  }
  return absl::OkStatus();
}

absl::Status CheckDeviceInfo(SyDeviceInfo* info, int index) {
  if (info->size != sizeof(SyDeviceInfo))
    return Bad(absl::StrFormat("info of device %d changed `size`; it belongs to the host", index));
  if (!GoodName(info->kind))
    return Bad(absl::StrFormat("device %d: kind is not 1 to 32 of a-z, 0-9, _", index));
  if (info->name && !GoodText(info->name, 256))
    return Bad(absl::StrFormat("device %d: bad name", index));
  if (!info->buffer_alignment) info->buffer_alignment = 64;
  if ((info->buffer_alignment & (info->buffer_alignment - 1)) || info->buffer_alignment > (1 << 20))
    return Bad(absl::StrFormat("device %d: buffer_alignment %d; want a power of two up to 1048576",
                               index, info->buffer_alignment));
  if (info->max_rank < 0 || info->max_rank > SY_MAX_RANK)
    return Bad(absl::StrFormat("device %d: max_rank %d; want 0 to %d", index, info->max_rank,
                               SY_MAX_RANK));
  if (!info->max_rank) info->max_rank = SY_MAX_RANK;
  if (!info->dtypes_storage) info->dtypes_storage = SY_T_ALL;
  info->dtypes_storage &= SY_T_ALL;
  if (!info->dtypes_compute) info->dtypes_compute = info->dtypes_storage;
  info->dtypes_compute &= SY_T_ALL;
  bool any = false;
  for (uint64_t w : info->opcodes) any |= w != 0;
  if (!any)
    for (int op = 1; op < SY_OP_COUNT_; ++op) info->opcodes[op / 64] |= uint64_t{1} << (op % 64);
  if (!info->memory_kinds) info->memory_kinds = SY_MEMORY_DEVICE;
  return absl::OkStatus();
}

}  // namespace sy
