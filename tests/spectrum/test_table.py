"""What is printed of a spectrum, and what JSON has of it."""

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from longlag.spectrum.jacobian import Spectrum, StepJacobians
from longlag.spectrum.table import plain, print_layers

INF, NAN = math.inf, math.nan
#: Three sequences of 4, 4 and 2 steps, three numbers; one of them is lost in the second sequence.
LAYER = (
    "SomeCell",
    StepJacobians(np.zeros((3, 4, 3, 3)), np.array([4, 4, 2]), {"h": 1, "c[0]": 2}, ("c[1]",), True),
    Spectrum(
        (1, 2, 4),
        np.array([4, 4, 2]),
        np.array(
            [
                [[0.0, -0.25, -1.0], [0.0, -0.5, -2.0], [1.0, -1.0, -400.0]],
                [[0.5, -0.5, -INF], [1.0, -1.0, -INF], [2.0, -2.0, -INF]],
                [[0.25, -0.125, -3.0], [0.5, -0.25, -6.0], [NAN, NAN, NAN]],
            ]
        ),
        np.array([[0.5, -0.25, -2.0], [0.5, -0.5, -INF], [0.5, -0.75, -1.0]]),
    ),
)


def printed(*layers):
    console = Console(file=io.StringIO(), width=100)
    print_layers(layers, console)
    return console.file.getvalue().splitlines()


def test_the_tables():
    lines = printed(LAYER, LAYER)
    assert max(map(len, lines)) <= 100
    first = lines[: len(lines) // 2]
    assert first[1] == "layer 1, SomeCell: a state s of 3 numbers (1 of h, 2 of c[0]), 3 sequences"
    assert first[2] == "no gradient flows from c[1] into the next step: not part of s"
    assert "as it is published" in first[3]
    start = next(n for n, line in enumerate(first) if line.split()[:2] == ["k", "largest"])
    assert [line.split() for line in first[start + 1 : start + 4]] == [
        # medians over the sequences, one of them shorter; log10 of 1/2 is -0.301
        ["1", "0.250", "-0.250", "-3.000", "2", "0", "3"],
        ["2", "0.500", "-0.500", "-6.000", "1", "0", "3"],
        ["4", "1.500", "-1.500", "-inf", "1", "0.5", "2"],
    ]
    start = next(n for n, line in enumerate(first) if line.split()[:1] == ["number"])
    assert [line.split() for line in first[start + 1 :]] == [
        ["1", "0.5000", "0.0000", "inf", "inf"],
        ["2", "-0.5000", "0.2041", "2", "1.39"],  # sd of -1/4, -1/2, -3/4: √(1/24); 2 ln 2 steps
        ["3", "-inf", "-", "0", "0"],
    ]
    assert lines[len(lines) // 2 + 1].startswith("layer 2, SomeCell")


def test_nothing_is_said_of_a_state_that_is_read_whole():
    name, jacobians, spectrum = LAYER
    whole = StepJacobians(jacobians.values, jacobians.steps, {"h": 3}, (), False)
    assert not [line for line in printed((name, whole, spectrum)) if "gradient" in line]


def test_the_plain_figures_are_json_and_complete():
    found = json.loads(json.dumps(plain(LAYER), allow_nan=False))
    assert {key: found[key] for key in ("cell", "state", "left_out", "truncated", "steps")} == {
        "cell": "SomeCell", "state": {"h": 1, "c[0]": 2}, "left_out": ["c[1]"], "truncated": True, "steps": [4, 4, 2],
    }  # fmt: skip
    assert found["singular_values"][2] == {
        "k": 4, "sequences": 2, "largest": 1.5, "median": -1.5, "smallest": None, "above_half": 1.0, "zero": 0.5,
        "log10_by_sequence": [[1.0, -1.0, -400.0], [2.0, -2.0, None]],
    }  # fmt: skip
    exponents = found["lyapunov"]
    assert exponents["mean"] == [0.5, -0.5, None]
    assert exponents["spread"] == [0.0, pytest.approx(math.sqrt(1 / 24)), None]
    assert exponents["time_scale"] == [None, 2.0, 0.0]
    assert exponents["half_life"] == [None, pytest.approx(2 * math.log(2)), 0.0]
    assert exponents["by_sequence"][1] == [0.5, -0.5, None]


def test_an_exponent_of_rounding_is_no_time_scale():
    name, jacobians, spectrum = LAYER
    still = Spectrum(spectrum.ks, spectrum.steps, spectrum.log10_singular_values, np.full((3, 3), -1e-16))
    assert plain((name, jacobians, still))["lyapunov"]["time_scale"] == [None, None, None]
