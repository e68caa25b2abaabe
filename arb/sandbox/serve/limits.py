"""The venues' limits, each with its source, and the counters that enforce them. Pure: time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from connectors.units import SECOND


@dataclass(frozen=True)
class Limits:
    """Limits of one venue. Times in seconds of the sandbox's own clock; 0 disables a rule."""

    #: Most streams of one connection.
    streams_max: int = 1024
    #: Topics of one subscribe request (Bybit spot), and characters of all topics of a connection (Bybit).
    args_max: int = 0
    args_chars_max: int = 0
    #: Incoming messages per second, pings and pongs included; with more, the connection is closed.
    messages_per_s: int = 0
    #: Connection attempts of one address in `connects_window_s`.
    connects_max: int = 300
    connects_window_s: float = 300.0
    #: Interval of the server's pings, and the time without a pong after which it closes the connection.
    ping_interval_s: float = 0.0
    pong_timeout_s: float = 0.0
    #: A connection without a message in either direction is closed after this time (Bybit).
    idle_s: float = 0.0
    #: Lifetime of a connection; a serverShutdown is sent `shutdown_notice_s` before its end.
    life_s: float = 0.0
    shutdown_notice_s: float = 0.0
    #: REST: weight (Binance) or requests (Bybit) of one address in a window, and the length of a ban.
    weight_max: int = 6000
    weight_window_s: float = 60.0
    ban_s: float = 120.0
    #: Most new orders of an account in 10 seconds, a minute and a day (Binance).
    orders_10s: int = 0
    orders_1m: int = 0
    orders_1d: int = 0
    #: Factor of Bybit's limits a second and UID.
    uid_factor: int = 1
    #: Most unread bytes of a client; with more, the client is dropped.
    unread_bytes_max: int = 8 << 20


#: Binance spot: web-socket-streams.md and rest-api.md (read 2026-07-21). USD-M: market streams (read 2026-10-23); its
#: stream limit is documented as 1024 and as 200 in different places: the lower one is used. Bybit: v5 rate-limit and
#: websocket pages (read 2026-07-24). Orders: exchangeInfo examples of rest-api.md and of the saved USD-M page.
LIMITS = {
    "binance_spot": Limits(
        streams_max=1024, messages_per_s=5, ping_interval_s=20.0, pong_timeout_s=60.0,
        life_s=86_400.0, shutdown_notice_s=10.0, orders_10s=50, orders_1d=160_000,
    ),
    "binance_usdm": Limits(
        streams_max=200, messages_per_s=10, ping_interval_s=180.0, pong_timeout_s=600.0,
        life_s=86_400.0, weight_max=2400, orders_10s=300, orders_1m=1200,
    ),
    "bybit_spot": Limits(
        streams_max=0, args_max=10, args_chars_max=21_000, connects_max=500, idle_s=600.0,
        weight_max=600, weight_window_s=5.0, ban_s=600.0,
    ),
    "bybit_linear": Limits(
        streams_max=0, args_chars_max=21_000, connects_max=500, idle_s=600.0,
        weight_max=600, weight_window_s=5.0, ban_s=600.0,
    ),
}  # fmt: skip


def order_limits(limits: Limits) -> dict[str, int]:
    """Most new orders by window, as `trading.order_counts` names them, without windows that have no limit."""
    windows = {"10S": limits.orders_10s, "1M": limits.orders_1m, "1D": limits.orders_1d}
    return {name: most for name, most in windows.items() if most}


class Window:
    """Counts events in a sliding window of `window_s` seconds; keeps at most `count_max`."""

    def __init__(self, count_max: int, window_s: float) -> None:
        self._count_max = count_max
        self._window_ns = round(window_s * SECOND)
        self._times: deque[int] = deque(maxlen=max(1, count_max))

    def admits(self, now_ns: int) -> bool:
        """Counts one event; False, without counting, if the window is full. Without a limit always True."""
        if self._count_max == 0:
            return True
        times = self._times
        while times and times[0] <= now_ns - self._window_ns:
            times.popleft()
        if len(times) >= self._count_max:
            return False
        times.append(now_ns)
        return True

    def seconds_left(self, now_ns: int) -> float:
        """Seconds until the oldest event leaves the window."""
        return max(0.0, (self._times[0] + self._window_ns - now_ns) / SECOND) if self._times else 0.0


class Weights:
    """The REST weight used by one address in the current window, and its ban."""

    #: Requests after the first refusal that cause a ban: a client that ignores 429 is banned with 418.
    PATIENCE = 10

    def __init__(self, weight_max: int, window_s: float, ban_s: float) -> None:
        self._weight_max = weight_max
        self._window_ns = round(window_s * SECOND)
        self._ban_ns = round(ban_s * SECOND)
        self._window_no = -1
        self._refusals = 0
        self.used = 0
        self.banned_until_ns = 0

    def spend(self, weight: int, now_ns: int) -> int:
        """Counts a request; returns the HTTP status of a refusal, 429 or 418 while banned; 0 if it is admitted."""
        if now_ns < self.banned_until_ns:
            return 418
        number = now_ns // self._window_ns
        if number != self._window_no:
            self._window_no, self.used, self._refusals = number, 0, 0
        self.used += weight
        if not self._weight_max or self.used <= self._weight_max:
            return 0
        self._refusals += 1
        if self._refusals > self.PATIENCE:
            self.ban(now_ns)
            return 418
        return 429

    def ban(self, now_ns: int) -> None:
        """Bans the address for the ban's duration."""
        self.banned_until_ns = max(self.banned_until_ns, now_ns + self._ban_ns)

    def retry_after_s(self, now_ns: int) -> int:
        """Whole seconds until requests are admitted again, rounded up."""
        until = max(self.banned_until_ns, (now_ns // self._window_ns + 1) * self._window_ns)
        return -(-(until - now_ns) // SECOND)
