import torch

from longlag.benchmark.machine import load, machine, machine_line


def test_the_machine_is_named():
    facts = machine(threads=2, device="cpu")
    assert facts["cpu"]
    assert facts["cores"] >= 1
    assert (facts["threads"], facts["torch"], facts["gpu"]) == (2, torch.__version__, None)
    assert facts["native"] in ("avx512", "avx2", "plain")
    line = machine_line(facts)
    assert all(part in line for part in (facts["cpu"], "2 threads", torch.__version__, facts["native"]))


def test_without_the_native_engine_it_says_so(no_native):
    facts = machine(threads=1, device="cpu")
    assert facts["native"] is None
    assert machine_line(facts).endswith("; no native engine")


def test_a_gpu_is_named_too():
    assert "2 cores, a GPU; 1 thread" in machine_line({**machine(1, "cpu"), "cores": 2, "gpu": "a GPU"})


def test_the_load_is_a_number_or_not_known():
    assert load() is None or load() >= 0
