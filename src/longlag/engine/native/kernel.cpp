// Recurrent cells over time, forward and by exact backpropagation through time: an affine map and a pointwise update.
//
// Built once for each type of number, vector size and cell: REAL_BITS, VECTOR_BYTES and CELL say which. B sequences are
// dealt out to blocks of ROWS, which know nothing of each other until the gradient of the weights is summed. In a block
// the lanes of a vector are sequences, so the gates of a unit meet in registers, and the weights are broadcast. Only the
// product that gives the gradient of the weights has units as lanes; for it h is kept in rows too. Blocks form groups,
// and each group sums its own gradient: the sums depend on B alone, not on the number of threads or of runs.

#include "updates.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#ifndef CELL
#define CELL Lstm
#endif
using Cell = CELL;

namespace {

using Int = int64_t;

constexpr bool WIDE = VECTOR_BYTES == 64;        // which has 32 registers instead of 16
constexpr int G = Cell::GATES, OF_H = Cell::OF_H, S = Cell::SAVED, P = Cell::PEEPHOLES;
constexpr int Q = 1 + Cell::READ;                // what the next step reads of a unit: h, and these gates
constexpr int NB = 2, ROWS = NB * LANES;         // vectors and sequences of a block
constexpr int U = (WIDE ? 8 : 4) / G > 0 ? (WIDE ? 8 : 4) / G : 1;  // units whose gates are in registers together
constexpr int J = WIDE ? 8 : 4;                  // rows of the other two products that are in registers together
constexpr int CHUNK = 4;                         // steps whose weight gradients have a sum of their own, which is then added
constexpr Int GROUPS = 8;                        // at most

constexpr Int FEW = 8;                            // columns of x and bias whose gradient is summed in lanes

inline Vec loose(const Real* at) { return *reinterpret_cast<const LooseVec*>(at); }

constexpr Int up(Int n, Int to) { return (n + to - 1) / to * to; }

}  // namespace

// All arrays are dense but for x and d_out, whose strides are given in numbers; the last axis of all is dense.
struct Problem {
  Int runs, batch, steps, inputs, hidden, threads;
  Int cut;  // 1: no error goes back through what is read of the step before; 2: nor through peepholes but the last, which
            // sees the new memory
  const Real *weights, *biases, *peepholes;  // [R, G, H, Q·H + I], [R, G, H], [R, P, H]
  const Real* x;                     // [R, B, T, I]
  Int x_run, x_row, x_step;
  const Real *h0, *c0;               // [R, B, Q·H] and [R, B, H], or null for zeros
  Real* h;                           // [R, T + 1, Bp, Zp], with h0 first
  Real* saved;                       // [R, Bp / ROWS, T, Hu, S, ROWS], or null if there is no way back or S is 0
  Real *h_end, *c_end;               // [R, B, Q·H] and [R, B, H], or null
  const Real* d_out;                 // [R, B, T, H], or null for zeros
  Int d_run, d_row, d_step;
  const Real *d_h_end, *d_c_end;     // as those, or null for zeros
  Real *d_weights, *d_biases, *d_peepholes;  // as those, or all null
  Real *d_x, *d_h0, *d_c0;           // [R, B, T, I], [R, B, Q·H], [R, B, H], or null
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);  // GOMP_parallel of PyTorch's own OpenMP, or null
  Real *flow_h, *flow_c;             // the whole gradients of all states, [R, Bp / ROWS, T, Hu, ROWS], or null
};

namespace {

// Aligned memory, zero at the start.
class Scratch {
 public:
  explicit Scratch(size_t count) {
    const size_t bytes = up(Int(count * sizeof(Real)), 64);
    start_ = static_cast<Real*>(std::aligned_alloc(64, std::max<size_t>(bytes, 64)));
    if (!start_) throw std::bad_alloc();
    std::memset(start_, 0, bytes);
  }
  ~Scratch() { std::free(start_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Real* get() const { return start_; }
  Vec* vectors() const { return reinterpret_cast<Vec*>(start_); }

 private:
  Real* start_;
};

struct Sizes {
  Int R, B, T, I, H, Hu, Z, Zp, Ip, N, Np, blocks, groups, Bp;

  explicit Sizes(const Problem& p)
      : R(p.runs), B(p.batch), T(p.steps), I(p.inputs), H(p.hidden), Hu(up(H, U)), Z(Q == 1 ? H : Q * Hu),
        Zp(up(Z, LANES)), Ip(up(I + 1, LANES)), N(Hu * G), Np(up(N, J)), blocks((B + ROWS - 1) / ROWS),
        groups(std::clamp<Int>(blocks, 1, GROUPS)), Bp(blocks * ROWS) {}
  template <class Work>
  void each_block(Int group, const Work& work) const {
    for (Int block = group * blocks / groups; block < (group + 1) * blocks / groups; block++) work(block);
  }
  Int rows(Int block) const { return std::min<Int>(ROWS, B - block * ROWS); }
  // Which of the N pre-activations is that of a unit and a gate: first come, unit by unit, those of the gates that read h
  Int at(Int unit, int gate) const {
    return gate < OF_H ? unit * OF_H + gate : Hu * OF_H + unit * (G - OF_H) + gate - OF_H;
  }
  Int of_h() const { return Hu * OF_H; }
  // A row of the weights, Q·H + I columns, has its place among Z + I: each of the Q begins at a multiple of Hu
  Int columns() const { return Q * H + I; }
  Int place(Int column) const {
    if (Q == 1) return column;
    return column < Q * H ? column / H * Hu + column % H : Z + column - Q * H;
  }
};

#define ONCE __attribute__((noinline))  // or the transposes, which are long, would be compiled at every call

// Rows [rows, count] as lanes [count, ROWS]. Lanes that are over: the last row again, which is as finite as it is.
ONCE void to_lanes(const Real* from, Int stride, Int rows, Int count, Real* lanes) {
  Int k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int v = 0; v < NB; v++) {
      Vec square[LANES];
      for (int row = 0; row < LANES; row++) square[row] = loose(from + std::min<Int>(v * LANES + row, rows - 1) * stride + k);
      transpose(square);
      for (int j = 0; j < LANES; j++) *reinterpret_cast<Vec*>(lanes + (k + j) * ROWS + v * LANES) = square[j];
    }
  for (Int row = 0; row < ROWS; row++)
    for (Int j = k; j < count; j++) lanes[j * ROWS + row] = from[std::min(row, rows - 1) * stride + j];
}

// The same added, and nothing to the lanes that are over.
ONCE void add_to_lanes(const Real* from, Int stride, Int rows, Int count, Real* lanes) {
  Int k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int v = 0; v < NB; v++) {
      Vec square[LANES];
      for (int row = 0; row < LANES; row++)
        square[row] = v * LANES + row < rows ? loose(from + (v * LANES + row) * stride + k) : Vec{};
      transpose(square);
      for (int j = 0; j < LANES; j++) *reinterpret_cast<Vec*>(lanes + (k + j) * ROWS + v * LANES) += square[j];
    }
  for (Int row = 0; row < rows; row++)
    for (Int j = k; j < count; j++) lanes[j * ROWS + row] += from[row * stride + j];
}

ONCE void to_rows(const Real* lanes, Int rows, Int count, Real* to, Int stride) {
  Int k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int v = 0; v < NB; v++) {
      Vec square[LANES];
      for (int j = 0; j < LANES; j++) square[j] = *reinterpret_cast<const Vec*>(lanes + (k + j) * ROWS + v * LANES);
      transpose(square);
      for (int row = 0; row < LANES && v * LANES + row < rows; row++)
        *reinterpret_cast<LooseVec*>(to + (v * LANES + row) * stride + k) = square[row];
    }
  for (Int row = 0; row < rows; row++)
    for (Int j = k; j < count; j++) to[row * stride + j] = lanes[j * ROWS + row];
}

// sums[m, v] += Σ_k weights[k, m] · lanes[k, v], for the first OF of every EACH of the M sums
template <int OF, int EACH, int M>
inline __attribute__((always_inline)) void product(
    const Real* weights, const Vec* lanes, Int count, Vec (&sums)[M][NB], Int stride = M / EACH * OF) {
  if constexpr (OF > 0)
    for (Int k = 0; k < count; k++, weights += stride, lanes += NB) {
#pragma GCC unroll 16
      for (int m = 0; m < M / EACH * OF; m++)
#pragma GCC unroll 4
        for (int v = 0; v < NB; v++) sums[m / OF * EACH + m % OF][v] += weights[m] * lanes[v];
    }
}

// The weights of U units at a time: the bias, those of h [Z, U · OF_H], those of x [I, U · G].
Int panel(const Sizes& n) { return U * (n.Z * OF_H + (n.I + 1) * G); }

void pack_forward(const Problem& p, const Sizes& n, Int run, Real* to) {
  for (Int unit = 0; unit < n.H; unit++)
    for (int gate = 0; gate < G; gate++) {
      const Int row = (run * G + gate) * n.H + unit, u = unit % U;
      const Real* from = p.weights + row * n.columns();
      Real *bias = to + unit / U * panel(n), *of_h = bias + U * G, *of_x = of_h + n.Z * U * OF_H;
      bias[u * G + gate] = p.biases[row];
      for (Int k = 0; k < Q * n.H && gate < OF_H; k++) of_h[n.place(k) * U * OF_H + u * OF_H + gate] = from[k];
      for (Int k = 0; k < n.I; k++) of_x[k * U * G + u * G + gate] = from[Q * n.H + k];
    }
}

// The peepholes as [Hu, P].
void pack_peepholes(const Problem& p, const Sizes& n, Int run, Real* to) {
  for (Int unit = 0; unit < n.H; unit++)
    for (int k = 0; k < P; k++) to[unit * P + k] = p.peepholes[(run * P + k) * n.H + unit];
}

// The transposed weights for J of the columns of [h, gates, x] at a time: [N, J].
void pack_backward(const Problem& p, const Sizes& n, Int run, Int columns, Real* to) {
  for (Int unit = 0; unit < n.H; unit++)
    for (int gate = 0; gate < G; gate++) {
      const Real* from = p.weights + ((run * G + gate) * n.H + unit) * n.columns();
      for (Int column = gate < OF_H ? 0 : Q * n.H; column < n.columns(); column++) {
        const Int k = n.place(column);
        if (k < columns) to[(k / J) * n.N * J + n.at(unit, gate) * J + k % J] = from[column];
      }
    }
}

// The weights of a run as one of the two ways reads them: all of its groups read the same.
struct Weights {
  Scratch matrix, peepholes;

  Weights(const Sizes& n, Int size) : matrix(size), peepholes(n.Hu * P) {}

  static std::unique_ptr<Weights> forward(const Problem& p, const Sizes& n, Int run) {
    auto made = std::make_unique<Weights>(n, n.Hu / U * panel(n));
    pack_forward(p, n, run, made->matrix.get());
    pack_peepholes(p, n, run, made->peepholes.get());
    return made;
  }

  static std::unique_ptr<Weights> backward(const Problem& p, const Sizes& n, Int run) {
    const Int columns = n.Z + (p.d_x ? n.I : 0);
    auto made = std::make_unique<Weights>(n, up(columns, J) * n.N);
    pack_backward(p, n, run, columns, made->matrix.get());
    pack_peepholes(p, n, run, made->peepholes.get());
    for (Int unit = 0; p.cut == 2 && unit < n.Hu; unit++)
      std::fill_n(made->peepholes.get() + unit * P, std::max(P - 1, 0), Real(0));
    return made;
  }
};

void forward_block(const Problem& p, const Sizes& n, Int run, Int block, const Weights& packed) {
  const Real* peepholes = packed.peepholes.get();
  const Int rows = n.rows(block), first = run * n.B + block * ROWS;
  const Int read = Q * n.Hu;
  Scratch lanes(2 * (read + n.I) * ROWS + n.Hu * ROWS);
  Vec* now = lanes.vectors();                  // [Q·Hu + I, NB]: h and gates of the step before, x of this one
  Vec* next = now + (read + n.I) * NB;
  Vec* c = next + (read + n.I) * NB;           // [Hu, NB]
  Real* h = p.h + (run * (n.T + 1) * n.Bp + block * ROWS) * n.Zp;
  Vec* saved = p.saved ? reinterpret_cast<Vec*>(p.saved) + (run * n.blocks + block) * n.T * n.Hu * S * NB : nullptr;
  for (int q = 0; p.h0 && q < Q; q++)
    to_lanes(p.h0 + (first * Q + q) * n.H, Q * n.H, rows, n.H, reinterpret_cast<Real*>(now + q * n.Hu * NB));
  if (p.c0) to_lanes(p.c0 + first * n.H, n.H, rows, n.H, reinterpret_cast<Real*>(c));
  to_rows(reinterpret_cast<Real*>(now), ROWS, n.Z, h, n.Zp);
  const Real* x = p.x + run * p.x_run + block * ROWS * p.x_row;
  for (Int t = 0; t < n.T; t++, std::swap(now, next)) {
    to_lanes(x + t * p.x_step, p.x_row, rows, n.I, reinterpret_cast<Real*>(now + read * NB));
    const Real* weights = packed.matrix.get();
    for (Int unit = 0; unit < n.Hu; unit += U, weights += panel(n)) {
      Vec sums[U * G][NB];
#pragma GCC unroll 16
      for (int m = 0; m < U * G; m++)
#pragma GCC unroll 4
        for (int v = 0; v < NB; v++) sums[m][v] = all(weights[m]);
      product<OF_H, G>(weights + U * G, now, n.Z, sums);
      product<G, G>(weights + U * (G + n.Z * OF_H), now + read * NB, n.I, sums);
#pragma GCC unroll 8
      for (int u = 0; u < U; u++)
#pragma GCC unroll 4
        for (int v = 0; v < NB; v++) {
          Vec a[G], s[std::max(S, 1)];
          for (int gate = 0; gate < G; gate++) a[gate] = sums[u * G + gate][v];
          next[(unit + u) * NB + v] = Cell::forward(a, c[(unit + u) * NB + v], s, peepholes + (unit + u) * P);
          for (int q = 1; q < Q; q++) next[(q * n.Hu + unit + u) * NB + v] = s[q];
          if (!saved) continue;
          for (int k = 0; k < S; k++) saved[u * S * NB + k * NB + v] = s[k];
        }
      if (saved) saved += U * S * NB;
    }
    if constexpr (Q > 1)
      for (int q = 0; q < Q; q++)  // what is over may be nan, and would be multiplied by its weights of 0
        std::fill(next + (q * n.Hu + n.H) * NB, next + (q + 1) * n.Hu * NB, Vec{});
    to_rows(reinterpret_cast<Real*>(next), ROWS, n.Z, h + (t + 1) * n.Bp * n.Zp, n.Zp);
  }
  for (int q = 0; p.h_end && q < Q; q++)
    to_rows(reinterpret_cast<Real*>(now + q * n.Hu * NB), rows, n.H, p.h_end + (first * Q + q) * n.H, Q * n.H);
  if (p.c_end) to_rows(reinterpret_cast<Real*>(c), rows, n.H, p.c_end + first * n.H, n.H);
}

// sums [Np, width] += dₛ · rowsₛ for the steps s, in V · LANES of its columns; dₛ is [Np, ROWS], rowsₛ [ROWS, width].
template <int V>
void outer_products(const Real* const* d, const Real* const* rows, Int steps, Int Np, Real* sums, Int width) {
  for (Int n = 0; n < Np; n += J) {
    Vec acc[J][V] = {};
    for (Int s = 0; s < steps; s++) {
      const Real *from = d[s] + n * ROWS, *row = rows[s];
      for (int b = 0; b < ROWS; b++, row += width) {
        Vec z[V];
        for (int v = 0; v < V; v++) z[v] = *reinterpret_cast<const Vec*>(row + v * LANES);
#pragma GCC unroll 16
        for (int j = 0; j < J; j++)
#pragma GCC unroll 4
          for (int v = 0; v < V; v++) acc[j][v] += from[j * ROWS + b] * z[v];
      }
    }
    for (int j = 0; j < J; j++)
      for (int v = 0; v < V; v++) *reinterpret_cast<Vec*>(sums + (n + j) * width + v * LANES) += acc[j][v];
  }
}

void all_outer_products(const Real* const* d, const Real* const* rows, Int steps, Int width, Int Np, Real* sums) {
  for (Int k = 0; k < width; k += 2 * LANES) {
    const Real* at[CHUNK];
    for (Int s = 0; s < steps; s++) at[s] = rows[s] + k;
    if (k + LANES < width) outer_products<2>(d, at, steps, Np, sums + k, width);
    else outer_products<1>(d, at, steps, Np, sums + k, width);
  }
}

// sums [Np, columns, LANES] += Σ_v dₛ ⊙ lanesₛ for the steps s, the lanes [columns, ROWS] a step.
void inner_products(const Real* const* d, const Real* const* lanes, Int steps, Int columns, Int Np, Real* sums) {
  constexpr int AT_ONCE = 4;
  static_assert(J % AT_ONCE == 0);
  Vec* sum = reinterpret_cast<Vec*>(sums);
  for (Int n = 0; n < Np; n += AT_ONCE)
    for (Int k = 0; k < columns; k++) {
      Vec acc[AT_ONCE] = {};
      for (Int s = 0; s < steps; s++) {
        const Vec *one = reinterpret_cast<const Vec*>(d[s] + n * ROWS), *other = reinterpret_cast<const Vec*>(lanes[s] + k * ROWS);
        for (int v = 0; v < NB; v++)
          for (int j = 0; j < AT_ONCE; j++) acc[j] += one[j * NB + v] * other[v];
      }
      for (int j = 0; j < AT_ONCE; j++) sum[(n + j) * columns + k] += acc[j];
    }
}

// What a group sums up, all in one array.
struct Sums {
  Real *recurrent;  // of the weights of h and gates [Np, Zp]
  Real *inputs;     // of those of x, and of the bias: [Np, Ip], or if they are few [Np, I + 1, LANES]
  Real *peepholes;  // [Hu, P, ROWS]

  Sums(const Sizes& n, Real* start)
      : recurrent(start), inputs(start + n.Np * n.Zp), peepholes(inputs + n.Np * inputs_width(n)) {}
  static Int count(const Sizes& n) { return n.Np * (n.Zp + inputs_width(n)) + n.Hu * P * ROWS; }
  static bool few(const Sizes& n) { return n.I + 1 <= FEW; }
  static Int inputs_width(const Sizes& n) { return few(n) ? (n.I + 1) * LANES : n.Ip; }
};

// The gradient of M columns of [h, gates, x], of those J for which the weights are packed.
template <int M>
inline void back_through(const Real* packed, const Vec* d, Int count, Vec* dz) {
  Vec acc[M][NB] = {};
  product<M, M>(packed, d, count, acc, J);
  for (int m = 0; m < M; m++)
    for (int v = 0; v < NB; v++) dz[m * NB + v] = acc[m][v];
}

void backward_block(const Problem& p, const Sizes& n, Int run, Int block, const Weights& weights, const Sums& sums) {
  const Real *packed = weights.matrix.get(), *peepholes = weights.peepholes.get();
  const Int rows = n.rows(block), first = run * n.B + block * ROWS;
  const Int columns = n.Z + (p.d_x ? n.I : 0);
  Scratch lanes((up(n.Z + n.I, J) + n.Hu * (Q + 3)) * ROWS + CHUNK * n.Np * ROWS), inputs(CHUNK * ROWS * n.Ip);
  const bool few = Sums::few(n);
  Vec* dz = lanes.vectors();                        // [columns, NB]: of h and gates, then of x
  Vec* dh = dz + up(n.Z + n.I, J) * NB;             // [Q, Hu, NB]
  Vec* dc = dh + Q * n.Hu * NB;                     // [Hu, NB]
  Vec* c_start = dc + n.Hu * NB;                    // [Hu, NB]
  Vec* h_now = c_start + n.Hu * NB;                 // [Hu, NB], if nothing is saved
  Real* d = reinterpret_cast<Real*>(h_now + n.Hu * NB);  // [CHUNK, Np, ROWS]
  const Real* h = p.d_weights || S == 0 ? p.h + (run * (n.T + 1) * n.Bp + block * ROWS) * n.Zp : nullptr;
  const Vec* all_saved = reinterpret_cast<const Vec*>(p.saved) + (run * n.blocks + block) * n.T * n.Hu * S * NB;
  const Int flow_start = (run * n.blocks + block) * n.T * n.Hu * NB;
  const Real* x = p.x + run * p.x_run + block * ROWS * p.x_row;
  if (p.c0) to_lanes(p.c0 + first * n.H, n.H, rows, n.H, reinterpret_cast<Real*>(c_start));
  for (int q = 0; p.d_h_end && q < Q; q++)
    add_to_lanes(p.d_h_end + (first * Q + q) * n.H, Q * n.H, rows, n.H, reinterpret_cast<Real*>(dh + q * n.Hu * NB));
  if (p.d_c_end) add_to_lanes(p.d_c_end + first * n.H, n.H, rows, n.H, reinterpret_cast<Real*>(dc));
  const Real *d_of[CHUNK], *h_of[CHUNK], *x_of[CHUNK];
  Int slot = 0;
  for (Int t = n.T - 1; t >= 0; t--) {
    if (p.d_out)
      add_to_lanes(
          p.d_out + run * p.d_run + block * ROWS * p.d_row + t * p.d_step, p.d_row, rows, n.H,
          reinterpret_cast<Real*>(dh));
    const Vec* saved = all_saved + t * n.Hu * S * NB;
    const Vec* before = t && S ? saved - n.Hu * S * NB : c_start;
    const Int before_stride = t && S ? S * NB : NB;
    if constexpr (S == 0) to_lanes(h + (t + 1) * n.Bp * n.Zp, n.Zp, ROWS, n.H, reinterpret_cast<Real*>(h_now));
    Vec* da = reinterpret_cast<Vec*>(d + slot * n.Np * ROWS);  // [Np, NB]
    for (Int unit = 0; unit < n.H; unit++, saved += S * NB)  // what is over may be nan, and stays out
      for (int v = 0; v < NB; v++) {
        Vec a[G], s[std::max(S, 1)], dp[P + 1];
        for (int k = 0; k < S; k++) s[k] = saved[k * NB + v];
        if constexpr (S == 0) s[0] = h_now[unit * NB + v];
        Vec* sum = reinterpret_cast<Vec*>(sums.peepholes) + unit * P * NB + v;
        for (int k = 0; k < P; k++) dp[k] = sum[k * NB];
        Vec &whole_h = dh[unit * NB + v], &whole_c = dc[unit * NB + v];
        const Vec on = Cell::backward(
            s, before[unit * before_stride + v], whole_h, whole_c, a, peepholes + unit * P, dp);
        if (p.flow_h) reinterpret_cast<Vec*>(p.flow_h)[flow_start + (t * n.Hu + unit) * NB + v] = whole_h;
        if (p.flow_c) reinterpret_cast<Vec*>(p.flow_c)[flow_start + (t * n.Hu + unit) * NB + v] = whole_c;
        whole_c = on;
        for (int q = 1; q < Q; q++) a[q - 1] += dh[(q * n.Hu + unit) * NB + v] * s[q] * (1 - s[q]);
        for (int k = 0; k < P; k++) sum[k * NB] = dp[k];
        for (int gate = 0; gate < G; gate++) da[n.at(unit, gate) * NB + v] = a[gate];
      }
    const Vec* of_step = reinterpret_cast<const Vec*>(d + slot * n.Np * ROWS);
    const bool through = !p.cut && OF_H > 0;  // whether an error goes back through what is read
    if (through || p.d_x) {
      for (Int k = through ? 0 : n.Z / J * J; k < columns; k += J) {
        const Int count = k + J <= n.Z ? n.of_h() : n.N;
        if (columns - k > J / 2) back_through<J>(packed + k * n.N, of_step, count, dz + k * NB);
        else if (columns - k > J / 4) back_through<J / 2>(packed + k * n.N, of_step, count, dz + k * NB);
        else back_through<J / 4>(packed + k * n.N, of_step, count, dz + k * NB);
      }
    }
    if (through) std::memcpy(dh, dz, n.Z * ROWS * sizeof(Real));
    else std::memset(dh, 0, Q * n.Hu * ROWS * sizeof(Real));
    if (p.d_x)
      to_rows(
          reinterpret_cast<Real*>(dz + n.Z * NB), rows, n.I,
          p.d_x + ((run * n.B + block * ROWS) * n.T + t) * n.I, n.T * n.I);
    if (!p.d_weights) continue;
    Real* z = inputs.get() + slot * ROWS * n.Ip;  // x and 1, as lanes or as rows
    if (few) {
      to_lanes(x + t * p.x_step, p.x_row, rows, n.I, z);
      std::fill_n(z + n.I * ROWS, ROWS, Real(1));
    } else {
      for (Int row = 0; row < ROWS; row++) {
        std::memcpy(z + row * n.Ip, x + std::min(row, rows - 1) * p.x_row + t * p.x_step, n.I * sizeof(Real));
        z[row * n.Ip + n.I] = 1;
      }
    }
    d_of[slot] = d + slot * n.Np * ROWS;
    h_of[slot] = h + t * n.Bp * n.Zp;
    x_of[slot] = z;
    if (++slot == CHUNK || t == 0) {
      all_outer_products(d_of, h_of, slot, n.Zp, up(n.of_h(), J), sums.recurrent);
      if (few) inner_products(d_of, x_of, slot, n.I + 1, n.Np, sums.inputs);
      else all_outer_products(d_of, x_of, slot, n.Ip, n.Np, sums.inputs);
      slot = 0;
    }
  }
  for (int q = 0; p.d_h0 && q < Q; q++)
    to_rows(reinterpret_cast<Real*>(dh + q * n.Hu * NB), rows, n.H, p.d_h0 + (first * Q + q) * n.H, Q * n.H);
  if (p.d_c0) to_rows(reinterpret_cast<Real*>(dc), rows, n.H, p.d_c0 + first * n.H, n.H);
}

// Add up what the groups of a run have summed, in their order.
void gather(const Problem& p, const Sizes& n, Int run, const std::unique_ptr<Scratch>* sums) {
  Vec* whole = sums[0]->vectors();
  for (Int group = 1; group < n.groups; group++)
    for (Int k = 0; k < Sums::count(n) / LANES; k++) whole[k] += sums[group]->vectors()[k];
  const bool few = Sums::few(n);
  const Int width = Sums::inputs_width(n);
  const Sums from(n, sums[0]->get());
  const auto across = [](const Real* lanes, int count) {
    Real value = *lanes;
    for (int lane = 1; lane < count; lane++) value += lanes[lane];
    return value;
  };
  for (Int unit = 0; unit < n.H; unit++)
    for (int gate = 0; gate < G; gate++) {
      const Int at = (run * G + gate) * n.H + unit, row = n.at(unit, gate);
      Real* to = p.d_weights + at * n.columns();
      for (Int k = 0; k < Q * n.H; k++) to[k] = gate < OF_H ? from.recurrent[row * n.Zp + n.place(k)] : Real(0);
      for (Int k = 0; k <= n.I; k++)
        (k < n.I ? to[Q * n.H + k] : p.d_biases[at]) =
            few ? across(from.inputs + row * width + k * LANES, LANES) : from.inputs[row * width + k];
    }
  for (Int unit = 0; unit < n.H; unit++)
    for (int k = 0; k < P; k++)
      p.d_peepholes[(run * P + k) * n.H + unit] = across(from.peepholes + (unit * P + k) * ROWS, ROWS);
}

// Pieces of work that are taken one by one by whoever is free.
template <class Work>
struct Share {
  const Work& work;
  const Int count;
  std::atomic<Int> next{0};
  std::atomic<int> failed{0};

  Share(const Work& work, Int count) : work(work), count(count) {}

  static void serve(void* share) { static_cast<Share*>(share)->serve(); }

  void serve() {
    try {
      for (Int k = next++; k < count; k = next++) work(k);
    } catch (...) {  // there is no memory
      failed = 1;
    }
  }
};

// Do count pieces of work on the threads of p, this one among them; 0 if all went well. PyTorch's own threads are the
// best ones: for a while after each of its operations they wait in a loop, which takes a core from any others.
template <class Work>
int shared_out(const Problem& p, Int count, const Work& work) {
  Share<Work> share(work, count);
  const Int threads = std::min(p.threads, count);
  if (threads > 1 && p.parallel) {
    p.parallel(Share<Work>::serve, &share, threads, 0);
    return share.failed;
  }
  std::vector<std::thread> others;
  try {
    for (Int k = 1; k < threads; k++) others.emplace_back([&] { share.serve(); });
  } catch (...) {  // fewer threads then
  }
  share.serve();
  for (std::thread& other : others) other.join();
  return share.failed;
}

// 0 if all went well.
int forward(const Problem& p, const Sizes& n) {
  std::vector<std::unique_ptr<Weights>> weights(n.R);
  const int failed = shared_out(p, n.R, [&](Int run) { weights[run] = Weights::forward(p, n, run); });
  return failed ? failed : shared_out(p, n.R * n.groups, [&](Int k) {
    const Int run = k / n.groups;
    n.each_block(k % n.groups, [&](Int block) { forward_block(p, n, run, block, *weights[run]); });
  });
}

int backward(const Problem& p, const Sizes& n) {
  std::vector<std::unique_ptr<Weights>> weights(n.R);
  std::vector<std::unique_ptr<Scratch>> sums(n.R * n.groups);
  int failed = shared_out(p, n.R, [&](Int run) { weights[run] = Weights::backward(p, n, run); });
  if (!failed) failed = shared_out(p, n.R * n.groups, [&](Int k) {
    const Int run = k / n.groups;
    sums[k] = std::make_unique<Scratch>(Sums::count(n));
    const Sums own(n, sums[k]->get());
    n.each_block(k % n.groups, [&](Int block) { backward_block(p, n, run, block, *weights[run], own); });
  });
  if (!failed && p.d_weights)
    failed = shared_out(p, n.R, [&](Int run) { gather(p, n, run, sums.data() + run * n.groups); });
  return failed;
}

// What a way returns, or 1.
template <class Way>
int unless_out_of_memory(const Way& way) {
  try {
    return way();
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

}  // namespace

extern "C" {

// Sequences a block has, the padded numbers of sequences, of what a step reads of the one before, and of units; numbers
// saved a step and sequence.
void longlag_layout(const Problem* p, Int* to) {
  const Sizes n(*p);
  to[0] = ROWS, to[1] = n.Bp, to[2] = n.Zp, to[3] = n.Hu, to[4] = n.Hu * S, to[5] = sizeof(Problem);
}

int longlag_forward(const Problem* p) {
  return unless_out_of_memory([&] { return forward(*p, Sizes(*p)); });
}

int longlag_backward(const Problem* p) {
  return unless_out_of_memory([&] { return backward(*p, Sizes(*p)); });
}

}  // extern "C"
