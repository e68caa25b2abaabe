"""Bybit's announcements of maintenance: the request, and what its answer says about one category. Pure.

Source: bybit-exchange/docs v5 `system-status.mdx` and `enum.mdx` (read 2026-07-24). Interruptions of less than 10 s are
not announced.
"""

from __future__ import annotations

import msgspec

from connectors.errors import DecodeError

PATH = "/v5/system/status"
_PRODUCTS = {"linear": 1, "spot": 2}
_LIVE, _DEMO = 1, 2
_TITLE_MAX = 100


class _Entry(msgspec.Struct, frozen=True):
    state: str
    begin: str
    product: tuple[int, ...] = ()
    title: str = ""
    env: str | int = _LIVE


class _Result(msgspec.Struct, frozen=True):
    list: tuple[_Entry, ...]


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    ret_code: int
    result: msgspec.Raw


_ANSWER = msgspec.json.Decoder(_Answer)
_RESULT = msgspec.json.Decoder(_Result)


def maintenance_of(body: bytes, category: str, *, is_demo: bool = False) -> tuple[int, str] | None:
    """When the next maintenance of a category begins, ms of the venue, or the present one began, and its title; None:
    there is none. Raises DecodeError.

    It counts whatever service, and whose accounts, it is about.
    """
    try:
        answer = _ANSWER.decode(body)
        entries = _RESULT.decode(answer.result).list if answer.ret_code == 0 else None
        if entries is None:
            raise DecodeError(f"bybit_{category}", f"retCode {answer.ret_code}", body)
        found = [
            (int(one.begin), one.title[:_TITLE_MAX])
            for one in entries
            if one.state in ("scheduled", "ongoing")
            and _PRODUCTS[category] in one.product
            and int(one.env) == (_DEMO if is_demo else _LIVE)
        ]
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise DecodeError(f"bybit_{category}", str(error), body) from None
    return min(found, default=None)
