// Exp and Exp2 of one instruction-set unit over their range, against float64.
//
//   c++ -DLL_UNIT='"avx2.cpp"' -I kernels/cpu ... exp_range.cpp
//
// The unit is compiled into this program, because the functions are local to it. Prints the largest
// error of each, and each failure; the exit status is 0 only if there was none.
#include LL_UNIT

#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>

namespace longlens {
namespace {

// Measured: 1.25, without fused multiply-adds too.
constexpr double kMaxUlps = 1.5;
// Every so many-th number of the range; a prime, so that mantissas of all kinds occur.
constexpr uint32_t kStride = 61;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

int failures = 0;

void Fail(const char* name, float x, float got, double wanted) {
  ++failures;
  printf("FAILED %s(%.9g): %.9g instead of %.9g\n", name, x, got, wanted);
}

float FromBits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

uint32_t Bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// |got - wanted| in units of the last place of `wanted`.
double Ulps(float got, double wanted) {
  int exponent;
  std::frexp(wanted, &exponent);
  return std::abs(got - wanted) / std::ldexp(1.0, exponent - 24);
}

struct Function {
  const char* name;
  F (*vector)(F);
  double (*exact)(double);
  double worst = 0;
  float worst_at = 0;

  // Of x in one lane; the others hold NaN, which must not spread.
  float At(float x, int lane) const {
    float lanes[kWidth];
    for (float& other : lanes) other = kNan;
    lanes[lane] = x;
    Store(lanes, vector(Load(lanes)));
    return lanes[lane];
  }

  void Equals(float x, float wanted) const {
    for (int lane = 0; lane < kWidth; ++lane) {
      const float got = At(x, lane);
      const bool same = std::isnan(wanted) ? std::isnan(got) : Bits(got) == Bits(wanted);
      if (!same) Fail(name, x, got, wanted);
    }
  }

  void IsClose(float x, float got) {
    const double wanted = exact(x), error = Ulps(got, wanted);
    if (!(error <= kMaxUlps)) Fail(name, x, got, wanted);
    if (error <= worst) return;
    worst = error;
    worst_at = x;
  }

  // All numbers from x on towards zero, kStride apart, kWidth at once.
  void Sweep(float x) {
    const uint32_t sign = Bits(x) & 0x80000000u;
    for (int64_t magnitude = Bits(x) & 0x7FFFFFFFu; magnitude > 0;) {
      float lanes[kWidth], results[kWidth];
      for (float& lane : lanes) {
        lane = FromBits(sign | static_cast<uint32_t>(magnitude > 0 ? magnitude : 0));
        magnitude -= kStride;
      }
      Store(results, vector(Load(lanes)));
      for (int lane = 0; lane < kWidth; ++lane) IsClose(lanes[lane], results[lane]);
    }
  }

  // The numbers about the places where the range of the polynomial begins anew.
  void Seams(int first, int last, double unit) {
    for (int n = first; n <= last; ++n) {
      float x = static_cast<float>((n + 0.5) * unit);
      for (int i = 0; i < 8; ++i) x = std::nextafter(x, -INFINITY);
      for (int i = 0; i < 16; ++i, x = std::nextafter(x, INFINITY)) IsClose(x, At(x, i % kWidth));
    }
  }
};

F VectorExp(F x) { return Exp(x); }
F VectorExp2(F x) { return Exp2(x); }

void CheckExp2() {
  Function exp2{"Exp2", VectorExp2, std::exp2};
  exp2.Sweep(-125.9f);
  exp2.Seams(-125, -2, 1);
  for (int n = 0; n < 126; ++n) exp2.Equals(-n, std::ldexp(1.0f, -n));
  for (const float x : {0.0f, -0.0f, -FLT_TRUE_MIN, -FLT_MIN}) exp2.Equals(x, 1);
  for (const float x : {std::nextafter(-125.9f, -INFINITY), -126.0f, -127.0f, -150.0f, -4194304.0f,
                        -12582912.0f, -25165824.0f, -1e30f, -FLT_MAX, -INFINITY}) {
    exp2.Equals(x, 0);
  }
  exp2.Equals(kNan, kNan);
  printf("Exp2: at most %.3f ulp, at %.9g\n", exp2.worst, exp2.worst_at);
}

void CheckExp() {
  const float least = -87.3f, largest = 88.72283f;
  Function exp{"Exp", VectorExp, std::exp};
  exp.Sweep(least);
  exp.Sweep(largest);
  exp.Seams(-125, 126, std::log(2.0));
  for (const float x : {0.0f, -0.0f, FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MIN}) exp.Equals(x, 1);
  for (const float x : {std::nextafter(least, -INFINITY), -88.0f, -104.0f, -1e4f, -1e30f, -FLT_MAX,
                        -INFINITY}) {
    exp.Equals(x, 0);
  }
  for (const float x : {std::nextafter(largest, INFINITY), 88.8f, 89.0f, 100.0f, 1e4f, 1e30f,
                        FLT_MAX, INFINITY}) {
    exp.Equals(x, INFINITY);
  }
  exp.Equals(kNan, kNan);
  printf("Exp: at most %.3f ulp, at %.9g\n", exp.worst, exp.worst_at);
}

}  // namespace
}  // namespace longlens

int main() {
  longlens::CheckExp2();
  longlens::CheckExp();
  return longlens::failures == 0 ? 0 : 1;
}
