import pytest

from longlag.engine.native.library import compiler, level, library


@pytest.fixture
def forgotten():
    """What this process knows of libraries, of the compiler and of the processor is asked for anew, and afterwards too."""
    known = (library, level, compiler)
    for each in known:
        each.cache_clear()
    yield
    for each in known:
        each.cache_clear()


@pytest.fixture
def no_native(monkeypatch, forgotten):
    """The native engine is switched off."""
    monkeypatch.setenv("LONGLAG_NATIVE", "off")
