// bench: our figures side by side with the peers', as ./dev bench prints them. Each side of a case
// is timed by a process of its own (worker.h); the two take turns, and the best turn of each
// counts.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

#include "bench/cases.h"
#include "bench/process.h"
#include "bench/worker.h"

namespace bench {
namespace {

namespace fs = std::filesystem;

// Seconds (or bytes) of one side, turn by turn.
class Measurer {
 public:
  // `bin`: the folder of what Bazel built; `peers`: that of the installed peers, or "".
  Measurer(fs::path bin, fs::path peers) : bin_(std::move(bin)), peers_(std::move(peers)) {}

  bool Has(const Side& side) const {
    const bool torch = side.program == Program::kTorch || side.program == Program::kEager ||
                       !std::strcmp(side.what, "torch");
    return !torch || !peers_.empty();
  }

  double Turn(const Side& side) {
    switch (side.program) {
      case Program::kLimit:
        return side.work;
      case Program::kSize:
        return StrippedSize(Library(side));
      case Program::kStart:
        return Start(side).first;
      case Program::kResident:
        return Start(side).second;
      default:
        return Ask(side);
    }
  }

  // What each worker so far says that it measures.
  std::vector<std::string> Versions() {
    std::set<std::string> versions;
    for (auto& [key, worker] : workers_) versions.insert(worker->Ask("version"));
    return {versions.begin(), versions.end()};
  }

 private:
  fs::path Library(const Side& side) const {
    return std::strcmp(side.what, "torch") ? bin_ / "dispatcher/libswitchyard.so"
                                           : peers_ / "torch/lib/libtorch_cpu.so";
  }

  double StrippedSize(const fs::path& library) {
    const fs::path stripped = fs::temp_directory_path() / ("bench-" + std::to_string(getpid()));
    Output({"strip", "-o", stripped, library});
    const auto size = static_cast<double>(fs::file_size(stripped));
    fs::remove(stripped);
    return size;
  }

  std::pair<double, double> Start(const Side& side) {
    const std::string text = Output({bin_ / "bench/start", Library(side)});
    double seconds = 0, bytes = 0;
    if (std::sscanf(text.c_str(), "%lf %lf", &seconds, &bytes) != 2)
      throw std::runtime_error("start: " + text);
    return {seconds, bytes};
  }

  fs::path WorkerPath(Program program) const {
    return program == Program::kOurs        ? bin_ / "bench/ours"
           : program == Program::kYardstick ? bin_ / "bench/yardstick"
           : program == Program::kOpenCl    ? bin_ / "bench/opencl"
           : program == Program::kVulkan    ? bin_ / "bench/vulkan"
           : program == Program::kEager     ? peers_ / "torch_eager.py"
                                            : peers_ / "bench_torch";
  }

  double Ask(const Side& side) {
    std::unique_ptr<Process>& worker = workers_[{side.program, side.threads, side.one_core}];
    if (!worker) {
      const std::string threads = std::to_string(side.threads);
      worker = std::make_unique<Process>(
          std::vector<std::string>{WorkerPath(side.program)},
          std::vector<std::string>{"SY_THREADS=" + threads, "OPENBLAS_NUM_THREADS=" + threads,
                                   "OMP_NUM_THREADS=" + threads,
                                   // of the devices that are processors: PoCL, llvmpipe
                                   "POCL_MAX_PTHREAD_COUNT=" + threads,
                                   "LP_NUM_THREADS=" + threads},
          side.one_core);
    }
    // Idle threads of the side before spin for a while.
    if (side.threads > 1) std::this_thread::sleep_for(std::chrono::milliseconds(120));
    const std::string answer = worker->Ask(side.what);
    if (constexpr std::string_view kAbsent = "absent: "; answer.starts_with(kAbsent))
      throw Absent(answer.substr(kAbsent.size()));
    char* end = nullptr;
    const double seconds = std::strtod(answer.c_str(), &end);
    if (end == answer.c_str())
      throw std::runtime_error(WorkerPath(side.program).filename().string() + ": " + answer);
    return seconds;
  }

  fs::path bin_, peers_;
  std::map<std::tuple<Program, int, bool>, std::unique_ptr<Process>> workers_;
};

struct Row {
  std::optional<double> ours;  // in the case's unit; none where its device is not there
  std::optional<double> peer;  // none where the peer is not there
  std::optional<double> ratio;
  std::string why;  // which device or library is not there
};

// A side's figure in the case's unit, from seconds or bytes.
double InUnit(const std::string& unit, const Side& side, double value) {
  if (unit == "GB/s" || unit == "GFLOP/s") return side.work / value / 1e9;
  if (unit == "MB") return value / 1e6;
  return value / side.ops * (unit == "ns" ? 1e9 : unit == "us" ? 1e6 : 1e3);
}

bool IsRate(const Case& c) { return std::strchr(c.unit, '/') != nullptr; }

Row Measure(Measurer& measurer, const Case& c, int rounds, const std::string& progress) {
  std::optional<double> ours, peer;  // the best turns
  Row row;
  const auto turn = [&](const Side& side, std::optional<double>& best) {
    try {
      const double value = measurer.Turn(side);
      best = std::min(best.value_or(value), value);
      return true;
    } catch (const Absent& e) {
      row.why = e.what();
      return false;
    }
  };
  bool both = measurer.Has(c.peer);
  for (int round = 1; round <= rounds; ++round) {
    if (!progress.empty())
      std::fprintf(stderr, "\r\033[K%s %s, round %d of %d", progress.c_str(), c.name, round,
                   rounds);
    if (!turn(c.ours, ours)) break;
    if (both) both = turn(c.peer, peer);
  }
  if (!progress.empty()) std::fprintf(stderr, "\r\033[K");
  if (ours) row.ours = InUnit(c.unit, c.ours, *ours);
  if (peer) {
    row.peer = InUnit(c.unit, c.peer, *peer);
    row.ratio = IsRate(c) ? *row.peer / *row.ours : *row.ours / *row.peer;
  }
  return row;
}

std::string PeerName(const Case& c) {
  switch (c.peer.program) {
    case Program::kLimit:
      return "limit";
    case Program::kYardstick:
      return std::strncmp(c.peer.what, "triad", 5) ? "OpenBLAS" : "C triad";
    case Program::kOurs:
      return "ours, 1 thread";
    case Program::kOpenCl:
      return std::strstr(c.peer.what, "clblast") ? "CLBlast" : "bare OpenCL";
    case Program::kVulkan:
      return "bare Vulkan";
    case Program::kEager:
      return "torch eager";
    default:
      return "libtorch";
  }
}

std::string Number(std::optional<double> value, const char* format) {
  if (!value) return "n/a";
  char text[32];
  std::snprintf(text, sizeof text, format, *value);
  return text;
}

constexpr char kLine[] = "%-29s %9s %9s %-8s %-15s %7s %7s  %s\n";

void Print(const Case& c, const Row& row) {
  const bool judged = row.ratio && c.goal > 0;
  const std::string remark = !row.ours              ? "skipped: " + row.why
                             : !row.why.empty()     ? "no peer: " + row.why
                             : !judged              ? ""
                             : *row.ratio <= c.goal ? "met"
                                                    : "missed";
  std::printf(kLine, c.name, Number(row.ours, "%.4g").c_str(), Number(row.peer, "%.4g").c_str(),
              c.unit, PeerName(c).c_str(), Number(row.ratio, "%.3f").c_str(),
              c.goal > 0 ? Number(c.goal, "%.3f").c_str() : "", remark.c_str());
  std::fflush(stdout);
}

nlohmann::json Json(const Case& c, const Row& row) {
  const auto optional = [](const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  nlohmann::json j = {{"case", c.name},
                      {"ours", optional(row.ours)},
                      {"peer", optional(row.peer)},
                      {"unit", c.unit},
                      {"ratio", optional(row.ratio)}};
  if (row.ratio && c.goal > 0) j["goal"] = c.goal;
  return j;
}

std::string Machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string model = "unknown processor";
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) {
      model = line.substr(line.find(": ") + 2);
      break;
    }
  return model + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores";
}

struct Options {
  std::string filter, json;
  int rounds = 15;
  bool list = false, peers = false;
};

int Run(const Options& o, const fs::path& bin) {
  std::vector<const Case*> chosen;
  for (const Case& c : AllCases())
    if (std::string_view(c.name).find(o.filter) != std::string_view::npos) chosen.push_back(&c);
  if (chosen.empty())
    throw std::runtime_error("no case has \"" + o.filter + "\" in its name; see --list");
  if (o.list) {
    for (const Case* c : chosen) std::printf("%s\n", c->name);
    return 0;
  }
  const char* peers = std::getenv("SWITCHYARD_PEERS");
  if (o.peers && !peers)
    throw std::runtime_error("--peers wants SWITCHYARD_PEERS; run ./dev bench");
  // Opened first: nobody waits for figures that have nowhere to go.
  std::ofstream file;
  if (!o.json.empty()) file.open(o.json);
  if (!file) throw std::runtime_error("cannot write " + o.json);

  Measurer measurer(bin, o.peers ? peers : "");
  const std::string machine = Machine();
  std::printf("%s; best of %d turns; ratio: our time (or size) to the peer's\n", machine.c_str(),
              o.rounds);
  std::printf(kLine, "case", "ours", "peer", "unit", "peer's name", "ratio", "goal", "");
  nlohmann::json cases = nlohmann::json::array();
  int done = 0, judged = 0, met = 0;
  for (const Case* c : chosen) {
    ++done;
    const std::string progress =
        isatty(STDERR_FILENO) ? std::to_string(done) + "/" + std::to_string(chosen.size()) : "";
    const Row row = Measure(measurer, *c, o.rounds, progress);
    Print(*c, row);
    cases.push_back(Json(*c, row));
    if (cases.back().contains("goal")) {
      ++judged;
      met += *row.ratio <= c->goal;
    }
  }
  const std::vector<std::string> versions = measurer.Versions();
  for (const std::string& version : versions) std::printf("%s\n", version.c_str());
  std::printf("%d of %d goals met\n", met, judged);
  if (!o.peers) std::printf("n/a: torch is measured with --peers\n");
  if (!o.json.empty())
    file << nlohmann::json{{"cases", cases}, {"machine", machine}, {"versions", versions}}.dump(1)
         << "\n";
  return file.fail() ? throw std::runtime_error("cannot write " + o.json) : 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Our speed and size beside the peers', in turns; the best turn of each counts",
               "bench");
  Options o;
  app.add_option("--filter", o.filter, "Only cases with this text in their name");
  app.add_option("--json", o.json, "Write the figures to this file");
  app.add_option("--rounds", o.rounds, "Turns of each side")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--list", o.list, "Print the names of the cases and measure nothing");
  app.add_flag("--peers", o.peers, "Measure torch too; ./dev bench fetches it (about 0.6 GB)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    throw std::runtime_error(std::string(e.what()) + "; see --help");
  }
  return Run(o, fs::absolute(argv[0]).parent_path().parent_path());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a worker that has ended is an error with a text
  try {
    return bench::Main(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench: %s\n", e.what());
    return 2;
  }
}
