// The products of on-line learning: each weight is a vector, and is used once a step.
#pragma once

#include "online_problem.h"

namespace {

constexpr int ROWS_AT_ONCE = 8;

// to[row] = Σ_k weights[row, k] · m[k]
template <int TILE>
void dots(const Vec* weights, Int stride, const Vec* m, Int count, Vec* to) {
  Vec sums[TILE] = {};
  for (Int k = 0; k < count; k++) {
    const Vec z = m[k];
#pragma GCC unroll 8
    for (int j = 0; j < TILE; j++) sums[j] += weights[j * stride + k] * z;
  }
  for (int j = 0; j < TILE; j++) to[j] = sums[j];
}

template <int TILE = ROWS_AT_ONCE>
void all_dots(const Vec* weights, Int rows, Int stride, const Vec* m, Int count, Vec* to) {
  for (; rows >= TILE; rows -= TILE, weights += TILE * stride, to += TILE) dots<TILE>(weights, stride, m, count, to);
  if constexpr (TILE > 1) {
    if (rows > 0) all_dots<TILE / 2>(weights, rows, stride, m, count, to);
  }
}

// to[k] += Σ_row weights[row, k] · d[row]
template <int TILE = ROWS_AT_ONCE>
void add_transposed(const Vec* weights, Int rows, Int stride, const Vec* d, Int count, Vec* to) {
  for (; count >= TILE; count -= TILE, weights += TILE, to += TILE) {
    Vec sums[TILE];
    for (int j = 0; j < TILE; j++) sums[j] = to[j];
    for (Int row = 0; row < rows; row++) {
      const Vec error = d[row];
#pragma GCC unroll 8
      for (int j = 0; j < TILE; j++) sums[j] += weights[row * stride + j] * error;
    }
    for (int j = 0; j < TILE; j++) to[j] = sums[j];
  }
  if constexpr (TILE > 1) {
    if (count > 0) add_transposed<TILE / 2>(weights, rows, stride, d, count, to);
  }
}

// to[row, k] += d[s, row] · m[s][k], for the steps s in turn: one sum in one order, however many steps come together
template <int TILE, int TOGETHER>
void outer_product(Vec* to, Int stride, const Vec* const* m, Int from, Int count, const Vec* d, Int d_stride) {
  Vec error[TOGETHER][TILE];
#pragma GCC unroll 4
  for (int s = 0; s < TOGETHER; s++)
#pragma GCC unroll 2
    for (int j = 0; j < TILE; j++) error[s][j] = d[s * d_stride + j];
  const Vec* z[TOGETHER];
#pragma GCC unroll 4
  for (int s = 0; s < TOGETHER; s++) z[s] = m[s] + from;
  for (Int k = 0; k < count; k++) {
    Vec sums[TILE];
#pragma GCC unroll 2
    for (int j = 0; j < TILE; j++) sums[j] = to[j * stride + k];
#pragma GCC unroll 4
    for (int s = 0; s < TOGETHER; s++)
#pragma GCC unroll 2
      for (int j = 0; j < TILE; j++) sums[j] += error[s][j] * z[s][k];
#pragma GCC unroll 2
    for (int j = 0; j < TILE; j++) to[j * stride + k] = sums[j];
  }
}

template <int TOGETHER>
void outer_products(
    Vec* to, Int rows, Int stride, const Vec* const* m, Int from, Int count, const Vec* d, Int d_stride) {
  for (; rows >= 2; rows -= 2, to += 2 * stride, d += 2)
    outer_product<2, TOGETHER>(to, stride, m, from, count, d, d_stride);
  if (rows) outer_product<1, TOGETHER>(to, stride, m, from, count, d, d_stride);
}

// The steps whose outer products are added together, so that a sum is loaded and stored less often.
class Pending {
 public:
  explicit Pending(Int rows) : rows_(rows), errors_(CHUNK * rows * LANES) {}
  Int count() const { return count_; }
  bool full() const { return count_ == CHUNK; }
  Vec* next(const Vec* m, const int32_t* symbols) {
    m_[count_] = m, symbols_[count_] = symbols;
    return errors_.vectors() + rows_ * count_++;
  }
  // Add those of some rows, and leave them pending.
  void add(const Shape& n, Int first, Int rows, Int from, Int to, Vec* sums) const {
    const Vec* d = errors_.vectors() + first;
    const Int stride = to - from, count = std::min(to, n.width) - from;
    if (full()) outer_products<CHUNK>(sums, rows, stride, m_, from, count, d, rows_);
    else
      for (Int s = 0; s < count_; s++) outer_products<1>(sums, rows, stride, m_ + s, from, count, d + s * rows_, rows_);
    if (!n.symbols || to <= n.x) return;
    for (Int s = 0; s < count_; s++)
      for (Int row = 0; row < rows; row++)
        for (int lane = 0; lane < LANES; lane++) {
          Vec* column = sums + row * stride + n.x - from + symbols_[s][lane];
          reinterpret_cast<Real*>(column)[lane] += d[s * rows_ + row][lane];
        }
  }
  void clear() { count_ = 0; }

 private:
  const Int rows_;
  Scratch errors_;
  Int count_ = 0;
  const Vec* m_[CHUNK];
  const int32_t* symbols_[CHUNK];
};

}  // namespace
