#include "conform/call.h"

#include <algorithm>
#include <cstring>

#include "conform/draw.h"
#include "conform/layout.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

Shape ParseList(const char* text) {  // "1,1"
  Shape list;
  for (const char* p = text ? text : ""; *p; p += *p == ',') {
    char* end = nullptr;
    list.push_back(std::strtoll(p, &end, 10));
    p = end;
  }
  return list;
}

std::vector<Tensor> Run(const Case& c, SyDtype dtype, const std::vector<Tensor>& inputs,
                        size_t results, const SyDevice* device,
                        const std::vector<Tensor>& targets) {
  const SyOpInfo info = InfoOf(c.op);
  const PackedAttrs attrs(info, c.attrs);
  const std::vector<SyTensor*> in = detail::Handles(inputs);
  std::vector<SyTensor*> out(results, nullptr);
  for (size_t i = 0; i < targets.size(); ++i) out[i] = targets[i].handle();
  SyRun run =
      detail::MakeRun(detail::FindOp(c.op.c_str()), in.data(), static_cast<int32_t>(in.size()),
                      attrs.data(), attrs.size(), out.data(), static_cast<int32_t>(out.size()));
  run.device = device;
  if (in.empty()) run.dtype = dtype;
  detail::Check(sy_run(&run));
  std::vector<Tensor> tensors = targets;
  for (size_t i = targets.size(); i < out.size(); ++i) tensors.push_back(Tensor::take(out[i]));
  return tensors;
}

}  // namespace

SyOpInfo InfoOf(const std::string& op) {
  SyOpInfo info{};
  info.size = sizeof info;
  detail::Check(sy_op_info(detail::FindOp(op.c_str()), &info));
  return info;
}

PackedAttrs::PackedAttrs(const SyOpInfo& info, const Attrs& attrs) : bytes_(info.attrs_size) {
  size_t found = 0;
  for (int32_t i = 0; i < info.attr_count; ++i) {
    const auto& spec = *SY_AT(SyAttrSpec, info.attrs, info.attr_size, i);
    const auto at = std::find_if(attrs.begin(), attrs.end(),
                                 [&](const Attr& a) { return a.name == spec.name; });
    Put(spec, at == attrs.end() ? nullptr : &at->value);
    found += at != attrs.end();
  }
  if (found != attrs.size())
    throw Error(SY_INTERNAL,
                std::string(info.name) + ": the case names an attribute that the op lacks");
}

void PackedAttrs::Put(const SyAttrSpec& spec, const AttrValue* v) {
  unsigned char* to = &bytes_[spec.offset];
  if (spec.type == SY_ATTR_FLOAT) {
    const double value = !v ? spec.default_float : v->real;
    std::memcpy(to, &value, sizeof value);
  } else if (spec.type == SY_ATTR_INTS) {
    lists_.push_back(std::make_unique<Shape>(v ? v->list : ParseList(spec.default_text)));
    const SyInts value{lists_.back()->data(), static_cast<int64_t>(lists_.back()->size())};
    std::memcpy(to, &value, sizeof value);
  } else if (spec.type == SY_ATTR_TEXT) {
    const std::string_view text = v                   ? std::string_view(v->text)
                                  : spec.default_text ? spec.default_text
                                                      : "";
    const SyText value{text.data(), static_cast<int64_t>(text.size())};
    std::memcpy(to, &value, sizeof value);
  } else {
    const int64_t value = v ? v->whole : spec.default_int;
    std::memcpy(to, &value, sizeof value);
  }
}

std::vector<Tensor> Call(const Case& c, SyDtype dtype, const std::vector<Tensor>& inputs,
                         const SyDevice* device, const std::vector<Tensor>& targets) {
  return Run(c, dtype, inputs, CountResults(c, dtype), device, targets);
}

std::vector<Tensor> Call(const Case& c, SyDtype dtype, size_t results, const SyDevice* device) {
  std::vector<Tensor> tensors;
  for (const Array& a : Draw(c, dtype, Fill::kRange, 0))
    tensors.push_back(Upload(a, sy_device_name(device)));
  return Run(c, dtype, tensors, results, device, {});
}

size_t CountResults(const Case& c, SyDtype dtype) {
  const SyOpInfo info = InfoOf(c.op);
  return info.out_count >= 0 ? static_cast<size_t>(info.out_count)
                             : c.reference(Draw(c, dtype, Fill::kRange, 0), dtype).size();
}

std::string RouteOf(const Case& c, SyDtype dtype, const SyDevice* device) {
  char route[64];
  const SyDtype type = c.inputs.empty() || !c.inputs[0].dtype ? dtype : c.inputs[0].dtype;
  sy_op_route(detail::FindOp(c.op.c_str()), device, type, route, sizeof route);
  return std::string(route, std::strcspn(route, " :"));
}

}  // namespace sy::conform
