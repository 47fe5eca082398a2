// Intrusive reference counts. T has Retain() and Release(); a Ref owns one reference.
#ifndef DISPATCHER_TENSOR_REF_H_
#define DISPATCHER_TENSOR_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace sy {

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(const Ref& other) : p_(other.p_) {
    if (p_) p_->Retain();
  }
  Ref(Ref&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  ~Ref() {
    if (p_) p_->Release();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }

  // Takes over a reference that the caller owned.
  static Ref Take(T* p) {
    Ref r;
    r.p_ = p;
    return r;
  }
  // Adds a reference.
  static Ref Share(T* p) {
    if (p) p->Retain();
    return Take(p);
  }

  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  // Gives the reference away.
  T* Leak() { return std::exchange(p_, nullptr); }

 private:
  T* p_ = nullptr;
};

// The count itself. A single owner is the common case: then no atomic read-modify-write is needed
// to drop it.
class RefCount {
 public:
  void Increment() { n_.fetch_add(1, std::memory_order_relaxed); }
  // True if this was the last reference.
  bool Decrement() {
    if (n_.load(std::memory_order_acquire) == 1) return true;
    return n_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  int32_t Get() const { return n_.load(std::memory_order_acquire); }

 private:
  std::atomic<int32_t> n_{1};
};

}  // namespace sy

#endif  // DISPATCHER_TENSOR_REF_H_
