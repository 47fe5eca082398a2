// Attributes that nobody means: the cases of `sy optest` with each attribute in turn, and each
// entry of a list, replaced by an extreme value. The op refuses in one line or gives results that
// make sense, and every device decides the same. The sanitizers watch.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "conform/call.h"
#include "conform/case.h"
#include "switchyard/switchyard.h"

#if !defined(SY_SANITIZER)
#include <sys/resource.h>
#endif

namespace {

using sy::conform::Attr;
using sy::conform::Attrs;
using sy::conform::AttrValue;
using sy::conform::Case;
using sy::conform::Shape;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
// 2^40 and up: what would be allocated for them is refused at once.
const std::vector<int64_t> kWhole = {
    kMin, kMin + 1,         -(int64_t{1} << 61), -(int64_t{1} << 40), -3,       -1,  0, 1, 2,
    5,    int64_t{1} << 40, int64_t{1} << 61,    int64_t{1} << 62,    kMax - 1, kMax};
const std::vector<double> kReal = {0,      -1,    0.5,          1,        2,
                                   -1e300, 1e300, std::nan(""), HUGE_VAL, -HUGE_VAL};

std::vector<AttrValue> Extremes(const SyAttrSpec& spec, const AttrValue* given) {
  std::vector<AttrValue> values;
  switch (spec.type) {
    case SY_ATTR_FLOAT:
      for (const double v : kReal) values.emplace_back(v);
      break;
    case SY_ATTR_TEXT:
      values = {AttrValue(""), AttrValue("nonsense"), AttrValue(std::string(5000, 'x'))};
      break;
    case SY_ATTR_INTS: {
      const Shape list = given ? given->list : Shape();
      values.emplace_back(Shape());
      values.emplace_back(Shape(40, 1));
      for (const int64_t v : kWhole) {
        values.emplace_back(Shape{v});
        values.emplace_back(Shape(list.size(), v));
        for (size_t i = 0; i < list.size(); ++i) {
          Shape one = list;
          one[i] = v;
          values.emplace_back(std::move(one));
        }
      }
      Shape twice = list;
      twice.insert(twice.end(), list.begin(), list.end());
      values.emplace_back(std::move(twice));
      break;
    }
    default:
      for (const int64_t v : kWhole) values.emplace_back(v);
  }
  return values;
}

// "[2,3] [2,3]", or "refused".
struct Result {
  std::string text, reason;
};

Result Call(const Case& c, size_t results, const char* device_name) {
  const sy::Device device(device_name);
  try {
    std::string text;
    for (const sy::Tensor& t : Call(c, c.dtypes[0], results, device.handle())) {
      int64_t count = 1;
      for (const int64_t s : t.shape()) {
        EXPECT_GE(s, 0) << c.Label() << " on " << device_name;
        EXPECT_FALSE(__builtin_mul_overflow(count, s, &count))
            << c.Label() << " on " << device_name;
      }
      if (count > 0 && count < 100000) t.to_vector<double>();
      std::string shape = t.describe();
      text += (text.empty() ? "" : " ") + shape.substr(0, shape.find('@'));
    }
    return {text, ""};
  } catch (const sy::Error& e) {
    const std::string reason = e.what();
    try {
      sy::synchronize(device);  // of several bad indices each is reported at a wait
    } catch (const sy::Error&) {
    }
    EXPECT_FALSE(reason.empty()) << c.Label();
    EXPECT_EQ(reason.find('\n'), std::string::npos) << c.Label() << ": " << reason;
    EXPECT_LT(reason.size(), 6000u) << c.Label();
    EXPECT_NE(e.code(), SY_INTERNAL) << c.Label() << " on " << device_name << ": " << reason;
    return {"refused", reason};
  }
}

// A few cases of each op: small ones.
std::map<std::string, std::vector<const Case*>> CasesByOp() {
  std::map<std::string, std::vector<const Case*>> by_op;
  for (const Case& c : sy::conform::AllCases()) {
    std::vector<const Case*>& list = by_op[c.op];
    if (!c.large && !c.zero_size() && list.size() < 3) list.push_back(&c);
  }
  return by_op;
}

TEST(Attributes, AreRefusedOrMakeSense) {
#if !defined(SY_SANITIZER)
  rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = int64_t{8} << 30;
  setrlimit(RLIMIT_AS, &limit);
#endif
  int64_t calls = 0, refused = 0;
  for (const auto& [op, cases] : CasesByOp()) {
    SyOpInfo info{};
    info.size = sizeof info;
    ASSERT_EQ(sy_op_info(sy_op_find(op.c_str()), &info), SY_OK) << op;
    for (const Case* base : cases) {
      const size_t results = CountResults(*base, base->dtypes[0]);
      for (int32_t i = 0; i < info.attr_count; ++i) {
        const auto& spec = *SY_AT(SyAttrSpec, info.attrs, info.attr_size, i);
        Case c = *base;
        const std::string name = spec.name;
        auto at = std::find_if(c.attrs.begin(), c.attrs.end(),
                               [&](const Attr& a) { return a.name == name; });
        std::vector<AttrValue> extremes =
            Extremes(spec, at == c.attrs.end() ? nullptr : &at->value);
        if (at == c.attrs.end()) at = c.attrs.insert(at, {spec.name, int64_t{0}});
        for (AttrValue& v : extremes) {
          at->value = std::move(v);
          const Result cpu = Call(c, results, "cpu:0"), tutorial = Call(c, results, "tutorial:0");
          EXPECT_EQ(cpu.text, tutorial.text)
              << c.Label() << "\n  cpu: " << cpu.reason << "\n  tutorial: " << tutorial.reason;
          ++calls;
          refused += cpu.text == "refused";
        }
      }
    }
  }
  std::printf("%lld calls, %lld refused\n", static_cast<long long>(calls),
              static_cast<long long>(refused));
  EXPECT_GT(refused, calls / 20);
}

TEST(Inputs, AreRefusedOrMakeSense) {
  const std::vector<Shape> shapes = {{},
                                     {0},
                                     {1},
                                     {3},
                                     {2, 3},
                                     {0, 3},
                                     {3, 0, 2},
                                     {2, 3, 4, 5},
                                     {1, 1, 1, 1},
                                     {2, 2, 2, 2, 2},
                                     Shape(SY_MAX_RANK, 1)};
  const std::vector<SyDtype> dtypes = {SY_F32, SY_F64, SY_F16, SY_BF16, SY_I8,
                                       SY_I32, SY_I64, SY_U8,  SY_U64,  SY_BOOL};
  int64_t calls = 0, refused = 0;
  for (const auto& [op, cases] : CasesByOp())
    for (const Case* base : cases) {
      const size_t results = CountResults(*base, base->dtypes[0]);
      auto compare = [&](const Case& c) {
        const Result cpu = Call(c, results, "cpu:0"), tutorial = Call(c, results, "tutorial:0");
        EXPECT_EQ(cpu.text, tutorial.text)
            << c.Label() << "\n  cpu: " << cpu.reason << "\n  tutorial: " << tutorial.reason;
        ++calls;
        refused += cpu.text == "refused";
      };
      for (size_t i = 0; i < base->inputs.size(); ++i) {
        for (const Shape& shape : shapes) {
          Case c = *base;
          c.inputs[i].shape = shape;
          compare(c);
        }
        for (const SyDtype dtype : dtypes) {
          Case c = *base;
          c.inputs[i].dtype = dtype;
          compare(c);
        }
      }
      if (!base->inputs.empty()) {
        Case c = *base;
        c.inputs.pop_back();
        compare(c);
        c.inputs = base->inputs;
        c.inputs.resize(base->inputs.size() + 17, base->inputs[0]);
        compare(c);
      }
    }
  std::printf("%lld calls, %lld refused\n", static_cast<long long>(calls),
              static_cast<long long>(refused));
  EXPECT_GT(refused, calls / 20);
}

}  // namespace
