"""Writes the golden screens of `tests/golden/screens` again: `python -m tests.support.write_screens`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.screens import golden_screens

if __name__ == "__main__":
    for path, text in golden_screens():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
