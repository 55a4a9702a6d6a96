// Turn rows of numbers into lanes and back; the products that the kernel consists of.
#pragma once

#include "problem.h"

namespace {

#define ONCE __attribute__((noinline))  // otherwise the long transposes are compiled at every call

inline Vec loose(const Real* at) { return *reinterpret_cast<const LooseVec*>(at); }

// Turn rows [rows, count] into lanes [count, ROWS]. Lanes without a row repeat the last one, so they are as finite.
ONCE void to_lanes(const Real* from, Int stride, Int rows, Int count, Real* lanes) {
  Int k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int v = 0; v < NB; v++) {
      Vec square[LANES];
      for (int row = 0; row < LANES; row++) square[row] = loose(from + std::min<Int>(v * LANES + row, rows - 1) * stride + k);
      transpose(square);
      for (int j = 0; j < LANES; j++) *reinterpret_cast<Vec*>(lanes + (k + j) * ROWS + v * LANES) = square[j];
    }
  for (Int row = 0; row < ROWS; row++)
    for (Int j = k; j < count; j++) lanes[j * ROWS + row] = from[std::min(row, rows - 1) * stride + j];
}

// Add rows to lanes; lanes without a row stay as they are.
ONCE void add_to_lanes(const Real* from, Int stride, Int rows, Int count, Real* lanes) {
  Int k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int v = 0; v < NB; v++) {
      Vec square[LANES];
      for (int row = 0; row < LANES; row++)
        square[row] = v * LANES + row < rows ? loose(from + (v * LANES + row) * stride + k) : Vec{};
      transpose(square);
      for (int j = 0; j < LANES; j++) *reinterpret_cast<Vec*>(lanes + (k + j) * ROWS + v * LANES) += square[j];
    }
  for (Int row = 0; row < rows; row++)
    for (Int j = k; j < count; j++) lanes[j * ROWS + row] += from[row * stride + j];
}

ONCE void to_rows(const Real* lanes, Int rows, Int count, Real* to, Int stride) {
  Int k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int v = 0; v < NB; v++) {
      Vec square[LANES];
      for (int j = 0; j < LANES; j++) square[j] = *reinterpret_cast<const Vec*>(lanes + (k + j) * ROWS + v * LANES);
      transpose(square);
      for (int row = 0; row < LANES && v * LANES + row < rows; row++)
        *reinterpret_cast<LooseVec*>(to + (v * LANES + row) * stride + k) = square[row];
    }
  for (Int row = 0; row < rows; row++)
    for (Int j = k; j < count; j++) to[row * stride + j] = lanes[j * ROWS + row];
}

// sums[m, v] += Σ_k weights[k, m] · lanes[k, v], for the first OF of each EACH of the M sums
template <int OF, int EACH, int M>
inline __attribute__((always_inline)) void product(
    const Real* weights, const Vec* lanes, Int count, Vec (&sums)[M][NB], Int stride = M / EACH * OF) {
  if constexpr (OF > 0)
    for (Int k = 0; k < count; k++, weights += stride, lanes += NB) {
#pragma GCC unroll 16
      for (int m = 0; m < M / EACH * OF; m++)
#pragma GCC unroll 4
        for (int v = 0; v < NB; v++) sums[m / OF * EACH + m % OF][v] += weights[m] * lanes[v];
    }
}

// The gradient of M columns of [h, gates, x]; the weights are packed for J columns.
template <int M>
inline void back_through(const Real* packed, const Vec* d, Int count, Vec* dz) {
  Vec acc[M][NB] = {};
  product<M, M>(packed, d, count, acc, J);
  for (int m = 0; m < M; m++)
    for (int v = 0; v < NB; v++) dz[m * NB + v] = acc[m][v];
}

// sums [Np, width] += dₛ · rowsₛ for the steps s, in V · LANES of its columns; dₛ is [Np, ROWS], rowsₛ [ROWS, width].
template <int V>
void outer_products(const Real* const* d, const Real* const* rows, Int steps, Int Np, Real* sums, Int width) {
  for (Int n = 0; n < Np; n += J) {
    Vec acc[J][V] = {};
    for (Int s = 0; s < steps; s++) {
      const Real *from = d[s] + n * ROWS, *row = rows[s];
      for (int b = 0; b < ROWS; b++, row += width) {
        Vec z[V];
        for (int v = 0; v < V; v++) z[v] = *reinterpret_cast<const Vec*>(row + v * LANES);
#pragma GCC unroll 16
        for (int j = 0; j < J; j++)
#pragma GCC unroll 4
          for (int v = 0; v < V; v++) acc[j][v] += from[j * ROWS + b] * z[v];
      }
    }
    for (int j = 0; j < J; j++)
      for (int v = 0; v < V; v++) *reinterpret_cast<Vec*>(sums + (n + j) * width + v * LANES) += acc[j][v];
  }
}

void all_outer_products(const Real* const* d, const Real* const* rows, Int steps, Int width, Int Np, Real* sums) {
  for (Int k = 0; k < width; k += 2 * LANES) {
    const Real* at[CHUNK];
    for (Int s = 0; s < steps; s++) at[s] = rows[s] + k;
    if (k + LANES < width) outer_products<2>(d, at, steps, Np, sums + k, width);
    else outer_products<1>(d, at, steps, Np, sums + k, width);
  }
}

// sums [Np, columns, LANES] += Σ_v dₛ ⊙ lanesₛ for the steps s, the lanes [columns, ROWS] a step.
void inner_products(const Real* const* d, const Real* const* lanes, Int steps, Int columns, Int Np, Real* sums) {
  constexpr int AT_ONCE = 4;
  static_assert(J % AT_ONCE == 0);
  Vec* sum = reinterpret_cast<Vec*>(sums);
  for (Int n = 0; n < Np; n += AT_ONCE)
    for (Int k = 0; k < columns; k++) {
      Vec acc[AT_ONCE] = {};
      for (Int s = 0; s < steps; s++) {
        const Vec *one = reinterpret_cast<const Vec*>(d[s] + n * ROWS), *other = reinterpret_cast<const Vec*>(lanes[s] + k * ROWS);
        for (int v = 0; v < NB; v++)
          for (int j = 0; j < AT_ONCE; j++) acc[j] += one[j * NB + v] * other[v];
      }
      for (int j = 0; j < AT_ONCE; j++) sum[(n + j) * columns + k] += acc[j];
    }
}

}  // namespace
