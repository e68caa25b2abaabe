"""`status.json` of a live session: its state once a second, for its screen and for other processes.

It is renamed into place, so that a reader sees a whole one, and it is no evidence: `arb verify` does not cover it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from arb.errors import InputError

#: Name of the file in the session's folder.
STATUS = "status.json"
#: Of the file; a reader refuses any other.
FORMAT = 2


#: Upper ends, in ms, of the spans that are counted; the last count is of longer ones.
SPANS_MS = (
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
)


class LegStatus(msgspec.Struct, frozen=True):
    """One leg. feed: state of its book. age_s: of the book's last message. lag_ms: from the venue's time to receipt, of
    the last second. position: in base; off: what the venue holds beyond the session's executions, in base. frames,
    gaps: since the start. None: not known."""

    name: str
    feed: str
    bid: float | None
    ask: float | None
    age_s: float | None
    lag_ms: float | None
    messages_per_s: float
    frames: int
    gaps: int
    position: float
    exposure_quote: float | None
    off: float


class EdgeStatus(msgspec.Struct, frozen=True):
    """The edge of buying at one leg and selling at the other, in bps after both taker fees, and the largest so far."""

    buy: str
    sell: str
    edge_bps: float | None
    best_bps: float | None


class LatencyStatus(msgspec.Struct, frozen=True):
    """Answers to the orders of one leg since the start, from request to response. p50_ms, p95_ms, p99_ms: of the last.
    sum_ms: of all; counts: of all, of those above one of SPANS_MS and up to the next."""

    leg: str
    answers: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    sum_ms: float
    counts: list[int]


class SpanStatus(msgspec.Struct, frozen=True):
    """Spans of one leg since the start: their sum, and how many were above one of SPANS_MS and up to the next."""

    leg: str
    sum_ms: float
    counts: list[int]


class RuleStatus(msgspec.Struct, frozen=True):
    """A rule of the supervisor that holds, and what it is about."""

    name: str
    text: str


class Status(msgspec.Struct, frozen=True):
    """A session at one time. Money in quote, positions at their last mids; None: not known."""

    format: int
    #: "dry-run" or "live"; the process; when it began, and the time of this status, both of this machine.
    command: str
    pid: int
    began_ns: int
    time_ns: int
    elapsed_s: float
    #: None without a duration.
    remaining_s: float | None
    #: When the strategy's clock was last advanced; of this machine.
    heartbeat_ns: int
    legs: list[LegStatus]
    edges: list[EdgeStatus]
    #: The least edge at which the strategy trades, and whether it is measured from the average cross spread.
    threshold_bps: float | None
    is_over_basis: bool
    working: int
    latencies: list[LatencyStatus]
    #: Of requests to venues, from the time on the strategy's clock, which is that of the receipt of the data: until
    #: they were made, and until their bytes were written. Empty in a dry-run.
    decisions: list[SpanStatus]
    sends: list[SpanStatus]
    #: Counts since the start.
    fills: int
    attempts: int
    hedged: int
    missed: int
    reversed: int
    opportunities: int
    opportunities_taken: int
    #: Events of each kind, and orders that a limit has refused, by the limit.
    events: dict[str, int]
    refusals: dict[str, int]
    capital_quote: float | None
    fee_quote: float
    pnl_quote: float | None
    #: What was lost since the largest profit, and since the beginning of the UTC day.
    drawdown_quote: float | None
    day_loss_quote: float | None
    #: Bounds of the strategy that alerts compare with, None without one: the largest edge that it trades, and the
    #: drawdown that halts it, in percent of the capital.
    max_edge_bps: float | None
    max_drawdown_pct: float | None
    #: For how long the legs of a pair have not balanced, the longest; how many attempts the balances pay for in the
    #: better direction, of the pair with the least.
    unhedged_s: float
    attempts_affordable: float | None
    #: Of perpetuals, the worst, in percent: the value of positions, of what max_leverage allows; the maintenance
    #: margin, of what the account has for it.
    leverage_pct: float | None
    margin_pct: float | None
    #: States that the session's guard reports, as the rules of alerts name them.
    reported: list[str]
    #: What a person or a rule has halted, "" if nothing; what is in doubt; the supervisor's rules that hold.
    halted: str
    doubts: int
    rules: list[RuleStatus]
    #: Of the session's process, in percent of one core, GB and files; free on the disk of the folder.
    processor_pct: float | None
    memory_gb: float | None
    open_files: int | None
    disk_free_gb: float | None
    #: Of a session on accounts: where it trades ("sandbox", "testnet", "demo" or "live"), and with which accounts, as
    #: its journal names them.
    environment: str = ""
    accounts: list[str] = []


def read_status(folder: Path) -> Status | None:
    """The status in a session's folder; None if there is none. Raises InputError for one that cannot be read."""
    path = folder / STATUS
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InputError(f"{path}: is no file")
        found = msgspec.json.decode(path.read_bytes(), type=Status)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if found.format != FORMAT:
        raise InputError(f"{path}: is of format {found.format}, this arb reads {FORMAT}")
    return found
