"""What the configuration has of one kind, a line each: the catalogue of cells, and that of tasks."""

from collections.abc import Sequence
from pathlib import Path

from longlag.cli.arguments import CommandParser
from longlag.errors import RequestError
from longlag.settings.comments import about
from longlag.settings.compose import conf_dirs
from longlag.terminal import print_line, stdout_console


def print_catalogue(group: str, arguments: Sequence[str]) -> int:
    """Print the name of each cell or task, and the comment at the top of its YAML; return the exit code.

    Args:
        group: ``cell`` or ``task``.
        arguments: what was typed after the command.

    Raises:
        RequestError: the request was wrong.

    """
    parser = CommandParser(
        f"{group}s",
        f"List the {group}s, yours too: the NAME in {group}=NAME, and what it is.",
        [f"longlag {group}s", f"longlag {group}s --config-dir my_conf"],
    )
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help=f"a folder with more YAML files, {group}/NAME.yaml")
    options = parser.parse_args(list(arguments))
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise RequestError(f"--config-dir: {options.config_dir} is no folder")
    files = {file.stem: file for folder in conf_dirs(options.config_dir) for file in (folder / group).glob("*.yaml")}
    width = max(map(len, files), default=0)
    console = stdout_console()
    for name in sorted(files):
        print_line(console, f"{name:{width}}  {about(files[name])}".rstrip())
    return 0
