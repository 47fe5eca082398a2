// Reductions over axes, running results along one axis, softmax.
#include <algorithm>
#include <cmath>
#include <limits>

#include "conform/case.h"

namespace sy::conform {
namespace {

using Line = std::vector<Real>;
using LineFn = std::function<Real(const Line&)>;

std::vector<bool> Reduced(const Array& x, const Shape& dims) {
  std::vector<bool> reduced(x.shape.size(), dims.empty());
  for (int64_t d : dims)
    if (!reduced.empty()) reduced[static_cast<size_t>(d < 0 ? d + x.rank() : d)] = true;
  return reduced;
}

// fn over the elements that share the kept axes, in C order.
Array Reduce(const Array& x, const Shape& dims, bool keepdim, SyDtype dtype, const LineFn& fn) {
  const std::vector<bool> reduced = Reduced(x, dims);
  Shape kept;  // sizes with 1 for reduced axes
  for (size_t d = 0; d < x.shape.size(); ++d) kept.push_back(reduced[d] ? 1 : x.shape[d]);
  Array y(dtype, kept);
  std::vector<Line> lines(y.at.size());
  size_t i = 0;
  ForEach(x.shape, [&](const Shape& index) {
    Shape to = index;
    for (size_t d = 0; d < to.size(); ++d)
      if (reduced[d]) to[d] = 0;
    lines[static_cast<size_t>(y.Offset(to))].push_back(x.at[i++]);
  });
  for (size_t k = 0; k < lines.size(); ++k) y.at[k] = fn(lines[k]);
  if (!keepdim) {
    y.shape.clear();
    for (size_t d = 0; d < x.shape.size(); ++d)
      if (!reduced[d]) y.shape.push_back(x.shape[d]);
  }
  return y;
}

Real Sum(const Line& t) {
  Real sum = 0;
  for (Real v : t) sum += v;
  return sum;
}

Real WholeSum(const Line& t) {
  __int128 sum = 0;
  for (Real v : t) sum += static_cast<__int128>(v);
  return Wrap(SY_I64, sum);
}

Real WholeProduct(const Line& t) {
  unsigned __int128 product = 1;
  for (Real v : t) product *= static_cast<unsigned __int128>(static_cast<__int128>(v));
  return Wrap(SY_I64, static_cast<__int128>(product));
}

Real Product(const Line& t) {
  Real p = 1;
  for (Real v : t) p *= v;
  return p;
}

// `better(a, b)`: a goes before b. NaN goes before everything; the first of equals stays.
int64_t Best(const Line& t, bool largest) {
  int64_t best = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(t.size()); ++i) {
    const Real v = t[static_cast<size_t>(i)], b = t[static_cast<size_t>(best)];
    if (std::isnan(b)) break;
    if (std::isnan(v) || (largest ? v > b : v < b)) best = i;
  }
  return best;
}

Real Variance(const Line& t, Real correction) {
  const Real n = static_cast<Real>(t.size()), mean = Sum(t) / n;
  Real sum = 0;
  for (Real v : t) sum += (v - mean) * (v - mean);
  return sum / std::max(n - correction, Real{0});
}

Real LogSumExp(const Line& t) {
  Real top = -std::numeric_limits<Real>::infinity();
  for (Real v : t) top = std::isnan(v) ? v : std::max(top, v);
  if (std::isinf(top)) return top;
  Real sum = 0;
  for (Real v : t) sum += std::exp(v - top);
  return top + std::log(sum);
}

Real Norm(const Line& t, double p) {
  Real sum = 0;
  for (Real v : t) {
    const Real a = std::fabs(v);
    sum = p == 0          ? sum + (a != 0)
          : std::isinf(p) ? std::max(sum, a)
                          : sum + std::pow(a, static_cast<Real>(p));
  }
  return p == 0 || std::isinf(p) ? sum : std::pow(sum, 1 / static_cast<Real>(p));
}

struct Reduction {
  const char* op;
  LineFn fn;
  SyDtype (*result)(SyDtype);
  Input input = {};
  Attrs more = {};
  bool empty = true;  // a reduction of nothing has a value
};

SyDtype Long(SyDtype) { return SY_I64; }

struct Over {
  Shape shape, dims;
  bool keepdim;
};

void AddOver(Suite* s, const Reduction& r, const std::vector<SyDtype>& dtypes) {
  std::vector<Over> overs = {
      {{3, 5, 4}, {}, false},        {{3, 5, 4}, {}, true},    {{3, 5, 4}, {1}, false},
      {{3, 5, 4}, {0, -1}, true},    {{3, 5, 4}, {2}, true},   {{3, 5, 4}, {0}, false},
      {{2, 3, 4, 5}, {1, 3}, false}, {{}, {}, false},          {{1, 7}, {-1}, false},
      {{3, 0}, {0}, false},          {{67, 33}, {0}, false},   {{150, 1031}, {}, false},
      {{150, 1031}, {1}, false},     {{150, 1031}, {0}, false}};
  if (r.empty)
    overs.insert(overs.end(), {{{3, 0}, {1}, true}, {{0}, {}, false}, {{2, 0, 3}, {0, 1}, false}});
  for (const Over& o : overs) {
    Attrs attrs{{"dims", o.dims}, {"keepdim", int64_t{o.keepdim}}};
    attrs.insert(attrs.end(), r.more.begin(), r.more.end());
    Input input = r.input;
    input.shape = o.shape;
    const Reference reference = [o, fn = r.fn, result = r.result](
                                    const Inputs& in, SyDtype dtype) -> std::vector<Array> {
      return {Reduce(in[0], o.dims, o.keepdim, result(dtype), fn)};
    };
    s->Add({r.op, attrs, {input}, reference, dtypes, Count(o.shape) > 10000});
  }
}

void AddReduced(Suite* s) {
  const Input small{{}, Fill::kRange, 0.5, 1.4}, tied{{}, Fill::kTied};
  AddOver(s, {"sum", Sum, Same}, Floats());
  AddOver(s, {"sum", WholeSum, Long}, IntegersAndBool());
  AddOver(s,
          {"sum", Sum, [](SyDtype) -> SyDtype { return SY_F64; }, {}, {{"dtype", int64_t{SY_F64}}}},
          {SY_F64, SY_F32, SY_I32});
  AddOver(s, {"prod", Product, Same, small}, {SY_F64, SY_F32});
  AddOver(s, {"prod", WholeProduct, Long, small}, IntegersAndBool());
  AddOver(s, {"mean", [](const Line& t) { return Sum(t) / static_cast<Real>(t.size()); }, Same},
          Floats());
  for (int64_t correction : {0, 1}) {
    auto var = [correction](const Line& t) { return Variance(t, correction); };
    auto std = [correction](const Line& t) { return std::sqrt(Variance(t, correction)); };
    AddOver(s, {"var", var, Same, {}, {{"correction", correction}}}, Floats());
    AddOver(s, {"std", std, Same, {}, {{"correction", correction}}}, Floats());
  }
  AddOver(s,
          {"amax",
           [](const Line& t) { return t[static_cast<size_t>(Best(t, true))]; },
           Same,
           tied,
           {},
           false},
          All());
  AddOver(s,
          {"amin",
           [](const Line& t) { return t[static_cast<size_t>(Best(t, false))]; },
           Same,
           tied,
           {},
           false},
          All());
  auto nonzero = [](const Line& t) {
    return static_cast<Real>(std::count_if(t.begin(), t.end(), [](Real v) { return v != 0; }));
  };
  AddOver(s, {"count_nonzero", [=](const Line& t) { return nonzero(t); }, Long, tied}, All());
  AddOver(s, {"any", [=](const Line& t) { return Real(nonzero(t) > 0); }, Bool, tied}, All());
  AddOver(s,
          {"all", [=](const Line& t) { return Real(nonzero(t) == static_cast<Real>(t.size())); },
           Bool, tied},
          All());
  AddOver(s, {"logsumexp", LogSumExp, Same, {{}, Fill::kRange, -9, 9}}, Floats());
  for (double p : {0.0, 1.0, 2.0, 3.0, HUGE_VAL})
    AddOver(
        s,
        {"norm", [p](const Line& t) { return Norm(t, p); }, Same, {}, {{"p", p}}, !std::isinf(p)},
        Floats());
}

// ---- along one axis

// fn turns each line along `dim` into lines of the same length, one per output.
using AlongFn = std::function<std::vector<Line>(const Line&)>;
std::vector<Array> Along(const Array& x, int64_t dim, const std::vector<SyDtype>& dtypes,
                         const AlongFn& fn) {
  if (dim < 0) dim += x.rank();
  const size_t axis = static_cast<size_t>(dim);
  Shape starts = x.shape;
  if (!starts.empty() && starts[axis]) starts[axis] = 1;
  std::vector<Array> out;
  for (SyDtype d : dtypes) out.emplace_back(d, x.shape);
  ForEach(starts, [&](Shape index) {
    const int64_t n = x.shape.empty() ? 1 : x.shape[axis];
    Line line;
    auto at = [&](int64_t i) {
      if (!index.empty()) index[axis] = i;
      return static_cast<size_t>(x.Offset(index));
    };
    for (int64_t i = 0; i < n; ++i) line.push_back(x.at[at(i)]);
    const std::vector<Line> results = fn(line);
    for (size_t k = 0; k < out.size(); ++k)
      for (int64_t i = 0; i < n; ++i) out[k].at[at(i)] = results[k][static_cast<size_t>(i)];
  });
  return out;
}

// Running sums and products.
Line Running(Line t, bool product, bool exclusive, bool reverse, bool whole, SyDtype dtype) {
  if (reverse) std::reverse(t.begin(), t.end());
  Line out;
  Real real = product;
  unsigned __int128 integer = product;
  for (Real v : t) {
    const Real before = whole ? Wrap(dtype, static_cast<__int128>(integer)) : real;
    real = product ? real * v : real + v;
    if (whole) {
      const auto w = static_cast<unsigned __int128>(static_cast<__int128>(v));
      integer = product ? integer * w : integer + w;
    }
    out.push_back(exclusive ? before : whole ? Wrap(dtype, static_cast<__int128>(integer)) : real);
  }
  if (reverse) std::reverse(out.begin(), out.end());
  return out;
}

struct Axis {
  Shape shape;
  int64_t dim;
};
const Axis kAxes[] = {{{3, 5, 4}, -1},  {{3, 5, 4}, 1},  {{3, 5, 4}, 0}, {{}, -1},
                      {{1}, 0},         {{3, 0, 2}, 1},  {{0, 4}, 1},    {{2, 70}, 1},
                      {{150, 1031}, 1}, {{150, 1031}, 0}};

void AddRunning(Suite* s) {
  for (const Axis& a : kAxes) {
    const bool large = Count(a.shape) > 10000;
    for (int flags = 0; flags < 4; ++flags) {
      const bool exclusive = flags & 1, reverse = flags & 2;
      for (bool product : {false, true}) {
        const Attrs attrs{
            {"dim", a.dim}, {"exclusive", int64_t{exclusive}}, {"reverse", int64_t{reverse}}};
        const Reference reference = [=](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
          const bool whole = !IsFloat(dtype);
          const SyDtype out = whole ? SyDtype{SY_I64} : dtype;
          return Along(in[0], a.dim, {out}, [&](const Line& t) -> std::vector<Line> {
            return {Running(t, product, exclusive, reverse, whole, out)};
          });
        };
        const Input input{a.shape, Fill::kRange, product ? 0.5 : -2, product ? 1.4 : 2};
        s->Add({product ? "cumprod" : "cumsum", attrs, {input}, reference, Floats(), large});
        s->Add(
            {product ? "cumprod" : "cumsum", attrs, {input}, reference, IntegersAndBool(), large});
      }
    }
    for (bool largest : {true, false}) {
      const Reference reference = [a, largest](const Inputs& in,
                                               SyDtype dtype) -> std::vector<Array> {
        return Along(in[0], a.dim, {dtype, SY_I64}, [&](const Line& t) -> std::vector<Line> {
          Line values, places;
          for (size_t i = 0; i < t.size(); ++i) {
            Line so_far(t.begin(), t.begin() + static_cast<int64_t>(i) + 1);
            const size_t last = values.empty() ? 0 : static_cast<size_t>(places.back());
            // The first of equals stays, as everywhere; so does the first NaN.
            const Real top = values.empty() ? t[0] : values.back();
            const bool better =
                values.empty() ||
                (!std::isnan(top) && (std::isnan(t[i]) || (largest ? t[i] > top : t[i] < top)));
            values.push_back(better ? t[i] : top);
            places.push_back(better ? static_cast<Real>(i) : static_cast<Real>(last));
          }
          return {values, places};
        });
      };
      s->Add({largest ? "cummax" : "cummin",
              {{"dim", a.dim}},
              {{a.shape, Fill::kTied}},
              reference,
              All(),
              large});
    }
  }
}

void AddSoftmax(Suite* s) {
  for (const Axis& a : kAxes)
    for (bool log : {false, true}) {
      const Reference reference = [a, log](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
        return Along(in[0], a.dim, {dtype}, [&](const Line& t) -> std::vector<Line> {
          const Real sum = LogSumExp(t);
          Line values;
          for (Real v : t) values.push_back(log ? v - sum : std::exp(v - sum));
          return {values};
        });
      };
      s->Add({log ? "log_softmax" : "softmax",
              {{"dim", a.dim}},
              {{a.shape, Fill::kRange, -9, 9}},
              reference,
              Floats(),
              Count(a.shape) > 10000});
    }
}

void AddPicks(Suite* s) {
  const Axis axes[] = {{{3, 5, 4}, -1},  {{3, 5, 4}, 1},  {{3, 5, 4}, 0}, {{}, -1},
                       {{1, 7}, -1},     {{0, 4}, 1},     {{2, 3, 0}, 0}, {{67, 33}, 0},
                       {{150, 1031}, 1}, {{150, 1031}, 0}};
  for (const Axis& a : axes)
    for (bool keepdim : {false, true})
      for (bool largest : {true, false}) {
        const Attrs attrs{{"dim", a.dim}, {"keepdim", int64_t{keepdim}}};
        const Shape dims = a.shape.empty() ? Shape{} : Shape{a.dim};
        auto place = [=](const Inputs& in) {
          return Reduce(in[0], dims, keepdim, SY_I64,
                        [&](const Line& t) { return static_cast<Real>(Best(t, largest)); });
        };
        const Reference index = [=](const Inputs& in, SyDtype) -> std::vector<Array> {
          return {place(in)};
        };
        const Reference both = [=](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
          return {Reduce(in[0], dims, keepdim, dtype,
                         [&](const Line& t) { return t[static_cast<size_t>(Best(t, largest))]; }),
                  place(in)};
        };
        const bool large = Count(a.shape) > 10000;
        s->Add(
            {largest ? "argmax" : "argmin", attrs, {{a.shape, Fill::kTied}}, index, All(), large});
        s->Add(
            {largest ? "max_dim" : "min_dim", attrs, {{a.shape, Fill::kTied}}, both, All(), large});
      }
}

}  // namespace

void AddReductions(Suite* s) {
  AddReduced(s);
  AddPicks(s);
  AddRunning(s);
  AddSoftmax(s);
}

}  // namespace sy::conform
