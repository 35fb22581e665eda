"""`python -m flows.cli` is `ifrl`."""

from flows.cli.main import main

main()
