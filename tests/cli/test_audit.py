import json

import pytest

QUICK = ("--steps", "20", "--guesses", "50", "--sequences", "64")


def test_a_table_with_a_verdict_for_each_task(longlag):
    said = longlag("audit", "task=latch,delayed_xor", "task.T=20,30", *QUICK)
    assert said.code == 0
    heading, *rows = said.out.splitlines()
    assert heading.split() == [
        "task",
        "T",
        "best",
        "constant",
        "last",
        "steps",
        "accuracy",
        "guesses",
        "accuracy",
        "verdict",
    ]
    assert [row.split()[:2] for row in rows] == [[t, T] for t in ("latch", "delayed_xor") for T in ("20", "30")]
    assert all(row.split()[3] == str(int(row.split()[1]) // 2) for row in rows)


def test_json_for_other_tools(longlag):
    (found,) = json.loads(longlag("audit", "task=adding", "task.T=10", "--json", "--window", "3", *QUICK).out)
    assert (found["task"], found["T"], found["window"]) == ("adding", 10, 3)
    assert found["settings"]["_target_"] == "longlag.tasks.Adding"
    assert found["guessed"]["tried"] == 50
    assert 0 <= found["constant"]["accuracy"] <= 1
    assert found["verdict"] == "long-lag"


def test_the_same_request_gives_the_same_figures(longlag):
    assert (
        longlag("audit", "task=adding", "task.T=10", *QUICK).out
        == longlag("audit", "task=adding", "task.T=10", *QUICK).out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cell=rnn"], "longlag audit takes task=… and task.…=…, got 'cell=rnn'"),
        (["--guesses", "0"], "--guesses must be a positive integer, got 0"),
        (["--window", "x"], "argument --window: invalid int value: 'x'; longlag audit --help shows what there is"),
        (["task=nope"], "no task 'nope'"),
        (["task=adding", "task.T=5"], "task: T must be an integer of at least 6"),
    ],
)
def test_wrong_requests_are_one_line(longlag, arguments, message):
    said = longlag("audit", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
