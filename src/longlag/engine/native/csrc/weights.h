// The weights of a run, packed in the order in which the kernel reads them.
#pragma once

#include "problem.h"

#include <memory>

namespace {

// The size of a panel, the weights of U units: biases, weights of h [Z, U · OF_H], weights of x [I, U · G].
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

// The transposed weights, J columns of [h, gates, x] after another: [N, J] each.
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

// The weights of a run as forward_block or backward_block reads them; all groups of the run share them.
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

}  // namespace
