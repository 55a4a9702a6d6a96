"""How a trained run stretches its state: Jacobians over many steps, singular values, Lyapunov exponents."""
