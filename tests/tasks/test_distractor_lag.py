import pytest
import torch
from longlag.tasks.distractor_lag import DistractorLag

from longlag.task import stream


@pytest.mark.parametrize(("T", "p"), [(1, None), (3, 2), (20, 50), (30, 1)])
def test_sequences_follow_the_rule_and_the_target_is_the_second_symbol(T, p):
    task = DistractorLag(T, p)
    distractors = [f"a{k}" for k in range(1, (p or T) + 1)]
    lines = [*distractors, "e", "b", "x", "y"]
    assert task.input_size == len(lines)
    assert list(task.alphabet) == lines
    batch = task.sample(2000, stream(0, "train", 0))
    for row in range(2000):
        length = batch.lengths[row].item()
        steps = batch.inputs[row].tolist()
        assert all(sum(step) == 1 for step in steps[:length])
        assert not any(any(step) for step in steps[length:])
        symbols = [lines[step.index(1.0)] for step in steps[:length]]
        assert symbols[0] == "b"
        assert symbols[1] in ("x", "y")
        assert symbols[-1] == "e"
        assert set(symbols[2:-1]) <= set(distractors)
        assert length - 3 >= T
        assert batch.targets[row].tolist() == [float(symbols[1] == "x"), float(symbols[1] == "y")]
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(batch.mask.shape[1])]


def test_the_trigger_comes_with_its_probability():
    """Distractors beyond the first T are geometric: P(k) = 0.1 · 0.9^k, mean 9, standard deviation 9.5."""
    n = 20_000
    extra = DistractorLag(10).sample(n, stream(1, "train", 0)).lengths - 13
    assert extra.min() == 0
    assert abs(extra.double().mean().item() - 9) < 5 * 9.487 / n**0.5
    for k in (0, 1, 5):
        probability = 0.1 * 0.9**k
        assert abs((extra == k).double().mean().item() - probability) < 5 * (probability / n) ** 0.5
    always = DistractorLag(10, trigger_probability=1).sample(100, stream(1, "train", 0))
    assert always.lengths.tolist() == [13] * 100
    half = DistractorLag(10, trigger_probability=0.5).sample(n, stream(1, "train", 0)).lengths - 13
    assert abs(half.double().mean().item() - 1) < 5 * 1.414 / n**0.5


def test_distractors_are_uniform_and_x_and_y_as_likely():
    batch = DistractorLag(10, p=4).sample(4000, stream(2, "train", 0))
    assert abs(batch.targets[:, 0].sum().item() - 2000) < 5 * 1000**0.5
    counts = batch.inputs[:, 2:12, :4].sum((0, 1))
    assert (abs(counts - 10_000) < 5 * 7500**0.5).all()


def test_an_answer_is_right_below_an_error_of_a_fifth():
    task = DistractorLag(2)
    batch = task.sample(2, stream(0, "train", 0))
    outputs = torch.where(batch.targets == 1, torch.tensor(0.801).logit(), torch.tensor(0.199).logit())
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0]
    outputs[0] = torch.where(batch.targets[0] == 1, torch.tensor(0.799).logit(), torch.tensor(0.199).logit())
    assert task.judge(outputs, batch)["acc"].tolist() == [0.0, 1.0]
    errors = (0.201, 0.199, 0.199, 0.199)  # of both outputs of both sequences
    assert task.loss(outputs, batch).item() == pytest.approx(sum(e * e for e in errors) / 4, rel=1e-5)
    assert task.loss(torch.zeros(2, 2), batch).item() == pytest.approx(0.25)


def test_solved_is_every_validation_sequence():
    assert DistractorLag(4).solved({"val/acc": 1.0})
    assert not DistractorLag(4).solved({"val/acc": 0.9999})


def test_the_cue_is_the_second_symbol():
    task = DistractorLag(4)
    assert task.cues(task.sample(2, stream(0, "train", 0))).nonzero().tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *[({"T": T}, "T must be an integer of at least 1") for T in (0, True, 3.5, "60")],
        ({"p": 0}, "p must be an integer of at least 1"),
        ({"p": 2.0}, "p must be an integer of at least 1"),
        ({"trigger_probability": 0}, "trigger_probability must be a number above 0 and at most 1, got 0"),
        ({"trigger_probability": 1.1}, "trigger_probability must be a number above 0 and at most 1, got 1.1"),
        ({"trigger_probability": True}, "trigger_probability must be a number above 0 and at most 1, got True"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DistractorLag(**arguments)
