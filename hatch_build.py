"""The README as a package index shows it: an index has neither our pictures nor the files that our links name."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n\n?", re.MULTILINE)
_LINK_TO_A_FILE = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)]*\)")  # not one to an address


def for_an_index(readme: str) -> str:
    """Return a README without its pictures, and with the text alone of each link to a file."""
    return _LINK_TO_A_FILE.sub(r"\1", _PICTURE.sub("", readme))


class CustomMetadataHook(MetadataHookInterface):
    """Give the package its long description."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the field ``readme``."""
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_an_index(readme)}
