// A small program of ops, drawn at random or read from a file, that every device runs alike.
#ifndef CONFORM_PROGRAM_H_
#define CONFORM_PROGRAM_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/judge.h"
#include "conform/layout.h"

namespace sy::conform {

struct Leaf {
  SyDtype dtype = SY_F32;
  Shape shape;
  Fill fill = Fill::kRange;
  Layout layout = Layout::kContiguous;
  uint64_t seed = 0;
};
// What a node reads: a leaf, or the first result of an earlier node.
struct Ref {
  bool leaf = true;
  size_t index = 0;
};
struct Node {
  std::string op;
  Attrs attrs;
  std::vector<Ref> in;
};
struct Program {
  std::vector<Leaf> leaves;
  std::vector<Node> nodes;
};
// The values of a program on a device.
struct Values {
  std::vector<Tensor> leaves, nodes;
  const Tensor& operator[](const Ref& r) const { return (r.leaf ? leaves : nodes)[r.index]; }
};

nlohmann::json JsonOf(const Program& p);
// Throws std::exception: what is wrong with the file.
Program ProgramOf(const nlohmann::json& json);
// As a C++ program over the front end that prints the last value on `device`; `leaves`: the values.
std::string CppOf(const Program& p, const Inputs& leaves, const std::string& device);
// "v4 = sum(v3; dims=1)"; leaves are x0, x1, ..., nodes v0, v1, ...
std::string TextOf(const Program& p, size_t node);

// The values of a program's leaves; layouts that repeat elements change them.
Inputs DrawLeaves(const Program& p);
// The leaves, laid out, on a device.
std::vector<Tensor> PlaceLeaves(const Program& p, const char* device);

// The first result of one node. Throws sy::Error.
Tensor RunNode(const Node& node, const Values& values, const SyDevice* device);

// What the program gives on the oracle; one for each node. Throws sy::Error.
std::vector<Bounds> BoundsOf(const Program& p, const SyDevice* oracle);

struct Fault {
  size_t node = 0;     // the first that is wrong
  std::string reason;  // empty: none is
};
// Runs the program on a device and judges each node. What goes wrong otherwise is a fault too.
Fault RunProgram(const Program& p, const std::vector<Bounds>& bounds, const SyDevice* device);

}  // namespace sy::conform

#endif  // CONFORM_PROGRAM_H_
