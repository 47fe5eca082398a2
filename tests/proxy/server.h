// The server: executes what comes over a socket on a hosted plugin, message by message, on one
// thread. Numbers of devices, streams, memory, programs and plans are the client's and mean nothing
// before they are found in a table here. An error of a stream's command sticks to that stream and
// skips what follows on it; a message that is none ends the server with a text.
#ifndef TESTS_PROXY_SERVER_H_
#define TESTS_PROXY_SERVER_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "tests/proxy/call.h"
#include "tests/proxy/hosted.h"
#include "tests/proxy/wire.h"

namespace proxy {

class Server {
 public:
  Server(int socket, Hosted* hosted) : socket_(socket), hosted_(*hosted) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Until the client goes: "". Else why it ends.
  std::string Serve();

 private:
  struct Device {
    uint64_t handle;
    int32_t index;
  };
  struct Block {
    uint64_t device;  // the hosted plugin's, as everywhere behind the tables
    SyAllocation allocation;
  };
  struct Stream {
    uint64_t device;
    uint32_t resets = 0;
    bool failed = false;
  };
  struct Program {
    OwnedProgram code;
    std::map<std::pair<uint32_t, uint64_t>, uint64_t> words;  // SyCall.cache by kernel and device
  };
  struct Plan {
    uint32_t kernel;
    void* state;
  };
  struct Span {
    uint64_t device, handle;
  };

  // "" or what is wrong with the message itself.
  std::string Handle(Kind kind, Reader* from);
  std::string HandleQuestion(Kind kind, Reader* from);

  SyStatus Welcome(Reader* from, Writer* to);
  SyStatus Open(Reader* from);
  SyStatus Alloc(Reader* from, Writer* to);
  SyStatus MemoryInfo(Reader* from, Writer* to);
  SyStatus MakePlan(Reader* from, Writer* to);
  SyStatus Try(Reader* from);

  // Commands of a stream: SY_OK, or a code with a text from fail.
  SyStatus Execute(Kind kind, Reader* from);
  SyStatus CopyOut(Reader* from);
  SyStatus Fill(Reader* from);
  SyStatus Run(Reader* from);
  // Puts our pointers into a call that came.
  SyStatus Bind(OwnedCall* own, const SyKernel** out_kernel);
  SyStatus BindView(const char* what, int i, SyView* view);
  SyStatus BindRange(const char* what, const RangeRow& row, SyRange* out);
  SyStatus Find(uint64_t handle, int64_t offset, int64_t bytes, Span* out);

  void FailStream(uint64_t number, SyStatus code);  // with the text from fail
  void CloseDevice(uint64_t device);
  void DropPlan(uint64_t plan);
  void Send();

  int socket_;
  Hosted& hosted_;
  std::mutex out_mutex_;  // host->log may come from any thread
  std::string out_;
  bool greeted_ = false;
  int64_t fail_at_ = 0, kernels_run_ = 0;
  std::map<uint64_t, Device> devices_;
  std::map<uint64_t, Block> blocks_;
  std::map<uint64_t, Stream> streams_;
  std::map<uint64_t, std::unique_ptr<Program>> programs_;
  std::map<uint64_t, Plan> plans_;
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> words_;  // of kernels without a program
  uint64_t last_plan_ = 0;
};

}  // namespace proxy

#endif  // TESTS_PROXY_SERVER_H_
