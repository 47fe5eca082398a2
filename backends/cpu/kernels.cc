#include "backends/cpu/kernels.h"

#include <algorithm>

namespace sy::cpu {
namespace {

constexpr size_t kMostKernels = 64;

struct KernelTable {
  SyKernel rows[kMostKernels];
  size_t count = 0;
};

KernelTable MakeTable() {
  using Family = std::span<const SyKernel> (*)();
  constexpr Family kFamilies[] = {MapKernels,
                                  ReduceKernels,
                                  CopyKernels,
                                  GatherKernels,
                                  ScatterKernels,
                                  ScanKernels,
                                  SortKernels,
                                  RowKernels,
                                  MatmulKernels,
                                  Conv2dKernels,
                                  Conv2dGradInputKernels,
                                  Conv2dGradWeightKernels,
                                  PoolKernels,
                                  TopkKernels};
  KernelTable table;
  for (const Family family : kFamilies) {
    const std::span<const SyKernel> more = family();
    const size_t n = std::min(more.size(), kMostKernels - table.count);
    std::copy_n(more.begin(), n, table.rows + table.count);
    table.count += n;
  }
  return table;
}

}  // namespace

std::span<const SyKernel> AllKernels() {
  static const KernelTable table = MakeTable();
  return {table.rows, table.count};
}

}  // namespace sy::cpu
