// Products of matrices and of tensors by name of axis.
#include <algorithm>
#include <set>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

Tensors MatMul(C& c) { return {matmul(c.in(0), c.in(1))}; }

Tensors Gemm(C& c) {
  if (c.opset() < 7 && !c.Int("broadcast", 0) && c.has(2) && c.in(2).dim() != 2)
    c.Fail("C " + c.in(2).describe());
  const Tensor a = c.Flag("transA", false) ? c.in(0).t() : c.in(0);
  const Tensor b = c.Flag("transB", false) ? c.in(1).t() : c.in(1);
  const double alpha = c.Float("alpha", 1), beta = c.Float("beta", 1);
  Tensor y = matmul(a, b);
  if (alpha != 1) y = y * alpha;
  if (c.has(2)) y = y + (beta == 1 ? c.in(2) : c.in(2) * beta);
  return {y};
}

// Determinants by Gauss, with the largest of each column as its pivot.
Tensors Det(C& c) {
  const Tensor& x = c.in(0);
  if (x.dim() < 2 || x.size(-1) != x.size(-2)) c.Fail(x.describe() + "; want square matrices");
  const Shape s = x.shape();
  const int64_t n = x.size(-1);
  Tensor a = reshape(x, {-1, n, n});
  const Tensor row = arange(n, {.dtype = i64, .device = c.device()});
  Tensor det = ones({a.size(0)}, {.dtype = x.dtype(), .device = c.device()});
  for (int64_t k = 0; k < n; ++k) {
    const Tensor column = slice(abs(select(a, 2, k)), {.dim = 1, .start = k});
    const Tensor pivot = argmax(column, 1, true) + k;  // [batch, 1]
    const Tensor order = where(row == k, pivot, where(row == pivot, k, row));
    a = gather(a, contiguous(expand(unsqueeze(order, {2}), a.shape())), 1);
    const Tensor first = select(a, 1, k), head = select(first, 1, k);
    det = det * where(squeeze(pivot, {1}) == k, head, -head);
    const Tensor below = where(row > k, select(a, 2, k), 0.0);
    const Tensor factor = below / unsqueeze(where(head == 0.0, 1.0, head), {1});
    a = a - unsqueeze(factor, {2}) * unsqueeze(first, {1});
  }
  return {reshape(det, Shape(s.begin(), s.end() - 2))};
}

// ---- Einsum: axes have names; what has one name in two tensors is multiplied, what the result
// does not name is added up.

using Names = std::vector<int>;  // a letter, or 256 and up for the axes of an ellipsis

struct Term {
  Tensor x;
  Names names;
};

bool In(int name, const Names& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Reads "ij...k". The axes of an ellipsis are counted from the last, so that they broadcast.
Names ReadNames(const C& c, const std::string& text, int64_t ellipsis) {
  Names names;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      if (text.compare(i, 3, "...") != 0) c.Fail("equation with \"" + text + "\"");
      for (int64_t k = ellipsis; k-- > 0;) names.push_back(256 + static_cast<int>(k));
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(text[i]))) {
      names.push_back(text[i]);
    } else {
      c.Fail("equation with \"" + text + "\"");
    }
  }
  return names;
}

// Axes of one name become their diagonal; names that nobody wants any more are added up.
Term Reduced(Term t, const Names& wanted) {
  for (size_t i = 0; i < t.names.size(); ++i) {
    const auto again =
        std::find(t.names.begin() + static_cast<std::ptrdiff_t>(i) + 1, t.names.end(), t.names[i]);
    if (again == t.names.end()) continue;
    const int name = t.names[i];
    t.x = diagonal(t.x, 0, static_cast<int64_t>(i), again - t.names.begin());
    t.names.erase(again);
    t.names.erase(t.names.begin() + static_cast<std::ptrdiff_t>(i));
    t.names.push_back(name);
    --i;
  }
  Shape gone;
  Names kept;
  for (size_t i = 0; i < t.names.size(); ++i) {
    if (In(t.names[i], wanted))
      kept.push_back(t.names[i]);
    else
      gone.push_back(static_cast<int64_t>(i));
  }
  if (!gone.empty()) t.x = sum(t.x, gone);
  t.names = kept;
  return t;
}

Tensor Ordered(const Term& t, const Names& order) {
  Shape axes;
  for (const int name : order)
    axes.push_back(std::find(t.names.begin(), t.names.end(), name) - t.names.begin());
  return permute(t.x, axes);
}

Names Joined(std::initializer_list<Names> parts) {
  Names all;
  for (const Names& p : parts) all.insert(all.end(), p.begin(), p.end());
  return all;
}

// One batched product of matrices.
Term Multiplied(const Term& a, const Term& b, const Names& wanted) {
  Names batch, inner, left, right;
  for (const int n : a.names) (!In(n, b.names) ? left : In(n, wanted) ? batch : inner).push_back(n);
  for (const int n : b.names)
    if (!In(n, a.names)) right.push_back(n);
  const Tensor x = Ordered(a, Joined({batch, left, inner})),
               y = Ordered(b, Joined({batch, inner, right}));
  const Shape xs = x.shape(), ys = y.shape();
  const size_t nb = batch.size(), nl = left.size(), ni = inner.size();
  const auto with = [&](const Shape& s, int64_t rows, int64_t columns) {
    Shape shape(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(nb));
    shape.insert(shape.end(), {rows, columns});
    return shape;
  };
  const Tensor product =
      matmul(reshape(x, with(xs, Product(xs, nb, nb + nl), Product(xs, nb + nl))),
             reshape(y, with(ys, Product(ys, nb, nb + ni), Product(ys, nb + ni))));
  Shape shape = product.shape();
  shape.resize(nb);
  for (size_t d = nb; d < nb + nl; ++d) shape.push_back(xs[d]);
  for (size_t d = nb + ni; d < ys.size(); ++d) shape.push_back(ys[d]);
  return {reshape(product, shape), Joined({batch, left, right})};
}

struct Equation {
  std::vector<std::string> terms;
  std::string result;
  bool explicit_result = false;
};

Equation ReadEquation(C& c) {
  std::string text = c.Text("equation", "");
  std::erase(text, ' ');
  Equation e;
  const size_t arrow = text.find("->");
  e.explicit_result = arrow != std::string::npos;
  if (e.explicit_result) e.result = text.substr(arrow + 2);
  const std::string left = text.substr(0, arrow);
  for (size_t from = 0; from <= left.size();) {
    const size_t to = std::min(left.find(',', from), left.size());
    e.terms.push_back(left.substr(from, to - from));
    from = to + 1;
  }
  if (e.terms.size() != c.input_count())
    c.Fail("equation \"" + text + "\" for " + std::to_string(c.input_count()) + " inputs");
  return e;
}

Tensors Einsum(C& c) {
  const Equation e = ReadEquation(c);
  std::vector<Term> terms;
  int64_t widest = 0;  // of the ellipses
  for (size_t i = 0; i < e.terms.size(); ++i) {
    const bool open = e.terms[i].find('.') != std::string::npos;
    const auto letters = static_cast<int64_t>(e.terms[i].size()) - (open ? 3 : 0);
    const int64_t ellipsis = c.in(i).dim() - letters;
    if (ellipsis < 0 || (ellipsis > 0 && !open))
      c.Fail("\"" + e.terms[i] + "\" for " + c.in(i).describe());
    widest = std::max(widest, ellipsis);
    terms.push_back({c.in(i), ReadNames(c, e.terms[i], ellipsis)});
  }
  Names result;
  if (e.explicit_result) {
    result = ReadNames(c, e.result, widest);
  } else {  // the ellipsis, and what is named once, by the alphabet
    std::multiset<int> seen;
    for (const Term& t : terms) seen.insert(t.names.begin(), t.names.end());
    for (int64_t k = widest; k-- > 0;) result.push_back(256 + static_cast<int>(k));
    for (const int n : seen)
      if (n < 256 && seen.count(n) == 1) result.push_back(n);
  }
  // What the result or a later term names.
  const auto wanted = [&](size_t from) {
    Names names = result;
    for (size_t i = from; i < terms.size(); ++i)
      names.insert(names.end(), terms[i].names.begin(), terms[i].names.end());
    return names;
  };
  Term all = Reduced(terms[0], wanted(1));
  for (size_t i = 1; i < terms.size(); ++i) {
    const Names later = wanted(i + 1);
    const Term next = Reduced(terms[i], Joined({later, all.names}));
    all = Reduced(Multiplied(all, next, later), later);
  }
  for (const int n : result)
    if (!In(n, all.names)) c.Fail("the result names an axis that no input has");
  return {Ordered(all, result)};
}

constexpr OpRow kRows[] = {
    {"Det", Det},
    {"Einsum", Einsum},
    {"Gemm", Gemm},
    {"MatMul", MatMul},
};

}  // namespace

std::span<const OpRow> ProductOps() { return kRows; }

}  // namespace sy::onnx
