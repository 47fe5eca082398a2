#include <gtest/gtest.h>

#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

State& BestState() { return States().front(); }

struct Layout {
  const char* name;
  std::vector<int64_t> shape, in, out;
};

const Layout kLayouts[] = {
    {"dense", {4000}, {1}, {1}},
    {"rank 0", {}, {}, {}},
    {"empty", {3, 0}, {1, 3}, {0, 1}},
    {"transposed", {67, 130}, {1, 67}, {130, 1}},
    {"transposed out", {67, 130}, {130, 1}, {1, 67}},
    {"batch of transposed", {3, 40, 50}, {2000, 1, 40}, {2000, 50, 1}},
    {"inner kept", {30, 20, 7}, {7, 210, 1}, {140, 7, 1}},
    {"both transposed", {40, 50}, {1, 40}, {1, 40}},
    {"expanded", {50, 60}, {0, 1}, {60, 1}},
    {"expanded inside", {50, 60}, {1, 0}, {60, 1}},
    {"reversed", {500}, {-1}, {1}},
    {"reversed rows", {20, 30}, {-30, 1}, {30, -1}},
    {"step 3", {300}, {3}, {2}},
    {"windows", {60, 9}, {1, 1}, {9, 1}},
    {"permuted", {5, 6, 7, 8}, {1, 40, 240, 5}, {336, 56, 8, 1}},
    {"padded", {20, 33}, {40, 1}, {50, 1}},
    {"slim", {1000, 3}, {1, 1000}, {3, 1}},
};

template <typename T>
void CheckLayout(int type, const Layout& l) {
  for (int t : {1, 3}) {
    threads = t;
    Array in(type, l.shape, l.in), out(type, l.shape, l.out);
    for (int64_t i = 0; i < in.count(); ++i) in.set(i, static_cast<T>(i * 7 + 3));
    ASSERT_EQ(Call("copy", &BestState()).In(in).Out(out).Run(), SY_OK);
    for (int64_t i = 0; i < in.count(); ++i) {
      ASSERT_EQ(out.get<T>(i), in.get<T>(i)) << l.name << " width " << sizeof(T) << " at " << i;
    }
    ASSERT_TRUE(out.guards_intact()) << l.name;
  }
  threads = 1;
}

TEST(Copy, EveryLayoutAndWidth) {
  for (const Layout& l : kLayouts) {
    CheckLayout<uint8_t>(SY_T_U8, l);
    CheckLayout<uint16_t>(SY_T_BF16, l);
    CheckLayout<uint32_t>(SY_T_I32, l);
    CheckLayout<uint64_t>(SY_T_I64, l);
  }
}

TEST(Copy, LargeTensors) {
  CheckLayout<uint32_t>(SY_T_I32, {"dense", {(8 << 20) / 4 + 77}, {1}, {1}});
  CheckLayout<uint32_t>(SY_T_I32, {"transposed", {1024, 1024}, {1, 1024}, {1024, 1}});
}

TEST(Copy, LeavesGapsAlone) {
  Array in(SY_T_I32, {16, 16}), out(SY_T_I32, {16, 16}, {20, 1});
  memset(out.origin(), 0x5a, 4 * (15 * 20 + 16));
  ASSERT_EQ(Call("copy", &BestState()).In(in).Out(out).Run(), SY_OK);
  for (int row = 0; row < 15; ++row) {
    for (int i = 4 * (row * 20 + 16); i < 4 * (row * 20 + 20); ++i)
      ASSERT_EQ(out.origin()[i], 0x5a);
  }
}

}  // namespace
}  // namespace sy::cpu::testing
