// The plugin's end: the server process, the socket to it, and what is known of its streams.
// Commands gather in a batch until they are flushed; a thread writes, so that a slow server blocks
// nobody, and a thread reads ticks, errors and bytes that come back. When the server is gone
// everything answers SY_UNAVAILABLE. Threads: any.
#ifndef TESTS_PROXY_CONNECTION_H_
#define TESTS_PROXY_CONNECTION_H_

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "tests/proxy/message.h"

namespace proxy {

struct Error {
  SyStatus code = SY_OK;
  std::string text;
  explicit operator bool() const { return code != SY_OK; }
};

struct Answer {
  Error error;
  std::string payload;
};

class Connection {
 public:
  // Starts the server. nullptr: *why says why not.
  static std::unique_ptr<Connection> Start(const SyHost* host, const std::string& server,
                                           const std::string& plugin, std::string* why);
  // Ends the server and waits for its process.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // A message with an answer; `put(Writer*)` adds to it. Sends what was held back.
  template <class Put>
  Answer Ask(Kind kind, const Put& put) {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t question = ++last_question_;
    {
      Writer w(&batch_, kind);
      w.Put(question);
      put(&w);
    }
    return WaitForAnswer(&lock, question);
  }

  // With a kernel call in it: `put(Writer*)` may use the two functions for calls below.
  template <class Put>
  Answer AskWithCall(Kind kind, const Put& put) {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t question = ++last_question_;
    std::string frame;
    {
      Writer w(&frame, kind);
      w.Put(question);
      put(&w);
    }
    batch_ += frame;
    return WaitForAnswer(&lock, question);
  }

  // A message without one. It never fails: where the server is gone nobody misses it.
  template <class Put>
  void Tell(Kind kind, const Put& put) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (lost_) return;
    Writer w(&batch_, kind);
    put(&w);
  }

  // A command of a stream. `put(Writer*)` runs under the lock and may use the two functions for
  // calls below.
  template <class Put>
  Error Queue(Kind kind, uint64_t stream, const Put& put) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (Error e = Check(stream)) return e;
    std::string frame;
    {
      Writer w(&frame, kind);
      w.Put(stream);
      put(&w);
    }
    // Behind what `put` has told.
    batch_ += frame;
    if (batch_.size() > kBatch) HandOver();
    return {};
  }
  Error QueueCopyOut(uint64_t stream, uint64_t handle, int64_t offset, char* host, int64_t bytes);

  // For calls that are being put into a message: the program's number, told to the server if it is
  // new to it, and the op's name likewise.
  uint64_t NumberProgram(const SyProgram& program);
  void NameOp(int32_t op);

  Error ErrorOf(uint64_t stream);
  Error CreateStream(uint64_t device, uint64_t* out_stream);
  void DestroyStream(uint64_t stream);
  Error Record(uint64_t stream, uint64_t* out_tick);
  Error CheckTick(uint64_t stream, uint64_t other, uint64_t tick);
  Error Query(uint64_t stream, uint64_t* out_tick);
  Error Sync(uint64_t stream, uint64_t tick, int64_t timeout_ns);
  Error Reset(uint64_t stream);
  void Flush();
  uint64_t NewHandle();

 private:
  static constexpr size_t kBatch = 256 << 10;
  static constexpr auto kPatience = std::chrono::seconds(2);  // for a server that shall end

  struct Stream {
    uint64_t device = 0;
    uint64_t recorded = 0, finished = 0;
    uint32_t resets = 0;
    Error error;
  };
  struct Copy {
    uint64_t stream;
    char* host;
    int64_t bytes;
  };

  Connection(const SyHost* host, int socket, pid_t process);
  Answer WaitForAnswer(std::unique_lock<std::mutex>* lock, uint64_t question);
  Error Check(uint64_t stream) const;
  Error Lost() const { return {SY_UNAVAILABLE, lost_text_}; }
  void HandOver();
  void Write();
  void Read();
  void Take(Kind kind, Reader* from, std::unique_lock<std::mutex>* lock);
  void TakeError(Reader* from, std::unique_lock<std::mutex>* lock);
  std::string Reap();

  const SyHost* host_;
  const int socket_;
  const pid_t process_;
  std::mutex mutex_;
  std::condition_variable to_write_, came_;
  std::string batch_, outbox_;
  bool ending_ = false;
  bool lost_ = false;  // and the reading thread touches nothing any more
  std::string lost_text_, last_words_;
  uint64_t last_question_ = 0, last_stream_ = 0, last_handle_ = 0, last_copy_ = 0;
  std::map<uint64_t, Answer> answers_;  // that nobody has taken yet
  std::map<uint64_t, Stream> streams_;
  std::map<uint64_t, Copy> copies_;
  std::map<std::string, uint64_t> programs_;  // by hash
  std::set<int32_t> ops_;
  std::thread writer_, reader_;
};

}  // namespace proxy

#endif  // TESTS_PROXY_CONNECTION_H_
