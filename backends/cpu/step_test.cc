// Every exact opcode and every cast, on every instruction set, against reference.h: all pairs and
// triples of special values, and random bits.
#include "backends/cpu/step.h"

#include <gtest/gtest.h>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

std::vector<uint64_t> IntegerSpecials(int type) {
  const int bits = BitsOf(type);
  const uint64_t mask = ~uint64_t{0} >> (64 - bits);
  std::vector<uint64_t> values;
  for (uint64_t v : {0ull, 1ull, 2ull, 3ull, 7ull, 8ull, 31ull, 32ull, 33ull, 63ull, 64ull, 65ull,
                     46341ull, 16777217ull, 1ull << (bits - 1), (1ull << (bits - 1)) - 1}) {
    values.push_back(v & mask);
    values.push_back((0 - v) & mask);
    values.push_back((~v + 2) & mask);
  }
  return values;
}

std::vector<uint64_t> FloatSpecials(int type) {
  std::vector<uint64_t> values;
  for (double v : std::initializer_list<double>{
           0.0,          1.0,        2.0,      0.5,          1.5,        2.5,       3.0,
           0x1p23 + 0.5, 0x1p24 + 1, 0x1p31,   0x1p31 - 128, 0x1p31 - 1, 0x1p32,    0x1p63,
           0x1p64,       127.0,      127.5,    128.0,        255.0,      255.9,     256.0,
           32767.9,      32768.0,    65504.0,  65519.996,    65520.0,    65535.5,   65536.0,
           1e-8,         1e5,        1e10,     0x1p-14,      0x1p-24,    0x1p-25,   0x1.8p-25,
           0x1p-126,     0x1p-133,   0x1p-134, 0x1p-149,     1e300,      0x1p-1074, 0x1.fffffep127,
           0x1.ffp127,   3.38e38,    INFINITY, NAN}) {
    values.push_back(Nearest(type, v));
    values.push_back(Nearest(type, -v));
  }
  const int bits = BitsOf(type);
  const int mantissa = type == SY_T_F16 ? 10 : type == SY_T_BF16 ? 7 : type == SY_T_F32 ? 23 : 52;
  const uint64_t smallest_normal = uint64_t{1} << mantissa;
  const uint64_t infinity = (~uint64_t{0} >> (65 - bits)) & ~(smallest_normal - 1);
  for (uint64_t v :
       {uint64_t{1}, smallest_normal - 1, smallest_normal, smallest_normal + 1, infinity - 1}) {
    values.push_back(v);
    values.push_back(v | uint64_t{1} << (bits - 1));
  }
  return values;
}

std::vector<uint64_t> Specials(int type) {
  if (type == SY_T_BOOL) return {0, 1};
  return IsFloatType(type) ? FloatSpecials(type) : IntegerSpecials(type);
}

std::vector<uint64_t> WithRandomBits(int type, std::vector<uint64_t> values, int count) {
  std::mt19937_64 random(type);
  for (int i = 0; i < count; ++i) {
    const uint64_t bits = random() >> (random() % 64 < 32 ? 0 : random() % 64);
    values.push_back(type == SY_T_BOOL ? bits & 1 : bits & (~uint64_t{0} >> (64 - BitsOf(type))));
  }
  return values;
}

bool Same(int type, uint64_t a, uint64_t b) {
  if (IsFloatType(type) && std::isnan(ValueOf(type, a))) return std::isnan(ValueOf(type, b));
  return a == b;
}

void Store(std::vector<char>* array, int type, const std::vector<uint64_t>& values) {
  const int bytes = kTypeBytes[type];
  array->resize(values.size() * bytes);
  for (size_t i = 0; i < values.size(); ++i) memcpy(array->data() + i * bytes, &values[i], bytes);
}

uint64_t Load(const std::vector<char>& array, int type, size_t i) {
  uint64_t bits = 0;
  memcpy(&bits, array.data() + i * kTypeBytes[type], kTypeBytes[type]);
  return bits;
}

// Runs the step on columns of operands and compares each element.
void Check(const std::string& what, Isa isa, StepFn step, int opcode, int type,
           const int (&from)[3], const std::vector<uint64_t> (&operands)[3]) {
  const size_t n = operands[0].size();
  std::vector<char> in[3];
  for (int k = 0; k < 3; ++k) Store(&in[k], from[k], operands[k]);
  std::vector<char> out(n * kTypeBytes[type] + 64, 0x5a);
  step(out.data(), in[0].data(), in[1].data(), in[2].data(), static_cast<int64_t>(n));
  int failures = 0;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t want =
        Reference(opcode, type, from[0], operands[0][i], operands[1][i], operands[2][i]);
    const uint64_t got = Load(out, type, i);
    if (Same(type, want, got)) continue;
    ADD_FAILURE() << what << " " << IsaName(isa) << " of " << std::hex << operands[0][i] << ", "
                  << operands[1][i] << ", " << operands[2][i] << ": got " << got << ", want "
                  << want;
    if (++failures == 3) return;
  }
  for (size_t i = n * kTypeBytes[type]; i < out.size(); ++i) ASSERT_EQ(out[i], 0x5a) << what;
}

void CheckOpcode(int opcode, int type, int from, int arity) {
  std::vector<uint64_t> specials = Specials(from);
  if (arity == 3 && specials.size() > 24)
    specials = WithRandomBits(from, {specials.begin(), specials.begin() + 24}, 0);
  std::vector<uint64_t> operands[3];
  const size_t count = specials.size();
  const size_t seconds = arity >= 2 ? count : 1;
  const size_t thirds = arity == 3 ? count : 1;
  for (size_t i = 0; i < count * seconds * thirds; ++i) {
    operands[0].push_back(specials[i % count]);
    operands[1].push_back(specials[i / count % count]);
    operands[2].push_back(specials[i / count / count % count]);
  }
  const auto more = WithRandomBits(from, {}, 3 * 2001);
  for (size_t i = 0; i < more.size(); i += 3) {
    for (int k = 0; k < 3; ++k) operands[k].push_back(more[i + k]);
  }
  for (State& state : States()) {
    const StepFn step = FindStep(state.isa, opcode, from);
    ASSERT_NE(step, nullptr) << opcode << " " << from;
    Check("opcode " + std::to_string(opcode) + " type " + std::to_string(from), state.isa, step,
          opcode, type, {from, from, from}, operands);
  }
}

constexpr int kCompute[] = {SY_T_BOOL, SY_T_I32, SY_T_I64, SY_T_U32, SY_T_U64, SY_T_F32, SY_T_F64};

TEST(Step, FloatArithmeticIsCorrectlyRounded) {
  for (int type : {SY_T_F32, SY_T_F64}) {
    for (int op :
         {SY_OP_NEG, SY_OP_ABS, SY_OP_FLOOR, SY_OP_CEIL, SY_OP_TRUNC, SY_OP_RINT, SY_OP_SQRT}) {
      CheckOpcode(op, type, type, 1);
    }
    for (int op : {SY_OP_ADD, SY_OP_SUB, SY_OP_MUL, SY_OP_DIV, SY_OP_MIN, SY_OP_MAX, SY_OP_REM}) {
      CheckOpcode(op, type, type, 2);
    }
    CheckOpcode(SY_OP_FMA, type, type, 3);
  }
}

TEST(Step, IntegerArithmeticIsDefinedEverywhere) {
  for (int type : {SY_T_I32, SY_T_I64, SY_T_U32, SY_T_U64}) {
    for (int op : {SY_OP_NEG, SY_OP_ABS, SY_OP_NOT, SY_OP_POPCOUNT}) CheckOpcode(op, type, type, 1);
    for (int op : {SY_OP_ADD, SY_OP_SUB, SY_OP_MUL, SY_OP_DIV, SY_OP_REM, SY_OP_MIN, SY_OP_MAX,
                   SY_OP_POW, SY_OP_AND, SY_OP_OR, SY_OP_XOR, SY_OP_SHL, SY_OP_SHR}) {
      CheckOpcode(op, type, type, 2);
    }
    CheckOpcode(SY_OP_FMA, type, type, 3);
  }
  CheckOpcode(SY_OP_MULHI, SY_T_U32, SY_T_U32, 2);
  CheckOpcode(SY_OP_MULHI, SY_T_U64, SY_T_U64, 2);
}

TEST(Step, ComparisonsAndLogic) {
  for (int type : kCompute) {
    for (int op : {SY_OP_EQ, SY_OP_NE, SY_OP_LT, SY_OP_LE}) CheckOpcode(op, SY_T_BOOL, type, 2);
  }
  for (int op : {SY_OP_AND, SY_OP_OR, SY_OP_XOR}) CheckOpcode(op, SY_T_BOOL, SY_T_BOOL, 2);
  CheckOpcode(SY_OP_NOT, SY_T_BOOL, SY_T_BOOL, 1);
}

TEST(Step, SelectTakesEveryType) {
  for (int type = SY_T_BOOL; type <= SY_T_F64; ++type) {
    std::vector<uint64_t> operands[3] = {WithRandomBits(SY_T_BOOL, {}, 1025),
                                         WithRandomBits(type, {}, 1025),
                                         WithRandomBits(type, {}, 1025)};
    operands[0][7] = 2;  // any byte but 0 is true
    for (State& state : States()) {
      Check("select", state.isa, FindStep(state.isa, SY_OP_SELECT, type), SY_OP_SELECT, type,
            {SY_T_BOOL, type, type}, operands);
    }
  }
}

TEST(Step, CastsBetweenAllTypes) {
  for (int from = SY_T_BOOL; from <= SY_T_F64; ++from) {
    std::vector<uint64_t> values = WithRandomBits(from, Specials(from), 5000);
    if (BitsOf(from) <= 16 && from != SY_T_BOOL) {
      for (uint64_t v = 0; v < (uint64_t{1} << BitsOf(from)); ++v) values.push_back(v);
    }
    const std::vector<uint64_t> operands[3] = {values, values, values};
    for (int to = SY_T_BOOL; to <= SY_T_F64; ++to) {
      if (to == from) continue;
      for (State& state : States()) {
        Check("cast " + std::to_string(from) + " to " + std::to_string(to), state.isa,
              FindCast(state.isa, from, to), SY_OP_CAST, to, {from, from, from}, operands);
      }
    }
  }
}

// The vector code of the last elements is that of all others: every length gives the same values,
// and writes no more.
TEST(Step, EveryLengthGivesTheSameBits) {
  const std::vector<uint64_t> values = WithRandomBits(SY_T_F32, {}, 1025);
  std::vector<char> x;
  Store(&x, SY_T_F32, values);
  for (int op : {SY_OP_ADD, SY_OP_EXP, SY_OP_TANH, SY_OP_SIN, SY_OP_POW, SY_OP_ERFC, kOpMulAdd}) {
    for (State& state : States()) {
      const StepFn step = FindStep(state.isa, op, SY_T_F32);
      std::vector<char> whole(x.size());
      step(whole.data(), x.data(), x.data(), x.data(), 1025);
      for (int n = 0; n <= 70; ++n) {
        std::vector<char> part(n * 4 + 16, 0x5a);
        // Exactly as long as it says, so that a sanitizer sees a read beyond the end.
        const std::vector<char> from(x.begin(), x.begin() + n * 4);
        step(part.data(), from.data(), from.data(), from.data(), n);
        ASSERT_EQ(memcmp(part.data(), whole.data(), n * 4), 0) << op << " " << n;
        for (int i = 0; i < 16; ++i) ASSERT_EQ(part[n * 4 + i], 0x5a) << op << " " << n;
      }
    }
  }
}

}  // namespace
}  // namespace sy::cpu::testing
