"""The kernel under the compiler's sanitizers: it keeps within its arrays, and its threads out of each other's."""

import itertools
import subprocess
from pathlib import Path

import pytest

from longlag.engine.native.build import _FLAGS, _HERE, LEVELS, compiler, level

DRIVER = Path(__file__).with_name("kernel_driver.cpp")
MEMORY, THREADS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"), ("-fsanitize=thread",)
HERE = list(LEVELS)[list(LEVELS).index(level()) :]
ARRAYS = [
    *("weights", "biases", "peepholes", "x", "d_out", "h0", "c0", "d_h_end", "d_c_end", "h", "saved"),
    *("h_end", "c_end"),
    *("d_weights", "d_biases", "d_peepholes", "d_x", "d_h0", "d_c0", "flow_h", "flow_c"),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Build the driver of a cell, each but once."""
    built = {}

    def build(sanitizers, cell, bits, at):
        key = (sanitizers, cell, bits, at)
        if key not in built:
            path = tmp_path_factory.mktemp("driver") / "driver"
            flags = [flag for flag in _FLAGS if flag not in ("-O3", "-shared", "-fPIC")]
            flags += ["-O1", "-g", *sanitizers, *LEVELS[at], f"-DREAL_BITS={bits}", f"-DCELL={cell}", f"-I{_HERE}"]
            said = subprocess.run(
                [*compiler(), *flags, str(DRIVER), "-o", str(path)], capture_output=True, text=True, check=False
            )
            if said.returncode and "cannot find" in said.stderr:
                pytest.skip("the compiler has no sanitizers here")
            assert (said.returncode, said.stderr) == (0, "")
            built[key] = path
        return built[key]

    return build


def run(path, threads, every, *array):
    said = subprocess.run([path, str(threads), str(every), *array], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in said.stderr:
        pytest.skip("this system lays out memory in a way that the sanitizer does not know")
    return said


def assert_clean(path, threads, every):
    said = run(path, threads, every)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stderr == ""
    assert said.stdout.endswith(" runs, 0 wrong\n")


def test_it_stays_within_its_arrays(driver):
    assert_clean(driver(MEMORY, "PeepholeLstm", 32, level()), threads=2, every=61)


@pytest.mark.parametrize("array", ARRAYS)
def test_an_array_that_is_one_number_too_short_is_seen(driver, array):
    """So the sanitizer does look, at each array, and its last number is used."""
    said = run(driver(MEMORY, "PeepholeLstm", 32, level()), 1, 1, array)
    assert said.returncode != 0
    assert "ERROR: AddressSanitizer" in said.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_without_memory_it_says_so_and_loses_none(driver, threads):
    said = run(driver(MEMORY, "PeepholeLstm", 32, level()), threads, 1, "memory")
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.long
@pytest.mark.parametrize(
    ("cell", "bits", "at"),
    [
        *itertools.product(
            ("PeepholeLstm", "CoupledLstm", "RefinedLstm", "Gru", "Rnn", "Block1997", "Cell1997"), (32,), HERE
        ),
        *itertools.product(("PeepholeLstm",), (64,), HERE),
    ],
)
def test_every_kind_of_cell_stays_within_its_arrays_at_every_level(driver, cell, bits, at):
    assert_clean(driver(MEMORY, cell, bits, at), threads=2, every=31)


@pytest.mark.long
@pytest.mark.parametrize("cell", ["PeepholeLstm", "Rnn", "Block1997"])
def test_threads_share_nothing_but_what_is_to_be_done(driver, cell):
    path = driver(THREADS, cell, 32, level())
    assert_clean(path, threads=2, every=97)
    assert_clean(path, threads=5, every=211)
