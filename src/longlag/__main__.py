"""``python -m longlag`` is ``longlag``."""

from longlag.cli.main import entry

entry()
