// What the functions of the C border share: exceptions stay in, statuses become codes, and what C
// cannot say (NULL, sizes) is checked.
#ifndef DISPATCHER_ABI_GUARD_H_
#define DISPATCHER_ABI_GUARD_H_

#include <new>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "api/switchyard/sy.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/tensor/tensor.h"

namespace sy::abi {

// Runs the body; std::bad_alloc is the one exception that can reach here.
template <class Fn>
SyStatus Guard(Fn&& body) {
  try {
    const absl::Status s = body();
    return s.ok() ? SY_OK : Report(s);
  } catch (const std::bad_alloc&) {
    return Report(absl::ResourceExhaustedError("out of host memory"));
  } catch (...) {
    return Report(absl::InternalError("an exception reached the C border"));
  }
}

inline absl::Status Null(const char* function, const char* what) {
  return absl::InvalidArgumentError(absl::StrFormat("%s: %s is NULL", function, what));
}

#define SY_REQUIRE(function, pointer) \
  if (!(pointer)) return Null(function, #pointer)

inline absl::Status RequireData(const char* function, const SyTensor* tensor) {
  if (!tensor) return Null(function, "tensor");
  if (tensor->IsNumber())
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %s has no memory", function, sy::Describe(tensor)));
  return absl::OkStatus();
}

template <class T>
absl::Status RequireSized(const char* function, const T* p, uint32_t least) {
  if (!p) return Null(function, "the struct");
  const uint32_t size = p->size;
  if (least > size || size > (64u << 10))
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: struct of size %d; want sizeof, %d or more", function, size, least));
  return absl::OkStatus();
}

// *out = what is held; untouched where that is an error.
template <class T, class Out>
absl::Status Store(absl::StatusOr<T> from, Out* out) {
  if (from.ok()) *out = *from;
  return from.status();
}

inline SyDevice* Mutable(const SyDevice* device) { return const_cast<SyDevice*>(device); }

}  // namespace sy::abi

#endif  // DISPATCHER_ABI_GUARD_H_
