import pytest

from longlag import build_task, compose


def test_the_sequences_are_those_that_a_run_is_trained_on(longlag):
    said = longlag("show", "task=temporal_order", "task.T=20", "seed=5", "--n", "2")
    assert said.code == 0
    task = build_task(compose("task=temporal_order", "task.T=20", "seed=5"))
    batch = task.train_batch(0)
    lines = [line.strip() for line in said.out.splitlines()]
    assert lines[0] == "temporal_order, T=20"
    shown = [line.removeprefix("input").strip() for line in lines if line.startswith("input")]
    for row in range(2):
        length = int(batch.lengths[row])
        assert shown[row] == "".join(task.alphabet[k] for k in batch.inputs[row, :length].argmax(-1).tolist())
    answers = [line.removeprefix("target").strip() for line in lines if line.startswith("target")]
    assert answers == [task.answers[k] for k in batch.targets[:2].argmax(-1).tolist()]


def test_a_picture_for_each_task(longlag, tmp_path):
    said = longlag("show", "task=latch,adding", "task.T=10", "--png", "pictures")
    assert said.code == 0
    assert said.out.split() == ["pictures/latch.png", "pictures/adding.png"]
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"latch.png", "adding.png"}


def test_a_task_of_the_reader_shows_itself(longlag, tmp_path):
    (tmp_path / "plain.py").write_text(
        "import torch\nfrom longlag.task import Batch, ClassificationTask\n\n\n"
        "class First(ClassificationTask):\n    input_size, output_size, chance_accuracy = 2, 2, 0.5\n\n"
        "    def sample(self, n, generator):\n        x = torch.rand(n, self.T, 2, generator=generator)\n"
        "        return Batch.answered_last(x, (x[:, 0, 0] > 0.5).long())\n"
    )
    said = longlag("show", "task._target_=plain.First", "~task.bits", "task.T=4", "--n", "1")
    assert said.code == 0
    assert "input 0" in said.out
    assert "input 1" in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cell=rnn"], "longlag show takes task=… and task.…=…, seed=…, got 'cell=rnn'"),
        (["--n", "0"], "--n must be a positive integer, got 0"),
        (["--steps", "-1"], "--steps must be a positive integer, got -1"),
        (["task=two_sequence", "task.signal=0"], "task: signal must be an integer of at least 1"),
        (["--png", "file/below", "--n", "1"], "--png: cannot write file/below/delayed_xor.png: Not a directory"),
    ],
)
def test_wrong_requests_are_one_line(longlag, tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    said = longlag("show", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
