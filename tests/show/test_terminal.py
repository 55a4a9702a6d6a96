import io

import torch
from rich.console import Console

from longlag.show.sequence_tracks import SequenceTracks, Track
from longlag.show.terminal import print_strip


def printed(portrait, width=80, steps=200):
    console = Console(file=io.StringIO(), width=width)
    print_strip(portrait, console, steps)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def values(*numbers):
    return torch.tensor(numbers)


def test_values_markers_cues_and_the_answer():
    portrait = SequenceTracks(
        [Track("value", values=values(-1.0, 0.5, 0.25, 1.0)), Track("marker", values=values(-1.0, 1.0, 0.0, -1.0))],
        cues=torch.tensor([False, True, False, False]),
        counts=torch.tensor([False, False, False, True]),
        answer="0.40",
    )
    assert printed(portrait) == [
        "  value   ▁▆▅█",
        "  marker  −1·−",
        "           ^",
        "  target  0.40",
    ]


def test_symbols_of_several_letters_have_a_space_between_them_and_targets_stand_below_their_steps():
    on = torch.eye(3, dtype=torch.bool)
    wanted = torch.tensor([[False] * 3, [False] * 3, [True, True, False]])
    names = ("a1", "b", "c")
    portrait = SequenceTracks(
        [Track("input", names, on=on), Track("target", names, on=wanted, wanted=True)],
        cues=torch.tensor([True, False, False]),
        counts=wanted.any(1),
        answer=None,
    )
    assert printed(portrait) == ["  input   a1  b   c", "          ^", "  target          a1b"]


def test_a_long_sequence_is_broken_into_lines_that_fit():
    portrait = SequenceTracks(
        [Track("line", values=torch.zeros(25))], torch.zeros(25, dtype=torch.bool), torch.zeros(25).bool(), None
    )
    lines = printed(portrait, width=20)
    assert lines == ["  line    " + "·" * 10, "  line    " + "·" * 10, "  line    " + "·" * 5]
    assert printed(portrait, width=20, steps=7) == ["  line    " + "·" * 7, "  … 18 more steps"]
