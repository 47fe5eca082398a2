// Messages and the server by themselves: what is put comes out, what is cut or wrong is refused
// with a text, and no bytes crash the server.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/proxy/call.h"

extern char** environ;

namespace proxy {
namespace {

constexpr char kServer[] = "tests/proxy/sy_proxy_host";
constexpr char kCpu[] = "plugins/cpu/libsy_cpu.so";
constexpr uint64_t kDevice = 5, kStream = 6, kMemory = 7, kProgramNumber = 8;

// out = in + in over 4 floats, by the kernel `map`.
constexpr SyInstruction kTwice[] = {
    {SY_OP_INPUT, SY_T_F32, 0, 0, 0, 0},
    {SY_OP_ADD, SY_T_F32, 0, 0, 0, 0},
};
constexpr uint32_t kResult[] = {1};

SyProgram Twice() {
  SyProgram p{};
  p.size = sizeof p;
  p.version = 1;
  p.instr = kTwice;
  p.outputs = kResult;
  p.name = "twice";
  p.instr_count = 2;
  p.input_count = p.output_count = 1;
  return p;
}

SyView Four(uint64_t handle, int64_t offset) {
  SyView v{};
  v.memory.handle = handle;
  v.offset = offset;
  v.dtype = SY_F32;
  v.type = SY_T_F32;
  v.rank = 1;
  v.flags = SY_VIEW_CONTIGUOUS;
  v.count = v.shape[0] = 4;
  v.bytes = 16;
  v.strides[0] = 1;
  return v;
}

std::string Hello(uint32_t version) {
  std::string bytes;
  Writer w(&bytes, kHello);
  w.Put(uint64_t{1});
  w.Put(kMagic);
  w.Put(version);
  w.Put(uint32_t{SY_ABI});
  w.Put(int64_t{0});
  return bytes;
}

// A whole conversation: the result of `map` on memory `handle` is copied out.
std::string Conversation(uint64_t handle) {
  std::string bytes = Hello(kVersion);
  auto add = [&](Kind kind, const auto&... values) {
    Writer w(&bytes, kind);
    (w.Put(values), ...);
  };
  add(kOpen, uint64_t{2}, kDevice, int32_t{0});
  add(kAlloc, uint64_t{3}, kDevice, kMemory, int64_t{64}, uint32_t{SY_MEMORY_DEVICE});
  add(kStreamCreate, kStream, kDevice);
  {
    Writer w(&bytes, kProgram);
    w.Put(kProgramNumber);
    PutProgram(&w, Twice());
  }
  {
    const float values[4] = {1, 2, 3, 4};
    Writer w(&bytes, kCopyIn);
    w.Put(kStream);
    w.Put(kMemory);
    w.Put(int64_t{0});
    w.Text({reinterpret_cast<const char*>(values), sizeof values});
  }
  {
    const SyView in = Four(handle, 0), out = Four(kMemory, 16);
    const SyProgram program = Twice();
    SyCall c{};
    c.device = kDevice;
    c.in = &in;
    c.out = &out;
    c.in_count = c.out_count = 1;
    c.op = -1;
    c.rev = 1;
    c.program = &program;
    Writer w(&bytes, kRun);
    w.Put(kStream);
    PutCall(&w, c, 0, kProgramNumber, 0, AttrLayout());
  }
  add(kCopyOut, kStream, kMemory, int64_t{16}, int64_t{16}, uint64_t{9});
  add(kRecord, kStream, uint64_t{1});
  return bytes;
}

struct Reply {
  Kind kind;
  std::string payload;
};
struct Outcome {
  int status = 0;  // of waitpid
  std::string text;
  std::vector<Reply> replies;

  std::string Of(Kind kind) const {
    for (const Reply& r : replies)
      if (r.kind == kind) return r.payload;
    return "";
  }
};

// What the server makes of these bytes and the end of the stream.
Outcome Send(const std::string& bytes) {
  Outcome outcome;
  const std::string errors = testing::TempDir() + "/server_errors";
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
  posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string arguments[2] = {kServer, kCpu};
  char* argv[] = {arguments[0].data(), arguments[1].data(), nullptr};
  pid_t process = 0;
  EXPECT_EQ(posix_spawn(&process, kServer, &actions, nullptr, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  WriteAll(ends[0], bytes);
  shutdown(ends[0], SHUT_WR);
  FrameReader frames(ends[0]);
  Kind kind;
  std::string_view payload;
  while (frames.Next(&kind, &payload)) outcome.replies.push_back({kind, std::string(payload)});
  waitpid(process, &outcome.status, 0);
  close(ends[0]);
  std::ifstream file(errors);
  outcome.text.assign(std::istreambuf_iterator<char>(file), {});
  return outcome;
}

void ExpectEndsWith(const std::string& bytes, const char* text) {
  const Outcome o = Send(bytes);
  EXPECT_TRUE(WIFEXITED(o.status) && WEXITSTATUS(o.status) == 1) << o.status;
  EXPECT_NE(o.text.find(text), std::string::npos) << o.text;
  EXPECT_NE(o.Of(kEnd).find(text), std::string::npos) << "the client is not told";
}

TEST(Wire, CallsComeOutAsTheyWerePut) {
  struct {
    int64_t number;
    SyInts list;
    SyText text;
  } attrs;
  const int64_t sizes[3] = {5, 6, 7};
  attrs = {42, {sizes, 3}, {"same", 4}};
  AttrLayout layout;
  layout.pointers = {{8, 8}, {24, 1}};
  const SyView in[2] = {Four(3, 4), Four(4, 0)}, out[1] = {Four(5, 8)};
  const uint64_t consts[1] = {99};
  const SyProgram program = Twice();
  SyCall c{};
  c.device = 1;
  c.id = 2;
  c.flags = SY_CALL_DETERMINISTIC;
  c.in = in;
  c.out = out;
  c.in_count = 2;
  c.out_count = 1;
  c.op = 11;
  c.rev = 3;
  c.attrs = &attrs;
  c.attrs_size = sizeof attrs;
  c.program = &program;
  c.consts = consts;
  c.const_count = 1;
  c.scratch = {{12, 0, {}}, 13, 14};
  std::string bytes;
  {
    Writer w(&bytes, kRun);
    PutCall(&w, c, 21, 22, 23, layout);
  }
  const std::string_view payload = std::string_view(bytes).substr(sizeof(Head));

  OwnedCall own;
  Reader from(payload);
  ASSERT_TRUE(GetCall(&from, &own));
  EXPECT_EQ(own.head.kernel, 21u);
  EXPECT_EQ(own.head.program, 22u);
  EXPECT_EQ(own.head.plan, 23u);
  EXPECT_EQ(own.head.scratch.offset, 13);
  EXPECT_EQ(own.call.op, 11);
  EXPECT_EQ(own.call.rev, 3);
  EXPECT_EQ(own.call.consts[0], 99u);
  ASSERT_EQ(own.call.in_count, 2);
  EXPECT_EQ(own.call.in[0].memory.handle, 3u);
  EXPECT_EQ(own.call.in[0].offset, 4);
  EXPECT_EQ(own.call.out[0].shape[0], 4);
  decltype(attrs) got;
  ASSERT_EQ(own.call.attrs_size, sizeof got);
  std::memcpy(&got, own.call.attrs, sizeof got);
  EXPECT_EQ(got.number, 42);
  EXPECT_NE(got.list.data, sizes);
  EXPECT_EQ(std::vector<int64_t>(got.list.data, got.list.data + got.list.count),
            (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(std::string(got.text.data, static_cast<size_t>(got.text.length)), "same");

  for (size_t cut = 0; cut < payload.size(); ++cut) {
    OwnedCall part;
    Reader of_part(payload.substr(0, cut));
    EXPECT_FALSE(GetCall(&of_part, &part)) << cut;
  }
}

TEST(Wire, ViewsMustLieInTheirBlock) {
  SyView v = Four(1, 8);
  EXPECT_TRUE(LiesWithin(v, 24));
  EXPECT_FALSE(LiesWithin(v, 23));
  v.strides[0] = -1;
  EXPECT_FALSE(LiesWithin(v, 64));  // begins before the block
  v.offset = 12;
  EXPECT_TRUE(LiesWithin(v, 16));
  v.strides[0] = INT64_MAX;
  EXPECT_FALSE(LiesWithin(v, INT64_MAX));
  v = Four(1, 0);
  v.count = 5;
  EXPECT_FALSE(LiesWithin(v, 64));
  v.rank = 3;
  v.shape[0] = v.shape[1] = v.shape[2] = INT64_MAX;
  EXPECT_FALSE(LiesWithin(v, 64));
}

TEST(Wire, ProgramsMustBeSound) {
  OwnedProgram p;
  p.program.input_count = 1;
  p.instr.assign(std::begin(kTwice), std::end(kTwice));
  p.outputs = {1};
  EXPECT_TRUE(IsSound(p));
  p.outputs = {2};
  EXPECT_FALSE(IsSound(p));
  p.outputs = {1};
  p.instr[1].b = 1;
  EXPECT_FALSE(IsSound(p));
  p.instr[1].b = 0;
  p.instr[0].imm = 1;
  EXPECT_FALSE(IsSound(p));
}

TEST(Server, Converses) {
  const Outcome o = Send(Conversation(kMemory));
  EXPECT_EQ(o.status, 0) << o.text;
  const std::string copied = o.Of(kCopied);
  Reader from(copied);
  EXPECT_EQ(from.Get<uint64_t>(), 9u);
  const std::string_view data = from.Text();
  ASSERT_EQ(data.size(), 4 * sizeof(float)) << "error: " << o.Of(kError);
  float values[4];
  std::memcpy(values, data.data(), sizeof values);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(values[i], 2.0f * static_cast<float>(i + 1));
  EXPECT_FALSE(o.Of(kTick).empty());
}

TEST(Server, MemoryThatIsNotThereIsAnErrorOfTheStream) {
  const Outcome o = Send(Conversation(77));
  EXPECT_EQ(o.status, 0) << o.text;
  EXPECT_NE(o.Of(kError).find("map: input 0 does not lie in memory handle 77"), std::string::npos)
      << o.Of(kError);
  EXPECT_EQ(o.Of(kCopied), "");       // skipped
  EXPECT_FALSE(o.Of(kTick).empty());  // ticks go on
}

TEST(Server, EndsWithATextWhereItDoesNotUnderstand) {
  ExpectEndsWith("this is not what a server of plugins understands", "no message: check");
  ExpectEndsWith(Hello(kVersion + 1), "message of kind 1");
  std::string bytes;
  { Writer(&bytes, kClose).Put(kDevice); }
  ExpectEndsWith(bytes, "the first message is no greeting");
  bytes = Hello(kVersion);
  { Writer(&bytes, static_cast<Kind>(999)).Put(kDevice); }
  ExpectEndsWith(bytes, "message of kind 999: there is no such kind");
  bytes = Hello(kVersion);
  { Writer(&bytes, kRun).Put(kStream); }
  ExpectEndsWith(bytes, "no such stream");
}

TEST(Server, NoCutCrashesIt) {
  const std::string whole = Conversation(kMemory);
  for (size_t cut = 0; cut < whole.size(); cut += 11) {
    const Outcome o = Send(whole.substr(0, cut));
    EXPECT_TRUE(WIFEXITED(o.status)) << "cut at " << cut << ": signal " << WTERMSIG(o.status);
  }
}

// A frame that says it is whole but holds less or other than its kind wants.
TEST(Server, NoShortPayloadCrashesIt) {
  const std::string start = Conversation(kMemory);
  for (uint16_t kind = kHello; kind <= kEnd; ++kind)
    for (size_t bytes : {0, 7, 8, 20, 40, 200}) {
      std::string message = start;
      {
        Writer w(&message, static_cast<Kind>(kind));
        if (bytes >= 8) w.Put(kStream);
        for (size_t i = 8; i < bytes; ++i) w.Put(static_cast<char>(i * 37));
      }
      const Outcome o = Send(message);
      EXPECT_TRUE(WIFEXITED(o.status)) << "kind " << kind << ", " << bytes << " bytes";
    }
}

}  // namespace
}  // namespace proxy
