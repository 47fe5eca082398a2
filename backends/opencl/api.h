// The functions of the OpenCL ICD loader, opened at run time, so that the plugin loads on a machine
// without OpenCL and can say so.
#ifndef BACKENDS_OPENCL_API_H_
#define BACKENDS_OPENCL_API_H_

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <string>

namespace sy::opencl {

#define SY_OPENCL_FUNCTIONS(X)    \
  X(clGetPlatformIDs)             \
  X(clGetPlatformInfo)            \
  X(clGetDeviceIDs)               \
  X(clGetDeviceInfo)              \
  X(clCreateContext)              \
  X(clReleaseContext)             \
  X(clCreateCommandQueue)         \
  X(clReleaseCommandQueue)        \
  X(clCreateBuffer)               \
  X(clReleaseMemObject)           \
  X(clGetMemObjectInfo)           \
  X(clCreateProgramWithSource)    \
  X(clCreateProgramWithBinary)    \
  X(clBuildProgram)               \
  X(clGetProgramInfo)             \
  X(clGetProgramBuildInfo)        \
  X(clReleaseProgram)             \
  X(clCreateKernel)               \
  X(clReleaseKernel)              \
  X(clSetKernelArg)               \
  X(clEnqueueNDRangeKernel)       \
  X(clEnqueueReadBuffer)          \
  X(clEnqueueWriteBuffer)         \
  X(clEnqueueCopyBuffer)          \
  X(clEnqueueFillBuffer)          \
  X(clEnqueueMarkerWithWaitList)  \
  X(clEnqueueBarrierWithWaitList) \
  X(clSetEventCallback)           \
  X(clGetEventInfo)               \
  X(clGetEventProfilingInfo)      \
  X(clWaitForEvents)              \
  X(clReleaseEvent)               \
  X(clFlush)                      \
  X(clFinish)

struct Api {
// NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration
#define X(name) decltype(&::name) name = nullptr;
  SY_OPENCL_FUNCTIONS(X)
#undef X
};

// Opens the loader, by its path or, where that is empty, by its usual name, and keeps it: drivers
// do not survive being unmapped. False with a reason where there is none.
bool LoadApi(const std::string& path, Api* out, std::string* reason);

// "CL_OUT_OF_RESOURCES"
const char* ErrorName(cl_int code);

}  // namespace sy::opencl

#endif  // BACKENDS_OPENCL_API_H_
