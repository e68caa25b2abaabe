"""Escapes external text (venues, files, recordings) before it is displayed or logged, and texts in queries.

The former is applied where a message leaves the process: standard error, standard output, log lines, tables, the HTML
report, the event files of recordings. Recorded frames themselves stay as received.
"""

from __future__ import annotations

import json
from typing import Any


def printable(text: str) -> str:
    """`text` with every non-printable character replaced by an escape (`\\n`, `\\x1b`, `\\u202e`).

    That includes line breaks, the control characters of terminals (C0, C1), bidirectional overrides, invisible format
    characters and lone surrogates, so the result can neither start a new line nor control a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """`text` in one line: runs of white space become one space, otherwise as `printable`."""
    return printable(" ".join(text.split()))


def json_line(value: Any) -> str:
    """`value` as one line of JSON in printable ASCII; other characters become JSON escapes (`\\u202e`)."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def percent_encoded(text: str) -> str:
    """A text as a value of a query: everything but ASCII letters and digits is encoded."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in text.encode())
