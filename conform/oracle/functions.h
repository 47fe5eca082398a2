// Functions that the C library lacks in long double, or has wrong somewhere. Good to about 2^-58;
// functions_test.cc holds them, and those of the C library that the oracle uses, against MPFR.
#ifndef CONFORM_ORACLE_FUNCTIONS_H_
#define CONFORM_ORACLE_FUNCTIONS_H_

namespace sy::conform {

// The derivative of log(gamma(x)); infinite at 0, NaN at the negative whole numbers.
long double Digamma(long double x);
// The y with erf(y) = x; infinite at 1 and -1, NaN beyond.
long double ErfInv(long double x);
// a to the power b as C99 F.9.4.4 defines it.
long double Power(long double a, long double b);

}  // namespace sy::conform

#endif  // CONFORM_ORACLE_FUNCTIONS_H_
