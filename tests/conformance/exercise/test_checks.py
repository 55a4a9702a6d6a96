import pytest
import torch
from conformance import wrong_cells
from longlag.tasks.delayed_xor import DelayedXOR

from longlag.cells import LSTMCell, RNNCell
from longlag.conformance.exercise.checks import SixChecks
from longlag.conformance.exercise.training import Exercise
from longlag.conformance.measures import measure


def verdicts(cell, steps=20):
    """Return number -> verdict; with so few steps check 4 fails for all, and is left out."""
    checks = SixChecks(lambda size: cell(2, size), lambda size: RNNCell(2, size), Exercise(DelayedXOR(60), steps=steps))
    return {number: result.verdict for number, result in enumerate(checks.run(), start=1)}


@pytest.mark.parametrize("cell", [LSTMCell, wrong_cells.Steps])
def test_the_right_cell_passes(cell):
    found = verdicts(cell)
    assert [found[number] for number in (1, 2, 3, 5, 6)] == ["pass"] * 5


@pytest.mark.parametrize(
    ("name", "failing"),
    [
        ("NotAdditive", {2, 3, 5}),
        ("ForgetsByMultiplying", {2}),
        ("SwappedInputAndForget", {2, 3}),
        ("SwappedForgetAndOutput", {2, 3}),
        ("SwappedCandidateAndOutput", {2}),
        ("ReturnsCAsH", {2}),
        ("NoTanhOnTheOutput", {2}),
        ("TanhGates", {2}),
        ("ScalesTheGradient", {2, 5}),
        ("DetachesTheState", {2, 5}),
        ("ReadsOnlyTheInput", {2}),
        ("ForgetsToReturnTheState", {1, 2, 3, 5, 6}),
        ("WrongShape", {1, 2, 3, 5, 6}),
        ("Explodes", {2, 3, 6}),
    ],
)
def test_a_wrong_cell_is_caught(name, failing):
    found = verdicts(getattr(wrong_cells, name))
    assert failing <= {number for number, verdict in found.items() if verdict == "fail"}


@pytest.mark.parametrize(
    ("name", "forget_bias", "said"),
    [
        ("NoForgetBias", 1.0, "; the forget bias is -0.23 to 0.19, and should be 1"),
        ("BiasOfTheWrongGate", 3.0, "and should be 3"),
        ("BiasOfAllGates", 1.0, "; the output gate has the bias 1 too, which is the forget gate's alone"),
        ("Steps", 1.0, ", forget bias 1"),
        ("Steps", -2.0, ", forget bias -2"),
    ],
)
def test_the_forget_bias_is_measured_from_outside(name, forget_bias, said):
    cell = getattr(wrong_cells, name)
    checks = SixChecks(
        lambda size: cell(2, size, forget_bias), lambda size: RNNCell(2, size), Exercise(DelayedXOR(60)), forget_bias
    )
    passed, figure = checks._gates()
    assert passed == (name == "Steps")
    assert figure.endswith(said)


def test_the_vanilla_rnn_is_what_others_are_compared_with():
    found = verdicts(RNNCell)
    assert found == {
        1: "pass",
        2: "does not apply",
        3: "does not apply",
        4: "does not apply",
        5: "does not apply",
        6: "pass",
    }


@pytest.mark.parametrize(("cell", "figure"), [(LSTMCell, "5.4e-07"), (RNNCell, "5.6e-17")])
def test_the_early_gradients_are_those_of_the_kit(cell, figure):
    task = DelayedXOR(60)
    early = Exercise(task).early_gradient(lambda size: cell(2, size))
    assert f"{early:.1e}" == figure
    assert early == measure(lambda: cell(2, 32), [task]).early_gradients[0]


def test_the_exercise_is_plain_pytorch():
    """Three steps written out by hand end in the same accuracy; the global generator is left alone."""
    before = torch.get_rng_state()
    trial = Exercise(DelayedXOR(5), hidden_size=4, steps=3).train(lambda size: LSTMCell(2, size))
    assert torch.equal(torch.get_rng_state(), before)

    torch.manual_seed(0)
    cell, out = LSTMCell(2, 4), torch.nn.Linear(4, 2)
    task = DelayedXOR(5)
    train, test = (task.sample(256, torch.Generator().manual_seed(seed)) for seed in (1, 2))

    def scores(x):
        state = cell.initial_state(len(x))
        for t in range(5):
            state = cell(x[:, t], state)
        return out(state[0])

    optimizer = torch.optim.Adam([*cell.parameters(), *out.parameters()], lr=3e-3)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(scores(train.inputs), train.targets).backward()
        optimizer.step()
    accuracy = (scores(test.inputs).argmax(1) == test.targets).float().mean().item()
    assert (trial.accuracy, trial.steps) == (accuracy, 3)
