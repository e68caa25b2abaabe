"""One Binance market with accounts: its operations, by REST path and by method of its websocket API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arb.sandbox.serve.binance.api import Api, Operation
from arb.sandbox.serve.binance.ws_api import WsApi
from arb.sandbox.serve.session import Opening, Session


@dataclass(frozen=True)
class Market:
    """See the module."""

    api: Api
    #: By REST method and path.
    paths: Mapping[tuple[str, str], Operation]
    #: By method of the websocket API.
    methods: Mapping[str, Operation]
    #: Path of the websocket API, the prefix that its methods may have, and the weight of connecting.
    ws_path: str
    version: str
    ws_weight: int
    #: Makes a connection to a path of user data, if the market has such paths. Raises RouteError.
    user_stream: Callable[[Opening], Session] | None = None

    def connect(self, opening: Opening) -> WsApi:
        """A connection to the websocket API."""
        return WsApi(self.api, self.methods, self.version, opening, self.ws_weight)
