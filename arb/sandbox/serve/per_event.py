"""What is sent of an event of an account is made once, for however many connections receive it. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from arb.sandbox.trading.events import Event

T = TypeVar("T")

#: Events that are kept for further receivers: the newest ones.
_KEPT_MAX = 256


class PerEvent(Generic[T]):
    """Results of `make`, by event."""

    def __init__(self, make: Callable[[Event], T]) -> None:
        self._make = make
        #: By id of the event, which no other one has while it is kept.
        self._kept: OrderedDict[int, tuple[Event, T]] = OrderedDict()

    def of(self, event: Event) -> T:
        """What `make` returns for an event; not made again for the next receivers."""
        kept = self._kept.get(id(event))
        if kept is None:
            kept = self._kept[id(event)] = (event, self._make(event))
            if len(self._kept) > _KEPT_MAX:
                self._kept.popitem(last=False)
        return kept[1]
