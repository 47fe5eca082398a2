// A scalar program compiled for this backend: a list of steps over arrays. What stays open until a
// call is where its inputs and outputs lie (runner.h).
//
// Every value that a step reads or writes has a place: a number, for which the runner keeps a
// pointer. Temporaries share places once their last reader has run; sources, constants and results
// have their own, so that the runner may point them at the tensors themselves.
#ifndef BACKENDS_CPU_PROGRAM_H_
#define BACKENDS_CPU_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/step.h"

namespace sy::cpu {

// What a step is done to.
enum class StepKind : uint8_t {
  kFull,     // every element
  kUniform,  // constants only: once per call
  kPerRow,   // one element per row
  kReduce,   // a row to one element (ROW_SUM, ROW_MAX, ROW_MIN)
  kExpand,   // one element to a row
};

// How many copies of a number its readers want.
enum class Spread : uint8_t { kOne, kPerRow, kAll };

struct Step {
  StepFn run = nullptr;  // kFull, kUniform, kPerRow
  // kFull, for one row at a time: the form that reads b from `row_b`, which holds one element per
  // row. May be null.
  StepFn run_scalar = nullptr;
  uint16_t out = 0;
  uint16_t a = 0, b = 0, c = 0;
  uint16_t row_b = 0;
  Spread spread = Spread::kAll;  // kUniform. kExpand: kOne where all readers have run_scalar
  StepKind kind = StepKind::kFull;
  uint8_t type = 0;      // kReduce, kExpand: of the element
  uint8_t combiner = 0;  // kReduce: SY_COMBINE_*
  uint8_t level = 0;     // row reductions that must be complete before it
};

enum class SourceKind : uint8_t { kInput, kIndex, kLinear };

struct Source {
  SourceKind kind;
  uint8_t type;
  uint16_t place;
  uint32_t number;    // input or axis
  int32_t last_read;  // step
};

struct Constant {
  uint8_t type;
  uint16_t place;
  Spread spread;
  uint32_t number;  // index into SyCall.consts
};

struct Result {
  uint8_t type;
  uint16_t place;
  bool own;      // its place belongs to it alone: may be redirected to the output
  bool per_row;  // one element per row
  int32_t step;  // that computes it; -1: a source or a constant
  uint8_t level;
};

// An operand of the only step of a program.
enum class SingleKind : uint8_t { kNone, kInput, kScalar, kArray };  // the last two: a constant
struct SingleOperand {
  SingleKind kind = SingleKind::kNone;
  uint8_t bytes = 0;
  uint32_t number = 0;  // input or constant
};

struct Program {
  const SyProgram* source = nullptr;
  std::vector<Source> sources;
  std::vector<Constant> constants;
  std::vector<Step> steps;
  std::vector<Result> results;
  std::vector<uint32_t> place_offsets;  // bytes per element of the places before it
  std::vector<uint8_t> place_bytes;     // element size
  int64_t element_bytes = 0;            // of all places together
  int64_t weight = 1;                   // cost of one element, in simple operations
  int levels = 0;                       // row reductions one after another
  bool is_single = false;               // one step from inputs and constants to the only output
  SingleOperand single[3];
};

// Compiles. On failure returns null and says why.
std::unique_ptr<Program> CompileProgram(const SyProgram& program, Isa isa, std::string* out_reason);

// Programs compiled so far, by address. Threads: any.
class ProgramCache {
 public:
  // Null after host->fail.
  const Program* Find(const SyCall& call, Isa isa, SyStatus* out_status);

 private:
  std::mutex mutex_;
  std::unordered_map<const SyProgram*, std::unique_ptr<Program>> programs_;
};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_PROGRAM_H_
