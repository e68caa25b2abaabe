"""The file of `arb sandbox serve --ledger`: every change of an order and every ledger entry, a JSON line each.

Writes a file. One thread.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from arb.errors import InputError
from arb.sandbox.accounts.amounts import exact

if TYPE_CHECKING:
    from arb.sandbox.trading.events import Event
    from arb.sandbox.trading.state import Trading


def open_log(path: Path, option: str) -> IO[str]:
    """A file to append lines to, named by an option. Raises InputError if it cannot be written."""
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; name another file with {option}"
        ) from None


class LedgerFile:
    """See the module. Lines are complete after every event."""

    def __init__(self, path: Path) -> None:
        """Opens the file to append. Raises InputError if it cannot be written."""
        self._file = open_log(path, "--ledger")
        #: Number of the last entry written, by (house, account).
        self._written: dict[tuple[str, str], int] = {}

    def follow(self, trading: Trading) -> None:
        """Writes what happens in `trading` from now on."""
        from arb.sandbox.trading.events import OrderEvent
        from arb.sandbox.trading.ledger_view import entry_view, execution_view, order_view

        def observe(event: Event) -> None:
            with exact():
                if isinstance(event, OrderEvent):
                    done = event.execution
                    self._write(
                        {
                            "at_ns": event.at_ns,
                            "account": event.account,
                            "venue": event.venue,
                            "change": event.change.name,
                            "order": order_view(event.order),
                            "execution": None if done is None else execution_view(done),
                        }
                    )
                self._write_entries(trading, event, entry_view)

        trading.observer = observe

    def close(self) -> None:
        self._file.close()

    def _write_entries(self, trading: Trading, event: Event, view: Any) -> None:
        account = trading.accounts[event.venue.partition("_")[0]][event.account]
        key = (account.house, account.id)
        last = self._written.get(key, 0)
        new = []
        for entry in reversed(account.ledger.entries):
            if entry.no <= last:
                break
            new.append(entry)
        for entry in reversed(new):
            self._write({"account": account.id, "entry": view(entry)})
            self._written[key] = entry.no

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
