// Memory of an OpenCL device: a handle is a cl_mem.
#include <cstdlib>
#include <cstring>

#include "device.h"

namespace sy::opencl {
namespace {

// Up to here a copy from the host is staged, so that it need not wait for the queue.
constexpr int64_t kStagedBytes = 1 << 20;

cl_mem MemOf(uint64_t handle) { return reinterpret_cast<cl_mem>(handle); }
size_t Size(int64_t n) { return static_cast<size_t>(n); }

int64_t SizeOf(const Device& d, cl_mem mem) {
  size_t bytes = 0;
  d.cl->clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof bytes, &bytes, nullptr);
  return static_cast<int64_t>(bytes);
}

SyStatus Alloc(void*, uint64_t handle, int64_t bytes, uint32_t, SyAllocation* out) {
  Device& d = *DeviceOf(handle);
  cl_int code = CL_SUCCESS;
  if (bytes <= 0 || static_cast<uint64_t>(bytes) > d.facts->max_alloc_bytes)
    return d.host->fail(
        SY_RESOURCE_EXHAUSTED, "opencl: no memory for %lld bytes, at most %llu at once",
        static_cast<long long>(bytes), static_cast<unsigned long long>(d.facts->max_alloc_bytes));
  cl_mem mem = d.cl->clCreateBuffer(d.context, CL_MEM_READ_WRITE, Size(bytes), nullptr, &code);
  if (code != CL_SUCCESS)
    return d.Fail(code, ("no memory for " + std::to_string(bytes) + " bytes").c_str());
  d.used_bytes += SizeOf(d, mem);
  SyMemory memory = {};
  memory.handle = reinterpret_cast<uint64_t>(mem);
  SY_SET(out, kind, SY_MEMORY_DEVICE);
  SY_SET(out, memory, memory);
  SY_SET(out, bytes, static_cast<uint64_t>(bytes));
  return SY_OK;
}

void Free(void*, uint64_t handle, uint64_t memory) {
  Device& d = *DeviceOf(handle);
  d.used_bytes -= SizeOf(d, MemOf(memory));
  d.cl->clReleaseMemObject(MemOf(memory));
  ++d.frees;
}

void CL_CALLBACK FreeStaging(cl_event, cl_int, void* staging) { std::free(staging); }

SyStatus CopyIn(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t offset,
                const void* host, int64_t bytes) {
  Device& d = *DeviceOf(handle);
  cl_command_queue queue = StreamOf(stream)->queue;
  void* staging = bytes <= kStagedBytes ? std::malloc(Size(bytes)) : nullptr;
  if (!staging) {
    const cl_int code = d.cl->clEnqueueWriteBuffer(queue, MemOf(to), CL_TRUE, Size(offset),
                                                   Size(bytes), host, 0, nullptr, nullptr);
    return code == CL_SUCCESS ? SY_OK : d.Fail(code, "copy to the device");
  }
  std::memcpy(staging, host, Size(bytes));
  cl_event done = nullptr;
  cl_int code = d.cl->clEnqueueWriteBuffer(queue, MemOf(to), CL_FALSE, Size(offset), Size(bytes),
                                           staging, 0, nullptr, &done);
  if (code != CL_SUCCESS) {
    std::free(staging);
    return d.Fail(code, "copy to the device");
  }
  if (d.cl->clSetEventCallback(done, CL_COMPLETE, FreeStaging, staging) != CL_SUCCESS) {
    d.cl->clWaitForEvents(1, &done);
    std::free(staging);
  }
  d.cl->clReleaseEvent(done);
  return SY_OK;
}

SyStatus CopyOut(void*, uint64_t handle, uint64_t stream, uint64_t from, int64_t offset, void* host,
                 int64_t bytes) {
  Device& d = *DeviceOf(handle);
  const cl_int code =
      d.cl->clEnqueueReadBuffer(StreamOf(stream)->queue, MemOf(from), CL_FALSE, Size(offset),
                                Size(bytes), host, 0, nullptr, nullptr);
  return code == CL_SUCCESS ? SY_OK : d.Fail(code, "copy from the device");
}

SyStatus CopyWithin(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t to_offset,
                    uint64_t from, int64_t from_offset, int64_t bytes) {
  Device& d = *DeviceOf(handle);
  const cl_int code =
      d.cl->clEnqueueCopyBuffer(StreamOf(stream)->queue, MemOf(from), MemOf(to), Size(from_offset),
                                Size(to_offset), Size(bytes), 0, nullptr, nullptr);
  return code == CL_SUCCESS ? SY_OK : d.Fail(code, "copy within the device");
}

SyStatus Fill(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t offset, int64_t bytes,
              const void* pattern, int32_t pattern_bytes) {
  Device& d = *DeviceOf(handle);
  const cl_int code =
      d.cl->clEnqueueFillBuffer(StreamOf(stream)->queue, MemOf(to), pattern, Size(pattern_bytes),
                                Size(offset), Size(bytes), 0, nullptr, nullptr);
  return code == CL_SUCCESS ? SY_OK : d.Fail(code, "fill");
}

}  // namespace

const SyMemoryFns kMemoryFns = {
    .size = sizeof(SyMemoryFns),
    .alloc = Alloc,
    .free = Free,
    .copy_in = CopyIn,
    .copy_out = CopyOut,
    .copy_within = CopyWithin,
    .fill = Fill,
};

}  // namespace sy::opencl
