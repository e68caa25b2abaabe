"""`python -m arb` is `arb`."""

from arb.cli import main

main()
