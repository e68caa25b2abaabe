"""The keys `[live]` and `[account.<venue>]`: sessions whose orders venues answer."""

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
            "How far from the touch, at its worse side, the price of an order may be.", "bps", gt=0, le=10_000
        ),
    ] = 50.0
    reconcile_s: Annotated[
        float,
        key(
            "How often open orders, positions and balances are compared with the venues'.", "s", ge=1, le=3600
        ),
    ] = 30.0
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
