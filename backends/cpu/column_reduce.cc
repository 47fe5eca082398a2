// `reduce` where the innermost axis stays: stretches of it are combined row after row.
#include <algorithm>
#include <cstring>

#include "backends/cpu/reduce.h"

namespace sy::cpu {
namespace {

// Rows are combined in groups of 16, groups in segments of 256 rows, segments pairwise.
constexpr int64_t kGroup = 16;
constexpr int64_t kSegment = 256;

class ColumnReduction {
 public:
  explicit ColumnReduction(const Reduction& r)
      : r_(r), bytes_(kTypeBytes[r.type]), space_(*r.program, *r.call, r.call->in[0], r.order) {
    space_.Simplify();
    tile_ = Runner::TileFor(*r.program);
    stretches_ = (r.column_count + tile_ - 1) / tile_;
    segments_ = (r.length + kSegment - 1) / kSegment;
  }

  bool Run() {
    const SyHost* host = r_.call->host;
    const int64_t results = r_.row_count * r_.column_count;
    HostBlock memory(host, segments_ * results * bytes_);
    if (memory.data() == nullptr) return false;
    const int64_t weight =
        r_.program->weight * std::min(r_.length, kSegment) * std::min(tile_, r_.column_count);
    const bool ok = ForEachChunk(
        host, r_.row_count * segments_ * stretches_, weight, 1,
        [&](int64_t begin, int64_t end) { return RunPieces(begin, end, memory.data()); });
    if (!ok) return false;
    CombineSegments(memory.data(), results);
    r_.StoreResults(0, r_.type, 0, results, memory.data());
    return true;
  }

 private:
  bool RunPieces(int64_t begin, int64_t end, char* values) const {
    Scratch scratch(r_.call->host);
    Runner runner;
    if (!runner.Start(*r_.program, *r_.call, space_, tile_, &scratch)) return false;
    char* group = scratch.Take(tile_ * bytes_);
    if (group == nullptr) return false;
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t stretch = piece % stretches_;
      const int64_t row = piece / stretches_ % r_.row_count;
      const int64_t segment = piece / stretches_ / r_.row_count;
      const int64_t column = stretch * tile_;
      const int64_t n = std::min(tile_, r_.column_count - column);
      const int64_t result = (segment * r_.row_count + row) * r_.column_count + column;
      CombineRows(&runner, row, segment * kSegment, column, n, group, values + result * bytes_);
    }
    return true;
  }

  void CombineRows(Runner* runner, int64_t row, int64_t first, int64_t column, int64_t n,
                   char* group, char* total) const {
    const int64_t last = std::min(first + kSegment, r_.length);
    Fill(total, &r_.fold.identity, bytes_, n);
    const int place = r_.program->results[0].place;
    const auto at = [&](int64_t i) { return (row * r_.length + i) * r_.column_count + column; };
    for (int64_t i = first; i < last; i += kGroup) {
      const int64_t end = std::min(i + kGroup, last);
      if (!CombineInPlace(runner, at(i), end - i, n, group)) {
        Fill(group, &r_.fold.identity, bytes_, n);
        for (int64_t j = i; j < end; ++j) {
          runner->Run(at(j), n);
          r_.fold.combine(group, group, runner->place(place), nullptr, n);
        }
      }
      r_.fold.combine(total, total, group, nullptr, n);
    }
  }

  // The same in registers, where the program takes rows as they are and they lie dense in memory.
  bool CombineInPlace(Runner* runner, int64_t begin, int64_t count, int64_t n, char* group) const {
    if (r_.fold.rows == nullptr || !r_.program->steps.empty() || r_.program->sources.size() != 1)
      return false;
    const void* rows[kGroup];
    for (int64_t i = 0; i < count; ++i) {
      runner->Load(begin + i * r_.column_count, n);
      if (runner->IsPacked(0)) return false;
      rows[i] = runner->place(r_.program->results[0].place);
    }
    r_.fold.rows(rows, count, n, r_.fold.identity, group);
    return true;
  }

  void CombineSegments(char* values, int64_t results) const {
    int64_t count = segments_;
    while (count > 1) {
      const int64_t half = count / 2;
      for (int64_t i = 0; i < half; ++i) {
        char* to = values + i * results * bytes_;
        const char* from = values + 2 * i * results * bytes_;
        // The result of pair 0 lies where its first part was; others move down over parts that are
        // used up.
        r_.fold.combine(to, from, from + results * bytes_, nullptr, results);
      }
      if (count % 2 != 0) {
        memmove(values + half * results * bytes_, values + (count - 1) * results * bytes_,
                static_cast<size_t>(results * bytes_));
      }
      count = half + count % 2;
    }
  }

  const Reduction& r_;
  const int bytes_;
  Space space_;
  int64_t tile_;
  int64_t stretches_;
  int64_t segments_;
};

}  // namespace

bool RunColumnReduction(const Reduction& r) { return ColumnReduction(r).Run(); }

}  // namespace sy::cpu
