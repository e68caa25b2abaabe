"""Keeps a process of the tests on this machine: it connects to nothing else, and looks no other name up."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

_LOCAL_NAMES = frozenset({"localhost", "", None})


class NotLoopbackError(RuntimeError):
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
            raise NotLoopbackError(f"a test tried to reach {host!r}; only this machine may be reached")

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
    _forbid_uvloop(refuse)


def _forbid_uvloop(refuse: Any) -> None:
    """uvloop connects and resolves in C: its loop asks the same question itself."""
    try:
        import uvloop
    except ImportError:
        return
    for name, place in (("getaddrinfo", 0), ("create_connection", 1), ("sock_connect", 1)):
        inner = getattr(uvloop.Loop, name)

        def guarded(
            self: Any, *arguments: Any, _inner: Any = inner, _place: int = place, **options: Any
        ) -> Any:
            target = arguments[_place] if len(arguments) > _place else options.get("host")
            refuse(target[0] if isinstance(target, tuple) else target)
            return _inner(self, *arguments, **options)

        setattr(uvloop.Loop, name, guarded)
