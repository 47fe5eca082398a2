// What every call of a plugin goes through: the frame that says which plugin is at work on this
// thread, what the call may not change around it, and what it may not throw.
#ifndef DISPATCHER_CHECK_ENTRY_H_
#define DISPATCHER_CHECK_ENTRY_H_

#include <string>
#include <string_view>
#include <type_traits>

#include "dispatcher/check/layer.h"
#include "dispatcher/check/surroundings.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy::check {

struct Frame {
  Layer* layer;
  Frame* outer;
};

// The plugin that is at work on this thread; null: none.
Frame* CurrentFrame();

// Keeps the thread's message over calls of our own.
class KeepMessage {
 public:
  KeepMessage() : given_(Mine().reason_given), text_(LastMessage()) {}
  ~KeepMessage();
  KeepMessage(const KeepMessage&) = delete;
  KeepMessage& operator=(const KeepMessage&) = delete;

 private:
  bool given_;
  std::string text_;
};

// A call of ours that nobody is to hear of: exceptions become SY_INTERNAL.
template <class R, class... P, class... A>
R Quietly(R (*fn)(P...), A... args) {
  const KeepMessage keep;
  try {
    return fn(args...);
  } catch (...) {
    if constexpr (std::is_same_v<R, SyStatus>) return SY_INTERNAL;
    if constexpr (!std::is_void_v<R>) return R{};
  }
}

class Entry {
 public:
  Entry(Layer* layer, DeviceWatch* device, std::string function);
  ~Entry();
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  // Calls the plugin.
  template <class R, class... P, class... A>
  R Call(R (*fn)(P...), A... args) {
    Begin();
    try {
      if constexpr (std::is_void_v<R>) {
        fn(args...);
        End();
      } else {
        const R result = fn(args...);
        End();
        return result;
      }
    } catch (...) {
      End();
      Plugin(kSurroundings, "an exception left it; want none to cross the border");
      SetMessage(function_ + ": an exception left the plugin");
      if constexpr (std::is_same_v<R, SyStatus>)
        return SY_INTERNAL;
      else if constexpr (!std::is_void_v<R>)
        return R{};
    }
  }
  // The same for what answers with a status.
  template <class... P, class... A>
  SyStatus Ask(SyStatus (*fn)(P...), A... args) {
    return Checked(Call(fn, args...));
  }

  void Plugin(const char* rule, std::string_view text) const;
  void Host(const char* rule, std::string_view text) const;

 private:
  void Begin();
  void End();
  SyStatus Checked(SyStatus code);

  Layer* layer_;
  DeviceWatch* device_;
  std::string function_;
  Frame frame_;
  Surroundings before_;
};

// Marks a call on one stream; two at once are the host's fault.
class OnStream {
 public:
  OnStream(const Entry& entry, DeviceWatch* device, uint64_t stream);
  ~OnStream();
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;
  StreamWatch* get() const { return stream_.get(); }
  // Whether the status fits what is known of the stream: an error sticks.
  void Answered(SyStatus code);

 private:
  const Entry& entry_;
  DeviceWatch* device_;
  std::shared_ptr<StreamWatch> stream_;
  SyStatus stuck_ = SY_OK;
};

// "INVALID_ARGUMENT"
std::string CodeName(SyStatus code);
// A lost device answers SY_UNAVAILABLE for ever.
void NoteLost(DeviceWatch* device, SyStatus code);

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_ENTRY_H_
