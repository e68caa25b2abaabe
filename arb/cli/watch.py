"""The `arb watch` command: options and output."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import echo


@click.command(epilog=examples("arb watch", "arb watch my/runs --port 8081"))
@click.argument("folders", metavar="[FOLDER]...", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0: any free one."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Another needs a token: ARB_WATCH_TOKEN."
)
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME", help="A further name of the page's address."
)
@click.option("--beside", type=int, hidden=True, help="The process of the session that it was started for.")
def watch(
    folders: tuple[Path, ...], port: int, host: str, allowed: tuple[str, ...], beside: int | None
) -> None:
    """Show the sessions in FOLDER (without it runs/) on a page, while they go on and after: read only."""
    from arb.commands.watch import run_watch

    def started(address: str) -> None:
        with contextlib.suppress(OSError):
            echo(f"watching {', '.join(map(str, places))}: {address}")

    places = folders or (Path("runs"),)
    run_watch(places, host, port, allowed, started=started, beside=beside)
