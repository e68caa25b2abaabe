"""How programs report: one JSON line for each cell. Not a program."""

from __future__ import annotations

import json
import sys
from typing import Any


def arguments() -> dict[str, Any]:
    """The arguments of this process."""
    return json.loads(sys.argv[1])


def report(cell: str, value: Any) -> None:
    """Prints a cell."""
    sys.stdout.write(json.dumps({"cell": cell, "value": value}) + "\n")
    sys.stdout.flush()
