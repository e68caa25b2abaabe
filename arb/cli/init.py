"""The `arb init` command: options and output."""

from __future__ import annotations

from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import echo


@click.command(
    epilog=examples(
        "arb init my",
        "arb init my --strategy my_strategy.py:run",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--strategy", "spec", help="FILE.py:FUNCTION: the file names it and its parameters.")
def init(directory: Path, spec: str | None) -> None:
    """Write a configuration to start from into DIRECTORY; never overwrites."""
    from arb.config import write_templates

    parameters = []
    if spec is not None:
        from arb.strategies.loader import load_strategy

        parameters = list(load_strategy(spec).parameters)
    for path in write_templates(directory, spec or "", parameters):
        echo(str(path))
