// gather and scatter: all modes and types, bad indices, duplicates, threads.
#include <gtest/gtest.h>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

State& BestState() { return States().front(); }

struct Case {
  std::vector<int64_t> shape;  // of the index
  int axis;
  int64_t size;   // of the other side along the axis
  bool expanded;  // the index is the same along the last axis
};

const Case kCases[] = {
    {{50}, 0, 9, false},       {{1000, 40}, 0, 30, true}, {{1000, 40}, 0, 30, false},
    {{40, 300}, 1, 50, false}, {{5, 60, 7}, 1, 8, false}, {{5, 60, 70}, 1, 8, true},
    {{3, 4}, 1, 1, false},     {{0, 5}, 0, 4, false},     {{20000}, 0, 100, false},
};

std::vector<int64_t> With(std::vector<int64_t> shape, int axis, int64_t size) {
  shape[axis] = size;
  return shape;
}

Array MakeIndex(const Case& c, bool bad) {
  std::vector<int64_t> strides = Array::DenseStrides(c.shape);
  if (c.expanded) strides.back() = 0;
  Array index(SY_T_I64, c.shape, strides);
  std::mt19937_64 random(c.size);
  for (int64_t i = 0; i < index.count(); ++i) {
    int64_t v = static_cast<int64_t>(random() % (2 * c.size)) - c.size;
    if (bad && random() % 50 == 0) v = random() % 2 == 0 ? c.size + 3 : -c.size - 1;
    index.set(i, v);
  }
  return index;
}

// Position of `linear` in a tensor whose axis has another size and index.
int64_t Replace(const Case& c, int64_t linear, int64_t index) {
  int64_t inner = 1;
  for (size_t i = c.axis + 1; i < c.shape.size(); ++i) inner *= c.shape[i];
  return (linear / inner / c.shape[c.axis] * c.size + index) * inner + linear % inner;
}

TEST(Gather, TakesAndCountsNegativeFromTheEnd) {
  for (const Case& c : kCases) {
    for (bool bad : {false, true}) {
      for (int t : {1, 3}) {
        threads = t;
        Array index = MakeIndex(c, bad);
        Array x(SY_T_F32, With(c.shape, c.axis, c.size));
        Array out(SY_T_F32, c.shape);
        for (int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<float>(i) + 1);
        Call call("gather", &BestState());
        ASSERT_EQ(call.In(x).In(index).Out(out).Attributes(SyAxisAttrs{c.axis}).Run(), SY_OK);
        int64_t first_bad = -1;
        for (int64_t i = 0; i < out.count(); ++i) {
          int64_t at = index.get<int64_t>(i);
          const int64_t given = at;
          if (at < 0) at += c.size;
          if (at < 0 || at >= c.size) {
            ASSERT_EQ(out.get<float>(i), 0);
            if (first_bad < 0) {
              first_bad = i;
              EXPECT_EQ(call.status().value, given);
            }
          } else {
            ASSERT_EQ(out.get<float>(i), x.get<float>(Replace(c, i, at)));
          }
        }
        EXPECT_EQ(call.status().code, first_bad < 0 ? 0 : SY_OUT_OF_RANGE);
        if (first_bad >= 0) {
          EXPECT_EQ(call.status().position, first_bad);
          EXPECT_EQ(call.status().limit, c.size);
        }
      }
    }
  }
  threads = 1;
}

TEST(Gather, EveryWidthAndStrides) {
  for (int type = SY_T_BOOL; type <= SY_T_F64; ++type) {
    Array x(type, {6, 20}, {1, 6}), out(type, {6, 11}, {-11, 1});
    Array index(SY_T_I64, {6, 11}, {0, 1});
    for (int64_t i = 0; i < x.count(); ++i) {
      const uint64_t bits = static_cast<uint64_t>(i * 0x0101010101010101);
      memcpy(x.at(i), &bits, x.width());
    }
    for (int64_t i = 0; i < 11; ++i) index.set(i, (i * 7) % 20);
    ASSERT_EQ(
        Call("gather", &BestState()).In(x).In(index).Out(out).Attributes(SyAxisAttrs{1}).Run(),
        SY_OK);
    for (int64_t i = 0; i < out.count(); ++i) {
      ASSERT_EQ(memcmp(out.at(i), x.at(i / 11 * 20 + (i % 11 * 7) % 20), out.width()), 0);
    }
  }
}

uint64_t Update(int mode, int type, uint64_t a, uint64_t b) {
  constexpr int kOpcodes[] = {0, SY_OP_ADD, SY_OP_MUL, SY_OP_MIN, SY_OP_MAX};
  constexpr int kLogic[] = {0, SY_OP_OR, SY_OP_AND, SY_OP_AND, SY_OP_OR};
  if (mode == SY_SCATTER_SET) return b;
  if (type == SY_T_BOOL) return Reference(kLogic[mode], type, type, a, b, 0);
  if (type == SY_T_F16 || type == SY_T_BF16) {
    const uint64_t wide =
        Reference(kOpcodes[mode], SY_T_F32, SY_T_F32, ReferenceCast(type, SY_T_F32, a),
                  ReferenceCast(type, SY_T_F32, b), 0);
    return ReferenceCast(SY_T_F32, type, wide);
  }
  return Reference(kOpcodes[mode], type, type, a, b, 0);
}

void CheckScatter(const Case& c, int type, int mode) {
  std::mt19937_64 random(type * 10 + mode);
  Array index = MakeIndex(c, mode == SY_SCATTER_ADD);
  Array source(type, c.shape), out(type, With(c.shape, c.axis, c.size));
  const auto fill = [&](Array* a) {
    for (int64_t i = 0; i < a->count(); ++i) {
      const uint64_t bits = type == SY_T_BOOL ? random() & 1
                            : IsFloatType(type)
                                ? Nearest(type, static_cast<int>(random() % 400) / 100.0L - 2)
                                : random();
      memcpy(a->at(i), &bits, a->width());
    }
  };
  fill(&source);
  fill(&out);
  std::vector<uint64_t> want(out.count());
  for (int64_t i = 0; i < out.count(); ++i) memcpy(&want[i], out.at(i), out.width());
  for (int64_t i = 0; i < source.count(); ++i) {
    int64_t at = index.get<int64_t>(i);
    if (at < 0) at += c.size;
    if (at < 0 || at >= c.size) continue;
    uint64_t value = 0;
    memcpy(&value, source.at(i), source.width());
    uint64_t& to = want[Replace(c, i, at)];
    to = Update(mode, type, to, value);
  }
  Call call("scatter", &BestState());
  ASSERT_EQ(call.In(index).In(source).Out(out).Attributes(SyScatterAttrs{c.axis, mode}).Run(),
            SY_OK);
  for (int64_t i = 0; i < out.count(); ++i) {
    uint64_t got = 0;
    memcpy(&got, out.at(i), out.width());
    if (IsFloatType(type) && std::isnan(ValueOf(type, got)) && std::isnan(ValueOf(type, want[i])))
      continue;
    ASSERT_EQ(got, want[i]) << "type " << type << " mode " << mode << " axis " << c.axis << " at "
                            << i;
  }
  ASSERT_TRUE(out.guards_intact());
}

TEST(Scatter, EveryModeAndTypeInOrderOfTheIndex) {
  for (const Case& c : kCases) {
    for (int type = SY_T_BOOL; type <= SY_T_F64; ++type) {
      for (int mode = SY_SCATTER_SET; mode <= SY_SCATTER_MAX; ++mode) {
        threads = 1 + mode % 3;
        CheckScatter(c, type, mode);
      }
    }
  }
  threads = 1;
}

TEST(Scatter, NotesTheFirstBadIndexOnly) {
  Array index(SY_T_I64, {4, 3}), source(SY_T_F32, {4, 3}), out(SY_T_F32, {2, 3});
  for (int i = 0; i < 12; ++i) index.set<int64_t>(i, i == 5 ? 2 : i == 7 ? -3 : 0);
  Call call("scatter", &BestState());
  call.In(index).In(source).Out(out).Attributes(SyScatterAttrs{0, SY_SCATTER_SET});
  ASSERT_EQ(call.Run(), SY_OK);
  EXPECT_EQ(call.status().code, SY_OUT_OF_RANGE);
  EXPECT_EQ(call.status().position, 5);
  EXPECT_EQ(call.status().value, 2);
  EXPECT_EQ(call.status().limit, 2);
  index.set<int64_t>(0, 99);
  ASSERT_EQ(call.Run(), SY_OK);
  EXPECT_EQ(call.status().position, 5) << "an earlier note stays";
}

}  // namespace
}  // namespace sy::cpu::testing
