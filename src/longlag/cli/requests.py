"""Wrong requests: one line that says what is wrong and what would be right."""

import difflib
import errno
import re
from collections.abc import Iterable

import yaml
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_CANNOT_WRITE = {errno.EACCES, errno.EEXIST, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS}


class RequestError(Exception):
    """The request was wrong; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def explained(error: Exception, known: Iterable[str]) -> RequestError | None:
    """Return what a composition error means to the person who typed the command; ``None`` if it is not one.

    Args:
        error: what Hydra or the file system raised.
        known: all keys of the configuration and all its groups.

    """
    if isinstance(error, MissingConfigException):
        return RequestError(_missing(error))
    if isinstance(error, OverrideParseException):
        return RequestError(f"cannot read {error.override!r}: {str(error).splitlines()[0]}")
    if isinstance(error, ConfigCompositionException | OmegaConfBaseException):
        return RequestError(_unknown_key(error, known))
    if isinstance(error, ValueError) and str(error).startswith("Config group override"):  # as in cell=null
        return RequestError(str(error))
    if isinstance(error, yaml.YAMLError):
        return RequestError(f"not YAML: {error}")
    if isinstance(error, HydraException):
        return RequestError(str(error))
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
        return RequestError(f"cannot write to {error.filename}: {error.strerror}")
    return None


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the keys that ``name`` may have been meant to be, nearest first."""
    keys = sorted(key for key in known if not key.rsplit(".", 1)[-1].startswith("_"))
    last = name.rsplit(".", 1)[-1]
    same = [key for key in keys if key.rsplit(".", 1)[-1] == last]
    close = difflib.get_close_matches(name, keys, n=3, cutoff=0.7)
    leaves = difflib.get_close_matches(last, {key.rsplit(".", 1)[-1] for key in keys}, n=2, cutoff=0.75)
    return list(dict.fromkeys([*same, *close, *(key for key in keys if key.rsplit(".", 1)[-1] in leaves)]))[:4]


def keys_of(config: DictConfig) -> set[str]:
    """Return the dotted names of everything in a configuration."""
    found: set[str] = set()

    def walk(node: object, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                found.add(f"{prefix}{key}")
                walk(value, f"{prefix}{key}.")

    walk(OmegaConf.to_container(config, resolve=False), "")
    return found


def _missing(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if error.missing_cfg_file == "hydra/sweeper/optuna":
        return "hydra/sweeper=optuna needs the package hydra-optuna-sweeper: pip install 'longlag[search]'"
    if error.options:
        close = difflib.get_close_matches(option, error.options, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"no {group} {option!r}; there are: {', '.join(sorted(error.options))}{meant}"
    return str(error).splitlines()[0]


def _unknown_key(error: Exception, known: Iterable[str]) -> str:
    text = str(error)
    if ambiguous := re.match(r"Ambiguous value for argument '([^']+)'", text):
        return f"{ambiguous.group(1)} is a grid; longlag train -m runs one"
    quoted = re.search(r"Could not (?:override|delete)[^']*'([^']+)'", text)
    if quoted is None:
        return text.splitlines()[0]
    key = quoted.group(1).split("@")[0].split("=")[0]
    candidates = near(key, known)
    hint = f"; did you mean {' or '.join(candidates)}?" if candidates else "; longlag train --cfg job shows the keys"
    return f"no key {key!r}{hint}"
