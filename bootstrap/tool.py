"""Run a tool of the pack `tests` with the packages that the program has: `tool.py pytest|mypy ARGUMENTS`."""

from __future__ import annotations

import runpy
import sys

from layout import ROOT, Layout, default_cache, host_platform


def main() -> None:
    """Run the module named on the command line as a program."""
    layout = Layout(ROOT, ROOT, host_platform(), default_cache())
    folders = [str(layout.vendor("default")), str(layout.vendor("tests"))]
    # The type checker reads the whole copies in `tests`, with their stubs; the tests run what is shipped.
    # After this script's own folder: mypy leaves out the first entry.
    sys.path[1:1] = folders[::-1] if sys.argv[1] == "mypy" else folders
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
