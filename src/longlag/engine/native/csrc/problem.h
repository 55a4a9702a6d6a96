// The arguments of the kernel, and how it lays them out.
//
// The B sequences form blocks of ROWS, which are independent until the gradient of the weights is summed. Each group of
// blocks sums its own gradient, so the sums depend on B alone, not on the number of threads or runs.
#pragma once

#include "updates.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#ifndef CELL
#define CELL Lstm
#endif
using Cell = CELL;

namespace {

using Int = int64_t;

constexpr bool WIDE = VECTOR_BYTES == 64;        // which has 32 registers instead of 16
constexpr int G = Cell::GATES, OF_H = Cell::OF_H, S = Cell::SAVED, P = Cell::PEEPHOLES;
constexpr int Q = 1 + Cell::READ;                // numbers of a unit that the next step reads: h, and these gates
constexpr int NB = 2, ROWS = NB * LANES;         // vectors and sequences of a block
constexpr int U = (WIDE ? 8 : 4) / G > 0 ? (WIDE ? 8 : 4) / G : 1;  // units whose gates are in registers together
constexpr int J = WIDE ? 8 : 4;                  // rows of the other two products that are in registers together
constexpr int CHUNK = 4;                         // steps whose weight gradients are summed before they are added to the rest
constexpr Int GROUPS = 8;                        // at most so many
constexpr Int FEW = 8;                            // up to so many columns of x and bias, their gradient is summed in lanes

constexpr Int up(Int n, Int to) { return (n + to - 1) / to * to; }

}  // namespace

// Arrays are dense, except x and d_out, whose last axis is dense and whose other strides count numbers.
struct Problem {
  Int runs, batch, steps, inputs, hidden, threads;
  Int cut;  // 1: no error goes back through h and gates of the step before; 2: nor through the peepholes, except the last
            // one, which sees the new memory
  const Real *weights, *biases, *peepholes;  // [R, G, H, Q·H + I], [R, G, H], [R, P, H]
  const Real* x;                     // [R, B, T, I]
  Int x_run, x_row, x_step;
  const Real *h0, *c0;               // [R, B, Q·H] and [R, B, H], or null for zeros
  Real* h;                           // [R, T + 1, Bp, Zp], with h0 first
  Real* saved;                       // [R, Bp / ROWS, T, Hu, S, ROWS], or null if there is no way back or S is 0
  Real *h_end, *c_end;               // [R, B, Q·H] and [R, B, H], or null
  const Real* d_out;                 // [R, B, T, H], or null for zeros
  Int d_run, d_row, d_step;
  const Real *d_h_end, *d_c_end;     // like h_end and c_end, or null for zeros
  Real *d_weights, *d_biases, *d_peepholes;  // like weights, biases and peepholes, or all null
  Real *d_x, *d_h0, *d_c0;           // [R, B, T, I], [R, B, Q·H], [R, B, H], or null
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);  // GOMP_parallel of PyTorch's own OpenMP, or null
  Real *flow_h, *flow_c;             // the whole gradients of all states, [R, Bp / ROWS, T, Hu, ROWS], or null
};

namespace {

// Aligned memory, zero at the start.
class Scratch {
 public:
  explicit Scratch(size_t count) {
    const size_t bytes = up(Int(count * sizeof(Real)), 64);
    start_ = static_cast<Real*>(std::aligned_alloc(64, std::max<size_t>(bytes, 64)));
    if (!start_) throw std::bad_alloc();
    std::memset(start_, 0, bytes);
  }
  ~Scratch() { std::free(start_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Real* get() const { return start_; }
  Vec* vectors() const { return reinterpret_cast<Vec*>(start_); }

 private:
  Real* start_;
};

struct Sizes {
  Int R, B, T, I, H, Hu, Z, Zp, Ip, N, Np, blocks, groups, Bp;

  explicit Sizes(const Problem& p)
      : R(p.runs), B(p.batch), T(p.steps), I(p.inputs), H(p.hidden), Hu(up(H, U)), Z(Q == 1 ? H : Q * Hu),
        Zp(up(Z, LANES)), Ip(up(I + 1, LANES)), N(Hu * G), Np(up(N, J)), blocks((B + ROWS - 1) / ROWS),
        groups(std::clamp<Int>(blocks, 1, GROUPS)), Bp(blocks * ROWS) {}
  template <class Work>
  void each_block(Int group, const Work& work) const {
    for (Int block = group * blocks / groups; block < (group + 1) * blocks / groups; block++) work(block);
  }
  Int rows(Int block) const { return std::min<Int>(ROWS, B - block * ROWS); }
  // The place of a unit's gate among the N pre-activations: the gates that read h come first, unit by unit
  Int at(Int unit, int gate) const {
    return gate < OF_H ? unit * OF_H + gate : Hu * OF_H + unit * (G - OF_H) + gate - OF_H;
  }
  Int of_h() const { return Hu * OF_H; }
  // The place of a column of the weights, of Q·H + I, among Z + I: each of the Q parts begins at a multiple of Hu
  Int columns() const { return Q * H + I; }
  Int place(Int column) const {
    if (Q == 1) return column;
    return column < Q * H ? column / H * Hu + column % H : Z + column - Q * H;
  }
};

}  // namespace
