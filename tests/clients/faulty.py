"""Clients that nobody here wrote, while faults happen: a program says which fault begins, and goes on when it has."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from functools import partial
from typing import Any

from clients.harness import PROGRAMS, Reported, RunningSandbox

from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.trading.state import Trading

_PROGRAM_S = 90.0


def run_faulty(name: str, running: RunningSandbox, **arguments: Any) -> Reported:
    """Runs `programs/NAME.py`, whose lines are cells, faults that are to begin now, or mark prices."""
    command = [sys.executable, str(PROGRAMS / f"{name}.py"), json.dumps(arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROGRAMS,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        cells: dict[str, Any] = {}
        try:
            for line in program.stdout:
                if not line.startswith("{"):
                    continue
                found = json.loads(line)
                if "begin" in found or "mark" in found:
                    if "begin" in found:
                        running.begin(fault_of(found["begin"]))
                    else:
                        running.ask(partial(_set_mark, **found["mark"]))
                    program.stdin.write("begun\n")
                    program.stdin.flush()
                else:
                    cells[found["cell"]] = found["value"]
            error = program.stderr.read()
            program.wait(_PROGRAM_S)
        finally:
            program.kill()
    return Reported(cells, error[-3000:] if program.returncode else "")


def _set_mark(trading: Trading, venue: str, share: float) -> None:
    """Moves the mark price to a share of itself."""
    instrument = trading.desks[venue].instruments["BTCUSDT"]
    assert instrument.mark is not None
    instrument.mark_price = instrument.mark * Decimal(repr(share))


def fault_of(keys: dict[str, Any]) -> Fault:
    """A fault that begins at once."""
    if "quantity" in keys:
        keys["quantity"] = Decimal(keys["quantity"])
    return Fault(FaultKind(keys.pop("kind")), at_s=0.0, **keys)
