#include "dispatcher/ops/program.h"

#include <mbedtls/sha256.h>

#include <cassert>
#include <cstring>
#include <map>
#include <mutex>

namespace sy {

int S::type() const { return is_literal ? 0 : builder->TypeOf(id); }

uint32_t ProgramBuilder::Push(const SyInstruction& instruction) {
  for (uint32_t i = 0; i < code_.size(); ++i)
    if (std::memcmp(&code_[i], &instruction, sizeof instruction) == 0) return i;
  code_.push_back(instruction);
  return static_cast<uint32_t>(code_.size() - 1);
}

namespace {
SyInstruction Instruction(int opcode, int type, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0,
                          uint64_t imm = 0) {
  return {static_cast<uint16_t>(opcode), static_cast<uint16_t>(type), a, b, c, imm};
}
}  // namespace

S ProgramBuilder::Input(int index, int type) {
  return S(Push(Instruction(SY_OP_INPUT, type, 0, 0, 0, static_cast<uint64_t>(index))), this);
}

S ProgramBuilder::ConstFrom(const ConstSource& source) {
  for (size_t i = 0; i < consts_.size(); ++i) {
    const ConstSource& c = consts_[i];
    if (c.kind == source.kind && c.type == source.type && c.index == source.index &&
        c.bits == source.bits &&
        (c.attr == source.attr || (c.attr && source.attr && !std::strcmp(c.attr, source.attr))))
      return S(Push(Instruction(SY_OP_CONST, source.type, 0, 0, 0, i)), this);
  }
  consts_.push_back(source);
  return S(Push(Instruction(SY_OP_CONST, source.type, 0, 0, 0, consts_.size() - 1)), this);
}

S ProgramBuilder::Const(int type, double value) { return ConstBits(type, BitsOf(type, value)); }

S ProgramBuilder::ConstBits(int type, uint64_t bits) {
  ConstSource source;
  source.type = type;
  source.bits = bits;
  return ConstFrom(source);
}

S ProgramBuilder::Index(int axis) {
  return S(Push(Instruction(SY_OP_INDEX, SY_T_I64, 0, 0, 0, static_cast<uint64_t>(axis))), this);
}
S ProgramBuilder::Linear() { return S(Push(Instruction(SY_OP_LINEAR, SY_T_I64)), this); }

S ProgramBuilder::AsValue(S a, int type) { return a.is_literal ? Const(type, a.literal) : a; }

S ProgramBuilder::Emit(int opcode, int type, S a) {
  return S(Push(Instruction(opcode, type, a.id)), this);
}
S ProgramBuilder::Emit(int opcode, int type, S a, S b) {
  return S(Push(Instruction(opcode, type, a.id, b.id)), this);
}
S ProgramBuilder::Emit(int opcode, int type, S a, S b, S c) {
  return S(Push(Instruction(opcode, type, a.id, b.id, c.id)), this);
}

S ProgramBuilder::Cast(S a, int type) {
  a = AsValue(a, type);
  return a.type() == type ? a : Emit(SY_OP_CAST, type, a);
}

namespace {

struct Interned {
  std::mutex mutex;
  std::map<std::string, const Program*> programs;
};
Interned& Table() {
  static Interned* table = new Interned;
  return *table;
}

void Append(std::string* bytes, const void* data, size_t n) {
  bytes->append(static_cast<const char*>(data), n);
}

}  // namespace

int64_t ProgramCount() {
  std::lock_guard<std::mutex> lock(Table().mutex);
  return static_cast<int64_t>(Table().programs.size());
}

const Program* ProgramBuilder::Finish(const std::vector<S>& outputs, int input_count,
                                      std::string label) {
  // Drop what no output needs: formulas may have computed more than they return.
  std::vector<bool> used(code_.size());
  for (const S& s : outputs) used[s.id] = true;
  for (size_t i = code_.size(); i-- > 0;) {
    if (!used[i]) continue;
    const SyInstruction& in = code_[i];
    const int operands = sy_operand_count(in.opcode);
    if (operands > 0) used[in.a] = true;
    if (operands > 1) used[in.b] = true;
    if (operands > 2) used[in.c] = true;
  }
  auto program = std::make_unique<Program>();
  std::vector<uint32_t> renamed(code_.size(), 0);
  std::vector<int> const_renamed(consts_.size(), -1);
  for (size_t i = 0; i < code_.size(); ++i) {
    if (!used[i]) continue;
    SyInstruction in = code_[i];
    const int operands = sy_operand_count(in.opcode);
    if (operands > 0) in.a = renamed[in.a];
    if (operands > 1) in.b = renamed[in.b];
    if (operands > 2) in.c = renamed[in.c];
    if (in.opcode == SY_OP_CONST) {
      int& slot = const_renamed[in.imm];
      if (slot < 0) {
        slot = static_cast<int>(program->const_sources.size());
        program->const_sources.push_back(consts_[in.imm]);
      }
      in.imm = static_cast<uint64_t>(slot);
    }
    if (in.opcode == SY_OP_INDEX) program->uses_index = true;
    program->opcodes[in.opcode / 64] |= uint64_t{1} << (in.opcode % 64);
    program->types |= SY_T_BIT(in.type);
    renamed[i] = static_cast<uint32_t>(program->code.size());
    program->code.push_back(in);
  }
  for (const S& s : outputs) program->results.push_back(renamed[s.id]);

  std::string bytes;
  const uint32_t head[5] = {1, static_cast<uint32_t>(input_count),
                            static_cast<uint32_t>(outputs.size()),
                            static_cast<uint32_t>(program->const_sources.size()),
                            static_cast<uint32_t>(program->code.size())};
  Append(&bytes, head, sizeof head);
  Append(&bytes, program->results.data(), program->results.size() * sizeof(uint32_t));
  Append(&bytes, program->code.data(), program->code.size() * sizeof(SyInstruction));
  std::string key =
      bytes;  // the sources distinguish objects, not code: they are the host's own business
  for (const ConstSource& c : program->const_sources) {
    Append(&key, &c.kind, sizeof c.kind);
    Append(&key, &c.index, sizeof c.index);
    Append(&key, &c.bits, sizeof c.bits);
    if (c.attr) key += c.attr;
    key += '\0';
  }
  std::lock_guard<std::mutex> lock(Table().mutex);
  auto [it, inserted] = Table().programs.try_emplace(key, nullptr);
  if (!inserted) return it->second;
  mbedtls_sha256_ret(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     program->hash, 0);
  program->label = std::move(label);
  program->size = sizeof(SyProgram);
  program->version = 1;
  program->instr = program->code.data();
  program->outputs = program->results.data();
  program->name = program->label.c_str();
  program->instr_count = static_cast<int32_t>(program->code.size());
  program->input_count = input_count;
  program->output_count = static_cast<int32_t>(outputs.size());
  program->const_count = static_cast<int32_t>(program->const_sources.size());
  it->second = program.release();
  return it->second;
}

std::atomic<uint64_t>* Program::WordFor(const void* kernel, int device) const {
  ProgramWord* head = words.load(std::memory_order_acquire);
  ProgramWord* fresh = nullptr;
  for (;;) {
    for (ProgramWord* w = head; w; w = w->next)
      if (w->kernel == kernel && w->device == device) {
        delete fresh;
        return &w->word;
      }
    if (!fresh) fresh = new ProgramWord{kernel, device};
    fresh->next = head;
    if (words.compare_exchange_weak(head, fresh, std::memory_order_acq_rel)) return &fresh->word;
  }
}

// ---- vocabulary

namespace {

ProgramBuilder* BuilderOf(S a, S b) {
  ProgramBuilder* builder = a.is_literal ? b.builder : a.builder;
  assert(builder && "a formula of literals only has no type");
  return builder;
}

S Unary(int opcode, S a) { return a.builder->Emit(opcode, a.type(), a); }

S Binary(int opcode, S a, S b, int result = 0) {
  ProgramBuilder* builder = BuilderOf(a, b);
  const int type = a.is_literal ? b.type() : a.type();
  a = builder->AsValue(a, type);
  b = builder->AsValue(b, type);
  assert(a.type() == b.type() && "operands of a formula have one type");
  return builder->Emit(opcode, result ? result : type, a, b);
}

}  // namespace

S operator+(S a, S b) { return Binary(SY_OP_ADD, a, b); }
S operator-(S a, S b) { return Binary(SY_OP_SUB, a, b); }
S operator*(S a, S b) { return Binary(SY_OP_MUL, a, b); }
S operator/(S a, S b) { return Binary(SY_OP_DIV, a, b); }
S operator-(S a) { return a.is_literal ? S(-a.literal) : Unary(SY_OP_NEG, a); }
S operator<(S a, S b) { return Binary(SY_OP_LT, a, b, SY_T_BOOL); }
S operator<=(S a, S b) { return Binary(SY_OP_LE, a, b, SY_T_BOOL); }
S operator>(S a, S b) { return b < a; }
S operator>=(S a, S b) { return b <= a; }
S Eq(S a, S b) { return Binary(SY_OP_EQ, a, b, SY_T_BOOL); }
S Ne(S a, S b) { return Binary(SY_OP_NE, a, b, SY_T_BOOL); }
S And(S a, S b) { return Binary(SY_OP_AND, a, b); }
S Or(S a, S b) { return Binary(SY_OP_OR, a, b); }
S Xor(S a, S b) { return Binary(SY_OP_XOR, a, b); }
S Not(S a) { return Unary(SY_OP_NOT, a); }
S Shl(S a, S b) { return Binary(SY_OP_SHL, a, b); }
S Shr(S a, S b) { return Binary(SY_OP_SHR, a, b); }
S MulHi(S a, S b) { return Binary(SY_OP_MULHI, a, b); }
S Min(S a, S b) { return Binary(SY_OP_MIN, a, b); }
S Max(S a, S b) { return Binary(SY_OP_MAX, a, b); }
S Rem(S a, S b) { return Binary(SY_OP_REM, a, b); }
S Pow(S a, S b) { return Binary(SY_OP_POW, a, b); }
S Atan2(S a, S b) { return Binary(SY_OP_ATAN2, a, b); }

S Select(S condition, S a, S b) {
  ProgramBuilder* builder = condition.builder;
  const int type = a.is_literal ? b.type() : a.type();
  assert(type && "select needs one operand with a type");
  a = builder->AsValue(a, type);
  b = builder->AsValue(b, type);
  assert(a.type() == b.type());
  return builder->Emit(SY_OP_SELECT, type, condition, a, b);
}
S Fma(S a, S b, S c) {
  ProgramBuilder* builder = BuilderOf(a, b);
  const int type = a.is_literal ? b.type() : a.type();
  return builder->Emit(SY_OP_FMA, type, builder->AsValue(a, type), builder->AsValue(b, type),
                       builder->AsValue(c, type));
}
S Abs(S a) { return Unary(SY_OP_ABS, a); }
S Floor(S a) { return Unary(SY_OP_FLOOR, a); }
S Ceil(S a) { return Unary(SY_OP_CEIL, a); }
S Trunc(S a) { return Unary(SY_OP_TRUNC, a); }
S Rint(S a) { return Unary(SY_OP_RINT, a); }
S Sqrt(S a) { return Unary(SY_OP_SQRT, a); }
S Rsqrt(S a) { return Unary(SY_OP_RSQRT, a); }
S Exp(S a) { return Unary(SY_OP_EXP, a); }
S Exp2(S a) { return Unary(SY_OP_EXP2, a); }
S Expm1(S a) { return Unary(SY_OP_EXPM1, a); }
S Log(S a) { return Unary(SY_OP_LOG, a); }
S Log2(S a) { return Unary(SY_OP_LOG2, a); }
S Log1p(S a) { return Unary(SY_OP_LOG1P, a); }
S Sin(S a) { return Unary(SY_OP_SIN, a); }
S Cos(S a) { return Unary(SY_OP_COS, a); }
S Asin(S a) { return Unary(SY_OP_ASIN, a); }
S Acos(S a) { return Unary(SY_OP_ACOS, a); }
S Atan(S a) { return Unary(SY_OP_ATAN, a); }
S Tanh(S a) { return Unary(SY_OP_TANH, a); }
S Erf(S a) { return Unary(SY_OP_ERF, a); }
S Erfc(S a) { return Unary(SY_OP_ERFC, a); }
S Erfinv(S a) { return Unary(SY_OP_ERFINV, a); }
S Lgamma(S a) { return Unary(SY_OP_LGAMMA, a); }
S Digamma(S a) { return Unary(SY_OP_DIGAMMA, a); }
S RowSum(S a) { return Unary(SY_OP_ROW_SUM, a); }
S RowMax(S a) { return Unary(SY_OP_ROW_MAX, a); }
S RowMin(S a) { return Unary(SY_OP_ROW_MIN, a); }
S CastTo(S a, int type) { return a.builder->Cast(a, type); }
S BitcastTo(S a, int type) {
  return a.type() == type ? a : a.builder->Emit(SY_OP_BITCAST, type, a);
}

S Formula::attr(const char* name) const {
  ConstSource source;
  source.kind = ConstSource::kFloatAttr;
  source.type = type_;
  source.attr = name;
  return builder_->ConstFrom(source);
}
S Formula::one_minus_attr(const char* name) const {
  ConstSource source;
  source.kind = ConstSource::kOneMinusAttr;
  source.type = type_;
  source.attr = name;
  return builder_->ConstFrom(source);
}
S Formula::attr(const char* name, int type) const {
  ConstSource source;
  source.kind = ConstSource::kIntAttr;
  source.type = type;
  source.attr = name;
  return builder_->ConstFrom(source);
}
S Formula::attr_low(const char* name) const {
  ConstSource source;
  source.kind = ConstSource::kIntAttrLow;
  source.type = SY_T_U32;
  source.attr = name;
  return builder_->ConstFrom(source);
}
S Formula::attr_high(const char* name) const {
  ConstSource source;
  source.kind = ConstSource::kIntAttrHigh;
  source.type = SY_T_U32;
  source.attr = name;
  return builder_->ConstFrom(source);
}

}  // namespace sy
