#include "frontend/formats/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

namespace sy::formats {
namespace {

SyStatus FailErrno(const std::string& path, const char* what, int error) {
  const SyStatus code = error == ENOENT                      ? SY_NOT_FOUND
                        : error == EACCES || error == EPERM  ? SY_PERMISSION_DENIED
                        : error == ENOSPC || error == ENOMEM ? SY_RESOURCE_EXHAUSTED
                                                             : SY_UNKNOWN;
  return Fail(code, path, std::string(what) + ": " + std::strerror(error));
}

}  // namespace

SyStatus Fail(SyStatus code, const std::string& path, const std::string& what) {
  return sy_fail(code, (path + ": " + what).c_str());
}

SyStatus Guard(const char* path, const std::function<SyStatus()>& body) {
  if (!path) return sy_fail(SY_INVALID_ARGUMENT, "syf: path is NULL");
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Fail(SY_RESOURCE_EXHAUSTED, path, "out of memory");
  } catch (const std::exception& e) {
    return Fail(SY_INTERNAL, path, e.what());
  }
}

SyStatus Mapping::Open(const std::string& path, std::shared_ptr<Mapping>* out) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FailErrno(path, "cannot open", errno);
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return Fail(SY_INVALID_ARGUMENT, path, "not a regular file");
  }
  char* data = nullptr;
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size) {
    void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) {
      const int error = errno;
      close(fd);
      return FailErrno(path, "cannot map", error);
    }
    data = static_cast<char*>(mapped);
  }
  close(fd);
  out->reset(new Mapping(path, data, size));
  return SY_OK;
}

Mapping::~Mapping() {
  if (data_) munmap(data_, size_);
}

Replacement::Replacement(std::string path)
    : path_(std::move(path)), scratch_(path_ + ".part" + std::to_string(getpid())) {}
Replacement::~Replacement() {
  if (!file_) return;
  std::fclose(file_);
  unlink(scratch_.c_str());
}

SyStatus Replacement::Open() {
  file_ = std::fopen(scratch_.c_str(), "wbe");
  return file_ ? SY_OK : FailErrno(path_, "cannot write", errno);
}

SyStatus Replacement::Write(const void* data, uint64_t bytes) {
  if (bytes && std::fwrite(data, 1, bytes, file_) != bytes)
    return FailErrno(path_, "cannot write", errno);
  return SY_OK;
}

SyStatus Replacement::Commit() {
  // On disk before the name points there: a crash leaves the old file or the new one.
  if (std::fflush(file_) != 0 || fsync(fileno(file_)) != 0)
    return FailErrno(path_, "cannot write", errno);
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (closed && std::rename(scratch_.c_str(), path_.c_str()) == 0) return SY_OK;
  const int error = errno;
  unlink(scratch_.c_str());
  return FailErrno(path_, "cannot write", error);
}

bool Bytes(const std::vector<int64_t>& shape, SyDtype dtype, uint64_t* out_bytes) {
  auto bytes = static_cast<uint64_t>(SY_DTYPE_BYTES(dtype));
  bool empty = false;
  for (const int64_t n : shape) {
    if (n < 0) return false;
    empty = empty || n == 0;
  }
  for (const int64_t n : shape)
    if (!empty &&
        (__builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes) || bytes > INT64_MAX))
      return false;
  *out_bytes = empty ? 0 : bytes;
  return true;
}

SyStatus TensorOver(std::shared_ptr<void> owner, void* data, const std::vector<int64_t>& shape,
                    SyDtype dtype, SyTensor** out_tensor) {
  const auto rank = static_cast<int32_t>(shape.size());
  uint64_t bytes = 0;
  if (!Bytes(shape, dtype, &bytes))
    return sy_fail(SY_INVALID_ARGUMENT, "syf: a shape with too many elements");
  const SyDevice* cpu = nullptr;
  if (sy_device_find("cpu", &cpu) != SY_OK || !bytes)
    return sy_tensor_from_host(data, shape.data(), rank, dtype, cpu ? "cpu" : "", out_tensor);
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(SY_DTYPE_BYTES(dtype))) {
    const auto copy = std::make_shared<std::vector<uint64_t>>((bytes + 7) / 8);
    std::memcpy(copy->data(), data, bytes);
    data = copy->data();
    owner = copy;
  }
  auto keep = std::make_unique<std::shared_ptr<void>>(std::move(owner));
  const SyStatus status = sy_tensor_wrap(
      data, shape.data(), nullptr, rank, dtype,
      [](void* kept) { delete static_cast<std::shared_ptr<void>*>(kept); }, keep.get(), out_tensor);
  if (status == SY_OK) (void)keep.release();
  return status;
}

SyStatus Read(SyTensor* tensor, std::vector<char>* out_bytes) {
  out_bytes->resize(
      static_cast<size_t>(sy_tensor_count(tensor) * SY_DTYPE_BYTES(sy_tensor_dtype(tensor))));
  return sy_tensor_read(tensor, out_bytes->data(), static_cast<int64_t>(out_bytes->size()));
}

}  // namespace sy::formats
