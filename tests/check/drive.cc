// drive PLUGIN DEVICE: a program that touches every part of the ABI on one device, closes the
// plugin and prints how many promises were broken. What fails, fails: broken plugins do.
#include <unistd.h>

#include <cstdio>
#include <numeric>
#include <vector>

#include "switchyard/sy.h"
#include "switchyard/sy_ops.h"

namespace {

bool Good(SyStatus status) {
  if (status != SY_OK) std::printf("%s: %s\n", sy_status_name(status), sy_last_message());
  return status == SY_OK;
}

template <class T>
SyTensor* From(const std::vector<T>& values, std::vector<int64_t> shape, SyDtype dtype,
               const char* device) {
  SyTensor* t = nullptr;
  Good(sy_tensor_from_host(values.data(), shape.data(), static_cast<int32_t>(shape.size()), dtype,
                           device, &t));
  return t;
}

SyTensor* Run(const char* op, std::vector<SyTensor*> in, SyTensor* out = nullptr,
              const void* attrs = nullptr, uint32_t attrs_size = 0) {
  for (const SyTensor* t : in)
    if (!t) return nullptr;
  SyRun r = {};
  r.size = sizeof r;
  r.op = sy_op_find(op);
  r.in = in.data();
  r.in_count = static_cast<int32_t>(in.size());
  r.out = &out;
  r.out_count = 1;
  r.attrs = attrs;
  r.attrs_size = attrs_size;
  Good(sy_run(&r));
  return out;
}

void Read(SyTensor* t) {
  if (!t) return;
  std::vector<char> room(static_cast<size_t>(sy_tensor_count(t)) * 8);
  Good(
      sy_tensor_read(t, room.data(), sy_tensor_count(t) * (SY_DTYPE_BITS(sy_tensor_dtype(t)) / 8)));
}

void Use(const char* name) {
  const SyDevice* device = nullptr;
  if (!Good(sy_device_find(name, &device))) return;
  std::vector<float> numbers(24);
  std::iota(numbers.begin(), numbers.end(), -11.5f);
  SyTensor* a = From(numbers, {4, 6}, SY_F32, name);
  SyTensor* b = From(numbers, {4, 6}, SY_F32, name);
  std::vector<SyTensor*> made = {a, b};
  const auto keep = [&](SyTensor* t) { return made.push_back(t), t; };
  for (int i = 0; i < 3; ++i) Read(keep(Run("relu", {a})));
  Read(keep(Run("add", {a, b})));
  Read(keep(Run("lt", {a, b})));
  // Strides on both sides.
  SyTranspose swap = {0, 1};
  SyTensor* t = keep(Run("transpose", {a}, nullptr, &swap, sizeof swap));
  Read(keep(Run("matmul", {a, t})));
  Read(keep(Run("contiguous", {t})));
  SySlice every = {1, 0, 6, 2};
  SyTensor* slice = keep(Run("slice", {b}, nullptr, &every, sizeof every));
  Read(keep(Run("relu", {slice})));
  SyTensor* three =
      keep(From(std::vector<float>(numbers.begin(), numbers.begin() + 12), {4, 3}, SY_F32, name));
  if (slice) Run("relu", {three}, slice);
  if (a) Run("relu", {a}, a);
  if (a) Run("contiguous", {a}, a);  // itself
  Read(b);
  // Fills, reductions, what is sorted and gathered.
  SyTensor* one = nullptr;
  sy_tensor_number_f64(1, &one);
  SyTensor* ones = nullptr;
  const int64_t many[] = {40};
  Good(sy_tensor_full(many, 1, SY_F32, name, 1, &ones));
  Read(keep(ones));
  Read(keep(Run("sum", {a})));
  Read(keep(Run("cumsum", {a})));
  SyGather along = {1};
  SyTensor* good = keep(From(std::vector<int64_t>{0, 1, 5, 2}, {4, 1}, SY_I64, name));
  Read(keep(Run("gather", {a, good}, nullptr, &along, sizeof along)));
  SyTensor* bad = keep(From(std::vector<int64_t>{0, 1, 9, 7}, {4, 1}, SY_I64, name));
  keep(Run("gather", {a, bad}, nullptr, &along, sizeof along));
  bad = keep(From(std::vector<int64_t>{0, 8, 1, 7}, {4, 1}, SY_I64, name));
  Read(keep(Run("gather", {b, bad}, nullptr, &along, sizeof along)));
  // 24 bytes, read from the middle of a block.
  SySlice row = {0, 1, 2, 1};
  Read(keep(Run("slice", {b}, nullptr, &row, sizeof row)));
  // Streams, time, memory.
  SyStream* stream = nullptr;
  if (sy_stream_create(device, &stream) == SY_OK) {
    sy_stream_set_current(device, stream);
    Read(keep(Run("relu", {b})));
    sy_stream_set_current(device, nullptr);
    Read(keep(Run("add", {made.back(), b})));
    sy_stream_release(stream);
  }
  SyStream* idle = nullptr;  // made and never used
  if (sy_stream_create(device, &stream) == SY_OK && sy_stream_create(device, &idle) == SY_OK) {
    sy_stream_release(stream);
    sy_stream_release(idle);
  }
  SyTimestamp *from = nullptr, *to = nullptr;
  sy_timestamp_create(device, &from);
  Read(keep(Run("exp", {b})));
  Read(keep(Run("add", {a, b})));
  sy_timestamp_create(device, &to);
  int64_t ns = 0;
  if (from && to) sy_timestamp_elapsed(from, to, &ns);
  sy_timestamp_release(from);
  sy_timestamp_release(to);
  SyMemoryReport report = {};
  report.size = sizeof report;
  sy_device_memory(device, &report);
  for (SyTensor* x : made) sy_tensor_release(x);
  sy_tensor_release(one);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: drive PLUGIN DEVICE\n"), 2;
  if (sy_plugin_load(argv[1]) == SY_OK) {
    SyPluginReport report = {};
    report.size = sizeof report;
    sy_plugin_report(sy_plugin_count() - 1, &report);
    Use(argv[2]);
    Good(sy_plugin_close(report.name));
    usleep(200'000);  // for threads that outlive it
  } else {
    std::printf("%s\n", sy_last_message());
  }
  std::printf("violations: %lld\n", static_cast<long long>(sy_counter("violations")));
}
