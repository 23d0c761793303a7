"""The command `clarion`: one file for each noun. What a command needs is imported when it runs, so that `--help` answers at once."""

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point: runs the command line and exits with its code."""
    from clarion.cli.program import run

    sys.exit(run(sys.argv[1:]))
