// Combining many values into one, in whatever order a device chooses: sums, products, extremes, of
// reductions, scans, scatters and matrix products.
#ifndef CONFORM_ORACLE_FOLD_H_
#define CONFORM_ORACLE_FOLD_H_

#include "conform/oracle/value.h"

namespace sy::conform {

// A sum of float terms. A device's error is at most (4 sqrt(n) + 8) u S for n terms whose
// magnitudes add up to S: sequential sums of random terms and blocked or pairwise sums of any keep
// that; with few terms, (n - 1) u S, as any order does. 0 where every partial sum is a number of
// the type, whatever the order.
class Sum {
 public:
  // `type`: the accumulator's. `sequential`: errors may grow with n.
  explicit Sum(int type, bool sequential = false) : type_(type), sequential_(sequential) {}
  void Add(const Value& x);
  // a * b, rounded or not before it is added.
  void AddProduct(const Value& a, const Value& b);
  Value Result(const Arithmetic& arithmetic) const;

 private:
  void Term(Real v, double e, int low);
  int type_;
  bool sequential_;
  bool unknown_ = false, products_ = false;
  bool positive_ = false, negative_ = false;  // finite terms
  int64_t n_ = 0, nonzero_ = 0;
  int low_ = 1 << 20;             // exponent of the lowest bit set in any term
  Real v_ = 0, size_ = 0;         // size: of the finite terms
  Real last_a_ = 0, last_b_ = 1;  // the last term that is not zero, as a product
  double e_ = 0;
};

// A product of float terms; the same in any order.
class Product {
 public:
  explicit Product(int type) : type_(type) {}
  void Multiply(const Value& x);
  Value Result(const Arithmetic& arithmetic) const;

 private:
  int type_;
  bool unknown_ = false;
  int64_t n_ = 0;
  int digits_ = 0;                   // of all significands together
  Real v_ = 1, high_ = 1;            // high: of magnitudes with their bounds
  Real largest_ = 1, smallest_ = 1;  // of what some order makes on the way
  bool inexact_ = false;
};

// Any combiner, SY_COMBINE_*, on any type.
class Fold {
 public:
  Fold(const Arithmetic* arithmetic, int combiner, int type, bool sequential = false);
  void Add(const Value& x, int64_t position);
  Value Result() const;
  Value Position() const;  // ARGMAX, ARGMIN

 private:
  void AddExtreme(const Value& x, int64_t position);
  const Arithmetic* arithmetic_;
  int combiner_, type_;
  Sum sum_;
  Product product_;
  Value best_;
  int64_t position_ = 0, n_ = 0;
  bool position_known_ = true;
};

}  // namespace sy::conform

#endif  // CONFORM_ORACLE_FOLD_H_
