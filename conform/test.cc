#include "conform/test.h"

#include <algorithm>
#include <map>

#include "conform/call.h"
#include "conform/draw.h"

namespace sy::conform {
namespace {

// The dtype for which a case is looked at most closely.
SyDtype MainDtype(const Case& c) {
  return std::count(c.dtypes.begin(), c.dtypes.end(), SyDtype{SY_F32}) ? SyDtype{SY_F32}
                                                                       : c.dtypes.front();
}

bool IsSmall(const Case& c) { return !c.large && !c.inputs.empty() && !c.every(); }

// Adds the tests of one case and dtype.
class Deriver {
 public:
  Deriver(const Case& c, SyDtype dtype, Level level, std::vector<Test>* out)
      : c_(c),
        dtype_(dtype),
        level_(level),
        out_(*out),
        main_(dtype == MainDtype(c)),
        hash_(HashOf(c.op + c.Label() + Info(dtype).name)) {}

  void Forward() {
    if (c_.every()) {
      const auto parts =
          static_cast<uint32_t>(dtype_ == SY_F32 ? (int64_t{1} << 32) / kPatternsOfPart : 1);
      for (uint32_t part = 0; part < parts; ++part)
        Add(parts > 1 ? Level::kExhaustive : Level::kCore,
            {&c_, dtype_, Layout::kContiguous, Fill::kEvery, Check::kForward, part});
      return;
    }
    const std::vector<Layout> layouts = LayoutsOf(c_);
    const std::vector<Fill> fills = c_.large ? std::vector<Fill>{} : FillsOf(c_, dtype_);
    // Large cases are about splitting work, which no dtype does its own way: one stands for all.
    if (c_.large) {
      if (main_) Add(Level::kCore, {&c_, dtype_});
      return;
    }
    Add(main_ ? Level::kQuick : Level::kCore, {&c_, dtype_});
    for (size_t i = 1; i < layouts.size(); ++i)
      Add(!main_ ? TurnOf(i, layouts.size() + fills.size(), Level::kCore)
                 : TurnOf(i, layouts.size(), Level::kQuick),
          {&c_, dtype_, layouts[i]});
    for (size_t i = 0; i < fills.size(); ++i) {
      Level level = TurnOf(i, fills.size(), Level::kQuick);
      if (!main_) {
        // Extremes are where dtypes differ most.
        level = TurnOf(layouts.size() + i, layouts.size() + fills.size(), Level::kCore);
        if (fills[i] == Fill::kAnySpecial && hash_ / 64 % 2 == 0) level = Level::kCore;
      }
      Add(level, {&c_, dtype_, Layout::kContiguous, fills[i]});
      if (layouts.size() > 1)
        Add(Level::kFull, {&c_, dtype_, layouts[1 + (hash_ + i) % (layouts.size() - 1)], fills[i]});
    }
  }

  void Gradient() {
    if (!IsFloat(dtype_) || !IsSmall(c_) || !InfoOf(c_.op).differentiable) return;
    const std::vector<Layout> layouts = LayoutsOf(c_);
    const bool wide = dtype_ == SY_F32 || dtype_ == SY_F64;
    for (size_t i = 0; i < layouts.size(); ++i)
      Add(i == 0 ? (main_ ? Level::kQuick : Level::kCore)
                 : TurnOf(i, wide ? layouts.size() : 4 * layouts.size(), Level::kCore),
          {&c_, dtype_, layouts[i], Fill::kRange, Check::kGradient});
  }

  void Elsewhere() {
    if (!IsSmall(c_) || c_.zero_size()) return;
    const std::vector<Layout> layouts = TargetLayouts({1, 1});
    for (size_t i = 0; i < layouts.size(); ++i)
      Add(main_ ? TurnOf(i, layouts.size() * 4, Level::kQuick) : Level::kFull,
          {&c_, dtype_, layouts[i], Fill::kRange, Check::kTarget});
    Add(main_ ? Level::kCore : Level::kFull,
        {&c_, dtype_, Layout::kContiguous, Fill::kRange, Check::kInPlace});
    if (c_.inputs.size() > 1)
      Add(main_ ? Level::kCore : Level::kFull,
          {&c_, dtype_, Layout::kContiguous, Fill::kRange, Check::kSame});
  }

  // The device's memory, whatever is computed.
  void Memory() {
    for (const Check check : {Check::kTransfer, Check::kExhaust})
      Add(main_ ? Level::kQuick : Level::kCore,
          {&c_, dtype_, Layout::kContiguous, Fill::kRange, check});
  }

  // Once for an op.
  void Behaviour() {
    for (const Check check : {Check::kRefusal, Check::kThreads, Check::kStreams, Check::kMemory})
      Add(check == Check::kRefusal ? Level::kQuick : Level::kCore,
          {&c_, dtype_, Layout::kContiguous, Fill::kRange, check});
  }

 private:
  // `level` for one i of n, the next one for the others.
  Level TurnOf(size_t i, size_t n, Level level) const {
    return hash_ % n == i % n ? level : level == Level::kQuick ? Level::kCore : Level::kFull;
  }
  void Add(Level level, Test test) {
    if (level <= level_) out_.push_back(test);
  }

  const Case& c_;
  const SyDtype dtype_;
  const Level level_;
  std::vector<Test>& out_;
  const bool main_;
  const uint64_t hash_;
};

}  // namespace

const char* Name(Check check) {
  switch (check) {
    case Check::kForward:
      return "forward";
    case Check::kGradient:
      return "gradient";
    case Check::kTarget:
      return "target";
    case Check::kInPlace:
      return "inplace";
    case Check::kSame:
      return "same";
    case Check::kThreads:
      return "threads";
    case Check::kStreams:
      return "streams";
    case Check::kMemory:
      return "memory";
    case Check::kTransfer:
      return "transfer";
    case Check::kExhaust:
      return "exhaust";
    case Check::kRefusal:
      return "refusal";
  }
  return "?";
}

const char* Name(Level level) {
  return level == Level::kQuick  ? "quick"
         : level == Level::kCore ? "core"
         : level == Level::kFull ? "full"
                                 : "exhaustive";
}

std::string Test::Id() const {
  return of->op + "/" + Info(dtype).name + "/" + of->Label() + "/" + conform::Name(layout) + "/" +
         conform::Name(fill) + (part ? "." + std::to_string(part) : "") + "/" +
         conform::Name(check);
}

std::vector<Test> TestsOf(Level level) {
  std::vector<const Case*> cases;
  for (const Case& c : AllCases()) cases.push_back(&c);
  std::stable_sort(cases.begin(), cases.end(),
                   [](const Case* a, const Case* b) { return a->op < b->op; });
  std::vector<Test> tests;
  std::string behaved;
  for (const Case* c : cases) {
    for (const SyDtype dtype : c->dtypes) {
      Deriver derive(*c, dtype, level, &tests);
      derive.Forward();
      derive.Gradient();
      derive.Elsewhere();
      if (c->op == "to_device" && c->inputs[0].shape.size() == 2 && !c->zero_size())
        derive.Memory();
      if (behaved != c->op && IsSmall(*c) && !c->zero_size() && dtype == MainDtype(*c)) {
        derive.Behaviour();
        behaved = c->op;
      }
    }
  }
  return tests;
}

uint64_t HashOf(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash ^ hash >> 29;
}

bool Matches(const char* pattern, const char* text) {
  if (!*pattern) return !*text;
  if (*pattern == '*') return Matches(pattern + 1, text) || (*text && Matches(pattern, text + 1));
  return *text && (*pattern == '?' || *pattern == *text) && Matches(pattern + 1, text + 1);
}

}  // namespace sy::conform
