"""Announcements of maintenance, as Bybit's documentation shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.bybit.system_status import maintenance_of
from connectors.errors import DecodeError


def body(*entries: dict[str, Any]) -> bytes:
    """An answer. Source: bybit-exchange/docs v5 `system-status.mdx` (read 2026-07-24), with other values."""
    whole: dict[str, Any] = {
        "id": "4d95b2a0-587f-11f0-bcc9-56f28c94d6ea", "title": "t06", "state": "scheduled", "begin": "1751596902000",
        "end": "1751597011000", "href": "", "serviceTypes": [2, 3], "product": [1, 2], "uidSuffix": [],
        "maintainType": 1, "env": 1,
    }  # fmt: skip
    rows = [whole | entry for entry in entries]
    return json.dumps(
        {"retCode": 0, "retMsg": "", "result": {"list": rows}, "retExtInfo": {}, "time": 1}
    ).encode()


def test_the_next_one_of_a_category_that_is_not_over() -> None:
    later = {"begin": "1751596902001", "title": "later"}
    assert maintenance_of(body(later, {}), "linear") == (1751596902000, "t06")
    assert maintenance_of(body(later, {"state": "ongoing", "product": [1]}), "spot") == (
        1751596902001,
        "later",
    )
    assert maintenance_of(body({"state": "completed"}, {"state": "canceled"}), "spot") is None
    assert maintenance_of(body({"product": [3, 4]}), "linear") is None


def test_demo_accounts_have_their_own() -> None:
    one = body({"env": 2}, {"env": "1", "begin": "5"})
    assert maintenance_of(one, "spot") == (5, "t06")
    assert maintenance_of(one, "spot", is_demo=True) == (1751596902000, "t06")


@pytest.mark.parametrize("text", [b"", b"{}", b'{"retCode":10006,"result":{}}', body({"begin": "soon"})])
def test_another_answer_is_none(text: bytes) -> None:
    with pytest.raises(DecodeError):
        maintenance_of(text, "spot")
