"""The `arb init` command: options and output."""

from __future__ import annotations

from pathlib import Path

import click

from arb.cli.options import echo


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Write a configuration to start from into DIRECTORY; never overwrites."""
    from arb.config import write_templates

    for path in write_templates(directory):
        echo(str(path))
