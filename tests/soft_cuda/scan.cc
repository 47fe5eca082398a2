// A tokeniser for as much of C++ as finds statements and braces.
#include "tests/soft_cuda/scan.h"

#include <algorithm>
#include <cctype>

namespace soft {
namespace {

struct Token {
  std::string_view text;
  size_t at;
};

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

size_t SkipQuoted(std::string_view s, size_t i) {
  const char quote = s[i];
  for (++i; i < s.size() && s[i] != quote; ++i)
    if (s[i] == '\\') ++i;
  return std::min(i + 1, s.size());
}

// The end of a line, or of several that continue each other.
size_t SkipLine(std::string_view s, size_t i) {
  for (; i < s.size() && s[i] != '\n'; ++i)
    if (s[i] == '\\') ++i;
  return std::min(i, s.size());
}

// Comments go; a directive is one token.
std::vector<Token> Tokens(std::string_view s) {
  std::vector<Token> out;
  bool line_start = true;
  for (size_t i = 0; i < s.size();) {
    const char c = s[i];
    const size_t from = i;
    if (c == '\n') line_start = true;
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++i;
      continue;
    }
    if (s.substr(i, 2) == "//") {
      i = SkipLine(s, i);
      continue;
    }
    if (s.substr(i, 2) == "/*") {
      i = std::min(s.find("*/", i + 2), s.size() - 2) + 2;
      continue;
    }
    if (c == '#' && line_start)
      i = SkipLine(s, i);
    else if (c == '"' || c == '\'')
      i = SkipQuoted(s, i);
    else if (IsWord(c))
      while (i < s.size() && IsWord(s[i])) ++i;
    else
      ++i;
    line_start = false;
    out.push_back({s.substr(from, i - from), from});
  }
  return out;
}

// One past the bracket that closes the one at `i`.
size_t Close(const std::vector<Token>& t, size_t i) {
  int depth = 0;
  for (; i < t.size(); ++i) {
    if (t[i].text == "(") ++depth;
    if (t[i].text == ")" && --depth == 0) return i + 1;
  }
  return t.size();
}

// Walks the tokens with the stack of open braces.
class Walk {
 public:
  Walk(std::string_view text, Scan* scan) : text_(text), scan_(scan), tokens_(Tokens(text)) {}

  void Run() {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const std::string_view t = tokens_[i].text;
      if (t[0] == '#') {
        if (t.find("define") != t.npos &&
            (t.find("__global__") != t.npos || t.find("__shared__") != t.npos))
          scan_->macros = true;
        statement_ = i + 1;
      } else if (t == "{") {
        braces_.push_back(In(i, "namespace") ? 'n' : In(i, "\"C\"") && !In(i, "(") ? 'c' : 'f');
        statement_ = i + 1;
      } else if (t == "}") {
        if (!braces_.empty()) braces_.pop_back();
        statement_ = i + 1;
      } else if (t == ";") {
        statement_ = i + 1;
      } else if (t == "__global__") {
        Kernel(i);
      } else if (t == "__shared__") {
        if (In(i, "extern"))
          i = DynamicShared(i);
        else
          scan_->shared = true;
      }
    }
    scan_->text += text_.substr(copied_);
  }

 private:
  bool In(size_t end, std::string_view word) const {
    for (size_t i = statement_; i < end; ++i)
      if (tokens_[i].text == word) return true;
    return false;
  }
  bool Inside(char kind) const {
    return std::find(braces_.begin(), braces_.end(), kind) != braces_.end();
  }

  void Kernel(size_t i) {
    if (Inside('f') || Inside('n') || In(i, "template")) return;
    if (!In(i, "\"C\"") && !Inside('c')) return;
    Scan::Kernel kernel{"", "0"};
    for (++i; i + 1 < tokens_.size(); ++i) {
      const std::string_view t = tokens_[i].text;
      if (tokens_[i + 1].text != "(" || !IsWord(t[0])) continue;
      const size_t end = Close(tokens_, i + 1);
      if (t == "__launch_bounds__") {
        const size_t from = tokens_[i + 2].at;
        kernel.bound = text_.substr(from, tokens_[end - 1].at - from);
      } else if (t != "__attribute__" && t != "__align__") {
        if (end < tokens_.size() && tokens_[end].text == "{") {
          kernel.name = t;
          scan_->kernels.push_back(kernel);
        }
        return;
      }
      i = end - 1;
    }
  }

  // `extern __shared__ T name[];` becomes a pointer, or outside functions an object that acts as
  // one.
  size_t DynamicShared(size_t i) {
    const size_t from = tokens_[statement_].at;
    std::string type, name;
    size_t k = i + 1;
    for (; k < tokens_.size() && tokens_[k].text != ";"; ++k) {
      const std::string_view t = tokens_[k].text;
      if (t == "__align__" || t == "alignas" || t == "__attribute__") {
        k = Close(tokens_, k + 1) - 1;
      } else if (t == "[") {
        break;
      } else {
        if (!name.empty()) type += name + " ";
        name = t;
      }
    }
    if (k + 2 >= tokens_.size() || tokens_[k + 1].text != "]" || tokens_[k + 2].text != ";")
      return i;
    k += 2;
    scan_->text += text_.substr(copied_, from - copied_);
    if (Inside('f'))
      scan_->text += type + "* const " + name + " = (" + type + "*)soft_self()->dynamic_shared;";
    else
      scan_->text += "static SoftDynamic<" + type + "> " + name + ";";
    copied_ = tokens_[k].at + 1;
    const std::string_view gone = text_.substr(from, copied_ - from);
    scan_->text.append(static_cast<size_t>(std::count(gone.begin(), gone.end(), '\n')), '\n');
    statement_ = k + 1;
    return k;
  }

  const std::string_view text_;
  Scan* const scan_;
  const std::vector<Token> tokens_;
  std::vector<char> braces_;  // n: namespace, c: extern "C", f: any other
  size_t statement_ = 0;      // its first token
  size_t copied_ = 0;         // so far of text_
};

}  // namespace

Scan ScanText(std::string_view text) {
  Scan scan;
  Walk(text, &scan).Run();
  // Comments count, too: too many fibers cost time, too few a result.
  for (const char* word : {"__sync", "_sync", "__shfl"})
    if (text.find(word) != text.npos) scan.waits = true;
  return scan;
}

}  // namespace soft
