#include "dispatcher/dispatch/runtime.h"

#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/loader/loader.h"
#include "dispatcher/ops/op.h"

namespace sy {

// ---- messages

// One line of valid UTF-8, whatever a plugin hands in: control characters become blanks, stray
// bytes "?".
void SetMessage(std::string_view text) {
  std::string& m = Mine().message;
  try {
    m.assign(text.substr(0, 4096));
  } catch (const std::bad_alloc&) {  // plugins in C call this: nothing may fly through them
    m.assign("out of memory");       // fits without any
  }
  Mine().reason_given = !m.empty();
  for (size_t i = 0; i < m.size(); ++i) {
    const auto c = static_cast<unsigned char>(m[i]);
    if (c < 32 || c == 127) {
      m[i] = ' ';
    } else if (c >= 0x80) {
      const size_t more = (c >> 5) == 6 && c >= 0xc2    ? 1
                          : (c >> 4) == 14              ? 2
                          : (c >> 3) == 30 && c <= 0xf4 ? 3
                                                        : 0;
      bool good = more > 0 && i + more < m.size();
      for (size_t j = 1; good && j <= more; ++j)
        good = (static_cast<unsigned char>(m[i + j]) & 0xc0) == 0x80;
      if (good)
        i += more;
      else
        m[i] = '?';
    }
  }
}
const char* LastMessage() { return Mine().message.c_str(); }
const char* ReasonGiven() { return Mine().reason_given ? LastMessage() : "no reason given"; }

SyStatus Report(const absl::Status& status) {
  if (status.ok()) return SY_OK;
  SetMessage(std::string_view(status.message().data(), status.message().size()));
  return static_cast<SyStatus>(status.raw_code());
}

absl::Status StatusFrom(SyStatus code, std::string_view text) {
  if (code < 0 || code > 16) code = SY_UNKNOWN;
  return absl::Status(static_cast<absl::StatusCode>(code),
                      absl::string_view(text.data(), text.size()));
}

// ---- logging

namespace {
struct LogState {
  std::mutex mutex;
  SyLogFn sink = nullptr;
  void* context = nullptr;
};
LogState& TheLog() {
  static LogState* log = new LogState;
  return *log;
}
std::atomic<int> log_level{-1};

int ParseLevel(std::string_view text) {
  if (text.empty() || text == "warning") return SY_LOG_WARNING;
  if (text == "error") return SY_LOG_ERROR;
  if (text == "info") return SY_LOG_INFO;
  if (text == "debug" || text == "dispatch") return SY_LOG_DEBUG;
  return 0;
}
}  // namespace

int LogLevel() {
  int level = log_level.load(std::memory_order_relaxed);
  if (level < 0) {
    level = ParseLevel(Environment("SY_LOG"));
    if (!level) level = SY_LOG_WARNING;
    log_level.store(level);
  }
  return level;
}
void SetLogLevel(int level) { log_level.store(level); }

void SetLogSink(SyLogFn log, void* context) {
  std::lock_guard<std::mutex> lock(TheLog().mutex);
  TheLog().sink = log;
  TheLog().context = context;
}

void Log(int level, std::string_view text) {
  if (level > LogLevel()) return;
  SyLogFn sink;
  void* context;
  {
    std::lock_guard<std::mutex> lock(TheLog().mutex);
    sink = TheLog().sink;
    context = TheLog().context;
  }
  const std::string line(text);
  if (sink)
    sink(context, level, line.c_str());
  else
    std::fprintf(stderr, "switchyard: %s\n", line.c_str());
}

uint64_t TakeCallIds() {
  static std::atomic<uint64_t> blocks{0};
  return blocks.fetch_add(1) << 16;
}

// ---- options

std::string Environment(const char* name) {
  if (getauxval(AT_SECURE)) return "";
  const char* value = std::getenv(name);
  return value ? value : "";
}

namespace {

absl::Status BadValue(std::string_view name, std::string_view value, const char* want) {
  return absl::InvalidArgumentError(
      absl::StrFormat("option %s: \"%s\"; want %s", std::string(name), std::string(value), want));
}

absl::StatusOr<bool> ParseBool(std::string_view name, std::string_view value) {
  if (value == "1" || value == "on" || value == "true" || value == "yes") return true;
  if (value.empty() || value == "0" || value == "off" || value == "false" || value == "no")
    return false;
  return BadValue(name, value, "on or off");
}

absl::StatusOr<int> ParseFallback(std::string_view value) {
  if (value == "error") return 0;
  if (value.empty() || value == "on" || value == "warn") return 1;
  if (value == "quiet") return 2;
  return BadValue("fallback", value, "error, warn or quiet");
}

struct TextOptions {
  std::mutex mutex;
  std::map<std::string, std::string, std::less<>> values;
};
TextOptions& Texts() {
  static auto* texts = new TextOptions;
  return *texts;
}

constexpr const char* kOptionNames[] = {"threads",     "fallback", "log",       "sync",    "check",
                                        "plugin_path", "plugins",  "cache_dir", "anomaly", "pool"};

}  // namespace

Options& GetOptions() {
  static Options* options = [] {
    auto* o = new Options;
    auto flag = [](const char* name) {
      auto v = ParseBool(name, Environment(name));
      return v.ok() && *v;
    };
    o->sync_each_call = flag("SY_SYNC");
    o->anomaly = flag("SY_ANOMALY");
    // On, or which plugins: LoadLibrary asks.
    auto check = ParseBool("check", Environment("SY_CHECK"));
    o->check = !check.ok() || *check;
    o->pool = Environment("SY_POOL").empty() || flag("SY_POOL");
    auto fallback = ParseFallback(Environment("SY_FALLBACK"));
    if (fallback.ok())
      o->fallback = *fallback;
    else
      Log(SY_LOG_WARNING, std::string(fallback.status().message()) + " (from SY_FALLBACK)");
    return o;
  }();
  return *options;
}

absl::Status SetOption(std::string_view name, std::string_view value) {
  Options& o = GetOptions();
  auto keep = [&] {
    std::lock_guard<std::mutex> lock(Texts().mutex);
    Texts().values[std::string(name)] = std::string(value);
    return absl::OkStatus();
  };
  for (const auto& [flag, place] :
       {std::pair("sync", &o.sync_each_call), {"anomaly", &o.anomaly}, {"pool", &o.pool}}) {
    if (name != flag) continue;
    auto on = ParseBool(name, value);
    if (!on.ok()) return on.status();
    *place = *on;
    return keep();
  }
  if (name == "check") {
    auto on = ParseBool(name, value);
    o.check = !on.ok() || *on;
    return keep();
  }
  if (name == "fallback") {
    auto mode = ParseFallback(value);
    if (!mode.ok()) return mode.status();
    o.fallback = *mode;
    return keep();
  }
  if (name == "log") {
    const int level = ParseLevel(value);
    if (!level) return BadValue(name, value, "error, warning, info or debug");
    SetLogLevel(level);
    return keep();
  }
  if (name == "threads") {
    int n = 0;
    if (!absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &n) || n < 1 || n > 1024)
      return BadValue(name, value, "1 to 1024");
    if (absl::Status s = SetThreadCount(n); !s.ok()) return s;
    return keep();
  }
  if (name == "plugin_path" || name == "plugins" || name == "cache_dir") {
    if (name != "cache_dir" && PluginsLoaded())
      return absl::FailedPreconditionError(
          absl::StrFormat("option %s: plugins are loaded already; set it before a device is used",
                          std::string(name)));
    return keep();
  }
  if (const size_t dot = name.find('.'); dot != std::string_view::npos)
    return SetPluginOption(name, value);
  std::vector<std::string> names(std::begin(kOptionNames), std::end(kOptionNames));
  const std::string near = Nearest(name, names);
  return absl::NotFoundError(
      absl::StrFormat("no option %s; %s", std::string(name),
                      near.empty() ? absl::StrCat("want one of ", absl::StrJoin(names, ", "))
                                   : absl::StrCat("did you mean ", near, "?")));
}

bool GetOption(std::string_view name, std::string* value) {
  if (name == "threads") {
    *value = absl::StrCat(ThreadCount());
    return true;
  }
  if (name == "fallback") {
    *value = GetOptions().fallback == 0 ? "error" : GetOptions().fallback == 1 ? "warn" : "quiet";
    return true;
  }
  {
    std::lock_guard<std::mutex> lock(Texts().mutex);
    auto it = Texts().values.find(name);
    if (it != Texts().values.end()) {
      *value = it->second;
      return true;
    }
  }
  for (const char* n : kOptionNames) {
    if (name != n) continue;
    *value = Environment(("SY_" + absl::AsciiStrToUpper(n)).c_str());
    return true;
  }
  return GetPluginOption(name, value);
}

// ---- thread pool: fixed workers, one job at a time handed out in pieces

namespace {

class ThreadPool {
 public:
  explicit ThreadPool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { Work(); });
  }
  ~ThreadPool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : workers_) t.join();
  }
  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void Run(int64_t count, int64_t grain, SyRangeFn fn, void* context) {
    grain = std::max<int64_t>(grain, 1);
    if (Mine().in_parallel_for || workers_.empty() || count <= grain || !busy_.try_lock()) {
      for (int64_t b = 0; b < count; b += grain) fn(context, b, std::min(count, b + grain));
      return;
    }
    std::lock_guard<std::mutex> one_job(busy_, std::adopt_lock);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = {fn, context, count, grain};
      next_.store(0);
      active_ = static_cast<int>(workers_.size());
      ++generation_;
      state_ = Thread();
    }
    wake_.notify_all();
    Drain();
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return active_ == 0; });
  }

 private:
  struct Job {
    SyRangeFn fn = nullptr;
    void* context = nullptr;
    int64_t count = 0, grain = 1;
  };

  void Drain() {
    Mine().in_parallel_for = true;
    const Job job = job_;
    for (;;) {
      const int64_t b = next_.fetch_add(job.grain);
      if (b >= job.count) break;
      job.fn(job.context, b, std::min(job.count, b + job.grain));
    }
    Mine().in_parallel_for = false;
  }

  void Work() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
      Thread() = state_;  // grad mode and device are the caller's
      lock.unlock();
      Drain();
      lock.lock();
      if (--active_ == 0) done_.notify_all();
    }
  }

  std::vector<std::thread> workers_;
  std::mutex busy_, mutex_;
  std::condition_variable wake_, done_;
  Job job_;
  ThreadState state_;
  std::atomic<int64_t> next_{0};
  int active_ = 0;
  uint64_t generation_ = 0;
  bool stop_ = false;
};

struct PoolHolder {
  std::mutex mutex;
  std::atomic<ThreadPool*> pool{nullptr};
};
PoolHolder& Holder() {
  static auto* holder = new PoolHolder;  // never destroyed: threads may still run at exit
  return *holder;
}

ThreadPool& GetPool() {
  PoolHolder& h = Holder();
  if (ThreadPool* p = h.pool.load(std::memory_order_acquire)) return *p;
  std::lock_guard<std::mutex> lock(h.mutex);
  if (!h.pool.load()) {
    int n = 0;
    const std::string text = Environment("SY_THREADS");
    if (!absl::SimpleAtoi(text, &n) || n < 1 || n > 1024) {
      if (!text.empty())
        Log(SY_LOG_WARNING,
            absl::StrFormat("option threads: \"%s\"; want 1 to 1024 (from SY_THREADS)", text));
      n = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    }
    h.pool.store(new ThreadPool(n), std::memory_order_release);
  }
  return *h.pool.load();
}

}  // namespace

int ThreadCount() { return GetPool().size(); }

absl::Status SetThreadCount(int count) {
  PoolHolder& h = Holder();
  std::lock_guard<std::mutex> lock(h.mutex);
  // The old pool is kept: a call on another thread may be inside it. Its idle threads cost nothing.
  if (ThreadPool* old = h.pool.load(); old && old->size() == count) return absl::OkStatus();
  h.pool.store(new ThreadPool(count), std::memory_order_release);
  return absl::OkStatus();
}

void ParallelFor(int64_t count, int64_t grain, SyRangeFn fn, void* context) {
  if (count > 0) GetPool().Run(count, grain, fn, context);
}

// ---- random numbers

namespace {
std::mutex random_mutex;
RandomState random_state{0, 0};
}  // namespace

RandomState TakeRandom(int64_t elements) {
  std::lock_guard<std::mutex> lock(random_mutex);
  const RandomState now = random_state;
  random_state.offset += static_cast<uint64_t>((elements + 3) / 4);
  return now;
}
RandomState PeekRandom() {
  std::lock_guard<std::mutex> lock(random_mutex);
  return random_state;
}
void SetRandom(RandomState state) {
  std::lock_guard<std::mutex> lock(random_mutex);
  random_state = state;
}

// ---- names

std::string Nearest(std::string_view wrong, const std::vector<std::string>& names) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : names) {
    std::vector<size_t> row(name.size() + 1);
    for (size_t j = 0; j <= name.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= wrong.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= name.size(); ++j) {
        const size_t change = diagonal + (wrong[i - 1] != name[j - 1]);
        diagonal = row[j];
        row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = name;
    }
  }
  return best;
}

// ---- fall-backs

namespace {
std::mutex fallback_mutex;
std::vector<FallbackRow>& FallbackRows() {
  static auto* rows = new std::vector<FallbackRow>;
  return *rows;
}
}  // namespace

void CountFallback(int32_t op, SyDevice* device, std::string_view reason) {
  Count(kCounterFallbacks);
  bool first = false;
  {
    std::lock_guard<std::mutex> lock(fallback_mutex);
    auto& rows = FallbackRows();
    auto it = std::find_if(rows.begin(), rows.end(), [&](const FallbackRow& r) {
      return r.op == op && r.device == device->name;
    });
    if (it == rows.end()) {
      rows.push_back({op, device->name, std::string(reason), 1});
      first = true;
    } else {
      ++it->count;
    }
  }
  if (first && GetOptions().fallback.load() == 1)
    Log(SY_LOG_WARNING,
        absl::StrFormat(
            "%s falls back from %s to cpu:0: %s (said once; SY_FALLBACK=error forbids it)",
            OpAt(op)->name, device->name, std::string(reason)));
}

std::vector<FallbackRow> Fallbacks() {
  std::lock_guard<std::mutex> lock(fallback_mutex);
  return FallbackRows();
}
void ResetFallbacks() {
  std::lock_guard<std::mutex> lock(fallback_mutex);
  FallbackRows().clear();
}

}  // namespace sy
