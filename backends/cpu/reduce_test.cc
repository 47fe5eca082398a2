#include <gtest/gtest.h>

#include <cmath>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

State& BestState() { return States().front(); }

struct Case {
  std::vector<int64_t> shape;
  int64_t axes;
};

const Case kCases[] = {
    {{1}, 1},           {{7}, 1},
    {{63}, 1},          {{64}, 1},
    {{65}, 1},          {{1025}, 1},
    {{4096}, 1},        {{4097}, 1},
    {{100003}, 1},      {{10, 1000}, 2},
    {{1000, 10}, 2},    {{10, 1000}, 1},
    {{1000, 10}, 1},    {{1000, 16}, 1},
    {{5000, 3}, 1},     {{3, 5000}, 3},
    {{7, 5, 33}, 2},    {{7, 5, 33}, 5},
    {{7, 5, 33}, 3},    {{2, 3, 40, 50}, 5},
    {{4, 6, 9, 9}, 13}, {{3, 1100}, 1},
    {{300, 1100}, 1},   {{2, 9000}, 2},
    {{1, 1, 1}, 7},     {{2, 3, 4, 5, 6}, 21},
    {{4, 1, 5}, 2},
};

Array OutputFor(int type, const Case& c) {
  std::vector<int64_t> shape = c.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (((c.axes >> i) & 1) != 0) shape[i] = 1;
  }
  return Array(type, shape);
}

// Number of the result that element `linear` goes to, and its number among the elements of that
// result.
void Locate(const Case& c, int64_t linear, int64_t* result, int64_t* position) {
  *result = *position = 0;
  int64_t result_stride = 1;
  int64_t position_stride = 1;
  for (size_t i = c.shape.size(); i-- > 0;) {
    const int64_t index = linear % c.shape[i];
    linear /= c.shape[i];
    const bool reduced = ((c.axes >> i) & 1) != 0;
    int64_t* sum = reduced ? position : result;
    int64_t* stride = reduced ? &position_stride : &result_stride;
    *sum += index * *stride;
    *stride *= c.shape[i];
  }
}

void Identity(ProgramBuilder* p, int type) { p->Output(p->Input(0, type)); }

SyStatus Reduce(State* state, Array& in, int combiner, const Case& c, ProgramBuilder& p, Array* out,
                Array* index = nullptr) {
  Call call("reduce", state);
  call.In(in).Out(*out);
  if (index != nullptr) call.Out(*index);
  return call.Program(p).Attributes(SyReduceAttrs{combiner, c.axes}).Run();
}

TEST(Reduce, SumsOfSmallIntegersAreExact) {
  for (const Case& c : kCases) {
    for (int type : {SY_T_F32, SY_T_F64, SY_T_I32, SY_T_I64, SY_T_U32}) {
      Array in(type, c.shape);
      Array out = OutputFor(type, c);
      std::vector<int64_t> want(out.count());
      for (int64_t i = 0; i < in.count(); ++i) {
        const int64_t value = i * 7919 % 31 - 10;
        const uint64_t bits =
            IsFloatType(type) ? Nearest(type, value) : static_cast<uint64_t>(value);
        memcpy(in.at(i), &bits, in.width());
        int64_t result, position;
        Locate(c, i, &result, &position);
        want[result] += value;
      }
      for (State& state : States()) {
        ProgramBuilder p;
        Identity(&p, type);
        ASSERT_EQ(Reduce(&state, in, SY_COMBINE_SUM, c, p, &out), SY_OK);
        for (int64_t i = 0; i < out.count(); ++i) {
          uint64_t got = 0;
          memcpy(&got, out.at(i), out.width());
          const uint64_t bits = IsFloatType(type) ? Nearest(type, want[i])
                                                  : static_cast<uint64_t>(want[i]) &
                                                        (~uint64_t{0} >> (64 - BitsOf(type)));
          ASSERT_EQ(got, bits) << "type " << type << " axes " << c.axes << " result " << i;
        }
        ASSERT_TRUE(out.guards_intact());
      }
    }
  }
}

TEST(Reduce, EveryCombinerAndType) {
  const int kCombiners[] = {SY_COMBINE_SUM, SY_COMBINE_PROD, SY_COMBINE_MAX,
                            SY_COMBINE_MIN, SY_COMBINE_AND,  SY_COMBINE_OR};
  const int kOpcodes[] = {SY_OP_ADD, SY_OP_MUL, SY_OP_MAX, SY_OP_MIN, SY_OP_AND, SY_OP_OR};
  std::mt19937_64 random(1);
  for (const Case& c : kCases) {
    for (int type : {SY_T_BOOL, SY_T_I32, SY_T_I64, SY_T_U32, SY_T_U64, SY_T_F32, SY_T_F64}) {
      for (int k = 0; k < 6; ++k) {
        const bool logic = k >= 4;
        if ((type == SY_T_BOOL) != logic && type == SY_T_BOOL && k != 2 && k != 3) continue;
        if (IsFloatType(type) && k != 2 && k != 3) continue;
        Array in(type, c.shape);
        Array out = OutputFor(type, c);
        std::vector<uint64_t> want(out.count());
        std::vector<bool> seen(out.count());
        for (int64_t i = 0; i < in.count(); ++i) {
          uint64_t bits = random();
          if (type == SY_T_BOOL) bits = bits % 64 != 0 ? k % 2 == 0 : k % 2;
          if (IsFloatType(type))
            bits = Nearest(type, static_cast<int>(bits % 100000) / 7.0L - 5000);
          if (!IsFloatType(type) && type != SY_T_BOOL) bits &= ~uint64_t{0} >> (64 - BitsOf(type));
          memcpy(in.at(i), &bits, in.width());
          int64_t r, position;
          Locate(c, i, &r, &position);
          want[r] = seen[r] ? Reference(kOpcodes[k], type, type, want[r], bits, 0) : bits;
          seen[r] = true;
        }
        ProgramBuilder p;
        Identity(&p, type);
        ASSERT_EQ(Reduce(&BestState(), in, kCombiners[k], c, p, &out), SY_OK) << last_message;
        for (int64_t i = 0; i < out.count(); ++i) {
          uint64_t got = 0;
          memcpy(&got, out.at(i), out.width());
          ASSERT_EQ(got, want[i]) << "type " << type << " combiner " << kCombiners[k] << " axes "
                                  << c.axes;
        }
      }
    }
  }
}

template <typename T>
void CheckSumError(int type, const Case& c) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<T> uniform(-1, 1);
  Array in(type, c.shape);
  Array out = OutputFor(type, c);
  std::vector<long double> want(out.count()), size(out.count());
  for (int64_t i = 0; i < in.count(); ++i) {
    const T v = uniform(random);
    in.set(i, v);
    int64_t r, position;
    Locate(c, i, &r, &position);
    want[r] += static_cast<long double>(v) * v;
    size[r] += static_cast<long double>(v) * v;
  }
  const double n = static_cast<double>(in.count()) / static_cast<double>(out.count());
  std::vector<T> first;
  for (State& state : States()) {
    for (int t : {1, 2, 4}) {
      threads = t;
      ProgramBuilder p;
      const uint32_t x = p.Input(0, type);
      p.Output(p.Add(SY_OP_MUL, type, x, x));
      ASSERT_EQ(Reduce(&state, in, SY_COMBINE_SUM, c, p, &out), SY_OK);
      std::vector<T> got;
      for (int64_t i = 0; i < out.count(); ++i) {
        got.push_back(out.get<T>(i));
        const long double bound =
            (4 * std::sqrt(n) + 8) * std::numeric_limits<T>::epsilon() / 2 * size[i];
        ASSERT_LE(fabsl(got[i] - want[i]), bound) << n;
      }
      if (first.empty()) first = got;
      ASSERT_EQ(memcmp(first.data(), got.data(), got.size() * sizeof(T)), 0)
          << IsaName(state.isa) << " with " << t << " threads, axes " << c.axes;
    }
  }
  threads = 1;
}

TEST(Reduce, FloatSumsAreAccurateAndTheSameForAnyThreadsAndInstructionSet) {
  for (const Case& c : kCases) {
    CheckSumError<float>(SY_T_F32, c);
    CheckSumError<double>(SY_T_F64, c);
  }
  CheckSumError<float>(SY_T_F32, {{1000000}, 1});
  CheckSumError<float>(SY_T_F32, {{20000, 50}, 1});
}

TEST(Reduce, ArgTakesTheFirstAndNanWins) {
  for (const Case& c : kCases) {
    for (bool max : {true, false}) {
      for (bool nan : {false, true}) {
        std::mt19937_64 random(c.axes);
        Array in(SY_T_F32, c.shape);
        Array out = OutputFor(SY_T_F32, c);
        Array index = OutputFor(SY_T_I64, c);
        std::vector<float> best(out.count());
        std::vector<int64_t> want(out.count(), -1);
        std::vector<std::vector<std::pair<int64_t, float>>> rows(out.count());
        for (int64_t i = 0; i < in.count(); ++i) {
          // Few values, so that ties are many.
          float v = static_cast<float>(random() % 50) - 25;
          if (nan && random() % 20 == 0) v = NAN;
          in.set(i, v);
          int64_t r, position;
          Locate(c, i, &r, &position);
          rows[r].push_back({position, v});
        }
        for (size_t r = 0; r < rows.size(); ++r) {
          std::sort(rows[r].begin(), rows[r].end(),
                    [](const auto& a, const auto& b) { return a.first < b.first; });
          for (const auto& [position, v] : rows[r]) {
            const bool better =
                want[r] < 0 ||
                (!std::isnan(best[r]) && (std::isnan(v) || (max ? v > best[r] : v < best[r])));
            if (!better) continue;
            best[r] = v;
            want[r] = position;
          }
        }
        for (int t : {1, 3}) {
          threads = t;
          ProgramBuilder p;
          Identity(&p, SY_T_F32);
          ASSERT_EQ(Reduce(&BestState(), in, max ? SY_COMBINE_ARGMAX : SY_COMBINE_ARGMIN, c, p,
                           &out, &index),
                    SY_OK);
          for (int64_t i = 0; i < out.count(); ++i) {
            ASSERT_EQ(index.get<int64_t>(i), want[i]) << "axes " << c.axes;
            if (!std::isnan(best[i])) {
              ASSERT_EQ(out.get<float>(i), best[i]);
            } else {
              ASSERT_TRUE(std::isnan(out.get<float>(i)));
            }
          }
        }
        threads = 1;
      }
    }
  }
}

TEST(Reduce, MaxPropagatesNanAndOrdersZeros) {
  for (State& state : States()) {
    Array in(SY_T_F32, {70}), out(SY_T_F32, {1});
    for (int i = 0; i < 70; ++i) in.set(i, i == 40 ? 0.0f : -0.0f);
    ProgramBuilder p;
    Identity(&p, SY_T_F32);
    const Case c = {{70}, 1};
    ASSERT_EQ(Reduce(&state, in, SY_COMBINE_MAX, c, p, &out), SY_OK);
    EXPECT_FALSE(std::signbit(out.get<float>(0)));
    ASSERT_EQ(Reduce(&state, in, SY_COMBINE_MIN, c, p, &out), SY_OK);
    EXPECT_TRUE(std::signbit(out.get<float>(0)));
    in.set(69, NAN);
    ASSERT_EQ(Reduce(&state, in, SY_COMBINE_MAX, c, p, &out), SY_OK);
    EXPECT_TRUE(std::isnan(out.get<float>(0)));
  }
}

TEST(Reduce, ConvertsAndTakesStrides) {
  // bf16 windows, summed in f32 and rounded once; the output lies transposed.
  Array in(SY_T_BF16, {40, 3, 50}, {1, 40, 1});
  Array out(SY_T_BF16, {40, 1, 50}, {1, 9, 40});
  for (int64_t i = 0; i < in.count(); ++i) {
    const uint64_t bits = Nearest(SY_T_BF16, (i * 37 % 100) / 8.0L);
    memcpy(in.at(i), &bits, 2);
  }
  ProgramBuilder p;
  p.Output(p.Add(SY_OP_CAST, SY_T_F32, p.Input(0, SY_T_BF16)));
  ASSERT_EQ(Reduce(&BestState(), in, SY_COMBINE_SUM, {{40, 3, 50}, 2}, p, &out), SY_OK);
  for (int64_t i = 0; i < 40; ++i) {
    for (int64_t k = 0; k < 50; ++k) {
      long double sum = 0;
      for (int64_t j = 0; j < 3; ++j)
        sum += ValueOf(SY_T_BF16, in.get<uint16_t>((i * 3 + j) * 50 + k));
      ASSERT_EQ(out.get<uint16_t>(i * 50 + k), Nearest(SY_T_BF16, sum));
    }
  }
}

TEST(Reduce, SeesIndicesOfTheCallsShape) {
  Array in(SY_T_F32, {6, 7, 20});
  Array out(SY_T_I64, {6, 1, 20}), rows(SY_T_I64, {1, 7, 1});
  ProgramBuilder p;
  p.Input(0, SY_T_F32);
  p.Output(p.Add(SY_OP_LINEAR, SY_T_I64));
  ASSERT_EQ(Reduce(&BestState(), in, SY_COMBINE_SUM, {{6, 7, 20}, 2}, p, &out), SY_OK);
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t k = 0; k < 20; ++k) {
      int64_t sum = 0;
      for (int64_t j = 0; j < 7; ++j) sum += (i * 7 + j) * 20 + k;
      ASSERT_EQ(out.get<int64_t>(i * 20 + k), sum);
    }
  }
  ProgramBuilder q;
  q.Output(q.Add(SY_OP_INDEX, SY_T_I64, 0, 0, 0, 1));
  ASSERT_EQ(Reduce(&BestState(), in, SY_COMBINE_SUM, {{6, 7, 20}, 5}, q, &rows), SY_OK);
  for (int64_t j = 0; j < 7; ++j) ASSERT_EQ(rows.get<int64_t>(j), j * 120);
}

TEST(Reduce, EmptyAxesGiveTheIdentity) {
  Array in(SY_T_F32, {5, 0, 3});
  Array out(SY_T_F32, {5, 1, 3});
  const float kWant[] = {0, 0, 1, -INFINITY, INFINITY};
  for (int combiner = SY_COMBINE_SUM; combiner <= SY_COMBINE_MIN; ++combiner) {
    ProgramBuilder p;
    Identity(&p, SY_T_F32);
    ASSERT_EQ(Reduce(&BestState(), in, combiner, {{5, 0, 3}, 2}, p, &out), SY_OK);
    for (int i = 0; i < 15; ++i) EXPECT_EQ(out.get<float>(i), kWant[combiner]);
  }
  Array none(SY_T_F32, {0, 4}), empty(SY_T_F32, {0, 1});
  ProgramBuilder p;
  Identity(&p, SY_T_F32);
  EXPECT_EQ(Reduce(&BestState(), none, SY_COMBINE_SUM, {{0, 4}, 2}, p, &empty), SY_OK);
}

}  // namespace
}  // namespace sy::cpu::testing
