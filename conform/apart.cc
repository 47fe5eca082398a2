#include "conform/apart.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>

#include "conform/child.h"
#include "conform/worker.h"
#include "switchyard/switchyard.h"
#include "switchyard/sy_plugin.h"

namespace sy::conform {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr double kSecondsToOpen = 120;
#ifdef SY_SANITIZER
constexpr bool kSanitized = true;  // its shadow of the memory counts as the program's own
#else
constexpr bool kSanitized = false;
#endif
constexpr size_t kAhead = 32;  // tests that a worker knows of: a pipe holds them without waiting
constexpr int kCrashesOfOp = 3;

// The tests of one op, which share kernels: the work that is handed out.
struct Chunk {
  std::deque<size_t> tests;
  int crashes = 0;
};

struct Worker {
  Worker(size_t device_index, const Plan& plan)
      : child({kWorkerVerb, PlanText(plan)}, plan.bytes.value_or(0)),
        device(device_index),
        since(Clock::now()) {}
  Child child;
  size_t device;
  Chunk chunk;
  size_t ahead = 0;  // of the chunk's first tests, how many it has been told
  bool ready = false, ended = false, said_bye = false;
  bool in_test = false;     // in the chunk's first
  Clock::time_point since;  // when it was started, or the test was begun
  bool late = false;        // killed for that
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - since).count(); }
};

bool RunsOnHost(int32_t device_type) {
  return device_type == SY_DEVICE_TYPE_CPU || device_type == SY_DEVICE_TYPE_SIMULATOR;
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, std::min(text.find('\n'), size_t{200}));
}
std::string LastLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const size_t at = text.rfind('\n');
  return FirstLine(at == std::string::npos ? text : text.substr(at + 1));
}

json AfterWord(const std::string& line) {
  const size_t at = line.find('{');
  json j = at == std::string::npos ? json() : json::parse(line.substr(at), nullptr, false);
  return j.is_object() ? j : json::object();
}

std::vector<Row> RowsOf(const std::vector<Test>& tests) {
  std::vector<Row> rows;
  rows.reserve(tests.size());
  for (const Test& t : tests) {
    rows.push_back({t.Id(), t.of->op, t.dtype, t.check, {}, 0});
    rows.back().result.status = Status::kAborted;
    rows.back().result.reason = "not run";
  }
  return rows;
}

class Runner {
 public:
  Runner(const Plan& plan, const std::vector<std::string>& devices,
         const std::function<void(const Progress&)>& watch)
      : plan_(plan), watch_(watch) {
    if (!plan_.bytes && !kSanitized)
      plan_.bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                    static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / 4 * 3;
    if (plan_.jobs <= 0) plan_.jobs = static_cast<int>(std::thread::hardware_concurrency());
    const std::vector<Test> tests = TestsOf(plan_);
    std::deque<Chunk> chunks;
    for (size_t i = 0; i < tests.size(); ++i) {
      if (i == 0 || tests[i].of->op != tests[i - 1].of->op) chunks.emplace_back();
      chunks.back().tests.push_back(i);
    }
    for (const std::string& name : devices) {
      runs_.push_back({name, {}, "", RowsOf(tests)});
      work_.push_back(chunks);
    }
    progress_.all = tests.size() * devices.size();
  }

  std::vector<DeviceRun> Run() {
    for (;;) {
      if (plan_.first && progress_.bad) {
        workers_.clear();
        work_.assign(work_.size(), {});
      }
      Hire();
      if (workers_.empty()) return std::move(runs_);
      Listen();
      Retire();
    }
  }

 private:
  // A device that is no processor of the host's gets one worker: it may be one piece of hardware.
  size_t Limit(size_t device) const {
    const json& about = runs_[device].about;
    if (!about.is_object()) return 1;  // until it has said what it is
    return RunsOnHost(about.value("type", 0)) ? static_cast<size_t>(plan_.jobs) : 1;
  }

  void Hire() {
    while (workers_.size() < static_cast<size_t>(plan_.jobs)) {
      size_t best = work_.size(), most = 0;
      for (size_t d = 0; d < work_.size(); ++d) {
        const auto busy = static_cast<size_t>(std::count_if(
            workers_.begin(), workers_.end(), [&](const auto& w) { return w->device == d; }));
        if (busy < Limit(d) && work_[d].size() > most) {
          best = d;
          most = work_[d].size();
        }
      }
      if (best == work_.size()) return;
      Plan plan = plan_;
      plan.devices = {runs_[best].name};
      workers_.push_back(std::make_unique<Worker>(best, plan));
      Worker& w = *workers_.back();
      if (!w.child.error().empty()) {
        GiveUp(best, w.child.error());
        workers_.pop_back();
        continue;
      }
      Take(&w);
    }
  }

  // The next chunk of the worker's device, if there is one.
  void Take(Worker* w) {
    std::deque<Chunk>& work = work_[w->device];
    if (work.empty()) {
      w->child.EndOfInput();
      return;
    }
    w->chunk = std::move(work.front());
    work.pop_front();
    w->ahead = 0;
    Tell(w);
  }
  void Tell(Worker* w) {
    std::string text;
    for (; w->ahead < std::min(w->chunk.tests.size(), kAhead); ++w->ahead)
      text += std::to_string(w->chunk.tests[w->ahead]) + "\n";
    w->child.Send(text);  // that it reads no more is seen when its answers end
  }

  void GiveUp(size_t device, const std::string& why) {
    if (runs_[device].trouble.empty()) runs_[device].trouble = why;
    for (const Chunk& chunk : work_[device]) progress_.done += chunk.tests.size();
    work_[device].clear();
  }

  void Listen() {
    std::vector<pollfd> fds;
    for (const auto& w : workers_) {
      fds.push_back({w->child.answers(), POLLIN, 0});
      fds.push_back({w->child.noise(), POLLIN, 0});
    }
    poll(fds.data(), fds.size(), 100);
    for (const auto& w : workers_) {
      std::vector<std::string> lines;
      w->ended = !w->child.ReadAnswers(&lines);
      for (const std::string& line : lines) Hear(w.get(), line);
      const double patience = w->ready ? plan_.seconds : kSecondsToOpen;
      if (!w->ended && (w->in_test || !w->ready) && w->Seconds() > patience) {
        w->late = true;
        w->child.Kill();
      }
    }
  }

  void Hear(Worker* w, const std::string& line) {
    DeviceRun& run = runs_[w->device];
    if (line.starts_with("ready ")) {
      w->ready = true;
      w->child.TakeNoise();  // what is said at the start is nobody's result
      run.about = AfterWord(line);
      Broken(&run, "device/open", run.about.value("violation", ""));
      run.about.erase("violation");
    } else if (line.starts_with("failed ")) {
      GiveUp(w->device, line.substr(7));
    } else if (line.starts_with("begin ") && !w->chunk.tests.empty()) {
      w->in_test = true;
      w->since = Clock::now();
      progress_.device = run.name;
      progress_.op = run.rows[w->chunk.tests.front()].op;
    } else if (line.starts_with("end ") && w->in_test) {
      const json j = AfterWord(line);
      Row& row = run.rows[w->chunk.tests.front()];
      row.result = ResultOf(j);
      row.ms = j.value("ms", 0.0);
      if (const std::string noise = w->child.TakeNoise();
          !noise.empty() && row.result.status == Status::kPass) {
        row.result.status = Status::kWarning;
        row.result.reason = "wrote to standard output or error: " + FirstLine(noise);
      }
      Done(w);
      if (w->chunk.tests.empty())
        Take(w);
      else
        Tell(w);
    } else if (line.starts_with("bye ")) {
      w->said_bye = true;
      const json j = AfterWord(line);
      run.compiled += j.value("compiled", 0);
      run.cached += j.value("cached", 0);
      Broken(&run, "device/close", j.value("violation", ""));
    }
  }

  // A promise that was broken outside of any test is a row of its own.
  static void Broken(DeviceRun* run, const char* id, const std::string& violation) {
    if (violation.empty()) return;
    for (const Row& row : run->rows)
      if (row.id == id) return;
    Row row{id, "device", 0, Check::kForward, {}, 0};
    row.result.status = Status::kFail;
    row.result.reason = violation;
    run->rows.push_back(std::move(row));
  }

  // The chunk's first test has its result.
  void Done(Worker* w) {
    const Row& row = runs_[w->device].rows[w->chunk.tests.front()];
    w->in_test = false;
    w->chunk.tests.pop_front();
    w->ahead -= w->ahead > 0;
    ++progress_.done;
    progress_.bad += IsBad(row.result.status);
    if (watch_) watch_(progress_);
  }

  void Retire() {
    for (size_t i = 0; i < workers_.size();) {
      if (workers_[i]->ended) {
        Bury(workers_[i].get());
        workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
  }

  void Bury(Worker* w) {
    DeviceRun& run = runs_[w->device];
    const std::string noise = w->child.TakeNoise();
    if (w->late) w->child.Kill();
    std::string cause = w->child.Wait();
    if (w->in_test) {
      Result& result = run.rows[w->chunk.tests.front()].result;
      result.status = w->late ? Status::kTimeout : Status::kCrash;
      if (w->late) {
        char text[64];
        std::snprintf(text, sizeof text, "not done after %g s", plan_.seconds);
        result.reason = text;
      } else {
        result.reason = cause.empty() ? "the process was ended with exit code 0" : cause;
        if (!noise.empty()) result.reason += "; last words: " + LastLine(noise);
      }
      Done(w);
      ++w->chunk.crashes;
    } else if (!w->ready && run.trouble.empty()) {
      if (w->late) cause = "not open after 120 s";
      GiveUp(w->device, "the process ended while the device was opened: " +
                            (cause.empty() ? "exit code 0" : cause) +
                            (noise.empty() ? "" : "; last words: " + LastLine(noise)));
    } else if (!w->said_bye && run.trouble.empty() && w->chunk.tests.empty()) {
      Row row{"device/close", "device", 0, Check::kForward, {}, 0};
      row.result.status = Status::kCrash;
      row.result.reason =
          "after all tests, when the plugin was closed: " + (cause.empty() ? "exit code 0" : cause);
      run.rows.push_back(std::move(row));
    } else if (!w->said_bye && run.trouble.empty()) {
      ++w->chunk.crashes;  // between two tests: neither's fault alone
    }
    if (w->chunk.tests.empty() || !run.trouble.empty()) return;
    if (w->chunk.crashes < kCrashesOfOp) {
      work_[w->device].push_front(std::move(w->chunk));
      return;
    }
    while (!w->chunk.tests.empty()) {
      Result& result = run.rows[w->chunk.tests.front()].result;
      result.status = Status::kAborted;
      result.reason = "not run: the op has ended its process three times";
      Done(w);
    }
  }

  Plan plan_;
  std::function<void(const Progress&)> watch_;
  std::vector<DeviceRun> runs_;
  std::vector<std::deque<Chunk>> work_;  // by device
  std::vector<std::unique_ptr<Worker>> workers_;
  Progress progress_;
};

}  // namespace

std::vector<DeviceRun> RunApart(const Plan& plan,
                                const std::function<void(const Progress&)>& watch) {
  return Runner(plan, plan.devices, watch).Run();
}

std::vector<DeviceRun> RunHere(const Plan& plan,
                               const std::function<void(const Progress&)>& watch) {
  detail::Check(sy_option_set("fallback", plan.fallback ? "quiet" : "error"));
  WatchPlugins(plan);
  const std::vector<Test> tests = TestsOf(plan);
  std::vector<DeviceRun> runs;
  Progress progress;
  const std::vector<std::string> devices = DevicesOf(plan);
  progress.all = tests.size() * devices.size();
  for (const std::string& name : devices) {
    Subject subject = OpenSubject(name, plan.seed);
    DeviceRun run{name, DescribeDevice(subject.device()), "", RowsOf(tests)};
    for (size_t i = 0; i < tests.size(); ++i) {
      const Clock::time_point start = Clock::now();
      const int64_t broken = sy_counter("violations");
      run.rows[i].result = subject.Run(tests[i]);
      NoteViolations(broken, "", &run.rows[i].result);
      run.rows[i].ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      ++progress.done;
      progress.bad += IsBad(run.rows[i].result.status);
      if (plan.first && progress.bad) break;
      progress.device = name;
      progress.op = run.rows[i].op;
      if (watch) watch(progress);
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

std::vector<std::string> AskForDevices(const Plan& plan, std::string* trouble) {
  Child child({kWorkerVerb, PlanText(plan), "--devices"}, 0);
  if (!child.error().empty()) {
    *trouble = child.error();
    return {};
  }
  child.EndOfInput();
  const Clock::time_point start = Clock::now();
  std::vector<std::string> lines;
  while (child.ReadAnswers(&lines)) {
    pollfd fds[] = {{child.answers(), POLLIN, 0}};
    poll(fds, 1, 100);
    child.TakeNoise();
    if (std::chrono::duration<double>(Clock::now() - start).count() < kSecondsToOpen) continue;
    *trouble = "did not say what devices there are within 120 s";
    return {};
  }
  std::vector<std::string> names;
  for (const std::string& line : lines) {
    if (line.starts_with("device ")) names.push_back(line.substr(7));
    if (line.starts_with("failed ")) *trouble = line.substr(7);
  }
  const std::string cause = child.Wait();
  if (names.empty() && trouble->empty())
    *trouble = "the process ended while the plugin was loaded: " + cause;
  return names;
}

}  // namespace sy::conform
