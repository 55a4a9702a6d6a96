"""``python -m longlag`` is ``longlag``."""

import sys

from longlag.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
