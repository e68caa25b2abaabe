"""How many requests a venue still takes: its windows, what we sent in them, and what it reports as used. Pure.

The venue's figure, with what was sent since, counts until its window ends: it has other programs of the account, and
what fills gave back. Without one the own count does, over the last window at least, so that no window of the venue has
more. Orders that open leave half of every limit to others: cancels, reducing orders and queries.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.orders.limits import LimitKind, LimitUse, VenueLimit

#: Shares of a limit below which orders stay: those that open, and those that reduce.
OPENING_SHARE, REDUCING_SHARE = 0.5, 0.9
#: Parts of a window in which own requests are counted together.
_PARTS = 10


class _Window:
    """One window of a limit."""

    __slots__ = (
        "_counts",
        "_newest",
        "_part_ns",
        "_reported",
        "_since",
        "_sum",
        "_until_ns",
        "most",
        "window_ns",
    )

    def __init__(self, limit: VenueLimit) -> None:
        self.most = limit.most
        self.window_ns = limit.window_ns
        self._part_ns = max(1, limit.window_ns // _PARTS)
        #: Own requests of the parts of the window, the newest at `_newest`; their sum.
        self._counts = [0] * (_PARTS + 1)
        self._newest = 0
        self._sum = 0
        #: What the venue reported, until when that holds, and own requests since.
        self._reported = self._since = 0
        self._until_ns = 0

    def used(self, now_ns: int) -> int:
        part = now_ns // self._part_ns
        if part != self._newest:
            self._advance(part)
        return self._sum if now_ns >= self._until_ns else self._reported + self._since

    def add(self, count: int, now_ns: int) -> None:
        part = now_ns // self._part_ns
        if part != self._newest:
            self._advance(part)
        self._counts[self._newest % (_PARTS + 1)] += count
        self._sum += count
        self._since += count

    def report(self, use: LimitUse, now_ns: int) -> None:
        if use.most > 0:
            self.most = use.most
        self._reported, self._since = use.used, 0
        self._until_ns = use.until_ns or (now_ns // self.window_ns + 1) * self.window_ns

    def _advance(self, part: int) -> None:
        """Forgets the parts that are older than the window. A clock that went back counts in the newest part."""
        for no in range(max(self._newest, part - _PARTS - 1) + 1, part + 1):
            place = no % (_PARTS + 1)
            self._sum -= self._counts[place]
            self._counts[place] = 0
        self._newest = max(self._newest, part)


class Ban:
    """Until when a venue refuses everything; of all markets at one address."""

    def __init__(self) -> None:
        self.until_ns = 0


class RateBudget:
    """The limits of one venue. One writer: the gate."""

    def __init__(self, limits: Iterable[VenueLimit] = (), ban: Ban | None = None) -> None:
        """ban: shared by the venues of an address."""
        self._windows: dict[LimitKind, list[_Window]] = {kind: [] for kind in LimitKind}
        #: The windows in which a request of a kind counts: its own and those of weight.
        self._counted: dict[LimitKind, list[_Window]] = {kind: [] for kind in LimitKind}
        for limit in limits:
            self._add(limit)
        if not self._windows[LimitKind.AMENDS]:  # they count as orders
            self._counted[LimitKind.AMENDS] = self._counted[LimitKind.ORDERS]
        self._ban = ban or Ban()

    @property
    def banned_until_ns(self) -> int:
        """Nothing is sent before this time."""
        return self._ban.until_ns

    def ban(self, until_ns: int) -> None:
        """The venue refuses everything until then."""
        self._ban.until_ns = max(self._ban.until_ns, until_ns)

    def has_room(self, kind: LimitKind, share: float, now_ns: int) -> bool:
        """Whether one more request keeps its windows, and those of weight, below this share of their limits."""
        return all(window.used(now_ns) + 1 < share * window.most for window in self._counted[kind])

    def spend(self, kind: LimitKind, now_ns: int, count: int = 1) -> None:
        """A request that is sent; -1: one that is not sent after all. Its weight counts as 1 until the venue says."""
        for window in self._counted[kind]:
            window.add(count, now_ns)

    def report(self, use: LimitUse, now_ns: int) -> None:
        """What the venue says is used of a limit; one that is not known is added if its size is given."""
        windows = self._windows[use.kind]
        found = next((one for one in windows if one.window_ns == use.window_ns), None)
        if found is None:
            if use.most <= 0 or use.window_ns <= 0:
                return
            found = self._add(VenueLimit(use.kind, use.window_ns, use.most))
        found.report(use, now_ns)

    def used(self, kind: LimitKind, now_ns: int) -> list[tuple[int, int, int]]:
        """(window in ns, used, most) of each window."""
        return [(one.window_ns, one.used(now_ns), one.most) for one in self._windows[kind]]

    def _add(self, limit: VenueLimit) -> _Window:
        window = _Window(limit)
        self._windows[limit.kind].append(window)
        kinds = LimitKind if limit.kind is LimitKind.WEIGHT else (limit.kind,)
        for counted in {id(self._counted[kind]): self._counted[kind] for kind in kinds}.values():
            counted.append(window)
        return window
