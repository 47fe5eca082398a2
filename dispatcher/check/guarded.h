// A struct that the plugin fills, between bytes that it may not touch.
#ifndef DISPATCHER_CHECK_GUARDED_H_
#define DISPATCHER_CHECK_GUARDED_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_format.h"
#include "dispatcher/check/entry.h"

namespace sy::check {

// T begins with uint32_t size.
template <class T>
class Guarded {
 public:
  explicit Guarded(uint32_t size) {
    std::memset(&room_, 0, sizeof room_);
    std::memset(room_.before, kByte, sizeof room_.before);
    std::memset(room_.behind, kByte, sizeof room_.behind);
    room_.value.size = size;
    // What lies behind the stated size is not the plugin's either.
    if (size < sizeof(T)) std::memset(End(size), kByte, sizeof(T) - size);
  }
  T* get() { return &room_.value; }

  // After the call; `name` is the struct's.
  void Check(const Entry& entry, const char* name, uint32_t size) {
    if (room_.value.size != size)
      entry.Plugin(kBounds, absl::StrFormat("%s.size became %d; want it left at %d", name,
                                            room_.value.size, size));
    room_.value.size = size;
    bool touched = false;
    for (unsigned char c : room_.before) touched |= c != kByte;
    for (const unsigned char* p = End(size); p != End(sizeof room_.value + sizeof room_.behind);
         ++p)
      touched |= *p != kByte;
    if (touched)
      entry.Plugin(kBounds, absl::StrFormat("bytes outside of %s were written; want only its %d",
                                            name, size));
  }
  // Whether anything but `size` was set.
  bool Clear(uint32_t size) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&room_.value);
    for (uint32_t i = sizeof(uint32_t); i < size && i < sizeof(T); ++i)
      if (bytes[i]) return false;
    return true;
  }

 private:
  static constexpr unsigned char kByte = 0xa5;
  unsigned char* End(size_t size) { return reinterpret_cast<unsigned char*>(&room_.value) + size; }
  struct {
    unsigned char before[64];
    T value;
    unsigned char behind[256];
  } room_;
};

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_GUARDED_H_
