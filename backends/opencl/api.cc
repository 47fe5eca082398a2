#include "api.h"

#include <dlfcn.h>

namespace sy::opencl {
namespace {

struct Loaded {
  Api api;
  std::string reason;
};

Loaded Load() {
  Loaded loaded;
  void* library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    loaded.reason = std::string("no OpenCL loader: ") + dlerror();
    return loaded;
  }
#define X(name)                                                                         \
  loaded.api.name = reinterpret_cast<decltype(loaded.api.name)>(dlsym(library, #name)); \
  if (!loaded.api.name)                                                                 \
    loaded.reason = "libOpenCL.so.1 lacks " #name                                       \
                    ", want OpenCL 1.2 or "                                             \
                    "newer";
  SY_OPENCL_FUNCTIONS(X)
#undef X
  return loaded;
}

}  // namespace

const Api* LoadApi(std::string* reason) {
  static const Loaded loaded = Load();
  *reason = loaded.reason;
  return loaded.reason.empty() ? &loaded.api : nullptr;
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
