"""What steps by hand are made with: no tensor operation that the cells use."""

import math

import torch


def logistic(z):
    return 1 / (1 + math.exp(-z))


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def of_its_own(cell):
    """Give every parameter of a cell a number of its own, none of them small, and return them as nested lists."""
    count = 0
    cell.double()
    for parameter in cell.parameters():
        numbers = torch.arange(count, count + parameter.numel(), dtype=torch.float64)
        parameter.data.copy_(torch.sin(1 + numbers * 0.7).reshape(parameter.shape))
        count += parameter.numel()
    return [parameter.tolist() for parameter in cell.parameters()]
