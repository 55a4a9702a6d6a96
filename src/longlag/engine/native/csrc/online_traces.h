// The gradient by derivatives of the memory that are carried forward, for cells whose errors go through nothing else.
//
// Hochreiter & Schmidhuber 1997, appendix A.1; with a forget gate, Gers, Schmidhuber & Cummins 2000, section 3. A
// derivative becomes ∂c'/∂c times itself plus ∂c'/∂a times what the pre-activation a reads. The output gate acts on h at
// the step itself.
#pragma once

#include "online_net.h"

namespace {

class Traces {
 public:
  explicit Traces(Net& net)
      : net_(net), n_(net.n), kept_(n_.H * K * LANES), before_(n_.H * LANES), dh_(n_.H * LANES), dc_(n_.H * LANES),
        traces_(n_.H * GATES * n_.C * LANES), last_(n_.H * LANES), keeps_(n_.H * LANES), pending_(n_.H * GATES) {}

  void begin() {
    std::fill_n(traces_.vectors(), n_.H * GATES * n_.C, Vec{});
    std::fill_n(last_.vectors(), n_.H, Vec{});
  }

  // A step forward, the derivatives of the memory after it, and the errors that arise there.
  void step(Int t) {
    const Int slot = t % STEPS;
    if (slot == 0) begin_steps(t);
    std::copy_n(net_.memory.vectors(), n_.H, before_.vectors());
    net_.step(t, slot, kept_.vectors());
    differentiate(t, slot);
    const bool errors = net_.now.some_counted(t), at_once = !net_.now.last_alone() || net_.p.each_step;
    if (Traced::FORGETS || pending_.full() || (errors && at_once)) add_pending();
    if (!errors) return;
    net_.outputs.at(
        t, net_.now, net_.weights.vectors(), net_.hidden.vectors(), net_.m(slot) + n_.x, net_.symbols(slot),
        net_.gradient.vectors(), dh_.vectors());
    const Mask counted = net_.now.counted(t);
    add_direct(counted, slot);
    if (at_once) add_through_memory(dc_.vectors(), counted);
  }

  // A run that has ended keeps its derivatives, so errors of the last steps wait until all runs have ended.
  void finish() {
    if (!net_.now.last_alone() || net_.p.each_step) return pending_.clear();
    add_pending();
    add_through_memory(last_.vectors(), ~Mask{});
  }

 private:
  static constexpr int GATES = G - (Traced::OUTPUT >= 0);  // through which the memory gets errors
  Net& net_;
  const Shape& n_;
  Scratch kept_;       // [H, K]: of this step
  Scratch before_;     // [H]: the memory before it
  Scratch dh_, dc_;    // [H]
  Scratch traces_;     // [H, GATES, C]: the derivatives of the memory
  Scratch last_;       // [H]: the errors of the memory at the last step of each run
  Scratch keeps_;      // [H]: by what the step multiplies the memory
  Pending pending_;

  // The inputs of the next steps, in the place of those before.
  void begin_steps(Int t) {
    if (t > 0) {
      add_pending();
      std::copy_n(net_.m(STEPS), n_.one, net_.m(0));
    }
    net_.begin_steps(t, 0);
  }

  // The derivatives of the memory at this step: 0, and 1 from the memory before, where a sequence has ended.
  void differentiate(Int t, Int slot) {
    const Mask valid = net_.valid(t);
    Vec* d = pending_.next(net_.m(slot), net_.symbols(slot));
    for (Int unit = 0; unit < n_.H; unit++) {
      Vec a[G], dh{}, dc = all(1), none[P + 1];
      const Vec on = Cell::backward(
          kept_.vectors() + unit * K, before_.vectors()[unit], dh, dc, a, net_.peepholes(unit), none);
      keeps_.vectors()[unit] = chosen(valid, on, all(1));
      for (int gate = 0; gate < G; gate++)
        if (gate != Traced::OUTPUT) *d++ = chosen(valid, a[gate], Vec{});
    }
  }

  void add_pending() {
    Vec* traces = traces_.vectors();
    if constexpr (Traced::FORGETS)
      for (Int unit = 0; unit < n_.H && pending_.count(); unit++)
        for (Int k = 0; k < GATES * n_.C; k++) traces[unit * GATES * n_.C + k] *= keeps_.vectors()[unit];
    pending_.add(n_, 0, n_.H * GATES, 0, n_.C, traces);
    pending_.clear();
  }

  // The errors of the memory that arise at a step, and the gradient of the output gates.
  void add_direct(Mask counted, Int slot) {
    Vec *dc = dc_.vectors(), *last = last_.vectors(), *error = net_.error.vectors();
    std::fill_n(error, n_.N, Vec{});
    for (Int unit = 0; unit < n_.H; unit++) {
      Vec a[G], whole{}, none[P + 1];
      Cell::backward(
          kept_.vectors() + unit * K, before_.vectors()[unit], dh_.vectors()[unit], whole, a, net_.peepholes(unit), none);
      dc[unit] = whole;
      last[unit] = chosen(counted, whole, last[unit]);
      if constexpr (Traced::OUTPUT >= 0) error[net_.row(unit, Traced::OUTPUT)] += a[Traced::OUTPUT];
    }
    if constexpr (Traced::OUTPUT >= 0)
      for (Int unit = 0, done = -1; unit < n_.H; unit++) {
        const Int row = net_.row(unit, Traced::OUTPUT);
        if (row != done) add_row(row, error[row], counted, slot);  // the cells of a block follow each other
        done = row;
      }
  }

  void add_row(Int row, Vec error, Mask counted, Int slot) {
    const Vec* m = net_.m(slot);
    Vec* sums = net_.gradient.vectors() + n_.at[row];
    for (Int k = 0; k < n_.width; k++) sums[k] = chosen(counted, sums[k] + error * m[k], sums[k]);
    for (int lane = 0; n_.symbols && lane < LANES; lane++)
      if (counted[lane]) sums[n_.x + net_.symbols(slot)[lane]][lane] += error[lane];
  }

  // The gradient of the rows through which the memory gets errors.
  void add_through_memory(const Vec* errors, Mask counted) {
    const Vec* trace = traces_.vectors();
    for (Int unit = 0; unit < n_.H; unit++)
      for (int gate = 0; gate < G; gate++) {
        if (gate == Traced::OUTPUT) continue;
        Vec* sums = net_.gradient.vectors() + n_.at[net_.row(unit, gate)];
        for (Int k = 0; k < n_.C; k++) sums[k] = chosen(counted, sums[k] + errors[unit] * trace[k], sums[k]);
        trace += n_.C;
      }
  }
};

}  // namespace
