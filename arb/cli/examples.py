"""The examples below the options in every `--help`."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """The end of a command's help: each line as it is, of up to 76 characters."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
