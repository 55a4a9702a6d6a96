// Runs the kernel forward and back over shapes of all kinds, each array exactly as long as it must be: for sanitizers.
//
// driver THREADS EVERY: of the shapes, so many are left out between two.
// driver THREADS EVERY ARRAY: one shape, with the array of that name a number too short.
// driver THREADS EVERY memory: with no memory for the kernel itself, then a little, until there is enough.
#include <atomic>
#include <cmath>
#include <cstdlib>

namespace std {
atomic<long> left_to_give{1L << 60};
void* rationed_alloc(size_t alignment, size_t bytes) {
  return left_to_give-- > 0 ? aligned_alloc(alignment, bytes) : nullptr;
}
}  // namespace std
#define aligned_alloc rationed_alloc
#include "kernel.cpp"
#undef aligned_alloc

#include <cstdio>
#include <limits>
#include <string>

namespace {

std::string shortened;

// Memory that ends where the last number ends, and holds no number at the start.
class Exact {
 public:
  Exact(const char* name, Int count, bool drawn = false) : count_(count - (name == shortened)) {
    void* made = nullptr;
    if (posix_memalign(&made, 64, std::max<Int>(count_, 1) * sizeof(Real))) std::abort();
    start_ = static_cast<Real*>(made);
    for (Int k = 0; k < count_; k++) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      start_[k] = drawn ? Real(int64_t(state_ >> 33) - (1 << 30)) / (1 << 30) : std::numeric_limits<Real>::quiet_NaN();
    }
  }
  ~Exact() { std::free(start_); }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  operator Real*() { return start_; }
  bool finite() const {
    for (Int k = 0; k < count_; k++)
      if (!std::isfinite(start_[k])) return false;
    return true;
  }

 private:
  static uint64_t state_;
  Real* start_;
  Int count_;
};

uint64_t Exact::state_ = 1;

Int rows_of_a_block() {
  Problem p{};
  p.runs = p.batch = p.steps = p.inputs = p.hidden = 1;
  Int sizes[6];
  longlag_layout(&p, sizes);
  return sizes[0];
}

bool rationed = false;

// Whether it says that there is no memory, as often as there is not.
bool stops_until_there_is_enough(int (*way)(const Problem*), const Problem* p) {
  for (long ration = 0; ration < 1000; ration++) {
    std::left_to_give = ration;
    const int failed = way(p);
    const bool enough = std::left_to_give >= 0;
    std::left_to_give = 1L << 60;
    if (failed == enough) return false;
    if (enough) return ration > 0;
  }
  return false;
}

// Whether all that comes out of uninitialized memory is a number. `more` lies between two rows of x and of d_out, and
// `sparse` leaves out all that may be.
bool right(Int R, Int B, Int T, Int I, Int H, Int threads, Int cut, Int more, bool sparse) {
  Problem p{};
  p.runs = R, p.batch = B, p.steps = T, p.inputs = I, p.hidden = H, p.threads = threads, p.cut = cut;
  Int sizes[6];
  longlag_layout(&p, sizes);
  const Int Bp = sizes[1], Zp = sizes[2], Hu = sizes[3], saved_count = sizes[4];
  Exact weights("weights", R * G * H * (Q * H + I), true), biases("biases", R * G * H, true);
  Exact peepholes("peepholes", R * P * H, true);
  p.x_step = I + more, p.x_row = p.x_step * T + more, p.x_run = p.x_row * B;
  p.d_row = H + more, p.d_step = p.d_row * B + more, p.d_run = p.d_step * T;
  Exact x("x", (R - 1) * p.x_run + (B - 1) * p.x_row + (T - 1) * p.x_step + I, true);
  Exact d_out("d_out", (R - 1) * p.d_run + (T - 1) * p.d_step + (B - 1) * p.d_row + H, true);
  Exact h0("h0", R * B * Q * H, true), c0("c0", R * B * H, true);
  Exact d_h_end("d_h_end", R * B * Q * H, true), d_c_end("d_c_end", R * B * H, true);
  Exact h("h", R * (T + 1) * Bp * Zp), saved("saved", R * Bp * T * saved_count);
  Exact h_end("h_end", R * B * Q * H), c_end("c_end", R * B * H);
  Exact d_weights("d_weights", R * G * H * (Q * H + I)), d_biases("d_biases", R * G * H);
  Exact d_peepholes("d_peepholes", R * P * H);
  Exact d_x("d_x", R * B * T * I), d_h0("d_h0", R * B * Q * H), d_c0("d_c0", R * B * H);
  Exact flow_h("flow_h", R * Bp * T * Hu), flow_c("flow_c", R * Bp * T * Hu);
  p.weights = weights, p.biases = biases, p.peepholes = P ? static_cast<Real*>(peepholes) : nullptr, p.x = x;
  p.h = h, p.saved = saved;
  if (!sparse) {
    p.h0 = h0, p.c0 = c0, p.h_end = h_end, p.c_end = c_end, p.d_out = d_out, p.d_h_end = d_h_end, p.d_c_end = d_c_end;
    p.d_weights = d_weights, p.d_biases = d_biases, p.d_peepholes = d_peepholes;
    p.d_x = d_x, p.d_h0 = d_h0, p.d_c0 = d_c0, p.flow_h = flow_h, p.flow_c = flow_c;
  } else {
    p.d_h_end = d_h_end;
    if (R % 2) p.d_weights = d_weights, p.d_biases = d_biases, p.d_peepholes = d_peepholes;
    else p.d_x = d_x;
  }
  if (rationed)
    return stops_until_there_is_enough(longlag_forward, &p) && stops_until_there_is_enough(longlag_backward, &p);
  if (longlag_forward(&p) || longlag_backward(&p)) return false;
  if (sparse) {
    p.saved = nullptr;
    if (longlag_forward(&p)) return false;
    return R % 2 ? d_weights.finite() && d_biases.finite() && d_peepholes.finite() : d_x.finite();
  }
  return h_end.finite() && c_end.finite() && d_weights.finite() && d_biases.finite() && d_peepholes.finite() && d_x.finite() &&
         d_h0.finite() && d_c0.finite();
}

}  // namespace

int main(int count, char** arguments) {
  const Int threads = std::stoi(arguments[1]), every = std::stoi(arguments[2]);
  if (count > 3) {
    shortened = arguments[3];
    rationed = shortened == "memory";
    return !right(1, (rationed ? 3 : 1) * rows_of_a_block(), 4, 2, 64, threads, 0, 0, false);
  }
  const Int rows = rows_of_a_block();
  Int wrong = 0, seen = 0, done = 0;
  for (Int R : {1, 2, 3})
    for (Int B : {Int(1), rows - 1, rows, rows + 1, 9 * rows + 2})
      for (Int T : {1, 4, 5})
        for (Int I : {1, 6, 7, 8, 15, 16, 33})
          for (Int H : {1, 3, 15, 16, 35})
            for (Int cut : {0, 1, 2}) {
              if (seen++ % every) continue;
              for (Int more : {0, 3})
                for (bool sparse : {false, true}) {
                  done++;
                  if (right(R, B, T, I, H, threads, cut, more, sparse)) continue;
                  std::printf("wrong at R=%ld B=%ld T=%ld I=%ld H=%ld cut=%ld\n", R, B, T, I, H, cut);
                  wrong++;
                }
            }
  std::printf("%ld runs, %ld wrong\n", done, wrong);
  return wrong > 0;
}
