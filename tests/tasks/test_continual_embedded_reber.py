import pytest
import torch
from reber import legal_next

from longlag.task import Splits, stream
from tasks.continual_embedded_reber import ContinualEmbeddedReber


def test_a_stream_is_made_of_strings_and_the_targets_are_all_legal_symbols():
    """Read on from E to the next B: each whole string is one of the grammar, and B is what may follow its E."""
    task = ContinualEmbeddedReber(9, symbols=300)
    batch = task.sample(40, stream(0, "train", 0))
    assert batch.inputs.shape == (40, 300, 7)
    assert batch.mask.all()
    whole = 0
    for row in range(40):
        text = "".join(task.alphabet[k] for k in batch.inputs[row].argmax(-1).tolist())
        wanted = [{task.alphabet[k] for k in step.nonzero().flatten().tolist()} for step in batch.targets[row]]
        start = 0
        while start < 300:
            string = next_string(text[start:])
            if string is None:
                break
            assert wanted[start : start + len(string) - 1] == legal_next(string)
            assert wanted[start + len(string) - 1] == {"B"}
            assert batch.inputs.shape[1] - start >= 9
            start += len(string)
            whole += 1
    assert whole > 40 * 15


def next_string(text):
    """Return the embedded string with which a text begins, if it is there to its end."""
    for end in range(9, len(text) + 1):
        if text[end - 1] == "E" and text[end - 2] == text[1] and text[end - 3] == "E":
            return text[:end]
    return None


def test_streams_for_validation_and_test_have_a_length_of_their_own():
    task = ContinualEmbeddedReber(9, symbols=50, eval_symbols=700, splits=Splits(train_size=None))
    assert [task.draw(split, 0, 2).inputs.shape[1] for split in ("train", "probe", "val", "test")] == [50, 50, 700, 700]


def test_an_answer_is_right_below_an_error_of_49_hundredths():
    task = ContinualEmbeddedReber(9, symbols=30)
    batch = task.sample(2, stream(1, "train", 0))
    near, far = (torch.tensor(p).logit().item() for p in (0.511, 0.509))  # errors of 0.489 and 0.491
    outputs = torch.where(batch.targets == 1, near, -near)
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == judged["perfect"].tolist() == [1.0, 1.0]
    assert judged["error_free"].tolist() == [30.0, 30.0]
    assert judged["error"][0].item() == pytest.approx(0.489, abs=1e-5)
    outputs[1, 12] = torch.where(batch.targets[1, 12] == 1, far, -far)
    outputs[1, 20] *= -1
    judged = task.judge(outputs, batch)
    assert judged["perfect"].tolist() == [1.0, 0.0]
    assert judged["error_free"].tolist() == [30.0, 12.0]
    assert judged["acc"][1].item() == pytest.approx(28 / 30)


def test_solved_is_every_answer_of_every_stream():
    task = ContinualEmbeddedReber(9)
    assert task.solved({"val/perfect": 1.0, "val/acc": 1.0})
    assert not task.solved({"val/perfect": 0.9, "val/acc": 0.9999})


def test_the_cues_are_the_second_symbols():
    task = ContinualEmbeddedReber(9, symbols=100)
    batch = task.sample(5, stream(2, "train", 0))
    for row in range(5):
        text = "".join(task.alphabet[k] for k in batch.inputs[row].argmax(-1).tolist())
        starts = [0] + [t for t in range(1, 100) if text[t - 1 : t + 1] == "EB"]
        expected = [t + 1 for t in starts if t + 1 < 100]
        assert task.cues(batch)[row].nonzero().flatten().tolist() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 8}, "T must be an integer of at least 9"),
        ({"symbols": 0}, "symbols must be an integer of at least 1, got 0"),
        ({"eval_symbols": 2.5}, "eval_symbols must be an integer of at least 1, got 2.5"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ContinualEmbeddedReber(**arguments)
