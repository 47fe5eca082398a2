// Views and rearrangements: where each element of the result comes from.
#include <numeric>

#include "conform/case.h"

namespace sy::conform {
namespace {

using From = std::function<Shape(const Shape& index)>;

// Element i of the result is element from(i) of input 0.
void AddPull(Suite* s, const char* op, Attrs attrs, const Shape& in, const Shape& out, From from,
             bool dense_only = false) {
  Case c{op,
         std::move(attrs),
         {{in, Fill::kRange, -9, 9}},
         [out, from](const Inputs& x, SyDtype dtype) -> std::vector<Array> {
           return {Make(dtype, out, [&](const Shape& i) { return x[0][from(i)]; })};
         },
         All()};
  c.large = Count(in) > 10000;
  c.dense_only = dense_only;
  s->Add(std::move(c));
}

Shape Unravel(int64_t linear, const Shape& shape) {
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = linear % shape[d];
    linear /= shape[d];
  }
  return index;
}
int64_t Ravel(const Shape& index, const Shape& shape) {
  int64_t linear = 0;
  for (size_t d = 0; d < shape.size(); ++d) linear = linear * shape[d] + index[d];
  return linear;
}

void AddReshapes(Suite* s) {
  struct R {
    const char* op;
    Shape in;
    Attrs attrs;
    Shape out;
  };
  const R all[] = {
      {"reshape", {3, 4, 5}, {{"shape", Shape{12, 5}}}, {12, 5}},
      {"reshape", {3, 4, 5}, {{"shape", Shape{2, -1}}}, {2, 30}},
      {"reshape", {}, {{"shape", Shape{1, 1}}}, {1, 1}},
      {"reshape", {0, 3}, {{"shape", Shape{3, 0, 2}}}, {3, 0, 2}},
      {"reshape", {150, 1031}, {{"shape", Shape{1031, 150}}}, {1031, 150}},
      {"view", {3, 4, 5}, {{"shape", Shape{12, -1}}}, {12, 5}},
      {"view", {0, 3}, {{"shape", Shape{0}}}, {0}},
      {"view", {150, 1031}, {{"shape", Shape{154650}}}, {154650}},
      {"flatten", {2, 3, 4}, {}, {24}},
      {"flatten", {2, 3, 4}, {{"start", int64_t{1}}, {"end", int64_t{-1}}}, {2, 12}},
      {"flatten", {}, {}, {1}},
      {"flatten", {2, 0, 4}, {}, {0}},
      {"flatten", {150, 1031}, {}, {154650}},
      {"squeeze", {1, 3, 1, 4}, {}, {3, 4}},
      {"squeeze", {1, 3, 1, 4}, {{"dims", Shape{2}}}, {1, 3, 4}},
      {"squeeze", {1, 3, 1, 4}, {{"dims", Shape{-2, 0}}}, {3, 4}},
      {"squeeze", {1, 0}, {}, {0}},
      {"squeeze", {1, 154650}, {}, {154650}},
      {"unsqueeze", {3, 4}, {{"dims", Shape{0, -1}}}, {1, 3, 4, 1}},
      {"unsqueeze", {}, {{"dims", Shape{0}}}, {1}},
      {"unsqueeze", {0, 4}, {{"dims", Shape{1}}}, {0, 1, 4}},
      {"unsqueeze", {150, 1031}, {{"dims", Shape{1}}}, {150, 1, 1031}},
  };
  for (const R& r : all)
    AddPull(
        s, r.op, r.attrs, r.in, r.out,
        [r](const Shape& i) { return Unravel(Ravel(i, r.out), r.in); },
        r.op == std::string("view"));
}

void AddViews(Suite* s) {
  for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 0, 3}, Shape{5, 30, 1031}}) {
    const int64_t a = shape[0], b = shape[1], c = shape[2];
    AddPull(s, "permute", {{"dims", Shape{2, 0, -2}}}, shape, {c, a, b},
            [](const Shape& i) -> Shape {
              return {i[1], i[2], i[0]};
            });
    AddPull(s, "transpose", {}, shape, {a, c, b}, [](const Shape& i) -> Shape {
      return {i[0], i[2], i[1]};
    });
    AddPull(s, "transpose", {{"dim0", int64_t{0}}, {"dim1", int64_t{2}}}, shape, {c, b, a},
            [](const Shape& i) -> Shape {
              return {i[2], i[1], i[0]};
            });
    AddPull(s, "flip", {{"dims", Shape{0, -1}}}, shape, shape, [=](const Shape& i) -> Shape {
      return {a - 1 - i[0], i[1], c - 1 - i[2]};
    });
    AddPull(s, "select", {{"dim", int64_t{-1}}, {"index", int64_t{-2}}}, shape, {a, b},
            [=](const Shape& i) -> Shape {
              return {i[0], i[1], c - 2};
            });
    AddPull(s, "slice", {{"dim", int64_t{2}}, {"start", int64_t{-3}}, {"step", int64_t{2}}}, shape,
            {a, b, 2}, [=](const Shape& i) -> Shape {
              return {i[0], i[1], c - 3 + 2 * i[2]};
            });
    AddPull(s, "slice",
            {{"dim", int64_t{-1}}, {"start", c - 1}, {"end", int64_t{0}}, {"step", int64_t{-1}}},
            shape, {a, b, c - 1}, [=](const Shape& i) -> Shape {
              return {i[0], i[1], c - 1 - i[2]};
            });
    AddPull(s, "slice", {{"dim", int64_t{0}}, {"start", int64_t{1}}, {"end", int64_t{1}}}, shape,
            {0, b, c}, [](const Shape& i) { return i; });
    AddPull(s, "expand", {{"shape", Shape{2, a, -1, c}}}, shape, {2, a, b, c},
            [](const Shape& i) -> Shape {
              return {i[1], i[2], i[3]};
            });
    AddPull(s, "diagonal", {{"offset", int64_t{1}}, {"dim1", int64_t{0}}, {"dim2", int64_t{2}}},
            shape, {b, std::min(a, c - 1)}, [](const Shape& i) -> Shape {
              return {i[1], i[0], i[1] + 1};
            });
    AddPull(s, "diagonal", {{"offset", int64_t{-1}}, {"dim1", int64_t{2}}, {"dim2", int64_t{0}}},
            shape, {b, std::min(a, c - 1)}, [](const Shape& i) -> Shape {
              return {i[1], i[0], i[1] + 1};
            });
    AddPull(s, "windows", {{"dims", Shape{2}}, {"size", Shape{2}}, {"stride", Shape{2}}}, shape,
            {a, b, (c - 2) / 2 + 1, 2}, [](const Shape& i) -> Shape {
              return {i[0], i[1], 2 * i[2] + i[3]};
            });
    AddPull(s, "windows",
            {{"dims", Shape{0, -1}},
             {"size", Shape{1, 2}},
             {"stride", Shape{1, 1}},
             {"dilation", Shape{1, 2}}},
            shape, {a, b, c - 2, 1, 2}, [](const Shape& i) -> Shape {
              return {i[0] + i[3], i[1], i[2] + 2 * i[4]};
            });
    AddPull(s, "roll", {{"shifts", Shape{1, -2}}, {"dims", Shape{0, 2}}}, shape, shape,
            [=](const Shape& i) -> Shape {
              return {(i[0] + a - 1) % a, i[1], (i[2] + 2) % c};
            });
    AddPull(s, "repeat", {{"repeats", Shape{2, 1, 3}}}, shape, {2 * a, b, 3 * c},
            [=](const Shape& i) -> Shape {
              return {i[0] % a, i[1], i[2] % c};
            });
  }
  AddPull(s, "repeat", {{"repeats", Shape{2, 2}}}, {3}, {2, 6},
          [](const Shape& i) -> Shape { return {i[1] % 3}; });
  AddPull(s, "expand", {{"shape", Shape{3, 4, 2}}}, {3, 1, 2}, {3, 4, 2},
          [](const Shape& i) -> Shape {
            return {i[0], 0, i[2]};
          });
  AddPull(
      s, "as_strided", {{"shape", Shape{3, 2}}, {"strides", Shape{2, 3}}, {"offset", int64_t{1}}},
      {12}, {3, 2}, [](const Shape& i) -> Shape { return {1 + 2 * i[0] + 3 * i[1]}; }, true);
  AddPull(
      s, "as_strided", {{"shape", Shape{0, 2}}, {"strides", Shape{2, 3}}}, {0}, {0, 2},
      [](const Shape& i) { return i; }, true);
  AddPull(
      s, "as_strided", {{"shape", Shape{1000, 100}}, {"strides", Shape{100, 1}}}, {100000},
      {1000, 100}, [](const Shape& i) -> Shape { return {100 * i[0] + i[1]}; }, true);
}

// x with zeros where keep says no.
void AddTriangles(Suite* s) {
  for (const Shape& shape : {Shape{4, 6}, Shape{2, 5, 3}, Shape{0, 3}, Shape{150, 1031}})
    for (int64_t k : {-1, 0, 2})
      for (bool lower : {true, false})
        s->Add({lower ? "tril" : "triu",
                {{"k", k}},
                {{shape, Fill::kRange, -9, 9}},
                [k, lower](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                  return {Make(dtype, in[0].shape, [&](const Shape& i) {
                    const int64_t d = i[i.size() - 1] - i[i.size() - 2];
                    return (lower ? d <= k : d >= k) ? in[0][i] : 0;
                  })};
                },
                All(),
                Count(shape) > 10000});
}

void AddPads(Suite* s) {
  struct P {
    Shape in, pads;
  };
  for (const P& p : {P{{3, 4}, {1, 2, 0, 3}}, P{{3, 4}, {-1, 1, 2, -2}}, P{{}, {}},
                     P{{0, 2}, {1, 1, 0, 0}}, P{{150, 1031}, {1, 1, 2, 2}}}) {
    Shape out = p.in;
    for (size_t d = 0; d < out.size(); ++d) out[d] += p.pads[2 * d] + p.pads[2 * d + 1];
    s->Add({"pad",
            {{"pads", p.pads}, {"value", 3.0}},
            {{p.in, Fill::kRange, -9, 9}},
            [p, out](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Make(dtype, out, [&](Shape i) -> Real {
                for (size_t d = 0; d < i.size(); ++d) {
                  i[d] -= p.pads[2 * d];
                  if (i[d] < 0 || i[d] >= p.in[d]) return dtype == SY_BOOL ? 1 : 3;
                }
                return in[0][i];
              })};
            },
            All(),
            Count(p.in) > 10000});
  }
}

void AddJoins(Suite* s) {
  for (int64_t n : {4, 0, 2000})
    for (int64_t dim : {1, -1}) {
      const std::vector<Input> inputs{{{3, n, 2}, Fill::kRange, -9, 9},
                                      {{3, n + 1, 2}, Fill::kRange, -9, 9},
                                      {{3, 1, 2}, Fill::kRange, -9, 9}};
      if (dim == 1)
        s->Add({"cat",
                {{"dim", dim}},
                inputs,
                [n](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                  return {Make(dtype, {3, 2 * n + 2, 2}, [&](const Shape& i) {
                    const int64_t from = i[1] < n ? 0 : i[1] < 2 * n + 1 ? 1 : 2;
                    return in[static_cast<size_t>(from)][{i[0],
                                                          i[1] - (from == 0   ? 0
                                                                  : from == 1 ? n
                                                                              : 2 * n + 1),
                                                          i[2]}];
                  })};
                },
                All(),
                n > 1000});
      if (n == 0)
        s->Add({"split",
                {{"dim", dim}, {"sizes", Shape{1, 1}}},
                {{{0, 2}}},
                [](const Inputs&, SyDtype dtype) -> std::vector<Array> {
                  return {Array(dtype, {0, 1}), Array(dtype, {0, 1})};
                },
                All()});
      s->Add({"stack",
              {{"dim", dim}},
              {inputs[0], inputs[0]},
              [n, dim](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                const Shape out = dim == 1 ? Shape{3, 2, n, 2} : Shape{3, n, 2, 2};
                return {Make(dtype, out, [&](Shape i) {
                  const auto at = i.begin() + (dim == 1 ? 1 : 3);
                  const size_t from = static_cast<size_t>(*at);
                  i.erase(at);
                  return in[from][i];
                })};
              },
              All(),
              n > 1000});
      s->Add({"split",
              {{"dim", dim == 1 ? int64_t{1} : int64_t{-2}}, {"sizes", Shape{n, 0, 3}}},
              {{{2, n + 3, 3}, Fill::kRange, -9, 9}},
              [n](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                std::vector<Array> out;
                int64_t start = 0;
                for (int64_t size : {n, int64_t{0}, int64_t{3}}) {
                  out.push_back(Make(dtype, {2, size, 3}, [&](const Shape& i) {
                    return in[0][{i[0], start + i[1], i[2]}];
                  }));
                  start += size;
                }
                return out;
              },
              All(),
              n > 1000});
    }
}

// Input 0 with parts replaced by input 1.
void AddInserts(Suite* s) {
  for (const Shape& shape : {Shape{4, 6}, Shape{0, 5}, Shape{150, 1031}}) {
    const bool large = Count(shape) > 10000;
    const int64_t rows = shape[0], columns = shape[1];
    const int64_t n = (columns - 1 + 1) / 2;  // 1, 3, 5, ...
    s->Add({"slice_scatter",
            {{"dim", int64_t{1}}, {"start", int64_t{1}}, {"step", int64_t{2}}},
            {{shape, Fill::kRange, -9, 9}, {{rows, n}, Fill::kRange, -9, 9}},
            [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Make(dtype, in[0].shape, [&](const Shape& i) {
                return i[1] % 2 ? in[1][{i[0], i[1] / 2}] : in[0][i];
              })};
            },
            All(),
            large});
    const int64_t length = std::min(rows, columns - 1);
    s->Add({"diagonal_scatter",
            {{"offset", int64_t{1}}},
            {{shape, Fill::kRange, -9, 9}, {{length}, Fill::kRange, -9, 9}},
            [](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
              return {Make(dtype, in[0].shape, [&](const Shape& i) {
                return i[1] == i[0] + 1 ? in[1][{i[0]}] : in[0][i];
              })};
            },
            All(),
            large});
  }
}

}  // namespace

void AddMovement(Suite* s) {
  AddReshapes(s);
  AddViews(s);
  AddTriangles(s);
  AddPads(s);
  AddJoins(s);
  AddInserts(s);
}

}  // namespace sy::conform
