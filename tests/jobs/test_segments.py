"""A run that goes on with another engine says so: in its line, its log, its status, the table and the page."""

import pytest

from longlag.engine.native import Native
from longlag.engine.native.build import _kernel, level
from longlag.runs import Segment, Status, read_study


@pytest.fixture
def no_native(monkeypatch):
    """The native engine is switched off from now on, as on a machine without a compiler."""

    def forget():
        for known in (_kernel, level):
            known.cache_clear()

    def switch_off():
        monkeypatch.setenv("LONGLAG_NATIVE", "off")
        forget()

    yield switch_off
    monkeypatch.delenv("LONGLAG_NATIVE", raising=False)
    forget()


def test_a_run_that_goes_on_with_another_engine_says_so(longlag, tiny, tmp_path, no_native):
    native = f"native ({Native().level})"
    command = ("train", *tiny, "stop_when_solved=false")
    first = longlag(*command)
    assert "last digits" not in first.err
    no_native()
    again = longlag(*command, "trainer.max_steps=10")
    study = tmp_path / "outputs" / "default"
    (run,) = read_study(study)
    assert [(part.from_step, part.engine, part.level) for part in run.status.segments] == [
        (0, "native", native.split("(")[1][:-1]),
        (6, "torch", None),
    ]
    assert f"up to step 6 by engine={native} on " in again.err
    assert ", then by engine=torch on " in again.err
    assert "from step 6 on the run is trained by engine=torch" in run.folder.log.read_text()
    sentence = f"Several engines trained runs of one cell, so last digits differ: lstm by {native} then torch (1)."
    assert sentence in longlag("runs", str(study)).out
    third = longlag(*command, "trainer.max_steps=12")  # the third part has the engine of the second
    assert "up to step 6 by" in third.err
    (run,) = read_study(study)
    assert len(run.status.segments) == 2


def test_a_run_that_goes_on_with_the_same_engine_has_one_segment(longlag, tiny, tmp_path):
    command = ("train", *tiny, "stop_when_solved=false")
    longlag(*command)
    again = longlag(*command, "trainer.max_steps=10")
    (run,) = read_study(tmp_path / "outputs" / "default")
    assert [part.from_step for part in run.status.segments] == [0]
    assert "last digits" not in again.err
    assert "Several engines" not in longlag("runs", "outputs/default").out


def test_another_processor_or_pytorch_is_another_segment():
    here = Segment(0, "native", "avx512", "a processor", "2.13.0")
    assert not here.differs_from(Segment(7, "native", "avx512", "a processor", "2.13.0"))
    for other in (
        Segment(0, "native", "avx2", "a processor", "2.13.0"),
        Segment(0, "native", "avx512", "another", "2.13.0"),
        Segment(0, "native", "avx512", "a processor", "2.12.0"),
    ):
        assert here.differs_from(other)


def test_the_status_reads_its_segments_back():
    status = Status("done", segments=(Segment(0, "torch"), Segment(5, "eager")))
    assert Status(**{**status.to_dict(), "segments": [part.to_dict() for part in status.segments]}) == status


def test_a_study_of_cells_with_an_engine_each_mixes_nothing(longlag, tiny, tmp_path):
    longlag("train", "-m", *tiny, "cell=lstm,min_lstm")
    assert "Several engines" not in longlag("runs", "outputs/default").out
    longlag("train", *tiny, "engine=eager")
    assert " eager (1)" in longlag("runs", "outputs/default").out
    page = longlag("report", "outputs/default")
    assert page.code == 0, page.err
    assert "Several engines trained runs of one cell" in (tmp_path / "outputs" / "default" / "report.html").read_text()
