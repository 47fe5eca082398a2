#include "conform/plan.h"

#include <algorithm>

namespace sy::conform {
namespace {

bool Chosen(const std::vector<std::string>& patterns, const std::string& text) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& p) { return Matches(p.c_str(), text.c_str()); });
}

}  // namespace

std::vector<Test> TestsOf(const Plan& plan) {
  // A test that is named is found at whatever level.
  std::vector<Test> tests =
      TestsOf(plan.cases.empty() ? plan.level : std::max(plan.level, Level::kFull));
  std::erase_if(tests, [&](const Test& t) {
    return (plan.large && !t.of->large) || HashOf(t.of->op) % plan.parts != plan.part ||
           !Chosen(plan.ops, t.of->op) || !Chosen(plan.dtypes, Info(t.dtype).name) ||
           (!plan.cases.empty() && !Chosen(plan.cases, t.Id()));
  });
  return tests;
}

}  // namespace sy::conform
