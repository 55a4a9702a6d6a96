import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import longlag
from longlag.cli.commands import COMMANDS
from longlag.cli.main import main
from longlag.settings.compose import conf_dir


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        [],
        ["train", "--help"],
        ["train", "--cfg", "job"],
        ["check", "--help"],
        ["runs", "--help"],
        ["horizon", "--help"],
        ["test", "--help"],
    ],
)
def test_help_is_light(arguments):
    """Neither torch nor Lightning nor W&B is imported to print a help text or the settings."""
    code = (
        "import sys\nfrom longlag.cli.main import main\n"
        f"try: code = main({arguments})\nexcept SystemExit as e: code = e.code\n"
        "assert code == 0, code\n"
        "heavy = {'torch', 'lightning', 'wandb', 'numpy'} & set(sys.modules)\nassert not heavy, heavy"
    )
    result = python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_help_names_every_command(longlag):
    said = longlag("--help")
    assert said.code == 0
    assert all(f"\n  {command} " in said.out for command in ("train", "check"))


def test_version(longlag):
    assert longlag("--version").out == f"longlag {__import__('longlag').__version__}\n"


def test_an_unknown_command_is_one_line(longlag):
    said = longlag("trian")
    assert (said.code, said.err) == (
        2,
        f"longlag: no command 'trian'; there are: {', '.join(COMMANDS)}; did you mean train?\n",
    )


def test_python_m_longlag():
    result = subprocess.run([sys.executable, "-m", "longlag", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"longlag {longlag.__version__}\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("longlag tr", set(COMMANDS)),
        ("longlag train cell=", {f"cell={path.stem}" for path in (conf_dir() / "cell").glob("*.yaml")}),
        ("longlag train -m task=", {f"task={path.stem}" for path in (conf_dir() / "task").glob("*.yaml")}),
        ("longlag train trainer.max", {"trainer.max_steps=", "trainer.max_time="}),
        ("longlag train cell.for", {"cell.forget_bias="}),
        ("longlag train -", {"-m", "--multirun", "--dry-run", "--cfg", "-cd", "--config-dir", "--hydra-help"}),
        ("longlag runs outputs/first --", {"-h", "--help", "--json", "--csv"}),
        ("longlag report -", {"-h", "--help", "--out", "--only", "--pdf", "--svg", "--png", "--width", "--caption"}),
        ("longlag runs ", set()),  # the shell completes folders by itself
        ("longlag nothing -", set()),
    ],
)
def test_shell_completion(longlag, monkeypatch, line, expected):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    said = longlag("-sc", "query=bash")
    assert said.code == 0
    assert set(said.out.split()) == expected


def test_completion_in_a_real_bash(tmp_path):
    """Install the completion as the help says, and ask bash for what a press of the tab key would give."""
    script = (
        'eval "$(longlag -sc install=bash)"; COMP_LINE="longlag train cell="; COMP_POINT=${#COMP_LINE}; '
        "COMP_WORDS=(longlag train cell=); COMP_CWORD=2; hydra_bash_completion; echo ${COMPREPLY[@]}"
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path},
        cwd=tmp_path,
    )
    assert sorted(result.stdout.split()) == sorted(f"cell={path.stem}" for path in (conf_dir() / "cell").glob("*.yaml"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "task=adding", "task.T=12", "--n", "1"),
        ("bench", "--help"),
        ("check", "cell=rnn"),
        ("train", "task.T=8", "cell.hidden_size=4", "trainer.max_steps=2", "logger=csv", "study='→'"),
    ],
)
def test_a_terminal_that_lacks_a_character_gets_a_question_mark(arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    for name, stream in zip(("stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(sys, name, stream)
    with contextlib.suppress(SystemExit):
        assert main(arguments) == 0
    for stream in streams:
        stream.flush()
    assert "?" in streams[0].buffer.getvalue().decode("ascii")


def test_an_interrupt_inside_of_an_extension_leaves_the_exit_code_as_it_is():
    """Python itself would end by SIGINT, although the interrupt is long over."""
    code = (
        "import ctypes, sys\n"
        "ctypes.pythonapi.PyRun_SimpleString(b'raise KeyboardInterrupt')\n"
        "sys.argv[1:] = ['nonsense']\n"
        "from longlag.cli.main import entry\n"
        "entry()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "longlag: no command 'nonsense'" in ended.stderr
