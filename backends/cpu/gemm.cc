#include "backends/cpu/gemm.h"

#include <algorithm>

namespace sy::cpu {
namespace {

// A tile reads a panel of A and one of B for all of its FMAs, and C once for each block of k: long
// blocks pay, though the panels then come from the second-level cache.
constexpr int64_t kBlockK = 1024;
constexpr int64_t kBlockN = 1024;  // packed B of a block stays in the third level
constexpr int64_t kBlockM = 96;    // packed A in the second; a multiple of every tile's rows
constexpr int64_t kStackBytes = 48 << 10;
constexpr int64_t kFlopsPerTask = 2 << 20;
constexpr int64_t kPanelsTogether = 4;  // of A

int64_t RoundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
// Panels of so many elements that are worth a thread.
int64_t PackGrain(int64_t elements) { return std::max<int64_t>(1, (64 << 10) / elements); }

// body(begin, end) over [0, count), on the host's threads where there is more than `grain`.
template <typename Body>
void Spread(const SyHost* host, int64_t count, int64_t grain, Body body) {
  if (count <= grain) return body(0, count);
  host->parallel_for(
      count, grain,
      [](void* context, int64_t begin, int64_t end) { (*static_cast<Body*>(context))(begin, end); },
      &body);
}

// to = from, a part of a matrix in any layout to one in any other.
template <typename T>
void Move(const GemmTile<T>& t, int64_t rows, int64_t columns, Matrix<const T> from, Matrix<T> to) {
  if (from.row_stride == 1 && from.column_stride != 1)
    return Move(t, columns, rows, from.Transposed(), to.Transposed());
  if (from.column_stride == 1 && to.column_stride == 1)
    return t.copy(from.data, from.row_stride, columns, rows, to.data, to.row_stride);
  if (from.column_stride == 1 && to.row_stride == 1)
    return t.turn(from.data, from.row_stride, rows, columns, to.data, to.column_stride);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      to.data[i * to.row_stride + j * to.column_stride] =
          from.data[i * from.row_stride + j * from.column_stride];
}

// Panels [begin, end) of A: `tile` rows, interleaved so that one k is contiguous. What the last
// panel lacks is not read.
template <typename T>
void PackA(const GemmTile<T>& t, Matrix<const T> a, int64_t tile, int64_t m, int64_t k,
           int64_t begin, int64_t end, T* to) {
  // Of columns that lie far apart a few at a time, so that lines which panels share stay near.
  const int64_t step = a.row_stride == 1 ? 8 : k;
  for (int64_t p = 0; p < k; p += step)
    for (int64_t i = begin; i < end; ++i)
      Move<T>(t, std::min(tile, m - i * tile), std::min(step, k - p), a.From(i * tile, p),
              {to + (i * k + p) * tile, 1, tile});
}

// Panels [begin, end) of `tile` columns of B; missing columns are zero.
template <typename T>
void PackB(const GemmTile<T>& t, Matrix<const T> b, int64_t n, int64_t k, int64_t begin,
           int64_t end, T* to) {
  const int64_t tile = t.columns;
  for (int64_t j = begin; j < end; ++j) {
    T* panel = to + j * k * tile;
    const int64_t used = std::min(tile, n - j * tile);
    if (used < tile) std::fill_n(panel, k * tile, T(0));
    Move<T>(t, k, used, b.From(0, j * tile), {panel, tile, 1});
  }
}

// Memory for packing: the stack for small products, else the host's.
class PackMemory {
 public:
  PackMemory(const SyHost* host, int64_t bytes) : host_(host) {
    data_ = bytes <= kStackBytes ? stack_ : static_cast<char*>(host->host_alloc(bytes, 64));
  }
  ~PackMemory() {
    if (data_ != stack_) host_->host_free(data_);
  }
  PackMemory(const PackMemory&) = delete;
  PackMemory& operator=(const PackMemory&) = delete;
  char* data() const { return data_; }

 private:
  const SyHost* host_;
  char* data_;
  alignas(64) char stack_[kStackBytes];
};

template <typename T>
struct Block {
  const GemmTile<T>* tile;
  int64_t rows;           // of a panel of A
  int64_t m, n, k;        // of this block
  const T* a;             // packed, or A itself
  int64_t a_row, a_step;  // from one row, one k, to the next
  int64_t panel_a;        // from one panel of rows to the next
  bool direct_a;
  const T* b;       // packed, or B itself
  int64_t ldb;      // from one k to the next
  int64_t panel_b;  // from one panel of columns to the next
  const T* tail_b;  // the last panel, packed, where B itself ends before it does; or null
  Matrix<T> c;
  bool accumulate;
  Matrix<const T> bias;  // of this block of C; without data in all but the last block of k
  int64_t row_panels, column_panels, rows_per_task, columns_per_task;

  // Panel i of A by panel j of B, into `to`, which has room for `columns` of each row.
  void Tile(int64_t i, int64_t j, int64_t columns, T* to, int64_t ldc) const {
    const bool tail = tail_b != nullptr && j == column_panels - 1;
    const auto run = columns == tile->columns ? tile->run : tile->run_half;
    run(k, static_cast<int>(std::min(rows, m - i * rows)), a + i * panel_a, a_row, a_step,
        tail ? tail_b : b + j * panel_b, tail ? tile->columns : ldb, to, ldc, accumulate);
  }

  // To results that begin at panel i of A and panel j of B, while they are near.
  void AddBias(int64_t i, int64_t j, int64_t used_rows, int64_t used, T* to, int64_t ldc) const {
    if (bias.data == nullptr) return;
    const Matrix<const T> part = bias.From(i * rows, j * tile->columns);
    tile->add(used_rows, used, to, ldc, part.data, part.row_stride, part.column_stride);
  }

  // Panels [i0, i1) of A by panel j of B.
  void Tiles(int64_t i0, int64_t i1, int64_t j) const {
    const int64_t used = std::min<int64_t>(tile->columns, n - j * tile->columns),
                  columns = used <= tile->columns / 2 ? tile->columns / 2 : tile->columns;
    const Matrix<T> to = c.From(i0 * rows, j * tile->columns);
    const int64_t used_rows = std::min(m, i1 * rows) - i0 * rows;
    if (c.column_stride == 1 && used == columns) {
      for (int64_t i = i0; i < i1; ++i)
        Tile(i, j, columns, to.data + (i - i0) * rows * c.row_stride, c.row_stride);
      AddBias(i0, j, used_rows, used, to.data, c.row_stride);
      return;
    }
    // Edges and strided results go by way of whole tiles.
    alignas(64) T full[kPanelsTogether * kMostTile];
    const Matrix<T> whole = {full, columns, 1};
    if (accumulate) {
      std::fill_n(full, used_rows * columns, T(0));  // what is not used is computed all the same
      Move<T>(*tile, used_rows, used, to.Const(), whole);
    }
    for (int64_t i = i0; i < i1; ++i)
      Tile(i, j, columns, full + (i - i0) * rows * columns, columns);
    AddBias(i0, j, used_rows, used, full, columns);
    Move<T>(*tile, used_rows, used, whole.Const(), to);
  }

  void Task(int64_t t) const {
    const int64_t column_tasks = (column_panels + columns_per_task - 1) / columns_per_task;
    const int64_t i0 = t / column_tasks * rows_per_task, j0 = t % column_tasks * columns_per_task;
    const int64_t i1 = std::min(row_panels, i0 + rows_per_task),
                  j1 = std::min(column_panels, j0 + columns_per_task);
    // Panels of A that stay near while those of B pass by, each of which serves all of them, and
    // whose results are turned together: lines of C are then written whole. One is enough where A
    // is read where it is and all of B is near.
    const int64_t near = direct_a && c.column_stride == 1 ? 1 : kPanelsTogether;
    for (int64_t i = i0; i < i1; i += near)
      for (int64_t j = j0; j < j1; ++j) Tiles(i, std::min(i + near, i1), j);
  }
};

template <typename T>
void RunBlock(const SyHost* host, Block<T>& block) {
  // Tasks of about equal work; their shape follows from the block's alone.
  const double flops = 2.0 * static_cast<double>(block.m) * static_cast<double>(block.n) *
                       static_cast<double>(block.k);
  const auto wanted = static_cast<int64_t>(std::clamp(flops / kFlopsPerTask, 1.0, 16.0));
  block.rows_per_task = block.row_panels;
  block.columns_per_task = block.column_panels;
  int64_t tasks = 1;
  while (tasks < wanted && (block.rows_per_task > 1 || block.columns_per_task > 1)) {
    // Columns first: a panel of B serves all rows of its task.
    const bool split_rows = block.columns_per_task <= 1;
    int64_t& side = split_rows ? block.rows_per_task : block.columns_per_task;
    side = (side + 1) / 2;
    tasks *= 2;
  }
  tasks = ((block.row_panels + block.rows_per_task - 1) / block.rows_per_task) *
          ((block.column_panels + block.columns_per_task - 1) / block.columns_per_task);
  Spread(host, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) block.Task(t);
  });
}

// B is read where it is if its rows are dense, and either there are too few rows of A for packing
// to pay, or B is in the first-level cache anyway.
template <typename T>
bool IsDirect(const GemmTile<T>& tile, int64_t m, int64_t k, Matrix<const T> b) {
  constexpr int64_t kNearBytes = 24 << 10;
  return b.column_stride == 1 &&
         (m <= 4 * tile.rows || k * b.row_stride * static_cast<int64_t>(sizeof(T)) <= kNearBytes);
}

// A is read where it is if each element is wanted by few tiles, and its columns are dense, or its
// rows are and do not all fall into the same lines of the first-level cache.
template <typename T>
bool IsDirectA(const GemmTile<T>& tile, int64_t n, Matrix<const T> a) {
  constexpr int64_t kCacheWay = 4096;  // bytes
  const bool spread = a.row_stride * static_cast<int64_t>(sizeof(T)) % kCacheWay != 0;
  return n <= 4 * tile.columns && (a.row_stride == 1 || (a.column_stride == 1 && spread));
}

template <typename T>
bool Run(const SyHost* host, const GemmTile<T>& tile, int64_t m, int64_t n, int64_t k,
         Matrix<const T> a, Matrix<const T> b, Matrix<T> c, Matrix<const T> bias) {
  // Blocks of k of one size: a short last one would load and store C for little.
  const int64_t blocks_k = std::max<int64_t>(1, (k + kBlockK - 1) / kBlockK),
                block_k = (k + blocks_k - 1) / blocks_k, block_n = std::min(n, kBlockN);
  const bool direct = IsDirect(tile, m, k, b), direct_a = IsDirectA(tile, n, a);
  const int64_t block_m = direct_a ? m : std::min(m, kBlockM);
  const int64_t a_elements = direct_a ? 0 : RoundUp(block_m, tile.rows) * block_k;
  const int64_t b_elements = (direct ? tile.columns : RoundUp(block_n, tile.columns)) * block_k;
  PackMemory memory(host, (a_elements + b_elements) * static_cast<int64_t>(sizeof(T)) + 64);
  if (memory.data() == nullptr) return false;
  T* packed_a = reinterpret_cast<T*>(memory.data());
  T* packed_b = packed_a + a_elements;
  for (int64_t n0 = 0; n0 < n; n0 += block_n) {
    const int64_t nn = std::min(block_n, n - n0),
                  column_panels = (nn + tile.columns - 1) / tile.columns;
    for (int64_t k0 = 0; k0 < k; k0 += block_k) {
      const int64_t kk = std::min(block_k, k - k0);
      const Matrix<const T> part_b = b.From(k0, n0);
      const T* tail = nullptr;
      if (!direct) {
        Spread(host, column_panels, PackGrain(kk * tile.columns), [&](int64_t begin, int64_t end) {
          PackB(tile, part_b, nn, kk, begin, end, packed_b);
        });
      } else if (nn % tile.columns) {
        const int64_t last = column_panels - 1;
        PackB(tile, part_b.From(0, last * tile.columns), nn - last * tile.columns, kk, 0, 1,
              packed_b);
        tail = packed_b;
      }
      for (int64_t m0 = 0; m0 < m; m0 += block_m) {
        const int64_t mm = std::min(block_m, m - m0);
        // Panels of about equal height: one of few rows would read all of B for little.
        const int64_t row_panels = (mm + tile.rows - 1) / tile.rows,
                      rows = (mm + row_panels - 1) / row_panels;
        const Matrix<const T> part_a = a.From(m0, k0);
        if (!direct_a)
          Spread(host, row_panels, PackGrain(kk * rows), [&](int64_t begin, int64_t end) {
            PackA(tile, part_a, rows, mm, kk, begin, end, packed_a);
          });
        Block<T> block = {
            &tile,
            rows,
            mm,
            nn,
            kk,
            direct_a ? part_a.data : packed_a,
            direct_a ? a.row_stride : 1,
            direct_a ? a.column_stride : rows,
            direct_a ? rows * a.row_stride : rows * kk,
            direct_a,
            direct ? part_b.data : packed_b,
            direct ? b.row_stride : tile.columns,
            direct ? tile.columns : kk * tile.columns,
            tail,
            c.From(m0, n0),
            k0 > 0,
            bias.data != nullptr && k0 + kk == k ? bias.From(m0, n0) : Matrix<const T>(),
            row_panels,
            column_panels,
            0,
            0};
        RunBlock(host, block);
      }
    }
  }
  return true;
}

// C and its transpose are the same sums: take the one whose right-hand side costs less to pack, and
// whose result is stored along its rows where both cost the same.
template <typename T>
bool Choose(const SyHost* host, const GemmTile<T>& tile, int64_t m, int64_t n, int64_t k,
            Matrix<const T> a, Matrix<const T> b, Matrix<T> c, Matrix<const T> bias) {
  // In cycles, about: copies move a few elements each, transposes less, a tile takes a cycle or two
  // for each of its rows and each k, and a half one hardly less.
  const auto cost = [&](int64_t rows, int64_t columns, Matrix<const T> left, Matrix<const T> right,
                        Matrix<T> to) {
    const double r = static_cast<double>(rows), cc = static_cast<double>(columns),
                 kk = static_cast<double>(k);
    const double pack_b =
        IsDirect(tile, rows, k, right) ? 0 : cc * kk * (right.column_stride == 1 ? 0.15 : 0.4);
    const double pack_a =
        IsDirectA(tile, columns, left) ? 0 : r * kk * (left.row_stride == 1 ? 0.2 : 0.4);
    const double tiles = static_cast<double>(RoundUp(columns, tile.columns) / tile.columns);
    return pack_a + pack_b +
           (to.column_stride == 1 ? 0
            : to.row_stride == 1  ? 0.4 * r * cc
                                  : r * cc) +
           1.5 * r * kk * tiles;
  };
  const double plain = cost(m, n, a, b, c);
  const double turned = cost(n, m, b.Transposed(), a.Transposed(), c.Transposed());
  if (turned < plain)
    return Run<T>(host, tile, n, m, k, b.Transposed(), a.Transposed(), c.Transposed(),
                  bias.Transposed());
  return Run<T>(host, tile, m, n, k, a, b, c, bias);
}

}  // namespace

bool Gemm(const SyHost* host, Isa isa, int64_t m, int64_t n, int64_t k, Matrix<const float> a,
          Matrix<const float> b, Matrix<float> c, Matrix<const float> bias) {
  return Choose<float>(host, TileF32(isa), m, n, k, a, b, c, bias);
}
bool Gemm(const SyHost* host, Isa isa, int64_t m, int64_t n, int64_t k, Matrix<const double> a,
          Matrix<const double> b, Matrix<double> c, Matrix<const double> bias) {
  return Choose<double>(host, TileF64(isa), m, n, k, a, b, c, bias);
}

}  // namespace sy::cpu
