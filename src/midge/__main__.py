"""`python -m midge`."""

import sys

from midge.cli import main

sys.exit(main())
