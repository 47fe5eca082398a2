// Element types: the table behind SyDtype and SY_T_*, promotion, and conversion of single values.
// Promotion follows PyTorch's lattice (bool < integers < floats; the category wins, then the
// width), with u64 beside a signed type refused and f16 beside bf16 giving f32; see docs/ops.md.
#ifndef DISPATCHER_TENSOR_DTYPE_H_
#define DISPATCHER_TENSOR_DTYPE_H_

#include <cstdint>
#include <string>

#include "api/switchyard/sy_plugin.h"

namespace sy {

struct TypeInfo {
  const char* name;  // "f32"
  SyDtype dtype;
  int bytes;
  int category;  // 0 bool, 1 integer, 2 float
  bool is_signed;
  int compute;  // the SY_T_* that arithmetic runs in
};

inline constexpr TypeInfo kTypes[14] = {
    {"none", 0, 0, 0, false, 0},
    {"bool", SY_BOOL, 1, 0, false, SY_T_I32},
    {"i8", SY_I8, 1, 1, true, SY_T_I32},
    {"i16", SY_I16, 2, 1, true, SY_T_I32},
    {"i32", SY_I32, 4, 1, true, SY_T_I32},
    {"i64", SY_I64, 8, 1, true, SY_T_I64},
    {"u8", SY_U8, 1, 1, false, SY_T_I32},
    {"u16", SY_U16, 2, 1, false, SY_T_I32},
    {"u32", SY_U32, 4, 1, false, SY_T_U32},
    {"u64", SY_U64, 8, 1, false, SY_T_U64},
    {"f16", SY_F16, 2, 2, true, SY_T_F32},
    {"bf16", SY_BF16, 2, 2, true, SY_T_F32},
    {"f32", SY_F32, 4, 2, true, SY_T_F32},
    {"f64", SY_F64, 8, 2, true, SY_T_F64},
};

inline constexpr uint64_t kFloatTypes =
    SY_T_BIT(SY_T_F16) | SY_T_BIT(SY_T_BF16) | SY_T_BIT(SY_T_F32) | SY_T_BIT(SY_T_F64);
inline constexpr uint64_t kBoolType = SY_T_BIT(SY_T_BOOL);
inline constexpr uint64_t kIntTypes = SY_T_ALL & ~kFloatTypes & ~kBoolType;
inline constexpr uint64_t kNumberTypes = kIntTypes | kFloatTypes;
inline constexpr uint64_t kIntBoolTypes = kIntTypes | kBoolType;
inline constexpr uint64_t kAllTypes = SY_T_ALL;

// SY_T_* of a dtype, 0 for dtypes that this version does not compute with.
constexpr int TypeOf(SyDtype dtype) {
  for (int t = 1; t < 14; ++t)
    if (kTypes[t].dtype == dtype) return t;
  return 0;
}
constexpr SyDtype DtypeOf(int type) { return kTypes[type].dtype; }
constexpr const char* TypeName(int type) { return kTypes[type].name; }
constexpr int TypeBytes(int type) { return kTypes[type].bytes; }
constexpr bool IsFloat(int type) { return kTypes[type].category == 2; }
constexpr bool IsInt(int type) { return kTypes[type].category == 1; }
// The accumulator's type for sums and products of this type within its own width.
constexpr int ComputeType(int type) { return kTypes[type].compute; }

// "f32"; "dtype 0x..." for one that is not ours.
std::string DtypeName(SyDtype dtype);

// The common type of two, 0 where there is none (u64 with a signed type).
int Promote(int a, int b);

// "f32|f64" of a set, for error texts.
std::string TypeSetNames(uint64_t set);

// The bits of a number in a type, as SyProgram constants hold them: rounded to nearest even,
// integers saturated.
uint64_t BitsOf(int type, double value);
uint64_t BitsOfInt(int type, int64_t value);
// And back, from an element in memory.
double ReadAsDouble(int type, const void* element);
int64_t ReadAsInt(int type, const void* element);

float HalfToFloat(uint16_t bits);
uint16_t FloatToHalf(float value);
float BfloatToFloat(uint16_t bits);
uint16_t FloatToBfloat(float value);

}  // namespace sy

#endif  // DISPATCHER_TENSOR_DTYPE_H_
