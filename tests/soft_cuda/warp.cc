// Warps of a worker: lanes that exchange values, and lanes that can never meet.
#include <algorithm>
#include <cstdio>

#include "tests/soft_cuda/worker.h"

namespace soft {

bool Worker::RunWarp(unsigned warp) {
  const unsigned first = warp * kWarpSize;
  const unsigned count = std::min(kWarpSize, launch_->threads() - first);
  lanes_.resize(count);
  Shuffle(&lanes_, warp + 2);
  for (;;) {
    for (const unsigned lane : lanes_) {
      if (fibers_[first + lane].state != FiberState::kReady) continue;
      Resume(first + lane);
      if (launch_->stopped) return false;
    }
    if (ResolveWarp(warp)) continue;
    for (unsigned lane = 0; lane < count; ++lane) {
      if (fibers_[first + lane].state != FiberState::kInWarp) continue;
      Deadlock(warp);
      return false;
    }
    return true;
  }
}

bool Worker::ResolveWarp(unsigned warp) {
  const unsigned first = warp * kWarpSize;
  const unsigned count = std::min(kWarpSize, launch_->threads() - first);
  bool any = false;
  for (unsigned lane = 0; lane < count; ++lane) {
    const Fiber& f = fibers_[first + lane];
    if (f.state != FiberState::kInWarp) continue;
    // Lanes that ended, or never were, count as arrived.
    uint32_t group = 0;
    bool complete = true;
    for (unsigned other = 0; other < count; ++other) {
      const Fiber& g = fibers_[first + other];
      if (!(f.mask >> other & 1) || g.state == FiberState::kDone) continue;
      if (g.state == FiberState::kInWarp && g.mask == f.mask && g.warp == f.warp)
        group |= 1u << other;
      else
        complete = false;
    }
    if (!complete || !(group >> lane & 1)) continue;
    Serve(warp, group);
    any = true;
  }
  return any;
}

void Worker::Serve(unsigned warp, uint32_t group) {
  Fiber* const lanes = &fibers_[warp * kWarpSize];
  for (int lane = 0; lane < 32; ++lane) {
    if (!(group >> lane & 1)) continue;
    Fiber& f = lanes[lane];
    const int width = f.width > 0 ? f.width : 32, low = lane / width * width;
    int from = lane;
    uint64_t mask = 0;
    switch (f.warp) {
      case SOFT_SHUFFLE:
        from = low + (f.argument & (width - 1));
        break;
      case SOFT_SHUFFLE_UP:
        if (lane - f.argument >= low) from = lane - f.argument;
        break;
      case SOFT_SHUFFLE_DOWN:
        if (lane + f.argument < low + width) from = lane + f.argument;
        break;
      case SOFT_SHUFFLE_XOR:
        if ((lane ^ f.argument) < low + width) from = lane ^ f.argument;
        break;
      case SOFT_BALLOT:
      case SOFT_MATCH:
        for (int other = 0; other < 32; ++other)
          if (group >> other & 1 &&
              (f.warp == SOFT_BALLOT ? lanes[other].bits != 0 : lanes[other].bits == f.bits))
            mask |= uint64_t{1} << other;
        break;
      case SOFT_WARP_SYNC:
        break;
    }
    // What comes from a lane that takes no part is undefined: here all ones, a NaN.
    const bool masks = f.warp == SOFT_BALLOT || f.warp == SOFT_MATCH;
    f.result = masks ? mask : from < 32 && group >> from & 1 ? lanes[from].bits : ~uint64_t{0};
  }
  for (int lane = 0; lane < 32; ++lane)
    if (group >> lane & 1) lanes[lane].state = FiberState::kReady;
}

void Worker::Deadlock(unsigned warp) {
  const unsigned first = warp * kWarpSize;
  unsigned stuck = first;
  while (fibers_[stuck].state != FiberState::kInWarp) ++stuck;
  char mask[16];
  std::snprintf(mask, sizeof mask, "%08x", fibers_[stuck].mask);
  launch_->Fail(CUDA_ERROR_LAUNCH_FAILED,
                launch_->ThreadName(stuck, block_) + " waits for lanes " + mask +
                    " of its warp, some of which wait elsewhere: nobody can go on");
}

uint64_t Worker::Warp(SoftWarp kind, unsigned mask, uint64_t value, int argument, int width) {
  Fiber& f = fibers_[running_];
  RequireFibers();
  f.warp = kind;
  f.mask = mask;
  f.bits = value;
  f.argument = argument;
  f.width = width;
  f.state = FiberState::kInWarp;
  Leave();
  return f.result;
}

}  // namespace soft
