"""Singular values of long products of matrices, by multiplying them out with as many digits as it takes."""

import math

import mpmath
import numpy as np


def log_singular_values(factors, digits=1200):
    """Natural logarithms, the largest first, of the factors as they are: each number of them is taken as exact."""
    with mpmath.workdps(digits):
        product = mpmath.eye(len(factors[0]))
        for factor in factors:
            product = mpmath.matrix(np.asarray(factor).tolist()) * product
        found = mpmath.svd_r(product, compute_uv=False)
        largest = max(found)
        # what is nothing but rounding at so many digits is 0
        return np.array([float(mpmath.log(s)) if s > largest * mpmath.mpf(10) ** (-digits / 2) else -math.inf
                         for s in found])  # fmt: skip
