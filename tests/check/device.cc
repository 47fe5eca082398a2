// The devices, their memory and streams, and the plugin.
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "tests/check/mutant.h"

namespace checked {

namespace {
struct Known {
  const char* name;
  bool streams;
};
enum { MEMORY, STREAMS };
constexpr Known kMutants[] = {
#define MUTANT(name, rule, where) {#name, (where) == STREAMS},
#include "tests/check/mutants.inc"
#undef MUTANT
};
const char* Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}
}  // namespace

bool Is(const char* mutant) {
  static const std::string chosen = Variable("CHECK_MUTANT");
  return chosen == mutant;
}

bool IsPlugin(const char* kind) {
  static const std::string chosen = Variable("CHECK_PLUGIN");
  return chosen == kind;
}

bool OnStreams() {
  static const bool streams = [] {
    for (const Known& m : kMutants)
      if (Is(m.name)) return m.streams;
    return !std::strcmp(Variable("CHECK_DEVICE"), "STREAMS");
  }();
  return streams;
}

State& TheState() {
  static auto* state = new State;
  return *state;
}

char* At(uint64_t handle) {
  auto it = TheState().blocks.find(handle);
  return it == TheState().blocks.end() ? nullptr : it->second->bytes;
}

SyStatus Do(uint64_t stream, std::function<SyStatus()> work) {
  if (!OnStreams()) return work();
  Queue& queue = *TheState().queues.at(stream);
  if (queue.error != SY_OK && !Is("error_does_not_stick"))
    return Host()->fail(Is("error_changes") ? SY_ABORTED : queue.error, "an earlier error");
  queue.work.emplace_back(0, std::move(work));
  return SY_OK;
}

SyStatus Flush(Queue* queue) {
  auto work = std::move(queue->work);
  queue->work.clear();
  for (auto& [tick, run] : work) {
    if (tick)
      queue->reached = tick;
    else if (queue->error == SY_OK)
      queue->error = run();
  }
  return SY_OK;
}

namespace {

constexpr uint64_t kDevice = 77;
constexpr int64_t kSlack = 512;  // behind each block, where mistakes do no harm

SyStatus Lost() { return Host()->fail(SY_UNAVAILABLE, "the device is gone"); }

// ---- memory

SyStatus Alloc(void*, uint64_t, int64_t bytes, uint32_t, SyAllocation* out) {
  State& s = TheState();
  if (Is("alloc_throws") && CHECKED_FROM(2)) throw std::runtime_error("a mistake");
  if (Is("changes_environment")) setenv("CHECKED_WAS_HERE", "1", 1);
  if (Is("alloc_fails_and_leaves_a_handle") && CHECKED_FROM(3)) {
    out->memory.handle = 5;
    return Host()->fail(SY_RESOURCE_EXHAUSTED, "no more");
  }
  auto block = std::make_shared<Block>();
  block->room.resize(static_cast<size_t>(bytes + 2 * kSlack + 64));
  block->bytes = block->room.data() + kSlack;
  block->bytes += (64 - reinterpret_cast<uintptr_t>(block->bytes) % 64) % 64;
  block->size = bytes;
  if (Is("alloc_is_misaligned")) block->bytes += 4;
  static std::shared_ptr<Block> first;
  if (!first) first = block;
  if (Is("alloc_shares_bytes") && bytes < first->size) block->bytes = first->bytes;
  uint64_t handle = s.last_handle += OnStreams() ? 1 : 64;
  if (Is("alloc_gives_a_handle_twice") && CHECKED_FROM(4)) handle = s.last_handle = handle - 1;
  s.blocks[handle] = block;
  if (Is("writes_a_neighbour_later") && CHECKED_FROM(5)) first->bytes[first->size - 1] = 1;
  out->memory.handle = Is("alloc_gives_zero") ? 0 : handle;
  out->kind = SY_MEMORY_DEVICE;
  if (!OnStreams()) {
    out->kind |= SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_COHERENT;
    if (!Is("alloc_hides_host_address")) {
      out->memory.host.p = block->bytes;
      out->memory.address = reinterpret_cast<uint64_t>(block->bytes);
    }
  }
  if (Is("alloc_shows_host_address")) out->memory.host.p = block->bytes;
  if (Is("alloc_of_unknown_kind")) out->kind |= SY_MEMORY_PINNED;
  if (Is("host_address_of_other_bytes")) {
    static auto* other = new std::vector<char>(1 << 20);
    const auto at = reinterpret_cast<uintptr_t>(other->data());
    out->memory.host.bits = (at + 63) / 64 * 64;
  }
  out->bytes = static_cast<uint64_t>(Is("alloc_is_short") ? bytes - 1 : bytes);
  if (Is("alloc_writes_behind")) reinterpret_cast<char*>(out)[sizeof *out] = 1;
  if (Is("alloc_changes_size")) out->size = 4;
  return SY_OK;
}

void Free(void*, uint64_t, uint64_t handle) {
  if (Is("host_free_twice")) {
    void* p = Host()->host_alloc(64, 64);
    Host()->host_free(p);
    Host()->host_free(p);
  }
  if (!Is("alloc_gives_a_handle_twice")) TheState().blocks.erase(handle);  // no use after it
}

SyStatus CopyIn(void*, uint64_t, uint64_t stream, uint64_t to, int64_t offset, const void* host,
                int64_t bytes) {
  if (TheState().lost && !Is("device_comes_back")) return Lost();
  if (Is("device_comes_back") && CHECKED_FROM(5) && !TheState().lost) {
    TheState().lost = true;
    return Lost();
  }
  const auto* from = static_cast<const char*>(host);
  if (Is("copy_in_fails_after_writing") && CHECKED_FROM(8)) {
    At(to)[offset] ^= 1;
    return Host()->fail(SY_INTERNAL, "too late");
  }
  if (Is("copy_in_keeps_host_memory"))
    return Do(stream, [=] {
      std::memcpy(At(to) + offset, from, static_cast<size_t>(bytes));
      return SY_OK;
    });
  std::string staged(from, from + bytes);
  if (Is("copy_in_is_short")) staged.pop_back();
  if (Is("copy_in_is_long")) staged.push_back('x');
  if (Is("copy_in_ignores_offset")) offset = 0;
  return Do(stream, [=] {
    std::memcpy(At(to) + offset, staged.data(), staged.size());
    return SY_OK;
  });
}

SyStatus CopyOut(void*, uint64_t, uint64_t stream, uint64_t from, int64_t offset, void* host,
                 int64_t bytes) {
  if (TheState().lost && !Is("device_comes_back")) return Lost();
  int64_t count = bytes;
  if (Is("copy_out_is_short") && bytes == 24) --count;  // not what the checker reads
  if (Is("copy_out_is_long") && bytes == 24) ++count;
  return Do(stream, [=] {
    std::memcpy(host, At(from) + offset, static_cast<size_t>(count));
    return SY_OK;
  });
}

SyStatus CopyWithin(void*, uint64_t, uint64_t stream, uint64_t to, int64_t to_offset, uint64_t from,
                    int64_t from_offset, int64_t bytes) {
  if (Is("copy_within_does_nothing")) return SY_OK;
  return Do(stream, [=] {
    std::memmove(At(to) + to_offset, At(from) + from_offset, static_cast<size_t>(bytes));
    return SY_OK;
  });
}

SyStatus Fill(void*, uint64_t, uint64_t stream, uint64_t to, int64_t offset, int64_t bytes,
              const void* pattern, int32_t pattern_bytes) {
  const std::string p(static_cast<const char*>(pattern), static_cast<size_t>(pattern_bytes));
  if (Is("fill_is_long")) ++bytes;
  return Do(stream, [=] {
    for (int64_t i = 0; i < bytes; ++i)
      At(to)[offset + i] =
          Is("fill_is_wrong") && i + 1 == bytes ? 'x' : p[static_cast<size_t>(i) % p.size()];
    return SY_OK;
  });
}

// ---- streams

Queue* Find(uint64_t stream) { return TheState().queues.at(stream).get(); }

SyStatus Create(void*, uint64_t, uint32_t, uint64_t* out) {
  static uint64_t last = 0;
  // The first stream is the checker's own, the second the device's.
  static int count = 0;
  ++count;
  if (Is("stream_fails_and_leaves_a_handle") && count == 3) {
    *out = 9;
    return Host()->fail(SY_RESOURCE_EXHAUSTED, "no more streams");
  }
  uint64_t handle = ++last;
  if (Is("stream_zero") && count == 3) handle = 0;
  if (Is("stream_twice") && count == 3) handle = 2;
  TheState().queues[handle] = std::make_shared<Queue>();
  if (IsPlugin("FAILS_EARLY")) Host()->stream_fail(Host(), kDevice, handle, SY_INTERNAL, "early");
  *out = handle;
  return SY_OK;
}

void Destroy(void*, uint64_t, uint64_t stream) { TheState().queues.erase(stream); }

SyStatus Record(void*, uint64_t, uint64_t stream, uint64_t* out) {
  if (TheState().lost && !Is("device_comes_back")) return Lost();
  Queue* q = Find(stream);
  if (q->error != SY_OK && !Is("error_does_not_stick"))
    return Host()->fail(Is("error_changes") ? SY_ABORTED : q->error, "an earlier error");
  if (Is("record_fails_and_leaves_a_tick") && q->recorded == 5) {
    *out = 6;
    return Host()->fail(SY_INTERNAL, "no mark");
  }
  uint64_t tick = q->recorded + 1;
  if (Is("tick_jumps") && tick == 4) tick = 6;
  if (Is("tick_stays") && q->recorded == 4) tick = 4;
  if (Is("tick_begins_at_zero") && q->recorded == 0 && q->work.size() && !q->reached) tick = 2;
  q->recorded = tick;
  q->work.emplace_back(tick, nullptr);
  *out = tick;
  return SY_OK;
}

SyStatus Wait(void*, uint64_t, uint64_t, uint64_t other, uint64_t) { return Flush(Find(other)); }

SyStatus Query(void*, uint64_t, uint64_t stream, uint64_t* out) {
  const Queue* q = Find(stream);
  *out = q->reached;
  if (Is("query_is_ahead")) *out = q->recorded + 1;
  if (Is("query_goes_back") && q->reached > 3 && CHECKED_FROM(10)) *out = 1;
  if (Is("query_lags_behind_sync") && q->reached) *out = q->reached - 1;
  if (q->error == SY_OK || Is("error_does_not_stick")) return SY_OK;
  return Host()->fail(Is("error_changes") ? SY_ABORTED : q->error, "an earlier error");
}

SyStatus Sync(void*, uint64_t, uint64_t stream, uint64_t tick, int64_t) {
  Queue* q = Find(stream);
  if (tick > q->reached) Flush(q);
  const SyStatus error = q->error;
  if (Is("error_does_not_stick")) q->error = SY_OK;
  if (Is("error_changes") && error != SY_OK) q->error = SY_DATA_LOSS;
  return error == SY_OK ? SY_OK : Host()->fail(error, "work has failed");
}

SyStatus FlushStream(void*, uint64_t, uint64_t stream) {
  if (TheState().lost && !Is("device_comes_back")) return Lost();
  return Is("flush_does_nothing") ? SyStatus{SY_OK} : Flush(Find(stream));
}

SyStatus Reset(void*, uint64_t, uint64_t stream) {
  Flush(Find(stream));
  if (!Is("reset_keeps_the_error")) Find(stream)->error = SY_OK;
  return SY_OK;
}

SyStatus Timestamp(void*, uint64_t, uint64_t, uint64_t* out) {
  *out = Is("timestamp_zero") ? 0 : static_cast<uint64_t>(Host()->clock_ns());
  return Is("timestamp_fails_and_leaves_a_handle") ? Host()->fail(SY_INTERNAL, "no clock")
                                                   : SyStatus{SY_OK};
}
SyStatus Elapsed(void*, uint64_t, uint64_t from, uint64_t to, int64_t* out) {
  *out = static_cast<int64_t>(to - from);
  if (Is("elapsed_knows_no_direction")) *out = std::abs(*out) + 10000;
  return SY_OK;
}

// ---- devices

SyStatus Info(void*, int32_t, SyDeviceInfo* out) {
  out->type = SY_DEVICE_TYPE_SIMULATOR;
  out->kind = "checked";
  out->name = TheState().name;
  out->buffer_alignment = 64;
  out->memory_kinds = SY_MEMORY_DEVICE;
  if (!OnStreams()) out->memory_kinds |= SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_COHERENT;
  if (Is("info_not_coherent_and_no_ranges")) out->memory_kinds &= ~SY_MEMORY_HOST_COHERENT;
  if (Is("info_lacks_device_memory")) out->memory_kinds &= ~SY_MEMORY_DEVICE;
  out->numeric = SY_NUMERIC_FULL;
  if (Is("info_writes_behind")) reinterpret_cast<char*>(out)[sizeof *out + 8] = 1;
  if (Is("info_changes_size")) out->size += 8;
  if (Is("info_changes_from_call_to_call") && CHECKED_FROM(2)) out->buffer_alignment = 128;
  return SY_OK;
}

SyStatus Open(void*, int32_t, uint64_t* out) {
  const SyHost* h = Host();
  if (Is("changes_locale")) std::setlocale(LC_ALL, "C.UTF-8");
  if (Is("changes_signal_handler")) signal(SIGUSR1, SIG_IGN);
  if (Is("changes_signal_mask")) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
  }
  if (Is("changes_directory") && chdir("/") != 0) return SY_INTERNAL;
  if (Is("host_block_is_left")) h->host_alloc(100, 64);
  if (Is("host_free_of_foreign_memory")) {
    static char mine[64];
    h->host_free(mine);
  }
  if (Is("option_was_not_declared")) h->option_int(h, "speed");
  if (Is("option_of_another_type")) h->option_float(h, "width");
  if (Is("info_string_changes")) std::strcpy(TheState().name, "another name");
  if (Is("table_changes")) kernels[0].priority = 1;
  if (Is("open_fails_and_leaves_a_device")) {
    *out = kDevice;
    return h->fail(SY_INTERNAL, "not today");
  }
  *out = Is("open_gives_zero") ? 0 : kDevice;
  return SY_OK;
}

SyStatus MemoryInfo(void*, uint64_t, uint64_t* out_free, uint64_t* out_total) {
  *out_total = 1 << 20;
  *out_free = Is("memory_info_more_free_than_there_is") ? 1 << 21 : 1 << 19;
  return Is("memory_info_fails_and_tells") ? Host()->fail(SY_INTERNAL, "no idea") : SyStatus{SY_OK};
}

SyStatus Start(const SyHost* host, void** out_state) {
  TheState().host = host;
  if (Is("start_fails_and_leaves_a_state")) {
    *out_state = &TheState();
    return host->fail(SY_INTERNAL, "not today");
  }
  return SY_OK;
}

void Close(void*) {
  if (Is("thread_outlives_close"))
    std::thread([] {
      usleep(100'000);
      Host()->option_int(Host(), "width");
    }).detach();
}

// Reports from a thread of its own.
SyStatus FailOnThread(const SyCall* call) {
  std::thread([call] {
    Host()->stream_fail(Host(), call->device, call->stream, SY_INTERNAL, "something");
  }).join();
  return SY_OK;
}
SyStatus FailWithOk(const SyCall* call) {
  Host()->stream_fail(Host(), call->device, call->stream, SY_OK, "nothing");
  return SY_OK;
}

const SyOption kOptions[] = {
    {.name = "width", .doc = "Of nothing.", .default_value = "3", .type = SY_OPTION_INT}};

}  // namespace
}  // namespace checked

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost*) {
  using namespace checked;  // NOLINT(google-build-using-namespace)
  static SyDeviceFns device = {.size = sizeof(SyDeviceFns),
                               .count = [](void*) -> int32_t { return 1; },
                               .info = Info,
                               .open = Open,
                               .close = [](void*, uint64_t) {},
                               .memory_info = MemoryInfo};
  static SyMemoryFns memory = {.size = sizeof(SyMemoryFns),
                               .alloc = Alloc,
                               .free = Free,
                               .copy_in = CopyIn,
                               .copy_out = CopyOut,
                               .copy_within = CopyWithin,
                               .fill = Fill};
  static SyStreamFns stream = {.size = sizeof(SyStreamFns),
                               .create = Create,
                               .destroy = Destroy,
                               .record = Record,
                               .wait = Wait,
                               .query = Query,
                               .sync = Sync,
                               .flush = FlushStream,
                               .reset = Reset,
                               .timestamp = Timestamp,
                               .elapsed = Elapsed,
                               .drop_timestamp = [](void*, uint64_t, uint64_t) {}};
  static const SyPlugin plugin = [] {
    FillKernels();
    if (Is("stream_fail_on_own_thread")) kernels[0].run = FailOnThread;
    if (Is("stream_fail_with_ok")) kernels[0].run = FailWithOk;
    SyPlugin p = {};
    p.size = sizeof p;
    p.abi = SY_ABI;
    p.name = "checked";
    p.version = "1.0";
    p.kernels = kernels;
    p.kernel_count = kKernels;
    p.kernel_size = sizeof(SyKernel);
    p.options = kOptions;
    p.option_count = 1;
    p.option_size = sizeof(SyOption);
    p.device = &device;
    p.memory = &memory;
    p.stream = OnStreams() ? &stream : nullptr;
    p.start = Start;
    p.close = Close;
    return p;
  }();
  return &plugin;
}
