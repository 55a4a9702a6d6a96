"""The meaning of Hydra's errors: one line that names the fault and the right form."""

import difflib
import errno
import re
from collections.abc import Iterable

import yaml
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from longlag.errors import RequestError, near
from longlag.settings.environment import unresolved

#: The groups whose choice is a class, which may take more arguments than its YAML names.
_TAKING = ("cell", "task", "optimizer", "init", "logger", "probe")
_CANNOT_WRITE = {
    errno.EACCES,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def explained(error: Exception, known: Iterable[str]) -> RequestError | None:
    """Translate an error of composition for the person who typed the command; ``None`` for any other error.

    Args:
        error: raised by Hydra or the file system.
        known: all keys of the configuration and all its groups.

    """
    if isinstance(error, MissingConfigException):
        return RequestError(_missing(error))
    if isinstance(error, OverrideParseException):
        return RequestError(unreadable(str(error.override), error))
    if isinstance(error, ConfigCompositionException | OmegaConfBaseException | InstantiationException):
        return RequestError(_unknown_key(error, known))
    if isinstance(error, ValueError) and str(error).startswith(("Config group override", "Only one of --run")):
        return RequestError(str(error))
    if isinstance(error, yaml.YAMLError):
        return RequestError(f"not YAML: {error}")
    if isinstance(error, HydraException):
        return RequestError(str(error))
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
        return RequestError(f"cannot write to {error.filename}: {error.strerror}")
    return None


def unreadable(override: str, error: Exception) -> str:
    """Return the line about an override that Hydra cannot read."""
    reason = str(error).splitlines()[0]
    if (
        "LexerNoViableAltException" in reason or "token recognition error" in reason
    ):  # a character that only a quoted value may have
        key, _, value = override.partition("=")
        reason = f"""a value with such a character wants quotes, as in '{key}="{value}"'"""
    return f"cannot read {override!r}: {reason}"


def keys_of(config: DictConfig) -> set[str]:
    """Return the dotted keys of a configuration."""
    keys: set[str] = set()

    def walk(node: object, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                keys.add(f"{prefix}{key}")
                walk(value, f"{prefix}{key}.")

    walk(OmegaConf.to_container(config, resolve=False), "")
    return keys


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
    if quoted is not None:
        key = quoted.group(1).split("@")[0].split("=")[0]
    elif refused := re.search(r"unexpected keyword argument '(\w+)'.*full_key: (hydra\.\w+)", text, re.DOTALL):
        key = f"{refused.group(2)}.{refused.group(1)}"  # added with a "+"
    elif isinstance(error, OmegaConfBaseException):
        return unresolved(error)
    else:
        return text if isinstance(error, InstantiationException) else text.splitlines()[0]
    return f"no key {key!r}{_of_hydra(key, known) if key.startswith('hydra.') else _of_a_run(key, known)}"


def _of_a_run(key: str, known: Iterable[str]) -> str:
    """Return a hint at the key that was probably meant."""
    group, _, name = key.partition(".")
    if group == "trainer":
        from longlag.settings.trainer_arguments import REFUSED  # takes seconds, which --help does not have

        if name in REFUSED:
            return f"; {REFUSED[name]}"
    candidates = near(key, (name for name in known if not name.startswith("hydra.")))
    if candidates:
        return f"; did you mean {' or '.join(candidates)}?"
    if group == "trainer":
        return f"; +{key}=… adds an argument of lightning.Trainer"
    if group in _TAKING and name and "." not in name:
        return f"; +{key}=… adds an argument of the {group}"
    return "; longlag train --cfg job shows the keys"


def _of_hydra(key: str, known: Iterable[str]) -> str:
    """Return a hint at the key of Hydra that was probably meant; keys beside the wrong one come first."""
    of_hydra = {name for name in known if name.startswith("hydra.")}
    parent, _, last = key.rpartition(".")
    if parent not in of_hydra:
        return "".join(f"; did you mean {name}?" for name in near(key, of_hydra)[:1])
    beside = sorted(name.rpartition(".")[2] for name in of_hydra if name.rpartition(".")[0] == parent)
    beside = [name for name in beside if not name.startswith("_")]
    if candidates := near(last, beside):
        return f"; did you mean {' or '.join(f'{parent}.{name}' for name in candidates)}?"
    if beside:
        return f"; {parent} has {', '.join(beside)}"
    return f"; there is none with this choice of {parent.replace('.', '/')}"
