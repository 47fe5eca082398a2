// Whole files, for the stand-in NVRTC.
#ifndef TESTS_SOFT_CUDA_FILES_H_
#define TESTS_SOFT_CUDA_FILES_H_

#include <filesystem>
#include <string>

namespace soft {

// Empty if it cannot be read.
std::string ReadFile(const std::filesystem::path& path);

bool WriteFile(const std::filesystem::path& path, const std::string& text);

// Makes the folder, too; the file is there whole or not at all, while other threads and processes
// read and write the same.
bool WriteWhole(const std::filesystem::path& path, const std::string& text);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_FILES_H_
