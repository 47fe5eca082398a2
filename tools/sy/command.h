// What the verbs of `sy` share: how they are added, how they print tables, JSON and errors.
//
// Exit codes: 0 done, 1 the thing asked about failed, 2 wrong use. With --json the last line of
// standard output is one JSON object; colour and progress only on a terminal.
#ifndef TOOLS_SY_COMMAND_H_
#define TOOLS_SY_COMMAND_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "switchyard/sy.h"

namespace sy::tool {

// A verb sets `run` when it was chosen; main calls it. It returns the exit code.
struct Context {
  std::function<int()> run;
  bool json = false;
};

void AddAccuracy(CLI::App* conform, Context* context);  // a verb of conform
void AddConform(CLI::App* app, Context* context);
void AddFuzz(CLI::App* conform, Context* context);         // a verb of conform
void AddConformOnnx(CLI::App* conform, Context* context);  // a verb of conform
void AddDevices(CLI::App* app, Context* context);
void AddPlugins(CLI::App* app, Context* context);
void AddOps(CLI::App* app, Context* context);
void AddNew(CLI::App* app, Context* context);
void AddSpeed(CLI::App* app, Context* context);
void AddTrain(CLI::App* app, Context* context);
void AddVersion(CLI::App* app, Context* context);

// Columns of text, two spaces apart, as wide as their longest cell; the last is not padded.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

bool IsTerminal();
// "23.4 GiB"
std::string Bytes(uint64_t bytes);
// "f64 f32 f16 i* u* bool" of a bit set.
std::string Dtypes(uint64_t set);
// "0.1" of an ABI word; "-" for 0.
std::string AbiText(uint32_t abi);
// One line on standard error, exit code 1.
int Fail(const std::string& message);
void PrintJson(const nlohmann::json& object);

}  // namespace sy::tool

#endif  // TOOLS_SY_COMMAND_H_
