// Vectors whose lanes are the sequences of a batch, and the functions of them that a cell needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#if REAL_BITS == 64
using Real = double;
using Whole = int64_t;
#else
using Real = float;
using Whole = int32_t;
#endif

constexpr int LANES = VECTOR_BYTES / sizeof(Real);
typedef Real Vec __attribute__((vector_size(VECTOR_BYTES)));
typedef Whole WholeVec __attribute__((vector_size(VECTOR_BYTES)));
// The same at any address
typedef Real LooseVec __attribute__((vector_size(VECTOR_BYTES), aligned(alignof(Real)), may_alias));

inline Vec all(Real value) { return value - Vec{}; }

// The smaller and the larger of a bound and a value; nan stays nan. On AVX each is one instruction, which GCC does not
// find by itself.
#if defined(__AVX__) && VECTOR_BYTES >= 32
#if REAL_BITS == 64
#define OF_LANES "pd"
#else
#define OF_LANES "ps"
#endif
inline Vec at_most(Vec bound, Vec value) {
  asm("vmin" OF_LANES " %2, %1, %0" : "=v"(bound) : "v"(bound), "v"(value));
  return bound;
}
inline Vec at_least(Vec bound, Vec value) {
  asm("vmax" OF_LANES " %2, %1, %0" : "=v"(bound) : "v"(bound), "v"(value));
  return bound;
}
#else
inline Vec at_most(Vec bound, Vec value) { return bound < value ? bound : value; }
inline Vec at_least(Vec bound, Vec value) { return bound > value ? bound : value; }
#endif

// The coefficients of (e^r − 1 − r) / r²
template <int DEGREE>
struct Series {
  Real of[DEGREE + 1];
  constexpr Series() : of() {
    double factorial = 1;
    for (int k = 0; k <= DEGREE; k++) of[k] = Real(1 / (factorial *= k + 2));
  }
};

// e^y = HALVES · scale · (1 + part), where the part keeps its digits however small y is. y is clamped to [−end, upper].
struct Power {
  Vec scale, part;
};

template <int HALVES>
inline Power power(Vec y, Real end, Real upper) {
#if REAL_BITS == 64
  constexpr int mantissa = 52, degree = 11;
  constexpr Real magic = 6755399441055744.0;  // 1.5 · 2^52: adding it rounds to a whole number, in the low bits
  constexpr Real ln2 = 0x1.62e42fefa38p-1, ln2_rest = 0x1.ef35793c7673p-45;
  constexpr Whole one = 0x3FF0000000000000;
#else
  constexpr int mantissa = 23, degree = 5;
  constexpr Real magic = 12582912.0f;  // 1.5 · 2^23
  constexpr Real ln2 = 0x1.62ep-1f, ln2_rest = 0x1.0bfbe8p-15f;
  constexpr Whole one = 0x3F800000;
#endif
  constexpr Real log2_e = 1.4426950408889634;
  y = at_least(all(-end), at_most(all(upper), y));
  Vec whole = y * log2_e + magic;
  const Vec scale = (Vec)(((WholeVec)whole << mantissa) + (one - (HALVES == 2 ? Whole(1) << mantissa : 0)));
  whole -= magic;
  const Vec r = (y - whole * ln2) - whole * ln2_rest;  // |r| ≤ ln 2 / 2
  // Taylor's series of e^r − 1, whose first term keeps its digits; the first one left out is below half a unit in the
  // last place. Horner's rule has the fewest operations, and operations of other gates fill its waiting times
  constexpr Series<degree> series;
  Vec rest = all(series.of[degree]);
#pragma GCC unroll 16
  for (int k = degree - 1; k >= 0; k--) rest = rest * r + series.of[k];
  return {scale, r + r * r * rest};
}

// e^EXP_UPPER is infinite, so a gate that is shut is 0; half of it is finite
#if REAL_BITS == 64
constexpr Real EXP_END = 708, EXP_UPPER = 709.9, TANH_END = 44;
#else
constexpr Real EXP_END = 87, EXP_UPPER = 89, TANH_END = 24;
#endif

inline Vec sigmoid(Vec x) {
  const Power e = power<2>(-x, EXP_END, EXP_UPPER);
  const Vec half = e.scale + e.scale * e.part;
  return 1 / ((half + half) + 1);
}

// By e^2x − 1, which keeps the digits of a small x
inline Vec tanh(Vec x) {
  const Power e = power<1>(2 * x, TANH_END, TANH_END);
  const Vec less_one = e.scale * e.part + (e.scale - 1);
  return less_one / (less_one + 2);
}

// The same with the derivative, 4e^2x / (e^2x + 1)², which keeps its digits where 1 − tanh² loses them, down to the
// smallest numbers
inline Vec tanh(Vec x, Vec& slope) {
  const Power e = power<1>(2 * x, EXP_END, EXP_END);
  const Vec less_one = e.scale * e.part + (e.scale - 1), inverse = 1 / (less_one + 2);
  slope = 4 * (e.scale + e.scale * e.part) * inverse * inverse;
  slope = (2 * x > EXP_END) | (2 * x < -EXP_END) ? Vec{} : slope;
  return less_one * inverse;
}

inline Vec relu(Vec x) { return x > 0 ? x : (x <= 0 ? Vec{} : x); }  // nan stays nan

// Exchange lane l of a with lane l − STEP of b, for all l that have the bit STEP
template <int STEP, size_t... l>
inline void exchange(Vec& a, Vec& b, std::index_sequence<l...>) {
#ifdef __clang__
  const Vec first = __builtin_shufflevector(a, b, (l & STEP ? LANES + l - STEP : l)...);
  b = __builtin_shufflevector(a, b, (l & STEP ? LANES + l : l + STEP)...);
#else
  const Vec first = __builtin_shuffle(a, b, WholeVec{Whole(l & STEP ? LANES + l - STEP : l)...});
  b = __builtin_shuffle(a, b, WholeVec{Whole(l & STEP ? LANES + l : l + STEP)...});
#endif
  a = first;
}

// Turn LANES vectors into their transpose
template <int STEP = LANES / 2>
inline void transpose(Vec (&square)[LANES]) {
#pragma GCC unroll 16
  for (int k = 0; k < LANES; k++)
    if (!(k & STEP)) exchange<STEP>(square[k], square[k + STEP], std::make_index_sequence<LANES>());
  if constexpr (STEP > 1) transpose<STEP / 2>(square);
}
