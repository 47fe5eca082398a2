// `sy conform accuracy`: how exact a device's functions are, over some or all inputs.
#include "conform/accuracy.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "command.h"
#include "conform/worker.h"
#include "switchyard/tensor.h"

namespace sy::tool {
namespace {

using conform::Accuracy;
using conform::Sweep;

struct Options {
  conform::Plan plan;  // which devices
  std::vector<std::string> ops = {"*"};
  std::string dtype = "f32", inputs = "1048576", state, markdown;
  double limit = 0;
  int threads = 0;
};

// The parts that are done, by device, op, dtype and inputs: a file that an interrupted run goes on
// from.
class State {
 public:
  explicit State(std::string file) : file_(std::move(file)) {
    if (file_.empty()) return;
    std::ifstream in(file_);
    if (in) json_ = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    if (!json_.is_object()) json_ = nlohmann::json::object();
  }
  std::pair<Accuracy, int> Get(const std::string& key) const {
    const auto at = json_.find(key);
    if (at == json_.end()) return {};
    return {conform::AccuracyOf(*at), at->value("parts", 0)};
  }
  void Put(const std::string& key, const Accuracy& a, int parts) {
    if (file_.empty()) return;
    json_[key] = conform::JsonOf(a);
    json_[key]["parts"] = parts;
    const std::string fresh = file_ + ".new";
    std::ofstream(fresh) << json_.dump(1) << "\n";
    if (std::rename(fresh.c_str(), file_.c_str())) throw Error(SY_UNKNOWN, "cannot write " + file_);
  }

 private:
  std::string file_;
  nlohmann::json json_ = nlohmann::json::object();
};

std::string Cell(const Accuracy& a) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f%s", a.ulps, a.special ? " !" : "");
  return text;
}

using Found = std::map<std::string, std::map<std::string, Accuracy>>;  // by op and device

// A table: of one device with the worst inputs, of several side by side.
std::string Markdown(const Sweep& sweep, const std::vector<std::string>& devices,
                     const Found& found) {
  const bool one = devices.size() == 1;
  std::string text = std::string("| ") + conform::Info(sweep.dtype).name + " |", line = "\n|---|";
  for (const std::string& name : devices) {
    text += " " + name + " |";
    line += "---|";
  }
  text += (one ? " input | got | right |" : "") + line + (one ? "---|---|---|" : "");
  for (const auto& [op, row] : found) {
    text += "\n| `" + op + "` |";
    for (const std::string& name : devices) text += " " + Cell(row.at(name)) + " |";
    if (!one) continue;
    const Accuracy& a = row.at(devices[0]);
    char numbers[128];
    std::snprintf(numbers, sizeof numbers, " | %.9Lg | %.12Lg |", a.got, a.want);
    text += " " + conform::InputText(sweep.dtype, a.input) + numbers;
  }
  return text + "\n";
}

int Measure(const Options& o) {
  Sweep sweep;
  sweep.dtype = conform::DtypeByName(o.dtype);
  if (!sweep.dtype || !conform::IsFloat(sweep.dtype))
    return Fail("--dtype " + o.dtype + "; want f64, f32, f16 or bf16");
  char* end = nullptr;
  sweep.inputs = o.inputs == "all" ? 0 : std::strtoull(o.inputs.c_str(), &end, 10);
  if (o.inputs != "all" && (*end || sweep.inputs == 0))
    return Fail("--inputs " + o.inputs + "; want a number or all");
  sweep.threads = o.threads;
  std::vector<std::string> ops;
  for (const std::string& op : conform::AccuracyOps())
    if (std::any_of(o.ops.begin(), o.ops.end(), [&](const std::string& pattern) {
          return conform::Matches(pattern.c_str(), op.c_str());
        }))
      ops.push_back(op);
  if (ops.empty()) return Fail("no function of one number matches --op");
  if (sy_option_set("fallback", "error")) return Fail(sy_last_message());

  State state(o.state);
  Found found;
  bool over = false;
  const std::vector<std::string> devices = conform::DevicesOf(o.plan);
  for (const std::string& name : devices) {
    const SyDevice* device = nullptr;
    if (sy_device_find(name.c_str(), &device)) return Fail(sy_last_message());
    for (const std::string& op : ops) {
      sweep.op = op;
      std::string key = name;
      key.append(" ").append(op).append(" ").append(o.dtype).append(" ").append(o.inputs);
      const auto [from, done] = state.Get(key);
      const int parts = conform::PartsOf(sweep);
      const Accuracy a =
          conform::Measure(sweep, device, from, done, [&](const Accuracy& so_far, int part) {
            state.Put(key, so_far, part);
            if (IsTerminal())
              std::fprintf(stderr, "\r\033[K%s %s: %d of %d, %.3f", name.c_str(), op.c_str(), part,
                           parts, so_far.ulps);
          });
      if (IsTerminal()) std::fprintf(stderr, "\r\033[K");
      found[op][name] = a;
      over = over || a.special || (o.limit > 0 && a.ulps > o.limit);
      std::printf("%s %s %s: %.3f ulp at %s, got %.9Lg, want %.12Lg; %llu inputs", name.c_str(),
                  op.c_str(), o.dtype.c_str(), a.ulps,
                  conform::InputText(sweep.dtype, a.input).c_str(), a.got, a.want,
                  static_cast<unsigned long long>(a.inputs));
      if (a.special)
        std::printf(
            "; %llu of them NaN or infinite where they should not be, or not where they "
            "should, the first %s",
            static_cast<unsigned long long>(a.special),
            conform::InputText(sweep.dtype, a.special_input).c_str());
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  if (!o.markdown.empty() && !(std::ofstream(o.markdown) << Markdown(sweep, devices, found)))
    return Fail("cannot write " + o.markdown);
  return over;
}

}  // namespace

void AddAccuracy(CLI::App* conform, Context* context) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = conform->add_subcommand(
      "accuracy",
      "The largest errors of a device's functions of one number, in units in the last place; exit "
      "code 1: one is over --limit, or NaN or infinite where it should not be");
  verb->add_option("plugin", o->plan.plugin, "A plugin's library to load; its devices are meant");
  verb->add_option("--device", o->plan.devices,
                   "Devices: A,B,... Without it the plugin's, or all there are")
      ->delimiter(',');
  verb->add_option("--op", o->ops, "Functions whose names match: A,B,...")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("--dtype", o->dtype, "f64, f32, f16 or bf16")->capture_default_str();
  verb->add_option("--inputs", o->inputs,
                   "How many, spread over all bit patterns; all: every one of them")
      ->capture_default_str();
  verb->add_option("--limit", o->limit, "The largest error that is allowed");
  verb->add_option("--state", o->state, "File to go on from after an interruption");
  verb->add_option("--markdown", o->markdown, "Write the table here");
  verb->add_option("--threads", o->threads, "Threads; default: one for each core");
  verb->callback([context, o] { context->run = [o] { return Measure(*o); }; });
}

}  // namespace sy::tool
