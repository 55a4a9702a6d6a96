"""The flags of Hydra, checked before its parser, which answers a wrong flag with its whole usage."""

from collections.abc import Sequence

from longlag.errors import RequestError, near

_SWITCHES = {
    "-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run", "-m", "--multirun", "-sc",
    "--shell-completion", "--dry-run",
}  # fmt: skip
_WITH_VALUE = {
    "-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "--experimental-rerun",
}  # fmt: skip
_WITH_OPTIONAL_VALUE = {"-i", "--info"}


def divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the flags, with their values, and the words ``KEY=VALUE``: Hydra wants the flags first.

    Raises:
        RequestError: a flag does not exist, or lacks its value.

    """
    flags: list[str] = []
    words: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag = argument.split("=", 1)[0]
        if not argument.startswith("-"):
            words.append(argument)
        elif flag in _SWITCHES:
            flags.append(argument)
        elif flag in _WITH_VALUE:
            flags.append(argument)
            if argument == flag:
                if not rest:
                    raise RequestError(f"{flag} wants a value")
                flags.append(rest.pop(0))
        elif flag in _WITH_OPTIONAL_VALUE:
            flags.append(argument)
            if argument == flag and rest and rest[0].isidentifier():
                flags.append(rest.pop(0))
        else:
            candidates = near(flag, _SWITCHES | _WITH_VALUE)
            hint = f"; did you mean {' or '.join(candidates)}?" if candidates else "; longlag train --help shows them"
            raise RequestError(f"no flag {flag}{hint}")
    return flags, words
