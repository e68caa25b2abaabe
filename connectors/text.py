"""Text from outside (venues, files, recordings) as it may be shown to a person or written to a log.

Applied where a message leaves the process: standard error, standard output, log lines, tables, the HTML report,
the event files of recordings. What is recorded of a frame itself stays as it was received.
"""

from __future__ import annotations

import json
from typing import Any


def printable(text: str) -> str:
    """`text` with every character that is not printable written as an escape (`\\n`, `\\x1b`, `\\u202e`).

    That includes line breaks, the control characters of terminals (C0, C1), bidirectional overrides, invisible format
    characters and lone surrogates, so the result can neither begin a new line nor command a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """`text` in one line: runs of white space become one space, all else as `printable`."""
    return printable(" ".join(text.split()))


def json_line(value: Any) -> str:
    """`value` as one line of JSON in printable ASCII: what is not is written as JSON's own escape (`\\u202e`)."""
    return json.dumps(value).replace("\x7f", "\\u007f")
