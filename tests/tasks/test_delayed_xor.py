import pytest
import torch
from longlag.tasks.delayed_xor import DelayedXOR


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("T", [3, 7, 60])
def test_the_labels_are_what_a_naive_loop_reads_off_the_sequences(T):
    batch = DelayedXOR(T).sample(2000, seeded(5))
    assert batch.inputs.shape == (2000, T, 2)
    for sequence, target in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        cues = [sequence[0][0], sequence[1][0]]
        assert all(cue in (-1.0, 1.0) for cue in cues)
        assert target == (1 if cues[0] != cues[1] else 0)
        assert all(step[0] == 0.0 for step in sequence[2:])
        assert sequence[0][1] == sequence[1][1] == 0.0


def test_the_noise_is_standard_normal_and_the_classes_are_balanced():
    batch = DelayedXOR(60).sample(4000, seeded(0))
    noise = batch.inputs[:, 2:, 1]
    assert abs(noise.mean().item()) < 0.01  # its standard error is 0.002
    assert abs(noise.std().item() - 1) < 0.01
    pairs = batch.inputs[:, :2, 0].tolist()
    for pair in ([-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]):
        assert abs(pairs.count(pair) / 4000 - 0.25) < 0.04  # five standard errors


@pytest.mark.parametrize("seed", [1, 2])
def test_the_classic_sets_bit_for_bit(seed):
    """The training set of the exercise comes from seed 1, its test set from seed 2: the draws written out in order."""
    generator = seeded(seed)
    first = (torch.rand(256, generator=generator) < 0.5).float()
    second = (torch.rand(256, generator=generator) < 0.5).float()
    x = torch.zeros(256, 60, 2)
    x[:, 0, 0] = first * 2 - 1
    x[:, 1, 0] = second * 2 - 1
    x[:, 2:, 1] = torch.randn(256, 58, generator=generator)
    batch = DelayedXOR(60).sample(256, seeded(seed))
    assert torch.equal(batch.inputs, x)
    assert torch.equal(batch.targets, (first != second).long())


def test_every_step_is_valid_and_only_the_last_one_counts():
    batch = DelayedXOR(5).sample(3, seeded(0))
    assert batch.lengths.tolist() == [5, 5, 5]
    assert batch.mask.tolist() == [[False] * 4 + [True]] * 3


@pytest.mark.parametrize("T", [2, 0, -5, 3.5, "60", True])
def test_a_sequence_too_short_for_two_bits_and_a_gap_is_refused(T):
    with pytest.raises(ValueError, match=r"T must be an integer of at least 3 \(2 bits and a gap\)"):
        DelayedXOR(T)


def test_solved_is_99_percent():
    task = DelayedXOR(10)
    assert task.solved({"val/acc": 0.99})
    assert not task.solved({"val/acc": 0.9899})


@pytest.mark.parametrize(("T", "bits"), [(3, 2), (4, 3), (20, 3), (5, 4), (60, 4), (20, 5)])
def test_with_more_bits_the_target_is_their_parity(T, bits):
    task = DelayedXOR(T, bits)
    batch = task.sample(2000, seeded(3))
    for sequence, target in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        assert len(sequence) == T
        odd = False
        for step in sequence[:bits]:
            assert step[0] in (-1.0, 1.0)
            assert step[1] == 0.0
            odd = odd != (step[0] == 1.0)
        assert all(step[0] == 0.0 and step[1] != 0.0 for step in sequence[bits:])
        assert target == int(odd)
    assert batch.lengths.tolist() == [T] * 2000
    assert batch.mask.tolist() == [[t == T - 1 for t in range(T)]] * 2000
    assert task.cues(batch).tolist() == [[t < bits for t in range(T)]] * 2000


@pytest.mark.parametrize("bits", [3, 4])
def test_every_string_of_bits_is_as_likely_as_any_other(bits):
    """So no choice of bits that leaves one out says anything about the parity."""
    batch = DelayedXOR(20, bits).sample(8000, seeded(4))
    counts = {}
    for sequence in batch.inputs.tolist():
        string = tuple(step[0] for step in sequence[:bits])
        counts[string] = counts.get(string, 0) + 1
    assert len(counts) == 2**bits
    assert all(abs(count - 8000 / 2**bits) < 5 * (8000 / 2**bits) ** 0.5 for count in counts.values())
    noise = batch.inputs[:, bits:, 1]
    assert abs(noise.mean().item()) < 0.015  # its standard error is below 0.003
    assert abs(noise.std().item() - 1) < 0.015


def test_two_bits_are_the_default_and_the_same_draw():
    default, two = DelayedXOR(60).sample(50, seeded(6)), DelayedXOR(60, bits=2).sample(50, seeded(6))
    assert all(torch.equal(one, other) for one, other in zip(default, two, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 4, "bits": 4}, r"T must be an integer of at least 5 \(4 bits and a gap\), got 4"),
        ({"T": 3, "bits": 3}, r"T must be an integer of at least 4 \(3 bits and a gap\), got 3"),
        ({"bits": 1}, "bits must be an integer of at least 2, got 1"),
        ({"bits": True}, "bits must be an integer of at least 2, got True"),
        ({"bits": 3.0}, r"bits must be an integer of at least 2, got 3\.0"),
        ({"bits": "3"}, "bits must be an integer of at least 2, got '3'"),
    ],
)
def test_bits_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DelayedXOR(**arguments)
