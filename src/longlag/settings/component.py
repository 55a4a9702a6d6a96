"""A part of a run: the class that a setting names, and the arguments that the class takes."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from longlag.errors import RequestError, described, near
from longlag.settings.environment import marked
from longlag.settings.targets import imported_part

_PUBLIC = ("longlag", "torch", "torchmetrics", "lightning")


@dataclass(frozen=True)
class Component:
    """One part of a run, imported once.

    Args:
        part: the key of the part in the settings, such as ``cell`` or ``callbacks.timer``.
        target: the dotted name of the class.
        cls: the class, or a function that makes the object.
        parameters: the parameters of the constructor, by name; empty where Python cannot read them.
        takes_any: whether the constructor takes arguments of any name, or does not tell which.

    """

    part: str
    target: str
    cls: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]
    takes_any: bool = False

    @classmethod
    def of(cls, part: str, settings: Mapping[str, Any]) -> "Component":
        """Import the class that the settings of a part name in ``_target_``.

        Raises:
            RequestError: Python cannot import the class, or it is not of the kind that the part wants.

        """
        return cls.described(part, imported_part(part, settings), settings["_target_"])

    @classmethod
    def described(cls, part: str, imported: Callable[..., Any], target: str) -> "Component":
        """Describe a class that is imported already."""
        try:
            parameters = inspect.signature(imported).parameters
        except (TypeError, ValueError):  # a builtin class without a signature
            return cls(part, target, imported, {}, takes_any=True)
        takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        return cls(part, target, imported, parameters, takes_any)

    def check_arguments(self, names: Iterable[str]) -> None:
        """Check that the constructor takes arguments of these names.

        Raises:
            RequestError: the constructor does not take one of them; the message names the nearest parameter.

        """
        if self.takes_any:
            return
        for name in names:
            if not name.startswith("_") and name not in self.parameters:
                close = [f"{self.part}.{each}" for each in near(name, self.parameters)]
                hint = f"; did you mean {' or '.join(close)}?" if close else ""
                leave_out = f"(~{self.part}.{name} leaves it out)"
                raise RequestError(f"{self.part}: {self.target} takes no {name!r}{hint} {leave_out}")

    def make(self, settings: Mapping[str, Any]) -> Any:
        """Make the object from the settings of the part, with the values of environment variables.

        Raises:
            RequestError: a setting is wrong.

        """
        self.check_arguments(settings)
        with named_errors(self.part):
            made = instantiate(marked(settings), _convert_="all")
        if self.target.split(".")[0] in _PUBLIC:  # a class of a reader may make sense of an infinite number
            _check_finite(self.part, settings)
        return made


def _check_finite(key: str, value: Any) -> None:
    """Check that no number in the settings of a part is infinite or not a number.

    Raises:
        RequestError: one is; the message names its key.

    """
    if isinstance(value, float) and not math.isfinite(value):
        raise RequestError(f"{key} must be a finite number, got {value!r}")
    if isinstance(value, Mapping):
        for name, each in value.items():
            _check_finite(f"{key}.{name}", each)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_finite(key, each)


@contextlib.contextmanager
def named_errors(part: str) -> Iterator[None]:
    """Turn an error of a constructor into a request error that names the part."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:
        from lightning.fabric.utilities.exceptions import MisconfigurationException  # --help does without Lightning

        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        plain = isinstance(cause, ValueError | MisconfigurationException)
        lines = str(cause).strip().splitlines() or [""]
        raise RequestError(f"{part}: {lines[0] if plain else described(cause)}") from error
