// Subject::Explain: what a test reads and writes, element by element.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "conform/check.h"
#include "conform/program.h"

namespace sy::conform {
namespace {

constexpr size_t kInputsShown = 16, kElementsShown = 12, kSnippet = 64;

std::string Number(Real v) {
  char text[48];
  std::snprintf(text, sizeof text, "%.9Lg", v);
  return text;
}

std::string Hex(SyDtype dtype, Real v) {
  Array one(dtype, {1});
  one.at[0] = v;
  std::string text = "0x";
  const Bytes bytes = Encode(one);
  for (size_t i = bytes.size(); i-- > 0;)
    absl::StrAppend(&text, absl::Hex(bytes[i], absl::kZeroPad2));
  return text;
}

std::string InputText(const Array& a, const Tensor& t, Layout layout, Fill fill) {
  std::string text = absl::StrCat(Info(a.dtype).name, Text(a.shape), " strides ", Text(t.strides()),
                                  ", ", Name(layout), ", ", Name(fill), ":");
  for (size_t i = 0; i < std::min(a.at.size(), kInputsShown); ++i)
    absl::StrAppend(&text, " ", Number(a.at[i]));
  if (a.at.size() > kInputsShown) text += " ...";
  return text + "\n";
}

Shape IndexOf(const Shape& shape, size_t i) {
  Shape index(shape.size());
  for (size_t d = index.size(); d-- > 0;) {
    index[d] = static_cast<int64_t>(i) % shape[d];
    i /= static_cast<size_t>(shape[d]);
  }
  return index;
}

// The elements that are wrong, then those that come closest to it.
std::string ElementsText(const Array& got, const Bounds& want) {
  struct Element {
    size_t i;
    bool wrong;
    double part;
  };
  std::vector<Element> list;
  for (size_t i = 0; i < want.centre.size(); ++i) {
    Array one(got.dtype, {1});
    one.at[0] = got.at[i];
    const Verdict v = Judge(one, {want.dtype, {1}, {want.centre[i]}, {want.error[i]}});
    list.push_back({i, v.wrong != 0, v.worst});
  }
  std::stable_sort(list.begin(), list.end(), [](const Element& a, const Element& b) {
    return a.wrong != b.wrong ? a.wrong : a.part > b.part;
  });
  std::string text;
  for (size_t k = 0; k < std::min(list.size(), kElementsShown); ++k) {
    const size_t i = list[k].i;
    const double error = want.error[i];
    absl::StrAppend(&text, list[k].wrong ? "  X " : "    ", Text(IndexOf(want.shape, i)), " got ",
                    Number(got.at[i]), " ", Hex(got.dtype, got.at[i]), ", want ",
                    error == kUnknown ? "anything" : Number(want.centre[i]));
    if (error == kAnySign)
      text += " of either sign";
    else if (error > 0 && error < kUnknown)
      absl::StrAppend(&text, ", off ", Number(std::fabs(got.at[i] - want.centre[i])), " of ",
                      Number(error));
    text += "\n";
  }
  if (list.size() > kElementsShown)
    absl::StrAppend(&text, "    and ", list.size() - kElementsShown, " that are nearer\n");
  return text;
}

const char* What(Check check) {
  switch (check) {
    case Check::kForward:
      return "the results; the same bits when run again; inputs unchanged";
    case Check::kGradient:
      return "the inputs' gradients, for gradients of the results drawn at random";
    case Check::kTarget:
      return "results written into a view of a larger block, of which nothing else may change";
    case Check::kInPlace:
      return "the result, which overwrites the first input";
    case Check::kSame:
      return "the result when one tensor is every input";
    case Check::kThreads:
      return "results in four threads at once";
    case Check::kStreams:
      return "results that another stream reads, with nobody waiting";
    case Check::kMemory:
      return "memory that is held after fifty calls";
    case Check::kTransfer:
      return "bytes to and from the device, for views of every kind";
    case Check::kExhaust:
      return "an allocation larger than memory, and the calls after it";
    case Check::kRefusal:
      return "that wrong inputs, axes, targets and indices are refused";
  }
  return "";
}

}  // namespace

std::string Subject::Explain(const Test& test) {
  std::string text =
      absl::StrCat(test.Id(), " on ", name_, "\n  looks at ", What(test.check), "\n");
  Values values;
  try {
    const bool laid = test.check == Check::kForward || test.check == Check::kGradient;
    const Layout layout = laid ? test.layout : Layout::kContiguous;
    values = Lay(test, layout);
    for (size_t i = 0; i < values.arrays.size(); ++i)
      absl::StrAppend(&text, "  input ", i, ": ",
                      InputText(values.arrays[i], values.tensors[i], LayoutOf(layout, i),
                                test.fill == Fill::kRange ? test.of->inputs[i].fill : test.fill));
    std::vector<Tensor> got;
    if (test.check == Check::kForward || test.check == Check::kTarget)
      got = Call(test, values.tensors);
    else if (test.check == Check::kGradient)
      got = Backward(test, values.tensors);
    if (!got.empty()) {
      const std::vector<Bounds>& want = Expect(test, values.arrays);
      for (size_t k = 0; k < got.size() && k < want.size(); ++k) {
        if (!got[k].defined()) continue;
        absl::StrAppend(&text, "  ", test.check == Check::kGradient ? "gradient " : "output ", k,
                        ": ", got[k].describe(), ", want ", Info(want[k].dtype).name,
                        Text(want[k].shape), "\n");
        if (got[k].dtype().code != want[k].dtype || got[k].shape() != want[k].shape) continue;
        const Bytes bytes = Download(got[k]);
        text += ElementsText(Decode(want[k].dtype, want[k].shape, bytes.data()), want[k]);
      }
    }
  } catch (const Error& e) {
    absl::StrAppend(&text, "  ", e.what(), "\n");
  }
  const Result result = Run(test);
  absl::StrAppend(&text, "  ", Name(result.status), result.reason.empty() ? "" : ": ",
                  result.reason, "; path ", result.path, "\n");
  size_t elements = 0;
  for (const Array& a : values.arrays) elements += a.at.size();
  if (test.check == Check::kForward && elements <= kSnippet) {
    Program program;
    Node node{test.of->op, test.of->attrs, {}};
    for (size_t i = 0; i < values.arrays.size(); ++i) {
      program.leaves.push_back(
          {values.arrays[i].dtype, values.arrays[i].shape, test.fill, LayoutOf(test.layout, i), 0});
      node.in.push_back({true, i});
    }
    program.nodes.push_back(node);
    absl::StrAppend(&text, "\n", CppOf(program, values.arrays, name_));
  }
  return text;
}

}  // namespace sy::conform
