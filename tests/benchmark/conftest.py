import pytest

from longlag.engine.native.build import _kernel, compiler, level


@pytest.fixture
def no_native(monkeypatch):
    """The native engine is switched off; what this process knows of it is asked for anew, and afterwards too."""
    known = (_kernel, level, compiler)
    for each in known:
        each.cache_clear()
    monkeypatch.setenv("LONGLAG_NATIVE", "off")
    yield
    for each in known:
        each.cache_clear()
