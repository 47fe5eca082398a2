// What the tests of this backend share: a host with real threads, arrays with any strides, and a
// builder of programs and calls. Not for anything but tests and benchmarks.
#ifndef BACKENDS_CPU_TESTING_H_
#define BACKENDS_CPU_TESTING_H_

#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/state.h"

namespace sy::cpu::testing {

inline std::string last_message;
inline int threads = 1;
inline uintptr_t misalignment = 8;  // of new arrays, in bytes beyond a multiple of 64

inline void ParallelFor(int64_t count, int64_t grain, SyRangeFn fn, void* context) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    while (true) {
      const int64_t begin = next.fetch_add(grain);
      if (begin >= count) return;
      fn(context, begin, begin + grain < count ? begin + grain : count);
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& t : others) t.join();
}

inline SyStatus Fail(SyStatus code, const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  last_message = text;
  return code;
}

inline const SyHost* Host() {
  static const SyHost host = [] {
    SyHost h = {};
    h.size = sizeof(SyHost);
    h.abi = SY_ABI;
    h.name = "test";
    h.fail = Fail;
    h.parallel_for = ParallelFor;
    h.thread_count = [] { return int32_t{threads}; };
    h.host_alloc = [](int64_t bytes, int64_t alignment) {
      return aligned_alloc(static_cast<size_t>(alignment),
                           static_cast<size_t>((bytes + alignment - 1) / alignment * alignment));
    };
    h.host_free = [](void* memory) { free(memory); };
    return h;
  }();
  return &host;
}

inline SyDtype DtypeOf(int type) {
  constexpr SyDtype kDtypes[14] = {0,      SY_BOOL, SY_I8,  SY_I16, SY_I32,  SY_I64, SY_U8,
                                   SY_U16, SY_U32,  SY_U64, SY_F16, SY_BF16, SY_F32, SY_F64};
  return kDtypes[type];
}

// An array over bytes of its own, with guard bytes around them.
class Array {
 public:
  Array(int type, const std::vector<int64_t>& shape) : Array(type, shape, DenseStrides(shape)) {}
  Array(int type, std::vector<int64_t> shape, std::vector<int64_t> strides)
      : type_(type), shape_(std::move(shape)), strides_(std::move(strides)) {
    int64_t low = 0;
    int64_t high = 0;
    for (size_t i = 0; i < shape_.size(); ++i) {
      if (shape_[i] == 0) continue;
      const int64_t reach = (shape_[i] - 1) * strides_[i];
      (reach < 0 ? low : high) += reach;
    }
    first_ = -low;
    bytes_.assign(static_cast<size_t>((high - low + 1) * width() + 2 * kGuard + 64), kPattern);
    const uintptr_t first = reinterpret_cast<uintptr_t>(bytes_.data()) + kGuard + first_ * width();
    start_ = kGuard + static_cast<int64_t>((misalignment - first) & 63);
  }

  static std::vector<int64_t> DenseStrides(const std::vector<int64_t>& shape) {
    std::vector<int64_t> strides(shape.size());
    int64_t stride = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides[i] = stride;
      stride *= shape[i];
    }
    return strides;
  }

  int width() const { return kTypeBytes[type_]; }
  int type() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  char* origin() { return bytes_.data() + start_ + first_ * width(); }

  int64_t count() const {
    int64_t n = 1;
    for (int64_t size : shape_) n *= size;
    return n;
  }

  // Element `linear` in C order.
  char* at(int64_t linear) {
    int64_t offset = 0;
    for (size_t i = shape_.size(); i-- > 0;) {
      offset += linear % shape_[i] * strides_[i];
      linear /= shape_[i];
    }
    return origin() + offset * width();
  }
  template <typename T>
  T get(int64_t linear) {
    T value;
    memcpy(&value, at(linear), sizeof(T));
    return value;
  }
  template <typename T>
  void set(int64_t linear, T value) {
    memcpy(at(linear), &value, sizeof(T));
  }

  SyView view() {
    SyView v = {};
    v.memory.handle = v.memory.address = reinterpret_cast<uintptr_t>(origin());
    v.memory.host.p = origin();
    v.data.p = origin();
    v.dtype = DtypeOf(type_);
    v.type = type_;
    v.rank = static_cast<int32_t>(shape_.size());
    v.count = count();
    v.bytes = v.count * width();
    for (size_t i = 0; i < shape_.size(); ++i) {
      v.shape[i] = shape_[i];
      v.strides[i] = strides_[i];
    }
    if (strides_ == DenseStrides(shape_)) v.flags = SY_VIEW_CONTIGUOUS;
    return v;
  }

  // True while nothing was written before or behind the elements.
  bool guards_intact() const {
    for (int i = 0; i < kGuard; ++i) {
      if (bytes_[i] != kPattern || bytes_[bytes_.size() - 1 - i] != kPattern) return false;
    }
    return true;
  }

 private:
  static constexpr int kGuard = 64;
  static constexpr char kPattern = static_cast<char>(0xa5);

  int type_;
  std::vector<int64_t> shape_;
  std::vector<int64_t> strides_;
  int64_t start_ = 0;
  int64_t first_ = 0;
  std::vector<char> bytes_;
};

class ProgramBuilder {
 public:
  // As in the host, a program has its address to itself for the life of the process.
  ProgramBuilder() {
    static std::deque<SyProgram>& programs = *new std::deque<SyProgram>;
    program_ = &programs.emplace_back();
  }

  uint32_t Add(int opcode, int type, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0,
               uint64_t imm = 0) {
    instr_.push_back({static_cast<uint16_t>(opcode), static_cast<uint16_t>(type), a, b, c, imm});
    return static_cast<uint32_t>(instr_.size()) - 1;
  }
  uint32_t Input(int number, int type) {
    if (number >= inputs_) inputs_ = number + 1;
    return Add(SY_OP_INPUT, type, 0, 0, 0, static_cast<uint64_t>(number));
  }
  template <typename T>
  uint32_t Const(T value, int type) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    consts_.push_back(bits);
    return Add(SY_OP_CONST, type, 0, 0, 0, consts_.size() - 1);
  }
  void Output(uint32_t value) { outputs_.push_back(value); }

  const SyProgram* Finish() {
    program_->size = sizeof(SyProgram);
    program_->version = 1;
    program_->instr = instr_.data();
    program_->outputs = outputs_.data();
    program_->name = "test";
    program_->instr_count = static_cast<int32_t>(instr_.size());
    program_->input_count = inputs_;
    program_->output_count = static_cast<int32_t>(outputs_.size());
    program_->const_count = static_cast<int32_t>(consts_.size());
    return program_;
  }
  const std::vector<uint64_t>& consts() const { return consts_; }

 private:
  SyProgram* program_;
  std::vector<SyInstruction> instr_;
  std::vector<uint32_t> outputs_;
  std::vector<uint64_t> consts_;
  int32_t inputs_ = 0;
};

inline const SyKernel* FindKernel(const char* op) {
  for (const SyKernel& kernel : AllKernels()) {
    if (strcmp(kernel.op, op) == 0) return &kernel;
  }
  return nullptr;
}

// One kernel call. Holds views of arrays that must outlive it.
class Call {
 public:
  Call(const char* op, State* state) : kernel_(FindKernel(op)) {
    call_.size = sizeof(SyCall);
    call_.host = Host();
    call_.state = state;
    call_.cache = &cache_;
    call_.status.memory.host.p = &status_;
    call_.status.memory.address = reinterpret_cast<uintptr_t>(&status_);
    call_.status.bytes = sizeof(status_);
  }
  Call& In(Array& array) {
    in_.push_back(array.view());
    return *this;
  }
  Call& Out(Array& array) {
    out_.push_back(array.view());
    return *this;
  }
  Call& Program(ProgramBuilder& builder) {
    call_.program = builder.Finish();
    call_.consts = builder.consts().data();
    call_.const_count = static_cast<uint32_t>(builder.consts().size());
    return *this;
  }
  template <typename Attrs>
  Call& Attributes(const Attrs& attrs) {
    attrs_.assign(reinterpret_cast<const char*>(&attrs),
                  reinterpret_cast<const char*>(&attrs) + sizeof(Attrs));
    return *this;
  }
  SyStatus Run() {
    call_.in = in_.data();
    call_.out = out_.data();
    call_.in_count = static_cast<int32_t>(in_.size());
    call_.out_count = static_cast<int32_t>(out_.size());
    call_.attrs = attrs_.data();
    call_.attrs_size = static_cast<uint32_t>(attrs_.size());
    return kernel_ == nullptr ? SY_NOT_FOUND : kernel_->run(&call_);
  }
  const SyStatusWord& status() const { return status_; }

 private:
  const SyKernel* kernel_;
  SyCall call_ = {};
  uint64_t cache_ = 0;
  alignas(64) SyStatusWord status_ = {};
  std::vector<SyView> in_;
  std::vector<SyView> out_;
  std::vector<char> attrs_;
};

// The instruction sets that this machine can run, each with a state of its own.
inline std::deque<State>& States() {
  static std::deque<State>& states = *[] {
    auto* all = new std::deque<State>;
    for (int i = static_cast<int>(BestIsa()); i < kIsaCount; ++i) {
      all->emplace_back();
      all->back().isa = static_cast<Isa>(i);
    }
    return all;
  }();
  return states;
}

inline double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace sy::cpu::testing

#endif  // BACKENDS_CPU_TESTING_H_
