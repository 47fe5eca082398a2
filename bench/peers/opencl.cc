// OpenCL by hand, on the first device that has a compiler, and CLBlast on the same device. The
// loader and CLBlast are opened at run time: where one is not there, its cases are not measured.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>

#include <array>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bench/worker.h"

namespace bench {
namespace {

constexpr char kKernels[] = R"(
kernel void add(global const float* a, global const float* b, global float* c) {
  const size_t i = get_global_id(0);
  c[i] = a[i] + b[i];
}

// Square matrices; an item makes 8 rows by 16 columns, whose sums stay in registers.
kernel void gemm(global const float* a, global const float* b, global float* c, int n) {
  const int row = 8 * get_global_id(1), column = 16 * get_global_id(0);
  a += row * n;
  b += column;
  float16 sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  for (int k = 0; k < n; ++k, ++a, b += n) {
    const float16 line = vload16(0, b);
    #pragma unroll
    for (int r = 0; r < 8; ++r) sum[r] = fma((float16)(a[r * n]), line, sum[r]);
  }
  c += row * n + column;
  #pragma unroll
  for (int r = 0; r < 8; ++r) vstore16(sum[r], 0, c + r * n);
}
)";

#define FUNCTIONS(X)           \
  X(clGetPlatformIDs)          \
  X(clGetDeviceIDs)            \
  X(clGetDeviceInfo)           \
  X(clCreateContext)           \
  X(clCreateCommandQueue)      \
  X(clCreateProgramWithSource) \
  X(clBuildProgram)            \
  X(clCreateKernel)            \
  X(clReleaseKernel)           \
  X(clCreateBuffer)            \
  X(clReleaseMemObject)        \
  X(clSetKernelArg)            \
  X(clEnqueueFillBuffer)       \
  X(clEnqueueNDRangeKernel)    \
  X(clFinish)

void Check(cl_int code, const char* what) {
  if (code != CL_SUCCESS)
    throw std::runtime_error(std::string(what) + ": OpenCL error " + std::to_string(code));
}

void* Open(const char* name) {
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  return library ? library : throw Absent(dlerror());
}

// The device with one queue, in order. Lives as long as the process.
struct Device {
  Device() {
    void* library = Open("libOpenCL.so.1");
#define X(name)                                                               \
  this->name = reinterpret_cast<decltype(this->name)>(dlsym(library, #name)); \
  if (!this->name) throw Absent("the OpenCL loader lacks " #name);
    FUNCTIONS(X)
#undef X
    Choose();
    cl_int code = CL_SUCCESS;
    context = clCreateContext(nullptr, 1, &id, nullptr, nullptr, &code);
    Check(code, "clCreateContext");
    queue = clCreateCommandQueue(context, id, 0, &code);
    Check(code, "clCreateCommandQueue");
    const char* text = kKernels;
    program = clCreateProgramWithSource(context, 1, &text, nullptr, &code);
    Check(code, "clCreateProgramWithSource");
    Check(clBuildProgram(program, 1, &id, "", nullptr, nullptr), "clBuildProgram");
  }

  void Choose() {
    cl_uint count = 0;
    if (clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS || count == 0)
      throw Absent("no OpenCL platform");
    std::vector<cl_platform_id> platforms(count);
    Check(clGetPlatformIDs(count, platforms.data(), nullptr), "clGetPlatformIDs");
    for (cl_platform_id platform : platforms) {
      if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) continue;
      std::vector<cl_device_id> devices(count);
      Check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr),
            "clGetDeviceIDs");
      for (cl_device_id device : devices) {
        id = device;
        if (Number<cl_bool>(CL_DEVICE_COMPILER_AVAILABLE)) return;
      }
    }
    throw Absent("no OpenCL device with a compiler");
  }

  template <class T>
  T Number(cl_device_info what) const {
    T number = {};
    clGetDeviceInfo(id, what, sizeof number, &number, nullptr);
    return number;
  }

  std::string Text(cl_device_info what) const {
    char text[256] = "";
    clGetDeviceInfo(id, what, sizeof text, text, nullptr);
    return text;
  }

  void Finish() const { Check(clFinish(queue), "clFinish"); }

// NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration
#define X(name) decltype(&::name) name = nullptr;
  FUNCTIONS(X)
#undef X
  cl_device_id id = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_program program = nullptr;
};

const Device& TheDevice() {
  static const Device& device = *new Device;
  return device;
}

using Buffer = std::shared_ptr<_cl_mem>;

// So many floats, all one.
Buffer Ones(size_t count) {
  const Device& d = TheDevice();
  cl_int code = CL_SUCCESS;
  const size_t bytes = count * sizeof(float);
  Buffer buffer(d.clCreateBuffer(d.context, CL_MEM_READ_WRITE, bytes, nullptr, &code),
                d.clReleaseMemObject);
  Check(code, "clCreateBuffer");
  const float one = 1;
  Check(
      d.clEnqueueFillBuffer(d.queue, buffer.get(), &one, sizeof one, 0, bytes, 0, nullptr, nullptr),
      "clEnqueueFillBuffer");
  return buffer;
}

using Sizes = std::array<size_t, 2>;

// A kernel and its three buffers.
class Kernel {
 public:
  Kernel(const char* name, size_t count) {
    cl_int code = CL_SUCCESS;
    kernel_.reset(d_.clCreateKernel(d_.program, name, &code), d_.clReleaseKernel);
    Check(code, name);
    for (cl_uint i = 0; i < buffers_.size(); ++i) {
      buffers_[i] = Ones(count);
      Give(i, i);
    }
  }

  void Give(cl_uint argument, size_t buffer) const {
    const cl_mem memory = buffers_[buffer].get();
    Check(d_.clSetKernelArg(kernel_.get(), argument, sizeof(cl_mem), &memory), "clSetKernelArg");
  }

  void GiveNumber(cl_uint argument, cl_int number) const {
    Check(d_.clSetKernelArg(kernel_.get(), argument, sizeof number, &number), "clSetKernelArg");
  }

  // With a group of 0 the device chooses one.
  void Enqueue(const Sizes& items, const Sizes& group) const {
    Check(d_.clEnqueueNDRangeKernel(d_.queue, kernel_.get(), items[1] == 1 ? 1 : 2, nullptr,
                                    items.data(), group[0] ? group.data() : nullptr, 0, nullptr,
                                    nullptr),
          "clEnqueueNDRangeKernel");
  }

 private:
  const Device& d_ = TheDevice();
  std::shared_ptr<_cl_kernel> kernel_;
  std::array<Buffer, 3> buffers_;
};

Repeat Enqueued(const Kernel& kernel, const Sizes& items, const Sizes& group) {
  return [=](int count) {
    for (int i = 0; i < count; ++i) kernel.Enqueue(items, group);
    TheDevice().Finish();
  };
}

// Of the groups that divide the items, that with which they are through first.
size_t BestGroup(const Kernel& kernel, size_t items) {
  const auto most = TheDevice().Number<size_t>(CL_DEVICE_MAX_WORK_GROUP_SIZE);
  double least = std::numeric_limits<double>::infinity();
  size_t best = 0;
  for (const size_t group : {0, 64, 128, 250, 1000, 4000}) {
    if (group > most || (group && items % group != 0)) continue;
    const double spent = Turn(Enqueued(kernel, {items, 1}, {group, 1}));
    if (spent >= least) continue;
    least = spent;
    best = group;
  }
  return best;
}

Repeat Add(size_t n) {
  const Kernel add("add", n);
  return Enqueued(add, {n, 1}, {BestGroup(add, n), 1});
}

// c = c + b between two buffers: the arguments that change are given each time.
Repeat Queued() {
  constexpr size_t kSmall = 64;
  const Kernel add("add", kSmall);
  return Repeated([=] {
    for (size_t i = 0; i < kQueuedOps; ++i) {
      add.Give(0, i % 2 ? 2 : 0);
      add.Give(2, i % 2 ? 0 : 2);
      add.Enqueue({kSmall, 1}, {kSmall, 1});
    }
    TheDevice().Finish();
  });
}

Repeat Gemm(size_t n) {
  const Kernel gemm("gemm", n * n);
  gemm.GiveNumber(3, static_cast<cl_int>(n));
  return Enqueued(gemm, {n / 16, n / 8}, {1, 1});
}

// As clblast_c.h has it.
constexpr int kRowMajor = 101, kAsItIs = 111;
using Sgemm = int(int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k,
                  float alpha, cl_mem a, size_t a_offset, size_t a_line, cl_mem b, size_t b_offset,
                  size_t b_line, float beta, cl_mem c, size_t c_offset, size_t c_line,
                  cl_command_queue* queue, cl_event* event);

Repeat ClBlastGemm(size_t n) {
  auto* sgemm = reinterpret_cast<Sgemm*>(dlsym(Open("libclblast.so.1"), "CLBlastSgemm"));
  if (!sgemm) throw Absent("libclblast.so.1 lacks CLBlastSgemm");
  return [=, a = Ones(n * n), b = Ones(n * n), c = Ones(n * n)](int count) {
    cl_command_queue queue = TheDevice().queue;
    for (int i = 0; i < count; ++i)
      Check(sgemm(kRowMajor, kAsItIs, kAsItIs, n, n, n, 1, a.get(), 0, n, b.get(), 0, n, 0, c.get(),
                  0, n, &queue, nullptr),
            "CLBlastSgemm");
    TheDevice().Finish();
  };
}

const Cases kCases = {
    {"opencl/gemm/f32/256", [] { return Gemm(256); }},
    {"opencl/gemm/f32/512", [] { return Gemm(512); }},
    {"opencl/gemm/f32/1024", [] { return Gemm(1024); }},
    {"opencl/gemm_clblast/f32/256", [] { return ClBlastGemm(256); }},
    {"opencl/gemm_clblast/f32/512", [] { return ClBlastGemm(512); }},
    {"opencl/gemm_clblast/f32/1024", [] { return ClBlastGemm(1024); }},
    {"opencl/map/add/10000000", [] { return Add(10'000'000); }},
    {"opencl/op/queued", Queued},
};

std::string Version() {
  try {
    const Device& d = TheDevice();
    return "bare OpenCL on " + d.Text(CL_DEVICE_NAME) + ", " + d.Text(CL_DEVICE_VERSION) + ", " +
           d.Text(CL_DRIVER_VERSION);
  } catch (const std::exception& e) {
    return std::string("bare OpenCL: ") + e.what();
  }
}

}  // namespace
}  // namespace bench

int main() { return bench::Serve(bench::Version(), bench::kCases); }
