// What GLSL cannot say about floats: added to the SPIR-V. See the SPIR-V specification,
// sections 2.3 (physical layout) and 2.4 (logical layout), and SPV_KHR_float_controls.
#include <algorithm>
#include <cstring>
#include <set>

#include "device.h"

namespace sy::vulkan {
namespace {

constexpr uint32_t kOpExtension = 10, kOpExtInstImport = 11, kOpMemoryModel = 14,
                   kOpEntryPoint = 15, kOpExecutionMode = 16, kOpCapability = 17, kOpDecorate = 71,
                   kOpTypeVoid = 19, kOpTypeFloat = 22, kOpFNegate = 127;
constexpr uint32_t kDecorationNoContraction = 42;
constexpr uint32_t kDenormPreserve = 4459, kSignedZeroInfNanPreserve = 4461;
constexpr uint32_t kCapabilityDenormPreserve = 4464, kCapabilitySignedZeroInfNanPreserve = 4466;

// OpFAdd, OpFSub, OpFMul, OpFDiv, OpFRem, OpFMod, OpVectorTimesScalar, ... OpDot
bool IsFloatArithmetic(uint32_t op) {
  return op == kOpFNegate || op == 129 || op == 131 || op == 133 || op == 136 || op == 140 ||
         op == 141 || (op >= 142 && op <= 148);
}

void Append(std::vector<uint32_t>* out, uint32_t op, std::initializer_list<uint32_t> operands) {
  out->push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | op);
  out->insert(out->end(), operands);
}

}  // namespace

void FixFloats(const Facts& facts, bool contracts, std::vector<uint32_t>* spirv) {
  const std::vector<uint32_t>& in = *spirv;
  std::vector<uint32_t> arithmetic;
  std::set<uint32_t> widths;
  uint32_t entry = 0;
  for (size_t i = 5; i < in.size(); i += in[i] >> 16) {
    const uint32_t op = in[i] & 0xffff;
    if (in[i] >> 16 == 0) return;
    if (op == kOpEntryPoint) entry = in[i + 2];
    if (op == kOpTypeFloat) widths.insert(in[i + 2]);
    if (IsFloatArithmetic(op)) arithmetic.push_back(in[i + 2]);
  }
  std::vector<uint32_t> modes, capabilities;
  auto want = [&](uint32_t width, bool offered, uint32_t mode, uint32_t capability) {
    if (!offered || !widths.count(width)) return;
    Append(&modes, kOpExecutionMode, {entry, mode, width});
    if (std::find(capabilities.begin(), capabilities.end(), capability) == capabilities.end())
      Append(&capabilities, kOpCapability, {capability});
  };
  want(32, facts.preserves_nan_f32, kSignedZeroInfNanPreserve, kCapabilitySignedZeroInfNanPreserve);
  want(64, facts.preserves_nan_f64, kSignedZeroInfNanPreserve, kCapabilitySignedZeroInfNanPreserve);
  want(32, facts.preserves_subnormals_f32, kDenormPreserve, kCapabilityDenormPreserve);
  want(64, facts.preserves_subnormals_f64, kDenormPreserve, kCapabilityDenormPreserve);

  std::vector<uint32_t> out(in.begin(), in.begin() + 5);
  bool wrote_capabilities = false, wrote_extension = modes.empty(), wrote_modes = false,
       wrote_decorations = false;
  for (size_t i = 5; i < in.size(); i += in[i] >> 16) {
    const uint32_t op = in[i] & 0xffff;
    if (!wrote_capabilities && op != kOpCapability) {
      out.insert(out.end(), capabilities.begin(), capabilities.end());
      wrote_capabilities = true;
    }
    if (!wrote_extension && (op == kOpExtInstImport || op == kOpMemoryModel)) {
      constexpr char kName[24] = "SPV_KHR_float_controls";
      uint32_t words[6];
      std::memcpy(words, kName, sizeof words);
      out.push_back(7u << 16 | kOpExtension);
      out.insert(out.end(), words, words + 6);
      wrote_extension = true;
    }
    // Behind the last of the sections up to the modes, before names and sources.
    if (!wrote_modes && op != kOpCapability && op != kOpExtension && op != kOpExtInstImport &&
        op != kOpMemoryModel && op != kOpEntryPoint && op != kOpExecutionMode) {
      out.insert(out.end(), modes.begin(), modes.end());
      wrote_modes = true;
    }
    if (!wrote_decorations && !contracts && (op == kOpDecorate || op == kOpTypeVoid)) {
      for (uint32_t id : arithmetic) Append(&out, kOpDecorate, {id, kDecorationNoContraction});
      wrote_decorations = true;
    }
    out.insert(out.end(), in.begin() + static_cast<ptrdiff_t>(i),
               in.begin() + static_cast<ptrdiff_t>(i + (in[i] >> 16)));
  }
  *spirv = std::move(out);
}

}  // namespace sy::vulkan
