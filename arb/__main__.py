"""`arb`, and `python -m arb`: the command line, which takes a moment to load."""

from __future__ import annotations

import signal
import sys

#: As `arb.errors.ExitCode`, which is not loaded yet.
_INTERRUPTED = 130


def main() -> None:
    """Entry point of the `arb` command. Ctrl+C and SIGTERM while it loads end it in one line, as later.

    Once the command has its exit code, SIGTERM changes nothing.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from arb.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    main()
