// Recurrent cells over time, forward and by exact backpropagation through time: an affine map and a pointwise update.
//
// There is one build for each type of number, vector size and cell: REAL_BITS, VECTOR_BYTES and CELL. The sequences form
// blocks, see problem.h. In a block the lanes of a vector are sequences, so the gates of a unit meet in registers, and the
// weights are broadcast. Only the product that gives the gradient of the weights has units as lanes; for this product h is
// kept in rows too.

#include "products.h"
#include "threads.h"
#include "weights.h"

#include <memory>
#include <vector>

namespace {

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
      for (int q = 0; q < Q; q++)  // padded units may be nan, and nan times a weight of 0 is nan
        std::fill(next + (q * n.Hu + n.H) * NB, next + (q + 1) * n.Hu * NB, Vec{});
    to_rows(reinterpret_cast<Real*>(next), ROWS, n.Z, h + (t + 1) * n.Bp * n.Zp, n.Zp);
  }
  for (int q = 0; p.h_end && q < Q; q++)
    to_rows(reinterpret_cast<Real*>(now + q * n.Hu * NB), rows, n.H, p.h_end + (first * Q + q) * n.H, Q * n.H);
  if (p.c_end) to_rows(reinterpret_cast<Real*>(c), rows, n.H, p.c_end + first * n.H, n.H);
}

// The sums of a group, in one array.
struct Sums {
  Real *recurrent;  // of the weights of h and gates [Np, Zp]
  Real *inputs;     // of the weights of x and of the bias: [Np, Ip], or [Np, I + 1, LANES] if they are few
  Real *peepholes;  // [Hu, P, ROWS]

  Sums(const Sizes& n, Real* start)
      : recurrent(start), inputs(start + n.Np * n.Zp), peepholes(inputs + n.Np * inputs_width(n)) {}
  static Int count(const Sizes& n) { return n.Np * (n.Zp + inputs_width(n)) + n.Hu * P * ROWS; }
  static bool few(const Sizes& n) { return n.I + 1 <= FEW; }
  static Int inputs_width(const Sizes& n) { return few(n) ? (n.I + 1) * LANES : n.Ip; }
};

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
    for (Int unit = 0; unit < n.H; unit++, saved += S * NB)  // without the padded units, which may be nan
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
    const bool through = !p.cut && OF_H > 0;  // whether an error goes back through h and the gates that are read
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

// Add the sums of the groups of a run, in the order of the groups.
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

// Return 0, or 1 if there is no memory.
int forward(const Problem& p, const Sizes& n) {
  std::vector<std::unique_ptr<Weights>> weights(n.R);
  const int failed = parallel_for(p, n.R, [&](Int run) { weights[run] = Weights::forward(p, n, run); });
  return failed ? failed : parallel_for(p, n.R * n.groups, [&](Int k) {
    const Int run = k / n.groups;
    n.each_block(k % n.groups, [&](Int block) { forward_block(p, n, run, block, *weights[run]); });
  });
}

int backward(const Problem& p, const Sizes& n) {
  std::vector<std::unique_ptr<Weights>> weights(n.R);
  std::vector<std::unique_ptr<Scratch>> sums(n.R * n.groups);
  int failed = parallel_for(p, n.R, [&](Int run) { weights[run] = Weights::backward(p, n, run); });
  if (!failed) failed = parallel_for(p, n.R * n.groups, [&](Int k) {
    const Int run = k / n.groups;
    sums[k] = std::make_unique<Scratch>(Sums::count(n));
    const Sums of_group(n, sums[k]->get());
    n.each_block(k % n.groups, [&](Int block) { backward_block(p, n, run, block, *weights[run], of_group); });
  });
  if (!failed && p.d_weights)
    failed = parallel_for(p, n.R, [&](Int run) { gather(p, n, run, sums.data() + run * n.groups); });
  return failed;
}

// Return the result of a pass, or 1 if there is no memory.
template <class Pass>
int unless_out_of_memory(const Pass& pass) {
  try {
    return pass();
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

}  // namespace

extern "C" {

// Write the layout: the sequences of a block; the padded numbers of sequences, of what a step reads of the step before,
// and of units; the numbers saved for a step of a sequence; the size of Problem.
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
