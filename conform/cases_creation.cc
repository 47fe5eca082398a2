// Tensors from nothing: constants, ranges, random numbers.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "conform/case.h"

namespace sy::conform {
namespace {

constexpr int64_t kSeed = 0x123456789abcdef, kOffset = 0x100000007;

// Philox-4x32-10 (Salmon et al. 2011): key = seed, counter = (block, offset).
std::array<uint32_t, 4> Philox(uint64_t block) {
  const auto offset = static_cast<uint64_t>(kOffset), seed = static_cast<uint64_t>(kSeed);
  std::array<uint32_t, 4> c = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                               static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32)};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}
uint32_t Bits32(int64_t i) {
  return Philox(static_cast<uint64_t>(i / 4))[static_cast<size_t>(i % 4)];
}
uint64_t Bits64(int64_t i) {
  const auto c = Philox(static_cast<uint64_t>(i / 2));
  const size_t first = i % 2 ? 2 : 0;
  return uint64_t{c[first + 1]} << 32 | c[first];
}
// In [0, 1): 24 bits, 53 for f64.
Real Unit(int64_t i, SyDtype dtype) {
  return dtype == SY_F64 ? std::ldexp(static_cast<Real>(Bits64(i) >> 11), -53)
                         : std::ldexp(static_cast<Real>(Bits32(i) >> 8), -24);
}
// Box and Muller 1958 on two units of one block, cosine for even and sine for odd elements.
Real Normal(int64_t i, SyDtype dtype) {
  constexpr Real kTau = 6.283185307179586476925286766559L;
  const int64_t pair = i - i % 2;
  const Real u1 = Unit(pair, dtype), u2 = Unit(pair + 1, dtype),
             radius = std::sqrt(-2 * std::log1p(-u1));
  return radius * (i % 2 ? std::sin(kTau * u2) : std::cos(kTau * u2));
}

// A case without inputs: element i of the result.
void AddMade(Suite* s, const char* op, Attrs attrs, const Shape& shape,
             const std::vector<SyDtype>& dtypes,
             const std::function<Real(int64_t i, SyDtype dtype)>& at) {
  s->Add({op,
          std::move(attrs),
          {},
          [=](const Inputs&, SyDtype dtype) -> std::vector<Array> {
            Array y(dtype, shape);
            for (int64_t i = 0; i < y.count(); ++i) y.at[static_cast<size_t>(i)] = at(i, dtype);
            return {y};
          },
          dtypes,
          Count(shape) > 10000});
}

const Shape kShapes[] = {{3, 7}, {}, {0, 4}, {150, 1031}};

void AddConstants(Suite* s) {
  struct Range {
    double start, end, step;
    int64_t count;
  };
  for (const Range& r :
       {Range{2, 11, 3, 3}, Range{0, 5, 1, 5}, Range{10, 0, -4, 3}, Range{3, 3, 1, 0}}) {
    auto at = [r](int64_t i, SyDtype) {
      return static_cast<Real>(r.start + r.step * static_cast<double>(i));
    };
    AddMade(s, "arange", {{"start", r.start}, {"end", r.end}, {"step", r.step}}, {r.count},
            r.step < 0 ? Floats() : Numbers(), at);
  }
  AddMade(s, "arange", {{"start", -1.0}, {"end", 2.0}, {"step", 0.25}}, {12}, Floats(),
          [](int64_t i, SyDtype) { return -1 + 0.25L * static_cast<Real>(i); });
  AddMade(s, "arange", {{"end", 300000.0}}, {300000}, {SY_F32, SY_F64, SY_I32, SY_I64},
          [](int64_t i, SyDtype) { return static_cast<Real>(i); });
  for (int64_t steps : {7, 1, 0, 200000})
    AddMade(s, "linspace", {{"start", -1.0}, {"end", 2.0}, {"steps", steps}}, {steps}, Floats(),
            [steps](int64_t i, SyDtype) {
              return -1 +
                     3 * static_cast<Real>(i) / static_cast<Real>(std::max<int64_t>(1, steps - 1));
            });
  struct Eye {
    int64_t n, m, k;
  };
  for (const Eye& e : {Eye{4, 4, 0}, Eye{3, 5, 1}, Eye{5, 3, -2}, Eye{0, 3, 0}, Eye{500, 600, 7}})
    AddMade(s, "eye", {{"n", e.n}, {"m", e.m}, {"k", e.k}}, {e.n, e.m}, All(),
            [e](int64_t i, SyDtype) { return Real(i / e.m + e.k == i % e.m); });
  for (const Shape& shape : kShapes)
    s->Add({"full",
            {{"shape", shape}},
            {{{}, Fill::kRange, -9, 9}},
            [shape](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Array(dtype, shape, in[0].at[0])};
            },
            All(),
            Count(shape) > 10000});
}

void AddRandom(Suite* s) {
  const Attrs drawn{{"seed", kSeed}, {"offset", kOffset}};
  for (const Shape& shape : kShapes) {
    auto with = [&](Attrs attrs) {
      attrs.push_back({"shape", shape});
      attrs.insert(attrs.end(), drawn.begin(), drawn.end());
      return attrs;
    };
    AddMade(s, "random_bits", with({}), shape, {SY_U32, SY_U64}, [](int64_t i, SyDtype d) {
      return d == SY_U32 ? static_cast<Real>(Bits32(i)) : static_cast<Real>(Bits64(i));
    });
    AddMade(s, "randint", with({{"low", int64_t{5}}, {"high", int64_t{99}}}), shape, Integers(),
            [](int64_t i, SyDtype) {
              return static_cast<Real>(
                  5 + static_cast<int64_t>((static_cast<unsigned __int128>(Bits64(i)) * 94) >> 64));
            });
    AddMade(s, "uniform", with({}), shape, Floats(), Unit);
    AddMade(s, "uniform", with({{"low", -2.0}, {"high", 6.0}}), shape, Floats(),
            [](int64_t i, SyDtype d) { return -2 + 8 * Unit(i, d); });
    AddMade(s, "normal", with({{"mean", 0.5}, {"std", 2.0}}), shape, Floats(),
            [](int64_t i, SyDtype d) { return 0.5L + 2 * Normal(i, d); });
    Attrs dropout{{"p", 0.25}};
    dropout.insert(dropout.end(), drawn.begin(), drawn.end());
    s->Add({"dropout",
            dropout,
            {{shape}},
            [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              Array y(dtype, in[0].shape);
              for (int64_t i = 0; i < y.count(); ++i)
                if (Unit(i, SY_F32) >= 0.25L)
                  y.at[static_cast<size_t>(i)] = in[0].at[static_cast<size_t>(i)] / 0.75L;
              return {y};
            },
            Floats(),
            Count(shape) > 10000});
  }
  for (int64_t n : {9, 1, 0, 50000}) {
    Attrs attrs{{"n", n}};
    attrs.insert(attrs.end(), drawn.begin(), drawn.end());
    s->Add({"randperm",
            attrs,
            {},
            [n](const Inputs&, SyDtype) -> std::vector<Array> {
              std::vector<int64_t> order(static_cast<size_t>(n));
              std::iota(order.begin(), order.end(), int64_t{0});
              std::stable_sort(order.begin(), order.end(),
                               [](int64_t i, int64_t j) { return Bits64(i) < Bits64(j); });
              Array y(SY_I64, {n});
              std::copy(order.begin(), order.end(), y.at.begin());
              return {y};
            },
            {SY_I64},
            n > 10000});
  }
}

}  // namespace

void AddCreation(Suite* s) {
  AddConstants(s);
  AddRandom(s);
}

}  // namespace sy::conform
