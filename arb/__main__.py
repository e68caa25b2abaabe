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
        _leave(_INTERRUPTED)
    except SystemExit as ended:
        is_watched = sys.gettrace() is not None or sys.getprofile() is not None
        if not isinstance(ended.code, int) or (is_watched and ended.code != _INTERRUPTED):
            raise  # a profiler or a coverage tool writes its results at the interpreter's end
        _leave(ended.code)


def _leave(code: int) -> None:
    """Ends the process without the interpreter's own end.

    That frees a million objects of Numba one by one, which takes a fifth of a second, and it may crash on what an
    interrupt left half made. Called while the exception is handled: the frames of its traceback keep such objects,
    whose finalizers may fail.
    """
    import os

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed, or nobody reads it
            continue
    os._exit(code)


def _run() -> None:
    import signal

    from arb.interrupts import ending_signals, interrupts_kept, was_interrupted

    numbers = ending_signals()
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        with interrupts_kept():
            try:
                from arb.cli import main as run
            except Exception:
                if was_interrupted():  # a module's import may turn an interrupt into an error of its own
                    raise KeyboardInterrupt from None
                raise

            run()
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
