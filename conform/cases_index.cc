// Reading and writing by index, sorting.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "conform/case.h"

namespace sy::conform {
namespace {

// An index input, of both dtypes that indices may have. Negative ones count from the end.
Input Index(Shape shape, int64_t size, SyDtype dtype = SY_I64) {
  return {std::move(shape), Fill::kIndex, static_cast<double>(-size), static_cast<double>(size - 1),
          dtype};
}
int64_t PlaceOf(Real index, int64_t size) {
  const auto i = static_cast<int64_t>(index);
  return i < 0 ? i + size : i;
}

// One write of a scatter onto `a`.
Real Combine(const std::string& how, SyDtype dtype, Real a, Real b) {
  if (how == "set") return b;
  if (how == "min") return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
  if (how == "max") return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
  if (IsFloat(dtype)) return how == "add" ? a + b : a * b;
  const auto x = static_cast<__int128>(a), y = static_cast<__int128>(b);
  return Wrap(dtype, how == "add" ? x + y : x * y);
}

void AddScatters(Suite* s) {
  struct S {
    Shape x, index, source;
    int64_t dim;
  };
  const S shapes[] = {{{3, 5}, {3, 4}, {3, 4}, 1},
                      {{3, 5}, {7, 4}, {8, 5}, 0},
                      {{6}, {9}, {9}, -1},
                      {{2, 3, 4}, {1, 6, 3}, {2, 6, 4}, 1},
                      {{3, 5}, {3, 0}, {3, 2}, 1},
                      {{0, 5}, {0, 2}, {0, 2}, 1},
                      {{300, 40}, {300, 500}, {300, 500}, 1}};
  for (const S& t : shapes)
    for (const std::string how : {"set", "add", "mul", "min", "max", "scatter_add"}) {
      const int64_t dim = t.dim < 0 ? t.dim + static_cast<int64_t>(t.x.size()) : t.dim;
      const std::string mode = how == "scatter_add" ? "add" : how;
      const Reference reference = [dim, mode](const Inputs& in,
                                              SyDtype dtype) -> std::vector<Array> {
        Array y = in[0];
        ForEach(in[1].shape, [&](const Shape& index) {
          Shape to = index;
          to[static_cast<size_t>(dim)] = PlaceOf(in[1][index], y.size(dim));
          const size_t at = static_cast<size_t>(y.Offset(to));
          const Real v = in[2][index];
          y.at[at] = Combine(mode, dtype, y.at[at], v);
        });
        return {y};
      };
      Attrs attrs{{"dim", t.dim}};
      if (how != "scatter_add") attrs.push_back({"reduce", how});
      const bool product = mode == "mul";
      for (SyDtype index : {SyDtype{SY_I64}, SyDtype{SY_I32}}) {
        if (index == SY_I32 && t.x.size() != 2) continue;
        const std::vector<Input> inputs{
            {t.x, Fill::kRange, product ? 0.5 : -2, product ? 1.4 : 2},
            Index(t.index, t.x[static_cast<size_t>(dim)], index),
            {t.source, Fill::kRange, product ? 0.5 : -2, product ? 1.4 : 2}};
        const bool large = Count(t.index) > 10000;
        const std::string op = how == "scatter_add" ? how : "scatter";
        s->Add({op, attrs, inputs, reference, Floats(), large});
        s->Add({op, attrs, inputs, reference, IntegersAndBool(), large});
      }
    }
}

void AddGathers(Suite* s) {
  for (SyDtype type : {SyDtype{SY_I64}, SyDtype{SY_I32}}) {
    const std::pair<Shape, Shape> shapes[] = {
        {{3, 5, 4}, {2, 7, 4}}, {{3, 5, 4}, {3, 0, 4}}, {{30, 500, 4}, {30, 2000, 4}}};
    for (const auto& [x, index] : shapes)
      s->Add({"gather",
              {{"dim", int64_t{1}}},
              {{x, Fill::kRange, -9, 9}, Index(index, 5, type)},
              [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                return {Make(dtype, in[1].shape, [&](const Shape& i) {
                  return in[0][{i[0], PlaceOf(in[1][i], in[0].size(1)), i[2]}];
                })};
              },
              All(),
              Count(index) > 10000});
    for (int64_t n : {6, 0, 3000}) {
      s->Add({"index_select",
              {{"dim", int64_t{-2}}},
              {{{3, 5, 4}, Fill::kRange, -9, 9}, Index({n}, 5, type)},
              [n](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                return {Make(dtype, {3, n, 4}, [&](const Shape& i) {
                  return in[0][{i[0], PlaceOf(in[1][{i[1]}], 5), i[2]}];
                })};
              },
              All(),
              n > 1000});
      s->Add({"embedding",
              {},
              {{{7, 5}, Fill::kRange, -9, 9}, Index({2, n}, 7, type)},
              [n](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                return {Make(dtype, {2, n, 5}, [&](const Shape& i) {
                  return in[0][{PlaceOf(in[1][{i[0], i[1]}], 7), i[2]}];
                })};
              },
              All(),
              n > 1000});
      const Reference add = [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
        Array y = in[0];
        ForEach(in[2].shape, [&](const Shape& i) {
          const size_t to = static_cast<size_t>(y.Offset({i[0], PlaceOf(in[1][{i[1]}], 5)}));
          y.at[to] = Combine("add", dtype, y.at[to], in[2][i]);
        });
        return {y};
      };
      const std::vector<Input> inputs{{{3, 5}}, Index({n}, 5, type), {{3, n}}};
      s->Add({"index_add", {{"dim", int64_t{1}}}, inputs, add, Floats(), n > 1000});
      s->Add({"index_add", {{"dim", int64_t{1}}}, inputs, add, IntegersAndBool(), n > 1000});
    }
  }
  for (const Shape& shape : {Shape{4, 3}, Shape{}, Shape{0, 2}, Shape{3, 5000}})
    s->Add({"one_hot",
            {{"depth", int64_t{6}}, {"on", 3.0}, {"off", 1.0}, {"dtype", int64_t{SY_F32}}},
            {{shape, Fill::kIndex, 0, 7}},
            [](const Inputs& in, SyDtype) -> std::vector<Array> {
              Shape out = in[0].shape;
              out.push_back(6);
              return {Make(SY_F32, out, [&](Shape i) {
                const int64_t place = i.back();
                i.pop_back();
                return in[0][i] == static_cast<Real>(place)
                           ? Real{3}
                           : Real{1};  // 6 and 7 are no place: all off
              })};
            },
            Integers(),
            Count(shape) > 10000});
}

// The order of a line: NaN last whichever way; stable.
std::vector<size_t> Order(const std::vector<Real>& t, bool descending) {
  std::vector<size_t> order(t.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) {
    if (std::isnan(t[i]) || std::isnan(t[j])) return !std::isnan(t[i]) && std::isnan(t[j]);
    return descending ? t[i] > t[j] : t[i] < t[j];
  });
  return order;
}

// The first k of each line along `dim` in order: values and places.
std::vector<Array> Sorted(const Array& x, int64_t dim, bool descending, int64_t k) {
  if (x.shape.empty()) return {x, Array(SY_I64, {})};
  if (dim < 0) dim += x.rank();
  const size_t axis = static_cast<size_t>(dim);
  Shape lines = x.shape, out = x.shape;
  lines[axis] = x.shape[axis] ? 1 : 0;
  out[axis] = k;
  Array values(x.dtype, out), places(SY_I64, out);
  ForEach(lines, [&](Shape index) {
    std::vector<Real> t;
    for (index[axis] = 0; index[axis] < x.shape[axis]; ++index[axis]) t.push_back(x[index]);
    const std::vector<size_t> order = Order(t, descending);
    for (index[axis] = 0; index[axis] < k; ++index[axis]) {
      const size_t from = order[static_cast<size_t>(index[axis])];
      values[index] = t[from];
      places[index] = static_cast<Real>(from);
    }
  });
  return {values, places};
}

void AddSorts(Suite* s) {
  const std::pair<Shape, int64_t> axes[] = {{{3, 9, 4}, -1}, {{3, 9, 4}, 1},  {{17, 3}, 0},
                                            {{}, -1},        {{1, 5}, 0},     {{2, 0}, 1},
                                            {{0, 4}, 1},     {{300, 500}, 1}, {{100000}, 0}};
  for (const auto& [shape, dim] : axes)
    for (bool descending : {false, true})
      for (Fill fill : {Fill::kTied, Fill::kDistinct}) {
        const bool large = Count(shape) > 10000;
        if (large && fill == Fill::kDistinct) continue;
        const int64_t n = shape.empty()
                              ? 1
                              : shape[static_cast<size_t>(
                                    dim < 0 ? dim + static_cast<int64_t>(shape.size()) : dim)];
        const Attrs attrs{{"dim", dim}, {"descending", int64_t{descending}}};
        auto sorted = [=, dim = dim](const Inputs& in, SyDtype) {
          return Sorted(in[0], dim, descending, n);
        };
        s->Add({"sort", attrs, {{shape, fill}}, sorted, All(), large});
        s->Add({"argsort",
                attrs,
                {{shape, fill}},
                [sorted](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                  return {sorted(in, dtype)[1]};
                },
                All(),
                large});
        for (int64_t k : std::set<int64_t>{1, n / 2, n}) {
          if (k > n) continue;
          s->Add({"topk",
                  {{"k", k}, {"dim", dim}, {"largest", int64_t{descending}}},
                  {{shape, fill}},
                  [=, dim = dim](const Inputs& in, SyDtype) {
                    return Sorted(in[0], dim, descending, k);
                  },
                  All(),
                  large});
        }
      }
}

}  // namespace

void AddIndexing(Suite* s) {
  AddGathers(s);
  AddScatters(s);
  AddSorts(s);
}

}  // namespace sy::conform
