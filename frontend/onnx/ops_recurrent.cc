// RNN, GRU and LSTM, step by step: one product with the weights for all steps, one with the state
// for each.
#include <functional>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;
using Activation = std::function<Tensor(const Tensor&)>;

Activation ActivationOf(const C& c, const std::string& name) {
  if (name == "Relu") return [](const Tensor& x) { return relu(x); };
  if (name == "Tanh") return [](const Tensor& x) { return tanh(x); };
  if (name == "Sigmoid") return [](const Tensor& x) { return sigmoid(x); };
  if (name == "Softsign") return [](const Tensor& x) { return softsign(x); };
  if (name == "Softplus") return [](const Tensor& x) { return softplus(x); };
  c.Refuse("activation " + name);
}

// One direction of a layer.
struct Direction {
  bool reverse = false;
  Tensor weight, recurrence;          // [gates * hidden, input], [gates * hidden, hidden]
  Tensor input_bias, state_bias;      // [gates * hidden]; undefined: none
  Tensor peephole;                    // LSTM: [3 * hidden]
  Tensor state, cell;                 // [batch, hidden]
  std::vector<Activation> functions;  // as many as the op has
};

struct Layer {
  int64_t hidden = 0, gates = 0, steps = 0, batch = 0;
  double clip = 0;         // 0: none
  bool batchwise = false;  // layout 1: the batch is the first axis of everything
  Tensor x;                // [steps, batch, input]
  Tensor lengths;          // [batch, 1]; undefined: all steps
  std::vector<Direction> directions;
};

Layer Read(C& c, int64_t gates, const std::vector<std::string>& functions) {
  Layer l;
  l.gates = gates;
  l.batchwise = c.Flag("layout", false);
  l.x = l.batchwise ? transpose(c.in(0), 0, 1) : c.in(0);
  const Tensor &w = c.in(1), &r = c.in(2);
  if (l.x.dim() != 3 || w.dim() != 3 || r.dim() != 3 || r.size(1) != gates * r.size(2))
    c.Fail("X " + c.in(0).describe() + ", W " + w.describe() + ", R " + r.describe());
  l.steps = l.x.size(0);
  l.batch = l.x.size(1);
  l.hidden = r.size(2);
  if (c.Int("hidden_size", l.hidden) != l.hidden) c.Fail("hidden_size is not that of R");
  l.clip = c.Float("clip", 0);
  if (c.has(4)) l.lengths = unsqueeze(c.in(4).to(i64), {1});
  if (c.HasAttribute("activation_alpha") || c.HasAttribute("activation_beta"))
    c.Refuse("activations with parameters");
  const std::string direction = c.Text("direction", "forward");
  const int64_t count = direction == "bidirectional" ? 2 : 1;
  if (count == 1 && direction != "forward" && direction != "reverse")
    c.Fail("direction " + direction);
  if (w.size(0) != count) c.Fail("W " + w.describe() + " for direction " + direction);
  std::vector<std::string> names = c.Texts("activations");
  if (names.empty())
    for (int64_t d = 0; d < count; ++d)
      names.insert(names.end(), functions.begin(), functions.end());
  if (names.size() != functions.size() * static_cast<size_t>(count))
    c.Fail(std::to_string(names.size()) + " activations");
  // Entry d of an initial state, or zeros.
  const auto initial = [&](size_t input, int64_t d) {
    return c.has(input) ? select(c.in(input), l.batchwise ? 1 : 0, d)
                        : zeros({l.batch, l.hidden}, {.dtype = l.x.dtype(), .device = c.device()});
  };
  for (int64_t d = 0; d < count; ++d) {
    Direction one;
    one.reverse = direction == "reverse" || d == 1;
    one.weight = select(w, 0, d);
    one.recurrence = select(r, 0, d);
    if (c.has(3)) {
      const Tensor b = select(c.in(3), 0, d);
      one.input_bias = slice(b, {.end = gates * l.hidden});
      one.state_bias = slice(b, {.start = gates * l.hidden});
    }
    one.state = initial(5, d);
    if (gates == 4) {
      one.cell = initial(6, d);
      if (c.has(7)) one.peephole = select(c.in(7), 0, d);
    }
    for (size_t i = 0; i < functions.size(); ++i)
      one.functions.push_back(
          ActivationOf(c, names[static_cast<size_t>(d) * functions.size() + i]));
    l.directions.push_back(std::move(one));
  }
  return l;
}

Tensor Clipped(const Layer& l, const Tensor& x) {
  return l.clip > 0 ? clamp(x, -l.clip, l.clip) : x;
}

// Part `gate` of [batch, gates * hidden].
Tensor Gate(const Layer& l, const Tensor& all, int64_t gate) {
  return slice(all, {.dim = -1, .start = gate * l.hidden, .end = (gate + 1) * l.hidden});
}

// From what the input gives to a step ([batch, gates * hidden]) and the direction's state so far,
// the next state and cell.
using Step = std::function<void(const Layer&, Direction*, const Tensor& from_input)>;

Tensor FromState(const Direction& d) { return linear(d.state, d.recurrence, d.state_bias); }

// [steps, directions, batch, hidden], last states, last cells.
Tensors Run(Layer l, const Step& step) {
  Tensors every, last, cells;
  for (Direction& d : l.directions) {
    const Tensor inputs = linear(l.x, d.weight, d.input_bias);
    Tensors outputs(static_cast<size_t>(l.steps));
    for (int64_t i = 0; i < l.steps; ++i) {
      const int64_t t = d.reverse ? l.steps - 1 - i : i;
      const Tensor state = d.state, cell = d.cell;
      step(l, &d, select(inputs, 0, t));
      Tensor output = d.state;
      if (l.lengths) {  // behind its end a sequence stays as it is, and gives zeros
        const Tensor inside = l.lengths > t;
        output = where(inside, d.state, 0.0);
        d.state = where(inside, d.state, state);
        if (cell) d.cell = where(inside, d.cell, cell);
      }
      outputs[static_cast<size_t>(t)] = output;
    }
    every.push_back(stack(outputs, 0));
    last.push_back(d.state);
    cells.push_back(d.cell);
  }
  const int64_t at = l.batchwise ? 1 : 0;  // of the directions
  Tensor y = stack(every, 1);
  if (l.batchwise) y = permute(y, {2, 0, 1, 3});
  Tensors out = {y, stack(last, at)};
  if (l.gates == 4) out.push_back(stack(cells, at));
  return out;
}

Tensors Rnn(C& c) {
  return Run(Read(c, 1, {"Tanh"}), [](const Layer& l, Direction* d, const Tensor& x) {
    d->state = d->functions[0](Clipped(l, x + FromState(*d)));
  });
}

Tensors Gru(C& c) {
  const bool before_reset = c.Flag("linear_before_reset", false);
  return Run(Read(c, 3, {"Sigmoid", "Tanh"}),
             [before_reset](const Layer& l, Direction* d, const Tensor& x) {
               const Tensor state = FromState(*d);
               const auto gate = [&](int64_t i) {
                 return d->functions[0](Clipped(l, Gate(l, x, i) + Gate(l, state, i)));
               };
               const Tensor update = gate(0), reset = gate(1);
               Tensor part = Gate(l, state, 2) * reset;
               if (!before_reset) {
                 const int64_t from = 2 * l.hidden;
                 part = linear(reset * d->state, slice(d->recurrence, {.start = from}),
                               d->state_bias ? slice(d->state_bias, {.start = from}) : Tensor());
               }
               const Tensor fresh = d->functions[1](Clipped(l, Gate(l, x, 2) + part));
               d->state = fresh + update * (d->state - fresh);
             });
}

Tensors Lstm(C& c) {
  const bool coupled = c.Flag("input_forget", false);
  return Run(Read(c, 4, {"Sigmoid", "Tanh", "Tanh"}),
             [coupled](const Layer& l, Direction* d, const Tensor& x) {
               const Tensor sums = x + FromState(*d);  // input, output, forget, cell
               const auto gate = [&](int64_t i, const Tensor& cell) {
                 Tensor s = Gate(l, sums, i);
                 if (d->peephole) s = s + Gate(l, d->peephole, i) * cell;
                 return d->functions[0](Clipped(l, s));
               };
               const Tensor in = gate(0, d->cell);
               const Tensor forget = coupled ? 1.0 - in : gate(2, d->cell);
               const Tensor fresh = d->functions[1](Clipped(l, Gate(l, sums, 3)));
               d->cell = forget * d->cell + in * fresh;
               d->state = gate(1, d->cell) * d->functions[2](d->cell);
             });
}

constexpr OpRow kRows[] = {
    {"GRU", Gru},
    {"LSTM", Lstm},
    {"RNN", Rnn},
};

}  // namespace

std::span<const OpRow> RecurrentOps() { return kRows; }

}  // namespace sy::onnx
