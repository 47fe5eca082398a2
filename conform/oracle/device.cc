#include "conform/oracle/device.h"

#include <new>

namespace sy::conform {
namespace {

int32_t Count(void*) { return 2; }

SyStatus Info(void*, int32_t index, SyDeviceInfo* out) {
  out->type = SY_DEVICE_TYPE_SIMULATOR;
  out->kind = "oracle";
  out->name = index == 0 ? "long double with error bounds, rounded where formulas say so"
                         : "long double with error bounds, not rounded";
  out->vendor = "Switchyard";
  out->driver = "";
  out->buffer_alignment = 64;
  out->dtypes_storage = SY_T_ALL;
  out->numeric = SY_NUMERIC_FULL;
  return SY_OK;
}

SyStatus Open(void*, int32_t index, uint64_t* out_device) {
  *out_device = static_cast<uint64_t>(index) + 1;
  return SY_OK;
}

void Close(void*, uint64_t) {}

}  // namespace

const SyDeviceFns kOracleDevice = {
    .size = sizeof(SyDeviceFns),
    .count = Count,
    .info = Info,
    .open = Open,
    .close = Close,
};

std::span<const SyOption> OracleOptions() {
  static const SyOption options[] = {[] {
    SyOption o = {};
    o.name = "numeric";
    o.doc = "What the device that is judged promises: SY_NUMERIC_* added up.";
    o.default_value = "63";
    o.type = SY_OPTION_INT;
    o.min = 0;
    o.max = 63;
    return o;
  }()};
  return options;
}

SyStatus StartOracle(const SyHost* host, void** out_state) {
  const auto numeric = static_cast<uint32_t>(host->option_int(host, "numeric"));
  *out_state = new (std::nothrow) OracleState{
      host, {Arithmetic(numeric, Steps::kRounded), Arithmetic(numeric, Steps::kUnrounded)}};
  return *out_state ? SY_OK : host->fail(SY_RESOURCE_EXHAUSTED, "oracle: no memory");
}

void CloseOracle(void* state) { delete static_cast<OracleState*>(state); }

}  // namespace sy::conform
