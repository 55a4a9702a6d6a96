// The gradient by backpropagation through time.
#pragma once

#include "online_net.h"

namespace {

class WayBack {
 public:
  explicit WayBack(Net& net)
      : net_(net), n_(net.n), kept_(net.kept_steps * n_.H * K * LANES), errors_(net.kept_steps * n_.H * LANES),
        dh_(n_.H * LANES), dc_(n_.H * LANES), dm_((n_.of_h + n_.Y) * LANES), pending_(n_.N) {}

  void begin() {}

  void step(Int t) {
    if (t % STEPS == 0) net_.begin_steps(t, t);
    net_.step(t, t, kept(t));
    if (net_.now.some_counted(t))
      net_.outputs.at(
          t, net_.now, net_.weights.vectors(), net_.hidden.vectors(), net_.m(t) + n_.x, net_.symbols(t),
          net_.gradient.vectors(), errors(t));
  }

  // Each run goes back from the end of its own sequence.
  void finish() {
    Vec *dh = dh_.vectors(), *dm = dm_.vectors();
    std::fill_n(dh, n_.H, Vec{});
    std::fill_n(dc_.vectors(), n_.H, Vec{});
    std::fill_n(dm, n_.of_h + n_.Y, Vec{});
    for (Int t = net_.now.steps - 1; t >= 0; t--) {
      for (Int unit = 0; unit < n_.H && net_.now.some_counted(t); unit++) dh[unit] += errors(t)[unit];
      back_through_units(t);
      Vec* d = pending_.next(net_.m(t), net_.symbols(t));
      std::copy_n(net_.error.vectors(), n_.N, d);
      if (pending_.full() || t == 0) add_pending();
      std::fill_n(dm, n_.of_h + n_.Y, Vec{});
      for (const Group& group : n_.groups)
        if (!net_.p.cut && n_.of_h && group.from == 0)
          add_transposed(
              net_.weights.vectors() + group.at, group.rows, group.width(), d + group.first, n_.one, dm);
      if (n_.of_h) std::copy_n(dm, n_.H, dh);
      else std::fill_n(dh, n_.H, Vec{});
    }
  }

 private:
  Net& net_;
  const Shape& n_;
  Scratch kept_;      // [kept_steps, H, K]: what the derivatives need
  Scratch errors_;    // [kept_steps, H]: the errors that reach h from the outputs
  Scratch dh_, dc_;   // [H]
  Scratch dm_;        // [of_h + Y]: the gradient of what the step reads of the step before
  Pending pending_;

  Vec* kept(Int t) const { return kept_.vectors() + t * n_.H * K; }
  Vec* errors(Int t) const { return errors_.vectors() + t * n_.H; }

  // The gradients of the pre-activations of a step and of the peepholes; dc becomes that of the memory before.
  void back_through_units(Int t) {
    const Mask valid = net_.valid(t);
    Vec *dh = dh_.vectors(), *dc = dc_.vectors(), *error = net_.error.vectors();
    std::fill_n(error, n_.N, Vec{});
    for (Int unit = 0; unit < n_.H; unit++) {
      const Vec *s = kept(t) + unit * K, before = t ? kept(t - 1)[unit * K] : Vec{};
      Vec a[G], dp[P + 1] = {};
      const Vec on = Cell::backward(s, before, dh[unit], dc[unit], a, net_.peepholes(unit), dp);
      dc[unit] = chosen(valid, on, Vec{});
      for (int gate = 0; gate < G; gate++) error[net_.row(unit, gate)] += chosen(valid, a[gate], Vec{});
      for (int k = 0; k < P; k++) {
        Vec& sum = net_.gradient.vectors()[n_.peepholes + unit * P + k];
        sum = chosen(valid, sum + dp[k], sum);
      }
    }
    const Vec* dy = dm_.vectors() + n_.of_h;
    for (Int k = 0; k < n_.Y; k++) {
      const Int unit = net_.p.read_of[2 * k], gate = net_.p.read_of[2 * k + 1];
      const Vec y = kept(t)[unit * K + 1 + gate];
      error[net_.row(unit, gate)] += chosen(valid, dy[k] * y * (1 - y), Vec{});
    }
  }

  void add_pending() {
    for (const Group& group : n_.groups)
      pending_.add(n_, group.first, group.rows, group.from, group.to, net_.gradient.vectors() + group.at);
    pending_.clear();
  }
};

}  // namespace
