#include "conform/case.h"

#include <algorithm>
#include <cstdio>

namespace sy::conform {
namespace {

std::string Text(const AttrValue& v) {
  switch (v.kind) {
    case AttrValue::kWhole:
      return std::to_string(v.whole);
    case AttrValue::kList:
      return conform::Text(v.list);
    case AttrValue::kText:
      return v.text;
    case AttrValue::kReal:
      break;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%g", v.real);
  return text;
}

const char* Name(Fill fill) {
  switch (fill) {
    case Fill::kSpecial:
      return "special";
    case Fill::kDistinct:
      return "distinct";
    case Fill::kTied:
      return "tied";
    default:
      return "";
  }
}

std::vector<SyDtype> Only(bool (*wanted)(SyDtype)) {
  std::vector<SyDtype> list;
  std::copy_if(AllDtypes().begin(), AllDtypes().end(), std::back_inserter(list), wanted);
  return list;
}

}  // namespace

std::string Case::Label() const {
  std::string text = op;
  for (const Attr& a : attrs) {
    // Dtypes are numbers as attributes, and names to read.
    text += std::string(" ") + a.name + "=" +
            (a.name == std::string("dtype") ? Info(static_cast<SyDtype>(a.value.whole)).name
                                            : Text(a.value));
  }
  for (const Input& i : inputs) {
    text += " " + (i.dtype ? Info(i.dtype).name : std::string()) + conform::Text(i.shape);
    if (*Name(i.fill)) text += std::string(":") + Name(i.fill);
  }
  return text;
}

bool Case::zero_size() const {
  if (inputs.empty()) return reference({}, dtypes.front())[0].count() == 0;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Input& i) { return Count(i.shape) == 0; }) ||
         std::any_of(attrs.begin(), attrs.end(), [](const Attr& a) {
           return a.name == std::string("shape") && Count(a.value.list) == 0;
         });
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
