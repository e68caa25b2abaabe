"""What a process does before it has keys and orders: no core files, and hosts that have an address."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import socket
import sys
from typing import TYPE_CHECKING

from arb.errors import InputError

if TYPE_CHECKING:
    from arb.config.environment import Environment

_PR_SET_DUMPABLE = 4


def no_core_files() -> None:
    """From now on a crash leaves no image of this process, which would hold its keys, and no other process of the user
    may read its memory. Its children have core files again, and no keys."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # The limit alone does not hold where the system pipes core files to a program.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def refuse_unresolved(environment: Environment) -> None:
    """Raises InputError, one line, for a host that the environment needs and that has no address.

    May block for some seconds.
    """
    for host, venues in environment.needed.items():
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{', '.join(venues)}: {host} cannot be resolved: {reason}; look at the network, or at the addresses "
                "in the venue's file"
            ) from None
