"""`arb verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.table import Table

from arb.cli.lines import echo, echo_json, escape, output
from arb.errors import ExitCode

if TYPE_CHECKING:
    from arb.app.verify import Replay, Verification

#: Differences that are shown of a replay; `--json` tells all.
_SHOWN = 40


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the recorded days, if it has moved.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line instead of the table.")
def verify(run: Path, data: Path | None, as_json: bool) -> None:
    """Replay a run from its inputs and compare every fill.

    A session on live data is replayed from its own recording. Exit code 4 where something differs without a known
    cause.
    """
    from arb.app.verify import verify as verify_run

    found = verify_run(run, data)
    if as_json:
        echo_json(_as_dict(found))
    else:
        for fact in found.facts:
            echo(fact)
        for replay in found.replays:
            _show(replay)
    sys.exit(ExitCode.DONE if found.is_proven else ExitCode.DIFFERENCES)


def _show(replay: Replay) -> None:
    count = len(replay.differences)
    echo(f"{replay.engine}: {replay.fills:,} fills, {count:,} difference{'s' * (count != 1)}")
    if not count:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("what", "where", "in the run", "in the replay", "cause"):
        table.add_column(name, overflow="fold")
    for one in replay.differences[:_SHOWN]:
        table.add_row(
            one.what, *map(escape, (one.where, one.recorded, one.replayed, one.cause or "not explained"))
        )
    output().print(table)
    if count > _SHOWN:
        echo(f"... and {count - _SHOWN:,} more: --json tells all")


def _as_dict(found: Verification) -> dict[str, object]:
    return {
        "run": str(found.folder),
        "is_proven": found.is_proven,
        "facts": found.facts,
        "replays": [
            {
                "engine": one.engine,
                "fills": one.fills,
                "differences": [difference._asdict() for difference in one.differences],
            }
            for one in found.replays
        ],
    }
