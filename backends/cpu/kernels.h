// The kernels of the backend and the table that the plugin shows. Each file below gives its rows; a
// new family adds a file, a function here, and a line in kernels.cc.
#ifndef BACKENDS_CPU_KERNELS_H_
#define BACKENDS_CPU_KERNELS_H_

#include <span>

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu {

std::span<const SyKernel> MapKernels();               // map.cc
std::span<const SyKernel> CopyKernels();              // copy.cc
std::span<const SyKernel> ReduceKernels();            // reduce.cc
std::span<const SyKernel> RowKernels();               // row.cc
std::span<const SyKernel> GatherKernels();            // gather.cc
std::span<const SyKernel> ScatterKernels();           // scatter.cc
std::span<const SyKernel> ScanKernels();              // scan.cc
std::span<const SyKernel> MatmulKernels();            // matmul.cc
std::span<const SyKernel> SortKernels();              // sort.cc
std::span<const SyKernel> Conv2dKernels();            // conv2d.cc
std::span<const SyKernel> Conv2dGradInputKernels();   // conv2d_grad_input.cc
std::span<const SyKernel> Conv2dGradWeightKernels();  // conv2d_grad_weight.cc
std::span<const SyKernel> PoolKernels();              // pool2d.cc
std::span<const SyKernel> TopkKernels();              // topk.cc

// All of them, in one array that lives as long as the library.
std::span<const SyKernel> AllKernels();

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_KERNELS_H_
