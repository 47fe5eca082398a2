// Matrix products, convolution and pooling, by their defining sums.
#include <algorithm>
#include <cmath>
#include <optional>

#include "conform/case.h"

namespace sy::conform {
namespace {

// A sum of products.
struct Dot {
  Real real = 0;
  __int128 whole = 0;
  void Add(Real a, Real b) { real += a * b; }
  void AddWhole(Real a, Real b) { whole += static_cast<__int128>(a) * static_cast<__int128>(b); }
};

// a @ b with broadcast batch axes; vectors as a row on the left, a column on the right.
Array MatMul(const Array& a, const Array& b, SyDtype dtype) {
  Shape x = a.shape, y = b.shape;
  if (x.size() == 1) x.insert(x.begin(), 1);
  if (y.size() == 1) y.push_back(1);
  const Shape batch = BroadcastShape(Shape(x.begin(), x.end() - 2), Shape(y.begin(), y.end() - 2));
  const int64_t rows = x[x.size() - 2], k = x.back(), columns = y.back();
  Array left = a, right = b;
  left.shape = x;
  right.shape = y;
  Shape full = batch;
  full.insert(full.end(), {rows, columns});
  Array c(dtype, full);
  size_t i = 0;
  ForEach(full, [&](const Shape& index) {
    Shape l(index.end() - static_cast<int64_t>(x.size()), index.end()),
        r(index.end() - static_cast<int64_t>(y.size()), index.end());
    for (size_t d = 0; d + 2 < x.size(); ++d) l[d] = x[d] == 1 ? 0 : l[d];
    for (size_t d = 0; d + 2 < y.size(); ++d) r[d] = y[d] == 1 ? 0 : r[d];
    Dot dot;
    l.back() = 0;
    r[r.size() - 2] = 0;
    const Real* p = k ? &left.at[static_cast<size_t>(left.Offset(l))] : nullptr;
    const Real* q = k ? &right.at[static_cast<size_t>(right.Offset(r))] : nullptr;
    for (int64_t j = 0; j < k; ++j) {
      if (IsFloat(dtype))
        dot.Add(p[j], q[j * columns]);
      else
        dot.AddWhole(p[j], q[j * columns]);
    }
    c.at[i++] = IsFloat(dtype) ? dot.real : Wrap(dtype, dot.whole);
  });
  c.shape = batch;
  if (a.rank() > 1) c.shape.push_back(rows);
  if (b.rank() > 1) c.shape.push_back(columns);
  return c;
}

Array Plus(Array y, const Array& bias, Real alpha, Real beta) {
  size_t i = 0;
  ForEach(y.shape, [&](const Shape& index) {
    const Real b = bias.Broadcast(index);
    if (IsFloat(y.dtype)) {
      y.at[i] = alpha * y.at[i] + beta * b;
    } else {
      y.at[i] =
          Wrap(y.dtype, static_cast<__int128>(alpha * y.at[i]) + static_cast<__int128>(beta * b));
    }
    ++i;
  });
  return y;
}

void AddMatrices(Suite* s) {
  // 530 x 510: from some size on kernels pack or block.
  const std::pair<Shape, Shape> shapes[] = {{{3, 4}, {4, 5}},        {{4}, {4}},
                                            {{4}, {4, 5}},           {{3, 4}, {4}},
                                            {{2, 3, 4}, {4, 5}},     {{2, 1, 3, 4}, {3, 4, 5}},
                                            {{4}, {2, 4, 3}},        {{1, 1}, {1, 1}},
                                            {{3, 0}, {0, 2}},        {{0, 4}, {4, 5}},
                                            {{3, 4}, {4, 0}},        {{0, 3, 4}, {4, 2}},
                                            {{17, 33}, {33, 19}},    {{1, 70}, {70, 9}},
                                            {{65, 7}, {7, 1}},       {{130, 200}, {200, 90}},
                                            {{70, 530}, {530, 510}}, {{8, 40, 50}, {8, 50, 60}}};
  for (const auto& [a, b] : shapes) {
    const bool large = Count(a) > 10000;
    auto product = [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
      return {MatMul(in[0], in[1], dtype)};
    };
    s->Add({"matmul", {}, {{a}, {b}}, product, Floats(), large});
    s->Add({"matmul", {}, {{a}, {b}}, product, Integers(), large});
  }
  for (const auto& [rows, in, out] : {std::tuple<Shape, int64_t, int64_t>{{5}, 4, 3},
                                      {{}, 4, 3},
                                      {{2, 3}, 6, 5},
                                      {{0}, 4, 3},
                                      {{3}, 0, 2},
                                      {{128}, 100, 60}}) {
    Shape x = rows;
    x.push_back(in);
    Shape like_y = rows;
    like_y.push_back(out);
    const std::optional<Shape> biases[] = {std::nullopt, Shape{out}, Shape{1}, Shape{}, like_y};
    for (const std::optional<Shape>& bias : biases) {
      std::vector<Input> inputs{{x}, {{out, in}}};
      if (bias) inputs.push_back({*bias});
      s->Add({"linear",
              {},
              inputs,
              [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                Array transposed =
                    Make(dtype, {in[1].shape[1], in[1].shape[0]}, [&](const Shape& i) {
                      return in[1][{i[1], i[0]}];
                    });
                Array y = MatMul(in[0], transposed, dtype);
                return {in.size() > 2 ? Plus(std::move(y), in[2], 1, 1) : y};
              },
              Floats(),
              Count(x) > 10000});
    }
  }
  for (const auto& [c, a, b] : {std::tuple<Shape, Shape, Shape>{{3, 5}, {3, 4}, {4, 5}},
                                {{5}, {3, 4}, {4, 5}},
                                {{1, 5}, {0, 4}, {4, 5}},
                                {{1, 90}, {130, 200}, {200, 90}}})
    s->Add({"addmm",
            {{"alpha", 0.5}, {"beta", 2.0}},
            {{c}, {a}, {b}},
            [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Plus(MatMul(in[1], in[2], dtype), in[0], 0.5, 2)};
            },
            Floats(),
            Count(a) > 10000});
}

struct Conv {
  Shape x, weight, stride{1, 1}, padding{0, 0}, dilation{1, 1};
  int64_t groups = 1;
  Shape Out() const {
    auto size = [&](size_t i) {
      return (x[i + 2] + 2 * padding[i] - dilation[i] * (weight[i + 2] - 1) - 1) / stride[i] + 1;
    };
    return {x[0], weight[0], size(0), size(1)};
  }
  Attrs Options() const {
    return {{"stride", stride}, {"padding", padding}, {"dilation", dilation}, {"groups", groups}};
  }
};

// Calls fn(offset in y, in x, in weight) for every product of the convolution.
void ForEachProduct(const Conv& c, const std::function<void(size_t y, size_t x, size_t w)>& fn) {
  const Shape out = c.Out();
  const int64_t in_group = c.weight[1], out_group = c.weight[0] / c.groups;
  size_t y = 0;
  ForEach(out, [&](const Shape& o) {
    for (int64_t i = 0; i < in_group; ++i)
      for (int64_t p = 0; p < c.weight[2]; ++p)
        for (int64_t q = 0; q < c.weight[3]; ++q) {
          const int64_t h = o[2] * c.stride[0] - c.padding[0] + p * c.dilation[0],
                        w = o[3] * c.stride[1] - c.padding[1] + q * c.dilation[1];
          if (h < 0 || w < 0 || h >= c.x[2] || w >= c.x[3]) continue;
          const int64_t channel = o[1] / out_group * in_group + i;
          fn(y, static_cast<size_t>(((o[0] * c.x[1] + channel) * c.x[2] + h) * c.x[3] + w),
             static_cast<size_t>(((o[1] * in_group + i) * c.weight[2] + p) * c.weight[3] + q));
        }
    ++y;
  });
}

// `which` of y, x, weight is summed up from the other two, which are the inputs in that order.
Array Convolve(const Conv& c, int which, const Array& a, const Array& b, const Shape& shape,
               SyDtype dtype) {
  Array out(dtype, shape);
  ForEachProduct(c, [&](size_t y, size_t x, size_t w) {
    const size_t to = which == 0 ? y : which == 1 ? x : w;
    const Real product = which == 0   ? a.at[x] * b.at[w]
                         : which == 1 ? a.at[y] * b.at[w]
                                      : a.at[x] * b.at[y];
    out.at[to] += product;
  });
  return out;
}

void AddConvolutions(Suite* s) {
  const Conv convs[] = {{{2, 3, 7, 6}, {4, 3, 3, 2}},
                        {{2, 3, 7, 6}, {4, 3, 3, 3}, {2, 1}, {1, 2}},
                        {{1, 4, 9, 8}, {6, 2, 3, 3}, {1, 2}, {2, 1}, {2, 1}, 2},
                        {{2, 4, 5, 5}, {4, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 4},
                        {{3, 5, 4, 4}, {7, 5, 1, 1}},
                        {{1, 1, 12, 12}, {1, 1, 12, 12}},
                        {{0, 3, 5, 5}, {4, 3, 3, 3}},
                        {{2, 0, 5, 5}, {4, 0, 3, 3}},
                        {{2, 3, 5, 5}, {0, 3, 3, 3}},
                        {{4, 8, 20, 20}, {16, 8, 3, 3}, {1, 1}, {1, 1}}};
  for (const Conv& c : convs) {
    const Shape out = c.Out();
    const bool large = Count(c.x) > 10000;
    for (bool bias : {true, false}) {
      std::vector<Input> inputs{{c.x}, {c.weight}};
      if (bias) inputs.push_back({{c.weight[0]}});
      s->Add({"conv2d", c.Options(), inputs,
              [c, out](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                Array y = Convolve(c, 0, in[0], in[1], out, dtype);
                if (in.size() > 2) {
                  Array b = in[2];
                  b.shape = {b.count(), 1, 1};
                  y = Plus(std::move(y), b, 1, 1);
                }
                return {y};
              },
              Floats(), large, false, true});
    }
    Attrs to_x = c.Options(), to_weight = c.Options();
    to_x.push_back({"shape", c.x});
    to_weight.push_back({"shape", c.weight});
    s->Add({"conv2d_grad_input",
            to_x,
            {{out}, {c.weight}},
            [c](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Convolve(c, 1, in[0], in[1], c.x, dtype)};
            },
            Floats(),
            large,
            false,
            true});
    s->Add({"conv2d_grad_weight",
            to_weight,
            {{c.x}, {out}},
            [c](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Convolve(c, 2, in[0], in[1], c.weight, dtype)};
            },
            Floats(),
            large,
            false,
            true});
  }
}

struct Pool {
  Shape x, kernel, stride, padding{0, 0}, dilation{1, 1};
  bool ceil = false, count_pad = true;
  int64_t divisor = 0;
  Fill fill = Fill::kTied;  // of the input of max_pool2d
  Shape Out() const {
    auto size = [&](size_t i) {
      const int64_t room = x[i + 2] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1;
      int64_t n = room / stride[i] + 1;
      // The last window begins inside the plane or its left padding.
      if (ceil && room % stride[i] && n * stride[i] < x[i + 2] + padding[i]) ++n;
      return n;
    };
    return {x[0], x[1], size(0), size(1)};
  }
  Attrs Options() const {
    return {{"kernel", kernel}, {"stride", stride}, {"padding", padding}, {"ceil", int64_t{ceil}}};
  }
  // Calls fn(h, w) for the window's places inside the plane; returns how many places lie inside the
  // padded plane.
  int64_t Window(const Shape& o, const std::function<void(int64_t, int64_t)>& fn) const {
    int64_t places = 0;
    for (int64_t p = 0; p < kernel[0]; ++p)
      for (int64_t q = 0; q < kernel[1]; ++q) {
        const int64_t h = o[2] * stride[0] - padding[0] + p * dilation[0],
                      w = o[3] * stride[1] - padding[1] + q * dilation[1];
        if (h < x[2] + padding[0] && w < x[3] + padding[1]) ++places;
        if (h >= 0 && w >= 0 && h < x[2] && w < x[3]) fn(h, w);
      }
    return places;
  }
};

void AddPools(Suite* s) {
  std::vector<Pool> pools = {
      {{2, 3, 6, 8}, {2, 2}, {2, 2}},         {{2, 2, 7, 7}, {3, 2}, {2, 3}, {1, 1}},
      {{1, 2, 7, 8}, {3, 3}, {2, 2}, {1, 1}}, {{1, 1, 5, 5}, {5, 5}, {1, 1}},
      {{0, 2, 4, 4}, {2, 2}, {2, 2}},         {{4, 8, 40, 40}, {3, 3}, {2, 2}, {1, 1}}};
  pools[2].ceil = true;
  pools.push_back({{1, 2, 8, 8}, {2, 1}, {2, 1}, {1, 0}});  // windows of -inf and padding
  pools.back().fill = Fill::kSpecial;
  for (const Pool& p : pools) {
    const bool large = Count(p.x) > 10000;
    for (const Shape& dilation : {Shape{1, 1}, Shape{2, 1}}) {
      Pool d = p;
      d.dilation = dilation;
      if ((d.kernel[0] - 1) * dilation[0] + 1 > d.x[2] + 2 * d.padding[0]) continue;
      Attrs attrs = d.Options();
      attrs.push_back({"dilation", dilation});
      const Shape out = d.Out();
      s->Add({"max_pool2d",
              attrs,
              {{p.x, p.fill}},
              [d, out](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                Array y(dtype, out), places(SY_I64, out);
                size_t i = 0;
                ForEach(out, [&](const Shape& o) {
                  bool first = true;
                  d.Window(o, [&](int64_t h, int64_t w) {
                    const Real v = in[0][{o[0], o[1], h, w}];
                    if (first || (!std::isnan(y.at[i]) && (std::isnan(v) || v > y.at[i]))) {
                      y.at[i] = v;
                      places.at[i] = static_cast<Real>(h * d.x[3] + w);
                      first = false;
                    }
                  });
                  ++i;
                });
                return {y, places};
              },
              Floats(),
              large});
      if (dilation[0] == 1)
        s->Add({"max_pool2d_grad",
                {{"shape", p.x}},
                {{out}, {out, Fill::kIndex, 0, static_cast<double>(p.x[2] * p.x[3] - 1), SY_I64}},
                [d](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                  Array dx(dtype, d.x);
                  ForEach(in[0].shape, [&](const Shape& o) {
                    const auto place = static_cast<int64_t>(in[1][o]);
                    const auto to =
                        static_cast<size_t>((o[0] * d.x[1] + o[1]) * d.x[2] * d.x[3] + place);
                    dx.at[to] += in[0][o];
                  });
                  return {dx};
                },
                Floats(),
                large});
    }
    for (int variant = 0; variant < 3; ++variant) {
      Pool a = p;
      a.count_pad = variant != 1;
      a.divisor = variant == 2 ? 3 : 0;
      Attrs attrs = a.Options();
      attrs.push_back({"count_include_pad", int64_t{a.count_pad}});
      attrs.push_back({"divisor", a.divisor});
      const Shape out = a.Out();
      auto weight = [a](const Shape& o) -> Real {  // one over what the window's sum is divided by
        int64_t inside = 0;
        const int64_t padded = a.Window(o, [&](int64_t, int64_t) { ++inside; });
        return Real{1} / static_cast<Real>(a.divisor ? a.divisor : a.count_pad ? padded : inside);
      };
      s->Add(
          {"avg_pool2d",
           attrs,
           {{p.x}},
           [a, out, weight](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
             Array y(dtype, out);
             size_t i = 0;
             ForEach(out, [&](const Shape& o) {
               const Real w = weight(o);
               a.Window(o, [&](int64_t h, int64_t q) { y.at[i] += w * in[0][{o[0], o[1], h, q}]; });
               ++i;
             });
             return {y};
           },
           Floats(),
           large});
      attrs.push_back({"shape", p.x});
      s->Add({"avg_pool2d_grad",
              attrs,
              {{out}},
              [a, weight](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                Array dx(dtype, a.x);
                ForEach(in[0].shape, [&](const Shape& o) {
                  const Real v = weight(o) * in[0][o];
                  a.Window(o, [&](int64_t h, int64_t q) {
                    const auto to = static_cast<size_t>(dx.Offset({o[0], o[1], h, q}));
                    dx.at[to] += v;
                  });
                });
                return {dx};
              },
              Floats(),
              large});
    }
  }
}

}  // namespace

void AddProducts(Suite* s) {
  AddMatrices(s);
  AddConvolutions(s);
  AddPools(s);
}

}  // namespace sy::conform
