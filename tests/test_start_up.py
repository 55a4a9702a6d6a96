"""The start leaves out what nobody uses, and whoever uses it finds it."""

import subprocess
import sys

import pytest


def printed(code):
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_training_is_imported_without_scipy_signal_and_without_wandb():
    code = (
        "import sys, longlag.jobs.population; print(*{'scipy.stats', 'scipy.interpolate', 'wandb'} & set(sys.modules))"
    )
    assert printed(code) == []


@pytest.mark.parametrize(
    "use",
    [
        "import scipy.signal as signal; signal.butter",
        "import scipy; scipy.signal.butter",
        "from scipy.signal import butter",
        "from scipy.signal.windows import hann",
        "import importlib; importlib.import_module('scipy.signal').butter",
    ],
)
def test_scipy_signal_is_there_when_it_is_used(use):
    pytest.importorskip("scipy")
    assert printed(f"import sys, longlag; {use}; print(sys.modules['scipy.signal'].butter.__name__)") == ["butter"]
