"""Keeps a process of the tests on this machine: it connects to nothing else, and looks no other name up."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

_LOCAL_NAMES = frozenset({"localhost", "", None})


class NotLoopbackError(AssertionError):
    """A test reached for the network."""


def is_local(host: Any) -> bool:
    """Whether a host name or address is this machine's."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def forbid() -> None:
    """From now on every connection or look-up that would leave this machine raises NotLoopbackError."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(host: Any) -> None:
        if not is_local(host):
            raise NotLoopbackError(f"tests stay on this machine, but something reached for {host!r}")

    def refuse_address(own: socket.socket, address: Any) -> None:
        if own.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])

    def guarded_connect(own: socket.socket, address: Any) -> None:
        refuse_address(own, address)
        connect(own, address)

    def guarded_connect_ex(own: socket.socket, address: Any) -> int:
        refuse_address(own, address)
        return connect_ex(own, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return look_up(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_look_up
