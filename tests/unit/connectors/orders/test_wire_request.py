"""A request in an error's text or a debugger's line shows neither key nor signature."""

from __future__ import annotations

from support.guard.markers import marked

from connectors.orders.model import Act, Channel, WireRequest


def test_a_request_shows_neither_key_nor_signature() -> None:
    key, signature = marked("Key"), marked("Signature")
    rest = WireRequest(
        Channel.REST, "q-1", Act.TRANSFERS, 0, 0, method="GET", path="/v5/account/transaction-log",
        query=f"type=TRANSFER_IN&signature={signature}", headers=(("X-BAPI-API-KEY", key), ("X-BAPI-SIGN", signature)),
    )  # fmt: skip
    text = f'{{"params":{{"apiKey":"{key}","signature":"{signature}","symbol":"BTCUSDT"}}}}'
    socket = WireRequest(Channel.SOCKET, "0-7-p", Act.PLACE, 0, 7, text=text)
    shown = f"{rest} {socket!r} {[rest]} {vars(type('Holder', (), {'wire': socket}))}"
    assert key not in shown
    assert signature not in shown
    assert "transaction-log" in shown
    assert "BTCUSDT" in shown
