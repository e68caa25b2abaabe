"""What no document of the venues says: one field each, with the behaviour that is assumed until somebody has seen it.

Every field is a key of `[undocumented.VENUE]` in the accounts file; docs/sandbox.md lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Undocumented:
    """The assumptions about one venue. A venue ignores what does not concern it."""

    #: Rounding of fees, and their decimals.
    fee_rounding: Literal["half_up", "half_even", "down", "ceiling"] = "half_up"
    fee_places: int = 8
    #: Whether Binance's discount of 0.25 is what is deducted, or the factor that remains.
    bnb_discount_is: Literal["reduction", "factor"] = "reduction"
    #: A post-only order that would take: refused, or accepted and ended.
    post_only_cross: Literal["refused", "expires"] = "refused"
    #: A FOK order that cannot be filled: refused, or accepted and ended.
    fok_unfilled: Literal["refused", "expires"] = "refused"
    #: Self-trade prevention of orders that name none.
    default_stp: Literal["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"] = "NONE"
    #: Binance USD-M: which event of a fill is sent first.
    update_order: Literal["account", "order"] = "account"
    #: Bybit: whether an amendment to a smaller quantity keeps the place in the queue.
    amend_smaller_keeps: bool = True
    #: Binance spot: whether there is a reference price (windows of 60 s).
    reference_price: bool = True
    #: Binance: HTTP status of -2014 and -2015.
    key_error_status: int = 401
    #: Binance: HTTP status of -1006 and -1007; 503 on USD-M by its documents.
    timeout_status: int = 504
    #: Binance spot: DELETE openOrders without open orders is refused with -2011; otherwise it returns an empty list.
    cancel_all_empty_refused: bool = True
    #: Binance: weight of requests to /sapi.
    sapi_weight: int = 1
    #: Binance: code of session.logon with an HMAC key.
    logon_hmac_code: int = -1022
    #: Binance USD-M: whether session.logon exists.
    session_logon: bool = True
    #: Binance USD-M WS API: whether a JSON number is refused where a decimal is a text.
    strict_decimals: bool = False
    #: Bybit: whether both addresses share one limit of requests.
    shared_ip_limit: bool = False


#: By venue.
DEFAULTS = {
    "binance_spot": Undocumented(),
    "binance_usdm": Undocumented(default_stp="EXPIRE_MAKER"),
    "bybit_spot": Undocumented(post_only_cross="expires", fok_unfilled="expires"),
    "bybit_linear": Undocumented(post_only_cross="expires", fok_unfilled="expires"),
}
