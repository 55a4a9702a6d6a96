"""On-line learning under the compiler's sanitizers: it keeps within its arrays, and its threads out of each other's."""

import subprocess
from pathlib import Path

import pytest

from longlag.engine.native.build import _FLAGS, _HERE, LEVELS, compiler, level

DRIVER = Path(__file__).with_name("online_driver.cpp")
MEMORY, THREADS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"), ("-fsanitize=thread",)


def assert_clean(folder, sanitizers, cell, bits=32, threads=2):
    flags = [flag for flag in _FLAGS if flag not in ("-O3", "-shared", "-fPIC")]
    flags += ["-O1", "-g", *sanitizers, *LEVELS[level()], f"-DREAL_BITS={bits}", f"-DCELL={cell}", f"-I{_HERE}"]
    path = folder / "driver"
    made = subprocess.run(
        [*compiler(), *flags, str(DRIVER), "-o", str(path)], capture_output=True, text=True, check=False
    )
    if made.returncode and "cannot find" in made.stderr:
        pytest.skip("the compiler has no sanitizers here")
    assert (made.returncode, made.stderr) == (0, "")
    said = subprocess.run([path, str(threads)], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in said.stderr:
        pytest.skip("this system lays out memory in a way that the sanitizer does not know")
    assert (said.returncode, said.stderr) == (0, ""), said.stdout
    assert said.stdout.endswith(" trainings, 0 wrong\n")


@pytest.mark.slow
def test_it_stays_within_its_arrays(tmp_path):
    assert_clean(tmp_path, MEMORY, "Block1997")


@pytest.mark.long
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("cell", ["PeepholeLstm", "Gru", "Rnn", "ForgetBlock", "Cell1997"])
def test_every_kind_of_cell_stays_within_its_arrays(tmp_path, cell, bits):
    assert_clean(tmp_path, MEMORY, cell, bits)


@pytest.mark.long
@pytest.mark.parametrize("threads", [2, 5])
def test_threads_share_nothing_but_what_is_to_be_done(tmp_path, threads):
    assert_clean(tmp_path, THREADS, "Block1997", threads=threads)
