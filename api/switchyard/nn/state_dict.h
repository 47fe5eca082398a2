// sy::nn::StateDict: tensors by name, in order; what modules and optimizers are saved as and loaded
// from.
#ifndef SWITCHYARD_NN_STATE_DICT_H_
#define SWITCHYARD_NN_STATE_DICT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../autograd.h"

namespace sy::nn {

class StateDict {
 public:
  using Entry = std::pair<std::string, Tensor>;

  StateDict() = default;
  StateDict(std::initializer_list<Entry> entries) : entries_(entries) {}
  explicit StateDict(std::vector<Entry> entries)
      : entries_(std::move(entries)) {}  // names must differ

  // Adds at the end, or replaces the tensor of that name.
  void set(const std::string& name, const Tensor& tensor) {
    for (Entry& e : entries_)
      if (e.first == name) {
        e.second = tensor;
        return;
      }
    entries_.emplace_back(name, tensor);
  }
  const Tensor* find(std::string_view name) const {
    for (const Entry& e : entries_)
      if (e.first == name) return &e.second;
    return nullptr;
  }
  const Tensor& operator[](std::string_view name) const {
    if (const Tensor* t = find(name)) return *t;
    throw Error(SY_NOT_FOUND, "state dict: no tensor '" + std::string(name) + "' among " +
                                  std::to_string(size()));
  }
  void erase(std::string_view name) {
    std::erase_if(entries_, [&](const Entry& e) { return e.first == name; });
  }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;
};

namespace detail {

inline std::string ShapeText(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

// One line for each difference: what `given` lacks, has too much, or has in another shape. "" if it
// fits.
inline std::string Difference(const StateDict& wanted, const StateDict& given) {
  std::string text;
  for (const auto& [name, tensor] : wanted) {
    const Tensor* found = given.find(name);
    if (!found)
      text += "\n  missing     " + name + " " + ShapeText(tensor.shape());
    else if (found->shape() != tensor.shape())
      text += "\n  wrong shape " + name + " " + ShapeText(found->shape()) + ", want " +
              ShapeText(tensor.shape());
  }
  for (const auto& [name, tensor] : given)
    if (!wanted.find(name)) text += "\n  unexpected  " + name + " " + ShapeText(tensor.shape());
  return text;
}

}  // namespace detail
}  // namespace sy::nn

#endif  // SWITCHYARD_NN_STATE_DICT_H_
