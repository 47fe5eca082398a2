// sy::Tensor: a value type over the C ABI of sy.h. Header-only, C++20, any compiler and standard
// library.
//
// A Tensor is a handle: copies share the memory, `b = a` makes b another name for a's tensor, while
// `x[1] = y` writes into x. Failures throw sy::Error with the code and the one-line text of the
// library. Threads: as sy.h says; different handles may be used from different threads.
#ifndef SWITCHYARD_TENSOR_H_
#define SWITCHYARD_TENSOR_H_

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sy.h"

namespace sy {

// A failed call: `code` is a SyStatus, what() one line that says what is wrong, given and wanted.
class Error : public std::runtime_error {
 public:
  Error(SyStatus code, const std::string& message) : std::runtime_error(message), code_(code) {}
  SyStatus code() const { return code_; }

 private:
  SyStatus code_;
};

namespace detail {
inline void Check(SyStatus status) {
  if (status != SY_OK) [[unlikely]]
    throw Error(status, sy_last_message());
}
inline int32_t FindOp(const char* name) {
  const int32_t id = sy_op_find(name);
  if (id < 0) throw Error(SY_NOT_FOUND, sy_last_message());
  return id;
}
}  // namespace detail

// ---- dtypes

struct Dtype {
  SyDtype code = 0;  // 0: the op's default
  friend constexpr bool operator==(Dtype, Dtype) = default;
};
inline constexpr Dtype f16{SY_F16}, bf16{SY_BF16}, f32{SY_F32}, f64{SY_F64};
inline constexpr Dtype i8{SY_I8}, i16{SY_I16}, i32{SY_I32}, i64{SY_I64};
inline constexpr Dtype u8{SY_U8}, u16{SY_U16}, u32{SY_U32}, u64{SY_U64}, bool_{SY_BOOL};

inline const char* name(Dtype dtype) {
  switch (dtype.code) {
    case SY_F16:
      return "f16";
    case SY_BF16:
      return "bf16";
    case SY_F32:
      return "f32";
    case SY_F64:
      return "f64";
    case SY_I8:
      return "i8";
    case SY_I16:
      return "i16";
    case SY_I32:
      return "i32";
    case SY_I64:
      return "i64";
    case SY_U8:
      return "u8";
    case SY_U16:
      return "u16";
    case SY_U32:
      return "u32";
    case SY_U64:
      return "u64";
    case SY_BOOL:
      return "bool";
    default:
      return "none";
  }
}
inline constexpr bool is_float(Dtype dtype) {
  return SY_DTYPE_CODE(dtype.code) == 2 || SY_DTYPE_CODE(dtype.code) == 4;
}

template <class T>
concept Number = std::is_arithmetic_v<T>;

// The dtype of a C++ element type.
template <Number T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return bool_;
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? f32 : f64;
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? i8 : sizeof(T) == 2 ? i16 : sizeof(T) == 4 ? i32 : i64;
  else
    return sizeof(T) == 1 ? u8 : sizeof(T) == 2 ? u16 : sizeof(T) == 4 ? u32 : u64;
}

// ---- shapes and lists of axes: any integer type

class Ints {
 public:
  Ints() = default;
  template <std::integral... T>
  requires(sizeof...(T) > 0)
      // NOLINTNEXTLINE(google-explicit-constructor): {64, n}
      Ints(T... values)
      : values_{static_cast<int64_t>(values)...} {}
  template <std::integral T>
  // NOLINTNEXTLINE(google-explicit-constructor)
  Ints(const std::vector<T>& values) : values_(values.begin(), values.end()) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Ints(std::span<const int64_t> values) : values_(values.begin(), values.end()) {}
  const int64_t* data() const { return values_.data(); }
  int64_t size() const { return static_cast<int64_t>(values_.size()); }
  int64_t operator[](int64_t i) const { return values_[static_cast<size_t>(i)]; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::vector<int64_t> values_;
};
using Shape = std::vector<int64_t>;

// ---- devices

// A device by name: "cpu", "cuda:1". Default-constructed: the thread's current device.
class Device {
 public:
  Device() = default;
  // NOLINTNEXTLINE(google-explicit-constructor)
  Device(const char* name) { detail::Check(sy_device_find(name, &device_)); }
  Device(const std::string& name) : Device(name.c_str()) {}  // NOLINT(google-explicit-constructor)
  explicit Device(const SyDevice* device) : device_(device) {}
  std::string name() const { return sy_device_name(handle()); }
  const SyDevice* handle() const { return device_ ? device_ : sy_device_current(); }
  const SyDevice* given() const { return device_; }  // null: not chosen
  friend bool operator==(const Device& a, const Device& b) { return a.handle() == b.handle(); }

 private:
  const SyDevice* device_ = nullptr;
};

// While it lives, tensors of this thread that name no device are made on this one.
class DeviceGuard {
 public:
  explicit DeviceGuard(const Device& device) : before_(sy_device_current()) {
    detail::Check(sy_device_set_current(device.handle()));
  }
  ~DeviceGuard() { sy_device_set_current(before_); }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  const SyDevice* before_;
};

inline void synchronize() { detail::Check(sy_synchronize(nullptr)); }
inline void synchronize(const Device& device) { detail::Check(sy_synchronize(device.handle())); }
inline void manual_seed(uint64_t seed) { sy_seed(seed); }

// When a device came to this point of the thread's work on it, by the device's clock: put one
// before and one behind what is to be measured. Does not wait.
class Timestamp {
 public:
  explicit Timestamp(const Device& device = {}) {
    SyTimestamp* timestamp = nullptr;
    detail::Check(sy_timestamp_create(device.handle(), &timestamp));
    timestamp_.reset(timestamp, sy_timestamp_release);
  }
  // Waits for both, which are of one device.
  double seconds_since(const Timestamp& from) const {
    int64_t ns = 0;
    detail::Check(sy_timestamp_elapsed(from.timestamp_.get(), timestamp_.get(), &ns));
    return 1e-9 * static_cast<double>(ns);
  }

 private:
  std::shared_ptr<SyTimestamp> timestamp_;
};

// How a new tensor is made.
struct TensorOptions {
  Dtype dtype = {};
  Device device = {};
  bool requires_grad = false;
};

class Tensor;
class Indexed;
struct Index;

// ---- the tensor

class Tensor {
 public:
  Tensor() : handle_(nullptr) {}
  // A number of the language: it adapts to the dtype and device of what it meets.
  template <Number T>
  // NOLINTNEXTLINE(google-explicit-constructor): 2.0 * x, where(c, x, 0)
  Tensor(T value) : handle_(nullptr) {
    if constexpr (std::is_floating_point_v<T>)
      detail::Check(sy_tensor_number_f64(static_cast<double>(value), &handle_));
    else
      detail::Check(sy_tensor_number_i64(static_cast<int64_t>(value), &handle_));
  }
  Tensor(const Tensor& other) : handle_(sy_tensor_retain(other.handle_)) {}
  Tensor(Tensor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~Tensor() {
    if (handle_) sy_tensor_release(handle_);
  }
  Tensor& operator=(const Tensor& other) & {
    Tensor copy(other);
    std::swap(handle_, copy.handle_);
    return *this;
  }
  Tensor& operator=(Tensor&& other) & noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  // Nothing would see it: x[1] = y and x[{ellipsis}] = y write into x.
  void operator=(const Tensor& value) && = delete;

  // Takes over one reference of a C handle.
  static Tensor take(SyTensor* handle) {
    Tensor t;
    t.handle_ = handle;
    return t;
  }
  static Tensor share(SyTensor* handle) { return take(sy_tensor_retain(handle)); }
  SyTensor* handle() const { return handle_; }
  SyTensor* release() { return std::exchange(handle_, nullptr); }
  bool defined() const { return handle_ != nullptr; }
  explicit operator bool() const { return defined(); }

  int64_t dim() const { return sy_tensor_rank(handle_); }
  int64_t size(int64_t axis) const {
    const int64_t rank = dim();
    if (axis < -rank || axis >= rank)
      throw Error(SY_INVALID_ARGUMENT, "size: axis " + std::to_string(axis) + " of " + describe());
    return sy_tensor_shape(handle_)[axis < 0 ? axis + rank : axis];
  }
  Shape shape() const {
    const int64_t* s = sy_tensor_shape(handle_);
    return Shape(s, s + dim());
  }
  Shape strides() const {
    const int64_t* s = sy_tensor_strides(handle_);
    return Shape(s, s + dim());
  }
  int64_t numel() const { return sy_tensor_count(handle_); }
  Dtype dtype() const { return {sy_tensor_dtype(handle_)}; }
  Device device() const { return Device(sy_tensor_device(handle_)); }
  bool is_contiguous() const { return sy_tensor_is_contiguous(handle_) != 0; }
  bool is_same(const Tensor& other) const { return handle_ == other.handle_; }
  // "f32[64,128]@cuda:0"
  std::string describe() const {
    if (!handle_) return "none";
    char text[256];
    sy_tensor_describe(handle_, text, sizeof text);
    return text;
  }

  // The one element, converted; waits for the device.
  template <Number T>
  T item() const {
    if constexpr (std::is_floating_point_v<T>) {
      double v = 0;
      detail::Check(sy_tensor_item_f64(handle_, &v));
      return static_cast<T>(v);
    } else {
      int64_t v = 0;
      detail::Check(sy_tensor_item_i64(handle_, &v));
      return static_cast<T>(v);
    }
  }
  // All elements in C order, converted to T; waits for the device.
  template <Number T>
  std::vector<T> to_vector() const;
  // Host address of element 0 where the host sees the memory; T must be the dtype's type.
  template <Number T>
  T* data() const {
    if (dtype() != dtype_of<T>())
      throw Error(SY_INVALID_ARGUMENT,
                  "data: asked as " + std::string(name(dtype_of<T>())) + " of " + describe());
    void* p = nullptr;
    detail::Check(sy_tensor_data(handle_, &p));
    return static_cast<T*>(p);
  }

  Tensor to(const Device& device) const {
    SyTensor* out = nullptr;
    detail::Check(sy_tensor_to(handle_, sy_device_name(device.handle()), &out));
    return take(out);
  }
  Tensor to(Dtype dtype) const;
  Tensor detach() const;
  Tensor clone() const;
  Tensor t() const;  // the last two axes swapped
  Tensor contiguous() const;

  // x[1], x[-1], x[range(0, 5)], x[mask], x[{range(), 2}], x[{ellipsis, index}]: see indexing.h.
  template <std::integral T>
  Indexed operator[](T index) const;
  Indexed operator[](const Index& index) const;
  Indexed operator[](std::initializer_list<Index> indices) const;

  // ---- autograd
  bool requires_grad() const { return sy_tensor_requires_grad(handle_) != 0; }
  Tensor& set_requires_grad(bool on = true) {
    detail::Check(sy_tensor_set_requires_grad(handle_, on ? 1 : 0));
    return *this;
  }
  bool is_leaf() const { return sy_tensor_is_leaf(handle_) != 0; }
  Tensor grad() const { return take(sy_tensor_grad(handle_)); }
  void set_grad(const Tensor& grad) { detail::Check(sy_tensor_set_grad(handle_, grad.handle())); }
  void zero_grad() { detail::Check(sy_tensor_set_grad(handle_, nullptr)); }
  void backward(const Tensor& gradient = {}, bool retain_graph = false,
                bool create_graph = false) const;

  Tensor& operator+=(const Tensor& other);
  Tensor& operator-=(const Tensor& other);
  Tensor& operator*=(const Tensor& other);
  Tensor& operator/=(const Tensor& other);
  // Overwrites every element.
  Tensor& fill(const Tensor& value);

 private:
  Tensor& InPlace(int32_t op, const Tensor& other);
  SyTensor* handle_;
};

// ---- running ops

namespace detail {

inline SyRun MakeRun(int32_t op, SyTensor* const* in, int32_t in_count, const void* attrs,
                     size_t attrs_size, SyTensor** out, int32_t out_count) {
  // Every field by name: `SyRun run{}` becomes wide stores across fields, for which the library's
  // first loads have to wait, 4 ns of a call.
  SyRun run;
  run.size = sizeof run;
  run.flags = 0;
  run.op = op;
  run.rev = 0;
  run.in = in;
  run.in_count = in_count;
  run.out_count = out_count;
  run.attrs = attrs;
  run.attrs_size = static_cast<uint32_t>(attrs_size);
  run.dtype = 0;
  run.device = nullptr;
  run.stream = nullptr;
  run.out = out;
#ifdef SY_ABI_TEST_GROW
  run.test_grow[0] = run.test_grow[1] = 0;
#endif
  return run;
}

// Trailing absent inputs may be left out of the count: the op sees how many there are.
inline Tensor RunOne(int32_t op, SyTensor* const* in, int32_t in_count, const void* attrs,
                     size_t attrs_size) {
  SyTensor* out = nullptr;
  const SyRun run = MakeRun(op, in, in_count, attrs, attrs_size, &out, 1);
  Check(sy_run(&run));
  return Tensor::take(out);
}

template <size_t N>
std::array<Tensor, N> RunArray(int32_t op, SyTensor* const* in, int32_t in_count, const void* attrs,
                               size_t attrs_size) {
  SyTensor* out[N] = {};
  const SyRun run = MakeRun(op, in, in_count, attrs, attrs_size, out, static_cast<int32_t>(N));
  Check(sy_run(&run));
  std::array<Tensor, N> result;
  for (size_t i = 0; i < N; ++i) result[i] = Tensor::take(out[i]);
  return result;
}

inline std::vector<Tensor> RunMany(int32_t op, SyTensor* const* in, int32_t in_count,
                                   const void* attrs, size_t attrs_size, int64_t count) {
  std::vector<SyTensor*> out(static_cast<size_t>(count), nullptr);
  const SyRun run =
      MakeRun(op, in, in_count, attrs, attrs_size, out.data(), static_cast<int32_t>(count));
  Check(sy_run(&run));
  std::vector<Tensor> result;
  result.reserve(out.size());
  for (SyTensor* t : out) result.push_back(Tensor::take(t));
  return result;
}

// In place: out is both where the result goes and, for binary ops, the first input.
inline void RunInto(int32_t op, SyTensor* const* in, int32_t in_count, const void* attrs,
                    size_t attrs_size, SyTensor* const* out, int32_t out_count) {
  std::array<SyTensor*, 8> slots{};
  for (int32_t i = 0; i < out_count; ++i) slots[static_cast<size_t>(i)] = out[i];
  const SyRun run = MakeRun(op, in, in_count, attrs, attrs_size, slots.data(), out_count);
  Check(sy_run(&run));
}

inline Tensor Create(int32_t op, SyTensor* const* in, int32_t in_count, const void* attrs,
                     size_t attrs_size, const TensorOptions& options) {
  SyTensor* out = nullptr;
  SyRun run = MakeRun(op, in, in_count, attrs, attrs_size, &out, 1);
  run.device = options.device.given();
  run.dtype = options.dtype.code;
  Check(sy_run(&run));
  Tensor t = Tensor::take(out);
  if (options.requires_grad) t.set_requires_grad();
  return t;
}

inline std::vector<SyTensor*> Handles(const std::vector<Tensor>& tensors) {
  std::vector<SyTensor*> handles;
  handles.reserve(tensors.size());
  for (const Tensor& t : tensors) handles.push_back(t.handle());
  return handles;
}

}  // namespace detail

// ---- creation

inline Tensor full(const Ints& shape, const Tensor& value, const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("full");
  const struct { SyInts shape; } attrs = {{shape.data(), shape.size()}};
  SyTensor* in[] = {value.handle()};
  return detail::Create(id, in, 1, &attrs, sizeof attrs, options);
}
inline Tensor zeros(const Ints& shape, const TensorOptions& options = {}) {
  return full(shape, 0.0, options);
}
inline Tensor ones(const Ints& shape, const TensorOptions& options = {}) {
  return full(shape, 1.0, options);
}
inline Tensor zeros_like(const Tensor& x) {
  return zeros(x.shape(), {.dtype = x.dtype(), .device = x.device()});
}
inline Tensor ones_like(const Tensor& x) {
  return ones(x.shape(), {.dtype = x.dtype(), .device = x.device()});
}

// Uninitialised memory.
inline Tensor empty(const Ints& shape, const TensorOptions& options = {}) {
  SyTensor* out = nullptr;
  detail::Check(sy_tensor_empty(shape.data(), static_cast<int32_t>(shape.size()),
                                options.dtype.code, sy_device_name(options.device.handle()), &out));
  Tensor t = Tensor::take(out);
  if (options.requires_grad) t.set_requires_grad();
  return t;
}

namespace detail {
struct RandomAttrs {
  SyInts shape;
  double a, b;
  int64_t seed, offset;
};
inline Tensor Random(const char* op, const Ints& shape, double a, double b,
                     const TensorOptions& options) {
  const RandomAttrs attrs = {{shape.data(), shape.size()}, a, b, 0, -1};
  return Create(FindOp(op), nullptr, 0, &attrs, sizeof attrs, options);
}
}  // namespace detail

// Normally distributed, from the process's generator (manual_seed).
inline Tensor randn(const Ints& shape, const TensorOptions& options = {}) {
  return detail::Random("normal", shape, 0, 1, options);
}
inline Tensor normal(const Ints& shape, double mean, double std,
                     const TensorOptions& options = {}) {
  return detail::Random("normal", shape, mean, std, options);
}
// Uniform in [0, 1), and in [low, high).
inline Tensor rand(const Ints& shape, const TensorOptions& options = {}) {
  return detail::Random("uniform", shape, 0, 1, options);
}
inline Tensor uniform(const Ints& shape, double low, double high,
                      const TensorOptions& options = {}) {
  return detail::Random("uniform", shape, low, high, options);
}
// Uniform integers in [low, high).
inline Tensor randint(int64_t low, int64_t high, const Ints& shape,
                      const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("randint");
  const struct {
    SyInts shape;
    int64_t low, high, seed, offset;
  } attrs = {{shape.data(), shape.size()}, low, high, 0, -1};
  return detail::Create(id, nullptr, 0, &attrs, sizeof attrs, options);
}
inline Tensor randperm(int64_t n, const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("randperm");
  const struct { int64_t n, seed, offset; } attrs = {n, 0, -1};
  return detail::Create(id, nullptr, 0, &attrs, sizeof attrs, options);
}
// Random words, u32 or u64.
inline Tensor random_bits(const Ints& shape, const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("random_bits");
  const struct {
    SyInts shape;
    int64_t seed, offset;
  } attrs = {{shape.data(), shape.size()}, 0, -1};
  return detail::Create(id, nullptr, 0, &attrs, sizeof attrs, options);
}
inline Tensor arange(double start, double end, double step = 1, const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("arange");
  const struct { double start, end, step; } attrs = {start, end, step};
  return detail::Create(id, nullptr, 0, &attrs, sizeof attrs, options);
}
inline Tensor arange(int64_t end, const TensorOptions& options = {}) {
  return arange(0, static_cast<double>(end), 1, options);
}
inline Tensor linspace(double start, double end, int64_t steps, const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("linspace");
  const struct {
    double start, end;
    int64_t steps;
  } attrs = {start, end, steps};
  return detail::Create(id, nullptr, 0, &attrs, sizeof attrs, options);
}
inline Tensor eye(int64_t n, int64_t m = -1, int64_t k = 0, const TensorOptions& options = {}) {
  static const int32_t id = detail::FindOp("eye");
  const struct { int64_t n, m, k; } attrs = {n, m, k};
  return detail::Create(id, nullptr, 0, &attrs, sizeof attrs, options);
}

namespace detail {

// Nested braces: from({{1, 2}, {3, 4}}). The depth of the braces is the rank.
template <class T>
struct Nested {
  Shape shape;
  std::vector<T> values;
};
template <class T>
void Append(Nested<T>* to, const std::vector<T>& row) {
  to->values.insert(to->values.end(), row.begin(), row.end());
}

template <class T>
Tensor FromHost(const T* values, const Shape& shape, const TensorOptions& options) {
  const std::string device = options.device.name();
  SyTensor* out = nullptr;
  Check(sy_tensor_from_host(values, shape.data(), static_cast<int32_t>(shape.size()),
                            dtype_of<T>().code, device.c_str(), &out));
  Tensor t = Tensor::take(out);
  if (options.dtype.code && options.dtype != dtype_of<T>()) t = t.to(options.dtype);
  if (options.requires_grad) t.set_requires_grad();
  return t;
}

// Literals give f32 (floating) and i64 (integers); bools stay.
template <class T>
using Literal = std::conditional_t<std::is_same_v<T, bool>, uint8_t,
                                   std::conditional_t<std::is_floating_point_v<T>, float, int64_t>>;

template <class T>
Tensor FromLiterals(const std::vector<Literal<T>>& values, const Shape& shape,
                    const TensorOptions& options) {
  Tensor t = FromHost(values.data(), shape, {.device = options.device});
  const Dtype wanted = options.dtype.code        ? options.dtype
                       : std::is_same_v<T, bool> ? bool_
                                                 : t.dtype();
  if (wanted != t.dtype()) t = t.to(wanted);
  if (options.requires_grad) t.set_requires_grad();
  return t;
}

inline void SameLength(size_t have, size_t want) {
  if (have != want)
    throw Error(SY_INVALID_ARGUMENT, "from: rows of " + std::to_string(want) + " and " +
                                         std::to_string(have) + " elements");
}

}  // namespace detail

template <Number T>
Tensor from(std::initializer_list<T> row, const TensorOptions& options = {}) {
  std::vector<detail::Literal<T>> values;
  for (T v : row) values.push_back(static_cast<detail::Literal<T>>(v));
  return detail::FromLiterals<T>(values, {static_cast<int64_t>(row.size())}, options);
}
template <Number T>
Tensor from(std::initializer_list<std::initializer_list<T>> rows,
            const TensorOptions& options = {}) {
  std::vector<detail::Literal<T>> values;
  const size_t width = rows.size() ? rows.begin()->size() : 0;
  for (const auto& row : rows) {
    detail::SameLength(row.size(), width);
    for (T v : row) values.push_back(static_cast<detail::Literal<T>>(v));
  }
  return detail::FromLiterals<T>(
      values, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, options);
}
template <Number T>
Tensor from(std::initializer_list<std::initializer_list<std::initializer_list<T>>> planes,
            const TensorOptions& options = {}) {
  std::vector<detail::Literal<T>> values;
  const size_t height = planes.size() ? planes.begin()->size() : 0;
  const size_t width = height ? planes.begin()->begin()->size() : 0;
  for (const auto& plane : planes) {
    detail::SameLength(plane.size(), height);
    for (const auto& row : plane) {
      detail::SameLength(row.size(), width);
      for (T v : row) values.push_back(static_cast<detail::Literal<T>>(v));
    }
  }
  return detail::FromLiterals<T>(values,
                                 {static_cast<int64_t>(planes.size()), static_cast<int64_t>(height),
                                  static_cast<int64_t>(width)},
                                 options);
}
// A tensor over the caller's memory, dense, on the CPU device; the memory must outlive it.
template <Number T>
Tensor from(std::span<T> memory, const Ints& shape = {}) {
  const int64_t count = static_cast<int64_t>(memory.size());
  const Ints flat = count;
  const Ints& used = shape.size() ? shape : flat;
  int64_t want = 1;
  for (int64_t s : used) want *= s;
  if (want != count)
    throw Error(SY_INVALID_ARGUMENT, "from: " + std::to_string(count) +
                                         " elements of memory for a shape of " +
                                         std::to_string(want));
  SyTensor* out = nullptr;
  detail::Check(sy_tensor_wrap(const_cast<std::remove_const_t<T>*>(memory.data()), used.data(),
                               nullptr, static_cast<int32_t>(used.size()),
                               dtype_of<std::remove_const_t<T>>().code, nullptr, nullptr, &out));
  return Tensor::take(out);
}
// A copy of a vector.
template <Number T>
requires(!std::is_same_v<T, bool>) Tensor
    from(const std::vector<T>& values, const Ints& shape = {}, const TensorOptions& options = {}) {
  Shape used(shape.begin(), shape.end());
  if (used.empty()) used = {static_cast<int64_t>(values.size())};
  int64_t want = 1;
  for (int64_t s : used) want *= s;
  if (want != static_cast<int64_t>(values.size()))
    throw Error(SY_INVALID_ARGUMENT, "from: " + std::to_string(values.size()) +
                                         " elements for a shape of " + std::to_string(want));
  return detail::FromHost(values.data(), used, options);
}

}  // namespace sy

#include "ops.h"

namespace sy {

// ---- operators

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator%(const Tensor& a, const Tensor& b) { return remainder(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator==(const Tensor& a, const Tensor& b) { return eq(a, b); }
inline Tensor operator!=(const Tensor& a, const Tensor& b) { return ne(a, b); }
inline Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
inline Tensor operator&(const Tensor& a, const Tensor& b) { return bitwise_and(a, b); }
inline Tensor operator|(const Tensor& a, const Tensor& b) { return bitwise_or(a, b); }
inline Tensor operator^(const Tensor& a, const Tensor& b) { return bitwise_xor(a, b); }
inline Tensor operator!(const Tensor& x) { return logical_not(x); }

inline Tensor cast(const Tensor& x, Dtype dtype) {
  static const int32_t id = detail::FindOp("cast");
  const struct { int64_t dtype; } attrs = {static_cast<int64_t>(dtype.code)};
  SyTensor* in[] = {x.handle()};
  return detail::RunOne(id, in, 1, &attrs, sizeof attrs);
}

inline Tensor Tensor::to(Dtype dtype) const {
  return dtype == this->dtype() ? *this : cast(*this, dtype);
}
inline Tensor Tensor::detach() const {
  static const int32_t id = detail::FindOp("detach");
  SyTensor* in[] = {handle_};
  return detail::RunOne(id, in, 1, nullptr, 0);
}
inline Tensor Tensor::clone() const { return copy(*this); }
inline Tensor Tensor::t() const { return transpose(*this, -2, -1); }
inline Tensor Tensor::contiguous() const { return sy::contiguous(*this); }

inline Tensor& Tensor::InPlace(int32_t op, const Tensor& other) {
  SyTensor *in[] = {handle_, other.handle()}, *out[] = {handle_};
  const SyRun run = detail::MakeRun(op, in, 2, nullptr, 0, out, 1);
  detail::Check(sy_run(&run));
  return *this;
}
inline Tensor& Tensor::operator+=(const Tensor& other) {
  static const int32_t id = detail::FindOp("add");
  return InPlace(id, other);
}
inline Tensor& Tensor::operator-=(const Tensor& other) {
  static const int32_t id = detail::FindOp("sub");
  return InPlace(id, other);
}
inline Tensor& Tensor::operator*=(const Tensor& other) {
  static const int32_t id = detail::FindOp("mul");
  return InPlace(id, other);
}
inline Tensor& Tensor::operator/=(const Tensor& other) {
  static const int32_t id = detail::FindOp("div");
  return InPlace(id, other);
}

inline Tensor& Tensor::fill(const Tensor& value) {
  static const int32_t id = detail::FindOp("full");
  const Shape s = shape();
  const struct { SyInts shape; } attrs = {{s.data(), static_cast<int64_t>(s.size())}};
  SyTensor* in[] = {value.handle()};
  SyTensor* out[] = {handle_};
  SyTensor* slots[] = {out[0]};
  SyRun run = detail::MakeRun(id, in, 1, &attrs, sizeof attrs, slots, 1);
  run.dtype = dtype().code;
  detail::Check(sy_run(&run));
  return *this;
}

template <Number T>
std::vector<T> Tensor::to_vector() const {
  // Converted on the CPU: the device may lack T, and a program reads f32 as double all the time.
  const SyDevice* cpu = nullptr;
  const bool convert = dtype() != dtype_of<T>() && sy_tensor_device(handle_);
  const bool away = convert && sy_device_find("cpu", &cpu) == SY_OK;
  const Tensor x = (away ? to(Device(cpu)) : *this).to(dtype_of<T>());
  const auto n = static_cast<size_t>(x.numel());
  if constexpr (std::is_same_v<T, bool>) {
    std::vector<uint8_t> bytes(n);
    detail::Check(sy_tensor_read(x.handle(), bytes.data(), static_cast<int64_t>(n)));
    return std::vector<bool>(bytes.begin(), bytes.end());
  } else {
    std::vector<T> values(n);
    detail::Check(sy_tensor_read(x.handle(), values.data(), static_cast<int64_t>(n * sizeof(T))));
    return values;
  }
}

}  // namespace sy

#include "indexing.h"
#include "printing.h"

#endif  // SWITCHYARD_TENSOR_H_
