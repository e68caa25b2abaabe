"""The `arb verify` command: options and output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.compilation_bar import show_compilation
from arb.cli.examples import examples
from arb.cli.options import echo, echo_json, escape, output
from arb.errors import ExitCode
from arb.report.screen import Fitted, rows_view
from arb.results.figures.declared import SIMULATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.commands.verify import Verification
    from arb.verify.reconcile import Difference

#: Maximum number of differences to show per replay; `--json` lists all.
_SHOWN = 40


@click.command(
    epilog=examples(
        "arb verify runs/first",
        "arb verify runs/first --data /mnt/recordings",
    ),
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the recorded days, if it has moved.")
@click.option(
    "--trust",
    is_flag=True,
    help="Execute a strategy or an adapter that is neither installed nor below the working directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line instead of the table.")
def verify(run: Path, data: Path | None, trust: bool, as_json: bool) -> None:
    """Replay a run from its inputs and compare every file of its folder.

    Hashes are compared before anything of the run is executed. A session on live data is replayed from its own
    recording. Exit code 4 where something differs, and where the run is not proven: its recording has lost frames, or
    arb or a library has changed since.
    """
    show_compilation()
    from arb.commands.verify import verify as verify_run

    found = verify_run(run, data, is_trusted=trust)
    if as_json:
        echo_json(json_of(found))
    else:
        _show(found)
    sys.exit(ExitCode.DONE if found.is_proven else ExitCode.DIFFERENCES)


def _show(found: Verification) -> None:
    for fact in found.facts:
        echo(escape(fact))
    if found.own:
        echo(f"files and versions: {_counted(found.own)}")
        _show_differences(found.own)
    for proof in found.proofs:
        echo(escape(f"({proof.id}) {proof.text}"))
        _show_differences(proof.differences)
    if found.simulated:
        # Imports NumPy, which no other command needs at its start.
        from arb.report.simulated import simulated_view

        echo(f"{SIMULATED}:")
        output().print(Fitted(lambda width: simulated_view(found.simulated, width)))
    for replay in found.replays:
        echo(f"{replay.engine}: {replay.fills:,} fills, {_counted(replay.differences)}")
        _show_differences(replay.differences)
    echo(escape(_conclusion(found)))


def _conclusion(found: Verification) -> str:
    """The final line: the verdict and its reason."""
    unexplained = sum(not one.cause for one in found.differences)
    if unexplained:
        return f"{found.verdict.value}: {unexplained:,} without a known cause"
    return f"{found.verdict.value}: {'; '.join(found.causes)}" if found.causes else found.verdict.value


def _counted(differences: Sequence[Difference]) -> str:
    count = len(differences)
    return f"{count:,} difference{'s' * (count != 1)}"


def _show_differences(differences: Sequence[Difference]) -> None:
    if not differences:
        return
    output().print(differences_table(differences[:_SHOWN]))
    if len(differences) > _SHOWN:
        echo(f"... and {len(differences) - _SHOWN:,} more: --json lists all")


def differences_table(differences: Sequence[Difference]) -> Fitted:
    """One line per difference."""
    words = ("what", "where", "in the run", "in the replay", "cause")
    rows = [
        (one.what, one.where, one.recorded, one.replayed, one.cause or "not explained") for one in differences
    ]
    return rows_view(words, rows, words=words, keys=2)


def json_of(found: Verification) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "run": str(found.folder),
        "is_proven": found.is_proven,
        "verdict": found.verdict.value,
        "causes": found.causes,
        "compared": found.facts,
        "differences": [difference._asdict() for difference in found.own],
        "replays": [
            {
                "engine": one.engine,
                "fills": one.fills,
                "differences": [difference._asdict() for difference in one.differences],
            }
            for one in found.replays
        ],
        "proofs": [
            {
                "id": one.id,
                "text": one.text,
                "count": one.total,
                "differences": [difference._asdict() for difference in one.differences],
            }
            for one in found.proofs
        ],
        "simulated": list(found.simulated),
    }
