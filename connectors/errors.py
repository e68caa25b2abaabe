"""Error classes of the venue side."""

from __future__ import annotations

from connectors.text import printable

#: A reason may quote the frame, which may be long.
REASON_MAX = 200


class ConnectorError(Exception):
    """Base of all errors of the venue side."""


class DecodeError(ConnectorError):
    """A frame of no known form, or not valid JSON; no row was emitted for it."""

    def __init__(self, venue: str, reason: str, frame: bytes, *, file: str = "", line: int = 0) -> None:
        self.venue = venue
        self.reason = reason[:REASON_MAX]
        self.frame_head = frame[:80]
        self.file = file
        self.line = line
        super().__init__(str(self))

    def at(self, file: str, line: int) -> DecodeError:
        """The same error with the file and line where it was found."""
        return DecodeError(self.venue, self.reason, self.frame_head, file=file, line=line)

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}: " if self.file else ""
        head = self.frame_head.decode("utf-8", "backslashreplace")
        return printable(f"{where}{self.venue}: {self.reason}: {head}")


class TransportError(ConnectorError):
    """The configured network library is not installed, or an address may not be used."""


class HostRefusedError(TransportError):
    """An address outside the allowed hosts; nothing was connected to."""


class InstrumentError(ConnectorError):
    """A symbol, stream, tick or lot that the venue does not have, or contradictory settings of one."""


class OffGridError(ConnectorError):
    """A price or quantity of a venue that is no whole number of ticks or lots, or no number."""
