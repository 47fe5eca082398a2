#include "case.h"

#include <algorithm>
#include <cstdio>

namespace sy::optest {
namespace {

std::string Text(const Value& v) {
  switch (v.kind) {
    case Value::kWhole:
      return std::to_string(v.whole);
    case Value::kList:
      return optest::Text(v.list);
    case Value::kText:
      return v.text;
    case Value::kReal:
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
    text += " " + (i.dtype ? Info(i.dtype).name : std::string()) + optest::Text(i.shape);
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

}  // namespace sy::optest
