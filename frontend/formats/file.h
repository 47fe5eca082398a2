// What the formats share: files that are mapped or replaced as a whole, and tensors over a file's
// bytes.
#ifndef SWITCHYARD_FRONTEND_FORMATS_FILE_H_
#define SWITCHYARD_FRONTEND_FORMATS_FILE_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "switchyard/syf.h"

namespace sy::formats {

// Sets the thread's message to "path: what" and returns the code.
SyStatus Fail(SyStatus code, const std::string& path, const std::string& what);

// Runs the body of an exported function; no exception crosses the border.
SyStatus Guard(const char* path, const std::function<SyStatus()>& body);

// A regular file, mapped privately: writes to it stay in this process.
class Mapping {
 public:
  static SyStatus Open(const std::string& path, std::shared_ptr<Mapping>* out);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const std::string& path() const { return path_; }
  char* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  Mapping(std::string path, char* data, uint64_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  std::string path_;
  char* data_;
  uint64_t size_;
};

// Writes beside `path` and moves the file there when it is complete.
class Replacement {
 public:
  explicit Replacement(std::string path);
  ~Replacement();
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  SyStatus Open();
  SyStatus Write(const void* data, uint64_t bytes);
  SyStatus Commit();

 private:
  std::string path_, scratch_;
  std::FILE* file_ = nullptr;
};

// Product of the shape and the element size; false on overflow.
bool Bytes(const std::vector<int64_t>& shape, SyDtype dtype, uint64_t* out_bytes);

// A dense tensor over bytes that `owner` keeps alive. Copies where they are not aligned for the
// dtype or where no CPU device is loaded.
SyStatus TensorOver(std::shared_ptr<void> owner, void* data, const std::vector<int64_t>& shape,
                    SyDtype dtype, SyTensor** out_tensor);

// All elements of a tensor, dense.
SyStatus Read(SyTensor* tensor, std::vector<char>* out_bytes);

}  // namespace sy::formats

#endif  // SWITCHYARD_FRONTEND_FORMATS_FILE_H_
