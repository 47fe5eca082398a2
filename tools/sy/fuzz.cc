// `sy conform fuzz`: random programs on each device, judged by the oracle.
#include "conform/fuzz.h"

#include <cstdio>
#include <fstream>

#include "command.h"
#include "conform/worker.h"

namespace sy::tool {
namespace {

using conform::Drawn;
using conform::Fault;
using conform::Program;

struct Options {
  conform::Plan plan;
  uint64_t seed = 1;
  size_t programs = 200, nodes = 40;
  std::string program, save;
};

void PrintFault(const Program& p, const Fault& fault) {
  for (size_t n = 0; n <= fault.node; ++n) std::printf("    %s\n", TextOf(p, n).c_str());
  std::printf("  %s\n", fault.reason.c_str());
}

// Makes the program smaller, prints it and saves it.
void Tell(const Options& o, const std::string& device, const Program& program, const Fault& fault,
          const SyDevice* under_test, const SyDevice* oracle) {
  const Program small = Shrink(program, fault, under_test, oracle);
  const Fault last = RunProgram(small, BoundsOf(small, oracle), under_test);
  PrintFault(small, last.reason.empty() ? fault : last);
  std::printf("%s", CppOf(small, DrawLeaves(small), device).c_str());
  if (o.save.empty()) return;
  std::ofstream(o.save) << JsonOf(small).dump(1) << "\n";
  std::printf("again: sy conform fuzz --device %s --program %s\n", device.c_str(), o.save.c_str());
}

int Fuzz(const Options& o) {
  if (o.nodes < 3) return Fail("--nodes " + std::to_string(o.nodes) + "; want 3 or more");
  if (sy_option_set("fallback", "error")) return Fail(sy_last_message());
  size_t failed = 0;
  for (const std::string& name : conform::DevicesOf(o.plan)) {
    const conform::Subject subject = conform::OpenSubject(name, 0);
    const SyDevice* oracle = nullptr;
    if (sy_device_find("oracle:1", &oracle)) return Fail(sy_last_message());
    if (!o.program.empty()) {
      std::ifstream in(o.program);
      if (!in) return Fail("cannot read " + o.program);
      const Program p = conform::ProgramOf(nlohmann::json::parse(in, nullptr, false));
      if (p.nodes.empty()) return Fail(o.program + " has no nodes");
      const Fault fault = RunProgram(p, BoundsOf(p, oracle), subject.device());
      if (!fault.reason.empty()) {
        ++failed;
        PrintFault(p, fault);
      }
      std::printf("%s: %s\n", name.c_str(), fault.reason.empty() ? "right" : "wrong");
      continue;
    }
    size_t wrong = 0, ops = 0;
    for (uint64_t seed = o.seed; seed < o.seed + o.programs; ++seed) {
      if (IsTerminal())
        std::fprintf(stderr, "\r\033[K%s: seed %llu, %zu wrong", name.c_str(),
                     static_cast<unsigned long long>(seed), wrong);
      const Drawn drawn = conform::DrawProgram(seed, o.nodes, oracle);
      if (drawn.program.nodes.empty()) continue;
      ops += drawn.program.nodes.size();
      const Fault fault = RunProgram(drawn.program, drawn.bounds, subject.device());
      if (fault.reason.empty()) continue;
      if (IsTerminal()) std::fprintf(stderr, "\r\033[K");
      std::printf("%s, seed %llu: wrong after %zu ops, made smaller:\n", name.c_str(),
                  static_cast<unsigned long long>(seed), fault.node + 1);
      Tell(o, name, drawn.program, fault, subject.device(), oracle);
      ++wrong;
    }
    if (IsTerminal()) std::fprintf(stderr, "\r\033[K");
    std::printf("%s: %zu programs of %zu ops in all, %zu wrong\n", name.c_str(), o.programs, ops,
                wrong);
    failed += wrong;
  }
  return failed ? 1 : 0;
}

}  // namespace

void AddFuzz(CLI::App* conform, Context* context) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = conform->add_subcommand(
      "fuzz",
      "Random programs on each device, judged by the oracle; one that is wrong is made "
      "smaller and printed as C++");
  verb->add_option("plugin", o->plan.plugin, "A plugin's library to load; its devices are tested");
  verb->add_option("--device", o->plan.devices, "Devices: A,B,...")->delimiter(',');
  verb->add_option("--programs", o->programs, "How many")->capture_default_str();
  verb->add_option("--seed", o->seed, "Of the first; each has the next one")->capture_default_str();
  verb->add_option("--nodes", o->nodes, "Ops of a program at most")->capture_default_str();
  verb->add_option("--save", o->save, "Write the last wrong program here");
  verb->add_option("--program", o->program, "Run this file of --save instead");
  verb->callback([context, o] { context->run = [o] { return Fuzz(*o); }; });
}

}  // namespace sy::tool
