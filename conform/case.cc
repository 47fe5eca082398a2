#include "conform/case.h"

#include <algorithm>
#include <cstdio>

namespace sy::conform {
namespace {

std::string Joined(const Shape& list, char between) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) {
    if (i) text += between;
    text += std::to_string(list[i]);
  }
  return text;
}

std::string Text(const AttrValue& v) {
  switch (v.kind) {
    case AttrValue::kWhole:
      return std::to_string(v.whole);
    case AttrValue::kList:
      return Joined(v.list, ',');
    case AttrValue::kText:
      return v.text;
    case AttrValue::kReal:
      break;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%g", v.real);
  return text;
}

std::string Text(const Input& in) {
  std::string text = in.dtype ? Info(in.dtype).name + std::string(".") : "";
  text += in.shape.empty() ? "scalar" : Joined(in.shape, 'x');
  if (in.fill == Fill::kSpecial || in.fill == Fill::kDistinct || in.fill == Fill::kTied)
    text += std::string(".") + Name(in.fill);
  return text;
}

std::vector<SyDtype> Only(bool (*wanted)(SyDtype)) {
  std::vector<SyDtype> list;
  std::copy_if(AllDtypes().begin(), AllDtypes().end(), std::back_inserter(list), wanted);
  return list;
}

}  // namespace

const char* Name(Fill fill) {
  switch (fill) {
    case Fill::kRange:
      return "range";
    case Fill::kSpecial:
      return "special";
    case Fill::kDistinct:
      return "distinct";
    case Fill::kTied:
      return "tied";
    case Fill::kIndex:
      return "index";
    case Fill::kPermuted:
      return "permuted";
    case Fill::kEvery:
      return "every";
    case Fill::kRamp:
      return "ramp";
    case Fill::kZeros:
      return "zeros";
    case Fill::kOnes:
      return "ones";
    case Fill::kOneHot:
      return "onehot";
    case Fill::kSmallInt:
      return "smallint";
    case Fill::kAnySpecial:
      return "specials";
    case Fill::kBits:
      return "bits";
    case Fill::kLogUniform:
      return "loguniform";
    case Fill::kCancel:
      return "cancel";
    case Fill::kOffset:
      return "offset";
    case Fill::kLowest:
      return "lowest";
    case Fill::kHighest:
      return "highest";
    case Fill::kNaN:
      return "nan";
  }
  return "?";
}

std::string Case::Label() const {
  std::string text;
  for (const Input& i : inputs) text += (text.empty() ? "" : ",") + Text(i);
  if (inputs.empty()) text = "none";
  for (const Attr& a : attrs) {
    // Dtypes are numbers as attributes, and names to read.
    text += ":" + a.name + "=" +
            (a.name == "dtype" ? Info(static_cast<SyDtype>(a.value.whole)).name : Text(a.value));
  }
  return text;
}

bool Case::zero_size() const {
  if (inputs.empty()) return reference({}, dtypes.front())[0].count() == 0;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Input& i) { return Count(i.shape) == 0; }) ||
         std::any_of(attrs.begin(), attrs.end(),
                     [](const Attr& a) { return a.name == "shape" && Count(a.value.list) == 0; });
}

const std::vector<SyDtype>& Floats() {
  static const auto& list = *new std::vector<SyDtype>(Only(IsFloat));
  return list;
}
const std::vector<SyDtype>& Integers() {
  static const auto& list = *new std::vector<SyDtype>(Only(IsInt));
  return list;
}
const std::vector<SyDtype>& Numbers() {
  static const auto& list = *new std::vector<SyDtype>(Only([](SyDtype d) { return d != SY_BOOL; }));
  return list;
}
const std::vector<SyDtype>& IntegersAndBool() {
  static const auto& list = *new std::vector<SyDtype>(Only([](SyDtype d) { return !IsFloat(d); }));
  return list;
}

const std::vector<Case>& AllCases() {
  static const Suite& suite = *[] {
    auto* s = new Suite;
    AddPointwise(s);
    AddReductions(s);
    AddMovement(s);
    AddIndexing(s);
    AddProducts(s);
    AddNetworks(s);
    AddCreation(s);
    return s;
  }();
  return suite.cases();
}

}  // namespace sy::conform
