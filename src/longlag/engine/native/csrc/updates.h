// What each cell computes from its pre-activations, and the derivative, for one unit of LANES sequences.
//
// A unit has GATES pre-activations, each an affine map of [h, x], in the order in which kernel_cells.py packs them. Only
// the first OF_H of them read h; the others read x alone. At the next step all units read the first READ gates, after h:
// these are logistic, and saved right after the memory. PEEPHOLES counts the weights from the unit's own cell state.
//
// forward gets the pre-activations a and the memory c. It replaces c, returns h, and puts into s what backward needs:
// SAVED vectors, the new memory first.
//
// backward gets s (h alone, if nothing is saved), dh, the gradient that has reached h, and dc, the gradient that has
// reached c through the next step. It replaces dh and dc by the whole gradients of h and c, puts the gradients of the
// pre-activations into a (the kernel adds the gradients of gates that are read), and returns the gradient of the memory
// before.
#pragma once

#include "lanes.h"

struct Update {
  static constexpr int PEEPHOLES = 0, READ = 0;
};

struct Lstm : Update {
  static constexpr int GATES = 4, OF_H = 4, SAVED = 6;  // i f g o

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec i = sigmoid(a[0]), f = sigmoid(a[1]), g = tanh(a[2]), o = sigmoid(a[3]);
    c = f * c + i * g;
    const Vec squashed = tanh(c);
    s[0] = c, s[1] = i, s[2] = f, s[3] = g, s[4] = o, s[5] = squashed;
    return o * squashed;
  }

  static inline Vec backward(const Vec* s, Vec c_before, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec i = s[1], f = s[2], g = s[3], o = s[4], squashed = s[5];
    dc += dh * o * (1 - squashed * squashed);
    a[0] = dc * g * i * (1 - i);
    a[1] = dc * c_before * f * (1 - f);
    a[2] = dc * i * (1 - g * g);
    a[3] = dh * squashed * o * (1 - o);
    return dc * f;
  }
};

struct PeepholeLstm : Update {
  static constexpr int GATES = 4, OF_H = 4, SAVED = 6, PEEPHOLES = 3;  // i f g o; peepholes of i f o

  template <class Weight>  // one number for all lanes, or a number for each
  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Weight* p) {
    const Vec i = sigmoid(a[0] + p[0] * c), f = sigmoid(a[1] + p[1] * c), g = tanh(a[2]);
    c = f * c + i * g;
    const Vec o = sigmoid(a[3] + p[2] * c), squashed = tanh(c);
    s[0] = c, s[1] = i, s[2] = f, s[3] = g, s[4] = o, s[5] = squashed;
    return o * squashed;
  }

  template <class Weight>
  static inline Vec backward(const Vec* s, Vec c_before, Vec& dh, Vec& dc, Vec* a, const Weight* p, Vec* dp) {
    const Vec i = s[1], f = s[2], g = s[3], o = s[4], squashed = s[5];
    a[3] = dh * squashed * o * (1 - o);
    dc += dh * o * (1 - squashed * squashed) + a[3] * p[2];
    a[0] = dc * g * i * (1 - i);
    a[1] = dc * c_before * f * (1 - f);
    a[2] = dc * i * (1 - g * g);
    dp[0] += a[0] * c_before, dp[1] += a[1] * c_before, dp[2] += a[3] * s[0];
    return dc * f + a[0] * p[0] + a[1] * p[1];
  }
};

struct CoupledLstm : Update {
  static constexpr int GATES = 3, OF_H = 3, SAVED = 5;  // f g o; i = 1 − f

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec f = sigmoid(a[0]), g = tanh(a[1]), o = sigmoid(a[2]);
    c = f * c + (1 - f) * g;
    const Vec squashed = tanh(c);
    s[0] = c, s[1] = f, s[2] = g, s[3] = o, s[4] = squashed;
    return o * squashed;
  }

  static inline Vec backward(const Vec* s, Vec c_before, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec f = s[1], g = s[2], o = s[3], squashed = s[4];
    dc += dh * o * (1 - squashed * squashed);
    a[0] = dc * (c_before - g) * f * (1 - f);
    a[1] = dc * (1 - f) * (1 - g * g);
    a[2] = dh * squashed * o * (1 - o);
    return dc * f;
  }
};

// A second gate r bends the forget gate f into e, which multiplies the memory; 1 − e multiplies the candidate.
struct RefinedLstm : Update {
  static constexpr int GATES = 4, OF_H = 4, SAVED = 7;  // f r u o

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec f = sigmoid(a[0]), r = sigmoid(a[1]), u = tanh(a[2]), o = sigmoid(a[3]);
    const Vec e = f + (2 * r - 1) * f * (1 - f);
    c = e * c + (1 - e) * u;
    const Vec squashed = tanh(c);
    s[0] = c, s[1] = e, s[2] = r, s[3] = u, s[4] = o, s[5] = squashed, s[6] = f;
    return o * squashed;
  }

  static inline Vec backward(const Vec* s, Vec c_before, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec e = s[1], r = s[2], u = s[3], o = s[4], squashed = s[5], f = s[6];
    dc += dh * o * (1 - squashed * squashed);
    const Vec of_f = dc * (c_before - u) * f * (1 - f);
    a[0] = of_f * (1 + (2 * r - 1) * (1 - 2 * f));
    a[1] = of_f * 2 * r * (1 - r);
    a[2] = dc * (1 - e) * (1 - u * u);
    a[3] = dh * squashed * o * (1 - o);
    return dc * e;
  }
};

// The blocks of 2000, with g(z) = 2 tanh(z / 2) and h = o tanh(s / 2).
struct ForgetBlock : Update {
  static constexpr int GATES = 4, OF_H = 4, SAVED = 6;  // i f o g

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec i = sigmoid(a[0]), f = sigmoid(a[1]), o = sigmoid(a[2]), g = 2 * tanh(a[3] / 2);
    c = f * c + i * g;
    const Vec squashed = tanh(c / 2);
    s[0] = c, s[1] = i, s[2] = f, s[3] = g, s[4] = o, s[5] = squashed;
    return o * squashed;
  }

  static inline Vec backward(const Vec* s, Vec c_before, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec i = s[1], f = s[2], g = s[3], o = s[4], squashed = s[5];
    dc += dh * o * (1 - squashed * squashed) / 2;
    a[0] = dc * g * i * (1 - i);
    a[1] = dc * c_before * f * (1 - f);
    a[2] = dh * squashed * o * (1 - o);
    a[3] = dc * i * (1 - g * g / 4);
    return dc * f;
  }
};

// The candidate's parts, of h and of x, are two pre-activations: the reset gate acts on the first alone.
struct Gru : Update {
  static constexpr int GATES = 4, OF_H = 3, SAVED = 5;  // r z nh nx

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec r = sigmoid(a[0]), z = sigmoid(a[1]), n = tanh(a[3] + r * a[2]);
    c = z * c + (1 - z) * n;
    s[0] = c, s[1] = r, s[2] = z, s[3] = n, s[4] = a[2];
    return c;
  }

  static inline Vec backward(const Vec* s, Vec c_before, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec r = s[1], z = s[2], n = s[3];
    dc = dh = dh + dc;
    a[3] = dh * (1 - z) * (1 - n * n);
    a[2] = a[3] * r;
    a[1] = dh * (c_before - n) * z * (1 - z);
    a[0] = a[3] * s[4] * r * (1 - r);
    return dh * z;
  }
};

struct Rnn : Update {
  static constexpr int GATES = 1, OF_H = 1, SAVED = 0;

  static inline Vec forward(const Vec* a, Vec& c, Vec*, const Real*) { return c = tanh(a[0]); }

  static inline Vec backward(const Vec* s, Vec, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    dc = dh = dh + dc;
    a[0] = dh * (1 - s[0] * s[0]);
    return Vec{};
  }
};

struct Irnn : Update {
  static constexpr int GATES = 1, OF_H = 1, SAVED = 0;

  static inline Vec forward(const Vec* a, Vec& c, Vec*, const Real*) { return c = relu(a[0]); }

  static inline Vec backward(const Vec* s, Vec, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    dc = dh = dh + dc;
    a[0] = s[0] <= 0 ? Vec{} : dh;  // nan stays nan
    return Vec{};
  }
};

// The blocks of 1997, which forget nothing and read each other's gates: g(z) = 2 tanh(z / 2) and h = o tanh(s / 2). Where
// s is large, 1 − tanh² has no digits left, so the derivative itself is saved.
struct Block1997 : Update {
  static constexpr int GATES = 3, OF_H = 3, SAVED = 6, READ = 2;  // i o g

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec i = sigmoid(a[0]), o = sigmoid(a[1]), g = 2 * tanh(a[2] / 2);
    c += i * g;
    Vec slope;
    const Vec squashed = tanh(c / 2, slope);
    s[0] = c, s[1] = i, s[2] = o, s[3] = g, s[4] = squashed, s[5] = slope;
    return o * squashed;
  }

  static inline Vec backward(const Vec* s, Vec, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec i = s[1], o = s[2], g = s[3], squashed = s[4], slope = s[5];
    dc += dh * o * slope / 2;
    a[0] = dc * g * i * (1 - i);
    a[1] = dh * squashed * o * (1 - o);
    a[2] = dc * i * (1 - g * g / 4);
    return dc;
  }
};

// The memory cell of 1997 without an output gate, which reads x alone.
struct Cell1997 : Update {
  static constexpr int GATES = 2, OF_H = 0, SAVED = 3;  // i g

  static inline Vec forward(const Vec* a, Vec& c, Vec* s, const Real*) {
    const Vec i = sigmoid(a[0]), g = sigmoid(a[1]);
    c += i * g;
    s[0] = c, s[1] = i, s[2] = g;
    return c;
  }

  static inline Vec backward(const Vec* s, Vec, Vec& dh, Vec& dc, Vec* a, const Real*, Vec*) {
    const Vec i = s[1], g = s[2];
    dc = dh = dh + dc;
    a[0] = dc * g * i * (1 - i);
    a[1] = dc * i * g * (1 - g);
    return dc;
  }
};
