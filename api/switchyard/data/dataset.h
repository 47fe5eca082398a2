// Datasets: anything with size() and get(i), where an example is a Tensor, a pair, tuple or array
// of tensors, or a plain struct of up to four tensors. TensorDataset, Subset and Transformed are
// the ones that come along.
//
// get() is called from the loader's worker threads, so it must not change the dataset.
#ifndef SWITCHYARD_DATA_DATASET_H_
#define SWITCHYARD_DATA_DATASET_H_

#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../autograd.h"

namespace sy::data {

template <class D>
concept Dataset = requires(const D& d, int64_t i) {
  { d.size() } -> std::convertible_to<int64_t>;
  d.get(i);
};
// A dataset that makes a whole batch faster than one by one.
template <class D>
concept BatchDataset = Dataset<D> && requires(const D& d, std::span<const int64_t> indices) {
  d.batch(indices);
};

template <class D>
using Example = std::remove_cvref_t<decltype(std::declval<const D&>().get(int64_t{}))>;

namespace detail {

struct AnyField {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor): counts the fields of a struct
};

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

// Calls make(k) for each field k, which gives the tensor that goes there, on an example's type.
template <class E, class Make>
E Assemble(const Make& make) {
  if constexpr (std::is_same_v<E, Tensor>) {
    return make([](const E& e) -> const Tensor& { return e; });
  } else if constexpr (TupleLike<E>) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return E{make([](const E& e) -> const Tensor& { return std::get<I>(e); })...};
    }
    (std::make_index_sequence<std::tuple_size_v<E>>());
  } else if constexpr (requires { E{AnyField(), AnyField(), AnyField(), AnyField()}; }) {
    return E{make([](const E& e) -> const Tensor& {
               auto& [a, b, c, d] = e;
               return a;
             }),
             make([](const E& e) -> const Tensor& {
               auto& [a, b, c, d] = e;
               return b;
             }),
             make([](const E& e) -> const Tensor& {
               auto& [a, b, c, d] = e;
               return c;
             }),
             make([](const E& e) -> const Tensor& {
               auto& [a, b, c, d] = e;
               return d;
             })};
  } else if constexpr (requires { E{AnyField(), AnyField(), AnyField()}; }) {
    return E{make([](const E& e) -> const Tensor& {
               auto& [a, b, c] = e;
               return a;
             }),
             make([](const E& e) -> const Tensor& {
               auto& [a, b, c] = e;
               return b;
             }),
             make([](const E& e) -> const Tensor& {
               auto& [a, b, c] = e;
               return c;
             })};
  } else if constexpr (requires { E{AnyField(), AnyField()}; }) {
    return E{make([](const E& e) -> const Tensor& {
               auto& [a, b] = e;
               return a;
             }),
             make([](const E& e) -> const Tensor& {
               auto& [a, b] = e;
               return b;
             })};
  } else {
    return E{make([](const E& e) -> const Tensor& {
      auto& [a] = e;
      return a;
    })};
  }
}

// Examples as one, each tensor stacked along a new first axis.
template <class E>
E Stack(const std::vector<E>& examples) {
  return Assemble<E>([&](const auto& field) {
    std::vector<Tensor> tensors;
    tensors.reserve(examples.size());
    for (const E& e : examples) tensors.push_back(field(e));
    return stack(tensors);
  });
}

inline void CheckIndex(const char* who, int64_t i, int64_t size) {
  if (i < 0 || i >= size)
    throw Error(SY_OUT_OF_RANGE,
                std::string(who) + ": item " + std::to_string(i) + " of " + std::to_string(size));
}

}  // namespace detail

// Tensors whose first axes run together: TensorDataset(images, labels). Batches are taken by index,
// on the device of the tensors.
template <class... T>
class TensorDataset {
 public:
  explicit TensorDataset(const T&... tensors) : tensors_(tensors...) {
    const auto check = [&](const Tensor& t) {
      if (t.dim() < 1 || t.size(0) != size())
        throw Error(SY_INVALID_ARGUMENT,
                    "TensorDataset: first axes differ: " + std::get<0>(tensors_).describe() + ", " +
                        t.describe());
    };
    (check(tensors), ...);
  }
  int64_t size() const { return std::get<0>(tensors_).dim() ? std::get<0>(tensors_).size(0) : 0; }
  std::tuple<T...> get(int64_t i) const {
    detail::CheckIndex("TensorDataset", i, size());
    return std::apply([&](const T&... t) { return std::tuple<T...>(t[i]...); }, tensors_);
  }
  std::tuple<T...> batch(std::span<const int64_t> indices) const {
    for (const int64_t i : indices) detail::CheckIndex("TensorDataset", i, size());
    return std::apply([&](const T&... t) { return std::tuple<T...>(Take(t, indices)...); },
                      tensors_);
  }

 private:
  static Tensor Take(const Tensor& t, std::span<const int64_t> indices) {
    const Shape shape{static_cast<int64_t>(indices.size())};
    return index_select(t, sy::detail::FromHost(indices.data(), shape, {.device = t.device()}));
  }
  std::tuple<T...> tensors_;
};

// Some items of a dataset, in this order.
template <Dataset D>
class Subset {
 public:
  Subset(D dataset, std::vector<int64_t> indices)
      : dataset_(std::move(dataset)), indices_(std::move(indices)) {
    for (const int64_t i : indices_) detail::CheckIndex("Subset", i, dataset_.size());
  }
  int64_t size() const { return static_cast<int64_t>(indices_.size()); }
  auto get(int64_t i) const { return dataset_.get(At(i)); }
  auto batch(std::span<const int64_t> positions) const requires BatchDataset<D> {
    std::vector<int64_t> indices;
    for (const int64_t i : positions) indices.push_back(At(i));
    return dataset_.batch(std::span<const int64_t>(indices));
  }

 private:
  int64_t At(int64_t i) const {
    detail::CheckIndex("Subset", i, size());
    return indices_[static_cast<size_t>(i)];
  }
  D dataset_;
  std::vector<int64_t> indices_;
};

// A dataset whose examples go through a function: Transformed(set, [](auto example) { ... return
// example; }).
template <Dataset D, class Function>
class Transformed {
 public:
  Transformed(D dataset, Function function)
      : dataset_(std::move(dataset)), function_(std::move(function)) {}
  int64_t size() const { return dataset_.size(); }
  auto get(int64_t i) const { return function_(dataset_.get(i)); }

 private:
  D dataset_;
  Function function_;
};

}  // namespace sy::data

#endif  // SWITCHYARD_DATA_DATASET_H_
