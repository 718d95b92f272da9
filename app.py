"""Open the web tool: ``python app.py`` (options as ``nonlocal-viz serve``)."""

import sys

from nonlocal_viz.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
