"""``python -m nonlocal_viz``: the command line."""

import sys

from nonlocal_viz.cli import main

if __name__ == "__main__":
    sys.exit(main())
