"""`arb`, and `python -m arb`: the command line, which takes a moment to load.

Python handles Ctrl+C from its own start on, with a traceback. So nothing is imported here that takes time: all of that
happens inside the `try` of `main`.
"""

from __future__ import annotations

import sys

#: As `arb.errors.ExitCode`, which is not loaded yet.
_INTERRUPTED = 130


def main() -> None:
    """Entry point of the `arb` command. Ctrl+C, SIGTERM and SIGHUP while it loads end it in one line, as later.

    Once the command has its exit code, SIGTERM and SIGHUP change nothing.
    """
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(_INTERRUPTED)


def _run() -> None:
    import signal

    from arb.runtime.interrupts import ending_signals, interrupts_kept

    numbers = ending_signals()
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        with interrupts_kept():
            from arb.cli import main as run

            run()
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
