// On-line learning: the arguments of the kernel, and how it lays the weights of a run out.
//
// The lanes of a vector are runs: each has its own weights, its own sequences and its own place in them. LANES runs are a
// block. No operation mixes lanes, and what a lane keeps is chosen by masks, so its numbers are those that it gives alone.
#pragma once

#include "threads.h"

#include <vector>

enum Loss : int64_t { LINEAR, LOGISTIC, SOFTMAX };

// A run: its sequences and the state of its descent.
struct Run {
  const Real* x;           // [count, steps, I], if the inputs are not symbols
  const int32_t* symbols;  // [count, steps], if they are
  const int64_t* lengths;  // [count], from 1 to steps
  const uint8_t* counted;  // [count, steps], the steps that have a target, if it is not the last valid step alone
  const Real* targets;     // [count, O], or [count, steps, O] if any step may have a target; null for softmax
  const int64_t* classes;  // [count] or [count, steps], for softmax; else null
  Real *weights, *inertia; // [W], in the order of Shape: the weights, and the sums of past gradients
  Real* nets;              // [count, O] or [count, steps, O]: the net inputs of the output units where there is a target
  Real* losses;            // [count]
  int64_t count, steps;
  double rate, momentum, decay;  // the rate is multiplied by decay^k
  int64_t decays_by_update;      // whether k counts updates instead of sequences
  int64_t sequences, updates;    // how many there have been
  int64_t learned;               // of these sequences, those before the loss was no finite number
};

// Arrays are dense.
struct Online {
  int64_t runs, inputs, hidden, outputs, threads;
  int64_t symbols;  // whether the inputs are symbols
  int64_t loss, every, cut, traces, each_step, shortcut;  // every: any step may have a target; traces: no way back;
                                                          // each_step: an update after each step with a target;
                                                          // shortcut: the outputs read x too
  int64_t weights, groups, read, frozen;    // W, and how many of each there are
  const int64_t* spans;                     // [groups, 3]: rows, and the columns that they read, from and to
  const int64_t* rows_of;                   // [H, G]: the row of each gate of a unit
  const int64_t* read_of;                   // [read, 2]: the unit and the gate of each gate that is read
  const int64_t* fixed;                     // [frozen]: the places of weights that never change
  Run* run;                                 // [runs]
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);  // GOMP_parallel of PyTorch's own OpenMP, or null
};

namespace {

using Mask = WholeVec;  // −1 in the lanes that are meant, 0 in the others

constexpr int K = S > 0 ? S : 1;  // vectors of a unit that a step keeps
constexpr Int STEPS = 16;         // so many steps get their inputs at once

// Whether the error goes through nothing but the memory, so that the derivatives of the memory can be carried forward;
// which gate acts on h beside it; and whether the memory is multiplied by something else than 1.
template <class>
struct Tracing {
  static constexpr bool CAN = false, FORGETS = true;
  static constexpr int OUTPUT = -1;
};
template <>
struct Tracing<Block1997> {
  static constexpr bool CAN = true, FORGETS = false;
  static constexpr int OUTPUT = 1;
};
template <>
struct Tracing<ForgetBlock> {
  static constexpr bool CAN = true, FORGETS = true;
  static constexpr int OUTPUT = 2;
};
template <>
struct Tracing<Cell1997> {
  static constexpr bool CAN = true, FORGETS = false;
  static constexpr int OUTPUT = -1;
};
using Traced = Tracing<Cell>;

// Rows of weights that read the same columns.
struct Group {
  Int first, rows, from, to, at;  // `at`: the place of their first weight
  Int width() const { return to - from; }
};

// A row of weights gives a pre-activation; the cells of a block share the rows of their gates. The columns are those of
// h, if any row reads it, of the gates that are read, of 1, and of x. After the rows come the peepholes [H, P], and the
// weights [O, H] and biases [O] of the readout, and the weights [I, O] of the shortcut, if there is one.
struct Shape {
  Int I, H, O, Y, of_h, one, x, C, width;  // width: the columns that are vectors; symbols are not
  Int N = 0, peepholes, readout, readout_bias, shortcut, W;
  bool symbols, has_shortcut;
  std::vector<Group> groups;
  std::vector<Int> at;  // the place of the first weight of each row

  explicit Shape(const Online& p)
      : I(p.inputs), H(p.hidden), O(p.outputs), Y(p.read), of_h(0), W(p.weights), symbols(p.symbols),
        has_shortcut(p.shortcut) {
    for (Int k = 0; k < p.groups; k++)
      if (p.spans[3 * k + 1] == 0 && OF_H > 0) of_h = H;
    one = of_h + Y, x = one + 1, C = x + I, width = symbols ? x : C;
    Int place = 0;
    for (Int k = 0; k < p.groups; k++) {
      const Int* span = p.spans + 3 * k;
      groups.push_back({N, span[0], span[1], span[2], place});
      for (Int row = 0; row < span[0]; row++, N++, place += groups.back().width()) at.push_back(place);
    }
    peepholes = place, readout = peepholes + H * P, readout_bias = readout + O * H, shortcut = readout_bias + O;
  }
};

}  // namespace
