// Memory of the oracle's device: bytes as any device has them, and beside them what is known better
// than the bytes say.
#ifndef CONFORM_ORACLE_MEMORY_H_
#define CONFORM_ORACLE_MEMORY_H_

#include <cstdint>

#include "api/switchyard/sy_plugin.h"
#include "conform/oracle/value.h"

namespace sy::conform {

// An element that was stored with a bound keeps its Value until its bytes are overwritten; all
// others are exactly what their bytes say. Pages are made when they are touched.
// Threading: as memory; the host orders the calls that touch it.
class Block {
 public:
  static Block* Create(int64_t bytes);  // null: no memory
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  Value Load(int type, int64_t at) const;
  void Store(int type, int64_t at, const Value& x);
  unsigned char* Bytes(int64_t at) { return bytes_ + at; }
  const unsigned char* Bytes(int64_t at) const { return bytes_ + at; }
  // The bytes of a range were, or are about to be, written from outside.
  void Forget(int64_t at, int64_t bytes);
  // Bytes and what is known of them; ranges may overlap.
  void CopyFrom(const Block& from, int64_t from_at, int64_t at, int64_t bytes);

 private:
  struct Shadow {
    Real v;
    double e;
  };
  Block() = default;
  int64_t size_ = 0;
  unsigned char* bytes_ = nullptr;
  unsigned char* marked_ = nullptr;  // by byte: 1 where an element begins whose Value is known
  Shadow* shadows_ = nullptr;        // by two bytes: floats have no less
};

extern const SyMemoryFns kOracleMemory;

}  // namespace sy::conform

#endif  // CONFORM_ORACLE_MEMORY_H_
