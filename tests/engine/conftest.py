import importlib

import pytest
from native_place import Place

from longlag.engine import Native
from longlag.engine.native.build import _kernel, compiler, level

module = importlib.import_module("longlag.engine.native.build")  # the package has a function of that name


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


@pytest.fixture(scope="module")
def true_compiler():
    return " ".join(compiler())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A library that the true compiler has made; without optimizing, which is quicker."""
    flags = (*module._FLAGS, *module.LEVELS[Native().level], "-DREAL_BITS=32", "-DCELL=Rnn", "-O0")
    return module._built(tmp_path_factory.mktemp("built") / "it.so", flags)


@pytest.fixture
def place(tmp_path, built, monkeypatch, forgotten):
    forgotten()
    found = Place(tmp_path, built, monkeypatch)
    yield found
    assert list(found.temporary.iterdir()) == [], "nothing is left there"
