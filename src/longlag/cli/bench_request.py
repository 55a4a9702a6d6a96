"""What ``longlag bench`` is asked for: its keys, and their values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from longlag.cli.requests import RequestError, near

#: Keys with one value or several, and the keys with one.
_SIZES = {
    "H": ((16, 64, 128, 256), "hidden units"),
    "B": ((32,), "sequences"),
    "T": ((100,), "steps"),
    "R": ((1, 16), "runs at once, with weights and sequences of their own"),
}
_NUMBERS = {
    "I": (2, "input channels"),
    "threads": (1, "threads"),
    "rounds": (7, "rounds"),
    "seed": (0, "the seed of weights and sequences"),
}
_DEFAULT_CELLS = ("cell=lstm,gru,rnn",)


@dataclass(frozen=True)
class BenchRequest:
    """What is to be measured.

    Args:
        cells: the settings of the cells, as ``longlag train`` takes them.
        sizes: H, B, T and R, each with all its values.
        numbers: I, threads, rounds and seed.
        device: ``cpu`` or ``cuda``.
        compiled: whether ``torch.compile`` takes part.
        contenders: the names of those that take part; all if there are none.

    """

    cells: Sequence[str] = _DEFAULT_CELLS
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    device: str = "cpu"
    compiled: bool = False
    contenders: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """Return all that was asked for, with the defaults, as JSON can have it."""
        sizes = {name: list(values) for name, values in self.sizes.items()}
        return {"cells": list(self.cells), **sizes, **self.numbers, "device": self.device, "compile": self.compiled}


def keys_explained() -> str:
    """Return the keys in a line of help."""
    sizes = [f"{name}={','.join(map(str, values))} ({said})" for name, (values, said) in _SIZES.items()]
    numbers = [f"{name}={value} ({said})" for name, (value, said) in _NUMBERS.items()]
    return (
        f"cell=… and cell.…=… as for longlag train (lstm,gru,rnn); {', '.join([*sizes, *numbers])}; device=cpu or cuda;"
        " compile=true (torch.compile takes part); contenders=native,eager,… (all)"
    )


def requested(overrides: Sequence[str]) -> BenchRequest:
    """Return what the KEY=VALUE arguments ask for.

    Raises:
        RequestError: there is no such key, or a value is not one of its.

    """
    cells: list[str] = []
    own: dict[str, str] = {}
    known = ["cell", *_SIZES, *_NUMBERS, "device", "compile", "contenders"]
    for override in overrides:
        key, equals, value = override.partition("=")
        if key.lstrip("+~").split(".")[0].split("@")[0] == "cell":
            if key.lstrip("+") == "cell.hidden_size":
                raise RequestError(f"{override}: H=… says it")
            cells.append(override)
        elif key not in known:
            close = near(key, known)
            meant = f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}"
            raise RequestError(f"no key {key!r}{meant}")
        elif not equals:
            raise RequestError(f"{key} wants a value, as in {key}=…")
        else:
            own[key] = value
    return BenchRequest(
        cells=cells or _DEFAULT_CELLS,
        sizes={name: _integers(name, own[name]) if name in own else default for name, (default, _) in _SIZES.items()},
        numbers={name: _integer(name, own[name]) if name in own else least for name, (least, _) in _NUMBERS.items()},
        device=_one_of("device", own.get("device", "cpu"), ("cpu", "cuda")),
        compiled=_one_of("compile", own.get("compile", "false").lower(), ("true", "false")) == "true",
        contenders=tuple(dict.fromkeys(own["contenders"].split(","))) if "contenders" in own else (),
    )


def _integers(key: str, value: str) -> tuple[int, ...]:
    """Return one or several positive integers, each once.

    Raises:
        RequestError: they are not.

    """
    try:
        found = tuple(dict.fromkeys(int(part) for part in value.strip("[]").split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise RequestError(f"{key} takes positive integers, as in {key}=16,64; got {value!r}")
    return found


def _integer(key: str, value: str) -> int:
    """Return an integer: a positive one, or for the seed one that is not negative.

    Raises:
        RequestError: it is none.

    """
    least = 0 if key == "seed" else 1
    if not value.isdecimal() or int(value) < least or int(value) >= 2**63:
        raise RequestError(f"{key} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _one_of(key: str, value: str, values: Sequence[str]) -> str:
    if value not in values:
        raise RequestError(f"{key} must be one of {', '.join(values)}; got {value!r}")
    return value
