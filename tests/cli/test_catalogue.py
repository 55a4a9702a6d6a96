"""``longlag cells`` and ``longlag tasks`` list what there is, a reader's own too."""

import subprocess
import sys

import pytest

from longlag.settings.compose import conf_dir


@pytest.mark.parametrize("group", ["cell", "task"])
def test_each_is_a_line_with_what_it_is(longlag, group):
    said = longlag(f"{group}s")
    lines = said.out.splitlines()
    assert said.code == 0
    assert [line.split()[0] for line in lines] == sorted(file.stem for file in (conf_dir() / group).glob("*.yaml"))
    assert all(len(line.split()) > 2 for line in lines)


def test_a_reader_s_own_is_among_them(longlag, tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "echo.yaml").write_text("# Name the symbol\n# that came first\nT: 3\n")
    lines = longlag("tasks", "--config-dir", str(tmp_path)).out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("echo ")] == [
        "Name the symbol that came first"
    ]
    assert any(line.startswith("adding ") for line in lines)


def test_a_folder_that_is_none_is_one_line(longlag, tmp_path):
    said = longlag("cells", "--config-dir", str(tmp_path / "gone"))
    assert (said.code, said.err) == (2, f"longlag: --config-dir: {tmp_path / 'gone'} is no folder\n")


def test_the_catalogue_and_the_greeting_are_light():
    code = (
        "import sys\nfrom longlag.cli.main import main\n"
        "assert main(['cells']) == main([]) == 0\n"
        "heavy = {'torch', 'lightning', 'wandb', 'numpy'} & set(sys.modules)\nassert not heavy, heavy"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    greeting = said.splitlines()[-5:]
    assert greeting[0].startswith("longlag ")
    assert [line.split()[1] for line in greeting[2:]] == ["train", "tasks", "--help"]


def test_a_grid_names_the_command_for_its_page(longlag):
    tiny = ["task.T=5", "trainer.max_steps=1", "trainer.val_check_interval=1", "logger=csv"]
    said = longlag("train", "-m", *tiny, "seed=0,1", "study=two runs")
    place, command = said.out.splitlines()[-2:]
    assert command == f"compare them on a page: longlag report '{place.removeprefix('runs: ')}'"
    assert "longlag report" not in longlag("train", *tiny).out
