// On-line learning: forward, the gradient and plain descent, sequence after sequence, with runs as the lanes of a vector.
//
// There is one build for each type of number, vector size and cell: REAL_BITS, VECTOR_BYTES and CELL. The gradient comes by
// backpropagation through time, or, where errors go through nothing but the memory, from derivatives of the memory that
// are carried forward (Hochreiter & Schmidhuber 1997, appendix A.1; Gers, Schmidhuber & Cummins 2000, section 3).

#ifndef __clang__  // the compiler fills the waiting times of one unit with the work of another
#pragma GCC optimize("schedule-insns", "sched-pressure")
#endif

#include "online_products.h"
#include "online_outputs.h"

namespace {

// LANES runs.
class Block {
 public:
  Block(const Online& p, const Shape& n, Int first)
      : p_(p), n_(n), runs_(p.run + first), count_(std::min<Int>(LANES, p.runs - first)),
        now_(p, runs_, count_, n), outputs_(p, n, runs_, count_),
        weights_(n.W * LANES), inertia_(n.W * LANES), gradient_(n.W * LANES), pre_(n.N * LANES), error_(n.N * LANES),
        memory_(n.H * LANES), hidden_(n.H * LANES), dh_(n.H * LANES), dc_(n.H * LANES), dm_((n.of_h + n.Y) * LANES),
        kept_steps_(p.traces ? STEPS : up(now_.most(), STEPS)), m_((kept_steps_ + 1) * n.width * LANES),
        symbols_(kept_steps_ * LANES), kept_((p.traces ? 1 : kept_steps_) * n.H * K * LANES),
        before_(n.H * LANES), errors_((p.traces ? 0 : kept_steps_) * n.H * LANES),
        traces_(p.traces ? n.H * MEMORY_GATES * n.C * LANES : 0), through_(n.H * LANES), keeps_(n.H * LANES),
        pending_(p.traces ? n.H * MEMORY_GATES : n.N) {}

  void train() {
    load();
    Int most = 0;
    for (Int lane = 0; lane < count_; lane++) most = std::max<Int>(most, runs_[lane].count);
    for (Int k = 0; k < most && now_.take(k, diverged_); k++) sequence();
    store();
  }

 private:
  static constexpr int TOGETHER = 2;  // units
  static constexpr int MEMORY_GATES = G - (Traced::OUTPUT >= 0);  // the gates through which the memory gets errors
  const Online& p_;
  const Shape& n_;
  Run* const runs_;
  const Int count_;
  Sequences now_;
  Outputs outputs_;
  bool diverged_[LANES] = {};
  Vec rate_{}, momentum_{};
  Scratch weights_, inertia_, gradient_;  // [W]
  Scratch pre_, error_;                   // [N]: pre-activations, and their gradients
  Scratch memory_, hidden_, dh_, dc_;     // [H]
  Scratch dm_;                            // [of_h + Y]: the gradient of what the step reads of the step before
  const Int kept_steps_;
  Scratch m_;                             // [kept_steps + 1, width]: what each step reads
  std::vector<int32_t> symbols_;          // [kept_steps, LANES]
  Scratch kept_;                          // [kept_steps, H, K]: what the derivatives need; with traces, of this step alone
  Scratch before_;                        // [H]: with traces, the memory before this step; else zeros
  Scratch errors_;                        // [kept_steps, H]: the errors that reach h from the outputs
  Scratch traces_;                        // [H, MEMORY_GATES, C]: the derivatives of the memory
  Scratch through_, keeps_;               // [H]: the errors of the memory; by what the step multiplies the memory
  Pending pending_;

  auto peepholes(Int unit) const {
    if constexpr (P > 0) return static_cast<const Vec*>(weights_.vectors() + n_.peepholes + unit * P);
    else return static_cast<const Real*>(nullptr);
  }

  void load() {
    for (Int lane = 0; lane < count_; lane++) {
      runs_[lane].learned = 0;
      momentum_[lane] = Real(runs_[lane].momentum);
      for (Int k = 0; k < n_.W; k++) {
        weights_.vectors()[k][lane] = runs_[lane].weights[k];
        inertia_.vectors()[k][lane] = runs_[lane].inertia[k];
      }
    }
  }

  void store() const {
    for (Int lane = 0; lane < count_; lane++)
      for (Int k = 0; k < n_.W; k++) {
        runs_[lane].weights[k] = weights_.vectors()[k][lane];
        runs_[lane].inertia[k] = inertia_.vectors()[k][lane];
      }
  }

  // Learn one sequence of each run.
  void sequence() {
    for (const Scratch* zeros : {&memory_, &hidden_})
      std::fill_n(zeros->vectors(), n_.H, Vec{});
    std::fill_n(gradient_.vectors(), n_.W, Vec{});
    std::fill_n(traces_.vectors(), p_.traces ? n_.H * MEMORY_GATES * n_.C : 0, Vec{});
    std::fill_n(through_.vectors(), n_.H, Vec{});
    std::fill_n(m_.vectors(), n_.one, Vec{});
    outputs_.loss = Vec{};
    set_rates();
    for (Int t = 0; t < now_.steps; t++) {
      const Int slot = p_.traces ? t % STEPS : t;
      if (t % STEPS == 0) begin_steps(t, slot);
      if (p_.traces) step_with_traces(t, slot);
      else step_with_way_back(t);
    }
    if (!p_.traces) back();
    else if (!p_.each_step) {
      add_pending_traces();
      if (now_.last_alone()) add_through_memory(through_.vectors());
    }
    finish();
  }

  // The inputs of the next steps; with traces, in the place of earlier ones.
  void begin_steps(Int t, Int slot) {
    Vec* m = m_.vectors() + slot * n_.width;
    if (p_.traces && t > 0) {
      add_pending_traces();
      std::memcpy(m, m + STEPS * n_.width, n_.one * sizeof(Vec));
    }
    for (Int s = 0; s < STEPS; s++) m[s * n_.width + n_.one] = all(1);
    if (n_.symbols) now_.symbols(t, symbols_.data() + slot * LANES);
    else now_.inputs(t, m);
  }

  void step_with_way_back(Int t) {
    step(t, t, kept_.vectors() + t * n_.H * K);
    if (now_.some_counted(t))
      outputs_.at(
          t, now_, weights_.vectors(), hidden_.vectors(), gradient_.vectors(), errors_.vectors() + t * n_.H);
  }

  // One step forward. A run whose sequence has ended stays as it is.
  void step(Int t, Int slot, Vec* kept) {
    const Vec *m = m_.vectors() + slot * n_.width, *weights = weights_.vectors();
    Vec *pre = pre_.vectors(), *next = m_.vectors() + (slot + 1) * n_.width;
    for (const Group& group : n_.groups) {
      const Int count = std::min(group.to, n_.width) - group.from;
      all_dots(weights + group.at, group.rows, group.width(), m + group.from, count, pre + group.first);
      if (n_.symbols && group.to > n_.x) add_symbols(group, symbols_.data() + slot * LANES);
    }
    const Mask valid = now_.length > Whole(t);
    Int unit = 0;
    for (; unit + TOGETHER <= n_.H; unit += TOGETHER) units<TOGETHER>(unit, valid, kept);
    for (; unit < n_.H; unit++) units<1>(unit, valid, kept);
    if (n_.of_h) std::copy_n(hidden_.vectors(), n_.H, next);
    for (Int k = 0; k < n_.Y; k++) {
      const Int unit = p_.read_of[2 * k], gate = p_.read_of[2 * k + 1];
      next[n_.of_h + k] = chosen(valid, kept[unit * K + 1 + gate], m[n_.of_h + k]);
    }
  }

  // Some units forward: without a branch, so that the waiting times of one are filled by another.
  template <int COUNT>
  void units(Int first, Mask valid, Vec* kept) {
    const Vec* pre = pre_.vectors();
    Vec *memory = memory_.vectors() + first, *hidden = hidden_.vectors() + first;
    Vec a[COUNT][G], c[COUNT], h[COUNT], s[COUNT][K];
#pragma GCC unroll 4
    for (int u = 0; u < COUNT; u++) {
      for (int gate = 0; gate < G; gate++) a[u][gate] = pre[p_.rows_of[(first + u) * G + gate]];
      c[u] = memory[u];
    }
#pragma GCC unroll 4
    for (int u = 0; u < COUNT; u++) {
      h[u] = Cell::forward(a[u], c[u], s[u], peepholes(first + u));
      if (S == 0) s[u][0] = h[u];
    }
#pragma GCC unroll 4
    for (int u = 0; u < COUNT; u++) {
      for (int k = 0; k < K; k++) kept[(first + u) * K + k] = s[u][k];
      memory[u] = chosen(valid, c[u], memory[u]);
      hidden[u] = chosen(valid, h[u], hidden[u]);
    }
  }

  void add_symbols(const Group& group, const int32_t* symbols) {
    const Vec* weights = weights_.vectors() + group.at + n_.x - group.from;
    for (Int row = 0; row < group.rows; row++) {
      Vec& sum = pre_.vectors()[group.first + row];
      const Real* of_row = reinterpret_cast<const Real*>(weights + row * group.width());
      Vec column;
      for (int lane = 0; lane < LANES; lane++) column[lane] = of_row[Int(symbols[lane]) * LANES + lane];
      sum += column;
    }
  }

  // The gradient by backpropagation through time, each run from the end of its own sequence.
  void back() {
    Vec *dh = dh_.vectors(), *dm = dm_.vectors();
    std::fill_n(dh, n_.H, Vec{});
    std::fill_n(dc_.vectors(), n_.H, Vec{});
    std::fill_n(dm, n_.of_h + n_.Y, Vec{});
    for (Int t = now_.steps - 1; t >= 0; t--) {
      const Vec* errors = errors_.vectors() + t * n_.H;
      for (Int unit = 0; unit < n_.H && now_.some_counted(t); unit++) dh[unit] += errors[unit];
      back_through_units(t);
      Vec* d = pending_.next(m_.vectors() + t * n_.width, symbols_.data() + t * LANES);
      std::copy_n(error_.vectors(), n_.N, d);
      if (pending_.full() || t == 0) add_pending();
      std::fill_n(dm, n_.of_h + n_.Y, Vec{});
      for (const Group& group : n_.groups)
        if (!p_.cut && n_.of_h && group.from == 0)
          add_transposed(weights_.vectors() + group.at, group.rows, group.width(), d + group.first, n_.one, dm);
      if (n_.of_h) std::copy_n(dm, n_.H, dh);
      else std::fill_n(dh, n_.H, Vec{});
    }
  }

  // The gradients of the pre-activations of a step and of the peepholes; dc becomes that of the memory before.
  void back_through_units(Int t) {
    const Mask valid = now_.length > Whole(t);
    const Vec *kept = kept_.vectors() + t * n_.H * K, *dy = dm_.vectors() + n_.of_h;
    Vec *dh = dh_.vectors(), *dc = dc_.vectors(), *error = error_.vectors();
    std::fill_n(error, n_.N, Vec{});
    for (Int unit = 0; unit < n_.H; unit++) {
      const Vec *s = kept + unit * K, before = t ? (s - n_.H * K)[0] : Vec{};
      Vec a[G], dp[P + 1] = {};
      const Vec on = Cell::backward(s, before, dh[unit], dc[unit], a, peepholes(unit), dp);
      dc[unit] = chosen(valid, on, Vec{});
      for (int gate = 0; gate < G; gate++) error[p_.rows_of[unit * G + gate]] += chosen(valid, a[gate], Vec{});
      for (int k = 0; k < P; k++) {
        Vec& sum = gradient_.vectors()[n_.peepholes + unit * P + k];
        sum = chosen(valid, sum + dp[k], sum);
      }
    }
    for (Int k = 0; k < n_.Y; k++) {
      const Int unit = p_.read_of[2 * k], gate = p_.read_of[2 * k + 1];
      const Vec y = kept[unit * K + 1 + gate];
      error[p_.rows_of[unit * G + gate]] += chosen(valid, dy[k] * y * (1 - y), Vec{});
    }
  }

  void add_pending() {
    for (const Group& group : n_.groups)
      pending_.add(n_, group.first, group.rows, group.from, group.to, gradient_.vectors() + group.at);
    pending_.clear();
  }

  // A step forward, the derivatives of the memory after it, and the errors that arise there.
  void step_with_traces(Int t, Int slot) {
    const Vec* m = m_.vectors() + slot * n_.width;
    const int32_t* symbols = symbols_.data() + slot * LANES;
    const Mask valid = now_.length > Whole(t);
    Vec *kept = kept_.vectors(), *before = before_.vectors();
    std::copy_n(memory_.vectors(), n_.H, before);
    step(t, slot, kept);
    Vec* d = pending_.next(m, symbols);
    for (Int unit = 0; unit < n_.H; unit++) {
      Vec a[G], dh{}, dc = all(1), none[P + 1];
      const Vec on = Cell::backward(kept + unit * K, before[unit], dh, dc, a, peepholes(unit), none);
      keeps_.vectors()[unit] = chosen(valid, on, all(1));
      for (int gate = 0; gate < G; gate++)
        if (gate != Traced::OUTPUT) *d++ = chosen(valid, a[gate], Vec{});
    }
    const bool errors = now_.some_counted(t), inject = errors && !now_.last_alone();
    if (Traced::FORGETS || pending_.full() || inject || p_.each_step) add_pending_traces();
    if (!errors) return;
    outputs_.at(t, now_, weights_.vectors(), hidden_.vectors(), gradient_.vectors(), dh_.vectors());
    add_direct(now_.counted(t), m, symbols);
    if (inject || p_.each_step) add_through_memory(dc_.vectors(), now_.counted(t));
    if (p_.each_step) update(now_.counted(t));
  }

  void add_pending_traces() {
    Vec* traces = traces_.vectors();
    if constexpr (Traced::FORGETS)
      for (Int unit = 0; unit < n_.H && pending_.count(); unit++)
        for (Int k = 0; k < MEMORY_GATES * n_.C; k++) traces[unit * MEMORY_GATES * n_.C + k] *= keeps_.vectors()[unit];
    pending_.add(n_, 0, n_.H * MEMORY_GATES, 0, n_.C, traces);
    pending_.clear();
  }

  // The errors of the memory that arise at a step, and the gradient of the output gates, which is of this step alone.
  void add_direct(Mask counted, const Vec* m, const int32_t* symbols) {
    Vec *kept = kept_.vectors(), *dc = dc_.vectors(), *through = through_.vectors(), *error = error_.vectors();
    std::fill_n(error, n_.N, Vec{});
    for (Int unit = 0; unit < n_.H; unit++) {
      Vec a[G], whole{}, none[P + 1];
      Cell::backward(kept + unit * K, before_.vectors()[unit], dh_.vectors()[unit], whole, a, peepholes(unit), none);
      dc[unit] = whole;
      through[unit] = chosen(counted, whole, through[unit]);
      if constexpr (Traced::OUTPUT >= 0) error[p_.rows_of[unit * G + Traced::OUTPUT]] += a[Traced::OUTPUT];
    }
    if constexpr (Traced::OUTPUT < 0) return;
    for (Int unit = 0; unit < n_.H; unit++) {
      const Int row = p_.rows_of[unit * G + Traced::OUTPUT];
      if (unit && row == p_.rows_of[(unit - 1) * G + Traced::OUTPUT]) continue;  // of one block
      Vec* sums = gradient_.vectors() + n_.at[row];
      for (Int k = 0; k < n_.width; k++) sums[k] = chosen(counted, sums[k] + error[row] * m[k], sums[k]);
      for (int lane = 0; n_.symbols && lane < LANES; lane++)
        if (counted[lane]) sums[n_.x + symbols[lane]][lane] += error[row][lane];
    }
  }

  // The gradient of all rows but those of the output gates: the errors of the memory times its derivatives.
  void add_through_memory(const Vec* errors, Mask counted = ~Mask{}) {
    const Vec* trace = traces_.vectors();
    for (Int unit = 0; unit < n_.H; unit++)
      for (int gate = 0; gate < G; gate++) {
        if (gate == Traced::OUTPUT) continue;
        Vec* sums = gradient_.vectors() + n_.at[p_.rows_of[unit * G + gate]];
        for (Int k = 0; k < n_.C; k++) sums[k] = chosen(counted, sums[k] + errors[unit] * trace[k], sums[k]);
        trace += n_.C;
      }
  }

  // The rates of the next update.
  void set_rates() {
    for (Int lane = 0; lane < count_; lane++) {
      const Run& run = runs_[lane];
      const double past = double(run.decays_by_update ? run.updates : run.sequences);
      rate_[lane] = Real(run.decay == 1 ? run.rate : run.rate * std::pow(run.decay, past));
    }
  }

  // Descend by the gradient in the lanes that are meant, and whose loss is a finite number; begin a new gradient.
  void update(Mask meant) {
    const Vec zero = outputs_.loss - outputs_.loss;  // nan where the loss is not finite
    meant &= zero == zero;
    Vec *gradient = gradient_.vectors(), *inertia = inertia_.vectors(), *weights = weights_.vectors();
    for (Int k = 0; k < p_.frozen; k++) gradient[p_.fixed[k]] = Vec{};
    for (Int k = 0; k < n_.W; k++) {
      const Vec sum = momentum_ * inertia[k] + gradient[k];
      inertia[k] = chosen(meant, sum, inertia[k]);
      weights[k] = chosen(meant, weights[k] - rate_ * sum, weights[k]);
      gradient[k] = Vec{};
    }
    for (Int lane = 0; lane < count_; lane++) runs_[lane].updates += meant[lane] ? 1 : 0;
    set_rates();
  }

  // The end of a sequence.
  void finish() {
    if (!p_.each_step) update(now_.on);
    for (Int lane = 0; lane < count_; lane++) {
      if (!now_.on[lane]) continue;
      Run& run = runs_[lane];
      const Real loss = outputs_.loss[lane];
      run.losses[now_.index] = loss;
      if (!std::isfinite(loss)) diverged_[lane] = true;
      else run.learned++, run.sequences++;
    }
  }
};

int train(const Online& p) {
  const Shape n(p);
  return parallel_for(p, (p.runs + LANES - 1) / LANES, [&](Int block) { Block(p, n, block * LANES).train(); });
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

// Write how many lanes a vector has, whether there are traces of this cell, and the sizes of the arguments.
void longlag_online_layout(Int* to) {
  to[0] = LANES, to[1] = Traced::CAN, to[2] = sizeof(Online), to[3] = sizeof(Run);
}

}  // extern "C"
