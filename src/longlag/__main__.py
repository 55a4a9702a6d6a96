"""``python -m longlag`` is ``longlag``."""

from longlag.cli.main import entry

if __name__ == "__main__":
    entry()
