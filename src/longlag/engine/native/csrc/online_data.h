// The sequences of a block of runs, one of each run at a time.
#pragma once

#include "online_problem.h"

namespace {

// The k-th sequence of each run of a block, side by side. A run that has no more of them, or has diverged, is not `on`.
class Sequences {
 public:
  WholeVec length{};  // 0 where there is none
  Mask on{};
  Int steps = 0;      // of the longest
  Vec share{};        // the weight of a step in the loss of a sequence
  Int index = 0;

  Sequences(const Online& p, Run* runs, Int count, const Shape& n)
      : runs_(runs), count_(count), n_(n), every_(p.every), mean_(p.every && p.loss == SOFTMAX),
        longest_(longest(runs, count)), marks_(longest_ * LANES), some_(longest_),
        padded_(n.symbols ? 0 : LANES * STEPS * n.I), zeros_(n.symbols ? 0 : STEPS * n.I) {}

  Int most() const { return longest_; }
  Mask counted(Int t) const { return marks()[t]; }
  bool some_counted(Int t) const { return some_[t]; }
  bool last_alone() const { return !every_; }

  // Take the k-th sequences; return whether there is one.
  bool take(Int k, const bool* diverged) {
    index = k, steps = 0, length = WholeVec{}, on = Mask{}, share = Vec{};
    for (Int lane = 0; lane < count_; lane++) {
      if (diverged[lane] || k >= runs_[lane].count) continue;
      on[lane] = -1, length[lane] = Whole(runs_[lane].lengths[k]);
      steps = std::max<Int>(steps, runs_[lane].lengths[k]);
    }
    std::memset(marks_.get(), 0, steps * sizeof(Vec));
    std::fill_n(some_.begin(), steps, false);
    for (Int lane = 0; lane < count_; lane++)
      if (on[lane]) mark(lane);
    return steps > 0;
  }

  // Write the inputs of STEPS steps from t on into the vectors of each; after its end, a sequence has zeros.
  void inputs(Int t, Vec* m) {
    const Int size = STEPS * n_.I;
    const Real* from[LANES];
    for (Int lane = 0; lane < LANES; lane++) {
      const Int valid = lane < count_ && on[lane] ? (length[lane] - t) * n_.I : 0;
      const Real* x = valid > 0 ? runs_[lane].x + (index * runs_[lane].steps + t) * n_.I : zeros_.get();
      if (valid > 0 && valid < size) {
        Real* padded = padded_.get() + lane * size;
        std::memcpy(padded, x, valid * sizeof(Real));
        std::fill(padded + valid, padded + size, Real(0));
        x = padded;
      }
      from[lane] = x;
    }
    Int at = 0, column = 0;
    for (Int k = 0; k < size; k += LANES) {
      Vec square[LANES];
      for (int lane = 0; lane < LANES; lane++) square[lane] = *reinterpret_cast<const LooseVec*>(from[lane] + k);
      transpose(square);
      for (int j = 0; j < LANES; j++) {
        m[at + n_.x + column] = square[j];
        if (++column == n_.I) column = 0, at += n_.width;
      }
    }
  }

  void symbols(Int t, int32_t* to) const {
    for (Int s = 0; s < STEPS; s++)
      for (Int lane = 0; lane < LANES; lane++) {
        const bool valid = lane < count_ && t + s < length[lane];
        to[s * LANES + lane] = valid ? runs_[lane].symbols[index * runs_[lane].steps + t + s] : 0;
      }
  }

 private:
  Run* const runs_;
  const Int count_;
  const Shape& n_;
  const bool every_, mean_;
  const Int longest_;
  Scratch marks_;
  std::vector<char> some_;
  Scratch padded_, zeros_;

  Mask* marks() const { return reinterpret_cast<Mask*>(marks_.get()); }

  static Int longest(const Run* runs, Int count) {
    Int steps = 0;
    for (Int lane = 0; lane < count; lane++)
      for (Int k = 0; k < runs[lane].count; k++) steps = std::max<Int>(steps, runs[lane].lengths[k]);
    return steps;
  }

  // Mark the steps of a run that have a target.
  void mark(Int lane) {
    const Run& run = runs_[lane];
    const auto set = [&](Int t) { marks()[t][lane] = -1, some_[t] = true; };
    if (!every_) {
      set(length[lane] - 1);
      share[lane] = 1;
      return;
    }
    Int counted = 0;
    const uint8_t* row = run.counted + index * run.steps;
    for (Int t = 0; t < length[lane]; t++)
      if (row[t]) set(t), counted++;
    share[lane] = mean_ && counted ? Real(1) / Real(counted) : Real(1);
  }
};

}  // namespace
