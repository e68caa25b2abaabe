"""A server of archive files on this machine: ranges, ETags, HEAD, checksums, and faults by script.

What it sent is counted by file, range by range, so that a test can check that nothing was sent twice.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

#: How long a held answer waits for its release: longer than any test.
_HOLD_S = 120.0
_PIECE = 64 * 1024


@dataclass
class Fault:
    """What is wrong with one answer. Faults of a path are used up one a GET, or kept with `is_lasting`."""

    #: Answer this, with these headers and this body, instead of the file.
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: Send so many bytes of the body, then close the connection, or hold it open until the server ends.
    cut_after: int | None = None
    hold_after: int | None = None
    #: Announce so many bytes more than there are.
    extra_length: int = 0
    #: Do not send the length of the file; the end of the connection is its end.
    hides_length: bool = False
    #: Send all of the file whatever was asked.
    ignores_range: bool = False
    #: Send these bytes instead of the file's.
    content: bytes | None = None
    is_lasting: bool = False


class Sent(NamedTuple):
    """One answer with a body of a file: from where, and how many bytes went out."""

    path: str
    start: int
    count: int


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class ArchiveServer:
    """Serves `files` by path. Use as a context manager; `url` is its base address."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        #: Faults of HEAD requests, likewise.
        self.head_faults: dict[str, list[Fault]] = defaultdict(list)
        #: Which paths are given for `key` only.
        self.needs_key: Callable[[str], bool] = lambda path: False
        self.key = "test-key"
        self.has_validators = True
        #: ETags say that the content means the same, not that it is the same: no `If-Range` matches one.
        self.has_weak_etags = False
        #: Holds every GET of a file until as many are there, or a moment has passed.
        self.gather = 0
        self.sent: list[Sent] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._gathered = threading.Condition(self._lock)
        self.release = threading.Event()

    def __enter__(self) -> Self:
        self._server = _QuietServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, content: bytes, *, has_checksum: bool = False) -> None:
        """A file, and its checksum beside it."""
        self.files[path] = content
        if has_checksum:
            name = path.rpartition("/")[2]
            line = f"{hashlib.sha256(content).hexdigest()}  {name}\n"
            self.files[f"{path}.CHECKSUM"] = line.encode()

    def ranges(self, path: str) -> list[tuple[int, int]]:
        """(start, count) of what was sent of a file, in order."""
        return [(sent.start, sent.count) for sent in self.sent if sent.path == path]

    def bytes_sent(self, path: str) -> int:
        """How many bytes of a file went out."""
        return sum(count for _, count in self.ranges(path))

    def gets(self, path: str) -> int:
        """How often a file was asked for."""
        return sum(method == "GET" and asked == path for method, asked, _ in self.requests)

    def begin(self) -> None:
        """A GET of a file has begun."""
        with self._gathered:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self._gathered.notify_all()
            if self.gather:
                self._gathered.wait_for(lambda: self.most_at_once >= self.gather, timeout=5.0)

    def end(self, sent: Sent) -> None:
        """It is over."""
        with self._lock:
            self._now -= 1
            self.sent.append(sent)

    def note(self, method: str, path: str, headers: dict[str, str]) -> None:
        """A request came."""
        with self._lock:
            self.requests.append((method, path, headers))

    def next_fault(self, method: str, path: str) -> Fault:
        """What is wrong with the next answer."""
        with self._lock:
            waiting = (self.head_faults if method == "HEAD" else self.faults)[path]
            if not waiting:
                return Fault()
            return waiting[0] if waiting[0].is_lasting else waiting.pop(0)


def _handler_of(server: ArchiveServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def _answer(self, *, has_body: bool) -> None:
            server.note(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            fault = server.next_fault(self.command, self.path)
            if fault.status:
                self._plain(fault.status, fault.body, fault.headers, has_body=has_body)
                return
            if server.needs_key(self.path) and self.headers.get("Authorization") != f"Bearer {server.key}":
                self._plain(401, b"no key", {}, has_body=has_body)
                return
            content = server.files.get(self.path)
            if content is None:
                self._plain(404, b"not found", {}, has_body=has_body)
                return
            self._file(content if fault.content is None else fault.content, fault, has_body=has_body)

        def _plain(self, status: int, body: bytes, headers: dict[str, str], *, has_body: bool) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if has_body:
                self.wfile.write(body)

        def _file(self, content: bytes, fault: Fault, *, has_body: bool) -> None:
            etag = ("W/" if server.has_weak_etags else "") + f'"{hashlib.md5(content).hexdigest()}"'
            start = self._start(etag, fault)
            if start is not None and start >= len(content):
                self._plain(416, b"", {"Content-Range": f"bytes */{len(content)}"}, has_body=has_body)
                return
            self.send_response(200 if start is None else 206)
            length = len(content) + fault.extra_length
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
            if fault.hides_length:
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(length - (start or 0)))
            if server.has_validators:
                self.send_header("ETag", etag)
                self.send_header("Last-Modified", formatdate(1_700_000_000, usegmt=True))
            self.end_headers()
            if has_body:
                self._send(content, start or 0, fault)

        def _start(self, etag: str, fault: Fault) -> int | None:
            """Where the range that is asked for begins; None for the whole file. As RFC 9110, 13.1.5 has it."""
            asked = self.headers.get("Range", "")
            condition = self.headers.get("If-Range")
            matching = (formatdate(1_700_000_000, usegmt=True), "" if server.has_weak_etags else etag)
            is_same = condition is None or condition in matching
            if not asked.startswith("bytes=") or not is_same or fault.ignores_range:
                return None
            return int(asked.removeprefix("bytes=").partition("-")[0])

        def _send(self, content: bytes, start: int, fault: Fault) -> None:
            stop = fault.cut_after if fault.cut_after is not None else fault.hold_after
            end = len(content) if stop is None else min(len(content), start + stop)
            done = start
            server.begin()
            try:
                while done < end:
                    self.wfile.write(content[done : min(end, done + _PIECE)])
                    done = min(end, done + _PIECE)
                if fault.hold_after is not None:
                    server.release.wait(_HOLD_S)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                server.end(Sent(self.path, start, done - start))
            if stop is not None or fault.extra_length:
                self.close_connection = True

    return Handler
