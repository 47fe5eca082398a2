#include "backends/cpu/outputs.h"

#include <cstring>

namespace sy::cpu {
namespace {

// In place means the very view, so equal starts are enough.
bool Overlaps(const Operand& source, const SyView& out) { return source.base == out.data.p; }

}  // namespace

void Outputs::Plan(const Program& program, const SyCall& call, Space* space) {
  program_ = &program;
  space_ = space;
  count_ = static_cast<int>(program.results.size());
  targets_ = space->operands + program.sources.size();
  ways_ = few_;
  if (count_ > kFew) {
    many_ = std::make_unique<Way[]>(count_);
    ways_ = many_.get();
  }
  KeepOverwrittenSources(call, space);
  for (int j = 0; j < count_; ++j) PlanOne(j, call.out[j]);
}

// Swapping two tensors is a program that needs this.
void Outputs::KeepOverwrittenSources(const SyCall& call, Space* space) const {
  for (size_t i = 0; i < program_->sources.size(); ++i) {
    const Source& source = program_->sources[i];
    if (source.kind != SourceKind::kInput || !IsResult(source.place)) continue;
    for (int j = 0; j < count_; ++j) {
      if (Overlaps(space->operands[i], call.out[j])) space->operands[i].dense = 0;
    }
  }
}

void Outputs::PlanOne(int j, const SyView& out) {
  const Result& result = program_->results[j];
  bool in_place = false;
  bool read_later = false;
  for (size_t i = 0; i < program_->sources.size(); ++i) {
    const Source& source = program_->sources[i];
    if (source.kind != SourceKind::kInput || !Overlaps(space_->operands[i], out)) continue;
    in_place = true;
    // The step would overwrite what a later step still reads.
    read_later = read_later || source.last_read > result.step;
  }
  Way& way = ways_[j];
  way.dense = targets_[j].dense == space_->shape.Count();
  way.stream = way.dense && !in_place && out.bytes >= kStreamBytes;
  way.direct = way.dense && !way.stream && result.own && !read_later;
  streams_ = streams_ || way.stream;
}

bool Outputs::IsResult(int place) const {
  for (const Result& result : program_->results) {
    if (result.place == place) return true;
  }
  return false;
}

void Outputs::StoreOne(int j, int64_t begin, int64_t n, const void* from) const {
  const Operand& target = targets_[j];
  if (!ways_[j].dense) return Unpack(space_->shape, target, begin, n, from);
  char* to = target.base + begin * target.bytes;
  if (ways_[j].stream) {
    StreamCopy(to, from, n * target.bytes);
  } else if (to != from) {
    memmove(to, from, static_cast<size_t>(n * target.bytes));
  }
}

}  // namespace sy::cpu
