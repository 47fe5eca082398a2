#include "conform/accuracy.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
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

// The bit pattern of input i. Every input once where there are as many as patterns; else spread by
// a step that is odd, so that low bits vary too.
uint64_t PatternOf(const Sweep& s, uint64_t i) {
  const int bits = 8 * Info(s.dtype).size;
  if (!s.inputs) return i;
  const uint64_t step =
      bits == 64 ? (~uint64_t{0} / s.inputs) | 1 : ((uint64_t{1} << bits) / s.inputs) | 1;
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return i * step & mask;
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
      ulps = static_cast<double>(std::fabs(got - want) / UlpOf(type, want));
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
  if (b.ulps > a->ulps || (b.ulps == a->ulps && b.input < a->input)) {
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
  const int bits = 8 * Info(s.dtype).size;
  const uint64_t all = bits >= 64 ? ~uint64_t{0} : uint64_t{1} << bits;
  if (!s.inputs && bits == 64)
    throw Error(SY_INVALID_ARGUMENT, "f64 has too many inputs for all of them; give a number");
  return s.inputs ? std::min(s.inputs, all) : all;
}

int PartsOf(const Sweep& s) { return static_cast<int>((InputsOf(s) + kPart - 1) / kPart); }

Accuracy Measure(const Sweep& sweep, const SyDevice* device, const Accuracy& from, int done,
                 const std::function<void(const Accuracy&, int done)>& save) {
  const Case* c = CaseOf(sweep.op);
  if (!c) throw Error(SY_NOT_FOUND, "no function of one number is called " + sweep.op);
  Sweep s = sweep;
  const uint64_t all = InputsOf(s);
  if (s.inputs >= all) s.inputs = 0;  // every one, once
  const int threads = s.threads > 0
                          ? s.threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  Accuracy total = from;
  for (int part = done; part < PartsOf(s); ++part) {
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
          const Accuracy a = Block(s, *c, device, at, std::min(kBlock, end - at));
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
