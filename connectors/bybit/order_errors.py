"""What a code of Bybit says about the request that it answers. Pure.

Only codes that are known to mean "not done" are refusals. With any other the request may or may not have been done.

Source: bybit-exchange/docs v5 `error.mdx`, `websocket/trade/guideline.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from connectors.orders.model import Act, RefusedFor, Verdict

#: The connection takes no more requests: the service restarts, or the key is not valid any more.
LINE_OVER = frozenset((10019, 10003))
#: The same request id twice on a connection: a fault of ours.
SENT_TWICE = 20006
#: Statuses of HTTP with which nothing was done.
REFUSING_STATUSES = frozenset((403, 418, 429))

#: Parameters, time, key, signature, permission, rates, address, sessions; conditions of the market and of the account.
_REFUSED = frozenset(
    (
        *range(10001, 10007), 10010, 10019, 10403, 10404, 10429, 20003,
        110003, 110004, 110007, 110012, 110017, 110020, 110074, 110090, 110094,
        170121, 170124, *range(170130, 170138), 170140, 170151, 170193, 170194, 170210, 170217, 170218, 170222,
        170341, 170810,
    )
)  # fmt: skip
#: An order that is being processed cannot be cancelled yet.
_BUSY = 110079
#: No amendment of this order, or not to this quantity. 110032, "order is illegal", is not here: the documents do not
#: say when it is given.
_NOT_AMENDED = frozenset((110064, 170312, 170313))
_NOT_OPEN = frozenset((110001, 110008, 110010, 170139, 170142, 170143, 170213))
_EXISTS = frozenset((110072, 170141))
_CHANGES = (Act.AMEND, Act.CANCEL)


#: Post-only would take, of which elsewhere an event says so; a contract that is not live, a pair that is not open yet.
_REASONS = {
    170218: RefusedFor.MARKET,
    110074: RefusedFor.CLOSED,
    170151: RefusedFor.CLOSED,
    10002: RefusedFor.TIME,
}


def reason_of(code: int) -> RefusedFor:
    """The reason of a refusal."""
    return _REASONS.get(code, RefusedFor.OTHER)


def verdict_of(code: int, act: Act) -> Verdict:
    """What `retCode` says."""
    if code == 0:
        return Verdict.ACCEPTED
    is_refused = code in _REFUSED or (code == _BUSY and act is Act.CANCEL)
    if is_refused or (code in _NOT_AMENDED and act is Act.AMEND):
        return Verdict.REFUSED
    if code in _EXISTS and act is Act.PLACE:
        return Verdict.EXISTS
    if code in _NOT_OPEN and act in _CHANGES:
        return Verdict.NOT_OPEN
    if code in _NOT_OPEN and act is Act.LOOK_UP:
        return Verdict.NOT_FOUND
    return Verdict.UNKNOWN
