// The networks of a block of runs: their weights, their state, and a step forward.
#pragma once

#include "online_outputs.h"

namespace {

class Net {
 public:
  const Online& p;
  const Shape& n;
  Run* const runs;
  const Int count;                     // of the runs
  Sequences now;
  Outputs outputs;
  const Int kept_steps;                // so many steps have their inputs at once
  Scratch weights, inertia, gradient;  // [W]
  Scratch memory, hidden;              // [H]
  Scratch error;                       // [N]: the gradients of the pre-activations of a step

  Net(const Online& p, const Shape& n, Int first)
      : p(p), n(n), runs(p.run + first), count(std::min<Int>(LANES, p.runs - first)), now(p, runs, count, n),
        outputs(p, n, runs, count), kept_steps(p.traces ? STEPS : up(now.most(), STEPS)), weights(n.W * LANES),
        inertia(n.W * LANES), gradient(n.W * LANES), memory(n.H * LANES), hidden(n.H * LANES), error(n.N * LANES),
        pre_(n.N * LANES), m_((kept_steps + 1) * n.width * LANES), symbols_(kept_steps * LANES) {}

  Vec* m(Int slot) const { return m_.vectors() + slot * n.width; }  // what a step reads
  const int32_t* symbols(Int slot) const { return symbols_.data() + slot * LANES; }
  Mask valid(Int t) const { return now.length > Whole(t); }
  Int row(Int unit, int gate) const { return p.rows_of[unit * G + gate]; }

  auto peepholes(Int unit) const {
    if constexpr (P > 0) return static_cast<const Vec*>(weights.vectors() + n.peepholes + unit * P);
    else return static_cast<const Real*>(nullptr);
  }

  // Begin the next sequences.
  void reset() {
    std::fill_n(memory.vectors(), n.H, Vec{});
    std::fill_n(hidden.vectors(), n.H, Vec{});
    std::fill_n(gradient.vectors(), n.W, Vec{});
    std::fill_n(m(0), n.one, Vec{});
    outputs.loss = Vec{};
  }

  // Get the inputs of the next steps.
  void begin_steps(Int t, Int slot) {
    for (Int s = 0; s < STEPS; s++) m(slot + s)[n.one] = all(1);
    if (n.symbols) now.symbols(t, symbols_.data() + slot * LANES);
    else now.inputs(t, m(slot));
  }

  // One step forward, which keeps [H, K] for the derivatives. A run whose sequence has ended stays as it is.
  void step(Int t, Int slot, Vec* kept) {
    const Vec* read = m(slot);
    Vec *pre = pre_.vectors(), *next = m(slot + 1);
    for (const Group& group : n.groups) {
      const Int width = std::min(group.to, n.width) - group.from;
      all_dots(weights.vectors() + group.at, group.rows, group.width(), read + group.from, width, pre + group.first);
      if (n.symbols && group.to > n.x) add_symbols(group, symbols(slot));
    }
    Int unit = 0;
    for (; unit + TOGETHER <= n.H; unit += TOGETHER) units<TOGETHER>(unit, valid(t), kept);
    for (; unit < n.H; unit++) units<1>(unit, valid(t), kept);
    if (n.of_h) std::copy_n(hidden.vectors(), n.H, next);
    for (Int k = 0; k < n.Y; k++) {
      const Int of = p.read_of[2 * k], gate = p.read_of[2 * k + 1];
      next[n.of_h + k] = chosen(valid(t), kept[of * K + 1 + gate], read[n.of_h + k]);
    }
  }

 private:
  static constexpr int TOGETHER = 2;  // units
  Scratch pre_;                       // [N]: pre-activations
  Scratch m_;                         // [kept_steps + 1, width]
  std::vector<int32_t> symbols_;      // [kept_steps, LANES]

  // Some units forward: without a branch, so that the waiting times of one are filled by another.
  template <int COUNT>
  void units(Int first, Mask valid, Vec* kept) {
    const Vec* pre = pre_.vectors();
    Vec *memories = memory.vectors() + first, *outs = hidden.vectors() + first;
    Vec a[COUNT][G], c[COUNT], h[COUNT], s[COUNT][K];
#pragma GCC unroll 4
    for (int u = 0; u < COUNT; u++) {
      for (int gate = 0; gate < G; gate++) a[u][gate] = pre[row(first + u, gate)];
      c[u] = memories[u];
    }
#pragma GCC unroll 4
    for (int u = 0; u < COUNT; u++) {
      h[u] = Cell::forward(a[u], c[u], s[u], peepholes(first + u));
      if (S == 0) s[u][0] = h[u];
    }
#pragma GCC unroll 4
    for (int u = 0; u < COUNT; u++) {
      for (int k = 0; k < K; k++) kept[(first + u) * K + k] = s[u][k];
      memories[u] = chosen(valid, c[u], memories[u]);
      outs[u] = chosen(valid, h[u], outs[u]);
    }
  }

  void add_symbols(const Group& group, const int32_t* of_step) {
    const Vec* columns = weights.vectors() + group.at + n.x - group.from;
    for (Int row = 0; row < group.rows; row++) {
      const Real* of_row = reinterpret_cast<const Real*>(columns + row * group.width());
      Vec column;
      for (int lane = 0; lane < LANES; lane++) column[lane] = of_row[Int(of_step[lane]) * LANES + lane];
      pre_.vectors()[group.first + row] += column;
    }
  }
};

}  // namespace
