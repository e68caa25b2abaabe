"""`arb`, and `python -m arb`: the command line, which takes a moment to load."""

from __future__ import annotations

import sys

#: As `arb.errors.ExitCode`, which is not loaded yet.
_INTERRUPTED = 130


def main() -> None:
    """Entry point of the `arb` command. Ctrl+C while it loads ends it in one line, as later."""
    try:
        from arb.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
