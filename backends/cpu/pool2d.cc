// The kernels `max_pool2d`, `avg_pool2d` and their gradients for f32 and f64, parallel over planes.
// Windows that lie inside the plane across are taken by vectors, those at its sides one by one.
#include <algorithm>
#include <limits>

#include "backends/cpu/conv.h"
#include "backends/cpu/index_check.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/pool.h"
#include "backends/cpu/reduce.h"

namespace sy::cpu {
namespace {

// The attribute structs of sy_ops.h, which a plugin does not include.
struct MaxPoolAttrs {
  SyInts kernel, stride, padding, dilation;
  int64_t ceil;
};
struct MaxPoolGradAttrs {
  SyInts shape;
};
struct AvgPoolAttrs {
  SyInts kernel, stride, padding;
  int64_t ceil, count_include_pad, divisor;
  // avg_pool2d_grad has the input's shape behind these.
};

// One axis of a pooling.
struct Axis {
  int64_t size, out, kernel, stride, padding, dilation;

  int64_t start(int64_t i) const { return i * stride - padding; }
  // Taps [begin, end) of window i are inside the input.
  int64_t begin(int64_t i) const {
    const int64_t at = start(i);
    return at >= 0 ? 0 : std::min(kernel, (-at + dilation - 1) / dilation);
  }
  int64_t end(int64_t i) const {
    const int64_t room = size - start(i);
    return room <= 0 ? begin(i)
                     : std::max(begin(i), std::min(kernel, (room + dilation - 1) / dilation));
  }
  // Elements of window i that an average counts: the padding's too, not what ceil mode adds.
  int64_t padded(int64_t i) const { return std::min(start(i) + kernel, size + padding) - start(i); }
  // Windows [first_inside, last_inside) have all their taps inside.
  int64_t first_inside() const { return std::min(out, (padding + stride - 1) / stride); }
  int64_t last_inside() const {
    const int64_t room = size - 1 - (kernel - 1) * dilation + padding;
    return room < 0 ? first_inside() : std::clamp(room / stride + 1, first_inside(), out);
  }
};

struct Pooling {
  Axis h, w;
  int64_t planes;
  int64_t in_plane() const { return h.size * w.size; }
  int64_t out_plane() const { return h.out * w.out; }
};

Pooling PoolingOf(const SyInts& kernels, const SyInts& strides, const SyInts& paddings,
                  Pair dilation, const int64_t* x, const int64_t* y) {
  const Pair kernel = PairOf(kernels), padding = PairOf(paddings),
             stride = strides.count == 0 ? kernel : PairOf(strides);
  return {.h = {x[2], y[2], kernel.h, stride.h, padding.h, dilation.h},
          .w = {x[3], y[3], kernel.w, stride.w, padding.w, dilation.w},
          .planes = x[0] * x[1]};
}

template <typename Body>
SyStatus ForEachPlane(const SyHost* host, int64_t planes, int64_t weight, const Body& body) {
  const bool ok =
      ForEachChunk(host, planes, std::max<int64_t>(1, weight), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          if (!body(i)) return false;
        }
        return true;
      });
  return ok ? SY_OK : OutOfMemory(host);
}

template <typename T>
class MaxPool {
 public:
  MaxPool(const Pooling& p, const PoolRows<T>& rows) : p_(p), rows_(rows) {
    const int64_t reach = p.h.kernel * p.h.dilation * p.w.size + p.w.kernel * p.w.dilation;
    first_ = reach < kPoolReach ? p.w.first_inside() : p.w.out;
    last_ = reach < kPoolReach ? p.w.last_inside() : p.w.out;
  }

  void RunPlane(const T* x, T* y, int64_t* index) const {
    for (int64_t i = 0; i < p_.h.out; ++i, y += p_.w.out, index += p_.w.out) {
      const int64_t begin = p_.h.begin(i), end = p_.h.end(i);
      const bool vectors = begin < end && first_ < last_;
      for (int64_t j = 0; j < p_.w.out; ++j) {
        if (vectors && j == first_) j = last_;
        if (j < p_.w.out) RunOne(x, i, j, y + j, index + j);
      }
      if (!vectors) continue;
      const int64_t place =
          (p_.h.start(i) + begin * p_.h.dilation) * p_.w.size + p_.w.start(first_);
      rows_.max({.x = x + place,
                 .rows = end - begin,
                 .row_step = p_.h.dilation * p_.w.size,
                 .columns = p_.w.kernel,
                 .column_step = p_.w.dilation,
                 .stride = p_.w.stride,
                 .count = last_ - first_,
                 .y = y + first_,
                 .index = index + first_});
      for (int64_t j = first_; j < last_; ++j) index[j] += place;
    }
  }

 private:
  void RunOne(const T* x, int64_t i, int64_t j, T* y, int64_t* index) const {
    // Without an element inside: the lowest number, at the place of the first tap.
    T best = -std::numeric_limits<T>::infinity();
    int64_t where = p_.h.start(i) * p_.w.size + p_.w.start(j);
    bool any = false;
    for (int64_t a = p_.h.begin(i); a < p_.h.end(i); ++a) {
      for (int64_t b = p_.w.begin(j); b < p_.w.end(j); ++b) {
        const int64_t at =
            (p_.h.start(i) + a * p_.h.dilation) * p_.w.size + p_.w.start(j) + b * p_.w.dilation;
        const T v = x[at];
        if (!any || v > best || (v != v && best == best)) {
          best = v;
          where = at;
          any = true;
        }
      }
    }
    *y = best;
    *index = where;
  }

  const Pooling& p_;
  const PoolRows<T>& rows_;
  int64_t first_, last_;  // windows that are taken by vectors
};

template <typename T>
SyStatus RunMax(const SyCall* call, const Pooling& p) {
  const T* x = DataOf<const T>(call->in[0]);
  T* y = DataOf<T>(call->out[0]);
  int64_t* index = DataOf<int64_t>(call->out[1]);
  const MaxPool<T> pool(p, PoolRowsOf<T>(StateOf(call).isa));
  return ForEachPlane(
      call->host, p.planes, p.out_plane() * p.h.kernel * p.w.kernel, [&](int64_t i) {
        pool.RunPlane(x + i * p.in_plane(), y + i * p.out_plane(), index + i * p.out_plane());
        return true;
      });
}

SyStatus MaxPool2d(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const auto& attrs = *static_cast<const MaxPoolAttrs*>(call->attrs);
    const Pooling p = PoolingOf(attrs.kernel, attrs.stride, attrs.padding, PairOf(attrs.dilation),
                                call->in[0].shape, call->out[0].shape);
    return call->in[0].type == SY_T_F32 ? RunMax<float>(call, p) : RunMax<double>(call, p);
  });
}

// Indices are those of max_pool2d, but any are taken as the core kernel `scatter` takes them.
template <typename T>
SyStatus RunMaxGrad(const SyCall* call, int64_t planes, int64_t in_plane, int64_t out_plane) {
  const T* dy = DataOf<const T>(call->in[0]);
  const int64_t* index = DataOf<const int64_t>(call->in[1]);
  T* dx = DataOf<T>(call->out[0]);
  IndexCheck check(*call, in_plane);
  const SyStatus status =
      ForEachPlane(call->host, planes, in_plane + 4 * out_plane, [&](int64_t i) {
        T* to = dx + i * in_plane;
        std::fill_n(to, in_plane, T(0));
        for (int64_t j = i * out_plane; j < (i + 1) * out_plane; ++j) {
          const int64_t at = check.Resolve(index[j], j);
          if (at >= 0) to[at] += dy[j];
        }
        return true;
      });
  check.Finish();
  return status;
}

SyStatus MaxPool2dGrad(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const int64_t *x = call->out[0].shape, *y = call->in[0].shape;
    const int64_t planes = x[0] * x[1], in_plane = x[2] * x[3], out_plane = y[2] * y[3];
    if (y[0] * y[1] != planes) {
      return call->host->fail(SY_UNIMPLEMENTED,
                              "cpu: max_pool2d_grad: dy of another number of planes");
    }
    return call->in[0].type == SY_T_F32 ? RunMaxGrad<float>(call, planes, in_plane, out_plane)
                                        : RunMaxGrad<double>(call, planes, in_plane, out_plane);
  });
}

template <typename T>
class Average {
 public:
  Average(const Pooling& p, const AvgPoolAttrs& attrs, const PoolRows<T>& rows)
      : p_(p), attrs_(attrs), rows_(rows), first_(p.w.first_inside()), last_(p.w.last_inside()) {}

  void RunPlane(const T* x, T* y) const {
    for (int64_t i = 0; i < p_.h.out; ++i, y += p_.w.out) {
      for (int64_t j = 0; j < p_.w.out; ++j) {
        if (first_ < last_ && j == first_) j = last_;
        if (j < p_.w.out) y[j] = One(x, i, j) / Divisor(i, j);
      }
      if (first_ == last_) continue;
      rows_.average({.x = x + (p_.h.start(i) + p_.h.begin(i)) * p_.w.size + p_.w.start(first_),
                     .rows = p_.h.end(i) - p_.h.begin(i),
                     .row_step = p_.w.size,
                     .columns = p_.w.kernel,
                     .column_step = 1,
                     .stride = p_.w.stride,
                     .count = last_ - first_,
                     .y = y + first_,
                     .divisor = Divisor(i, first_)});
    }
  }

  // `shares` has room for a row of windows.
  void RunGradPlane(const T* dy, T* dx, T* shares) const {
    std::fill_n(dx, p_.in_plane(), T(0));
    for (int64_t i = 0; i < p_.h.out; ++i, dy += p_.w.out) {
      for (int64_t j = 0; j < p_.w.out; ++j) shares[j] = dy[j] / Divisor(i, j);
      for (int64_t a = p_.h.begin(i); a < p_.h.end(i); ++a) {
        AddRow(shares, dx + (p_.h.start(i) + a) * p_.w.size);
      }
    }
  }

 private:
  T One(const T* x, int64_t i, int64_t j) const {
    T sum = 0;
    for (int64_t a = p_.h.begin(i); a < p_.h.end(i); ++a) {
      for (int64_t b = p_.w.begin(j); b < p_.w.end(j); ++b) {
        sum += x[(p_.h.start(i) + a) * p_.w.size + p_.w.start(j) + b];
      }
    }
    return sum;
  }

  T Divisor(int64_t i, int64_t j) const {
    if (attrs_.divisor != 0) return static_cast<T>(attrs_.divisor);
    const int64_t count = attrs_.count_include_pad != 0
                              ? p_.h.padded(i) * p_.w.padded(j)
                              : (p_.h.end(i) - p_.h.begin(i)) * (p_.w.end(j) - p_.w.begin(j));
    return static_cast<T>(count);
  }

  // Adds each window's share to its elements in one row of the input. Tap after tap, so that
  // neighbouring windows do not wait for each other.
  void AddRow(const T* shares, T* to) const {
    for (int64_t j = 0; j < p_.w.out; ++j) {
      if (first_ < last_ && j == first_) j = last_;
      if (j >= p_.w.out) break;
      for (int64_t b = p_.w.begin(j); b < p_.w.end(j); ++b) to[p_.w.start(j) + b] += shares[j];
    }
    for (int64_t b = 0; b < p_.w.kernel; ++b) {
      T* from_first = to + b - p_.w.padding;
      if (p_.w.stride == 1) {
        for (int64_t j = first_; j < last_; ++j) from_first[j] += shares[j];
      } else {
        for (int64_t j = first_; j < last_; ++j) from_first[j * p_.w.stride] += shares[j];
      }
    }
  }

  const Pooling& p_;
  const AvgPoolAttrs& attrs_;
  const PoolRows<T>& rows_;
  const int64_t first_, last_;  // windows that are inside across
};

template <typename T>
SyStatus RunAverage(const SyCall* call, const Pooling& p, bool grad) {
  const auto& attrs = *static_cast<const AvgPoolAttrs*>(call->attrs);
  const Average<T> pool(p, attrs, PoolRowsOf<T>(StateOf(call).isa));
  const T* from = DataOf<const T>(call->in[0]);
  T* to = DataOf<T>(call->out[0]);
  const int64_t weight = p.out_plane() * p.h.kernel * p.w.kernel;
  if (!grad) {
    return ForEachPlane(call->host, p.planes, weight, [&](int64_t i) {
      pool.RunPlane(from + i * p.in_plane(), to + i * p.out_plane());
      return true;
    });
  }
  return ForEachPlane(call->host, p.planes, weight + p.in_plane(), [&](int64_t i) {
    const HostBlock shares(call->host, p.w.out * static_cast<int64_t>(sizeof(T)));
    if (shares.data() == nullptr) return false;
    pool.RunGradPlane(from + i * p.out_plane(), to + i * p.in_plane(),
                      reinterpret_cast<T*>(shares.data()));
    return true;
  });
}

SyStatus AvgPool(const SyCall* call, bool grad) {
  return Guard(call->host, [call, grad]() -> SyStatus {
    const auto& attrs = *static_cast<const AvgPoolAttrs*>(call->attrs);
    const int64_t *in = call->in[0].shape, *out = call->out[0].shape;
    const Pooling p = PoolingOf(attrs.kernel, attrs.stride, attrs.padding, {1, 1}, grad ? out : in,
                                grad ? in : out);
    return call->in[0].type == SY_T_F32 ? RunAverage<float>(call, p, grad)
                                        : RunAverage<double>(call, p, grad);
  });
}
SyStatus AvgPool2d(const SyCall* call) { return AvgPool(call, false); }
SyStatus AvgPool2dGrad(const SyCall* call) { return AvgPool(call, true); }

constexpr SyKernel Row(const char* op, SyKernelFn run) {
  return {.op = op,
          .rev = 1,
          .run = run,
          .accepts = SY_ACCEPTS_UNALIGNED | SY_ACCEPTS_EMPTY,
          .dtypes = SY_T_BIT(SY_T_F32) | SY_T_BIT(SY_T_F64)};
}

}  // namespace

std::span<const SyKernel> PoolKernels() {
  static constexpr SyKernel kKernels[] = {
      Row("max_pool2d", MaxPool2d), Row("max_pool2d_grad", MaxPool2dGrad),
      Row("avg_pool2d", AvgPool2d), Row("avg_pool2d_grad", AvgPool2dGrad)};
  return kKernels;
}

}  // namespace sy::cpu
