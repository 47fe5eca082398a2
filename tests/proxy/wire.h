// The bytes between the plugin `proxy` and its server: frames of a head and a payload, in the byte
// order of the machine that both run on. Writer appends a frame, Reader takes one apart and
// believes none of its numbers. What the payloads hold stands in message.h.
#ifndef TESTS_PROXY_WIRE_H_
#define TESTS_PROXY_WIRE_H_

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace proxy {

inline constexpr uint32_t kMagic = 0x79786f72;
inline constexpr uint32_t kVersion = 1;
inline constexpr int64_t kPiece = 4 << 20;                    // larger copies travel in pieces
inline constexpr uint32_t kMostPayload = kPiece + (1 << 20);  // of one frame

enum Kind : uint16_t {
  kNone,
  // To the server, answered by kAnswer with the number that stands first in the payload.
  kHello,
  kOpen,
  kAlloc,
  kMemoryInfo,
  kPlan,
  kTry,  // a kernel call that may be refused
  // To the server, in order, without an answer.
  kClose,
  kFree,
  kStreamCreate,
  kStreamDestroy,
  kCopyIn,
  kCopyOut,
  kCopyWithin,
  kFill,
  kRun,
  kRecord,
  kReset,
  kProgram,
  kOpName,
  kDrop,
  // From the server.
  kAnswer,
  kTick,
  kError,
  kCopied,
  kLog,
  kEnd,  // its last words
};

struct Head {
  uint32_t bytes;  // of the payload
  uint16_t kind;
  uint16_t check;
};
inline constexpr uint16_t kCheck = 0x5379;

class Writer {  // of one frame; whole when it is destroyed
 public:
  Writer(std::string* to, Kind kind) : to_(to), start_(to->size()) { Put(Head{0, kind, kCheck}); }
  ~Writer() {
    const auto bytes = static_cast<uint32_t>(to_->size() - start_ - sizeof(Head));
    std::memcpy(to_->data() + start_, &bytes, sizeof bytes);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  template <class T>
  void Put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    Bytes(&value, sizeof value);
  }
  void Text(std::string_view text) {
    Put(static_cast<uint32_t>(text.size()));
    Bytes(text.data(), text.size());
  }
  void Bytes(const void* data, size_t bytes) {
    if (bytes) to_->append(static_cast<const char*>(data), bytes);
  }

 private:
  std::string* to_;
  size_t start_;
};

// Once something is missing everything read is zero and good() is false.
class Reader {
 public:
  explicit Reader(std::string_view payload) : left_(payload) {}

  template <class T>
  T Get() {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    T value{};
    if (const char* p = Bytes(sizeof value)) std::memcpy(&value, p, sizeof value);
    return value;
  }
  std::string_view Text() {
    const auto length = Get<uint32_t>();
    const char* p = Bytes(length);
    return p ? std::string_view(p, length) : std::string_view();
  }
  // nullptr if there are not so many.
  const char* Bytes(uint64_t bytes) {
    if (bytes > left_.size()) {
      Fail();
      return nullptr;
    }
    const char* p = left_.data();
    left_.remove_prefix(static_cast<size_t>(bytes));
    return p;
  }
  std::string_view Rest() {
    const std::string_view rest = left_;
    left_ = {};
    return rest;
  }
  // `count` elements, as far as they are there.
  template <class List>
  void GetList(uint64_t count, List* out) {
    using T = typename List::value_type;
    if (count > left_.size() / sizeof(T)) return Fail();
    out->resize(static_cast<size_t>(count));
    if (count) std::memcpy(out->data(), Bytes(count * sizeof(T)), count * sizeof(T));
  }
  void Fail() {
    good_ = false;
    left_ = {};
  }
  bool good() const { return good_; }
  bool at_end() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

// The other end may be gone: that is an answer and not a signal.
inline bool WriteAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Frames from a file, with few reads.
class FrameReader {
 public:
  explicit FrameReader(int file) : file_(file) {}

  // The payload stays until the next call. False at the end: wrong() says what was wrong with it,
  // "" if it was a clean one.
  bool Next(Kind* kind, std::string_view* payload) {
    begin_ += used_;
    used_ = 0;
    Head head;
    if (!Fill(sizeof head)) return false;
    std::memcpy(&head, buffer_.data() + begin_, sizeof head);
    if (head.check != kCheck || head.bytes > kMostPayload) {
      wrong_ = "no message: check " + std::to_string(head.check) + ", " +
               std::to_string(head.bytes) + " bytes; want " + std::to_string(kCheck) +
               " and at most " + std::to_string(kMostPayload);
      return false;
    }
    if (!Fill(sizeof head + head.bytes)) return false;
    *kind = static_cast<Kind>(head.kind);
    *payload = std::string_view(buffer_.data() + begin_ + sizeof head, head.bytes);
    used_ = sizeof head + head.bytes;
    return true;
  }
  const std::string& wrong() const { return wrong_; }

 private:
  // Reads until `bytes` lie behind begin_.
  bool Fill(size_t bytes) {
    while (end_ - begin_ < bytes) {
      if (buffer_.size() - begin_ < bytes || begin_ == end_) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        if (buffer_.size() < bytes) buffer_.resize(bytes);
      }
      const ssize_t n = read(file_, buffer_.data() + end_, buffer_.size() - end_);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        if (end_ != begin_) wrong_ = "a message breaks off";
        return false;
      }
      end_ += static_cast<size_t>(n);
    }
    return true;
  }

  int file_;
  std::string buffer_ = std::string(size_t{256} << 10, 0);
  size_t begin_ = 0, end_ = 0;  // what was read and not yet given up
  size_t used_ = 0;             // bytes of the frame given out last
  std::string wrong_;
};

}  // namespace proxy

#endif  // TESTS_PROXY_WIRE_H_
