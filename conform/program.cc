#include "conform/program.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "conform/call.h"
#include "conform/draw.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

using nlohmann::json;

constexpr Fill kFills[] = {Fill::kRange, Fill::kTied,       Fill::kIndex,    Fill::kRamp,
                           Fill::kZeros, Fill::kOnes,       Fill::kSmallInt, Fill::kAnySpecial,
                           Fill::kBits,  Fill::kLogUniform, Fill::kCancel,   Fill::kOffset};
constexpr int kLayouts = static_cast<int>(Layout::kMixed);

json JsonOf(const AttrValue& v) {
  switch (v.kind) {
    case AttrValue::kWhole:
      return v.whole;
    case AttrValue::kReal:
      return v.real;
    case AttrValue::kList:
      return v.list;
    case AttrValue::kText:
      break;
  }
  return v.text;
}
AttrValue AttrOf(const json& j) {
  if (j.is_number_integer()) return j.get<int64_t>();
  if (j.is_number()) return j.get<double>();
  if (j.is_array()) return j.get<Shape>();
  return j.get<std::string>();
}

std::string Braced(const Shape& list) {
  std::string text = "{";
  for (size_t i = 0; i < list.size(); ++i) text += (i ? ", " : "") + std::to_string(list[i]);
  return text + "}";
}
std::string CppOf(const AttrValue& v, bool dtype) {
  switch (v.kind) {
    case AttrValue::kWhole:
      if (!dtype) return std::to_string(v.whole);
      return v.whole ? std::string("sy::") + Info(static_cast<SyDtype>(v.whole)).name : "{}";
    case AttrValue::kReal:
      return json(v.real).dump();
    case AttrValue::kList:
      return Braced(v.list);
    case AttrValue::kText:
      break;
  }
  return "\"" + v.text + "\"";
}

// An op's attribute as the case gives it, or its default.
AttrValue ValueOf(const Node& node, const SyAttrSpec& spec) {
  for (const Attr& a : node.attrs)
    if (a.name == spec.name) return a.value;
  switch (spec.type) {
    case SY_ATTR_FLOAT:
      return spec.default_float;
    case SY_ATTR_INTS:
      return Shape();
    case SY_ATTR_TEXT:
      return std::string(spec.default_text ? spec.default_text : "");
    default:
      return spec.default_int;
  }
}

std::string NameOf(const Ref& r) { return (r.leaf ? "x" : "v") + std::to_string(r.index); }
Ref RefOf(const std::string& name) {
  char* end = nullptr;
  const bool named = name.size() > 1 && (name[0] == 'x' || name[0] == 'v');
  const size_t index = named ? std::strtoull(name.c_str() + 1, &end, 10) : 0;
  if (!named || *end) throw std::runtime_error("\"" + name + "\" is no value; want x0 or v0");
  return {name[0] == 'x', index};
}

}  // namespace

json JsonOf(const Program& p) {
  json leaves = json::array(), nodes = json::array();
  for (const Leaf& leaf : p.leaves)
    leaves.push_back({{"dtype", Info(leaf.dtype).name},
                      {"shape", leaf.shape},
                      {"fill", Name(leaf.fill)},
                      {"layout", Name(leaf.layout)},
                      {"seed", leaf.seed}});
  for (const Node& node : p.nodes) {
    json attrs = json::object();
    for (const Attr& a : node.attrs) attrs[a.name] = JsonOf(a.value);
    json in = json::array();
    for (const Ref& r : node.in) in.push_back(NameOf(r));
    nodes.push_back({{"op", node.op}, {"attrs", attrs}, {"in", in}});
  }
  return {{"schema", "switchyard.program/1"}, {"leaves", leaves}, {"nodes", nodes}};
}

Program ProgramOf(const json& j) {
  if (!j.is_object() || j.value("schema", "") != "switchyard.program/1")
    throw std::runtime_error("no program; want schema switchyard.program/1");
  Program p;
  for (const json& l : j.at("leaves")) {
    Leaf leaf;
    leaf.dtype = DtypeByName(l.at("dtype").get<std::string>());
    leaf.shape = l.at("shape").get<Shape>();
    leaf.seed = l.at("seed").get<uint64_t>();
    const auto fill = l.at("fill").get<std::string>(), layout = l.at("layout").get<std::string>();
    const auto at =
        std::find_if(std::begin(kFills), std::end(kFills), [&](Fill f) { return fill == Name(f); });
    int k = 0;
    while (k < kLayouts && layout != Name(static_cast<Layout>(k))) ++k;
    if (!leaf.dtype || at == std::end(kFills) || k == kLayouts ||
        std::any_of(leaf.shape.begin(), leaf.shape.end(), [](int64_t s) { return s < 0; }))
      throw std::runtime_error("leaf " + std::to_string(p.leaves.size()) + ": " + l.dump());
    leaf.fill = *at;
    leaf.layout = static_cast<Layout>(k);
    p.leaves.push_back(std::move(leaf));
  }
  for (const json& n : j.at("nodes")) {
    Node node;
    node.op = n.at("op").get<std::string>();
    for (const auto& [name, value] : n.at("attrs").items())
      node.attrs.push_back({name, AttrOf(value)});
    for (const json& name : n.at("in")) {
      node.in.push_back(RefOf(name.get<std::string>()));
      if (node.in.back().index >= (node.in.back().leaf ? p.leaves.size() : p.nodes.size()))
        throw std::runtime_error("node " + std::to_string(p.nodes.size()) + " reads " +
                                 name.get<std::string>() + ", which is not there yet");
    }
    p.nodes.push_back(std::move(node));
  }
  return p;
}

std::string TextOf(const Program& p, size_t n) {
  const Node& node = p.nodes[n];
  std::string text = NameOf({false, n}) + " = " + node.op + "(";
  for (size_t k = 0; k < node.in.size(); ++k) text += (k ? ", " : "") + NameOf(node.in[k]);
  Case c;
  c.attrs = node.attrs;
  const std::string label = c.Label();  // "none:dims=1"
  if (const size_t at = label.find(':'); at != std::string::npos)
    text += "; " + label.substr(at + 1);
  return text + ")";
}

std::string CppOf(const Program& p, const Inputs& leaves, const std::string& device) {
  std::string text =
      "#include <cstdio>\n\n#include \"switchyard/switchyard.h\"\n\nint main() {\n"
      "  const sy::DeviceGuard guard(\"" +
      device + "\");\n";
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Array& a = leaves[i];
    const bool is_float = IsFloat(a.dtype);
    text += std::string("  const sy::Tensor ") + NameOf({true, i}) +
            " = sy::reshape(sy::from(std::vector<" + (is_float ? "double" : "int64_t") + ">{";
    for (size_t k = 0; k < a.at.size(); ++k) {
      char number[64];
      if (!is_float)
        std::snprintf(number, sizeof number, "%lld", static_cast<long long>(a.at[k]));
      else if (std::isnan(a.at[k]) || std::isinf(a.at[k]))
        std::snprintf(number, sizeof number, "%s",
                      std::isnan(a.at[k]) ? "NAN"
                      : a.at[k] > 0       ? "HUGE_VAL"
                                          : "-HUGE_VAL");
      else
        std::snprintf(number, sizeof number, "%a", static_cast<double>(a.at[k]));
      text += (k ? ", " : "") + std::string(number);
    }
    text += std::string("}).to(sy::") + (a.dtype == SY_BOOL ? "bool_" : Info(a.dtype).name) +
            "), " + Braced(a.shape) + ");  // " + Name(p.leaves[i].layout) + "\n";
  }
  for (size_t n = 0; n < p.nodes.size(); ++n) {
    const Node& node = p.nodes[n];
    const SyOpInfo info = InfoOf(node.op);
    std::string call = "sy::" + node.op + "(";
    std::string inputs;
    for (size_t k = 0; k < node.in.size(); ++k) inputs += (k ? ", " : "") + NameOf(node.in[k]);
    call += info.in_max < 0 ? "{" + inputs + "}" : inputs;
    std::string attrs;
    for (int32_t i = 0; i < info.attr_count; ++i) {
      const auto& spec = *SY_AT(SyAttrSpec, info.attrs, info.attr_size, i);
      const std::string text_of = CppOf(ValueOf(node, spec), spec.name == std::string("dtype"));
      if (node.op == "slice")
        absl::StrAppend(&attrs, attrs.empty() ? "." : ", .", spec.name, " = ", text_of);
      else
        absl::StrAppend(&attrs, ", ", text_of);
    }
    if (node.op == "slice") attrs = absl::StrCat(", {", attrs, "}");
    absl::StrAppend(&call, attrs, ")");
    if (info.out_count != 1) call += "[0]";
    absl::StrAppend(&text, "  const sy::Tensor ", NameOf({false, n}), " = ", call, ";\n");
  }
  return text + "  for (const double x : " + NameOf({false, p.nodes.size() - 1}) +
         ".to_vector<double>()) std::printf(\"%a\\n\", x);\n}\n";
}

Inputs DrawLeaves(const Program& p) {
  Inputs arrays;
  for (const Leaf& leaf : p.leaves) {
    arrays.push_back(
        DrawOne(leaf.dtype, leaf.shape, leaf.fill, "leaf" + std::to_string(leaf.seed)));
    RepeatAs(leaf.layout, &arrays.back());
  }
  return arrays;
}

std::vector<Tensor> PlaceLeaves(const Program& p, const char* device) {
  std::vector<Tensor> tensors;
  Inputs arrays = DrawLeaves(p);
  for (size_t i = 0; i < arrays.size(); ++i)
    tensors.push_back(Place(&arrays[i], p.leaves[i].layout, device));
  return tensors;
}

Tensor RunNode(const Node& node, const Values& values, const SyDevice* device) {
  Case c;
  c.op = node.op;
  c.attrs = node.attrs;
  std::vector<Tensor> inputs;
  for (const Ref& r : node.in) inputs.push_back(values[r]);
  return Call(c, inputs.empty() ? SyDtype{SY_F32} : inputs[0].dtype().code, inputs, device)[0];
}

std::vector<Bounds> BoundsOf(const Program& p, const SyDevice* oracle) {
  Values values;
  for (const Array& a : DrawLeaves(p)) values.leaves.push_back(Upload(a, sy_device_name(oracle)));
  std::vector<Bounds> bounds;
  for (const Node& node : p.nodes) {
    values.nodes.push_back(RunNode(node, values, oracle));
    bounds.push_back(ReadBounds(values.nodes.back()));
  }
  return bounds;
}

Fault RunProgram(const Program& p, const std::vector<Bounds>& bounds, const SyDevice* device) {
  size_t n = 0;
  try {
    Values values{PlaceLeaves(p, sy_device_name(device)), {}};
    // All is queued before the first result is looked at.
    for (; n < p.nodes.size(); ++n) values.nodes.push_back(RunNode(p.nodes[n], values, device));
    for (n = 0; n < p.nodes.size(); ++n) {
      const Tensor& t = values.nodes[n];
      const Bounds& want = bounds[n];
      if (t.dtype().code != want.dtype || t.shape() != want.shape)
        return {n, "got " + t.describe() + ", want " + Info(want.dtype).name + Text(want.shape)};
      const Bytes bytes = Download(t);
      const Array got = Decode(want.dtype, want.shape, bytes.data());
      const Verdict verdict = Judge(got, want);
      if (verdict.wrong) return {n, Text(verdict, got, want)};
    }
    return {};
  } catch (const Error& e) {
    return {std::min(n, p.nodes.size() - 1), e.what()};
  }
}

}  // namespace sy::conform
