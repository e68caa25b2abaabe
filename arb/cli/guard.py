"""The `arb guard` command, which `arb live` starts: a person has no use for it."""

from __future__ import annotations

import sys

import click

from arb.cli.examples import examples


@click.command(hidden=True, epilog=examples("arb guard --fd 3", "arb guard --fd 17"))
@click.option(
    "--fd", "number", type=click.IntRange(3), required=True, help="Number of the pipe to the session."
)
def guard(number: int) -> None:
    """Cancel a session's orders when the session stops; arb live starts it."""
    from arb.runtime.guard import run_guard

    sys.exit(run_guard(number))
