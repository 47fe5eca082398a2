// Whole map calls: layouts, aliasing, sizes, threads, and random programs against an interpreter of
// reference.h.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

State& BestState() { return States().front(); }

void FillFloats(Array* array, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-2, 2);
  for (int64_t i = 0; i < array->count(); ++i) array->set(i, uniform(random));
}

void BuildAxpy(ProgramBuilder* p) {
  const uint32_t x = p->Input(0, SY_T_F32);
  const uint32_t y = p->Input(1, SY_T_F32);
  const uint32_t c = p->Const(2.5f, SY_T_F32);
  p->Output(p->Add(SY_OP_ADD, SY_T_F32, p->Add(SY_OP_MUL, SY_T_F32, x, c), y));
}

void ExpectAxpy(Array* x, Array* y, Array* z, const char* what) {
  for (int64_t i = 0; i < z->count(); ++i) {
    const float want = x->get<float>(i) * 2.5f + y->get<float>(i);
    ASSERT_EQ(z->get<float>(i), want) << what << " at " << i << " of " << z->count();
  }
  EXPECT_TRUE(z->guards_intact()) << what;
}

TEST(Map, EverySizeFrom0) {
  for (State& state : States()) {
    for (int64_t n :
         {0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 70, 1023, 1024, 1025, 5000}) {
      Array x(SY_T_F32, {n}), y(SY_T_F32, {n}), z(SY_T_F32, {n});
      FillFloats(&x, 1);
      FillFloats(&y, 2);
      ProgramBuilder p;
      BuildAxpy(&p);
      ASSERT_EQ(Call("map", &state).In(x).In(y).Out(z).Program(p).Run(), SY_OK);
      ExpectAxpy(&x, &y, &z, IsaName(state.isa));
    }
  }
}

struct Layout {
  const char* name;
  std::vector<int64_t> shape, x, y, z;
};

const Layout kLayouts[] = {
    {"rank 0", {}, {}, {}, {}},
    {"transposed x", {37, 53}, {1, 37}, {53, 1}, {53, 1}},
    {"transposed out", {37, 53}, {53, 1}, {53, 1}, {1, 37}},
    {"row broadcast", {37, 300}, {300, 1}, {0, 1}, {300, 1}},
    {"column broadcast", {37, 300}, {300, 1}, {1, 0}, {300, 1}},
    {"short rows", {500, 3}, {3, 1}, {0, 1}, {3, 1}},
    {"scalar", {37, 300}, {300, 1}, {0, 0}, {300, 1}},
    {"reversed", {1000}, {-1}, {1}, {1}},
    {"reversed out", {10, 100}, {100, 1}, {-100, 1}, {100, -1}},
    {"step 2", {1000}, {2}, {3}, {2}},
    {"padded rows", {40, 257}, {260, 1}, {257, 1}, {300, 1}},
    {"windows", {50, 30}, {1, 1}, {30, 1}, {30, 1}},
    {"rank 5", {3, 4, 5, 6, 7}, {1, 3, 12, 60, 360}, {840, 210, 42, 7, 1}, {7, 1260, 21, 105, 1}},
    {"unit axes", {1, 5, 1, 7}, {0, 7, 0, 1}, {99, 1, 99, 5}, {35, 7, 7, 1}},
    {"empty", {5, 0, 3}, {0, 3, 1}, {0, 3, 1}, {0, 3, 1}},
    {"rank 12",
     {2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3},
     {1, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32, 64},
     {96, 0, 48, 0, 24, 0, 12, 0, 6, 0, 3, 1},
     {96, 0, 48, 0, 24, 0, 12, 0, 6, 0, 3, 1}},
    {"long rows", {3, 5000}, {1, 3}, {0, 1}, {5000, 1}},
};

TEST(Map, EveryLayout) {
  for (const Layout& l : kLayouts) {
    for (int t : {1, 4}) {
      threads = t;
      Array x(SY_T_F32, l.shape, l.x), y(SY_T_F32, l.shape, l.y), z(SY_T_F32, l.shape, l.z);
      FillFloats(&x, 1);
      FillFloats(&y, 2);
      ProgramBuilder p;
      BuildAxpy(&p);
      ASSERT_EQ(Call("map", &BestState()).In(x).In(y).Out(z).Program(p).Run(), SY_OK);
      ExpectAxpy(&x, &y, &z, l.name);
    }
  }
  threads = 1;
}

TEST(Map, LeavesGapsBetweenRowsAlone) {
  Array z(SY_T_F32, {4, 8}, {10, 1});
  Array x(SY_T_F32, {4, 8});
  FillFloats(&x, 3);
  ProgramBuilder p;
  p.Output(p.Input(0, SY_T_F32));
  memset(z.origin(), 0x5a, 38 * 4);
  ASSERT_EQ(Call("map", &BestState()).In(x).Out(z).Program(p).Run(), SY_OK);
  for (int row = 0; row < 3; ++row) {
    for (int i = (row * 10 + 8) * 4; i < (row * 10 + 10) * 4; ++i) EXPECT_EQ(z.origin()[i], 0x5a);
  }
}

// Adam-like: all three states are updated in place, and the new parameter needs both new moments.
TEST(Map, UpdatesSeveralTensorsInPlace) {
  for (int64_t n : {5, 64, 3000, 200000}) {
    threads = n > 3000 ? 3 : 1;
    Array param(SY_T_F32, {n}), m(SY_T_F32, {n}), g(SY_T_F32, {n});
    FillFloats(&param, 1);
    FillFloats(&m, 2);
    FillFloats(&g, 3);
    Array param0 = param, m0 = m;
    ProgramBuilder p;
    const uint32_t vp = p.Input(0, SY_T_F32), vm = p.Input(1, SY_T_F32), vg = p.Input(2, SY_T_F32);
    const uint32_t b = p.Const(0.9f, SY_T_F32), lr = p.Const(0.1f, SY_T_F32);
    const uint32_t new_m = p.Add(SY_OP_ADD, SY_T_F32, p.Add(SY_OP_MUL, SY_T_F32, vm, b), vg);
    const uint32_t step = p.Add(SY_OP_SUB, SY_T_F32, new_m, vm);  // reads the old moment late
    p.Output(p.Add(SY_OP_SUB, SY_T_F32, vp, p.Add(SY_OP_MUL, SY_T_F32, step, lr)));
    p.Output(new_m);
    ASSERT_EQ(Call("map", &BestState()).In(param).In(m).In(g).Out(param).Out(m).Program(p).Run(),
              SY_OK);
    for (int64_t i = 0; i < n; ++i) {
      const float want_m = m0.get<float>(i) * 0.9f + g.get<float>(i);
      ASSERT_EQ(m.get<float>(i), want_m) << n << " " << i;
      ASSERT_EQ(param.get<float>(i), param0.get<float>(i) - (want_m - m0.get<float>(i)) * 0.1f);
    }
  }
  threads = 1;
}

// p < q ? yes : no, each of them any of three inputs or a constant: steps that do both at once.
TEST(Map, SelectsByEveryComparison) {
  constexpr int64_t kCount = 70;
  constexpr float kConstant = 0.5f;
  for (State& state : States()) {
    Array in[] = {Array(SY_T_F32, {kCount}), Array(SY_T_F32, {kCount}), Array(SY_T_F32, {kCount})};
    for (int i = 0; i < 3; ++i) FillFloats(&in[i], i + 1);
    in[0].set<float>(3, NAN);
    in[1].set<float>(4, NAN);
    in[1].set<float>(5, in[0].get<float>(5));
    in[2].set<float>(6, kConstant);
    const auto value = [&](int which, int64_t i) {
      return which == 3 ? kConstant : in[which].get<float>(i);
    };
    for (int code = 0; code < 4 * 4 * 4 * 4 * 2; ++code) {
      const int p = code % 4, q = code / 4 % 4, yes = code / 16 % 4, no = code / 64 % 4;
      const bool as_integers = code >= 256;
      ProgramBuilder b;
      uint32_t v[4];
      for (int i = 0; i < 3; ++i) v[i] = b.Input(i, SY_T_F32);
      v[3] = b.Const(kConstant, SY_T_F32);
      const auto bits = [&](uint32_t x) {
        return as_integers ? b.Add(SY_OP_BITCAST, SY_T_I32, x) : x;
      };
      const uint32_t left = bits(v[p]), right = bits(v[q]);
      b.Output(
          b.Add(SY_OP_SELECT, SY_T_F32, b.Add(SY_OP_LT, SY_T_BOOL, left, right), v[yes], v[no]));
      Array out(SY_T_F32, {kCount});
      ASSERT_EQ(Call("map", &state).In(in[0]).In(in[1]).In(in[2]).Out(out).Program(b).Run(), SY_OK);
      for (int64_t i = 0; i < kCount; ++i) {
        const float x = value(p, i), y = value(q, i);
        const bool less =
            as_integers ? std::bit_cast<int32_t>(x) < std::bit_cast<int32_t>(y) : x < y;
        const float want = value(less ? yes : no, i);
        ASSERT_EQ(std::bit_cast<int32_t>(out.get<float>(i)), std::bit_cast<int32_t>(want))
            << IsaName(state.isa) << " program " << code << " at " << i;
      }
    }
  }
}

TEST(Map, SwapsTwoTensors) {
  Array a(SY_T_I32, {3000}), b(SY_T_I32, {3000});
  for (int i = 0; i < 3000; ++i) {
    a.set<int32_t>(i, i);
    b.set<int32_t>(i, -i);
  }
  ProgramBuilder p;
  const uint32_t x = p.Input(0, SY_T_I32), y = p.Input(1, SY_T_I32);
  p.Output(y);
  p.Output(x);
  ASSERT_EQ(Call("map", &BestState()).In(a).In(b).Out(a).Out(b).Program(p).Run(), SY_OK);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(a.get<int32_t>(i), -i);
    ASSERT_EQ(b.get<int32_t>(i), i);
  }
}

TEST(Map, IndexLinearAndConstants) {
  const std::vector<int64_t> shape = {7, 11, 300};
  Array linear(SY_T_I64, shape), middle(SY_T_I64, shape), inner(SY_T_I32, shape, {3300, 1, 11}),
      fill(SY_T_BF16, shape);
  ProgramBuilder p;
  p.Output(p.Add(SY_OP_LINEAR, SY_T_I64));
  p.Output(p.Add(SY_OP_INDEX, SY_T_I64, 0, 0, 0, 1));
  p.Output(p.Add(SY_OP_CAST, SY_T_I32, p.Add(SY_OP_INDEX, SY_T_I64, 0, 0, 0, 2)));
  p.Output(p.Add(SY_OP_CAST, SY_T_BF16, p.Const(1.5f, SY_T_F32)));
  ASSERT_EQ(Call("map", &BestState()).Out(linear).Out(middle).Out(inner).Out(fill).Program(p).Run(),
            SY_OK);
  for (int64_t i = 0; i < linear.count(); ++i) {
    ASSERT_EQ(linear.get<int64_t>(i), i);
    ASSERT_EQ(middle.get<int64_t>(i), i / 300 % 11);
    ASSERT_EQ(inner.get<int32_t>(i), i % 300);
    ASSERT_EQ(fill.get<uint16_t>(i), 0x3fc0);
  }
}

TEST(Map, LargeResultsGoPastTheCaches) {
  const int64_t n = (int64_t{8} << 20) / 4 + 4097;
  for (int t : {1, 2}) {
    threads = t;
    Array x(SY_T_F32, {n}), y(SY_T_F32, {n}), z(SY_T_F32, {n}), w(SY_T_F32, {n});
    FillFloats(&x, 1);
    FillFloats(&y, 2);
    ProgramBuilder p;
    BuildAxpy(&p);
    ASSERT_EQ(Call("map", &BestState()).In(x).In(y).Out(z).Program(p).Run(), SY_OK);
    ExpectAxpy(&x, &y, &z, "large");
    ProgramBuilder fill;
    fill.Output(fill.Const(7.0f, SY_T_F32));
    ASSERT_EQ(Call("map", &BestState()).Out(w).Program(fill).Run(), SY_OK);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(w.get<float>(i), 7.0f);
  }
  threads = 1;
}

TEST(Map, RefusesWhatItDoesNotKnow) {
  Array x(SY_T_F32, {4}), z(SY_T_F32, {4});
  ProgramBuilder p;
  p.Output(p.Add(95, SY_T_F32, p.Input(0, SY_T_F32)));
  EXPECT_EQ(Call("map", &BestState()).In(x).Out(z).Program(p).Run(), SY_UNIMPLEMENTED);
  EXPECT_NE(last_message.find("no opcode 95"), std::string::npos) << last_message;
}

// A random program of exact opcodes, with sharing, dead values, narrow casts and several outputs.
class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed) : random_(seed) {
    const int inputs = 1 + Draw(4);
    for (int i = 0; i < inputs; ++i) {
      const int type = 1 + Draw(13);
      input_types_.push_back(type);
      Keep({SY_OP_INPUT, type, 0, {0, 0, 0}, static_cast<uint64_t>(i)}, builder_.Input(i, type));
    }
    Keep({SY_OP_CONST, SY_T_F32, 0, {0, 0, 0}, ToBits(0.75f)}, builder_.Const(0.75f, SY_T_F32));
    Keep({SY_OP_CONST, SY_T_I32, 0, {0, 0, 0}, 3}, builder_.Const(int32_t{3}, SY_T_I32));
    Keep({SY_OP_LINEAR, SY_T_I64, 0, {0, 0, 0}, 0}, builder_.Add(SY_OP_LINEAR, SY_T_I64));
    const int steps = 1 + Draw(40);
    for (int i = 0; i < steps; ++i) AddStep();
    const int outputs = 1 + Draw(3);
    for (int i = 0; i < outputs; ++i) {
      outputs_.push_back(static_cast<int>(nodes_.size()) - 1 -
                         Draw(std::min(6, static_cast<int>(nodes_.size()))));
      builder_.Output(outputs_.back());
    }
  }

  ProgramBuilder& builder() { return builder_; }
  const std::vector<int>& input_types() const { return input_types_; }
  size_t output_count() const { return outputs_.size(); }
  int output_type(size_t j) const { return nodes_[outputs_[j]].type; }

  std::vector<uint64_t> Evaluate(const std::vector<uint64_t>& inputs, int64_t linear) const {
    std::vector<uint64_t> values;
    for (const Node& n : nodes_) {
      if (n.opcode == SY_OP_INPUT) {
        values.push_back(inputs[n.imm]);
      } else if (n.opcode == SY_OP_CONST) {
        values.push_back(n.imm);
      } else if (n.opcode == SY_OP_LINEAR) {
        values.push_back(static_cast<uint64_t>(linear));
      } else {
        values.push_back(Reference(n.opcode, n.type, n.from, values[n.operands[0]],
                                   values[n.operands[1]], values[n.operands[2]]));
      }
    }
    std::vector<uint64_t> results;
    for (int o : outputs_) results.push_back(values[o]);
    return results;
  }

 private:
  struct Node {
    int opcode, type, from;
    int operands[3];
    uint64_t imm;
  };

  int Draw(int below) { return static_cast<int>(random_() % below); }
  void Keep(const Node& node, uint32_t number) {
    ASSERT_EQ(number, nodes_.size());
    nodes_.push_back(node);
  }

  // An earlier value of the type, made by a cast where there is none.
  int Find(int type) {
    std::vector<int> found;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].type == type) found.push_back(static_cast<int>(i));
    }
    if (!found.empty() && Draw(4) != 0) return found[Draw(static_cast<int>(found.size()))];
    return AddCast(Draw(static_cast<int>(nodes_.size())), type);
  }

  int AddCast(int value, int type) {
    const Node node = {SY_OP_CAST, type, nodes_[value].type, {value, value, value}, 0};
    Keep(node, builder_.Add(SY_OP_CAST, type, value));
    return static_cast<int>(nodes_.size()) - 1;
  }

  void AddStep() {
    constexpr int kFloatOps[] = {SY_OP_ADD, SY_OP_SUB, SY_OP_MUL, SY_OP_MUL,   SY_OP_ADD, SY_OP_NEG,
                                 SY_OP_MIN, SY_OP_MAX, SY_OP_FMA, SY_OP_FLOOR, SY_OP_ABS};
    constexpr int kIntOps[] = {SY_OP_ADD, SY_OP_SUB, SY_OP_MUL, SY_OP_XOR,     SY_OP_SHR,
                               SY_OP_MAX, SY_OP_NOT, SY_OP_DIV, SY_OP_POPCOUNT};
    constexpr int kTypes[] = {SY_T_F32, SY_T_F32, SY_T_F64, SY_T_I32, SY_T_I64, SY_T_U32, SY_T_U64};
    const int type = kTypes[Draw(7)];
    const int kind = Draw(8);
    if (kind == 0) {
      AddCast(Draw(static_cast<int>(nodes_.size())), 1 + Draw(13));
      return;
    }
    int opcode;
    int result = type;
    int from = type;
    if (kind == 1) {
      constexpr int kComparisons[] = {SY_OP_EQ, SY_OP_NE, SY_OP_LT, SY_OP_LE};
      opcode = kComparisons[Draw(4)];
      result = SY_T_BOOL;
    } else if (kind == 2) {
      opcode = SY_OP_SELECT;
      from = SY_T_BOOL;
    } else {
      opcode = IsFloatType(type) ? kFloatOps[Draw(11)] : kIntOps[Draw(9)];
    }
    const int a = Find(from);
    const int b = Find(type);
    const int c = Find(type);
    Keep({opcode, result, from, {a, b, c}, 0}, builder_.Add(opcode, result, a, b, c));
  }

  std::mt19937_64 random_;
  ProgramBuilder builder_;
  std::vector<Node> nodes_;
  std::vector<int> outputs_;
  std::vector<int> input_types_;
};

bool SameValue(int type, uint64_t a, uint64_t b) {
  return a == b ||
         (IsFloatType(type) && std::isnan(ValueOf(type, a)) && std::isnan(ValueOf(type, b)));
}

TEST(Map, RandomProgramsMatchTheReference) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    RandomProgram program(seed);
    std::mt19937_64 random(seed);
    const bool strided = seed % 3 == 1;
    const std::vector<int64_t> shape = {9, seed % 2 == 0 ? 7 : 201};
    std::deque<Array> inputs, outputs;
    State& state = States()[seed % States().size()];
    Call call("map", &state);
    for (int type : program.input_types()) {
      inputs.emplace_back(type, shape,
                          strided ? std::vector<int64_t>{1, 9} : Array::DenseStrides(shape));
      for (int64_t i = 0; i < inputs.back().count(); ++i) {
        const uint64_t bits =
            type == SY_T_BOOL   ? random() & 1
            : IsFloatType(type) ? Nearest(type, (static_cast<int>(random() % 4000) - 2000) / 16.0L)
                                : random();
        memcpy(inputs.back().at(i), &bits, kTypeBytes[type]);
      }
      call.In(inputs.back());
    }
    for (size_t j = 0; j < program.output_count(); ++j) {
      outputs.emplace_back(program.output_type(j), shape);
      call.Out(outputs.back());
    }
    ASSERT_EQ(call.Program(program.builder()).Run(), SY_OK) << seed << " " << last_message;
    for (int64_t i = 0; i < outputs[0].count(); ++i) {
      std::vector<uint64_t> values;
      for (Array& in : inputs) {
        uint64_t bits = 0;
        memcpy(&bits, in.at(i), in.width());
        values.push_back(bits);
      }
      const std::vector<uint64_t> want = program.Evaluate(values, i);
      for (size_t j = 0; j < want.size(); ++j) {
        uint64_t got = 0;
        memcpy(&got, outputs[j].at(i), outputs[j].width());
        ASSERT_TRUE(SameValue(outputs[j].type(), want[j], got))
            << "seed " << seed << " output " << j << " element " << i << " type "
            << outputs[j].type() << std::hex << ": got " << got << ", want " << want[j];
      }
    }
  }
}

}  // namespace
}  // namespace sy::cpu::testing
