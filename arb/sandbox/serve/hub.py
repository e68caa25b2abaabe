"""Distributes the frames of one venue to subscribers and applies faults. Runs in the server's event loop."""

from __future__ import annotations

from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.connection import Connection, text_frame
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.faults import Injector
from arb.sandbox.serve.timeline import shift_stamps

#: The stream of messages that are no frames of the market.
_OWN = "private"


class Hub:
    """The subscriptions of one venue."""

    def __init__(self, exchange: Exchange, injector: Injector) -> None:
        self._exchange = exchange
        self._injector = injector
        self._form = exchange.family.form
        #: By source stream: the connections, and the names under which each one subscribed.
        self._listeners: dict[str, dict[Connection, list[str]]] = {}
        #: Connections with frames to write.
        self.dirty: set[Connection] = set()
        self.frames_sent = 0

    def subscribe(self, connection: Connection, name: str, now_ms: int) -> None:
        """Subscribes the connection to a stream and queues its first frames."""
        if not connection.session.delivers(name):
            return
        source = self._exchange.source_of(name)
        if source is None:
            return
        names = self._listeners.setdefault(source, {}).setdefault(connection, [])
        if name in names:
            return
        names.append(name)
        instrument = self._exchange.instrument_of_key(source)
        if instrument is not None:
            opening = instrument.opening(source, now_ms)
            if opening:
                connection.send_text(opening)
        self.dirty.add(connection)

    def unsubscribe(self, connection: Connection, name: str) -> None:
        """Ends a subscription."""
        source = self._exchange.source_of(name)
        listeners = self._listeners.get(source or "")
        if listeners is None or name not in listeners.get(connection, ()):
            return
        listeners[connection].remove(name)
        if not listeners[connection]:
            del listeners[connection]

    def forget(self, connection: Connection) -> None:
        """Removes a closed connection."""
        for listeners in self._listeners.values():
            listeners.pop(connection, None)
        self.dirty.discard(connection)

    def publish(self, key: str, text: str, now_ns: int) -> None:
        """Queues a frame of the venue for all its subscribers."""
        listeners = self._listeners.get(key)
        if not listeners:
            return
        if not self._injector.is_calm(self._exchange.venue) or any(one.held for one in listeners):
            self._publish_spoilt(key, text, listeners, now_ns)
            return
        frames: dict[tuple[str, bool], bytes] = {}
        for connection, names in listeners.items():
            for name in names:
                form = (name, connection.session.is_combined)
                frame = frames.get(form)
                if frame is None:
                    frame = frames[form] = text_frame(self._form(text, key, *form))
                connection.send(frame)
                self.frames_sent += 1
            self.dirty.add(connection)

    def send_own(self, connection: Connection, text: str, now_ns: int) -> None:
        """Sends a message of a connection's own, an answer or an event of an account; faults name it "private"."""
        if self._injector.is_calm(self._exchange.venue) and not connection.held:
            connection.send_now(text)
            return
        clients = [connection.no] if connection.is_open and not connection.is_muted else []
        faults = self._injector.take(self._exchange.venue, _OWN, clients, text, now_ns)
        for part in self._spoil(connection, _OWN, text, faults):
            connection.send_text(part)
        connection.flush(now_ns)

    def flush(self, now_ns: int) -> list[Connection]:
        """Writes the queued frames; returns the connections dropped because they do not read."""
        dropped = [connection for connection in self.dirty if not connection.flush(now_ns)]
        self.dirty.clear()
        return dropped

    def _publish_spoilt(
        self, key: str, text: str, listeners: dict[Connection, list[str]], now_ns: int
    ) -> None:
        venue = self._exchange.venue
        offset_ms = self._injector.clock_offset_ms(venue, now_ns)
        stamped = shift_stamps(text, offset_ms) if offset_ms else text
        # A fault counts only for clients that would have received the frame.
        clients = [one.no for one in listeners if one.is_open and not one.is_muted]
        faults = self._injector.take(venue, key, clients, stamped, now_ns)
        for connection, names in listeners.items():
            own = [one for one in faults if one.client in (None, connection.no)]
            for name in names:
                whole = self._form(stamped, key, name, connection.session.is_combined)
                for part in self._spoil(connection, name, whole, own):
                    connection.send_text(part)
                    self.frames_sent += 1
            self.dirty.add(connection)

    def _spoil(self, connection: Connection, name: str, text: str, faults: list[Fault]) -> list[str]:
        """The frames that one connection receives instead of `text`."""
        parts = [text]
        kinds = [fault.kind for fault in faults]
        for kind in kinds:
            if kind in (FaultKind.GAP, FaultKind.SILENCE):
                parts = []
            elif kind == FaultKind.DUPLICATE:
                parts += parts
            elif kind == FaultKind.TRUNCATE:
                parts = [part[: len(part) // 2] for part in parts]
            elif kind == FaultKind.GARBAGE:
                parts = [self._injector.garbage(len(part)) for part in parts]
        earlier = connection.held.pop(name, None)
        if FaultKind.REORDER in kinds and parts and earlier is None:
            connection.held[name] = parts[0]
            return []
        return parts if earlier is None else [*parts, earlier]
