// What the families ask of the host.
#include "tests/mutants/mutant.h"

#include <cstring>

namespace mutants {

const SyHost* host = nullptr;

bool Of(const SyCall& call, const char* op) { return call.op == host->api->op_find(op); }

namespace {
const SyAttrSpec* SpecOf(const SyCall& call, const char* name) {
  SyOpInfo info = {};
  info.size = sizeof info;
  if (host->api->op_info(call.op, &info)) return nullptr;
  for (int32_t i = 0; i < info.attr_count; ++i) {
    const auto* spec = SY_AT(SyAttrSpec, info.attrs, info.attr_size, i);
    if (!std::strcmp(spec->name, name)) return spec;
  }
  return nullptr;
}
}  // namespace

int64_t WholeAttr(const SyCall& call, const char* name) {
  const SyAttrSpec* spec = SpecOf(call, name);
  int64_t value = 0;
  if (spec) std::memcpy(&value, static_cast<const char*>(call.attrs) + spec->offset, sizeof value);
  return value;
}
std::vector<int64_t> ListAttr(const SyCall& call, const char* name) {
  const SyAttrSpec* spec = SpecOf(call, name);
  SyInts value = {};
  if (spec) std::memcpy(&value, static_cast<const char*>(call.attrs) + spec->offset, sizeof value);
  return {value.data, value.data + value.count};
}

}  // namespace mutants
