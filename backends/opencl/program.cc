// Compiling and launching. Binaries are kept in the host's cache folder with the text they were
// made from, so that neither a torn file nor two texts with one hash give a wrong kernel.
#include <algorithm>
#include <bit>
#include <cstring>

#include "device.h"

namespace sy::opencl {
namespace {

struct Kernel {
  cl_program program = nullptr;
  cl_kernel kernel = nullptr;
  std::mutex mutex;  // arguments belong to the kernel until it is queued
  // What the arguments were set to last: those that stay the same are not set again. A buffer made
  // after another was freed may have its handle.
  cl_mem buffers[SY_GPU_MAX_BUFFERS] = {};
  uint64_t frees = 0;  // of the device, when the buffers were set
  std::vector<unsigned char> params;
  const Api* cl = nullptr;
  ~Kernel() {
    if (kernel) cl->clReleaseKernel(kernel);
    if (program) cl->clReleaseProgram(program);
  }
};

std::string OptionsFor(const Device& d) {
  std::string options = "-cl-std=CL1.2 -w";  // PoCL prints how many warnings there are
  if (d.facts->numeric & SY_NUMERIC_EXACT_DIV) options += " -cl-fp32-correctly-rounded-divide-sqrt";
  return options;
}

// Makes PoCL skip its header of 18,000 lines; the text brings declarations of its own. Halves the
// time of most compilations.
constexpr char kOwnDeclarations[] = " -D_OPENCL_H_ -DSY_OWN_DECLARATIONS";

// What compiled code depends on beside the text.
std::string AboutOf(const Device& d) { return d.cache_prefix + "\n" + OptionsFor(d); }

cl_program FromCache(Device* d, const SyGpuSource& source) {
  std::string binary;
  if (!d->code.Get(source, AboutOf(*d), &binary)) return nullptr;
  const size_t size = binary.size();
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  cl_int state = CL_SUCCESS, code = CL_SUCCESS;
  cl_program program =
      d->cl->clCreateProgramWithBinary(d->context, 1, &d->facts->id, &size, &bytes, &state, &code);
  if (code != CL_SUCCESS) return nullptr;
  if (state == CL_SUCCESS &&
      d->cl->clBuildProgram(program, 1, &d->facts->id, OptionsFor(*d).c_str(), nullptr, nullptr) ==
          CL_SUCCESS)
    return program;
  d->cl->clReleaseProgram(program);
  return nullptr;
}

void ToCache(const Device& d, const SyGpuSource& source, cl_program program) {
  size_t size = 0;
  if (!d.host->cache_dir() ||
      d.cl->clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, nullptr) !=
          CL_SUCCESS ||
      size == 0)
    return;
  std::string binary(size, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(binary.data());
  if (d.cl->clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, nullptr) ==
      CL_SUCCESS)
    d.code.Put(source, AboutOf(d), binary);
}

SyStatus FromSource(Device* d, const SyGpuSource& source, cl_program* out_program) {
  cl_int code = CL_SUCCESS;
  const size_t length = static_cast<size_t>(source.length);
  const char* text = source.text;
  cl_program program = d->cl->clCreateProgramWithSource(d->context, 1, &text, &length, &code);
  if (code != CL_SUCCESS) return d->Fail(code, "clCreateProgramWithSource");
  const std::string options = OptionsFor(*d);
  const auto build = [&](const std::string& with) {
    return d->cl->clBuildProgram(program, 1, &d->facts->id, with.c_str(), nullptr, nullptr);
  };
  code = CL_BUILD_PROGRAM_FAILURE;
  if (d->own_declarations) {
    code = build(options + kOwnDeclarations);
    if (code == CL_BUILD_PROGRAM_FAILURE) d->own_declarations = false;  // for good
  }
  if (code == CL_BUILD_PROGRAM_FAILURE) code = build(options);
  if (code == CL_SUCCESS) {
    *out_program = program;
    return SY_OK;
  }
  std::string log(4096, '\0');
  d->cl->clGetProgramBuildInfo(program, d->facts->id, CL_PROGRAM_BUILD_LOG, log.size(), log.data(),
                               nullptr);
  log.resize(std::strlen(log.c_str()));
  d->cl->clReleaseProgram(program);
  if (code != CL_BUILD_PROGRAM_FAILURE) return d->Fail(code, "clBuildProgram");
  if (d->host->log_level() >= SY_LOG_DEBUG) {
    d->host->log(SY_LOG_DEBUG, source.text);
    d->host->log(SY_LOG_DEBUG, log.c_str());
  }
  const size_t error = log.find("error:");
  const std::string line = error == std::string::npos
                               ? log.substr(0, log.find('\n'))
                               : log.substr(error, log.find('\n', error) - error);
  return d->host->fail(SY_INTERNAL, "opencl: kernel %s does not compile on %s: %s",
                       source.signature->name, d->facts->name.c_str(),
                       line.empty() ? "the driver does not say why" : line.c_str());
}

}  // namespace

// Sets argument `i` where it is not what it was. The caller holds the mutex.
cl_int SetBuffer(Kernel* k, int32_t i, cl_mem mem) {
  if (k->buffers[i] == mem) return CL_SUCCESS;
  const cl_int code =
      k->cl->clSetKernelArg(k->kernel, static_cast<cl_uint>(i), sizeof(cl_mem), &mem);
  k->buffers[i] = code == CL_SUCCESS ? mem : nullptr;
  return code;
}

cl_int SetParams(Kernel* k, int32_t i, const unsigned char* params, size_t bytes) {
  if (k->params.size() == bytes && std::memcmp(k->params.data(), params, bytes) == 0)
    return CL_SUCCESS;
  const cl_int code = k->cl->clSetKernelArg(k->kernel, static_cast<cl_uint>(i), bytes, params);
  k->params.assign(params, params + (code == CL_SUCCESS ? bytes : 0));
  return code;
}

SyStatus Compile(void* context, const SyGpuSource* source, void** out_native) {
  Device* d = static_cast<Device*>(context);
  return Guarded(d->host, [&]() -> SyStatus {
    auto kernel = std::make_unique<Kernel>();
    kernel->cl = d->cl;
    kernel->program = FromCache(d, *source);
    const bool cached = kernel->program != nullptr;
    if (!cached)
      if (SyStatus e = FromSource(d, *source, &kernel->program)) return e;
    cl_int code = CL_SUCCESS;
    kernel->kernel = d->cl->clCreateKernel(kernel->program, source->signature->name, &code);
    if (code != CL_SUCCESS) return d->Fail(code, "clCreateKernel");
    if (!cached) ToCache(*d, *source, kernel->program);
    kernel->params.reserve(  // none at a launch
        static_cast<size_t>(sy_gpu_struct_bytes(source->signature)));
    d->code.Count(cached);
    *out_native = kernel.release();
    return SY_OK;
  });
}

void ReleaseKernel(void*, void* native) { delete static_cast<Kernel*>(native); }

SyStatus Launch(void* context, const SyGpuLaunch* launch) {
  Device* d = static_cast<Device*>(context);
  const SyGpuSignature& s = launch->kernel->signature;
  Kernel* k = static_cast<Kernel*>(launch->kernel->native);
  cl_int code = CL_SUCCESS;
  std::lock_guard<std::mutex> lock(k->mutex);
  if (const uint64_t frees = d->frees.load(); k->frees != frees) {
    std::fill_n(k->buffers, s.buffer_count, nullptr);
    k->frees = frees;
  }
  for (int32_t i = 0; i < s.buffer_count; ++i) {
    const SyGpuBuffer& b = launch->buffers[i];
    const int64_t element = b.offset >> std::countr_zero(s.element_bytes[i]);
    std::memcpy(launch->params + 8 * i, &element, sizeof element);
    code |= SetBuffer(k, i, reinterpret_cast<cl_mem>(b.memory.handle));
  }
  const auto bytes = static_cast<size_t>(sy_gpu_struct_bytes(&s));
  cl_mem constants = nullptr;  // lives on until the kernel has run
  if (sy_gpu_by_value(&s)) {
    code |= SetParams(k, s.buffer_count, launch->params, bytes);
  } else {
    cl_int made = CL_SUCCESS;
    constants = d->cl->clCreateBuffer(d->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes,
                                      launch->params, &made);
    if (made != CL_SUCCESS) return d->Fail(made, s.name);
    code |= d->cl->clSetKernelArg(k->kernel, static_cast<cl_uint>(s.buffer_count), sizeof(cl_mem),
                                  &constants);
  }
  if (code != CL_SUCCESS) {
    if (constants) d->cl->clReleaseMemObject(constants);
    return d->Fail(CL_INVALID_KERNEL_ARGS, s.name);
  }
  const size_t group = static_cast<size_t>(s.group);
  const size_t global = static_cast<size_t>(launch->groups) * group;
  code = d->cl->clEnqueueNDRangeKernel(StreamOf(launch->call->stream)->queue, k->kernel, 1, nullptr,
                                       &global, &group, 0, nullptr, nullptr);
  if (constants) d->cl->clReleaseMemObject(constants);
  return code == CL_SUCCESS ? SY_OK : d->Fail(code, s.name);
}

}  // namespace sy::opencl
