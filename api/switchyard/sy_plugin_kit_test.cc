// The kit against values that are known otherwise: closed forms, counting, long double libm. A
// small host stands in for libswitchyard.so.
#include "switchyard/sy_plugin_kit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::string last_text;
int64_t live_blocks = 0;
bool no_memory = false;

SyStatus Fail(SyStatus code, const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  last_text = text;
  return code;
}
void* HostAlloc(int64_t bytes, int64_t alignment) {
  if (no_memory) return nullptr;
  ++live_blocks;
  return std::aligned_alloc(static_cast<size_t>(alignment),
                            static_cast<size_t>((bytes + alignment - 1) / alignment * alignment));
}
void HostFree(void* p) {
  --live_blocks;
  std::free(p);
}
SyHost MakeHost() {
  SyHost h{};
  h.size = sizeof h;
  h.abi = SY_ABI;
  h.fail = Fail;
  h.host_alloc = HostAlloc;
  h.host_free = HostFree;
  return h;
}
const SyHost kHost = MakeHost();

template <typename T>
constexpr int kTypeOf = 0;
template <>
constexpr int kTypeOf<bool> = SY_T_BOOL;
template <>
constexpr int kTypeOf<int8_t> = SY_T_I8;
template <>
constexpr int kTypeOf<int16_t> = SY_T_I16;
template <>
constexpr int kTypeOf<int32_t> = SY_T_I32;
template <>
constexpr int kTypeOf<int64_t> = SY_T_I64;
template <>
constexpr int kTypeOf<uint8_t> = SY_T_U8;
template <>
constexpr int kTypeOf<uint16_t> = SY_T_U16;
template <>
constexpr int kTypeOf<uint32_t> = SY_T_U32;
template <>
constexpr int kTypeOf<uint64_t> = SY_T_U64;
template <>
constexpr int kTypeOf<float> = SY_T_F32;
template <>
constexpr int kTypeOf<double> = SY_T_F64;

using Dims = std::vector<int64_t>;

// std::vector<bool> has no elements to point at.
template <typename T>
using Array = std::vector<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;

SyView View(const void* data, int type, const Dims& shape, Dims strides = {}, int64_t first = 0) {
  SyView v{};
  if (strides.size() != shape.size()) {
    strides.assign(shape.size(), 1);
    for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  }
  v.memory.host.p = const_cast<void*>(data);
  v.offset = first * sy_kit_type_bytes(type);
  v.type = type;
  v.rank = static_cast<int32_t>(shape.size());
  v.count = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    v.shape[d] = shape[d];
    v.strides[d] = strides[d];
    v.count *= shape[d];
  }
  v.bytes = v.count * sy_kit_type_bytes(type);
  return v;
}

struct Program {
  std::vector<SyInstruction> code;
  std::vector<uint32_t> outputs;
  std::vector<uint64_t> consts;
  SyProgram p{};
  uint32_t Add(int op, int type, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0, uint64_t imm = 0) {
    code.push_back({static_cast<uint16_t>(op), static_cast<uint16_t>(type), a, b, c, imm});
    return static_cast<uint32_t>(code.size() - 1);
  }
  uint32_t Input(int i, int type) {
    return Add(SY_OP_INPUT, type, 0, 0, 0, static_cast<uint64_t>(i));
  }
  uint32_t Const(int type, uint64_t bits) {
    consts.push_back(bits);
    return Add(SY_OP_CONST, type, 0, 0, 0, consts.size() - 1);
  }
};

// One kernel call. Attributes are given as a struct.
template <typename A = int>
SyStatus Call(SyKernelFn fn, const std::vector<SyView>& in, const std::vector<SyView>& out,
              Program* program = nullptr, const A* attrs = nullptr, SyStatusWord* word = nullptr) {
  SyCall c{};
  c.size = sizeof c;
  c.host = &kHost;
  c.in = in.data();
  c.out = out.data();
  c.in_count = static_cast<int32_t>(in.size());
  c.out_count = static_cast<int32_t>(out.size());
  c.op = 7;
  c.attrs = attrs;
  c.attrs_size = attrs ? sizeof *attrs : 0;
  c.status.memory.host.p = word;
  if (program) {
    program->p.size = sizeof(SyProgram);
    program->p.version = 1;
    program->p.instr = program->code.data();
    program->p.outputs = program->outputs.data();
    program->p.name = "test";
    program->p.instr_count = static_cast<int32_t>(program->code.size());
    program->p.input_count = c.in_count;
    program->p.output_count = static_cast<int32_t>(program->outputs.size());
    program->p.const_count = static_cast<int32_t>(program->consts.size());
    c.program = &program->p;
    c.consts = program->consts.data();
    c.const_count = static_cast<uint32_t>(program->consts.size());
  }
  const SyStatus status = fn(&c);
  EXPECT_EQ(live_blocks, 0);
  return status;
}

// Applies one opcode to arrays of T, results R.
template <typename R, typename T>
Array<R> Apply(int op, const std::vector<Array<T>>& args, SyStatus want = SY_OK) {
  Program p;
  std::vector<SyView> in;
  const int64_t n = static_cast<int64_t>(args[0].size());
  for (size_t i = 0; i < args.size(); ++i) {
    p.Input(static_cast<int>(i), kTypeOf<T>);
    in.push_back(View(args[i].data(), kTypeOf<T>, {n}));
  }
  p.outputs = {p.Add(op, kTypeOf<R>, 0, args.size() > 1, args.size() > 2 ? 2 : 0)};
  Array<R> r(static_cast<size_t>(n));
  EXPECT_EQ(Call(sy_kit_map, in, {View(r.data(), kTypeOf<R>, {n})}, &p), want) << last_text;
  return r;
}
template <typename R, typename T>
R One(int op, T a) {
  return Apply<R, T>(op, {{a}})[0];
}
template <typename R, typename T>
R One(int op, T a, T b) {
  return Apply<R, T>(op, {{a}, {b}})[0];
}
template <typename R, typename T>
R One(int op, T a, T b, T c) {
  return Apply<R, T>(op, {{a}, {b}, {c}})[0];
}

template <typename T>
constexpr T kLow = std::numeric_limits<T>::min();
template <typename T>
constexpr T kHigh = std::numeric_limits<T>::max();
const float kInfF = std::numeric_limits<float>::infinity();
const double kInf = std::numeric_limits<double>::infinity();
const float kNanF = std::numeric_limits<float>::quiet_NaN();
const double kNan = std::numeric_limits<double>::quiet_NaN();

template <typename T>
class KitIntegers : public testing::Test {};
using Integers = testing::Types<int32_t, int64_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(KitIntegers, Integers);

TYPED_TEST(KitIntegers, WrapAndDivide) {
  using T = TypeParam;
  EXPECT_EQ((One<T, T>(SY_OP_ADD, kHigh<T>, 1)), kLow<T>);
  EXPECT_EQ((One<T, T>(SY_OP_SUB, kLow<T>, 1)), kHigh<T>);
  EXPECT_EQ((One<T, T>(SY_OP_MUL, kHigh<T>, 2)), static_cast<T>(-2));
  EXPECT_EQ((One<T, T>(SY_OP_FMA, kHigh<T>, 2, 3)), static_cast<T>(1));
  EXPECT_EQ((One<T, T>(SY_OP_NEG, 5)), static_cast<T>(-5));
  EXPECT_EQ((One<T, T>(SY_OP_DIV, 17, 5)), T{3});
  EXPECT_EQ((One<T, T>(SY_OP_DIV, 17, 0)), T{0});
  EXPECT_EQ((One<T, T>(SY_OP_REM, 17, 5)), T{2});
  EXPECT_EQ((One<T, T>(SY_OP_REM, 17, 0)), T{17});
  EXPECT_EQ((One<T, T>(SY_OP_ABS, kHigh<T>)), kHigh<T>);
  EXPECT_EQ((One<T, T>(SY_OP_MIN, kLow<T>, 3)), kLow<T>);
  EXPECT_EQ((One<T, T>(SY_OP_MAX, kLow<T>, 3)), T{3});
  EXPECT_EQ((One<T, T>(SY_OP_POW, 3, 5)), T{243});
  EXPECT_EQ((One<T, T>(SY_OP_POW, 0, 0)), T{1});
  EXPECT_EQ((One<T, T>(SY_OP_POW, 2, sizeof(T) * 8)), T{0});
  if (std::is_signed_v<T>) {
    const T m = static_cast<T>(-1);
    EXPECT_EQ((One<T, T>(SY_OP_DIV, kLow<T>, m)), kLow<T>);
    EXPECT_EQ((One<T, T>(SY_OP_REM, kLow<T>, m)), T{0});
    EXPECT_EQ((One<T, T>(SY_OP_DIV, static_cast<T>(-17), 5)), static_cast<T>(-3));
    EXPECT_EQ((One<T, T>(SY_OP_REM, static_cast<T>(-17), 5)), static_cast<T>(-2));
    EXPECT_EQ((One<T, T>(SY_OP_ABS, kLow<T>)), kLow<T>);
    EXPECT_EQ((One<T, T>(SY_OP_ABS, static_cast<T>(-9))), T{9});
    EXPECT_EQ((One<T, T>(SY_OP_POW, 2, m)), T{0});
    EXPECT_EQ((One<T, T>(SY_OP_POW, 1, m)), T{1});
    EXPECT_EQ((One<T, T>(SY_OP_POW, m, m)), m);
    EXPECT_EQ((One<T, T>(SY_OP_POW, m, static_cast<T>(-2))), T{1});
    EXPECT_EQ((One<T, T>(SY_OP_POW, static_cast<T>(-2), 3)), static_cast<T>(-8));
  }
}

TYPED_TEST(KitIntegers, Bits) {
  using T = TypeParam;
  const T width = sizeof(T) * 8;
  EXPECT_EQ((One<T, T>(SY_OP_AND, 12, 10)), T{8});
  EXPECT_EQ((One<T, T>(SY_OP_OR, 12, 10)), T{14});
  EXPECT_EQ((One<T, T>(SY_OP_XOR, 12, 10)), T{6});
  EXPECT_EQ((One<T, T>(SY_OP_NOT, 0)), static_cast<T>(-1));
  EXPECT_EQ((One<T, T>(SY_OP_SHL, 3, width - 1)),
            std::is_signed_v<T> ? kLow<T> : static_cast<T>(T{1} << (width - 1)));
  EXPECT_EQ((One<T, T>(SY_OP_SHL, 3, width)), T{0});
  EXPECT_EQ((One<T, T>(SY_OP_SHR, 48, 4)), T{3});
  EXPECT_EQ((One<T, T>(SY_OP_SHR, 48, width + 5)), T{0});
  EXPECT_EQ((One<T, T>(SY_OP_SHR, static_cast<T>(-48), 4)),
            static_cast<T>(static_cast<T>(-48) / 16));
  if (std::is_signed_v<T>) {
    EXPECT_EQ((One<T, T>(SY_OP_SHR, kLow<T>, width)), static_cast<T>(-1));
  }
  EXPECT_EQ((One<T, T>(SY_OP_POPCOUNT, static_cast<T>(-1))), width);
  EXPECT_EQ((One<T, T>(SY_OP_POPCOUNT, 0x15)), T{3});
}

TYPED_TEST(KitIntegers, Compare) {
  using T = TypeParam;
  const T big = kHigh<T>, small = kLow<T>;
  EXPECT_TRUE((One<bool, T>(SY_OP_LT, small, big)));
  EXPECT_FALSE((One<bool, T>(SY_OP_LT, big, small)));
  EXPECT_TRUE((One<bool, T>(SY_OP_LE, big, big)));
  EXPECT_FALSE((One<bool, T>(SY_OP_EQ, big, small)));
  EXPECT_TRUE((One<bool, T>(SY_OP_NE, big, small)));
}

TEST(KitProgram, MulHigh) {
  EXPECT_EQ((One<uint32_t, uint32_t>(SY_OP_MULHI, 0xdeadbeef, 0xcafebabe)),
            uint32_t(0xdeadbeefull * 0xcafebabeull >> 32));
  const uint64_t a = 0xdeadbeefcafebabe, b = 0xfedcba9876543210;
  EXPECT_EQ((One<uint64_t, uint64_t>(SY_OP_MULHI, a, b)),
            static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64));
  Apply<int32_t, int32_t>(SY_OP_MULHI, {{1}, {1}}, SY_UNIMPLEMENTED);
  EXPECT_EQ(last_text, "kit: opcode 67 is not defined for type 4");
}

TEST(KitProgram, BoolIsLogical) {
  for (bool a : {false, true}) {
    EXPECT_EQ((One<bool, bool>(SY_OP_NOT, a)), !a);
    for (bool b : {false, true}) {
      EXPECT_EQ((One<bool, bool>(SY_OP_AND, a, b)), a && b);
      EXPECT_EQ((One<bool, bool>(SY_OP_OR, a, b)), a || b);
      EXPECT_EQ((One<bool, bool>(SY_OP_XOR, a, b)), a != b);
      EXPECT_EQ((One<bool, bool>(SY_OP_EQ, a, b)), a == b);
      EXPECT_EQ((One<bool, bool>(SY_OP_LT, a, b)), a < b);
      EXPECT_EQ((One<bool, bool>(SY_OP_MAX, a, b)), a || b);
      EXPECT_EQ((One<bool, bool>(SY_OP_MIN, a, b)), a && b);
    }
  }
}

template <typename T>
class KitFloats : public testing::Test {};
using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(KitFloats, Floats);

TYPED_TEST(KitFloats, ExactOperations) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T tiny = std::numeric_limits<T>::denorm_min(), third = T(1) / T(3);
  EXPECT_EQ((One<T, T>(SY_OP_ADD, T(0.1), T(0.2))), T(T(0.1) + T(0.2)));
  EXPECT_EQ((One<T, T>(SY_OP_SUB, T(0.3), T(0.1))), T(T(0.3) - T(0.1)));
  EXPECT_EQ((One<T, T>(SY_OP_MUL, third, third)), T(third * third));
  EXPECT_EQ((One<T, T>(SY_OP_DIV, T(1), T(3))), third);
  EXPECT_EQ((One<T, T>(SY_OP_DIV, T(1), T(0))), inf);
  EXPECT_TRUE(std::isnan(One<T, T>(SY_OP_DIV, T(0), T(0))));
  EXPECT_EQ((One<T, T>(SY_OP_ADD, tiny, tiny)), 2 * tiny);  // subnormals stay
  EXPECT_EQ((One<T, T>(SY_OP_MUL, kHigh<T>, T(2))), inf);
  EXPECT_EQ((One<T, T>(SY_OP_FMA, third, T(3), T(-1))), std::fma(third, T(3), T(-1)));
  EXPECT_NE((One<T, T>(SY_OP_FMA, T(1) + std::numeric_limits<T>::epsilon(),
                       T(1) - std::numeric_limits<T>::epsilon(), T(-1))),
            T(0));
  EXPECT_TRUE(std::signbit(One<T, T>(SY_OP_NEG, T(0))));
  EXPECT_FALSE(std::signbit(One<T, T>(SY_OP_ABS, T(-0.0))));
  EXPECT_EQ((One<T, T>(SY_OP_REM, T(-7.5), T(2))), T(-1.5));
  EXPECT_EQ((One<T, T>(SY_OP_REM, T(1e30), T(7))), std::fmod(T(1e30), T(7)));
  EXPECT_EQ((One<T, T>(SY_OP_REM, T(5), inf)), T(5));
  EXPECT_TRUE(std::isnan(One<T, T>(SY_OP_REM, T(5), T(0))));
  EXPECT_EQ((One<T, T>(SY_OP_FLOOR, T(-1.5))), T(-2));
  EXPECT_EQ((One<T, T>(SY_OP_CEIL, T(-1.5))), T(-1));
  EXPECT_EQ((One<T, T>(SY_OP_TRUNC, T(-1.5))), T(-1));
  EXPECT_EQ((One<T, T>(SY_OP_RINT, T(2.5))), T(2));
  EXPECT_EQ((One<T, T>(SY_OP_RINT, T(3.5))), T(4));
  EXPECT_TRUE(std::signbit(One<T, T>(SY_OP_RINT, T(-0.5))));
  EXPECT_EQ((One<T, T>(SY_OP_SQRT, T(2))), std::sqrt(T(2)));
  EXPECT_TRUE(std::isnan(One<T, T>(SY_OP_SQRT, T(-1))));
  EXPECT_EQ((One<T, T>(SY_OP_RSQRT, T(0.25))), T(2));
  EXPECT_EQ((One<T, T>(SY_OP_RSQRT, T(0))), inf);
  EXPECT_TRUE(std::isnan(One<T, T>(SY_OP_MIN, T(1), nan)));
  EXPECT_TRUE(std::isnan(One<T, T>(SY_OP_MAX, nan, T(1))));
  EXPECT_TRUE(std::signbit(One<T, T>(SY_OP_MIN, T(0), T(-0.0))));
  EXPECT_TRUE(std::signbit(One<T, T>(SY_OP_MIN, T(-0.0), T(0))));
  EXPECT_FALSE(std::signbit(One<T, T>(SY_OP_MAX, T(-0.0), T(0))));
  EXPECT_FALSE(std::signbit(One<T, T>(SY_OP_MAX, T(0), T(-0.0))));
  EXPECT_EQ((One<T, T>(SY_OP_MAX, T(-3), T(-2))), T(-2));
  for (int op : {SY_OP_EQ, SY_OP_LT, SY_OP_LE}) EXPECT_FALSE((One<bool, T>(op, nan, nan)));
  EXPECT_TRUE((One<bool, T>(SY_OP_NE, nan, nan)));
  EXPECT_TRUE((One<bool, T>(SY_OP_EQ, T(0), T(-0.0))));
  EXPECT_EQ((One<T, T>(SY_OP_POW, T(0), T(0))), T(1));
}

double UlpsOff(long double want, long double got, int digits) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : 1e30;
  if (want == got) return 0;
  if (std::isinf(want) || std::isinf(got)) return 1e30;
  int e;
  std::frexp(want, &e);
  const int floor = digits == 24 ? -149 : -1074;
  return static_cast<double>(std::fabs(want - got) / std::ldexp(1.0L, std::max(e - digits, floor)));
}

long double DigammaReference(long double x) {
  if (x < 0) return DigammaReference(1 - x) - acosl(-1) / tanl(acosl(-1) * x);
  long double sum = 0;
  for (; x < 40; x += 1) sum -= 1 / x;
  const long double r = 1 / (x * x);
  return sum + logl(x) - 0.5L / x -
         r * (1.L / 12 - r * (1.L / 120 - r * (1.L / 252 - r * (1.L / 240 - r / 132))));
}

// Inverts erf by bisection on erfl or erfcl.
long double ErfinvReference(long double x) {
  const long double a = std::fabs(x);
  long double low = 0, high = 8;
  for (int i = 0; i < 200; ++i) {
    const long double mid = (low + high) / 2;
    if (a < 0.5L ? erfl(mid) < a : erfcl(mid) > 1 - a)
      low = mid;
    else
      high = mid;
  }
  return x < 0 ? -low : low;
}

struct Function {
  int op;
  const char* name;
  long double (*reference)(long double);
  double low, high, limit;
  double (*kit)(double);
};

TEST(KitFunctions, StayWithinTheirLimits) {
  const Function functions[] = {
      {SY_OP_EXP, "exp", expl, -740, 709, 3, nullptr},
      {SY_OP_EXP2, "exp2", exp2l, -1070, 1023, 3, nullptr},
      {SY_OP_EXPM1, "expm1", expm1l, -40, 40, 3, sy_kit_expm1},
      {SY_OP_EXPM1, "expm1", expm1l, -0.6, 0.6, 3, sy_kit_expm1},
      {SY_OP_LOG, "log", logl, 0, 1e300, 3, nullptr},
      {SY_OP_LOG, "log", logl, 0, 4, 3, nullptr},
      {SY_OP_LOG2, "log2", log2l, 0, 4, 3, nullptr},
      {SY_OP_LOG1P, "log1p", log1pl, -1, 3, 2, sy_kit_log1p},
      {SY_OP_LOG1P, "log1p", log1pl, -1e-5, 1e-5, 2, sy_kit_log1p},
      {SY_OP_SIN, "sin", sinl, -1000, 1000, 4, nullptr},
      {SY_OP_COS, "cos", cosl, -1000, 1000, 4, nullptr},
      {SY_OP_ASIN, "asin", asinl, -1, 1, 4, nullptr},
      {SY_OP_ACOS, "acos", acosl, -1, 1, 4, nullptr},
      {SY_OP_ATAN, "atan", atanl, -50, 50, 5, nullptr},
      {SY_OP_TANH, "tanh", tanhl, -20, 20, 5, nullptr},
      {SY_OP_ERF, "erf", erfl, -6, 6, 16, sy_kit_erf},
      {SY_OP_ERF, "erf", erfl, -1e-8, 1e-8, 16, sy_kit_erf},
      {SY_OP_ERFC, "erfc", erfcl, -6, 27.2, 16, sy_kit_erfc},
      {SY_OP_ERFC, "erfc", erfcl, 0, 1, 16, sy_kit_erfc},
      {SY_OP_ERFINV, "erfinv", ErfinvReference, -1, 1, 16, sy_kit_erfinv},
      {SY_OP_ERFINV, "erfinv", ErfinvReference, -1e-6, 1e-6, 16, sy_kit_erfinv},
      {SY_OP_LGAMMA, "lgamma", lgammal, 0, 25, 16, sy_kit_lgamma},
      {SY_OP_LGAMMA, "lgamma", lgammal, 0.9, 2.3, 16, sy_kit_lgamma},
      {SY_OP_LGAMMA, "lgamma", lgammal, 20, 1e8, 16, sy_kit_lgamma},
      {SY_OP_DIGAMMA, "digamma", DigammaReference, 0, 1.4, 16,
       sy_kit_digamma},  // the reference is off near the zero
      {SY_OP_DIGAMMA, "digamma", DigammaReference, 1.5, 30, 16, sy_kit_digamma},
      {SY_OP_DIGAMMA, "digamma", DigammaReference, 10, 1e6, 16, sy_kit_digamma},
  };
  for (const Function& f : functions) {
    std::vector<double> x;
    std::vector<float> y;
    uint64_t state = 1;
    for (int i = 1; i < 4000; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      x.push_back(f.low + (f.high - f.low) * static_cast<double>(state >> 11) * 0x1p-53);
      if (std::fabs(x.back()) > 1e-6 && std::fabs(x.back()) < 3e38)
        y.push_back(static_cast<float>(x.back()));
    }
    const std::vector<double> r = Apply<double, double>(f.op, {x});
    double worst = 0, worst_f32 = 0, worst_kit = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, UlpsOff(f.reference(x[i]), r[i], 53));
      if (f.kit) worst_kit = std::max(worst_kit, UlpsOff(f.reference(x[i]), f.kit(x[i]), 53));
    }
    EXPECT_LE(worst, f.limit) << f.name << " f64";
    EXPECT_LE(worst_kit, 16) << f.name << " of the kit";
    if (y.empty()) continue;
    const std::vector<float> s = Apply<float, float>(f.op, {y});
    for (size_t i = 0; i < y.size(); ++i) {
      if (std::fabs(f.reference(y[i])) > 3.4e38L) continue;
      worst_f32 = std::max(worst_f32, UlpsOff(f.reference(y[i]), s[i], 24));
    }
    EXPECT_LE(worst_f32, 1) << f.name << " f32";
  }
}

TEST(KitFunctions, SpecialValues) {
  EXPECT_EQ((One<double, double>(SY_OP_ERFINV, 1.)), kInf);
  EXPECT_EQ((One<double, double>(SY_OP_ERFINV, -1.)), -kInf);
  EXPECT_TRUE(std::isnan(One<double, double>(SY_OP_ERFINV, 1.5)));
  EXPECT_TRUE(std::isnan(One<double, double>(SY_OP_ERFINV, kNan)));
  EXPECT_TRUE(std::signbit(One<double, double>(SY_OP_ERFINV, -0.)));
  EXPECT_EQ((One<double, double>(SY_OP_LGAMMA, 0.)), kInf);
  EXPECT_EQ((One<double, double>(SY_OP_LGAMMA, -3.)), kInf);
  EXPECT_EQ((One<double, double>(SY_OP_LGAMMA, kInf)), kInf);
  EXPECT_EQ((One<double, double>(SY_OP_LGAMMA, -kInf)), kInf);
  EXPECT_EQ((One<double, double>(SY_OP_LGAMMA, 1.)), 0);
  EXPECT_EQ((One<double, double>(SY_OP_LGAMMA, 2.)), 0);
  EXPECT_NEAR((One<double, double>(SY_OP_LGAMMA, -0.5)), lgammal(-0.5L), 1e-15);
  EXPECT_NEAR((One<double, double>(SY_OP_LGAMMA, -100.25)), lgammal(-100.25L), 1e-12);
  EXPECT_EQ((One<double, double>(SY_OP_DIGAMMA, 0.)), -kInf);
  EXPECT_EQ((One<double, double>(SY_OP_DIGAMMA, -0.)), kInf);
  EXPECT_TRUE(std::isnan(One<double, double>(SY_OP_DIGAMMA, -2.)));
  EXPECT_EQ((One<double, double>(SY_OP_DIGAMMA, kInf)), kInf);
  EXPECT_NEAR((One<double, double>(SY_OP_DIGAMMA, -0.5)), 0.03648997397857652, 1e-15);
  EXPECT_NEAR(sy_kit_digamma(1.4616), -0.000031106251230341649658, 4e-20);
  EXPECT_EQ(sy_kit_erf(kInf), 1);
  EXPECT_EQ(sy_kit_erf(-kInf), -1);
  EXPECT_TRUE(std::signbit(sy_kit_erf(-0.)));
  EXPECT_TRUE(std::isnan(sy_kit_erf(kNan)));
  EXPECT_EQ(sy_kit_erfc(kInf), 0);
  EXPECT_EQ(sy_kit_erfc(-kInf), 2);
  EXPECT_EQ(sy_kit_expm1(-kInf), -1);
  EXPECT_EQ(sy_kit_expm1(kInf), kInf);
  EXPECT_TRUE(std::signbit(sy_kit_expm1(-0.)));
  EXPECT_EQ(sy_kit_log1p(-1), -kInf);
  EXPECT_EQ(sy_kit_log1p(kInf), kInf);
  EXPECT_TRUE(std::isnan(sy_kit_log1p(-2)));
  EXPECT_TRUE(std::signbit(sy_kit_log1p(-0.)));
  EXPECT_EQ((One<float, float>(SY_OP_ATAN2, 0.f, -1.f)), static_cast<float>(M_PI));
  EXPECT_EQ((One<float, float>(SY_OP_EXP, 89.f)), kInfF);
  EXPECT_EQ((One<float, float>(SY_OP_LOG, 0.f)), -kInfF);
  EXPECT_EQ((One<float, float>(SY_OP_EXP, -kInfF)), 0);
  EXPECT_FLOAT_EQ((One<float, float>(SY_OP_POW, 2.f, 0.5f)), std::sqrt(2.f));
}

// ---------------------------------------------------------------------------------------------------
// Elements and casts

// All 65,536 patterns of a half type against arithmetic written apart from the kit's.
double HalfReference(int type, uint32_t bits) {
  const int mantissa = type == SY_T_F16 ? 10 : 7, bias = type == SY_T_F16 ? 15 : 127;
  const uint32_t e = bits >> mantissa & (type == SY_T_F16 ? 31u : 255u),
                 m = bits & ((1u << mantissa) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (e == (type == SY_T_F16 ? 31u : 255u)) return m ? kNan : sign * kInf;
  return sign * (e ? std::ldexp(1 + std::ldexp(m, -mantissa), static_cast<int>(e) - bias)
                   : std::ldexp(m, 1 - bias - mantissa));
}

TEST(KitElements, EveryHalfRoundTrips) {
  for (int type : {SY_T_F16, SY_T_BF16}) {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const SyKitValue v = sy_kit_from_bits(type, bits);
      const double want = HalfReference(type, bits);
      ASSERT_TRUE(v.d == want || (std::isnan(v.d) && std::isnan(want))) << bits;
      ASSERT_EQ(sy_kit_to_bits(type, v), bits);  // NaN bits too
    }
  }
}

TEST(KitElements, HalvesRoundToNearestEven) {
  for (int type : {SY_T_F16, SY_T_BF16}) {
    const uint32_t inf = type == SY_T_F16 ? 0x7c00 : 0x7f80;
    for (uint32_t bits = 0; bits < inf; ++bits) {
      const double a = HalfReference(type, bits);
      const double b = bits + 1 == inf ? std::ldexp(1, type == SY_T_F16 ? 16 : 128)
                                       : HalfReference(type, bits + 1);
      const double middle = (a + b) / 2;
      SyKitValue v;
      v.d = middle;
      ASSERT_EQ(sy_kit_to_bits(type, v), bits + (bits & 1)) << bits;
      v.d = std::nextafter(middle, 0);
      ASSERT_EQ(sy_kit_to_bits(type, v), bits);
      v.d = -std::nextafter(middle, kInf);
      ASSERT_EQ(sy_kit_to_bits(type, v), 0x8000 | (bits + 1));
    }
  }
  SyKitValue v;
  v.d = 1e-60;
  EXPECT_EQ(sy_kit_to_bits(SY_T_F16, v), 0u);
  v.d = -1e300;
  EXPECT_EQ(sy_kit_to_bits(SY_T_BF16, v), 0xff80u);
}

TEST(KitElements, LoadAndStoreAllTypes) {
  for (int type = SY_T_BOOL; type <= SY_T_F64; ++type) {
    char bytes[8] = {};
    SyKitValue v;
    if (sy_kit_is_float(type))
      v.d = 1;
    else
      v.u = sy_kit_is_signed(type) ? static_cast<uint64_t>(-1) : 1;
    sy_kit_store(type, bytes, v);
    EXPECT_EQ(sy_kit_load(type, bytes).u, v.u) << type;
  }
  const uint32_t signalling = 0x7f812345;
  uint32_t back;
  sy_kit_store(SY_T_F32, &back, sy_kit_load(SY_T_F32, &signalling));
  EXPECT_EQ(back, signalling);
  const uint8_t two = 2;
  EXPECT_EQ(sy_kit_load(SY_T_BOOL, &two).u, 1u);
}

template <typename To, typename From>
To Cast(From x) {
  return One<To, From>(SY_OP_CAST, x);
}

TEST(KitCast, FloatToIntegerTruncatesAndSaturates) {
  EXPECT_EQ((Cast<int32_t>(-1.9f)), -1);
  EXPECT_EQ((Cast<int32_t>(3e9f)), kHigh<int32_t>);
  EXPECT_EQ((Cast<int32_t>(-3e9f)), kLow<int32_t>);
  EXPECT_EQ((Cast<int32_t>(kNanF)), 0);
  EXPECT_EQ((Cast<int32_t>(2147483647.0)), kHigh<int32_t>);
  EXPECT_EQ((Cast<int32_t>(-2147483648.9)), kLow<int32_t>);
  EXPECT_EQ((Cast<int64_t>(1e19)), kHigh<int64_t>);
  EXPECT_EQ((Cast<int64_t>(-kInf)), kLow<int64_t>);
  EXPECT_EQ((Cast<uint64_t>(1e20)), kHigh<uint64_t>);
  EXPECT_EQ((Cast<uint64_t>(1e19)), 10000000000000000000u);
  EXPECT_EQ((Cast<uint64_t>(-1.)), 0u);
  EXPECT_EQ((Cast<uint8_t>(255.9f)), 255);
  EXPECT_EQ((Cast<uint8_t>(256.f)), 255);
  EXPECT_EQ((Cast<int8_t>(-129.f)), -128);
  EXPECT_EQ((Cast<int16_t>(40000.f)), 32767);
  EXPECT_TRUE((Cast<bool>(kNanF)));
  EXPECT_TRUE((Cast<bool>(0.5f)));
  EXPECT_FALSE((Cast<bool>(-0.f)));
}

TEST(KitCast, IntegersWrapAndRoundOnce) {
  EXPECT_EQ((Cast<int8_t>(int32_t{300})), 44);
  EXPECT_EQ((Cast<uint32_t>(int64_t{-1})), 0xffffffffu);
  EXPECT_EQ((Cast<uint64_t>(int32_t{-1})), kHigh<uint64_t>);
  EXPECT_EQ((Cast<int64_t>(uint32_t{0xffffffff})), 0xffffffffll);
  EXPECT_TRUE((Cast<bool>(int32_t{256})));
  EXPECT_EQ((Cast<float>(int32_t{16777217})), 16777216.f);
  EXPECT_EQ((Cast<double>(kHigh<uint64_t>)), 18446744073709551616.0);
  // Rounding first to f64 and then to f32 would give the even neighbour below.
  const int64_t twice = (int64_t{1} << 60) + (int64_t{1} << 36) + 1;
  EXPECT_EQ((Cast<float>(twice)), static_cast<float>(twice));
  EXPECT_EQ((Cast<float>(-twice)), static_cast<float>(-twice));
  EXPECT_EQ((Cast<float>(static_cast<double>(kHigh<float>) * 1.5)), kInfF);
  EXPECT_EQ((Cast<float>(1 + 0x1p-24)), 1.f);
}

TEST(KitCast, Bitcast) {
  EXPECT_EQ((One<uint32_t, float>(SY_OP_BITCAST, 1.f)), 0x3f800000u);
  EXPECT_EQ((One<float, uint32_t>(SY_OP_BITCAST, 0xbf800000u)), -1.f);
  EXPECT_EQ((One<int64_t, double>(SY_OP_BITCAST, -0.)), kLow<int64_t>);
  EXPECT_EQ((One<int32_t, uint32_t>(SY_OP_BITCAST, 0xffffffffu)), -1);
  Apply<int64_t, float>(SY_OP_BITCAST, {{1.f}}, SY_UNIMPLEMENTED);
}

// ---------------------------------------------------------------------------------------------------
// map

TEST(KitMap, SelectConstAndSeveralOutputs) {
  const std::vector<float> x = {-1, 2, kNanF};
  std::vector<float> y(3);
  std::vector<uint8_t> mask(3);
  Program p;
  const uint32_t a = p.Input(0, SY_T_F32), zero = p.Const(SY_T_F32, 0);
  const uint32_t below = p.Add(SY_OP_LT, SY_T_BOOL, a, zero);
  p.outputs = {p.Add(SY_OP_SELECT, SY_T_F32, below, zero, a), below};
  ASSERT_EQ(Call(sy_kit_map, {View(x.data(), SY_T_F32, {3})},
                 {View(y.data(), SY_T_F32, {3}), View(mask.data(), SY_T_BOOL, {3})}, &p),
            SY_OK);
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], 2);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(mask, (std::vector<uint8_t>{1, 0, 0}));
}

TEST(KitMap, AnyStridesAndLongRows) {
  // y[i, j, k] = x[i, reversed j, broadcast k] + 1000 * index_1 + linear, over tiles and rows that
  // do not match.
  const Dims shape = {3, 7, 61};
  std::vector<int32_t> x(21), y(3 * 7 * 61, -1);
  std::iota(x.begin(), x.end(), 0);
  Program p;
  const uint32_t in = p.Input(0, SY_T_I32);
  const uint32_t j = p.Add(SY_OP_INDEX, SY_T_I64, 0, 0, 0, 1),
                 linear = p.Add(SY_OP_LINEAR, SY_T_I64);
  const uint32_t k = p.Const(SY_T_I64, 1000);
  const uint32_t sum = p.Add(SY_OP_ADD, SY_T_I64, p.Add(SY_OP_MUL, SY_T_I64, j, k), linear);
  p.outputs = {p.Add(SY_OP_ADD, SY_T_I32, in, p.Add(SY_OP_CAST, SY_T_I32, sum))};
  const SyView out =
      View(y.data(), SY_T_I32, shape, {1, 3, 21});  // an output in another order of axes
  ASSERT_EQ(Call(sy_kit_map, {View(x.data(), SY_T_I32, shape, {7, -1, 0}, 6)}, {out}, &p), SY_OK);
  for (int i = 0; i < 3; ++i)
    for (int q = 0; q < 7; ++q)
      for (int r = 0; r < 61; ++r)
        ASSERT_EQ(y[static_cast<size_t>(i + 3 * q + 21 * r)],
                  x[static_cast<size_t>(7 * i + 6 - q)] + 1000 * q + (i * 7 + q) * 61 + r);
}

TEST(KitMap, ScalarsEmptyAndTwelveAxes) {
  const float x = 3;
  float y = 0;
  Program p;
  const uint32_t a = p.Input(0, SY_T_F32);
  p.outputs = {p.Add(SY_OP_MUL, SY_T_F32, a, a)};
  EXPECT_EQ(Call(sy_kit_map, {View(&x, SY_T_F32, {})}, {View(&y, SY_T_F32, {})}, &p), SY_OK);
  EXPECT_EQ(y, 9);
  y = 5;
  EXPECT_EQ(Call(sy_kit_map, {View(&x, SY_T_F32, {2, 0})}, {View(&y, SY_T_F32, {2, 0})}, &p),
            SY_OK);
  EXPECT_EQ(y, 5);
  std::vector<float> big(4096), squares(4096);
  std::iota(big.begin(), big.end(), 0.f);
  const Dims twelve(12, 2);
  EXPECT_EQ(Call(sy_kit_map, {View(big.data(), SY_T_F32, twelve)},
                 {View(squares.data(), SY_T_F32, twelve)}, &p),
            SY_OK);
  for (size_t i = 0; i < big.size(); ++i) ASSERT_EQ(squares[i], big[i] * big[i]);
}

TEST(KitMap, InPlaceAndLongPrograms) {
  std::vector<float> x(1000, 1);
  Program p;
  uint32_t v = p.Input(0, SY_T_F32);
  for (int i = 0; i < 100; ++i) v = p.Add(SY_OP_ADD, SY_T_F32, v, 0);
  p.outputs = {v};
  const SyView view = View(x.data(), SY_T_F32, {1000});
  EXPECT_EQ(Call(sy_kit_map, {view}, {view}, &p), SY_OK);
  for (float y : x) ASSERT_EQ(y, 101);
  no_memory = true;
  EXPECT_EQ(Call(sy_kit_map, {view}, {view}, &p), SY_RESOURCE_EXHAUSTED);
  no_memory = false;
}

TEST(KitMap, HalvesComputeInF32) {
  const std::vector<uint16_t> x = {0x3c00, 0x7bff, 0x0001};  // 1, 65504, 2^-24
  std::vector<uint16_t> y(3);
  Program p;
  const uint32_t a = p.Add(SY_OP_CAST, SY_T_F32, p.Input(0, SY_T_F16));
  p.outputs = {p.Add(SY_OP_CAST, SY_T_F16, p.Add(SY_OP_ADD, SY_T_F32, a, a))};
  EXPECT_EQ(Call(sy_kit_map, {View(x.data(), SY_T_F16, {3})}, {View(y.data(), SY_T_F16, {3})}, &p),
            SY_OK);
  EXPECT_EQ(y, (std::vector<uint16_t>{0x4000, 0x7c00, 0x0002}));
}

TEST(KitMap, RefusesBrokenPrograms) {
  const float x = 1;
  float y = 7;
  auto run = [&](int op, int type, uint32_t a, uint64_t imm) {
    Program p;
    p.Input(0, SY_T_F32);
    p.outputs = {p.Add(op, type, a, 0, 0, imm)};
    return Call(sy_kit_map, {View(&x, SY_T_F32, {1})}, {View(&y, SY_T_F32, {1})}, &p);
  };
  EXPECT_EQ(run(SY_OP_ADD, SY_T_F32, 1, 0), SY_INVALID_ARGUMENT);    // its own value
  EXPECT_EQ(run(SY_OP_INPUT, SY_T_F32, 0, 1), SY_INVALID_ARGUMENT);  // no such input
  EXPECT_EQ(run(SY_OP_INPUT, SY_T_I32, 0, 0), SY_INVALID_ARGUMENT);  // another type
  EXPECT_EQ(run(SY_OP_CONST, SY_T_F32, 0, 0), SY_INVALID_ARGUMENT);  // no such constant
  EXPECT_EQ(run(SY_OP_INDEX, SY_T_I64, 0, 1), SY_INVALID_ARGUMENT);  // no such axis
  EXPECT_EQ(run(SY_OP_NEG, 14, 0, 0), SY_INVALID_ARGUMENT);          // no such type
  EXPECT_EQ(run(95, SY_T_F32, 0, 0), SY_UNIMPLEMENTED);
  EXPECT_EQ(run(SY_OP_AND, SY_T_F32, 0, 0), SY_UNIMPLEMENTED);
  EXPECT_EQ(y, 7);
}

// ---------------------------------------------------------------------------------------------------
// reduce, scan, row

Program Identity(int type) {
  Program p;
  p.outputs = {p.Input(0, type)};
  return p;
}

template <typename T, typename R = T>
std::vector<R> Reduce(const std::vector<T>& x, const Dims& shape, int64_t combiner, int64_t axes,
                      std::vector<int64_t>* where = nullptr) {
  Dims out = shape;
  int64_t n = 1;
  for (size_t d = 0; d < out.size(); ++d) {
    if (axes >> d & 1) out[d] = 1;
    n *= out[d];
  }
  std::vector<R> y(static_cast<size_t>(n));
  const SyReduceAttrs attrs = {combiner, axes};
  Program p = Identity(kTypeOf<T>);
  std::vector<SyView> outs = {View(y.data(), kTypeOf<R>, out)};
  if (where) {
    where->resize(static_cast<size_t>(n));
    outs.push_back(View(where->data(), SY_T_I64, out));
  }
  EXPECT_EQ(Call(sy_kit_reduce, {View(x.data(), kTypeOf<T>, shape)}, outs, &p, &attrs), SY_OK)
      << last_text;
  return y;
}

TEST(KitReduce, AnyAxesMatchCounting) {
  const Dims shape = {3, 5, 4, 2};
  std::vector<int32_t> x(120);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int32_t>(i * i % 71) - 20;
  for (int64_t axes = 0; axes < 16; ++axes) {
    const std::vector<int32_t> sum = Reduce(x, shape, SY_COMBINE_SUM, axes),
                               most = Reduce(x, shape, SY_COMBINE_MAX, axes);
    std::vector<int32_t> want(sum.size()), want_most(sum.size(), kLow<int32_t>);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t at[4] = {i / 40, i / 8 % 5, i / 2 % 4, i % 2};
      size_t to = 0;
      for (int d = 0; d < 4; ++d)
        if (!(axes >> d & 1)) to = to * static_cast<size_t>(shape[static_cast<size_t>(d)]) + at[d];
      want[to] += x[i];
      want_most[to] = std::max(want_most[to], x[i]);
    }
    EXPECT_EQ(sum, want) << axes;
    EXPECT_EQ(most, want_most) << axes;
  }
}

TEST(KitReduce, Combiners) {
  EXPECT_EQ(Reduce<int64_t>({2, 3, 4}, {3}, SY_COMBINE_PROD, 1)[0], 24);
  EXPECT_EQ(Reduce<int32_t>({6, 3}, {2}, SY_COMBINE_AND, 1)[0], 2);
  EXPECT_EQ(Reduce<int32_t>({6, 3}, {2}, SY_COMBINE_OR, 1)[0], 7);
  EXPECT_EQ(Reduce<uint32_t>({6, 3}, {2}, SY_COMBINE_MIN, 1)[0], 3u);
  EXPECT_EQ(Reduce<double>({0.5, -0.25}, {2}, SY_COMBINE_PROD, 1)[0], -0.125);
  EXPECT_TRUE(std::isnan(Reduce<float>({1, kNanF, 2}, {3}, SY_COMBINE_MAX, 1)[0]));
  EXPECT_EQ(Reduce<int32_t>({kHigh<int32_t>, 1}, {2}, SY_COMBINE_SUM, 1)[0], kLow<int32_t>);
  EXPECT_EQ((Reduce<int32_t, int8_t>({100, 100}, {2}, SY_COMBINE_SUM, 1)[0]), int8_t(-56));
}

TEST(KitReduce, EmptyAxisGivesTheIdentity) {
  EXPECT_EQ(Reduce<float>({}, {2, 0}, SY_COMBINE_SUM, 2), (std::vector<float>{0, 0}));
  EXPECT_EQ(Reduce<int64_t>({}, {0}, SY_COMBINE_PROD, 1)[0], 1);
  EXPECT_EQ(Reduce<int32_t>({}, {0}, SY_COMBINE_AND, 1)[0], -1);
  EXPECT_EQ(Reduce<float>({}, {0}, SY_COMBINE_MAX, 1)[0], -kInfF);
  EXPECT_EQ(Reduce<int64_t>({}, {0}, SY_COMBINE_MIN, 1)[0], kHigh<int64_t>);
  EXPECT_EQ(Reduce<uint64_t>({}, {0}, SY_COMBINE_MIN, 1)[0], kHigh<uint64_t>);
  EXPECT_EQ(Reduce<float>({}, {0, 3}, SY_COMBINE_SUM, 2).size(), 0u);
}

TEST(KitReduce, ArgTakesTheFirstAndNaNWins) {
  std::vector<int64_t> where;
  EXPECT_EQ(Reduce<float>({1, 5, 5, 2}, {4}, SY_COMBINE_ARGMAX, 1, &where)[0], 5);
  EXPECT_EQ(where[0], 1);
  EXPECT_TRUE(
      std::isnan(Reduce<float>({1, kNanF, 9, kNanF}, {4}, SY_COMBINE_ARGMAX, 1, &where)[0]));
  EXPECT_EQ(where[0], 1);
  EXPECT_TRUE(std::isnan(Reduce<float>({1, 9, kNanF}, {3}, SY_COMBINE_ARGMIN, 1, &where)[0]));
  EXPECT_EQ(where[0], 2);
  EXPECT_EQ(Reduce<float>({-kInfF, -kInfF}, {2}, SY_COMBINE_ARGMAX, 1, &where)[0], -kInfF);
  EXPECT_EQ(where[0], 0);
  Reduce<uint64_t>({1, kHigh<uint64_t>, 0}, {3}, SY_COMBINE_ARGMIN, 1, &where);
  EXPECT_EQ(where[0], 2);
  // Index in C order of the reduced axes 0 and 2 of [2, 2, 3].
  const std::vector<int32_t> x = {0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, 8};
  EXPECT_EQ(Reduce(x, {2, 2, 3}, SY_COMBINE_ARGMAX, 5, &where), (std::vector<int32_t>{7, 9}));
  EXPECT_EQ(where, (std::vector<int64_t>{4, 0}));
}

TEST(KitReduce, FloatSumsArePairwise) {
  const size_t n = 1 << 20;
  const std::vector<float> tenth(n, 0.1f);
  const float sum = Reduce(tenth, {int64_t(n)}, SY_COMBINE_SUM, 1)[0];
  EXPECT_NEAR(sum / (static_cast<double>(0.1f) * static_cast<double>(n)), 1,
              3e-6);  // a plain loop is 1e-3 off
  // Rows of one content give one result, wherever the tiles end.
  std::vector<float> rows(777 * 3);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = std::sin(static_cast<float>(i % 777));
  const std::vector<float> sums = Reduce(rows, {3, 777}, SY_COMBINE_SUM, 2);
  EXPECT_EQ(sums[0], sums[1]);
  EXPECT_EQ(sums[0], sums[2]);
}

TEST(KitReduce, OverlappingWindowsAndIndex) {
  const std::vector<float> x = {1, 2, 3, 4, 5};
  std::vector<float> y(3);
  const SyReduceAttrs attrs = {SY_COMBINE_SUM, 2};
  Program p;
  const uint32_t a = p.Input(0, SY_T_F32), j = p.Add(SY_OP_INDEX, SY_T_I64, 0, 0, 0, 1);
  p.outputs = {p.Add(SY_OP_MUL, SY_T_F32, a, p.Add(SY_OP_CAST, SY_T_F32, j))};
  ASSERT_EQ(Call(sy_kit_reduce, {View(x.data(), SY_T_F32, {3, 3}, {1, 1})},
                 {View(y.data(), SY_T_F32, {3, 1})}, &p, &attrs),
            SY_OK);
  EXPECT_EQ(y, (std::vector<float>{8, 11, 14}));
}

template <typename T>
std::vector<T> Scan(const std::vector<T>& x, const Dims& shape, SyScanAttrs attrs,
                    std::vector<int64_t>* where = nullptr) {
  std::vector<T> y(x.size());
  Program p = Identity(kTypeOf<T>);
  std::vector<SyView> outs = {View(y.data(), kTypeOf<T>, shape)};
  if (where) {
    where->resize(x.size());
    outs.push_back(View(where->data(), SY_T_I64, shape));
  }
  EXPECT_EQ(Call(sy_kit_scan, {View(x.data(), kTypeOf<T>, shape)}, outs, &p, &attrs), SY_OK)
      << last_text;
  return y;
}

TEST(KitScan, DirectionsAndAxes) {
  using V = std::vector<int32_t>;
  EXPECT_EQ(Scan<int32_t>({1, 2, 3, 4}, {4}, {0, SY_COMBINE_SUM, 0, 0}), (V{1, 3, 6, 10}));
  EXPECT_EQ(Scan<int32_t>({1, 2, 3, 4}, {4}, {0, SY_COMBINE_SUM, 1, 0}), (V{0, 1, 3, 6}));
  EXPECT_EQ(Scan<int32_t>({1, 2, 3, 4}, {4}, {0, SY_COMBINE_SUM, 0, 1}), (V{10, 9, 7, 4}));
  EXPECT_EQ(Scan<int32_t>({1, 2, 3, 4}, {4}, {0, SY_COMBINE_PROD, 1, 1}), (V{24, 12, 4, 1}));
  EXPECT_EQ(Scan<int32_t>({1, 2, 3, 4, 5, 6}, {3, 2}, {0, SY_COMBINE_SUM, 0, 0}),
            (V{1, 2, 4, 6, 9, 12}));
  EXPECT_EQ(Scan<int32_t>({1, 2, 3, 4, 5, 6}, {3, 2}, {1, SY_COMBINE_MAX, 0, 1}),
            (V{2, 2, 4, 4, 6, 6}));
  EXPECT_EQ(Scan<int32_t>({3, 1, 2}, {3}, {0, SY_COMBINE_MIN, 0, 0}), (V{3, 1, 1}));
  std::vector<int64_t> where;
  EXPECT_EQ(Scan<int32_t>({1, 3, 3, 2, 5}, {5}, {0, SY_COMBINE_ARGMAX, 0, 0}, &where),
            (V{1, 3, 3, 3, 5}));
  EXPECT_EQ(where, (std::vector<int64_t>{0, 1, 1, 1, 4}));
  EXPECT_EQ(Scan<int32_t>({1, 3, 3, 2}, {4}, {0, SY_COMBINE_ARGMAX, 0, 1}, &where),
            (V{3, 3, 3, 2}));
  EXPECT_EQ(where, (std::vector<int64_t>{2, 2, 2, 3}));
  EXPECT_TRUE(Scan<float>({}, {0}, {0, SY_COMBINE_SUM, 0, 0}).empty());
}

TEST(KitScan, LongerThanATile) {
  std::vector<int64_t> x(3 * 1000, 1);
  const std::vector<int64_t> y = Scan(x, {3, 1000}, {1, SY_COMBINE_SUM, 0, 0});
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], static_cast<int64_t>(i % 1000 + 1));
}

TEST(KitScan, OfAConstant) {
  std::vector<float> y(600);
  const SyScanAttrs attrs = {0, SY_COMBINE_SUM, 0, 0};
  Program p;
  p.outputs = {p.Const(SY_T_F32, 0x3f800000)};
  ASSERT_EQ(Call(sy_kit_scan, {}, {View(y.data(), SY_T_F32, {600})}, &p, &attrs), SY_OK);
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], static_cast<float>(i + 1));
}

TEST(KitRow, Softmax) {
  const int64_t rows = 3, n = 1000;
  std::vector<float> x(static_cast<size_t>(rows * n)), y(x.size()), sums(rows);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i));
  Program p;
  const uint32_t a = p.Input(0, SY_T_F32), top = p.Add(SY_OP_ROW_MAX, SY_T_F32, a);
  const uint32_t e = p.Add(SY_OP_EXP, SY_T_F32, p.Add(SY_OP_SUB, SY_T_F32, a, top)),
                 sum = p.Add(SY_OP_ROW_SUM, SY_T_F32, e);
  p.outputs = {p.Add(SY_OP_DIV, SY_T_F32, e, sum), sum};
  ASSERT_EQ(Call(sy_kit_row, {View(x.data(), SY_T_F32, {rows, n})},
                 {View(y.data(), SY_T_F32, {rows, n}), View(sums.data(), SY_T_F32, {rows, 1})}, &p),
            SY_OK);
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = &x[static_cast<size_t>(r * n)];
    double want = 0, most = *std::max_element(row, row + n);
    for (int64_t i = 0; i < n; ++i) want += std::exp(row[i] - most);
    EXPECT_NEAR(sums[static_cast<size_t>(r)], want, 1e-3);
    for (int64_t i = 0; i < n; ++i)
      ASSERT_NEAR(y[static_cast<size_t>(r * n + i)], std::exp(row[i] - most) / want, 1e-8);
  }
}

// ---------------------------------------------------------------------------------------------------
// Movement and matmul

TEST(KitCopy, Strides) {
  std::vector<uint16_t> x(24), y(24);
  std::iota(x.begin(), x.end(), uint16_t{0});
  ASSERT_EQ(Call(sy_kit_copy, {View(x.data(), SY_T_BF16, {4, 6}, {1, 4})},
                 {View(y.data(), SY_T_BF16, {4, 6}, {6, -1}, 5)}),
            SY_OK);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 6; ++j) EXPECT_EQ(y[static_cast<size_t>(i * 6 + 5 - j)], i + 4 * j);
}

TEST(KitGather, NegativeAndBadIndices) {
  const std::vector<float> x = {0, 1, 2, 10, 11, 12};
  const std::vector<int64_t> index = {2, -1, 0, 3, -3, -4};
  std::vector<float> y(6, 5);
  SyStatusWord word{};
  const SyAxisAttrs attrs = {1};
  ASSERT_EQ(
      Call(sy_kit_gather, {View(x.data(), SY_T_F32, {2, 3}), View(index.data(), SY_T_I64, {2, 3})},
           {View(y.data(), SY_T_F32, {2, 3})}, nullptr, &attrs, &word),
      SY_OK);
  EXPECT_EQ(y, (std::vector<float>{2, 2, 0, 0, 10, 0}));
  EXPECT_EQ(word.code, SY_OUT_OF_RANGE);
  EXPECT_EQ(word.op, 7);
  EXPECT_EQ(word.position, 3);  // the first bad one
  EXPECT_EQ(word.value, 3);
  EXPECT_EQ(word.limit, 3);
  const SyAxisAttrs bad = {2};
  EXPECT_EQ(
      Call(sy_kit_gather, {View(x.data(), SY_T_F32, {2, 3}), View(index.data(), SY_T_I64, {2, 3})},
           {View(y.data(), SY_T_F32, {2, 3})}, nullptr, &bad, &word),
      SY_INVALID_ARGUMENT);
}

template <typename T>
std::vector<T> Scatter(std::vector<T> base, const std::vector<int64_t>& index,
                       const std::vector<T>& source, int64_t mode, SyStatusWord* word = nullptr) {
  const SyScatterAttrs attrs = {0, mode};
  const int64_t n = static_cast<int64_t>(index.size());
  EXPECT_EQ(Call(sy_kit_scatter,
                 {View(index.data(), SY_T_I64, {n}), View(source.data(), kTypeOf<T>, {n})},
                 {View(base.data(), kTypeOf<T>, {static_cast<int64_t>(base.size())})}, nullptr,
                 &attrs, word),
            SY_OK);
  return base;
}

TEST(KitScatter, Modes) {
  using V = std::vector<int32_t>;
  EXPECT_EQ(Scatter<int32_t>({1, 2, 3}, {0, 0, -1}, {7, 8, 9}, SY_SCATTER_SET), (V{8, 2, 9}));
  EXPECT_EQ(Scatter<int32_t>({1, 2, 3}, {0, 0, 2}, {7, 8, 9}, SY_SCATTER_ADD), (V{16, 2, 12}));
  EXPECT_EQ(Scatter<int32_t>({1, 2, 3}, {0, 0, 2}, {7, 8, 9}, SY_SCATTER_MUL), (V{56, 2, 27}));
  EXPECT_EQ(Scatter<int32_t>({1, 2, 3}, {0, 1}, {-7, 8}, SY_SCATTER_MIN), (V{-7, 2, 3}));
  EXPECT_EQ(Scatter<int32_t>({1, 2, 3}, {0, 1}, {-7, 8}, SY_SCATTER_MAX), (V{1, 8, 3}));
  EXPECT_EQ(Scatter<int32_t>({kHigh<int32_t>}, {0}, {1}, SY_SCATTER_ADD), (V{kLow<int32_t>}));
  SyStatusWord word{};
  EXPECT_EQ(Scatter<int32_t>({1, 2}, {5, 0}, {7, 8}, SY_SCATTER_SET, &word), (V{8, 2}));
  EXPECT_EQ(word.position, 0);
  EXPECT_EQ(word.value, 5);
}

TEST(KitScatter, HalvesAddInF32) {
  uint16_t base = 0x3c00;  // 1
  const std::vector<int64_t> index = {0, 0};
  const std::vector<uint16_t> source = {0x3c00, 0x3c00};
  const SyScatterAttrs attrs = {0, SY_SCATTER_ADD};
  ASSERT_EQ(
      Call(sy_kit_scatter, {View(index.data(), SY_T_I64, {2}), View(source.data(), SY_T_F16, {2})},
           {View(&base, SY_T_F16, {1})}, nullptr, &attrs),
      SY_OK);
  EXPECT_EQ(base, 0x4200);  // 3
}

template <typename T>
void MatmulCase(int64_t m, int64_t n, int64_t k) {
  std::vector<T> a(static_cast<size_t>(2 * m * k)), b(static_cast<size_t>(k * n)),
      y(static_cast<size_t>(2 * m * n), T(-1));
  for (size_t i = 0; i < a.size(); ++i) a[i] = T(int(i * 7 % 11) - 5);
  for (size_t i = 0; i < b.size(); ++i) b[i] = T(int(i * 5 % 13) - 6);
  // a is stored transposed; b is broadcast over the batch.
  ASSERT_EQ(Call(sy_kit_matmul,
                 {View(a.data(), kTypeOf<T>, {2, m, k}, {m * k, 1, m}),
                  View(b.data(), kTypeOf<T>, {2, k, n}, {0, n, 1})},
                 {View(y.data(), kTypeOf<T>, {2, m, n})}),
            SY_OK);
  for (int64_t q = 0; q < 2; ++q)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T want = 0;
        for (int64_t p = 0; p < k; ++p)
          want += a[static_cast<size_t>(q * m * k + p * m + i)] * b[static_cast<size_t>(p * n + j)];
        ASSERT_EQ(y[static_cast<size_t>((q * m + i) * n + j)], want) << m << " " << n << " " << k;
      }
}

TEST(KitMatmul, ShapesAndTypes) {
  for (int64_t m : {1, 8, 9})
    for (int64_t n : {1, 16, 17, 64, 70})
      for (int64_t k : {0, 1, 33}) {
        MatmulCase<float>(m, n, k);
        MatmulCase<double>(m, n, k);
        MatmulCase<int32_t>(m, n, k);
        MatmulCase<int8_t>(m, n, k);
      }
}

TEST(KitMatmul, HalvesAccumulateInF32) {
  const std::vector<uint16_t> ones(4096, 0x3c00);
  uint16_t y = 0;
  ASSERT_EQ(Call(sy_kit_matmul,
                 {View(ones.data(), SY_T_F16, {1, 4096}), View(ones.data(), SY_T_F16, {4096, 1})},
                 {View(&y, SY_T_F16, {1, 1})}),
            SY_OK);
  EXPECT_EQ(y, 0x6c00);  // 4096; sums in f16 stop at 2048
}

template <typename T>
std::vector<int64_t> Argsort(const std::vector<T>& x, int64_t descending, std::vector<T>* sorted) {
  std::vector<int64_t> from(x.size());
  sorted->resize(x.size());
  const SySortAttrs attrs = {0, descending};
  const int64_t n = static_cast<int64_t>(x.size());
  EXPECT_EQ(Call(sy_kit_sort, {View(x.data(), kTypeOf<T>, {n})},
                 {View(sorted->data(), kTypeOf<T>, {n}), View(from.data(), SY_T_I64, {n})}, nullptr,
                 &attrs),
            SY_OK);
  return from;
}

TEST(KitSort, StableWithNaNLast) {
  using I = std::vector<int64_t>;
  std::vector<float> y;
  const std::vector<float> x = {2, kNanF, -kInfF, 2, 0, -0.f, kInfF, -1};
  EXPECT_EQ(Argsort(x, 0, &y), (I{2, 7, 4, 5, 0, 3, 6, 1}));
  EXPECT_TRUE(std::isnan(y.back()));
  EXPECT_EQ(Argsort(x, 1, &y), (I{6, 0, 3, 4, 5, 7, 2, 1}));
  EXPECT_EQ(y[0], kInfF);
  std::vector<int64_t> z;
  EXPECT_EQ(Argsort<int64_t>({0, kHigh<int64_t>, kLow<int64_t>, -1}, 0, &z), (I{2, 3, 0, 1}));
  std::vector<uint64_t> w;
  EXPECT_EQ(Argsort<uint64_t>({0, kHigh<uint64_t>, 1}, 1, &w), (I{1, 2, 0}));
}

TEST(KitSort, LongLinesAlongAnyAxis) {
  std::vector<int32_t> x(3 * 1000), y(x.size());
  uint32_t state = 9;
  for (int32_t& v : x) v = static_cast<int32_t>((state = state * 1664525 + 1013904223) >> 20);
  const SySortAttrs attrs = {0, 0};
  ASSERT_EQ(Call(sy_kit_sort, {View(x.data(), SY_T_I32, {1000, 3})},
                 {View(y.data(), SY_T_I32, {1000, 3})}, nullptr, &attrs),
            SY_OK);
  for (size_t c = 0; c < 3; ++c) {
    std::vector<int32_t> want, got;
    for (size_t r = 0; r < 1000; ++r) {
      want.push_back(x[r * 3 + c]);
      got.push_back(y[r * 3 + c]);
    }
    std::sort(want.begin(), want.end());
    EXPECT_EQ(got, want);
  }
}

// ---------------------------------------------------------------------------------------------------
// What is for the plugin's tables

TEST(KitTables, CoreKernels) {
  static const SyKernel kernels[] = {SY_KIT_CORE_KERNELS};
  EXPECT_EQ(SY_COUNT(kernels), 9);
  for (const SyKernel& k : kernels) EXPECT_TRUE(k.op && k.run && k.accepts == SY_ACCEPTS_ALL);
}

TEST(KitTables, NeedsNamesBothVersions) {
  EXPECT_TRUE(SY_KIT_NEEDS(&kHost, "mychip", host_alloc, 0, 1));
  SyHost old = kHost;
  old.size = 64;
  EXPECT_FALSE(SY_KIT_NEEDS(&old, "mychip", device_extension, 0, 9));
  EXPECT_EQ(last_text,
            "mychip: needs SyHost.device_extension of ABI 0.9, this library speaks 0.1; update the "
            "library");
}

SyStatus Guarded(const SyHost* host, int what){SY_GUARD(host,
                                                        {
                                                          if (what == 1) throw std::bad_alloc();
                                                          if (what == 2)
                                                            throw std::runtime_error("broken");
                                                          if (what == 3) throw 3;
                                                          return SY_OK;
                                                        })}

TEST(KitTables, GuardTurnsExceptionsIntoCodes) {
  EXPECT_EQ(Guarded(&kHost, 0), SY_OK);
  EXPECT_EQ(Guarded(&kHost, 1), SY_RESOURCE_EXHAUSTED);
  EXPECT_EQ(Guarded(&kHost, 2), SY_INTERNAL);
  EXPECT_EQ(last_text, "broken");
  EXPECT_EQ(Guarded(&kHost, 3), SY_INTERNAL);
}

}  // namespace
