"""What ``longlag bench`` measures: the keys that a person types, and their values."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, get_type_hints

from longlag.errors import RequestError, near
from longlag.settings.schema import Switch, checked, checks_of


def _sizes(key: str, value: Any) -> tuple[int, ...]:
    """Check that a value is one positive integer or several; return each once."""
    sizes = value if isinstance(value, list | tuple) else [value]
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        raise RequestError(f"{key} takes positive integers, as in {key}=16,64; got {value!r}")
    return tuple(dict.fromkeys(sizes))


def _integer(at_least: int) -> Callable[[str, Any], int]:
    def check(key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value < 2**63:
            raise RequestError(f"{key} must be an integer of at least {at_least}, got {value!r}")
        return value

    return check


def _device(key: str, value: Any) -> str:
    if value not in ("cpu", "cuda"):
        raise RequestError(f"{key} must be one of cpu, cuda; got {value!r}")
    return str(value)


def _names(key: str, value: Any) -> tuple[str, ...]:
    """Return one name or several, each once."""
    names = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(map(str, names)))


Sizes = Annotated[tuple[int, ...], _sizes]
Count = Annotated[int, _integer(at_least=1)]
Seed = Annotated[int, _integer(at_least=0)]
Device = Annotated[str, _device]
Names = Annotated[tuple[str, ...], _names]


@dataclass(frozen=True)
class BenchRequest:
    """The keys of ``longlag bench``, and under ``cells`` the settings of the cells, as ``longlag train`` takes them.

    All combinations of the cells, ``H``, ``B``, ``T`` and ``R`` are measured.
    """

    H: Annotated[Sizes, "hidden units"] = (16, 64, 128, 256)
    B: Annotated[Sizes, "sequences"] = (32,)
    T: Annotated[Sizes, "steps"] = (100,)
    R: Annotated[Sizes, "runs at once, with weights and sequences of their own"] = (1, 16)
    I: Annotated[Count, "input channels"] = 2  # noqa: E741 -- the field's name
    threads: Annotated[Count, "threads"] = 1
    rounds: Annotated[Count, "rounds"] = 7
    seed: Annotated[Seed, "the seed of weights and sequences"] = 0
    device: Annotated[Device, "cpu or cuda"] = "cpu"
    compile: Annotated[Switch, "whether torch.compile takes part"] = False
    contenders: Annotated[Names, "the contenders, as in native,eager; all if it is left out"] = ()
    cells: tuple[str, ...] = ("cell=lstm,gru,rnn",)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the request as JSON can hold it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def keys_explained() -> str:
    """Return the keys in a line of help."""
    types = get_type_hints(BenchRequest, include_extras=True)
    meanings = {key: types[key].__metadata__[1] for key in checks_of(BenchRequest)}
    keys = [f"{key}={_text(getattr(BenchRequest, key))} ({meaning})" for key, meaning in meanings.items()]
    return f"cell=… and cell.…=… as for longlag train (lstm,gru,rnn); {', '.join(keys)}"


def requested(overrides: Sequence[str]) -> BenchRequest:
    """Return the request that KEY=VALUE arguments make.

    Raises:
        RequestError: there is no such key, or a value is wrong.

    """
    from longlag.settings.compose import value_of  # Hydra, which --help does not need
    from longlag.settings.words import check_once

    cells: list[str] = []
    values = {key: getattr(BenchRequest, key) for key in checks_of(BenchRequest)}
    known = ["cell", *values]
    check_once(overrides)
    for override in overrides:
        key, equals, _ = override.partition("=")
        if key.lstrip("+~").split(".")[0].split("@")[0] == "cell":
            if key.lstrip("+") == "cell.hidden_size":
                raise RequestError(f"{override}: H=… says it")
            cells.append(override)
        elif key not in known:
            close = near(key, known)
            hint = f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}"
            raise RequestError(f"no key {key!r}{hint}")
        elif not equals:
            raise RequestError(f"{key} wants a value, as in {key}=…")
        else:
            values[key] = value_of(override)
    request = checked(BenchRequest, values)
    return BenchRequest(**request, cells=tuple(cells)) if cells else BenchRequest(**request)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "…"
    return str(value).lower()
