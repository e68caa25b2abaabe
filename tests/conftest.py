"""The whole suite: property tests draw the same examples in every run, so that a red one stays red.

And no test reaches another machine: what connects to, or asks for the address of, anything but this one is an error.
"""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost", "", "0.0.0.0", "::", None})


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: the interpreter calls it before every connect and look-up, also those of asyncio."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _THIS_MACHINE:
        raise RuntimeError(f"a test tried to reach {name}; only this machine may be reached")


sys.addaudithook(_refuse_other_machines)


def _guard_uvloop() -> None:
    """uvloop connects and resolves in C, where no audit hook is called: its loop asks the same question itself."""
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
            host = target[0] if isinstance(target, tuple) else target
            if host not in _THIS_MACHINE:
                raise RuntimeError(f"a test tried to reach {host}; only this machine may be reached")
            return _inner(self, *arguments, **options)

        setattr(uvloop.Loop, name, guarded)


_guard_uvloop()
