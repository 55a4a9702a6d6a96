"""What the package says of itself: versions, licence, how to cite it, what it holds, and its page on an index."""

import argparse
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from trove_classifiers import classifiers

import longlag

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


def test_the_citation_is_of_this_version_under_this_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (longlag.__version__, PROJECT["license"])
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_an_index_knows_the_classifiers():
    assert set(PROJECT["classifiers"]) <= set(classifiers)


def test_the_changelog_counts_the_tasks_and_cells_that_are_there():
    changes = (ROOT / "CHANGELOG.md").read_text()
    for thing in ("task", "cell"):
        said = re.search(rf"^- (\d+) (?:long-lag )?{thing}s of ", changes, re.MULTILINE)
        assert said is not None
        assert int(said[1]) == len(list((ROOT / "conf" / thing).glob("*.yaml")))


def test_pre_commit_runs_the_linters_of_make_lint():
    """Each linter is a program of the environment, and none that `make lint` runs is left out."""
    hooks = [
        hook
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repo["hooks"]
    ]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    wanted = [
        line.removeprefix("\t@$(BIN)/").removesuffix(" .").replace("format --check", "format")
        for line in lint.splitlines()
    ]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in hooks] == wanted


def test_the_public_ci_calls_what_ci_is_here():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_an_index_shows_the_readme_without_pictures_and_without_links_that_lead_nowhere():
    from readme_renderer.markdown import render

    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    readme = (ROOT / "README.md").read_text()
    page = render(hook.for_an_index(readme))
    assert page is not None
    assert "<img" not in page
    assert not re.findall(r'href="(?!https?:|#)[^"]*"', page)
    assert page.count("<h2") == len(re.findall(r"^## ", readme, re.MULTILINE))
