#include "conform/fuzz.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "conform/call.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

// Where a bound is wider than this part of the value, chaos is no finding.
constexpr double kWidest = 0x1p-6;

class Writer {
 public:
  Writer(uint64_t seed, const SyDevice* oracle)
      : engine_(seed), oracle_(oracle), exact_(Below(10) == 0) {}

  Drawn Write(size_t nodes) {
    const size_t wanted = 3 + static_cast<size_t>(Below(static_cast<int64_t>(nodes) - 2));
    AddLeaf(RandomShape(), exact_ || Below(4) ? SyDtype{SY_F32} : RandomDtype());
    for (size_t tries = 0; drawn_.program.nodes.size() < wanted && tries < 10 * wanted; ++tries)
      Try();
    return std::move(drawn_);
  }

 private:
  int64_t Below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  bool Chance(int64_t n) { return Below(n) == 0; }
  template <size_t kN>
  const char* OneOf(const char* const (&names)[kN]) {
    return names[Below(kN)];
  }

  SyDtype RandomDtype() {
    constexpr SyDtype kDtypes[] = {SY_F32, SY_F32, SY_F32, SY_F16, SY_BF16, SY_I32, SY_I64};
    return kDtypes[Below(7)];
  }
  Shape RandomShape() {
    constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 17, 33};
    Shape shape;
    const int64_t rank = Below(5);
    for (int64_t d = 0; d < rank; ++d) shape.push_back(kSizes[Below(rank > 2 ? 6 : 9)]);
    if (Chance(40) && rank) shape[0] = 0;
    return shape;
  }
  Fill RandomFill(SyDtype dtype) {
    if (exact_) return Fill::kSmallInt;
    if (!IsFloat(dtype)) return dtype == SY_BOOL ? Fill::kRange : Fill::kSmallInt;
    constexpr Fill kFills[] = {Fill::kRange, Fill::kRange,    Fill::kRange, Fill::kRamp,
                               Fill::kTied,  Fill::kSmallInt, Fill::kZeros, Fill::kAnySpecial};
    return kFills[Below(8)];
  }

  Ref AddLeaf(const Shape& shape, SyDtype dtype) {
    Leaf leaf{dtype, shape, RandomFill(dtype), Layout::kContiguous, engine_()};
    if (Chance(2)) leaf.layout = static_cast<Layout>(Below(static_cast<int64_t>(Layout::kMixed)));
    return AddLeaf(leaf);
  }
  Ref AddLeaf(const Leaf& leaf) {
    drawn_.program.leaves.push_back(leaf);
    values_.leaves.push_back(Upload(DrawLeaves({{leaf}, {}})[0], sy_device_name(oracle_)));
    return {true, values_.leaves.size() - 1};
  }

  // Later values are likelier: programs become deep.
  Ref AnyValue() {
    const auto leaves = static_cast<int64_t>(values_.leaves.size()),
               all = leaves + static_cast<int64_t>(values_.nodes.size());
    const int64_t i = std::max(Below(all), Below(all));
    return {i < leaves, static_cast<size_t>(i < leaves ? i : i - leaves)};
  }

  // Another input for `x`: an old value of its shape, or a leaf whose shape broadcasts with it.
  Ref Partner(const Ref& x) {
    const Shape shape = values_[x].shape();
    const SyDtype dtype = values_[x].dtype().code;
    for (int tries = 0; tries < 3; ++tries) {
      const Ref y = AnyValue();
      if (values_[y].shape() == shape && values_[y].dtype().code == dtype) return y;
    }
    Shape other = shape;
    for (int64_t& s : other)
      if (Chance(4)) s = 1;
    if (!other.empty() && Chance(4)) other.erase(other.begin());
    return AddLeaf(other, dtype);
  }

  // Adds a node if it runs on the oracle, which must know enough of it.
  bool Add(const Node& node) {
    try {
      const Tensor y = RunNode(node, values_, oracle_);
      Bounds bounds = ReadBounds(y);
      if (y.numel() > 20000 || !Known(bounds)) return false;
      values_.nodes.push_back(y);
      drawn_.bounds.push_back(std::move(bounds));
      drawn_.program.nodes.push_back(node);
      return true;
    } catch (const Error&) {  // shapes that do not fit
      return false;
    }
  }

  void Try() {
    const size_t leaves = values_.leaves.size();
    const Node node = Draw(AnyValue());
    if (!node.op.empty() && Add(node)) return;
    // Leaves that were made for it alone are taken back.
    auto used = [&](size_t leaf) {
      for (const Node& n : drawn_.program.nodes)
        for (const Ref& r : n.in)
          if (r.leaf && r.index == leaf) return true;
      return false;
    };
    while (values_.leaves.size() > leaves && !used(values_.leaves.size() - 1)) {
      values_.leaves.pop_back();
      drawn_.program.leaves.pop_back();
    }
  }

  bool Known(const Bounds& b) const {
    size_t vague = 0;
    for (size_t i = 0; i < b.centre.size(); ++i) {
      const Real size = std::fabs(b.centre[i]);
      if (exact_ ? b.error[i] != 0 : b.error[i] > kWidest * (static_cast<double>(size) + 1e-3))
        ++vague;
    }
    return exact_ ? vague == 0 : vague * 10 <= b.centre.size();
  }

  Node Draw(const Ref& x) {
    const Shape shape = values_[x].shape();
    const auto rank = static_cast<int64_t>(shape.size());
    const SyDtype dtype = values_[x].dtype().code;
    const int64_t dim = rank ? Below(rank) : 0;
    auto dims = [&] {
      Shape list;
      for (int64_t d = 0; d < rank; ++d)
        if (Chance(2)) list.push_back(Chance(2) ? d : d - rank);
      return list;
    };
    switch (Below(14)) {
      case 0:
      case 1: {
        if (exact_ || !IsFloat(dtype)) {
          constexpr const char* kOps[] = {"abs", "neg", "square", "relu", "sign"};
          return {OneOf(kOps), {}, {x}};
        }
        constexpr const char* kOps[] = {
            "abs",  "neg",   "square", "relu", "sign",     "exp",  "log",     "sin",  "cos",
            "tanh", "erf",   "sqrt",   "silu", "softplus", "gelu", "sigmoid", "mish", "expm1",
            "atan", "floor", "round",  "elu",  "log1p",    "selu", "rsqrt"};
        return {OneOf(kOps), {}, {x}};
      }
      case 2:
      case 3: {
        constexpr const char* kExact[] = {"add", "sub", "mul", "maximum", "minimum"};
        constexpr const char* kOps[] = {"add", "sub", "mul", "maximum", "minimum",
                                        "div", "add", "mul", "atan2",   "remainder"};
        const Ref y = Partner(x);
        const char* op = exact_ || !IsFloat(dtype) ? OneOf(kExact) : OneOf(kOps);
        return {op, {}, Chance(2) ? std::vector<Ref>{x, y} : std::vector<Ref>{y, x}};
      }
      case 4: {
        constexpr const char* kExact[] = {"sum", "amax", "amin"};
        constexpr const char* kOps[] = {"sum", "mean", "amax", "amin", "logsumexp", "var"};
        return {exact_ || !IsFloat(dtype) ? OneOf(kExact) : OneOf(kOps),
                {{"dims", dims()}, {"keepdim", Below(2)}},
                {x}};
      }
      case 5:
        if (rank < 1) return {};
        return {"matmul", {}, {x, AddLeaf({shape.back(), 1 + Below(9)}, dtype)}};
      case 6: {
        Shape order;
        for (int64_t d = 0; d < rank; ++d) order.push_back(d);
        for (size_t i = order.size(); i > 1; --i)
          std::swap(order[i - 1], order[static_cast<size_t>(Below(static_cast<int64_t>(i)))]);
        return {"permute", {{"dims", order}}, {x}};
      }
      case 7:
        if (rank < 1) return {};
        return {"slice",
                {{"dim", dim},
                 {"start", Below(shape[static_cast<size_t>(dim)] + 1)},
                 {"end", shape[static_cast<size_t>(dim)]},
                 {"step", 1 + Below(3)}},
                {x}};
      case 8:
        if (Chance(2)) return {"flip", {{"dims", dims()}}, {x}};
        if (Chance(2)) return {"reshape", {{"shape", Shape{-1}}}, {x}};
        return {"unsqueeze", {{"dims", Shape{dim}}}, {x}};
      case 9:
        if (rank < 1) return {};
        return {"cat", {{"dim", dim}}, {x, Partner(x)}};
      case 10: {
        if (rank < 1) return {};
        constexpr const char* kOps[] = {"softmax", "log_softmax", "cumsum", "sort"};
        const char* op = exact_ || !IsFloat(dtype) ? "cumsum" : OneOf(kOps);
        return {op, {{"dim", dim}}, {x}};
      }
      case 11: {
        const Ref y = Partner(x);
        constexpr const char* kOps[] = {"lt", "le", "gt", "ne"};
        if (!Add({OneOf(kOps), {}, {x, y}})) return {};
        return {"where", {}, {{false, values_.nodes.size() - 1}, x, y}};
      }
      case 12:
        if (rank < 1 || shape[static_cast<size_t>(dim)] == 0) return {};
        // 0 is an index everywhere.
        return {"index_select",
                {{"dim", dim}},
                {x, AddLeaf(Leaf{SY_I64, {1 + Below(6)}, Fill::kZeros, Layout::kContiguous, 1})}};
      default: {
        if (exact_) return {};
        const SyDtype to = RandomDtype();
        return {"cast", {{"dtype", static_cast<int64_t>(to)}}, {x}};
      }
    }
  }

  std::mt19937_64 engine_;
  const SyDevice* oracle_;
  const bool exact_;
  Drawn drawn_;
  Values values_;  // on the oracle
};

// Only what the last node needs.
Program Needed(const Program& p, size_t last) {
  std::vector<bool> leaf(p.leaves.size(), false), node(p.nodes.size(), false);
  node[last] = true;
  for (size_t n = last + 1; n-- > 0;)
    if (node[n])
      for (const Ref& r : p.nodes[n].in) (r.leaf ? leaf : node)[r.index] = true;
  Program small;
  std::vector<size_t> leaf_place(leaf.size()), node_place(node.size());
  for (size_t i = 0; i < leaf.size(); ++i)
    if (leaf[i]) {
      leaf_place[i] = small.leaves.size();
      small.leaves.push_back(p.leaves[i]);
    }
  for (size_t n = 0; n <= last; ++n)
    if (node[n]) {
      node_place[n] = small.nodes.size();
      small.nodes.push_back(p.nodes[n]);
      for (Ref& r : small.nodes.back().in) r.index = (r.leaf ? leaf_place : node_place)[r.index];
    }
  return small;
}

// A node's value becomes a leaf of its shape and dtype.
Program Cut(const Program& p, size_t n, const Bounds& bounds) {
  Program q = p;
  q.leaves.push_back({bounds.dtype, bounds.shape, Fill::kRange, Layout::kContiguous, 1});
  for (Node& node : q.nodes)
    for (Ref& r : node.in)
      if (!r.leaf && r.index == n) r = {true, q.leaves.size() - 1};
  return Needed(q, q.nodes.size() - 1);
}

}  // namespace

Drawn DrawProgram(uint64_t seed, size_t nodes, const SyDevice* oracle) {
  return Writer(seed, oracle).Write(nodes);
}

Program Shrink(const Program& p, const Fault& fault, const SyDevice* device,
               const SyDevice* oracle) {
  auto fails = [&](const Program& q, Fault* found) {
    try {
      *found = RunProgram(q, BoundsOf(q, oracle), device);
      return !found->reason.empty();
    } catch (const Error&) {
      return false;  // no program any more
    }
  };
  Program best = Needed(p, fault.node);
  for (bool smaller = true; smaller;) {
    smaller = false;
    std::vector<Program> candidates;
    std::vector<Bounds> bounds;
    try {
      bounds = BoundsOf(best, oracle);
    } catch (const Error&) {
      return best;
    }
    for (size_t n = best.nodes.size() - 1; n-- > 0;) candidates.push_back(Cut(best, n, bounds[n]));
    std::set<int64_t> sizes;
    for (const Leaf& leaf : best.leaves) sizes.insert(leaf.shape.begin(), leaf.shape.end());
    for (auto size = sizes.rbegin(); size != sizes.rend() && *size > 1; ++size) {
      Program q = best;  // every axis of this size becomes half of it
      for (Leaf& leaf : q.leaves)
        std::replace(leaf.shape.begin(), leaf.shape.end(), *size, *size / 2);
      for (Node& node : q.nodes)
        for (Attr& a : node.attrs)
          if (a.name == "end" && a.value.whole == *size) a.value.whole = *size / 2;
      candidates.push_back(std::move(q));
    }
    for (size_t i = 0; i < best.leaves.size(); ++i) {
      if (best.leaves[i].layout != Layout::kContiguous) {
        candidates.push_back(best);
        candidates.back().leaves[i].layout = Layout::kContiguous;
      }
      if (best.leaves[i].fill != Fill::kSmallInt && best.leaves[i].fill != Fill::kOnes &&
          IsFloat(best.leaves[i].dtype)) {
        candidates.push_back(best);
        candidates.back().leaves[i].fill = Fill::kSmallInt;
      }
    }
    for (const Program& q : candidates) {
      Fault found;
      if (!fails(q, &found)) continue;
      best = Needed(q, found.node);
      smaller = true;
      break;
    }
  }
  return best;
}

}  // namespace sy::conform
