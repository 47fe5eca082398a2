// Storage: a piece of device memory shared by the views on it, with the version that autograd
// checks and the record of last uses that orders streams. Threads: the reference count and the
// version are atomic; the uses are guarded by uses_mutex and kept only for devices with streams.
#ifndef DISPATCHER_TENSOR_STORAGE_H_
#define DISPATCHER_TENSOR_STORAGE_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/status/statusor.h"
#include "api/switchyard/sy_plugin.h"
#include "dispatcher/tensor/freelist.h"
#include "dispatcher/tensor/pool.h"
#include "dispatcher/tensor/ref.h"

namespace sy {

class Storage : public Pooled<Storage> {
 public:
  // Memory from the device's pool. bytes >= 0.
  static absl::StatusOr<Ref<Storage>> Allocate(SyDevice* device, int64_t bytes);
  // Memory of somebody else; deleter (may be null) runs once when the last view goes.
  static Ref<Storage> Wrap(SyDevice* device, const SyMemory& memory, int64_t bytes,
                           SyReleaseFn deleter, void* context);

  void Retain() { refs_.Increment(); }
  void Release() {
    if (refs_.Decrement()) delete this;
  }
  bool IsShared() const { return refs_.Get() > 1; }

  SyDevice* device() const { return device_; }
  const SyMemory& memory() const { return memory_; }
  int64_t offset() const { return offset_; }  // of byte 0 of this storage in the memory
  int64_t bytes() const { return bytes_; }

  int64_t version() const { return version_.load(std::memory_order_acquire); }
  void BumpVersion(int32_t op) {
    last_writer_op_.store(op, std::memory_order_relaxed);
    version_.fetch_add(1, std::memory_order_acq_rel);
  }
  int32_t last_writer_op() const { return last_writer_op_.load(std::memory_order_relaxed); }

  std::mutex& uses_mutex() { return uses_mutex_; }
  Uses& uses() { return block_ ? block_->uses : own_uses_; }

  ~Storage();

 private:
  Storage() = default;

  RefCount refs_;
  std::atomic<int32_t> last_writer_op_{-1};
  std::atomic<int64_t> version_{0};
  SyDevice* device_ = nullptr;
  SyMemory memory_{};
  int64_t offset_ = 0, bytes_ = 0;
  Block* block_ = nullptr;
  SyReleaseFn deleter_ = nullptr;
  void* context_ = nullptr;
  std::mutex uses_mutex_;
  Uses own_uses_;
};

}  // namespace sy

#endif  // DISPATCHER_TENSOR_STORAGE_H_
