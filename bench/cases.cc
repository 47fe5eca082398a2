#include "bench/cases.h"

#include "bench/worker.h"

namespace bench {
namespace {

constexpr double kMegabyte = 1e6;
// Operands of 10^7 f32 that pass through memory, each counted once.
constexpr double kOperand = 4e7;

constexpr Case Torch(const char* name, const char* unit, double goal) {
  return {name, unit, {Program::kOurs, name}, {Program::kTorch, name}, goal};
}

// 0.95 of the bytes per second of the triad.
constexpr Case Triad(const char* name, const char* ours, double operands) {
  return {name,
          "GB/s",
          {Program::kOurs, ours, operands * kOperand},
          {Program::kYardstick, "triad/10000000", 3 * kOperand},
          1 / 0.95};
}

constexpr Case Gemm(const char* name, double m, double k, double n, double goal = 0) {
  const double work = 2 * m * k * n;
  return {name, "GFLOP/s", {Program::kOurs, name, work}, {Program::kYardstick, name, work}, goal};
}

// Cases of the backends for GPUs, with the same name on both sides.
constexpr Case GpuGemm(Program peer, const char* name, double n) {
  const double work = 2 * n * n * n;
  return {name, "GFLOP/s", {Program::kOurs, name, work}, {peer, name, work}, 1};
}

constexpr Case ClBlastGemm(const char* name, const char* ours, double n) {
  const double work = 2 * n * n * n;
  return {name, "GFLOP/s", {Program::kOurs, ours, work}, {Program::kOpenCl, name, work}, 0.2};
}

constexpr Case GpuAdd(Program peer, const char* name) {
  return {name, "GB/s", {Program::kOurs, name, 3 * kOperand}, {peer, name, 3 * kOperand}, 1.25};
}

constexpr Case Queued(Program peer, const char* name, double goal) {
  return {name,
          "us",
          {Program::kOurs, name, 1, 1, kQueuedOps, true},
          {peer, name, 1, 1, kQueuedOps, true},
          goal};
}

constexpr double kGemm1024 = 2.0 * 1024 * 1024 * 1024;

constexpr Case kCases[] = {
    Torch("op/add/64", "ns", 0.15),
    Torch("op/add_in_place/64", "ns", 0.15),
    Torch("op/add_grad_recorded/64", "ns", 0.20),
    Torch("op/chain10_fwd_bwd/64", "us", 0.20),
    Torch("train/tiny_mlp_sgd", "us", 0.25),
    {"train/mlp_sgd",
     "us",
     {Program::kOurs, "train/mlp_sgd"},
     {Program::kEager, "train/mlp_sgd"},
     0.80},
    {"train/mlp_sgd/libtorch",
     "us",
     {Program::kOurs, "train/mlp_sgd"},
     {Program::kTorch, "train/mlp_sgd"}},
    Torch("map/add/10000000", "ms", 0.45),
    Torch("map/mul_add/10000000", "ms", 0.45),
    Torch("map/addcmul/10000000", "ms", 0.45),
    Triad("triad/add/10000000", "map/add/10000000", 3),
    Triad("triad/mul_add/10000000", "map/mul_add/10000000", 6),
    Triad("triad/addcmul/10000000", "map/addcmul/10000000", 4),
    Gemm("gemm/f32/1024", 1024, 1024, 1024, 1 / 0.97),
    Gemm("gemm/f32/64", 64, 64, 64),
    Gemm("gemm/f32/64x512x10", 64, 512, 10),
    Gemm("gemm/f32/64x784x512", 64, 784, 512),
    {"gemm/f32/1024/2_threads",
     "GFLOP/s",
     {Program::kOurs, "gemm/f32/1024", kGemm1024, 2},
     {Program::kYardstick, "gemm/f32/1024", kGemm1024, 2}},
    {"gemm/f32/1024/2_threads_to_1",
     "GFLOP/s",
     {Program::kOurs, "gemm/f32/1024", kGemm1024, 2},
     {Program::kOurs, "gemm/f32/1024", kGemm1024, 1},
     1 / 1.7},
    GpuGemm(Program::kOpenCl, "opencl/gemm/f32/256", 256),
    GpuGemm(Program::kOpenCl, "opencl/gemm/f32/512", 512),
    GpuGemm(Program::kOpenCl, "opencl/gemm/f32/1024", 1024),
    ClBlastGemm("opencl/gemm_clblast/f32/256", "opencl/gemm/f32/256", 256),
    ClBlastGemm("opencl/gemm_clblast/f32/512", "opencl/gemm/f32/512", 512),
    ClBlastGemm("opencl/gemm_clblast/f32/1024", "opencl/gemm/f32/1024", 1024),
    GpuAdd(Program::kOpenCl, "opencl/map/add/10000000"),
    Queued(Program::kOpenCl, "opencl/op/queued", 1.5),
    GpuGemm(Program::kVulkan, "vulkan/gemm/f32/256", 256),
    GpuGemm(Program::kVulkan, "vulkan/gemm/f32/512", 512),
    GpuGemm(Program::kVulkan, "vulkan/gemm/f32/1024", 1024),
    GpuAdd(Program::kVulkan, "vulkan/map/add/10000000"),
    Queued(Program::kVulkan, "vulkan/op/queued", 1.4),
    {"start/size", "MB", {Program::kSize, "switchyard"}, {Program::kLimit, "", 3 * kMegabyte}, 1},
    {"start/time", "ms", {Program::kStart, "switchyard"}, {Program::kLimit, "", 10e-3}, 1},
    {"start/resident",
     "MB",
     {Program::kResident, "switchyard"},
     {Program::kLimit, "", 12 * kMegabyte},
     1},
    {"start/size/torch", "MB", {Program::kSize, "switchyard"}, {Program::kSize, "torch"}},
    {"start/time/torch", "ms", {Program::kStart, "switchyard"}, {Program::kStart, "torch"}},
    {"start/resident/torch",
     "MB",
     {Program::kResident, "switchyard"},
     {Program::kResident, "torch"}},
};

}  // namespace

std::span<const Case> AllCases() { return kCases; }

}  // namespace bench
