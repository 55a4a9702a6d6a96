"""Wrong requests: one line that names the fault and the right form."""

import difflib
from collections.abc import Iterable


class RequestError(Exception):
    """The request was wrong; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the keys that ``name`` may have been meant to be, nearest first."""
    keys = sorted(key for key in known if not key.rsplit(".", 1)[-1].startswith("_"))
    last = name.rsplit(".", 1)[-1]
    same = [key for key in keys if key.rsplit(".", 1)[-1] == last]
    top = f"{name.split('.')[0]}."
    beside = [key for key in keys if key.startswith(top)] or keys  # nothing like cell.blocks is elsewhere than in cell
    close = difflib.get_close_matches(name, beside, n=3, cutoff=0.7)
    leaves = difflib.get_close_matches(last, {key.rsplit(".", 1)[-1] for key in beside}, n=2, cutoff=0.75)
    return list(dict.fromkeys([*same, *close, *(key for key in beside if key.rsplit(".", 1)[-1] in leaves)]))[:4]
