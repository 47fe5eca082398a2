#include "api.h"

#include <dlfcn.h>

namespace sy::opencl {

bool LoadApi(const std::string& path, Api* out, std::string* reason) {
  const std::string name = path.empty() ? "libOpenCL.so.1" : path;
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    *reason = std::string("no OpenCL loader: ") + dlerror();
    return false;
  }
#define X(function)                                                                     \
  out->function = reinterpret_cast<decltype(out->function)>(dlsym(library, #function)); \
  if (!out->function) *reason = name + " lacks " #function ", want OpenCL 1.2 or newer";
  SY_OPENCL_FUNCTIONS(X)
#undef X
  return reason->empty();
}

const char* ErrorName(cl_int code) {
  switch (code) {
#define CASE(name) \
  case name:       \
    return #name
    CASE(CL_DEVICE_NOT_FOUND);
    CASE(CL_DEVICE_NOT_AVAILABLE);
    CASE(CL_COMPILER_NOT_AVAILABLE);
    CASE(CL_MEM_OBJECT_ALLOCATION_FAILURE);
    CASE(CL_OUT_OF_RESOURCES);
    CASE(CL_OUT_OF_HOST_MEMORY);
    CASE(CL_BUILD_PROGRAM_FAILURE);
    CASE(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    CASE(CL_INVALID_VALUE);
    CASE(CL_INVALID_DEVICE);
    CASE(CL_INVALID_CONTEXT);
    CASE(CL_INVALID_COMMAND_QUEUE);
    CASE(CL_INVALID_MEM_OBJECT);
    CASE(CL_INVALID_BINARY);
    CASE(CL_INVALID_PROGRAM_EXECUTABLE);
    CASE(CL_INVALID_KERNEL_NAME);
    CASE(CL_INVALID_KERNEL_ARGS);
    CASE(CL_INVALID_ARG_INDEX);
    CASE(CL_INVALID_ARG_VALUE);
    CASE(CL_INVALID_ARG_SIZE);
    CASE(CL_INVALID_WORK_GROUP_SIZE);
    CASE(CL_INVALID_GLOBAL_WORK_SIZE);
    CASE(CL_INVALID_BUFFER_SIZE);
#undef CASE
    default:
      return "OpenCL error";
  }
}

}  // namespace sy::opencl
