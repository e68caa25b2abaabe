"""What errors of Binance mean: only codes that are known to mean "not done" are refusals."""

from __future__ import annotations

import pytest
from numpy.random import default_rng
from support.venue_orders import SIGNER, instrument

from connectors.binance.order_errors import VenueError, spot_verdict, usdm_verdict
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.orders.model import Act, Channel, VenueAnswer, Verdict, WireRequest
from connectors.units import SECOND

REFUSED, EXISTS, NOT_OPEN = Verdict.REFUSED, Verdict.EXISTS, Verdict.NOT_OPEN
NOT_FOUND, UNKNOWN = Verdict.NOT_FOUND, Verdict.UNKNOWN
BOTH = [
    *((code, "", 400, REFUSED) for code in (-1013, -1015, -1020, -1021, -1022, -1034, -2014, -2015)),
    *((code, "", 400, REFUSED) for code in (-1100, -1102, -1111, -1121, -1130, -1145, -1199)),
    (-1008, "", 503, REFUSED),
    (-1008, "", 429, REFUSED),
    (-1003, "", 429, REFUSED),
    (-1003, "", 418, REFUSED),
    (-1003, "", 400, UNKNOWN),
    (-2013, "Order does not exist.", 400, NOT_FOUND),
    *(
        (code, "", status, UNKNOWN)
        for code in (-1000, -1001, -1006, -1007)
        for status in (400, 408, 500, 503, 504)
    ),
    # A code that means a refusal means nothing with the status of a failure, or without any.
    *((code, "", status, UNKNOWN) for code in (-1013, -1121, -2015) for status in (0, 200, 500, 503)),
    (0, "", 400, UNKNOWN),
    (-1200, "", 400, UNKNOWN),
    (-1099, "", 400, UNKNOWN),
]
SPOT = [
    (-2010, "Account has insufficient balance for requested action.", 400, REFUSED),
    (-2010, "Order would immediately match and take.", 400, REFUSED),
    (-2010, "Duplicate order sent.", 400, EXISTS),
    (-2011, "Unknown order sent.", 400, NOT_OPEN),
    (-2011, "Order was not canceled due to cancel restrictions.", 400, REFUSED),
    (-2038, "Unknown order sent.", 400, NOT_OPEN),
    (-2038, "The requested action would change no state; rejecting.", 400, REFUSED),
    (-2039, "Client order ID is not correct for this order ID.", 400, REFUSED),
    *((code, "", 400, UNKNOWN) for code in (-2019, -2022, -2026, -4014, -4116, -5021)),
]
USDM = [
    *((code, "", 400, REFUSED) for code in (-2018, -2019, -2020, -2021, -2022, -2025, -2027)),
    *((code, "", 400, REFUSED) for code in (-4000, -4014, -4061, -4131, -4164, -4999)),
    *((code, "", 400, REFUSED) for code in (-5021, -5022, -5027, -5028, -5037, -5040)),
    (-4116, "ClientOrderId is duplicated.", 400, EXISTS),
    (-4116, "", 503, UNKNOWN),
    (-2011, "Unknown order sent.", 400, NOT_OPEN),
    *((code, "", 400, UNKNOWN) for code in (-2010, -2038, -3999, -5000, -5020, -5041)),
]


@pytest.mark.parametrize(("code", "text", "status", "verdict"), BOTH + SPOT)
def test_a_code_of_spot(code: int, text: str, status: int, verdict: Verdict) -> None:
    assert spot_verdict(VenueError(code, text), status) is verdict


@pytest.mark.parametrize(("code", "text", "status", "verdict"), BOTH + USDM)
def test_a_code_of_usdm(code: int, text: str, status: int, verdict: Verdict) -> None:
    assert usdm_verdict(VenueError(code, text), status) is verdict


def test_any_other_code_leaves_a_request_in_doubt() -> None:
    known = {code for code, *_ in BOTH + SPOT + USDM}
    known |= {*range(-1199, -1099), *range(-4999, -3999), *range(-5040, -5020)}
    for code in default_rng(1).integers(-9999, 20_000, 5000):
        if int(code) not in known:
            assert spot_verdict(VenueError(int(code)), 400) is UNKNOWN
            assert usdm_verdict(VenueError(int(code)), 400) is UNKNOWN


def over_rest(act: Act, status: int, body: bytes, retry_after_ns: int = 0) -> VenueAnswer:
    orders = UsdmOrders(SIGNER, 2000)
    orders.add_leg(0, instrument(is_spot=False))
    asked = WireRequest(Channel.REST, "w1", act, 0, 5)
    answer = orders.decode_rest(asked, status, body, retry_after_ns)
    assert isinstance(answer, VenueAnswer)
    return answer


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (0, b""),
        (502, b"<html>Bad Gateway</html>"),
        (503, b""),
        (403, b"<html>403 Forbidden</html>"),
        (408, b"{}"),
        (400, b'{"msg":"no code"}'),
        (503, b'{"code":-1000,"msg":"Unknown error, please check your request or try again later."}'),
        (204, b""),
    ],
)
def test_a_response_that_says_nothing_leaves_its_request_in_doubt(status: int, body: bytes) -> None:
    answer = over_rest(Act.PLACE, status, body)
    assert (answer.wire_id, answer.verdict) == ("w1", UNKNOWN)


def test_rest_knows_what_an_unknown_order_was_to_be() -> None:
    body = b'{"code":-2013,"msg":"Order does not exist."}'
    assert over_rest(Act.AMEND, 400, body).verdict is NOT_OPEN
    assert over_rest(Act.LOOK_UP, 400, body).verdict is NOT_FOUND


def test_a_limit_says_how_long_to_wait() -> None:
    body = b'{"code":-1003,"msg":"Too many requests."}'
    assert over_rest(Act.PLACE, 429, body, 3 * SECOND).retry_after_ns == 3 * SECOND
    orders = SpotOrders(SIGNER, 2000)
    frame = (
        b'{"id":"w","status":429,"error":{"code":-1003,"msg":"","data":{"serverTime":5,"retryAfter":2005}}}'
    )
    answer = orders.decode(frame)
    assert isinstance(answer, VenueAnswer)
    assert (answer.verdict, answer.retry_after_ns) == (REFUSED, 2 * SECOND)
