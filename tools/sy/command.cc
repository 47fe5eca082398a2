#include "command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "switchyard/sy_plugin.h"

namespace sy::tool {

void Table::Print() const {
  std::vector<size_t> width;
  auto length = [](const std::string& s) {  // characters, not bytes
    return static_cast<size_t>(
        std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  };
  for (const auto& row : rows_) {
    width.resize(std::max(width.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], length(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(width[i] - length(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::puts(line.c_str());
  }
}

bool IsTerminal() { return isatty(STDOUT_FILENO) != 0; }

std::string Bytes(uint64_t bytes) {
  if (!bytes) return "unknown";
  char text[32];
  if (bytes >= (uint64_t{1} << 30))
    std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  else
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string Dtypes(uint64_t set) {
  struct Group {
    const char* text;
    uint64_t bits;
  };
  constexpr uint64_t kSigned =
      SY_T_BIT(SY_T_I8) | SY_T_BIT(SY_T_I16) | SY_T_BIT(SY_T_I32) | SY_T_BIT(SY_T_I64);
  constexpr uint64_t kUnsigned =
      SY_T_BIT(SY_T_U8) | SY_T_BIT(SY_T_U16) | SY_T_BIT(SY_T_U32) | SY_T_BIT(SY_T_U64);
  static constexpr Group kGroups[] = {{"f64", SY_T_BIT(SY_T_F64)},
                                      {"f32", SY_T_BIT(SY_T_F32)},
                                      {"f16", SY_T_BIT(SY_T_F16)},
                                      {"bf16", SY_T_BIT(SY_T_BF16)},
                                      {"i*", kSigned},
                                      {"u*", kUnsigned},
                                      {"bool", SY_T_BIT(SY_T_BOOL)}};
  static constexpr Group kSingles[] = {{"i64", SY_T_BIT(SY_T_I64)}, {"i32", SY_T_BIT(SY_T_I32)},
                                       {"i16", SY_T_BIT(SY_T_I16)}, {"i8", SY_T_BIT(SY_T_I8)},
                                       {"u64", SY_T_BIT(SY_T_U64)}, {"u32", SY_T_BIT(SY_T_U32)},
                                       {"u16", SY_T_BIT(SY_T_U16)}, {"u8", SY_T_BIT(SY_T_U8)}};
  std::string text;
  auto add = [&](const char* word) { text += (text.empty() ? "" : " ") + std::string(word); };
  for (const Group& g : kGroups) {
    if ((set & g.bits) == g.bits) {
      add(g.text);
      continue;
    }
    for (const Group& s : kSingles)
      if ((s.bits & g.bits) && (set & s.bits)) add(s.text);
  }
  return text;
}

std::string AbiText(uint32_t abi) {
  return abi ? std::to_string(abi >> 16) + "." + std::to_string(abi & 0xffff) : "-";
}

int Fail(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "sy: %s\n", message.c_str());
  return 1;
}

void PrintJson(const nlohmann::json& object) {
  std::fflush(stdout);
  std::puts(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace sy::tool
