"""`python -m clarion.cli`: the same as `clarion`, for whoever has the interpreter but not the path of the command."""

from clarion.cli import main

main()
