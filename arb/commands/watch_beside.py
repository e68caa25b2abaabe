"""Starts `arb watch` beside a session, as a process of its own.

There is no pipe between the two: the watcher reads the session's files, so the session runs on if it hangs or dies. It
has a process group of its own, so that Ctrl+C ends the session alone; see `arb.commands.watch` for its own end.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from arb.config.secrets import plain_environment
from arb.errors import InputError

_HOST = "127.0.0.1"
#: `Popen` complains about processes that it does not see end.
_STARTED: list[subprocess.Popen[bytes]] = []


class Beside(NamedTuple):
    """A watcher that was started: the address of its page, and its process."""

    address: str
    pid: int


def start_beside(
    folder: Path, port: int, words: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Beside:
    """Starts a watcher of the runs in `folder`, which need not exist yet. words: further options; environment: of its
    process, without it one without keys. Raises InputError if the port is taken or no process can be started."""
    try:
        with socket.create_server((_HOST, port)):
            pass
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "arb", "watch", str(folder.absolute())),
                *("--host", _HOST, "--port", str(port), "--beside", str(os.getpid())),
                *words,
            ],
            # It needs no key.
            env=plain_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(
            f"port {port} of {_HOST} cannot be used: {error.strerror}; --watch PORT takes another"
        ) from None
    _STARTED.append(process)
    return Beside(f"http://{_HOST}:{port}", process.pid)
