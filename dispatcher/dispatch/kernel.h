// Kernels as the host knows them, and the table in which a device finds the candidates for an op.
// A table is immutable once published; loading a plugin publishes a new one. Old tables are kept:
// another thread may be reading them.
#ifndef DISPATCHER_DISPATCH_KERNEL_H_
#define DISPATCHER_DISPATCH_KERNEL_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "api/switchyard/sy_plugin.h"

namespace sy {

struct PluginInstance;
struct Op;

inline constexpr int kMaxDevices = 64;

enum Core { kMap, kReduce, kCopy, kGather, kScatter, kMatmul, kScan, kSort, kRow, kCoreCount };
inline constexpr const char* kCoreNames[kCoreCount] = {
    "map", "reduce", "copy", "gather", "scatter", "matmul", "scan", "sort", "row"};
int CoreByName(std::string_view name);  // -1: none

struct PlanEntry {
  bool refused = false;
  std::string reason;
  int64_t scratch_bytes = 0;
  void* state = nullptr;
};

struct Kernel {
  SyKernel fns{};
  const SyKernel* row = nullptr;  // in the plugin's table
  PluginInstance* plugin = nullptr;
  std::string op, variant;
  int core = -1;                                  // Core, or -1
  std::atomic<uint64_t> words[kMaxDevices] = {};  // SyCall.cache of calls without a program
  std::mutex plan_mutex;
  absl::flat_hash_map<std::string, std::unique_ptr<PlanEntry>> plans;  // by signature
};

struct KernelTable {
  uint32_t generation = 0;
  std::vector<Kernel*> core[kCoreCount];    // best first
  std::vector<std::vector<Kernel*>> named;  // by op id
  const std::vector<Kernel*>* Named(int32_t op) const {
    return op < static_cast<int32_t>(named.size()) && !named[op].empty() ? &named[op] : nullptr;
  }
};

}  // namespace sy

#endif  // DISPATCHER_DISPATCH_KERNEL_H_
