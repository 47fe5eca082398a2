#include <gtest/gtest.h>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

struct Case {
  std::vector<int64_t> shape;
  int axis;
};

const Case kCases[] = {{{1}, 0},        {{70}, 0},     {{5000}, 0},     {{30, 1025}, 1},
                       {{1025, 30}, 0}, {{900, 3}, 0}, {{4, 50, 9}, 1}, {{4, 50, 2000}, 1},
                       {{0, 3}, 0},     {{3, 0}, 1}};

// Position of element `along` of the line that holds `linear`.
int64_t InLine(const Case& c, int64_t linear, int64_t along) {
  int64_t inner = 1;
  for (size_t i = c.axis + 1; i < c.shape.size(); ++i) inner *= c.shape[i];
  return (linear / inner / c.shape[c.axis] * c.shape[c.axis] + along) * inner + linear % inner;
}

int64_t Along(const Case& c, int64_t linear) {
  int64_t inner = 1;
  for (size_t i = c.axis + 1; i < c.shape.size(); ++i) inner *= c.shape[i];
  return linear / inner % c.shape[c.axis];
}

void CheckNumbers(const Case& c, int type, int combiner, bool exclusive, bool reverse) {
  constexpr int kOpcodes[] = {0, SY_OP_ADD, SY_OP_MUL, SY_OP_MAX, SY_OP_MIN};
  const int opcode = kOpcodes[combiner];
  Array in(type, c.shape), out(type, c.shape);
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < in.count(); ++i) {
    const uint64_t bits =
        IsFloatType(type) ? Nearest(type, static_cast<int>(random() % 41) / 20.0L) : random();
    memcpy(in.at(i), &bits, in.width());
  }
  ProgramBuilder p;
  p.Output(p.Add(SY_OP_NEG, type, p.Input(0, type)));
  ASSERT_EQ(Call("scan", &States().front())
                .In(in)
                .Out(out)
                .Program(p)
                .Attributes(SyScanAttrs{c.axis, combiner, exclusive, reverse})
                .Run(),
            SY_OK)
      << last_message;
  if (in.count() == 0) return;
  const uint64_t mask = ~uint64_t{0} >> (64 - BitsOf(type));
  const long double infinity = INFINITY;
  const uint64_t kFloatIdentity[] = {0, Nearest(type, 0), Nearest(type, 1),
                                     Nearest(type, -infinity), Nearest(type, infinity)};
  const uint64_t top = IsSigned(type) ? mask >> 1 : mask;
  const uint64_t kIntIdentity[] = {0, 0, 1, ~top & mask, top};
  const int64_t length = c.shape[c.axis];
  for (int64_t i = 0; i < in.count(); ++i) {
    if (Along(c, i) != (reverse ? length - 1 : 0)) continue;
    uint64_t state = IsFloatType(type) ? kFloatIdentity[combiner] : kIntIdentity[combiner];
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = InLine(c, i, reverse ? length - 1 - k : k);
      uint64_t value = 0, got = 0;
      memcpy(&value, in.at(at), in.width());
      memcpy(&got, out.at(at), out.width());
      const uint64_t before = state;
      state =
          Reference(opcode, type, type, state, Reference(SY_OP_NEG, type, type, value, 0, 0), 0);
      ASSERT_EQ(got, exclusive ? before : state)
          << "type " << type << " combiner " << combiner << " axis " << c.axis << " at " << at;
    }
  }
}

TEST(Scan, EveryCombinerDirectionAndType) {
  for (const Case& c : kCases) {
    for (int type : {SY_T_F32, SY_T_F64, SY_T_I32, SY_T_I64, SY_T_U32, SY_T_U64}) {
      for (int combiner = SY_COMBINE_SUM; combiner <= SY_COMBINE_MIN; ++combiner) {
        for (int way = 0; way < 4; ++way) {
          threads = 1 + way % 2;
          CheckNumbers(c, type, combiner, (way & 1) != 0, (way & 2) != 0);
        }
      }
    }
  }
  threads = 1;
}

TEST(Scan, ArgGivesValueAndIndex) {
  for (const Case& c : kCases) {
    for (bool max : {true, false}) {
      for (bool reverse : {false, true}) {
        Array in(SY_T_F32, c.shape), out(SY_T_F32, c.shape), index(SY_T_I64, c.shape);
        std::mt19937_64 random(7);
        for (int64_t i = 0; i < in.count(); ++i) {
          in.set(i, random() % 400 == 0 ? NAN : static_cast<float>(random() % 30));
        }
        ProgramBuilder p;
        p.Output(p.Input(0, SY_T_F32));
        ASSERT_EQ(Call("scan", &States().front())
                      .In(in)
                      .Out(out)
                      .Out(index)
                      .Program(p)
                      .Attributes(SyScanAttrs{c.axis, max ? SY_COMBINE_ARGMAX : SY_COMBINE_ARGMIN,
                                              0, reverse})
                      .Run(),
                  SY_OK);
        if (in.count() == 0) continue;
        const int64_t length = c.shape[c.axis];
        for (int64_t i = 0; i < in.count(); ++i) {
          if (Along(c, i) != 0) continue;
          float best = 0;
          int64_t want = -1;
          for (int64_t k = 0; k < length; ++k) {
            const int64_t along = reverse ? length - 1 - k : k;
            const int64_t at = InLine(c, i, along);
            const float v = in.get<float>(at);
            if (want < 0 || (!std::isnan(best) && (std::isnan(v) || (max ? v > best : v < best)))) {
              best = v;
              want = along;
            }
            ASSERT_EQ(index.get<int64_t>(at), want);
            ASSERT_TRUE(out.get<float>(at) == best || std::isnan(best));
          }
        }
      }
    }
  }
}

TEST(Scan, ConvertsEachResultAndTakesStrides) {
  // Counts in i64 stored as i32, through a transposed output.
  Array in(SY_T_BOOL, {20, 30}, {1, 20}), out(SY_T_I32, {20, 30}, {1, 20});
  for (int64_t i = 0; i < 600; ++i) in.set<uint8_t>(i, i % 3 == 0);
  ProgramBuilder p;
  p.Output(p.Add(SY_OP_CAST, SY_T_I64, p.Input(0, SY_T_BOOL)));
  ASSERT_EQ(Call("scan", &States().front())
                .In(in)
                .Out(out)
                .Program(p)
                .Attributes(SyScanAttrs{1, SY_COMBINE_SUM, 0, 0})
                .Run(),
            SY_OK);
  for (int64_t row = 0; row < 20; ++row) {
    int32_t sum = 0;
    for (int64_t i = 0; i < 30; ++i) {
      sum += in.get<uint8_t>(row * 30 + i);
      ASSERT_EQ(out.get<int32_t>(row * 30 + i), sum);
    }
  }
}

}  // namespace
}  // namespace sy::cpu::testing
