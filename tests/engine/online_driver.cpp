// Trains runs on-line at shapes of all kinds, each array exactly as long as it must be: for sanitizers.
//
// driver THREADS: prints how many trainings there were, and how many gave something that is no finite number.
#include "online.cpp"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

namespace {

uint64_t state = 1;

Int drawn(Int below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return Int(state >> 33) % below;
}

// Memory that ends where its last number ends.
template <class Number>
struct Exact {
  Number* at;
  const Int count;
  explicit Exact(Int count) : at(static_cast<Number*>(std::malloc(count * sizeof(Number)))), count(count) {}
  ~Exact() { std::free(at); }
  Exact(const Exact&) = delete;
};

Exact<Real>& numbers(std::deque<Exact<Real>>& kept, Int count) {
  Exact<Real>& made = kept.emplace_back(count);
  for (Int k = 0; k < count; k++) made.at[k] = Real(drawn(2000) - 1000) / 4000;
  return made;
}

// Sequences of 1 to T steps, in numbers of their own, for each of R runs; whether all that comes out is a finite number.
bool right(Int R, Int T, Int I, Int H, Int O, Online p) {
  // Each gate of each unit has a row, which reads all columns; the next step reads the gates of all units
  const Int Y = (Q - 1) * H, C = (OF_H > 0 ? H : 0) + Y + 1 + I, N = G * H;
  Exact<int64_t> spans(3), rows_of(N), read_of(2 * Y), fixed(1);
  spans.at[0] = N, spans.at[1] = 0, spans.at[2] = C;
  for (Int k = 0; k < N; k++) rows_of.at[k] = k;
  for (Int k = 0; k < Y; k++) read_of.at[2 * k] = k % H, read_of.at[2 * k + 1] = k / H;
  p.runs = R, p.inputs = I, p.hidden = H, p.outputs = O, p.groups = 1, p.read = Y, p.frozen = 1;
  p.weights = N * C + H * P + O * (H + 1) + p.shortcut * O * I;
  fixed.at[0] = p.weights - 1;
  p.spans = spans.at, p.rows_of = rows_of.at, p.read_of = read_of.at, p.fixed = fixed.at;
  std::deque<Exact<Real>> reals;
  std::deque<Exact<int64_t>> wholes;
  std::deque<Exact<int32_t>> symbols;
  std::deque<Exact<uint8_t>> marks;
  Exact<Run> runs(R);
  p.run = runs.at;
  for (Int k = 0; k < R; k++) {
    const Int count = drawn(4), steps = 1 + drawn(T), rows = p.every ? count * steps : count;
    Run run{};
    run.count = count, run.steps = steps, run.rate = 0.01, run.momentum = 0.5, run.decay = 0.9;
    run.decays_by_update = k % 2;
    run.weights = numbers(reals, p.weights).at, run.inertia = numbers(reals, p.weights).at;
    run.nets = numbers(reals, rows * O).at, run.losses = numbers(reals, count).at;
    run.x = numbers(reals, p.symbols ? 0 : count * steps * I).at;
    run.targets = numbers(reals, p.loss == SOFTMAX ? 0 : rows * O).at;
    auto &of_class = wholes.emplace_back(rows), &lengths = wholes.emplace_back(count);
    auto& of_input = symbols.emplace_back(count * steps);
    auto& counted = marks.emplace_back(count * steps);
    for (Int s = 0; s < rows; s++) of_class.at[s] = drawn(O);
    for (Int s = 0; s < count; s++) lengths.at[s] = 1 + drawn(steps);
    for (Int s = 0; s < count * steps; s++) of_input.at[s] = int32_t(drawn(I)), counted.at[s] = drawn(2);
    run.classes = of_class.at, run.lengths = lengths.at, run.symbols = of_input.at, run.counted = counted.at;
    runs.at[k] = run;
  }
  if (longlag_train_online(&p)) return false;
  for (Int k = 0; k < R; k++) {
    const Run& run = runs.at[k];
    if (run.learned != run.count || run.sequences != run.count) return false;
    for (Int s = 0; s < p.weights; s++)
      if (!std::isfinite(run.weights[s]) || !std::isfinite(run.inertia[s])) return false;
  }
  return true;
}

}  // namespace

int main(int, char** arguments) {
  Int done = 0, wrong = 0;
  for (Int R : {1, LANES, LANES + 1, 3 * LANES})
    for (Int T : {1, 4, 15, 16, 37})
      for (Int kind = 0; kind < 64; kind++) {
        Online p{};
        p.threads = std::stoi(arguments[1]), p.symbols = kind & 1, p.every = kind >> 1 & 1, p.traces = kind >> 2 & 1;
        p.each_step = kind >> 3 & 1, p.cut = p.traces || kind & 16, p.loss = (kind + R) % 3, p.shortcut = kind >> 5;
        if ((p.traces && !Traced::CAN) || (p.each_step && !p.traces)) continue;
        done++, wrong += !right(R, T, 1 + drawn(9), 1 + drawn(5), 1 + drawn(4), p);
      }
  std::printf("%ld trainings, %ld wrong\n", done, wrong);
  return wrong > 0;
}
