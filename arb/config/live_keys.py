"""The keys `[live]`, `[guard]` and `[account.<venue>]`: sessions whose orders venues answer."""

from __future__ import annotations

from typing import Annotated, Literal

from arb.config.key import Table, key

_MINUTE_MS = 60_000


class Live(Table, frozen=True, kw_only=True):
    """A session whose orders are sent to venues."""

    answer_timeout_ms: Annotated[
        int,
        key(
            "How long a venue may take to answer an order; later its outcome is in doubt, and the venue is asked.",
            "ms",
            ge=100,
            le=_MINUTE_MS,
        ),
    ] = 1000
    in_doubt_max_s: Annotated[
        float,
        key(
            "How long the outcome of an order may remain unknown before the strategy halts, in every world.",
            "s",
            gt=0,
            le=3600,
        ),
    ] = 60.0
    recv_window_ms: Annotated[
        int,
        key(
            "How late an order may arrive: after this time by its own clock the venue refuses it.",
            "ms",
            ge=100,
            le=_MINUTE_MS,
        ),
    ] = 1000
    price_band_bps: Annotated[
        float,
        key(
            "How far from the touch, at its worse side, the price of an order may be; reversals of the built-in "
            "strategy stay within it in every world.",
            "bps",
            gt=0,
            le=10_000,
        ),
    ] = 50.0
    reconcile_s: Annotated[
        float,
        key(
            "How often open orders, positions and balances are compared with the venues'.", "s", ge=1, le=3600
        ),
    ] = 30.0
    trust_min: Annotated[
        float,
        key(
            "Below this score of a venue, which is 10 at best, nothing is opened there; 0: whatever it is.",
            ge=0,
            le=10,
        ),
    ] = 3.0
    closing_lead_s: Annotated[
        float,
        key(
            "How long before trading ends, where a venue has announced that, nothing is opened any more and resting "
            "orders are cancelled.",
            "s",
            ge=1,
            le=86_400,
        ),
    ] = 60.0
    flush_ms: Annotated[
        int,
        key(
            "Longest part of the journal that a power failure may lose; a killed process loses nothing.",
            "ms",
            ge=1,
            le=_MINUTE_MS,
        ),
    ] = 20
    sync: Annotated[
        Literal["background", "full"],
        key("Whether an order waits until the journal's entry about it is on the disk (full)."),
    ] = "background"
    poll: Annotated[
        Literal["wait", "busy"],
        key(
            "Between messages the session waits for the system, or looks without pause (busy): answers reach the "
            "strategy sooner then, and a core is used up."
        ),
    ] = "wait"
    warm_ms: Annotated[
        int,
        key(
            "How often an idle session runs the code of orders and their events on scratch objects, so that it stays "
            "in the processor's caches; at 1 that takes a fifth of a core. 0: never.",
            "ms",
            ge=0,
            le=1_000,
        ),
    ] = 0
    max_notional: (
        Annotated[
            float,
            key(
                "Largest value of one order; required by sessions at a venue's own addresses.",
                "quote",
                example="100.0",
                gt=0,
                le=1e15,
            ),
        ]
        | None
    ) = None
    max_daily_notional: (
        Annotated[
            float,
            key(
                "Largest value of all orders since 0:00 UTC; required by sessions at a venue's own addresses.",
                "quote",
                example="1_000.0",
                gt=0,
                le=1e15,
            ),
        ]
        | None
    ) = None
    state_directory: (
        Annotated[
            str,
            key(
                "Folder of journals, locks and the flags of `arb halt`; absent: the user's data folder.",
                form="a folder",
                example='"state"',
                min_length=1,
            ),
        ]
        | None
    ) = None


SupervisorAnswer = Literal["off", "warn", "reduce", "halt", "flatten"]


class Supervisor(Table, frozen=True, kw_only=True):
    """What is watched in a session whose orders venues answer, whatever its strategy, and what follows.

    warn: a line; reduce: nothing is opened while it lasts; halt: as `arb halt`; flatten: as `arb halt --flatten`.
    """

    forced: Annotated[
        SupervisorAnswer, key("A venue has closed a position itself: a liquidation or auto-deleveraging.")
    ] = "flatten"
    position: Annotated[
        SupervisorAnswer, key("A venue's position is not that of the session's executions.")
    ] = "halt"
    unhedged: Annotated[
        SupervisorAnswer, key("The legs of a pair do not balance for longer than unhedged_s.")
    ] = "flatten"
    unhedged_s: Annotated[
        float, key("Longest time for which the legs of a pair may not balance.", "s", gt=0, le=3600)
    ] = 30.0
    stale: Annotated[
        SupervisorAnswer, key("A leg has no market data, or an account no stream, for longer than stale_s.")
    ] = "reduce"
    stale_s: Annotated[
        float,
        key("Longest time without data of a leg, or without a stream of an account.", "s", gt=0, le=3600),
    ] = 30.0
    doubt: Annotated[
        SupervisorAnswer, key("The outcome of a request is not known for longer than doubt_s.")
    ] = "warn"
    doubt_s: Annotated[
        float, key("Longest time for which the outcome of a request may not be known.", "s", gt=0, le=3600)
    ] = 10.0
    failures: Annotated[
        SupervisorAnswer,
        key("More than failures_pct of the last 50 orders were refused, of those of the last five minutes."),
    ] = "reduce"
    failures_pct: Annotated[
        float, key("Largest share of refused orders, once there are 20.", "percent", gt=0, le=100)
    ] = 5.0
    modes: Annotated[
        SupervisorAnswer,
        key("Position mode, margin mode or leverage of an account, or a venue's filters, have changed."),
    ] = "reduce"
    status: Annotated[SupervisorAnswer, key("A venue does not trade a leg's symbol.")] = "warn"
    transfers: Annotated[
        SupervisorAnswer,
        key("A deposit or withdrawal was seen, and `arb capital --confirm` has not followed."),
    ] = "reduce"
    account_s: Annotated[
        float,
        key(
            "How often balances, positions, open orders while one rests, and the venues' clocks are queried.",
            "s",
            ge=1,
            le=3600,
        ),
    ] = 4.0
    drawdown: Annotated[
        SupervisorAnswer,
        key("The session has lost more than drawdown_pct of its capital since its highest profit."),
    ] = "halt"
    drawdown_pct: Annotated[
        float, key("Largest loss since the highest profit, of the capital.", "percent", gt=0, le=100)
    ] = 5.0
    daily_loss: Annotated[
        SupervisorAnswer,
        key("Sessions of the UTC day have together lost more than daily_loss_pct of the capital."),
    ] = "halt"
    daily_loss_pct: Annotated[
        float, key("Largest loss of a UTC day, of the capital.", "percent", gt=0, le=100)
    ] = 5.0
    attempt_loss: Annotated[
        SupervisorAnswer,
        key(
            "What a pair has traded since its legs last balanced has cost more than attempt_loss_pct of the capital."
        ),
    ] = "halt"
    attempt_loss_pct: Annotated[
        float, key("Largest cost of an attempt, of the capital.", "percent", gt=0, le=100)
    ] = 1.0
    margin: Annotated[
        SupervisorAnswer,
        key("The maintenance margin of perpetuals is more than margin_pct of what the account has for it."),
    ] = "reduce"
    margin_pct: Annotated[
        float,
        key("Largest maintenance margin; positions are liquidated at 100.", "percent", gt=0, le=100),
    ] = 50.0
    liquidation: Annotated[
        SupervisorAnswer,
        key("A price is nearer than liquidation_pct to that at which the venue closes the position."),
    ] = "flatten"
    liquidation_pct: Annotated[
        float, key("Smallest distance of a price to liquidation.", "percent", gt=0, le=100)
    ] = 5.0
    clock: Annotated[
        SupervisorAnswer, key("The clock of a venue differs from the session's by more than clock_ms.")
    ] = "reduce"
    clock_ms: Annotated[
        float,
        key("Largest difference of clocks, the half of the round trip left out.", "ms", gt=0, le=60_000),
    ] = 500.0
    round_trip: Annotated[
        SupervisorAnswer, key("A venue takes longer than round_trip_ms to say its time.")
    ] = "warn"
    round_trip_ms: Annotated[
        float, key("Longest time for an answer about a venue's clock.", "ms", gt=0, le=60_000)
    ] = 1000.0
    headroom: Annotated[
        SupervisorAnswer, key("More than headroom_pct of a venue's limit on orders or requests is used.")
    ] = "warn"
    headroom_pct: Annotated[
        float,
        key(
            "Largest part of a venue's limits that is used; above 50 nothing is opened there.",
            "percent",
            gt=0,
            le=100,
        ),
    ] = 60.0
    disk: Annotated[SupervisorAnswer, key("Less than disk_gb are free where the journal is.")] = "reduce"
    disk_gb: Annotated[float, key("Smallest free space.", "GB", gt=0, le=100_000)] = 2.0
    files: Annotated[
        SupervisorAnswer, key("The session has more than files_pct of the files open that it may have.")
    ] = "warn"
    files_pct: Annotated[float, key("Largest part of the open files.", "percent", gt=0, le=100)] = 80.0
    memory: Annotated[SupervisorAnswer, key("The session uses more memory than memory_gb.")] = "warn"
    memory_gb: Annotated[float, key("Largest memory of the session.", "GB", gt=0, le=1000)] = 4.0


class Guard(Table, frozen=True, kw_only=True):
    """The process that cancels a session's orders when the session stops."""

    timeout_ms: Annotated[
        int,
        key(
            "A session that gives no sign of life for so long is halted, and its orders are cancelled.",
            "ms",
            ge=300,
            le=_MINUTE_MS,
        ),
    ] = 1000


class Account(Table, frozen=True, kw_only=True):
    """What a session prepares, and expects, of its account at a venue."""

    margin_mode: Annotated[
        Literal["cross", "isolated"], key("Margin mode of perpetuals; spot venues have none.")
    ] = "cross"
    leverage: Annotated[
        float, key("Leverage of perpetuals that is set at the venue; spot venues have none.", ge=1, le=125)
    ] = 1.0
    fee_asset: (
        Annotated[
            str,
            key(
                "What the account is to pay fees in; absent: as found.",
                form='"quote", "received" or an asset in capitals such as "BNB"',
                example='"BNB"',
                pattern=r"^(quote|received|[A-Z0-9]{1,20})\Z",
            ),
        ]
        | None
    ) = None
    switch: Annotated[
        Literal["off", "warn", "require"],
        key(
            "The venue's own dead-man's switch: when nobody renews it, it cancels all orders of the legs' symbols "
            "(Binance USD-M) or of the account's product (Bybit), anybody's. Only for an account with which nobody "
            "else trades. warn: a failure is a line in the log; require: nothing is opened while it is not on."
        ),
    ] = "off"
    switch_s: Annotated[
        float,
        key(
            "After this time without a renewal it cancels; it is renewed three times in it.",
            "s",
            ge=3,
            le=300,
        ),
    ] = 10.0
