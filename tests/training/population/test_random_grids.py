"""Random grids: every member is, bit for bit, the run alone, however members leave, join, stop and go on."""

import random
import signal

import pytest
from members import assert_same_run, population

from longlag.training.callbacks.stopping import StopRequest
from longlag.training.run import train_run

CELLS = ("lstm", "gru", "rnn", "irnn", "lstm_peephole", "lstm_coupled", "lstm_refine", "lstm_1997", "lstm_forget_2000")
TASKS = (
    ("task=delayed_xor", "task.T=9"),
    ("task=temporal_order", "task.T=40"),
    ("task=adding", "task.T=12"),
    ("task=embedded_reber", "task.T=12"),
    ("task=copy_memory", "task.T=6"),
    ("task=parity", "task.T=8"),
)
OPTIMIZERS = (
    ("optimizer=adam",),
    ("optimizer=sgd", "optimizer.momentum=0.9"),
    ("optimizer=rmsprop",),
    ("optimizer._target_=torch.optim.AdamW", "+optimizer.weight_decay=0.01"),
)


def shared(draw):
    """Return what the members of a random grid share."""
    layers = draw.choice((1, 1, 2))
    chosen = [f"cell={draw.choice(CELLS)}", *draw.choice(TASKS), *draw.choice(OPTIMIZERS), f"model.layers={layers}"]
    if layers > 1:
        chosen += ["model.dropout=0.3", f"model.residual={draw.choice(('true', 'false'))}"]
    chosen += [
        draw.choice(("task/splits=fixed", "task/splits=endless")),
        f"task.splits.batch_size={draw.choice((1, 3, 8))}",
    ]
    chosen += ["task.splits.train_size=24"] * (chosen[-2] == "task/splits=fixed")
    chosen += [f"trainer.precision={draw.choice(('32-true', '32-true', '64-true'))}"]
    chosen += [
        "trainer.val_check_interval=3",
        "trainer.log_every_n_steps=2",
        f"probe={draw.choice(('error_flow', 'none'))}",
    ]
    return chosen


def own(draw, seed):
    """Return what is a member's own."""
    chosen = [f"seed={seed}", f"optimizer.lr={draw.choice((0.001, 0.01))}", f"trainer.max_steps={draw.randint(1, 13)}"]
    chosen += [
        f"trainer.gradient_clip_val={draw.choice(('null', '0.05'))}",
        f"stop_when_solved={draw.choice(('true', 'false'))}",
    ]
    return chosen


SOME, MORE, MANY = 4, 14, 40  # grids of the fast tests, with those of the slow ones, with those of the long ones


@pytest.mark.parametrize(
    "number",
    [
        *range(SOME),
        *(pytest.param(k, marks=pytest.mark.slow) for k in range(SOME, MORE)),
        *(pytest.param(k, marks=pytest.mark.long) for k in range(MORE, MANY)),
    ],
)
def test_every_member_of_a_random_grid_is_the_run_alone(number, plan, tmp_path):
    draw = random.Random(number)
    grid = shared(draw)
    runs = [[*grid, *own(draw, seed)] for seed in range(draw.randint(2, 6))]
    until, rounds, request = draw.randint(1, 8), [], StopRequest()

    def stop(population):
        rounds.append(0)
        if len(rounds) == until:
            request.by = signal.SIGTERM

    made = [plan(*run, folder=f"member{k}") for k, run in enumerate(runs)]
    population(made, draw.randint(1, 4), request, stop)
    left = [plan(*run, folder=f"member{k}") for k, run in enumerate(runs)]
    left = [each for each in left if not (status := each.folder.read_status()) or not status.finished]
    draw.shuffle(left)
    alone = left[: draw.randint(0, 1)]
    for each in alone:
        train_run(each)
    population(left[len(alone) :], draw.randint(1, 4))
    for k, run in enumerate(runs):
        train_run(plan(*run, folder=f"alone{k}"))
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")
