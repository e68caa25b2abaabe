"""The raw answers of venues about accounts, one JSON line each: `accounts/<house>.jsonl` of the session's folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import msgspec

from arb.errors import InputError
from connectors.orders.blanking import BLANK, blanked

#: The folder's name inside a session's.
ACCOUNTS = "accounts"


class AnswerLog:
    """Appends the answers of one house; keys and signatures are `***`. Event loop's thread."""

    def __init__(self, path: Path | None, key_id: str) -> None:
        """path: of the file, whose folder is made; None: nothing is kept."""
        self._path = path
        self._key_id = key_id
        self._file: IO[bytes] | None = None

    def add(self, method: str, url: str, status: int, body: str) -> None:
        """Raises InputError if the file cannot be written."""
        if self._path is None:
            return
        address = urlsplit(url)
        request = f"{method} {address.path}" + (f"?{address.query}" if address.query else "")
        text = self._blanked(body)
        try:
            info: object = msgspec.json.decode(text.encode(), type=msgspec.Raw)
        except msgspec.DecodeError:
            info = text
        line = {"time": time.time_ns(), "request": self._blanked(request), "status": status, "info": info}
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab")
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """May be called repeatedly."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _blanked(self, text: str) -> str:
        return blanked(text).replace(self._key_id, BLANK) if self._key_id else blanked(text)
