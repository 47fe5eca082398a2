// What the checker says of the host: a host that breaks its promises towards a plugin that keeps
// its own. The other side is tests/check.
#include "dispatcher/check/check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dispatcher/check/layer.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/loader/loader.h"
#include "dispatcher/tensor/dtype.h"
#include "dispatcher/tensor/tensor.h"

namespace sy {
namespace {

// ---- a plugin: memory that the host does not see, streams that are always done

bool lost = false;
uint64_t ticks = 0;
std::map<uint64_t, std::unique_ptr<char[]>> blocks;  // by their handles
std::function<void()> while_flushing;                // what the host does in the middle of a call

char* At(uint64_t handle) { return reinterpret_cast<char*>(handle); }
SyStatus Info(void*, int32_t, SyDeviceInfo* out) {
  out->kind = "fake";
  out->memory_kinds = SY_MEMORY_DEVICE;
  return SY_OK;
}
SyStatus Alloc(void*, uint64_t, int64_t bytes, uint32_t, SyAllocation* out) {
  auto block = std::make_unique<char[]>(static_cast<size_t>(bytes));
  out->memory.handle = reinterpret_cast<uint64_t>(block.get());
  blocks[out->memory.handle] = std::move(block);
  out->kind = SY_MEMORY_DEVICE;
  out->bytes = static_cast<uint64_t>(bytes);
  return SY_OK;
}
SyStatus CopyIn(void*, uint64_t, uint64_t, uint64_t to, int64_t offset, const void* from,
                int64_t bytes) {
  if (lost) return SY_UNAVAILABLE;
  std::memcpy(At(to) + offset, from, static_cast<size_t>(bytes));
  return SY_OK;
}
SyStatus CopyOut(void*, uint64_t, uint64_t, uint64_t from, int64_t offset, void* to,
                 int64_t bytes) {
  if (lost) return SY_UNAVAILABLE;
  std::memcpy(to, At(from) + offset, static_cast<size_t>(bytes));
  return SY_OK;
}
SyStatus CopyWithin(void*, uint64_t, uint64_t, uint64_t to, int64_t to_offset, uint64_t from,
                    int64_t from_offset, int64_t bytes) {
  std::memmove(At(to) + to_offset, At(from) + from_offset, static_cast<size_t>(bytes));
  return SY_OK;
}
SyStatus Zeros(const SyCall* c) {
  const SyView& v = c->out[0];
  for (int64_t i = 0; i < v.count; ++i)
    std::memset(At(v.memory.handle) + v.offset + i * v.strides[0] * 4, 0, 4);
  return SY_OK;
}

class Host : public testing::Test {
 protected:
  Host() {
    lost = false;
    ticks = 0;
    p_.name = "fake";
    FillHost(&p_);
    SyDeviceFns& d = p_.device_fns;
    d.count = [](void*) -> int32_t { return 1; };
    d.info = Info;
    d.open = [](void*, int32_t, uint64_t* out) -> SyStatus { return *out = 7, SY_OK; };
    d.close = [](void*, uint64_t) {};
    SyMemoryFns& m = p_.memory;
    m.alloc = Alloc;
    m.free = [](void*, uint64_t, uint64_t handle) { blocks.erase(handle); };
    m.copy_in = CopyIn;
    m.copy_out = CopyOut;
    m.copy_within = CopyWithin;
    m.flush_range = m.invalidate_range = [](void*, uint64_t, uint64_t, int64_t,
                                            int64_t) -> SyStatus { return SY_OK; };
    SyStreamFns& s = p_.stream;
    s.create = [](void*, uint64_t, uint32_t, uint64_t* out) -> SyStatus {
      static uint64_t last = 0;
      return *out = ++last, SY_OK;
    };
    s.destroy = [](void*, uint64_t, uint64_t) {};
    // Each stream counts by itself: the fixture uses one beside the checker's own.
    s.record = [](void*, uint64_t, uint64_t stream, uint64_t* out) -> SyStatus {
      return *out = ++Ticks(stream), SY_OK;
    };
    s.query = [](void*, uint64_t, uint64_t stream, uint64_t* out) -> SyStatus {
      return *out = Ticks(stream), SY_OK;
    };
    s.wait = [](void*, uint64_t, uint64_t, uint64_t, uint64_t) -> SyStatus { return SY_OK; };
    s.sync = [](void*, uint64_t, uint64_t, uint64_t, int64_t) -> SyStatus { return SY_OK; };
    s.flush = [](void*, uint64_t, uint64_t) -> SyStatus {
      if (auto act = std::exchange(while_flushing, nullptr)) act();
      return SY_OK;
    };
    p_.has_device = p_.has_streams = true;
    row_.op = "map";
    row_.run = Zeros;
    row_.accepts = SY_ACCEPTS_ALL;
    SyKernel in_place = row_;
    in_place.flags = SY_KERNEL_IN_PLACE;
    p_.kernels = {row_, in_place};
    p_.kernel_rows = {&row_, &in_place_row_};
    check::Watch(&p_);
    SetLogSink(
        [](void* context, int32_t, const char* text) {
          static_cast<Host*>(context)->said_ += std::string(text) + "\n";
        },
        this);
    EXPECT_EQ(p_.start_fn(&p_.host, &p_.state), SY_OK);
    SyDeviceInfo info{};
    info.size = sizeof info;
    EXPECT_EQ(p_.device_fns.info(p_.state, 0, &info), SY_OK);
    EXPECT_EQ(p_.device_fns.open(p_.state, 0, &device_), SY_OK);
    EXPECT_EQ(p_.stream.create(p_.state, device_, 0, &stream_), SY_OK);
    memory_ = Memory(64);
    EXPECT_EQ(said_, "");
  }
  ~Host() override {
    SetLogSink(nullptr, nullptr);
    blocks.clear();
  }

  static uint64_t& Ticks(uint64_t stream) {
    static std::map<uint64_t, uint64_t> ticks_of;
    return ticks_of[stream];
  }

  SyMemory Memory(int64_t bytes) {
    SyAllocation a{};
    a.size = sizeof a;
    EXPECT_EQ(p_.memory.alloc(p_.state, device_, bytes, SY_MEMORY_DEVICE, &a), SY_OK);
    return a.memory;
  }
  SyStatus Copy(uint64_t memory, int64_t offset, int64_t bytes) {
    const std::vector<char> host(static_cast<size_t>(bytes), 1);
    return p_.memory.copy_in(p_.state, device_, stream_, memory, offset, host.data(), bytes);
  }
  void Wait() {
    uint64_t tick = 0;
    p_.stream.record(p_.state, device_, stream_, &tick);
    p_.stream.flush(p_.state, device_, stream_);
    p_.stream.sync(p_.state, device_, stream_, tick, -1);
  }
  SyView View(int64_t first, int64_t count, int64_t stride) const {
    SyView v{};
    v.memory = memory_;
    v.offset = first * 4;
    v.type = SY_T_F32;
    v.rank = 1;
    v.shape[0] = count;
    v.strides[0] = stride;
    FinishView(&v, 64);
    return v;
  }
  SyStatus Run(const SyView& in, const SyView& out, bool in_place) {
    SyCall c{};
    c.size = sizeof c;
    c.host = &p_.host;
    c.state = p_.state;
    c.device = device_;
    c.stream = stream_;
    c.in = &in;
    c.out = &out;
    c.in_count = c.out_count = 1;
    c.op = -1;
    c.kernel = p_.kernel_rows[in_place];
    return p_.kernels[in_place].run(&c);
  }

  // What was said since the last time is one promise of the host's.
  void ExpectBroken(const char* rule) {
    EXPECT_NE(said_.find(std::string("check: ") + rule + ": host to plugin fake"),
              std::string::npos)
        << rule << " in: " << said_;
    EXPECT_EQ(said_.find(": plugin fake"), std::string::npos) << said_;
    said_.clear();
  }
  void ExpectKept() {
    EXPECT_EQ(said_, "");
    said_.clear();
  }

  PluginInstance p_;
  SyKernel row_{}, in_place_row_{};
  uint64_t device_ = 0, stream_ = 0;
  SyMemory memory_{};
  std::string said_;
};

TEST_F(Host, KeepsItsPromises) {
  EXPECT_EQ(Copy(memory_.handle, 0, 64), SY_OK);
  EXPECT_EQ(Run(View(0, 8, 1), View(8, 8, 1), false), SY_OK);
  EXPECT_EQ(Run(View(0, 8, 2), View(1, 8, 2), false), SY_OK);  // interleaved, sharing nothing
  Wait();
  p_.memory.free(p_.state, device_, memory_.handle);
  p_.stream.destroy(p_.state, device_, stream_);
  p_.device_fns.close(p_.state, device_);
  p_.close_fn(p_.state);
  ExpectKept();
}

TEST_F(Host, NamesHandlesThatLive) {
  Copy(memory_.handle, 0, 8);
  Wait();
  p_.memory.free(p_.state, device_, memory_.handle);
  ExpectKept();
  uint64_t tick = 0;
  p_.stream.record(p_.state, device_, 999, &tick);
  ExpectBroken("R40");
  p_.stream.wait(p_.state, device_, stream_, 999, 1);
  ExpectBroken("R40");
}

TEST_F(Host, StaysWithinMemory) {
  Copy(memory_.handle, 60, 8);
  ExpectBroken("R47");
  Run(View(0, 8, 1), View(9, 8, 1), false);
  ExpectBroken("R47");
}

TEST_F(Host, GivesOutputsOfTheirOwn) {
  const SyView all = View(0, 8, 1);
  Run(all, all, true);
  ExpectKept();
  Run(all, View(4, 8, 1), true);
  ExpectBroken("R27");
  EXPECT_EQ(Run(all, all, false), SY_OK);
  EXPECT_NE(said_.find("check: R27: host to plugin fake"), std::string::npos) << said_;
}

TEST_F(Host, FlushesAndWaits) {
  uint64_t tick = 0;
  Copy(memory_.handle, 0, 8);
  p_.stream.record(p_.state, device_, stream_, &tick);
  p_.stream.sync(p_.state, device_, stream_, tick, -1);
  ExpectBroken("R22");
  p_.stream.sync(p_.state, device_, stream_, tick + 5, -1);
  ExpectBroken("R20");
}

TEST_F(Host, WaitsBeforeItFrees) {
  Copy(memory_.handle, 0, 8);
  p_.memory.free(p_.state, device_, memory_.handle);
  ExpectBroken("R23");
  p_.stream.destroy(p_.state, device_, stream_);
  ExpectBroken("R23");
}

TEST_F(Host, MakesOneCallOnAStreamAtATime) {
  while_flushing = [this] {
    uint64_t tick = 0;
    p_.stream.record(p_.state, device_, stream_, &tick);
  };
  p_.stream.flush(p_.state, device_, stream_);
  ExpectBroken("R35");
}

TEST_F(Host, ClosesWhatNobodyUses) {
  while_flushing = [this] { p_.device_fns.close(p_.state, device_); };
  p_.stream.flush(p_.state, device_, stream_);
  EXPECT_NE(said_.find("check: R35: host"), std::string::npos) << said_;
  EXPECT_NE(said_.find("check: R51: host"), std::string::npos) << said_;
  said_.clear();
  Copy(memory_.handle, 0, 8);
  ExpectBroken("R40");
  p_.close_fn(p_.state);
  said_.clear();
  p_.device_fns.count(p_.state);
  ExpectBroken("R51");
}

TEST_F(Host, LeavesALostDeviceAlone) {
  lost = true;
  EXPECT_EQ(Copy(memory_.handle, 0, 8), SY_UNAVAILABLE);
  ExpectKept();
  Copy(memory_.handle, 0, 8);
  ExpectBroken("R21");
  p_.memory.free(p_.state, device_, memory_.handle);
  ExpectKept();
}

}  // namespace
}  // namespace sy
