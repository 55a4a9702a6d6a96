"""Words that Hydra would drop in silence, or end with a traceback at: one line that says the right form."""

import pytest

TWICE = [
    (["train", "-m", "task.T=10,12", "task.T=14,16"],
     "task.T is typed twice, task.T=10,12 and task.T=14,16: type it once; both are written -m task.T=10,12,14,16"),
    (["train", "task.T=10", "task.T=12"], "task.T is typed twice, task.T=10 and task.T=12: type it once; both are "),
    (["train", "cell=lstm", "seed=1", "cell=rnn"], "cell is typed twice, cell=lstm and cell=rnn: type it once; both "),
    (["train", "~cell.forget_bias", "cell.forget_bias=2"], "cell.forget_bias is typed twice, ~cell.forget_bias and c"),
    (["train", "+trainer.profiler=simple", "++trainer.profiler=null"], "trainer.profiler is typed twice, +trainer.pro"),
    (["train", "resume=a", "resume=b"], "resume is typed twice, resume=a and resume=b"),
    (["audit", "task=adding", "task=latch"], "task is typed twice, task=adding and task=latch: type it once; both ar"),
    (["show", "task.T=10", "task.T=20"], "task.T is typed twice, "),
    (["check", "cell=lstm", "cell=rnn"], "cell is typed twice, "),
    (["bench", "cell=lstm", "H=16", "H=32"], "H is typed twice, H=16 and H=32: type it once; both are written H=16,32"),
]  # fmt: skip
EXPERIMENTS = (
    "cells, cells_matched, demo, easy/…, forget_bias, forget_bias_grid, hochreiter1997/…, search_forget_bias, "
    "truncation, xor_rates"
)
CHOICES = [
    (["train", "experiment=1"], f"experiment=1: a choice is a name; there are: {EXPERIMENTS}"),
    (["train", "experiment=true"], "experiment=true: a choice is a name; there are: "),
    (["train", "experiment=null"], "experiment=null: a choice is a name; there are: "),
    (["train", "experiment=nan"], "experiment=nan: a choice is a name; there are: "),
    (["train", "experiment=[demo,1]"], "experiment=[demo,1]: a choice is a name; there are: "),
    (["train", "callbacks=[1,2]"], "callbacks=[1,2]: a choice is a name; there are: default"),
    (["train", "probe=null"], "probe=null: a choice is a name; probe=none leaves it out"),
    (["train", "logger=null"], "logger=null: a choice is a name; logger=none leaves it out"),
    *((["train", f"{group}=[1,2]"], f"{group}=[1,2]: there is one choice in {group}; there are: ")
      for group in ("cell", "task", "trainer", "optimizer", "logger", "probe", "init", "task/splits")),
    (["train", "hydra/launcher=[here]"], "hydra/launcher=[here]: there is one choice in hydra/launcher; a grid is wri"),
    *((["train", f"{group}=1.5"], f"{group}=1.5: a choice is a name; there are: ")
      for group in ("cell", "task", "trainer", "optimizer", "logger", "probe", "init", "task/splits", "callbacks")),
    (["train", "-m", "cell=[lstm,rnn]"], "cell=[lstm,rnn]: there is one choice in cell; a grid is written -m cell=ls"),
    (["train", "-m", "cell=lstm,1"], "cell=lstm,1: a choice is a name; there are: "),
    (["train", "-m", "cell=range(3)"], "cell=range(3): a choice is a name; there are: "),
    (["train", "=3"], "no key before the = in '=3'"),
    (["train", "hydra.launcher=local"], "hydra.launcher is a group: hydra/launcher=local makes a choice in it"),
    (["train", "task.splits=endless", "task.splits.batch_size=1"], "task.splits is a group: task/splits=endless make"),
    (["train", "experiment=adding"], f"no experiment 'adding'; there are: {EXPERIMENTS}; did you mean easy/adding?"),
    (["train", "-m", "experiment=latch,demo"], "no experiment 'latch'; there are: "),
    (["audit", "task=1"], "task=1: a choice is a name; there are: adding"),
    (["audit", "task=[adding,latch]"], "task=[adding,latch]: there is one choice in task; a grid is written task=add"),
    (["show", "task=null"], "task=null: a choice is a name; there are: "),
    (["check", "cell=[lstm,rnn]"], "cell=[lstm,rnn]: there is one choice in cell; a grid is written cell=lstm,rnn"),
    (["bench", "cell=true"], "cell=true: a choice is a name; there are: "),
]  # fmt: skip
SWEEPS = [
    (["experiment=demo,forget_bias"],
     "experiment=demo has a grid of its own, which is lost in a grid over several choices; type "),
    (["experiment=easy/latch,demo"], "experiment=demo has a grid of its own, "),
    (["experiment=easy/latch,search_forget_bias"], "experiment=search_forget_bias has a grid of its own, "),
]  # fmt: skip
HINTS = [
    (["experiment=demo"], "experiment=demo is a grid; longlag train -m runs it"),
    (["experiment=search_forget_bias", "--dry-run"], "experiment=search_forget_bias is a grid; longlag train -m runs"),
    (["seed=${nope}"], "seed: Interpolation key 'nope' not found"),
    (["-m", "seed=${nope},1"], "seed: Interpolation key 'nope' not found"),
    (["task.T=${oc.env:NOPE_NO}"], "task.T: KeyError raised while resolving interpolation: \"Environment variable 'N"),
    (["study=${study}"], "study: Recursive interpolation detected"),
    (["hydra.run.dir=${nope}"], "hydra.run.dir: Interpolation key 'nope' not found"),
    (["-m", "hydra.launcher.jobs=${nope}", "hydra/launcher=local", "seed=0,1"], "hydra.launcher.jobs: Interpolation"),
    (["study=é"], "cannot read 'study=é': a value with such a character wants quotes, as in 'study=\"é\"'"),
    (["output_dir=ü/a"], "cannot read 'output_dir=ü/a': a value with such a character wants quotes, as in 'output_dir"),
    ([f"study={'a' * 260}"], "study: the name of a folder has at most 255 bytes, got 260"),
    (["study='" + "é" * 128 + "'"], "study: the name of a folder has at most 255 bytes, got 256"),
    (["-m", f"output_dir={'a' * 256}", "seed=0,1"], "output_dir: the name of a folder has at most 255 bytes, got 256"),
    (["output_dir=" + "/".join(["a" * 250] * 20)], "cannot write to aaaaa"),
    (["optimizer.weight_decay=0.1"], "no key 'optimizer.weight_decay'; +optimizer.weight_decay=… adds an argument of"),
    (["cell.blocks=3"], "no key 'cell.blocks'; +cell.blocks=… adds an argument of the cell\n"),
    (["cell=lstm_1997", "cell.blocks=3"], "no key 'cell.blocks'; did you mean cell.block_size?"),
    (["trainer.max_epochs=3"], "no key 'trainer.max_epochs'; a run counts steps, trainer.max_steps=…"),
    (["trainer.limit_train_batches=3"], "no key 'trainer.limit_train_batches'; trainer.max_steps=… limits the steps,"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [*TWICE, *CHOICES, *((["train", "-m", *a], m) for a, m in SWEEPS), *((["train", *a], m) for a, m in HINTS)],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_wrong_words_are_one_line_and_cost_no_run(longlag, tmp_path, arguments, message):
    said = longlag(*arguments, as_typed=True)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "jobs"),
    [
        (["experiment=easy/latch,easy/parity"], 2),
        (["experiment=[demo,easy/latch]", "seed=0,1"], 4),
        (["callbacks=[default]", "seed=0,1"], 2),
        (["study=a,b", "hydra/launcher=local"], 2),
        (["cell={hidden_size: 5}", "seed=0,1"], 2),
        (["experiment=demo", "seed=0,1"], 4),
        (["task/splits=endless", "task.splits.batch_size=1,2"], 2),
    ],
)
def test_what_is_right_is_composed_as_before(longlag, arguments, jobs):
    said = longlag("train", "-m", *arguments, "--dry-run", as_typed=True)
    assert said.code == 0, said.err
    assert f"\n{jobs} jobs: {jobs} to run\n" in said.out


def test_a_quoted_name_is_a_name(longlag, tiny, tmp_path):
    assert longlag("train", *tiny, 'study="é"').code == 0
    assert (tmp_path / "outputs" / "é").is_dir()


def test_the_folder_of_studies_names_them(longlag, tiny, tmp_path):
    longlag("train", *tiny, "study=one")
    longlag("train", *tiny, "study=two")
    said = longlag("runs", "outputs")
    assert (said.code, said.err) == (
        2,
        "longlag: outputs holds studies, and no run of its own; outputs/* names them all\n",
    )
    assert longlag("runs", "outputs/one", "outputs/two").code == 0
    (tmp_path / "empty").mkdir()
    assert longlag("runs", "empty").err == "longlag: no run in empty\n"
