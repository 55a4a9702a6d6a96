import pytest
import torch
from longlag.tasks.continual_embedded_reber import ContinualEmbeddedReber
from reber import INNER, legal_next

from longlag.task import Splits, stream


@pytest.mark.parametrize(("T", "at_least"), [(9, 15), (20, 8)])
def test_a_stream_is_made_of_strings_and_the_targets_are_all_legal_symbols(T, at_least):
    """Read on from E to the next B: each whole string is one of the grammar, and B is what may follow its E."""
    task = ContinualEmbeddedReber(T, symbols=300)
    batch = task.sample(40, stream(0, "train", 0))
    assert batch.inputs.shape == (40, 300, 7)
    assert batch.mask.all()
    assert batch.lengths.tolist() == [300] * 40
    assert set(batch.inputs.unique().tolist()) == set(batch.targets.unique().tolist()) == {0.0, 1.0}
    assert (batch.inputs.sum(-1) == 1).all()
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
            assert len(string) >= T
            start += len(string)
            whole += 1
        if start < 300:  # the last string, cut off: it is legal so far, and so is what may come next
            assert wanted[start:] == legal_so_far(text[start:])
    assert whole > 40 * at_least


def legal_so_far(beginning):
    """Return what may follow each symbol of a beginning of an embedded string."""
    assert beginning[0] == "B"
    found, z, state = [{"T", "P"}, {"B"}], beginning[1:2], "start"
    assert z in ("", "T", "P")
    for symbol in beginning[2:]:
        if state == "done":
            assert symbol == z
            found.append({"E"})
        else:
            state = INNER[state][symbol]
            found.append({z} if state == "done" else set(INNER[state]))
    return found[: len(beginning)]


def test_the_first_whole_strings_are_as_the_grammar_draws_them():
    """P(9) = 1/4, P(10) = 3/16, P(11) = 1/8, whatever comes after; the second symbol is T or P with ½ each."""
    task, n = ContinualEmbeddedReber(9, symbols=60), 4000
    batch = task.sample(n, stream(3, "train", 0))
    firsts = []
    for symbols in batch.inputs.argmax(-1).tolist():
        firsts.append(next_string("".join(task.alphabet[k] for k in symbols)))
    lengths = [0 if string is None else len(string) for string in firsts]
    for length, probability in ((9, 0.25), (10, 0.1875), (11, 0.125)):
        assert abs(lengths.count(length) / n - probability) < 5 * (probability * (1 - probability) / n) ** 0.5
    assert abs((batch.inputs[:, 1, 1] == 1).double().mean().item() - 0.5) < 5 * (0.25 / n) ** 0.5


def test_the_loss_is_half_the_squared_error_against_all_legal_symbols():
    task = ContinualEmbeddedReber(9, symbols=12)
    batch = task.sample(2, stream(4, "train", 0))
    outputs = torch.randn(2, 12, 7, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for row in range(2):
        text = "".join(task.alphabet[k] for k in batch.inputs[row].argmax(-1).tolist())
        string = next_string(text) or text
        legal = legal_so_far(string) if string == text else [*legal_next(string), {"B"}]
        legal += legal_so_far(text[len(string) :]) if len(string) < len(text) else []
        for t in range(12):
            for k, name in enumerate("BTPSXVE"):
                total += (torch.sigmoid(outputs[row, t, k]).item() - (name in legal[t])) ** 2 / 2
    assert task.loss(outputs, batch).item() == pytest.approx(total / 2, rel=1e-5)


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
        *[({"T": T}, "T must be an integer of at least 9") for T in (8, True, 9.5, "60")],
        ({"symbols": True}, "symbols must be an integer of at least 1, got True"),
        ({"symbols": 0}, "symbols must be an integer of at least 1, got 0"),
        ({"eval_symbols": 2.5}, "eval_symbols must be an integer of at least 1, got 2.5"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ContinualEmbeddedReber(**arguments)
