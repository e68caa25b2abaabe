"""Rewrites what is derived from the keys: `config/` and the tables of docs/configuration.md.

`python -m tests.support.write_reference`, after a key or a parameter was added. Tests compare both with the code.
"""

from __future__ import annotations

import re
from pathlib import Path

from arb.config.schema import MainFile
from arb.config.templates import TEMPLATE_NAMES, table_rows, template_text
from arb.config.venue_schema import VenueFile

ROOT = Path(__file__).parents[2]
TABLES = {"The main file": MainFile, "A venue's file": VenueFile}


def main() -> None:
    """Writes the files."""
    for name in TEMPLATE_NAMES:
        (ROOT / "config" / name).write_text(template_text(name))
    path = ROOT / "docs" / "configuration.md"
    text = path.read_text()
    for title, kind in TABLES.items():
        head, section = text.split(f"\n## {title}\n")
        rows = "".join(f"{row}\n" for row in table_rows(kind))
        text = f"{head}\n## {title}\n" + re.sub(
            r"(?:^\| `.*\n)+", lambda _, r=rows: r, section, count=1, flags=re.M
        )
    path.write_text(text)


if __name__ == "__main__":
    main()
