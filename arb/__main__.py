"""`arb`, and `python -m arb`: the command line, which takes a moment to load."""

from __future__ import annotations

import signal
import sys

from arb.interrupts import ending_signals, interrupts_kept

#: As `arb.errors.ExitCode`, which is not loaded yet.
_INTERRUPTED = 130


def main() -> None:
    """Entry point of the `arb` command. Ctrl+C, SIGTERM and SIGHUP while it loads end it in one line, as later.

    Once the command has its exit code, SIGTERM and SIGHUP change nothing.
    """
    numbers = ending_signals()
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        with interrupts_kept():
            from arb.cli import main as run

            run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(_INTERRUPTED)
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
