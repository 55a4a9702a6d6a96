import pytest

from longlag.engine.native.build import _kernel, compiler, level


@pytest.fixture
def forgotten():
    """What this process knows of libraries, compiler and processor is asked for anew, and afterwards too.

    The fixture is a function that makes it so once more.
    """

    def forget():
        for known in (_kernel, level, compiler):
            known.cache_clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def no_native(monkeypatch, forgotten):
    """The native engine is switched off."""
    monkeypatch.setenv("LONGLAG_NATIVE", "off")
