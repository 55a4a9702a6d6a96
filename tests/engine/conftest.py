import pytest

from longlag.engine.native.library import _found, compiler, level


@pytest.fixture
def forgotten():
    """What this process knows of libraries, compiler and processor is asked for anew, and afterwards too."""
    known = (_found, level, compiler)
    for each in known:
        each.cache_clear()
    yield
    for each in known:
        each.cache_clear()


@pytest.fixture
def no_native(monkeypatch, forgotten):
    """The native engine is switched off."""
    monkeypatch.setenv("LONGLAG_NATIVE", "off")
