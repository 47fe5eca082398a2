// Calls a case's op through sy.h.
#ifndef CONFORM_CALL_H_
#define CONFORM_CALL_H_

#include <memory>
#include <string>
#include <vector>

#include "conform/case.h"
#include "switchyard/tensor.h"

namespace sy::conform {

// What the op table says of an op. Throws sy::Error.
SyOpInfo InfoOf(const std::string& op);

// An attribute struct as the op's specs lay it out, starting from their defaults.
class PackedAttrs {
 public:
  PackedAttrs(const SyOpInfo& info, const Attrs& attrs);
  const void* data() const { return bytes_.empty() ? nullptr : bytes_.data(); }
  size_t size() const { return bytes_.size(); }

 private:
  void Put(const SyAttrSpec& spec, const AttrValue* v);
  std::vector<unsigned char> bytes_;
  std::vector<std::unique_ptr<Shape>> lists_;
};

// Runs the op. `targets` are written; where there are fewer than results, the rest are new. Throws
// sy::Error.
std::vector<Tensor> Call(const Case& c, SyDtype dtype, const std::vector<Tensor>& inputs,
                         const SyDevice* device, const std::vector<Tensor>& targets = {});
// With the case's own values, dense, for a case whose attributes may be wrong: `results` counts
// where they say how many there are.
std::vector<Tensor> Call(const Case& c, SyDtype dtype, size_t results, const SyDevice* device);
size_t CountResults(const Case& c, SyDtype dtype);

// "named", "map", ..., "composite", "fallback", "refused": the first word of sy_op_route().
std::string RouteOf(const Case& c, SyDtype dtype, const SyDevice* device);

}  // namespace sy::conform

#endif  // CONFORM_CALL_H_
