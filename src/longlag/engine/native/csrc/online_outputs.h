// The output units of a block of runs, their loss, and its gradient.
#pragma once

#include "online_data.h"

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
      : kind_(Loss(p.loss)), n_(n), runs_(runs), count_(count), net_(n.O * LANES), error_(n.O * LANES) {}

  // The net inputs, the loss and its gradient at a step, from h [H]. Adds the gradient of the readout, and writes that of
  // h [H]; both are those of the counted lanes alone.
  void at(Int t, const Sequences& now, const Vec* weights, const Vec* h, Vec* gradient, Vec* dh) {
    const Mask counted = now.counted(t);
    Vec *net = net_.vectors(), *error = error_.vectors();
    all_dots(weights + n_.readout, n_.O, n_.H, h, n_.H, net);
    for (Int o = 0; o < n_.O; o++) net[o] += weights[n_.readout_bias + o];
    const Vec of_step = kind_ == SOFTMAX ? cross_entropy(t, now) : squared_error(t, now);
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
    each_lane(t, now, [&](Int lane, Int row) {
      for (Int o = 0; o < n_.O; o++) runs_[lane].nets[row * n_.O + o] = net[o][lane];
    });
  }

 private:
  const Loss kind_;
  const Shape& n_;
  Run* const runs_;
  const Int count_;
  Scratch net_, error_;

  // Do something for each counted lane, with the row of its target.
  template <class Work>
  void each_lane(Int t, const Sequences& now, const Work& work) const {
    const Mask counted = now.counted(t);
    for (Int lane = 0; lane < count_; lane++)
      if (counted[lane]) work(lane, runs_[lane].counted ? now.index * runs_[lane].steps + t : now.index);
  }

  Vec squared_error(Int t, const Sequences& now) {
    Vec *net = net_.vectors(), *error = error_.vectors(), sum{};
    each_lane(t, now, [&](Int lane, Int row) {
      for (Int o = 0; o < n_.O; o++) error[o][lane] = runs_[lane].targets[row * n_.O + o];
    });
    for (Int o = 0; o < n_.O; o++) {
      const Vec y = kind_ == LOGISTIC ? sigmoid(net[o]) : net[o], off = y - error[o];
      sum += off * off / 2;
      error[o] = kind_ == LOGISTIC ? off * y * (1 - y) : off;
    }
    return sum;
  }

  // The gradient and the loss have the weight of the step in the mean.
  Vec cross_entropy(Int t, const Sequences& now) {
    Vec *net = net_.vectors(), *error = error_.vectors(), most = net[0], sum{}, of_class{}, logarithm{};
    for (Int o = 1; o < n_.O; o++) most = at_least(most, net[o]);
    WholeVec wanted{};
    each_lane(t, now, [&](Int lane, Int row) { wanted[lane] = Whole(runs_[lane].classes[row]); });
    for (Int o = 0; o < n_.O; o++) {
      const Vec y = net[o] - most;
      sum += error[o] = exponential(y);
      of_class = wanted == Whole(o) ? y : of_class;
    }
    for (Int o = 0; o < n_.O; o++) {
      const Vec off = error[o] / sum;
      error[o] = now.share * (wanted == Whole(o) ? off - 1 : off);
    }
    for (int lane = 0; lane < LANES; lane++) logarithm[lane] = std::log(sum[lane]);
    return now.share * (logarithm - of_class);
  }
};

}  // namespace
