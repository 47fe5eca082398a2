// Stands in for libOpenCL.so.1, which it is linked against: entries that are not here are the real
// ones. faulty_set() says what fails (faulty_loader.h).
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "tests/devices/faulty_loader.h"

void faulty_set(const char* entry, long long n, int code) { faulty::Set(entry, n, code); }
long long faulty_calls() { return faulty::Calls(); }

#define REAL(name) reinterpret_cast<decltype(&name)>(faulty::Real("libOpenCL.so.1", #name))

// Entries that return a code ...
#define RETURNS_CODE(name, parameters, arguments)               \
  FAULTY_EXPORT cl_int name parameters {                        \
    static const auto real = REAL(name);                        \
    int code = 0;                                               \
    return faulty::Fires(#name, &code) ? code : real arguments; \
  }
// ... and those that return an object, and the code through their last parameter.
#define RETURNS_OBJECT(type, name, parameters, arguments)    \
  FAULTY_EXPORT type name parameters {                       \
    static const auto real = REAL(name);                     \
    int code = 0;                                            \
    if (!faulty::Fires(#name, &code)) return real arguments; \
    if (out_code) *out_code = code;                          \
    return nullptr;                                          \
  }

RETURNS_OBJECT(cl_context, clCreateContext,
               (const cl_context_properties* properties, cl_uint count, const cl_device_id* ids,
                void(CL_CALLBACK* notify)(const char*, const void*, size_t, void*), void* data,
                cl_int* out_code),
               (properties, count, ids, notify, data, out_code))
RETURNS_OBJECT(cl_command_queue, clCreateCommandQueue,
               (cl_context context, cl_device_id device, cl_command_queue_properties properties,
                cl_int* out_code),
               (context, device, properties, out_code))
RETURNS_OBJECT(cl_mem, clCreateBuffer,
               (cl_context context, cl_mem_flags flags, size_t size, void* host, cl_int* out_code),
               (context, flags, size, host, out_code))
RETURNS_OBJECT(cl_program, clCreateProgramWithSource,
               (cl_context context, cl_uint count, const char** texts, const size_t* lengths,
                cl_int* out_code),
               (context, count, texts, lengths, out_code))
RETURNS_OBJECT(cl_kernel, clCreateKernel, (cl_program program, const char* name, cl_int* out_code),
               (program, name, out_code))
RETURNS_CODE(clBuildProgram,
             (cl_program program, cl_uint count, const cl_device_id* ids, const char* options,
              void(CL_CALLBACK* notify)(cl_program, void*), void* data),
             (program, count, ids, options, notify, data))
RETURNS_CODE(clSetKernelArg, (cl_kernel kernel, cl_uint index, size_t size, const void* value),
             (kernel, index, size, value))
RETURNS_CODE(clEnqueueNDRangeKernel,
             (cl_command_queue queue, cl_kernel kernel, cl_uint rank, const size_t* offset,
              const size_t* global, const size_t* local, cl_uint wait_count, const cl_event* waits,
              cl_event* out_event),
             (queue, kernel, rank, offset, global, local, wait_count, waits, out_event))
RETURNS_CODE(clEnqueueReadBuffer,
             (cl_command_queue queue, cl_mem memory, cl_bool blocks, size_t offset, size_t size,
              void* to, cl_uint wait_count, const cl_event* waits, cl_event* out_event),
             (queue, memory, blocks, offset, size, to, wait_count, waits, out_event))
RETURNS_CODE(clEnqueueWriteBuffer,
             (cl_command_queue queue, cl_mem memory, cl_bool blocks, size_t offset, size_t size,
              const void* from, cl_uint wait_count, const cl_event* waits, cl_event* out_event),
             (queue, memory, blocks, offset, size, from, wait_count, waits, out_event))
RETURNS_CODE(clEnqueueFillBuffer,
             (cl_command_queue queue, cl_mem memory, const void* pattern, size_t pattern_size,
              size_t offset, size_t size, cl_uint wait_count, const cl_event* waits,
              cl_event* out_event),
             (queue, memory, pattern, pattern_size, offset, size, wait_count, waits, out_event))
RETURNS_CODE(clEnqueueMarkerWithWaitList,
             (cl_command_queue queue, cl_uint wait_count, const cl_event* waits,
              cl_event* out_event),
             (queue, wait_count, waits, out_event))
RETURNS_CODE(clFlush, (cl_command_queue queue), (queue))
RETURNS_CODE(clWaitForEvents, (cl_uint count, const cl_event* events), (count, events))
