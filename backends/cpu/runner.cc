#include "backends/cpu/runner.h"

#include <algorithm>

namespace sy::cpu {

const int kNaturalOrder[SY_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

Scratch::~Scratch() {
  for (int i = 0; i < block_count_; ++i) host_->host_free(blocks_[i]);
}

char* Scratch::Take(int64_t bytes) {
  bytes = (bytes + 63) & ~int64_t{63};
  if (bytes <= kStackBytes - used_) {
    char* memory = stack_ + used_;
    used_ += bytes;
    return memory;
  }
  if (block_count_ == kMaxBlocks) return nullptr;
  void* block = host_->host_alloc(bytes, 64);
  if (block != nullptr) blocks_[block_count_++] = block;
  return static_cast<char*>(block);
}

namespace {

void BindIndex(const Source& source, const SyView& view, const int* order, Operand* operand) {
  int64_t strides[SY_MAX_RANK];
  int64_t stride = 1;
  for (int axis = view.rank - 1; axis >= 0; --axis) {
    const bool linear = source.kind == SourceKind::kLinear;
    strides[axis] = linear ? stride : static_cast<uint32_t>(axis) == source.number;
    stride *= view.shape[axis];
  }
  operand->base = nullptr;
  operand->bytes = 8;
  for (int i = 0; i < view.rank; ++i) operand->strides[i] = strides[order[i]];
}

void BindView(const SyView& view, int rank, const int* order, Operand* operand) {
  operand->base = static_cast<char*>(view.data.p);
  operand->bytes = kTypeBytes[view.type];
  for (int i = 0; i < rank; ++i) {
    const int axis = order[i];
    operand->strides[i] = view.shape[axis] == 1 ? 0 : view.strides[axis];
  }
}

bool IsConstant(const Shape& shape, const Operand& operand) {
  if (operand.base == nullptr) return false;
  for (int i = 0; i < shape.rank; ++i) {
    if (operand.strides[i] != 0) return false;
  }
  return true;
}

}  // namespace

Space::Space(const Program& program, const SyCall& call, const SyView& view, const int* order) {
  const int most = static_cast<int>(program.sources.size()) +
                   std::max(static_cast<int>(program.results.size()), call.out_count);
  operands = few_;
  if (most > kFew) {
    many_ = std::make_unique<Operand[]>(most);
    operands = many_.get();
  }
  shape.rank = view.rank;
  for (int i = 0; i < view.rank; ++i) shape.sizes[i] = view.shape[order[i]];
  operand_count = 0;
  for (const Source& source : program.sources) {
    Operand* operand = &operands[operand_count++];
    if (source.kind == SourceKind::kInput) {
      BindView(call.in[source.number], view.rank, order, operand);
    } else {
      BindIndex(source, view, order, operand);
    }
  }
}

void Space::AddResults(const SyCall& call, const int* order) {
  for (int i = 0; i < call.out_count; ++i) {
    BindView(call.out[i], shape.rank, order, &operands[operand_count++]);
  }
}

int64_t Runner::TileFor(const Program& program) {
  constexpr int64_t kCacheBytes = 32 << 10;
  const int64_t fits = kCacheBytes / std::max<int64_t>(program.element_bytes, 1);
  return std::clamp<int64_t>(fits & ~int64_t{63}, 64, 1024);
}

bool Runner::Start(const Program& program, const SyCall& call, const Space& space, int64_t tile,
                   int64_t rows, Scratch* scratch) {
  program_ = &program;
  space_ = &space;
  const size_t place_count = program.place_bytes.size();
  places_ = few_places_;
  slots_ = few_slots_;
  ways_ = few_ways_;
  if (place_count > kFew) {
    many_ = std::make_unique<char*[]>(2 * place_count);
    many_ways_ = std::make_unique<Way[]>(place_count);
    places_ = many_.get();
    slots_ = places_ + place_count;
    ways_ = many_ways_.get();
  }
  char* memory = scratch->Take(tile * program.element_bytes);
  if (memory == nullptr) return false;
  for (size_t i = 0; i < place_count; ++i) places_[i] = memory + tile * program.place_offsets[i];
  for (size_t i = 0; i < program.sources.size(); ++i) slots_[i] = places_[program.sources[i].place];
  FillConstants(call, tile, rows);
  return true;
}

void Runner::FillConstants(const SyCall& call, int64_t tile, int64_t rows) {
  const int64_t count = space_->shape.Count();
  tile = std::min(tile, count);
  const auto copies = [&](Spread spread) {
    return spread == Spread::kAll ? tile : spread == Spread::kPerRow ? rows : 1;
  };
  for (const Constant& c : program_->constants) {
    Fill(places_[c.place], &call.consts[c.number], kTypeBytes[c.type], copies(c.spread));
  }
  for (size_t i = 0; i < program_->sources.size(); ++i) {
    const Operand& operand = space_->operands[i];
    ways_[i] = operand.dense == count ? Way::kDense : Way::kStretches;
    if (count > 1 && IsConstant(space_->shape, operand)) {
      ways_[i] = Way::kConstant;
      Fill(slots_[i], operand.base, operand.bytes, tile);
    }
  }
  for (const Step& s : program_->steps) {
    if (s.kind == StepKind::kUniform) {
      s.run(places_[s.out], places_[s.a], places_[s.b], places_[s.c], copies(s.spread));
    }
  }
}

void Runner::Load(int64_t begin, int64_t n) {
  const Shape& shape = space_->shape;
  for (size_t i = 0; i < program_->sources.size(); ++i) {
    const Operand& operand = space_->operands[i];
    char** place = &places_[program_->sources[i].place];
    if (ways_[i] == Way::kDense) {
      *place = operand.base + begin * operand.bytes;
    } else if (ways_[i] == Way::kStretches) {
      const int64_t within = operand.dense > 1 ? begin % operand.dense : 0;
      if (within + n <= operand.dense) {
        *place = operand.base + OffsetOf(shape, operand, begin) * operand.bytes;
      } else {
        *place = slots_[i];
        Pack(shape, operand, begin, n, slots_[i]);
      }
    }
  }
}

void Runner::RunSteps(int64_t n) {
  for (const Step& s : program_->steps) {
    if (s.kind != StepKind::kFull) continue;
    s.run(places_[s.out], places_[s.a], places_[s.b], places_[s.c], n);
  }
}

}  // namespace sy::cpu
