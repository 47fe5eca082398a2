#include "backends/cpu/correlate.h"

#include <algorithm>

#include "backends/cpu/reduce.h"
#include "backends/cpu/turn.h"

namespace sy::cpu {
namespace {

constexpr int64_t kWeightBytes = 256 << 10;  // packed weights of this size stay in a cache
constexpr int64_t kFewTasks = 16;            // below it, the rows of the result are split too
constexpr int64_t kFlopsPerTask = 2 << 20;

// Consecutive lanes of a vector that are elements of the result, one after another.
struct Piece {
  int lane, count;
  int64_t out;
};

// A vector of windows.
struct Place {
  int64_t start;  // in the band
  int first_piece, pieces;
};

struct Places {
  std::vector<Place> vectors;
  std::vector<Piece> pieces;

  // Covers `rows` rows of `columns` windows by as few vectors as may be: each starts at the first
  // window that the one before has not. The last is moved back to end with the last window, so that
  // nothing behind it is read.
  void Plan(int64_t rows, int64_t columns, int64_t pitch, Pair step, int lanes) {
    const int64_t end = (rows - 1) * pitch + columns;
    for (int64_t at = 0; at < end;) {
      if (at % pitch >= columns) {
        at = (at / pitch + 1) * pitch;
        continue;
      }
      Place place = {std::max<int64_t>(0, std::min(at, end - lanes)),
                     static_cast<int>(pieces.size()), 0};
      AddPieces(place.start, std::min(place.start + lanes, end), columns, pitch, step);
      place.pieces = static_cast<int>(pieces.size()) - place.first_piece;
      vectors.push_back(place);
      at += lanes;
    }
  }

 private:
  void AddPieces(int64_t begin, int64_t end, int64_t columns, int64_t pitch, Pair step) {
    const size_t first = pieces.size();
    for (int64_t at = begin; at < end;) {
      const int64_t row = at / pitch, column = at % pitch;
      if (column < columns) {
        const int64_t count = std::min(columns - column, end - at);
        const Piece piece = {static_cast<int>(at - begin), static_cast<int>(count),
                             row * step.h + column * step.w};
        Piece* before = pieces.size() > first ? &pieces.back() : nullptr;
        if (before != nullptr && step.w == 1 && before->lane + before->count == piece.lane &&
            before->out + before->count == piece.out) {
          before->count += piece.count;
        } else {
          pieces.push_back(piece);
        }
      }
      at = (row + 1) * pitch;
    }
  }
};

template <typename T>
class Run {
 public:
  Run(const SyHost* host, Isa isa, const Correlation<T>& c)
      : host_(host), c_(c), tile_(ConvTileOf<T>(isa)) {}

  Outcome operator()() {
    if (!band_.Plan(c_.source, c_.channels, tile_.lanes)) return Outcome::kTooLarge;
    const auto taps = static_cast<int64_t>(c_.source.taps.size());
    k_ = c_.channels * taps;
    offsets_.resize(static_cast<size_t>(k_));
    for (int64_t i = 0; i < k_; ++i) offsets_[i] = band_.offset(i / taps, i % taps);
    const Pair windows = c_.source.windows;
    full_.Plan(band_.rows(), windows.w, band_.pitch(), c_.out_step, tile_.lanes);
    const int64_t last = band_.rows_of(band_.bands() - 1);
    last_.Plan(last, windows.w, band_.pitch(), c_.out_step, tile_.lanes);
    ChooseTile();

    HostBlock packed(host_, c_.groups * c_.rows * k_ * static_cast<int64_t>(sizeof(T)));
    if (packed.data() == nullptr) return Outcome::kNoMemory;
    packed_ = reinterpret_cast<T*>(packed.data());
    const bool packed_all =
        ForEachChunk(host_, c_.groups * panels_, std::max<int64_t>(1, panel_rows_ * k_), 1,
                     [this](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) Pack(i / panels_, i % panels_);
                       return true;
                     });
    if (!packed_all) return Outcome::kNoMemory;

    const int64_t places = c_.images * c_.groups * band_.bands();
    const double flops =
        2.0 * static_cast<double>(c_.rows * k_) * static_cast<double>(band_.rows() * windows.w);
    const auto worth = static_cast<int64_t>(flops / kFlopsPerTask);
    row_blocks_ = std::clamp<int64_t>((kFewTasks + places - 1) / places, 1,
                                      std::clamp<int64_t>(worth, 1, panels_));
    // A tile of 24 vectors does about as many multiply-adds in a cycle as they have lanes.
    const auto weight =
        static_cast<int64_t>(flops / static_cast<double>(2 * tile_.lanes * row_blocks_));
    const bool ok =
        ForEachChunk(host_, places * row_blocks_, weight + 64, 1,
                     [this](int64_t begin, int64_t end) { return RunTasks(begin, end); });
    return ok ? Outcome::kDone : Outcome::kNoMemory;
  }

 private:
  // Few rows leave registers for more vectors. Panels have about equal rows.
  void ChooseTile() {
    constexpr int kVectors[] = {2, 4, 8};
    const auto count = static_cast<int64_t>(full_.vectors.size());
    int choice = 0;
    while (choice < 2 && c_.rows <= tile_.most_rows[choice + 1] && count >= kVectors[choice + 1]) {
      ++choice;
    }
    vectors_ = kVectors[choice];
    const int64_t most = tile_.most_rows[choice];
    panels_ = (c_.rows + most - 1) / most;
    panel_rows_ = (c_.rows + panels_ - 1) / panels_;
    panels_ = (c_.rows + panel_rows_ - 1) / panel_rows_;
  }

  int64_t RowsOf(int64_t panel) const {
    return std::min(panel_rows_, c_.rows - panel * panel_rows_);
  }
  T* PanelOf(int64_t group, int64_t panel) const {
    return packed_ + (group * c_.rows + panel * panel_rows_) * k_;
  }

  void Pack(int64_t group, int64_t panel) const {
    const int64_t rows = RowsOf(panel);
    const auto taps = static_cast<int64_t>(c_.tap_weights.size());
    const T* from = c_.weight + group * c_.weight_group + panel * panel_rows_ * c_.weight_row;
    T* to = PanelOf(group, panel);
    bool dense = c_.weight_channel == taps;
    for (int64_t t = 0; t < taps; ++t) dense = dense && c_.tap_weights[t] == t;
    if (dense) return Turn(from, c_.weight_row, rows, k_, rows, to);
    for (int64_t channel = 0; channel < c_.channels; ++channel) {
      for (int64_t t = 0; t < taps; ++t) {
        const T* column = from + channel * c_.weight_channel + c_.tap_weights[t];
        for (int64_t r = 0; r < rows; ++r) *to++ = column[r * c_.weight_row];
      }
    }
  }

  // Tasks are numbered by image, group, band and block of rows.
  bool RunTasks(int64_t begin, int64_t end) const {
    const HostBlock memory(host_, band_.bytes());
    if (memory.data() == nullptr) return false;
    const int64_t bands = band_.bands(), plane = c_.source.size.h * c_.source.size.w;
    int64_t filled = -1;
    const T* x = nullptr;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t place = task / row_blocks_, block = task % row_blocks_;
      const int64_t band = place % bands, planes = place / bands;  // image and group
      if (place != filled) {
        x = band_.Fill(c_.source.data + planes * c_.channels * plane, c_.channels, band,
                       reinterpret_cast<T*>(memory.data()));
        filled = place;
      }
      T* out = c_.out + planes * c_.rows * c_.out_plane + band * band_.rows() * c_.out_step.h;
      const Places& places = band == bands - 1 ? last_ : full_;
      RunPanels(x, places, planes % c_.groups, panels_ * block / row_blocks_,
                panels_ * (block + 1) / row_blocks_, out);
    }
    return true;
  }

  void RunPanels(const T* x, const Places& places, int64_t group, int64_t begin, int64_t end,
                 T* out) const {
    const auto vectors = static_cast<int64_t>(places.vectors.size());
    // The inner loop's operand stays near.
    if ((end - begin) * panel_rows_ * k_ * static_cast<int64_t>(sizeof(T)) <= kWeightBytes) {
      for (int64_t v = 0; v < vectors; v += vectors_) {
        for (int64_t p = begin; p < end; ++p) RunOne(x, places, group, p, v, out);
      }
    } else {
      for (int64_t p = begin; p < end; ++p) {
        for (int64_t v = 0; v < vectors; v += vectors_) RunOne(x, places, group, p, v, out);
      }
    }
  }

  void RunOne(const T* x, const Places& places, int64_t group, int64_t panel, int64_t first,
              T* out) const {
    constexpr int kMostElements = 24 * 64 / static_cast<int>(sizeof(T));
    alignas(64) T spill[kMostElements];
    const int lanes = tile_.lanes;
    const int64_t first_row = panel * panel_rows_, rows = RowsOf(panel);
    TileCall<T> call;
    call.rows = static_cast<int>(rows);
    call.vectors = vectors_;
    call.k = k_;
    call.offsets = offsets_.data();
    call.a = PanelOf(group, panel);
    call.bias = c_.bias == nullptr ? nullptr : c_.bias + group * c_.rows + first_row;
    out += first_row * c_.out_plane;
    bool spilled[kMostVectors];
    const auto count = static_cast<int64_t>(places.vectors.size());
    for (int v = 0; v < vectors_; ++v) {
      // Behind the last, the last again.
      const Place& place = places.vectors[std::min(first + v, count - 1)];
      const Piece& piece = places.pieces[place.first_piece];
      call.x[v] = x + place.start;
      spilled[v] = place.pieces > 1 || piece.lane != 0 || c_.out_step.w != 1;
      call.y[v] = spilled[v] ? spill + v * lanes : out + piece.out;
      call.y_strides[v] = spilled[v] ? vectors_ * lanes : c_.out_plane;
      call.stored[v] = spilled[v] ? lanes : piece.count;
    }
    tile_.run(call);
    for (int v = 0; v < vectors_ && first + v < count; ++v) {
      if (!spilled[v]) continue;
      const Place& place = places.vectors[first + v];
      for (int p = place.first_piece; p < place.first_piece + place.pieces; ++p) {
        const Piece& piece = places.pieces[p];
        for (int64_t r = 0; r < rows; ++r) {
          const T* from = spill + (r * vectors_ + v) * lanes + piece.lane;
          T* to = out + r * c_.out_plane + piece.out;
          for (int i = 0; i < piece.count; ++i) to[i * c_.out_step.w] = from[i];
        }
      }
    }
  }

  const SyHost* host_;
  const Correlation<T>& c_;
  const ConvTile<T>& tile_;
  Band<T> band_;
  int64_t k_;
  std::vector<int64_t> offsets_;
  Places full_, last_;
  int vectors_;
  int64_t panels_, panel_rows_, row_blocks_;
  T* packed_;
};

template <typename T>
Outcome RunChecked(const SyHost* host, Isa isa, const Correlation<T>& c) {
  if (c.images * c.groups * c.rows * c.source.windows.h * c.source.windows.w == 0) {
    return Outcome::kDone;
  }
  return Run<T>(host, isa, c)();
}

}  // namespace

Outcome Correlate(const SyHost* host, Isa isa, const Correlation<float>& c) {
  return RunChecked(host, isa, c);
}
Outcome Correlate(const SyHost* host, Isa isa, const Correlation<double>& c) {
  return RunChecked(host, isa, c);
}

SyStatus StatusOf(const SyHost* host, const char* op, Outcome outcome) {
  if (outcome == Outcome::kDone) return SY_OK;
  if (outcome == Outcome::kNoMemory) return OutOfMemory(host);
  return host->fail(SY_UNIMPLEMENTED, "cpu: %s: rows of windows need more memory than a thread has",
                    op);
}

}  // namespace sy::cpu
