// On-line learning: forward, the gradient and plain descent, sequence after sequence, with runs as the lanes of a vector.
//
// There is one build for each type of number, vector size and cell: REAL_BITS, VECTOR_BYTES and CELL.

#ifndef __clang__  // the compiler fills the waiting times of one unit with the work of another
#pragma GCC optimize("schedule-insns", "sched-pressure")
#endif

#include "online_back.h"
#include "online_traces.h"

namespace {

// LANES runs.
class Block {
 public:
  Block(const Online& p, const Shape& n, Int first) : net_(p, n, first) {}

  template <class Way>
  void train() {
    load();
    Way way(net_);
    Int most = 0;
    for (Int lane = 0; lane < net_.count; lane++) most = std::max<Int>(most, net_.runs[lane].count);
    for (Int k = 0; k < most && net_.now.take(k, diverged_); k++) {
      net_.reset();
      way.begin();
      set_rates();
      for (Int t = 0; t < net_.now.steps; t++) {
        way.step(t);
        if (net_.p.each_step && net_.now.some_counted(t)) update(net_.now.counted(t));
      }
      way.finish();
      if (!net_.p.each_step) update(net_.now.on);
      finish();
    }
    store();
  }

 private:
  Net net_;
  bool diverged_[LANES] = {};
  Vec rate_{}, momentum_{};

  void load() {
    for (Int lane = 0; lane < net_.count; lane++) {
      Run& run = net_.runs[lane];
      run.learned = 0;
      momentum_[lane] = Real(run.momentum);
      for (Int k = 0; k < net_.n.W; k++) {
        net_.weights.vectors()[k][lane] = run.weights[k];
        net_.inertia.vectors()[k][lane] = run.inertia[k];
      }
    }
  }

  void store() const {
    for (Int lane = 0; lane < net_.count; lane++)
      for (Int k = 0; k < net_.n.W; k++) {
        net_.runs[lane].weights[k] = net_.weights.vectors()[k][lane];
        net_.runs[lane].inertia[k] = net_.inertia.vectors()[k][lane];
      }
  }

  // The rates of the next update.
  void set_rates() {
    for (Int lane = 0; lane < net_.count; lane++) {
      const Run& run = net_.runs[lane];
      const double past = double(run.decays_by_update ? run.updates : run.sequences);
      rate_[lane] = Real(run.decay == 1 ? run.rate : run.rate * std::pow(run.decay, past));
    }
  }

  // Descend by the gradient in the lanes that are meant, and whose loss is a finite number; begin a new gradient.
  void update(Mask meant) {
    const Vec zero = net_.outputs.loss - net_.outputs.loss;  // nan where the loss is not finite
    meant &= zero == zero;
    Vec *gradient = net_.gradient.vectors(), *inertia = net_.inertia.vectors(), *weights = net_.weights.vectors();
    for (Int k = 0; k < net_.p.frozen; k++) gradient[net_.p.fixed[k]] = Vec{};
    for (Int k = 0; k < net_.n.W; k++) {
      const Vec sum = momentum_ * inertia[k] + gradient[k];
      inertia[k] = chosen(meant, sum, inertia[k]);
      weights[k] = chosen(meant, weights[k] - rate_ * sum, weights[k]);
      gradient[k] = Vec{};
    }
    for (Int lane = 0; lane < net_.count; lane++) net_.runs[lane].updates += meant[lane] ? 1 : 0;
    set_rates();
  }

  // The end of a sequence.
  void finish() {
    for (Int lane = 0; lane < net_.count; lane++) {
      if (!net_.now.on[lane]) continue;
      Run& run = net_.runs[lane];
      const Real loss = net_.outputs.loss[lane];
      run.losses[net_.now.index] = loss;
      if (!std::isfinite(loss)) diverged_[lane] = true;
      else run.learned++, run.sequences++;
    }
  }
};

int train(const Online& p) {
  const Shape n(p);
  return parallel_for(p, (p.runs + LANES - 1) / LANES, [&](Int block) {
    Block runs(p, n, block * LANES);
    if (p.traces) {
      if constexpr (Traced::CAN) runs.train<Traces>();
    } else {
      runs.train<WayBack>();
    }
  });
}

}  // namespace

extern "C" {

// Train; return 0, or 1 if there is no memory.
int longlag_train_online(const Online* p) {
  try {
    return train(*p);
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

}  // extern "C"
