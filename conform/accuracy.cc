#include "conform/accuracy.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "conform/call.h"
#include "conform/layout.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

constexpr uint64_t kBlock = uint64_t{1} << 18;  // inputs of one call
constexpr uint64_t kPart = uint64_t{1} << 24;   // ... between two saves

const Case* CaseOf(const std::string& op) {
  for (const Case& c : AllCases())
    if (c.op == op && c.inputs.size() == 1 && c.inputs[0].fill == Fill::kRange &&
        !c.inputs[0].dtype && c.attrs.empty())
      return &c;
  return nullptr;
}

// How many patterns there are; of f64, one less.
uint64_t AllOf(SyDtype dtype) {
  const int bits = 8 * Info(dtype).size;
  return bits == 64 ? ~uint64_t{0} : uint64_t{1} << bits;
}

// The bit pattern of input i. Every input once where there are as many as patterns; else spread by
// a step that is odd, so that low bits vary too.
uint64_t PatternOf(const Sweep& s, uint64_t i) {
  const uint64_t all = AllOf(s.dtype), inputs = InputsOf(s);
  if (inputs == all) return i;
  return i * (all / inputs | 1) & (all - (all % 2 == 0));
}

// The number whose unit the error is counted in, as in the oracle's limits.
Real ScaleOf(const Sweep& s, uint64_t bits, Real want) {
  const int opcode = s.op == "lgamma" ? SY_OP_LGAMMA : s.op == "digamma" ? SY_OP_DIGAMMA : 0;
  return opcode ? GammaScale(opcode, DecodeFloat(Info(s.dtype).type, bits), want) : want;
}

void Look(const Sweep& s, uint64_t bits, Real got, Real want, Accuracy* a) {
  ++a->inputs;
  const int type = Info(s.dtype).type;
  const Format& format = FormatOf(type);
  bool special = std::isnan(got) != std::isnan(want);
  double ulps = 0;
  if (!std::isnan(got) && !std::isnan(want)) {
    const bool beyond = std::fabs(want) >= format.overflow;  // rounds to infinity
    if (std::isinf(got))
      special = !beyond || std::signbit(got) != std::signbit(want);
    else if (std::isinf(want))
      special = true;
    else if (got != want)
      ulps = static_cast<double>(std::fabs(got - want) / UlpOf(type, ScaleOf(s, bits, want)));
  }
  if (special && a->special++ == 0) a->special_input = bits;
  if (ulps > a->ulps) {
    a->ulps = ulps;
    a->input = bits;
    a->got = got;
    a->want = want;
  }
}

void Merge(const Accuracy& b, Accuracy* a) {
  if (b.ulps > a->ulps || (b.ulps == a->ulps && b.input && b.input < a->input)) {
    a->ulps = b.ulps;
    a->input = b.input;
    a->got = b.got;
    a->want = b.want;
  }
  if (b.special && (!a->special || b.special_input < a->special_input))
    a->special_input = b.special_input;
  a->inputs += b.inputs;
  a->special += b.special;
}

// Functions in double, a hundred million times as exact as f32: with them most inputs need no look
// in long double.
using Function = double (*)(double);
Function ScreenOf(const Sweep& s) {
  static const auto& functions = *new std::map<std::string, Function>{
      {"acos", std::acos},   {"acosh", std::acosh}, {"asin", std::asin},
      {"asinh", std::asinh}, {"atan", std::atan},   {"atanh", std::atanh},
      {"cos", std::cos},     {"cosh", std::cosh},   {"erf", std::erf},
      {"erfc", std::erfc},   {"exp", std::exp},     {"exp2", std::exp2},
      {"expm1", std::expm1}, {"log", std::log},     {"log10", std::log10},
      {"log1p", std::log1p}, {"log2", std::log2},   {"reciprocal", [](double x) { return 1 / x; }},
      {"sin", std::sin},     {"sinh", std::sinh},   {"sqrt", std::sqrt},
      {"tan", std::tan},     {"tanh", std::tanh}};
  const auto at = functions.find(s.op);
  return s.dtype != SY_F32 || at == functions.end() ? nullptr : at->second;
}

// The distance of f32's neighbours at v, which is finite.
double UlpF32(double v) {
  const uint64_t exponent = std::bit_cast<uint64_t>(v) >> 52 & 0x7ff;
  return std::bit_cast<double>((std::max<uint64_t>(exponent, 1023 - 126) - 23) << 52);
}

// Every one of them reaches errors of half a unit; below this none needs a look.
constexpr double kUninteresting = 0.25;

// `worst`: smaller errors need not be known exactly.
Accuracy ScreenedBlock(const Sweep& s, const Case& c, const SyDevice* device, uint64_t first,
                       uint64_t count, Function screen, double worst) {
  std::vector<uint32_t> bits(count);
  for (uint64_t i = 0; i < count; ++i) bits[i] = static_cast<uint32_t>(PatternOf(s, first + i));
  const auto n = static_cast<int64_t>(count);
  SyTensor* x = nullptr;
  detail::Check(sy_tensor_from_host(bits.data(), &n, 1, s.dtype, sy_device_name(device), &x));
  const Bytes bytes = Download(Call(c, s.dtype, {Tensor::take(x)}, device)[0]);
  Accuracy a;
  a.ulps = worst;
  for (uint64_t i = 0; i < count; ++i) {
    float got;
    std::memcpy(&got, &bytes[4 * i], sizeof got);
    const double want = screen(std::bit_cast<float>(bits[i]));
    const double enough = std::max(a.ulps - 1e-6, kUninteresting);
    if (std::fabs(want) < 0x1p127   ? std::fabs(got - want) < enough * UlpF32(want)
        : std::fabs(want) > 0x1p128 ? got == std::copysign(HUGE_VALF, want)
                                    : std::isnan(want) && std::isnan(got)) {
      ++a.inputs;
      continue;
    }
    Array one(s.dtype, {1});
    one.at[0] = DecodeFloat(Info(s.dtype).type, bits[i]);
    Look(s, bits[i], got, c.reference({one}, s.dtype)[0].at[0], &a);
  }
  return a;
}

Accuracy Block(const Sweep& s, const Case& c, const SyDevice* device, uint64_t first,
               uint64_t count) {
  Case dense = c;
  dense.inputs[0].shape = {static_cast<int64_t>(count)};
  Array in(s.dtype, dense.inputs[0].shape);
  for (uint64_t i = 0; i < count; ++i)
    in.at[i] = DecodeFloat(Info(s.dtype).type, PatternOf(s, first + i));
  const std::vector<Tensor> out =
      Call(dense, s.dtype, {Upload(in, sy_device_name(device))}, device);
  const Bytes bytes = Download(out[0]);
  const Array got = Decode(s.dtype, in.shape, bytes.data()), want = c.reference({in}, s.dtype)[0];
  Accuracy a;
  for (uint64_t i = 0; i < count; ++i) Look(s, PatternOf(s, first + i), got.at[i], want.at[i], &a);
  return a;
}

}  // namespace

std::vector<std::string> AccuracyOps() {
  std::set<std::string> ops;
  for (const Case& c : AllCases())
    if (const Case* with = CaseOf(c.op);
        with && InfoOf(c.op).pointwise &&
        std::count(with->dtypes.begin(), with->dtypes.end(), SyDtype{SY_F32}) &&
        IsFloat(with->reference({Array(SY_F32, {1}, 1)}, SY_F32)[0].dtype))
      ops.insert(c.op);
  return {ops.begin(), ops.end()};
}

nlohmann::json JsonOf(const Accuracy& a) {
  return {{"ulps", a.ulps},
          {"input", a.input},
          {"got", static_cast<double>(a.got)},
          {"want", static_cast<double>(a.want)},
          {"inputs", a.inputs},
          {"special", a.special},
          {"special_input", a.special_input}};
}

Accuracy AccuracyOf(const nlohmann::json& j) {
  Accuracy a;
  a.ulps = j.value("ulps", 0.0);
  a.input = j.value("input", uint64_t{0});
  a.got = j.value("got", 0.0);
  a.want = j.value("want", 0.0);
  a.inputs = j.value("inputs", uint64_t{0});
  a.special = j.value("special", uint64_t{0});
  a.special_input = j.value("special_input", uint64_t{0});
  return a;
}

uint64_t InputsOf(const Sweep& s) {
  const uint64_t all = AllOf(s.dtype);
  if (!s.inputs && s.dtype == SY_F64)
    throw Error(SY_INVALID_ARGUMENT, "f64 has too many inputs for all of them; give a number");
  return s.inputs ? std::min(s.inputs, all) : all;
}

int PartsOf(const Sweep& s) { return static_cast<int>((InputsOf(s) + kPart - 1) / kPart); }

Accuracy Measure(const Sweep& s, const SyDevice* device, const Accuracy& from, int done,
                 const std::function<void(const Accuracy&, int done)>& save) {
  const Case* c = CaseOf(s.op);
  if (!c) throw Error(SY_NOT_FOUND, "no function of one number is called " + s.op);
  const Function screen = ScreenOf(s);
  const uint64_t all = InputsOf(s);
  const int threads = s.threads > 0
                          ? s.threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  Accuracy total = from;
  for (int part = done; part < PartsOf(s); ++part) {
    const double worst = total.ulps;
    const uint64_t first = static_cast<uint64_t>(part) * kPart, end = std::min(all, first + kPart);
    std::atomic<uint64_t> next{first};
    std::mutex mutex;
    std::string trouble;
    SyStatus code = SY_OK;
    auto work = [&] {
      try {
        for (;;) {
          const uint64_t at = next.fetch_add(kBlock);
          if (at >= end) return;
          const uint64_t count = std::min(kBlock, end - at);
          const Accuracy a = screen ? ScreenedBlock(s, *c, device, at, count, screen, worst)
                                    : Block(s, *c, device, at, count);
          const std::lock_guard<std::mutex> lock(mutex);
          Merge(a, &total);
        }
      } catch (const Error& e) {
        const std::lock_guard<std::mutex> lock(mutex);
        trouble = e.what();
        code = e.code();
      }
    };
    std::vector<std::thread> crew;
    for (int i = 1; i < threads; ++i) crew.emplace_back(work);
    work();
    for (std::thread& t : crew) t.join();
    if (code != SY_OK) throw Error(code, trouble);
    save(total, part + 1);
  }
  return total;
}

std::string InputText(SyDtype dtype, uint64_t bits) {
  const DtypeInfo& d = Info(dtype);
  char text[64];
  std::snprintf(text, sizeof text, "0x%0*llx (%.*Lg)", 2 * d.size,
                static_cast<unsigned long long>(bits), d.size == 8 ? 17 : 9,
                DecodeFloat(d.type, bits));
  return text;
}

}  // namespace sy::conform
