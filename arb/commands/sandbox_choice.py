"""What replaces the venues with `--sandbox`: a simulated market inside the command, or a running `arb sandbox serve`.

Imported by the command line at its start: the server and the configuration are imported only when a market is used.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from arb.errors import InputError
from arb.sandbox.serve.urls import SIMULATED

if TYPE_CHECKING:
    from arb.config import VenueConfig
    from arb.sandbox.serve.sandbox import Sandbox
    from arb.sandbox.serve.urls import VenueUrls

#: Seed of the simulated market without `--seed`.
SANDBOX_SEED = 7
#: How long a running sandbox may take to answer; the length of the answer.
_ANSWER_S, _ANSWER_BYTES_MAX = 2.0, 1 << 16


class SandboxChoice(NamedTuple):
    """The options `--seed` and `--port-base`; a running sandbox has its own seed."""

    seed: int = SANDBOX_SEED
    port_base: int | None = None

    @property
    def options(self) -> str:
        """The options, as in the text beside a simulated recording."""
        chosen = f"--seed {self.seed}" if self.port_base is None else f"--port-base {self.port_base}"
        return f"--sandbox {chosen}"

    def market_of(
        self, known: Mapping[str, VenueConfig], pairs: Sequence[tuple[str, str]]
    ) -> Sandbox | dict[str, VenueUrls]:
        """A simulated market of these (venue, symbol) pairs, not yet entered, or the addresses of the running one.

        Raises InputError if no sandbox listens at the port, or if a pair cannot be simulated.
        """
        if self.port_base is None:
            from arb.commands.serve import seeded_sandbox

            return seeded_sandbox(known, pairs, self.seed)
        from arb.runtime.sandbox_venues import sandbox_urls

        urls = sandbox_urls(self.port_base)
        _refuse_absent({venue: urls[venue].rest for venue, _ in pairs if venue in urls})
        return urls

    def source_of(self, venue: str) -> str:
        """What the market's data at a venue are; see `source_at`."""
        if self.port_base is None:
            return SIMULATED
        from arb.runtime.sandbox_venues import sandbox_urls

        urls = sandbox_urls(self.port_base)
        return source_at(urls[venue].rest) if venue in urls else ""


def source_at(rest_url: str) -> str:
    """What the data of a running sandbox are: "simulated", or "a recording" with its origin; "" if it does not answer.

    rest_url: of one of its venues. Blocks for a moment.
    """
    import http.client
    import json

    address = urlsplit(rest_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        connection.request("GET", "/sandbox")
        status = json.loads(connection.getresponse().read(_ANSWER_BYTES_MAX))
        if isinstance(status, dict):
            return str(status.get("source", ""))
    return ""


def _refuse_absent(urls: Mapping[str, str]) -> None:
    for venue, url in urls.items():
        address = urlsplit(url)
        try:
            socket.create_connection((address.hostname or "", address.port or 0), timeout=_ANSWER_S).close()
        except OSError:
            raise InputError(
                f"no sandbox serves {venue} at {url}: start one with arb sandbox serve, or leave "
                "--port-base out"
            ) from None
