#include "dispatcher/check/entry.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/check.h"

namespace sy::check {
namespace {

std::atomic<int64_t> violations{0};

// A promise broken at every call is not to fill a disk.
constexpr int kMostLines = 100;

bool MayPrint(const std::string& what) {
  static std::mutex mutex;
  static auto* lines = new std::map<std::string, int>;
  std::lock_guard<std::mutex> lock(mutex);
  return ++(*lines)[what] <= kMostLines;
}

}  // namespace

int64_t Violations() { return violations.load(); }

void Report(const char* rule, const char* who, const Layer& layer, std::string_view device,
            std::string_view function, std::string_view text) {
  violations.fetch_add(1);
  const std::string place =
      absl::StrCat(rule, ": ", who, " ", who[0] == 'p' ? "" : "to plugin ", layer.plugin->name,
                   ", ", std::string(device), device.empty() ? "" : ", ", std::string(function));
  if (MayPrint(place)) Log(SY_LOG_ERROR, absl::StrCat("check: ", place, ": ", std::string(text)));
}

std::string CodeName(SyStatus code) {
  if (code == SY_OK) return "OK";
  if (code < 0 || code > 16) return absl::StrCat("status ", code);
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

void NoteLost(DeviceWatch* device, SyStatus code) {
  if (device && code == SY_UNAVAILABLE) device->lost = true;
}

Frame* CurrentFrame() { return static_cast<Frame*>(Mine().check_frame); }

KeepMessage::~KeepMessage() {
  SetMessage(text_);
  Mine().reason_given = given_;
}

Entry::Entry(Layer* layer, DeviceWatch* device, std::string function)
    : layer_(layer), device_(device), function_(std::move(function)), frame_{layer, nullptr} {
  if (layer->closed.load())
    Host(kStates, "called after close; want nothing of the plugin to be called any more");
  if (device) device->inside.fetch_add(1);
  frame_.outer = CurrentFrame();
  Mine().check_frame = &frame_;
}

Entry::~Entry() {
  Mine().check_frame = frame_.outer;
  if (device_) device_->inside.fetch_sub(1);
}

void Entry::Plugin(const char* rule, std::string_view text) const {
  Report(rule, "plugin", *layer_, device_ ? device_->name : "", function_, text);
}

void Entry::Host(const char* rule, std::string_view text) const {
  Report(rule, "host", *layer_, device_ ? device_->name : "", function_, text);
}

void Entry::Begin() { before_ = Surroundings::Now(); }

void Entry::End() {
  const std::string changed = before_.Changed(Surroundings::Now());
  if (changed.empty()) return;
  Plugin(kSurroundings, absl::StrCat("it changed ", changed, "; want all as it was found"));
  before_.RestoreThread();
}

SyStatus Entry::Checked(SyStatus code) {
  if (code < 0 || code > 16)
    Plugin(kSurroundings, absl::StrFormat("it returned status %d; want 0 to 16", code));
  if (device_ && device_->lost.load()) {
    if (code == SY_OK) Plugin(kSticky, "OK from a device that was lost; want UNAVAILABLE for ever");
  }
  NoteLost(device_, code);
  if (device_ && code == SY_UNAVAILABLE) device_->told = true;
  return code;
}

OnStream::OnStream(const Entry& entry, DeviceWatch* device, uint64_t stream)
    : entry_(entry), device_(device) {
  if (!device || !device->Streams()) return;
  stream_ = device->Stream(stream);
  if (!stream_) {
    entry.Host(kHandles, absl::StrFormat("stream %d was never made, or is gone", stream));
    return;
  }
  if (stream_->inside.fetch_add(1) > 0)
    entry.Host(kThreads, absl::StrFormat("two calls on stream %d at once; want one", stream));
  std::lock_guard<std::mutex> lock(stream_->mutex);
  stuck_ = stream_->stuck;
}

OnStream::~OnStream() {
  if (stream_) stream_->inside.fetch_sub(1);
}

void OnStream::Answered(SyStatus code) {
  if (!stream_ || device_->lost.load()) return;
  if (stuck_ != SY_OK && code != stuck_)
    entry_.Plugin(kSticky, absl::StrFormat("%s after the stream's error %s; want the same code "
                                           "until the stream is reset",
                                           CodeName(code), CodeName(stuck_)));
}

}  // namespace sy::check
