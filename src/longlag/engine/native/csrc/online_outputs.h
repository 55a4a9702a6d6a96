// The output units of a block of runs, their loss, and its gradient.
#pragma once

#include "online_data.h"
#include "online_products.h"

#include <cmath>

namespace {

// value where a lane is meant, else what was there
inline Vec chosen(Mask mask, Vec value, Vec before) { return mask ? value : before; }

inline Vec exponential(Vec y) {
  const Power e = power<1>(y, EXP_END, EXP_UPPER);
  return e.scale + e.scale * e.part;
}

class Outputs {
 public:
  Vec loss{};  // of the sequences so far

  Outputs(const Online& p, const Shape& n, Run* runs, Int count)
      : kind_(Loss(p.loss)), n_(n), runs_(runs), count_(count), net_(n.O * LANES), error_(n.O * LANES),
        no_targets_(n.O) {}

  // The net inputs, the loss and its gradient at a step, from h [H]. Adds the gradient of the readout, and writes that of
  // h [H]; both are those of the counted lanes alone. A shortcut reads the inputs of the step: x [I], or the symbols.
  void at(Int t, const Sequences& now, const Vec* weights, const Vec* h, const Vec* x, const int32_t* symbols,
          Vec* gradient, Vec* dh) {
    const Mask counted = now.counted(t);
    Vec *net = net_.vectors(), *error = error_.vectors();
    find_rows(t, now);
    all_dots(weights + n_.readout, n_.O, n_.H, h, n_.H, net);
    for (Int o = 0; o < n_.O; o++) net[o] += weights[n_.readout_bias + o];
    if (n_.has_shortcut) n_.symbols ? add_symbols(weights, symbols) : add_inputs(weights, x);
    const Vec of_step = kind_ == SOFTMAX ? cross_entropy(now.share) : squared_error();
    loss = chosen(counted, loss + of_step, loss);
    std::fill_n(dh, n_.H, Vec{});
    for (Int o = 0; o < n_.O; o++) {
      Vec *of_weights = gradient + n_.readout + o * n_.H, &of_bias = gradient[n_.readout_bias + o];
      const Vec *row = weights + n_.readout + o * n_.H, e = error[o];
      of_bias = chosen(counted, of_bias + e, of_bias);
      for (Int unit = 0; unit < n_.H; unit++) {
        of_weights[unit] = chosen(counted, of_weights[unit] + e * h[unit], of_weights[unit]);
        dh[unit] += row[unit] * e;
      }
    }
    for (Int unit = 0; unit < n_.H; unit++) dh[unit] = chosen(counted, dh[unit], Vec{});
    if (n_.has_shortcut) learn_shortcut(counted, x, symbols, gradient);
    for (Int lane = 0; lane < count_; lane++)
      for (Int o = 0; counted[lane] && o < n_.O; o++) runs_[lane].nets[row_[lane] * n_.O + o] = net[o][lane];
  }

 private:
  void add_inputs(const Vec* weights, const Vec* x) {
    add_transposed(weights + n_.shortcut, n_.I, n_.O, x, n_.O, net_.vectors());
  }

  // The weights of one symbol lie together, and lanes that have the same symbol are taken together.
  void add_symbols(const Vec* weights, const int32_t* symbols) {
    for_each_symbol(~Mask{}, symbols, [&](Int symbol, Mask lanes) {
      const Vec *of_symbol = weights + n_.shortcut + symbol * n_.O;
      Vec* net = net_.vectors();
      for (Int o = 0; o < n_.O; o++) net[o] = chosen(lanes, net[o] + of_symbol[o], net[o]);
    });
  }

  void learn_shortcut(Mask counted, const Vec* x, const int32_t* symbols, Vec* gradient) {
    const Vec* error = error_.vectors();
    const auto learn = [&](Int k, Mask lanes, Vec input) {
      Vec* of_input = gradient + n_.shortcut + k * n_.O;
      for (Int o = 0; o < n_.O; o++) of_input[o] = chosen(lanes, of_input[o] + error[o] * input, of_input[o]);
    };
    if (n_.symbols) for_each_symbol(counted, symbols, [&](Int symbol, Mask lanes) { learn(symbol, lanes, all(1)); });
    else
      for (Int k = 0; k < n_.I; k++) learn(k, counted, x[k]);
  }

  // Call `act` with each symbol and the lanes that have it, of those that are meant.
  template <class Act>
  void for_each_symbol(Mask meant, const int32_t* symbols, Act act) const {
    Mask left = meant;
    WholeVec of_lane;
    for (int lane = 0; lane < LANES; lane++) of_lane[lane] = symbols[lane];
    for (int lane = 0; lane < LANES; lane++) {
      if (!left[lane]) continue;
      const Mask same = left & (of_lane == Whole(symbols[lane]));
      act(symbols[lane], same);
      left &= ~same;
    }
  }

  const Loss kind_;
  const Shape& n_;
  Run* const runs_;
  const Int count_;
  Scratch net_, error_, no_targets_;  // [O]
  Int row_[LANES] = {};               // of the targets of each lane
  const Real* targets_[LANES];
  WholeVec class_{};

  // Find the targets of the counted lanes; the others have zeros.
  void find_rows(Int t, const Sequences& now) {
    const Mask counted = now.counted(t);
    for (Int lane = 0; lane < LANES; lane++) {
      targets_[lane] = no_targets_.get();
      if (!counted[lane]) continue;
      const Run& run = runs_[lane];
      row_[lane] = !now.last_alone() ? now.index * run.steps + t : now.index;
      if (kind_ == SOFTMAX) class_[lane] = Whole(run.classes[row_[lane]]);
      else targets_[lane] = run.targets + row_[lane] * n_.O;
    }
  }

  Vec squared_error() {
    Vec *net = net_.vectors(), *error = error_.vectors(), sum{};
    for (Int o = 0; o < n_.O; o++) {
      Vec wanted;
      for (int lane = 0; lane < LANES; lane++) wanted[lane] = targets_[lane][o];
      const Vec y = kind_ == LOGISTIC ? sigmoid(net[o]) : net[o], off = y - wanted;
      sum += off * off / 2;
      error[o] = kind_ == LOGISTIC ? off * y * (1 - y) : off;
    }
    return sum;
  }

  // The gradient and the loss have the weight of the step in the mean.
  Vec cross_entropy(Vec share) {
    Vec *net = net_.vectors(), *error = error_.vectors(), most = net[0], sum{}, of_class{}, logarithm{};
    for (Int o = 1; o < n_.O; o++) most = at_least(most, net[o]);
    for (Int o = 0; o < n_.O; o++) {
      const Vec y = net[o] - most;
      sum += error[o] = exponential(y);
      of_class = class_ == Whole(o) ? y : of_class;
    }
    for (Int o = 0; o < n_.O; o++) {
      const Vec off = error[o] / sum;
      error[o] = share * (class_ == Whole(o) ? off - 1 : off);
    }
    for (int lane = 0; lane < LANES; lane++) logarithm[lane] = std::log(sum[lane]);
    return share * (logarithm - of_class);
  }
};

}  // namespace
