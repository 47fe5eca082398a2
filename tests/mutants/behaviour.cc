// Kernels that behave badly: they do nothing, something else each time, crash, hang, leave.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

constexpr Mutant kMutants[] = {
    {"returns_ok_and_writes_nothing", "square", "map",
     [](const SyCall& c, Right right) { return Of(c, "square") ? SyStatus{SY_OK} : right(&c); }},
    {"differs_from_call_to_call", "sigmoid", "map",
     [](const SyCall& c, Right right) {
       static std::atomic<int> calls{0};
       const SyStatus status = right(&c);
       if (Of(c, "sigmoid") && c.out[0].type == SY_T_F32 && calls++ % 2)
         for (int64_t i = 0; i < c.out[0].count; ++i) {
           const float y = static_cast<float>(Elements(c.out[0]).Get(i));
           if (y > 0.1f && y < 0.9f) Elements(c.out[0]).Set(i, std::nextafter(y, 1.0f));
         }
       return status;
     }},
    {"races_with_itself", "add", "map",
     [](const SyCall& c, Right right) {
       // One scratch block for all threads.
       static float scratch[4096];
       const SyView& out = c.out[0];
       const SyStatus status = right(&c);
       if (out.type != SY_T_F32 || out.count > 4096 || out.count < 2) return status;
       for (int64_t i = 0; i < out.count; ++i)
         scratch[i] = static_cast<float>(Elements(out).Get(i));
       usleep(200);
       for (int64_t i = 0; i < out.count; ++i) Elements(out).Set(i, scratch[i]);
       return status;
     }},
    {"remembers_the_last_shape", "tanh", "map",
     [](const SyCall& c, Right right) {
       static std::atomic<int64_t> largest{0};
       if (!Of(c, "tanh")) return right(&c);
       const int64_t n = c.out[0].count, before = largest.exchange(n);
       Changed changed(c);
       if (before > 1 && before < n && c.out[0].rank == 1) {
         changed.out[0].shape[0] = before;
         changed.out[0].count = before;
         for (SyView& v : changed.in) v.shape[0] = before, v.count = before;
       }
       return right(&changed.to);
     }},
    {"fails_at_every_tenth_call", "add", "map",
     [](const SyCall& c, Right right) {
       static std::atomic<int> calls{0};
       return ++calls % 10 ? right(&c) : c.host->fail(SY_INTERNAL, "map: launch failed");
     }},
    {"crashes_in_a_kernel", "cosh", "map",
     [](const SyCall& c, Right right) {
       if (Of(c, "cosh")) std::abort();
       return right(&c);
     }},
    {"hangs_in_a_kernel", "sinh", "map",
     [](const SyCall& c, Right right) {
       while (Of(c, "sinh")) pause();
       return right(&c);
     }},
    {"leaves_the_process", "atanh", "map",
     [](const SyCall& c, Right right) {
       if (Of(c, "atanh")) _exit(0);
       return right(&c);
     }},
    {"relu_grad_at_zero_is_one", "relu_grad", "map",
     [](const SyCall& c, Right right) {
       if (!Of(c, "relu_grad") || c.in_count < 2 || c.in[0].type != SY_T_F32) return right(&c);
       const std::vector<double> dy = Numbers(c.in[0]), y = Numbers(c.in[1]);
       const SyStatus status = right(&c);
       for (int64_t i = 0; i < c.out[0].count; ++i)
         Elements(c.out[0]).Set(i, y[static_cast<size_t>(i)] >= 0 ? dy[static_cast<size_t>(i)] : 0);
       return status;
     }},
    {"gradient_of_ones_only", "mul", "map",  // products with a gradient that is not 1 are wrong
     [](const SyCall& c, Right right) {
       if (!Of(c, "mul") || c.in_count < 2 || c.in[0].type != SY_T_F32) return right(&c);
       const std::vector<double> a = Numbers(c.in[0]), b = Numbers(c.in[1]);
       const SyStatus status = right(&c);
       for (int64_t i = 0; i < c.out[0].count; ++i)
         if (a[static_cast<size_t>(i)] != 1 && b[static_cast<size_t>(i)] != 1)
           Elements(c.out[0]).Set(i, static_cast<float>(Elements(c.out[0]).Get(i) * 1.0001));
       return status;
     }},
    // Named kernels of ops that are otherwise reduced or composed: they are called.
    {"embedding_writes_nothing", "embedding", "embedding",
     [](const SyCall&, Right) -> SyStatus { return SY_OK; }},
    {"mean_writes_nothing", "mean", "mean", [](const SyCall&, Right) -> SyStatus { return SY_OK; }},
    {"mse_loss_writes_nothing", "mse_loss", "mse_loss",
     [](const SyCall&, Right) -> SyStatus { return SY_OK; }},
    {"sum_writes_nothing", "sum", "sum", [](const SyCall&, Right) -> SyStatus { return SY_OK; }},
};

constexpr const char* kDevice[] = {
    "alloc_counts_in_32_bits", "alloc_fails_without_a_reason",
    "copy_in_ignores_offset",  "copy_out_ignores_offset",
    "copy_out_is_short",
};

}  // namespace

std::span<const Mutant> BehaviourMutants() { return kMutants; }
std::span<const char* const> DeviceMutants() { return kDevice; }

}  // namespace mutants
