#include "tests/proxy/connection.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

extern char** environ;

namespace proxy {
namespace {

std::string Text(uint64_t n) { return std::to_string(n); }

// With the socket as its standard input; 0 and *why where there is no such program.
pid_t Spawn(const std::string& server, const std::string& plugin, int socket, std::string* why) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
  std::string arguments[2] = {server, plugin};
  char* argv[] = {arguments[0].data(), arguments[1].data(), nullptr};
  pid_t process = 0;
  const int error = posix_spawn(&process, server.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return process;
  *why = server + ": " + std::strerror(error);
  return 0;
}

}  // namespace

std::unique_ptr<Connection> Connection::Start(const SyHost* host, const std::string& server,
                                              const std::string& plugin, std::string* why) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    *why = std::string("socketpair: ") + std::strerror(errno);
    return nullptr;
  }
  const pid_t process = Spawn(server, plugin, ends[1], why);
  close(ends[1]);
  if (process) return std::unique_ptr<Connection>(new Connection(host, ends[0], process));
  close(ends[0]);
  return nullptr;
}

Connection::Connection(const SyHost* host, int socket, pid_t process)
    : host_(host),
      socket_(socket),
      process_(process),
      writer_([this] { Write(); }),
      reader_([this] { Read(); }) {}

Connection::~Connection() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    HandOver();
    ending_ = true;
    to_write_.notify_all();
    // A server that is stopped or stuck must not hold up the program.
    if (!came_.wait_for(lock, kPatience, [&] { return lost_; })) kill(process_, SIGKILL);
  }
  writer_.join();
  reader_.join();
  close(socket_);
}

// ---- the two threads

void Connection::Write() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    to_write_.wait(lock, [&] { return !outbox_.empty() || ending_ || lost_; });
    if (lost_ || outbox_.empty()) break;
    std::string bytes;
    bytes.swap(outbox_);
    lock.unlock();
    const bool good = WriteAll(socket_, bytes);
    lock.lock();
    if (!good) break;
  }
  // The server sees the end and goes; the reading thread sees that, and whatever made writing fail.
  shutdown(socket_, SHUT_WR);
}

void Connection::Read() {
  FrameReader frames(socket_);
  Kind kind;
  std::string_view payload;
  while (frames.Next(&kind, &payload)) {
    Reader from(payload);
    std::unique_lock<std::mutex> lock(mutex_);
    Take(kind, &from, &lock);
  }
  std::string text = Reap();
  std::lock_guard<std::mutex> lock(mutex_);
  lost_ = true;
  lost_text_ = last_words_.empty() ? text : text + ": " + last_words_;
  copies_.clear();
  to_write_.notify_all();
  came_.notify_all();
}

// Nothing more will come: the process ends, if it has not, and is waited for.
std::string Connection::Reap() {
  kill(process_, SIGKILL);
  int status = 0;
  pid_t got;
  do {
    got = waitpid(process_, &status, 0);
  } while (got < 0 && errno == EINTR);
  const std::string who = "the server (process " + std::to_string(process_) + ")";
  if (got == process_ && WIFSIGNALED(status))
    return who + " was killed by signal " + std::to_string(WTERMSIG(status));
  if (got == process_ && WIFEXITED(status))
    return who + " ended with code " + std::to_string(WEXITSTATUS(status));
  return who + " is gone";
}

void Connection::Take(Kind kind, Reader* from, std::unique_lock<std::mutex>* lock) {
  switch (kind) {
    case kAnswer: {
      const auto question = from->Get<uint64_t>();
      Answer answer;
      answer.error.code = from->Get<SyStatus>();
      answer.error.text = std::string(from->Text());
      answer.payload = std::string(from->Rest());
      if (from->good()) answers_[question] = std::move(answer);
      break;
    }
    case kTick: {
      auto it = streams_.find(from->Get<uint64_t>());
      if (it != streams_.end()) it->second.finished = from->Get<uint64_t>();
      break;
    }
    case kCopied: {
      auto it = copies_.find(from->Get<uint64_t>());
      const std::string_view data = from->Text();
      if (it == copies_.end()) return;
      if (static_cast<int64_t>(data.size()) == it->second.bytes)
        std::memcpy(it->second.host, data.data(), data.size());
      copies_.erase(it);
      return;
    }
    case kLog: {
      const auto level = from->Get<int32_t>();
      const std::string text = "proxy: server: " + std::string(from->Text());
      lock->unlock();
      host_->log(level, text.c_str());
      return;
    }
    case kError:
      TakeError(from, lock);
      break;
    case kEnd:
      last_words_ = std::string(from->Text());
      return;
    default:
      last_words_ = "it sent a message of kind " + std::to_string(kind);
      shutdown(socket_, SHUT_RDWR);
      return;
  }
  came_.notify_all();
}

void Connection::TakeError(Reader* from, std::unique_lock<std::mutex>* lock) {
  const auto number = from->Get<uint64_t>();
  const auto resets = from->Get<uint32_t>();
  Error error;
  error.code = from->Get<SyStatus>();
  error.text = std::string(from->Text());
  auto fresh = [&]() -> Stream* {
    auto it = streams_.find(number);
    return it != streams_.end() && it->second.resets == resets && !it->second.error ? &it->second
                                                                                    : nullptr;
  };
  Stream* stream = fresh();
  if (!stream) return;
  // Before any wait can end with it, for the host forgets what it hears twice; not under our lock,
  // for it takes its own.
  const uint64_t device = stream->device;
  lock->unlock();
  host_->stream_fail(host_, device, number, error.code, error.text.c_str());
  lock->lock();
  if ((stream = fresh())) stream->error = std::move(error);
}

// ---- messages

void Connection::HandOver() {
  if (batch_.empty()) return;
  outbox_ += batch_;
  batch_.clear();
  to_write_.notify_all();
}

void Connection::Flush() {
  std::lock_guard<std::mutex> lock(mutex_);
  HandOver();
}

Answer Connection::WaitForAnswer(std::unique_lock<std::mutex>* lock, uint64_t question) {
  HandOver();
  came_.wait(*lock, [&] { return lost_ || answers_.count(question); });
  auto it = answers_.find(question);
  if (it == answers_.end()) return {Lost(), ""};
  Answer answer = std::move(it->second);
  answers_.erase(it);
  return answer;
}

uint64_t Connection::NewHandle() {
  std::lock_guard<std::mutex> lock(mutex_);
  return ++last_handle_;
}

uint64_t Connection::NumberProgram(const SyProgram& program) {
  std::string hash(reinterpret_cast<const char*>(program.hash), sizeof program.hash);
  const auto [it, is_new] = programs_.try_emplace(std::move(hash), programs_.size() + 1);
  if (is_new) {
    Writer w(&batch_, kProgram);
    w.Put(it->second);
    PutProgram(&w, program);
  }
  return it->second;
}

void Connection::NameOp(int32_t op) {
  if (op < 0 || !ops_.insert(op).second) return;
  const char* name = host_->op_name(op);
  Writer w(&batch_, kOpName);
  w.Put(op);
  w.Text(name ? name : "?");
}

Error Connection::QueueCopyOut(uint64_t stream, uint64_t handle, int64_t offset, char* host,
                               int64_t bytes) {
  return Queue(kCopyOut, stream, [&](Writer* w) {
    copies_[++last_copy_] = {stream, host, bytes};
    w->Put(handle);
    w->Put(offset);
    w->Put(bytes);
    w->Put(last_copy_);
  });
}

// ---- streams

Error Connection::Check(uint64_t stream) const {
  if (lost_) return Lost();
  auto it = streams_.find(stream);
  if (it == streams_.end()) return {SY_INVALID_ARGUMENT, "stream " + Text(stream) + " is none"};
  return it->second.error;
}

Error Connection::ErrorOf(uint64_t stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  return Check(stream);
}

Error Connection::CreateStream(uint64_t device, uint64_t* out_stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (lost_) return Lost();
  streams_[++last_stream_].device = device;
  *out_stream = last_stream_;
  Writer w(&batch_, kStreamCreate);
  w.Put(last_stream_);
  w.Put(device);
  return {};
}

void Connection::DestroyStream(uint64_t stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!streams_.erase(stream)) return;
  std::erase_if(copies_, [&](const auto& c) { return c.second.stream == stream; });
  Writer w(&batch_, kStreamDestroy);
  w.Put(stream);
}

Error Connection::Record(uint64_t stream, uint64_t* out_tick) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Error e = Check(stream)) return e;
  *out_tick = ++streams_[stream].recorded;
  Writer w(&batch_, kRecord);
  w.Put(stream);
  w.Put(*out_tick);
  return {};
}

Error Connection::CheckTick(uint64_t stream, uint64_t other, uint64_t tick) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Error e = Check(stream)) return e;
  auto it = streams_.find(other);
  if (it == streams_.end() || tick > it->second.recorded)
    return {SY_INVALID_ARGUMENT, "wait for tick " + Text(tick) + " of stream " + Text(other) +
                                     ", which was not recorded"};
  return {};
}

Error Connection::Query(uint64_t stream, uint64_t* out_tick) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (auto it = streams_.find(stream); it != streams_.end()) *out_tick = it->second.finished;
  return Check(stream);
}

Error Connection::Sync(uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  std::unique_lock<std::mutex> lock(mutex_);
  HandOver();
  auto reached = [&] {
    auto it = streams_.find(stream);
    return lost_ || it == streams_.end() || it->second.finished >= tick;
  };
  if (timeout_ns < 0)
    came_.wait(lock, reached);
  else if (!came_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), reached))
    return {SY_DEADLINE_EXCEEDED, "tick " + Text(tick) + " not reached in time"};
  return Check(stream);
}

Error Connection::Reset(uint64_t stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (lost_) return Lost();
  auto it = streams_.find(stream);
  if (it == streams_.end()) return Check(stream);
  std::erase_if(copies_, [&](const auto& c) { return c.second.stream == stream; });
  it->second.error = {};
  Writer w(&batch_, kReset);
  w.Put(stream);
  w.Put(++it->second.resets);
  return {};
}

}  // namespace proxy
