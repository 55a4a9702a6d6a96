"""The versions of Python and of the packages that longlag says it runs with."""

import argparse
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    ("version", "fits"), [("3.10.13", False), ("3.11.0", True), ("3.12.1", True), ("3.13.9", True), ("3.14.0", False)]
)
def test_pip_refuses_the_versions_that_it_does_not_run_on(version, fits):
    assert SpecifierSet(PROJECT["requires-python"]).contains(version) == fits


def test_hydra_s_help_is_what_python_3_14_refuses():
    """The upper bound goes when Hydra's parser passes this check of Python 3.14."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    odd = [action.dest for action in parser._actions if not isinstance(action.help, str | None)]
    assert odd == ["shell_completion"]
    assert isinstance(parser, argparse.ArgumentParser)


def test_the_pins_are_within_what_the_project_asks_for():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    wanted = [Requirement(line) for line in [*PROJECT["dependencies"], *extras] if not line.startswith("longlag")]
    for requirement in wanted:
        name = requirement.name.lower().replace("_", "-")
        if name in {pin.lower() for pin in pins}:
            pinned = next(version for pin, version in pins.items() if pin.lower() == name)
            assert requirement.specifier.contains(pinned), f"{requirement} and {name}=={pinned}"


def test_triton_is_the_one_that_this_pytorch_asks_for_on_a_gpu():
    """PyTorch's wheel for GPUs asks for one version of Triton; another pin keeps pip from installing it."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    assert (pins["torch"], pins["triton"]) == ("2.13.0", "3.7.1")
