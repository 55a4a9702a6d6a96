"""The embedded Reber grammar again, written down apart from the task, to judge it by."""

import random

#: The grammar again, as it is printed: state -> {symbol: next state}.
INNER = {
    "start": {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": "done"},
}


def legal_next(string: str) -> list[set[str]]:
    """Return what may follow each symbol of an embedded string; an error where the string itself is illegal."""
    found = [{"T", "P"}]
    assert string[0] == "B"
    z = string[1]
    assert z in "TP"
    found.append({"B"})
    state = "start"
    for symbol in string[2:]:
        if state == "done":
            assert symbol == z
            found.append({"E"})
            state = "repeated"
        elif state == "repeated":
            assert symbol == "E"
            state = "end"
        else:
            state = INNER[state][symbol]
            found.append({z} if state == "done" else set(INNER[state]))
    assert state == "end"
    return found


def naive_string(rng: random.Random) -> str:
    """Draw a string, symbol by symbol."""
    z = rng.choice("TP")
    inner, state = "", "start"
    while state != "done":
        symbol = rng.choice(sorted(INNER[state]))
        inner, state = inner + symbol, INNER[state][symbol]
    return f"B{z}{inner}{z}E"
