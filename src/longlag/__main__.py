"""``python -m longlag`` is ``longlag``."""

import sys

from longlag.cli.main import main

sys.exit(main())
