// The form of what stands for a cubin, a shared object behind a small head, and for PTX, the same
// as text. The stand-in NVRTC makes it and the stand-in driver reads it.
#ifndef TESTS_SOFT_CUDA_IMAGE_FORMAT_H_
#define TESTS_SOFT_CUDA_IMAGE_FORMAT_H_

#include <string>
#include <string_view>

namespace soft {

std::string MakeImage(std::string_view shared_object);
std::string MakeText(std::string_view image);

// The shared object in an image of either form; empty if it is none.
std::string UnpackImage(const char* image);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_IMAGE_FORMAT_H_
