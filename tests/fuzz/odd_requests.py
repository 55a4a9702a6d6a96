"""Every key of the configuration, and every group, with values that nobody should type."""

from collections.abc import Iterator

from longlag import compose
from longlag.settings.compose import conf_dir

ODD = (
    "null", "true", "-1", "0", "0.5", "100000000000000000000000", "1e30", "nan", "inf", "-inf", "1e-400", "''", "' '",
    "[]", "[1,2]", "{}", "{a: 1}", "abc", "é", "'é'", "../up", "/", "~", "${nope}", "${oc.env:NO_SUCH_VARIABLE}",
    "'1'", "a" * 260,
)  # fmt: skip
#: A run of a moment, whatever else is asked for.
SMALL = (
    "task.T=8", "cell.hidden_size=4", "trainer.max_steps=2", "trainer.val_check_interval=1", "logger=csv",
    "task.splits.train_size=8", "task.splits.val_size=8", "task.splits.test_size=8", "task.splits.batch_size=8",
)  # fmt: skip
#: These runs are asked to go on for ever, and would.
ENDLESS = ("trainer.max_steps=100000000000000000000000", "trainer.max_steps=-1")
GROUPS = ("cell", "task", "optimizer", "trainer", "logger", "callbacks", "probe", "init", "experiment", "task/splits")


def keys() -> list[str]:
    """Return the dotted keys of the default run, of every cell and of every task, and the groups."""
    known: dict[str, None] = {}
    names = {group: sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")) for group in ("cell", "task")}
    for overrides in ([], *([f"{group}={name}"] for group, several in names.items() for name in several)):
        settings = compose(*overrides)
        known |= dict.fromkeys(_dotted(settings))
    return [*known, *GROUPS]


def cases() -> Iterator[list[str]]:
    """Yield the arguments of each request."""
    for key in keys():
        for value in ODD:
            typed = f"{key}={value}"
            if typed in ENDLESS:
                continue
            small = [argument for argument in SMALL if argument.split("=")[0] != key]
            yield ["train", *small, typed]


def _dotted(settings: object, prefix: str = "") -> Iterator[str]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            if not key.startswith("_"):
                yield from _dotted(value, f"{prefix}{key}.")
    if prefix and prefix != "run." and not prefix.startswith("run."):
        yield prefix.removesuffix(".")
