"""`python -m exjournal`: the command of `exjournal.cli`."""

import sys

from exjournal.cli import main

sys.exit(main())
