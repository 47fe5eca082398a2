// Looking at device memory: by the host's address where calls are complete when they return, else
// by the plugin's own copies, on the stream of the call that is looked at. Functions return false
// where the device gives no answer (lost, an error on the stream): then nothing can be said.
#ifndef DISPATCHER_CHECK_IMAGE_H_
#define DISPATCHER_CHECK_IMAGE_H_

#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "dispatcher/check/entry.h"

namespace sy::check {

using Bytes = std::vector<unsigned char>;

inline constexpr unsigned char kZone = 0xfe;                 // red zones, and memory never written
inline constexpr unsigned char kUnwritten[] = {0xa5, 0x5a};  // what outputs hold before a call

// Keeps for good what work that cannot be waited for may still write into.
void Abandon(Bytes bytes);

// Waits until what is queued on the stream is done.
bool Settle(const Entry& entry, DeviceWatch* device, StreamWatch* stream);

// A part of an allocation, by the plugin's own handle, and what is known of it.
struct Region {
  SyMemory memory{};
  std::shared_ptr<BlockWatch> block;  // null: memory of somebody else
  int64_t begin = 0;                  // of the bytes below, from the memory's start
  int64_t bytes = 0;
};
// The whole allocation.
Region Whole(const std::shared_ptr<BlockWatch>& block);

class Memory {
 public:
  Memory(const Entry& entry, DeviceWatch* device, StreamWatch* stream)
      : entry_(entry), device_(device), stream_(stream) {}
  // Several are queued and waited for at once.
  bool Read(const std::vector<Region>& regions, std::vector<Bytes>* images);
  // Only bytes whose mask is not 0, where single bytes can be written; `mask` may be null.
  bool Write(const Region& region, const Bytes& image, const Bytes* mask);

 private:
  bool Direct(const Region& region) const;
  // Something has failed: what is queued may still write into the images. Returns false.
  bool Leave(std::vector<Bytes>* images);
  const Entry& entry_;
  DeviceWatch* device_;
  StreamWatch* stream_;
};

// The device's own stream for what happens outside of any other.
class OwnStream {
 public:
  explicit OwnStream(DeviceWatch* device) : lock_(device->own_mutex), stream_(device->own.get()) {}
  StreamWatch* get() const { return stream_; }

 private:
  std::lock_guard<std::mutex> lock_;
  StreamWatch* stream_;
};

// Keeps a block's contents from changing while they are looked at. Not ok(): somebody holds it for
// longer than a call takes, such as a kernel that runs ops.
class Hold {
 public:
  Hold() = default;
  Hold(BlockWatch* block, bool alone);
  ~Hold();
  Hold(Hold&& other) noexcept;
  Hold& operator=(Hold&&) = delete;
  bool ok() const { return ok_; }

 private:
  BlockWatch* block_ = nullptr;
  bool alone_ = false, ok_ = true;
};

// Bytes of a block that differ and may not: reports where they lie.
void ReportStray(const Entry& entry, const Region& region, const Bytes& before, const Bytes& after,
                 const Bytes& may_change, std::string_view what);

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_IMAGE_H_
