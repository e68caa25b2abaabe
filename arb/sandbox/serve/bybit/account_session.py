"""What Bybit's connections for orders and for events of an account have in common: the key of `auth`. Pure."""

from __future__ import annotations

from collections.abc import Callable

from arb.sandbox.accounts.keys import ApiKey
from arb.sandbox.serve.bybit import errors
from arb.sandbox.serve.bybit.errors import RequestError
from arb.sandbox.serve.bybit.side import Side
from arb.sandbox.serve.bybit.signatures import authenticate_socket
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.session import Session


class AccountSession(Session):
    """One connection for order entry or to the stream of an account."""

    def __init__(
        self, side: Side, clock: Callable[[int], int], connection_id: str, client_ip: str, limits: Limits
    ) -> None:
        """clock: the venue's time in ms, of a time in ns."""
        super().__init__()
        self.limits = limits
        self._side = side
        self._clock = clock
        self._connection_id = connection_id
        self._client_ip = client_ip
        self._key: ApiKey | None = None
        #: Number of the last message that has one.
        self._no = 0

    def _log_on(self, arguments: object, now_ms: int) -> ApiKey:
        """The key of an `auth` request, which the connection has from now on. Raises RequestError."""
        if self._key is not None:
            raise RequestError(errors.REPEATED_AUTH, "Repeat auth")
        self._key = authenticate_socket(arguments, self._side.trading.keys, self._client_ip, now_ms)
        return self._key
