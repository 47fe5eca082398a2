// Scalar functions of f64 for the rare opcodes: they run lane by lane, f32 ones through f64.
#ifndef BACKENDS_CPU_SPECIAL_H_
#define BACKENDS_CPU_SPECIAL_H_

namespace sy::cpu {

double Erfinv(double x);
double Digamma(double x);
double Lgamma(double x);  // unlike the C library's lgamma it writes no global

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_SPECIAL_H_
