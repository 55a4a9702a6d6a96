from longlag.benchmark.free_memory import free, lacking
from longlag.benchmark.workload import Size


def test_a_small_size_fits_and_a_huge_one_does_not():
    assert lacking(Size("lstm", 16, 32, 100), 1, "cpu") is None
    why = lacking(Size("lstm", 10_000, 100_000, 10_000), 1, "cpu")
    assert why.startswith("lstm H=10000 B=100000 T=10000 R=1 wants about 400024 GB of memory, and ")


def test_it_grows_with_the_runs_and_with_the_width(monkeypatch):
    size = Size("lstm", 100, 100, 100, R=4)  # 40 MB a run, about
    monkeypatch.setattr("longlag.benchmark.free_memory.free", lambda device: 60 * 10**6)
    assert lacking(size, 1, "cpu") is None
    assert lacking(size, 4, "cpu")
    assert lacking(size, 1, "cpu", wide=True)
    monkeypatch.setattr("longlag.benchmark.free_memory.free", lambda device: None)
    assert lacking(size, 4, "cpu") is None


def test_what_is_free_is_known_on_linux():
    there = free("cpu")
    assert there is None or there > 10**6
