"""Counts what Numba compiles, and what it loads from the disk instead."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from numba.core.event import Listener, register, unregister

from connectors.jit.compilation import DiskCache

_EVENT = "numba:compile"


class Compilations(Listener):  # type: ignore[misc]
    """Counts while it is entered; one at a time. Code that this process has loaded before counts no more."""

    def __init__(self) -> None:
        #: Functions that were compiled, and those that were found on the disk.
        self.compiled = self.loaded = 0

    @property
    def count(self) -> int:
        return self.compiled + self.loaded

    def on_start(self, event: Any) -> None:
        self.compiled += 1

    def on_end(self, event: Any) -> None:
        """Counted at their start."""

    def __enter__(self) -> Self:
        self._load = load = DiskCache.load_overload

        def counted(cache: DiskCache, *arguments: Any) -> Any:
            found = load(cache, *arguments)
            self.loaded += found is not None
            return found

        DiskCache.load_overload = counted  # type: ignore[method-assign]
        register(_EVENT, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unregister(_EVENT, self)
        DiskCache.load_overload = self._load  # type: ignore[method-assign]
