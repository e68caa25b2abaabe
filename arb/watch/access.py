"""Who may read the page: the name by which it was asked for, the token, and the headers of every answer.

A page of another site cannot read this one: it would have to be asked for by a name that is not this server's. Nothing
here can be changed by a request.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from arb.errors import InputError

#: Environment variable with the token, which an address other than this machine's needs.
TOKEN_VARIABLE = "ARB_WATCH_TOKEN"
#: Fewer characters can be guessed.
TOKEN_MIN = 16
_COOKIE = "arb_watch"
#: Names of this machine for itself.
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADERS = {
    # Scripts are files of this server; the charts' library sets styles of its own.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_local(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Access:
    """The rules of one server."""

    def __init__(self, host: str, token: str | None, allowed: Iterable[str] = ()) -> None:
        """host: the address that is listened on; allowed: further names by which it may be asked for.

        Raises InputError for an address beyond this machine without a token, and for a short token.
        """
        if token is None and not is_local(host):
            raise InputError(
                f"--host {host}: others can reach it, so it needs a token: set {TOKEN_VARIABLE} in the environment"
            )
        if token is not None and (len(token) < TOKEN_MIN or not token.isascii() or not token.isprintable()):
            raise InputError(f"{TOKEN_VARIABLE}: a token has {TOKEN_MIN} printable ASCII characters or more")
        bound = f"[{host}]" if ":" in host else host
        self._names = {name.lower() for name in (*_LOCAL, bound, *allowed)}
        self._token = token
        #: What a browser keeps instead of the token.
        self._cookie = "" if token is None else hmac.digest(token.encode(), b"cookie", hashlib.sha256).hex()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers what is not allowed, and adds the headers to every other answer."""
        answer: web.StreamResponse | None = self._refusal(request)
        if answer is None:
            try:
                answer = await handler(request)
            except web.HTTPException as refused:
                answer = _line(refused.status, refused.reason)
        if not answer.prepared:
            self.add_headers(answer)
        # Without the query, which may have the token.
        log.debug("request method=%s path=%s status=%d", request.method, request.path, answer.status)
        return answer

    def add_headers(self, answer: web.StreamResponse) -> None:
        """The headers of every answer; of a stream before it is prepared."""
        answer.headers.update(_HEADERS)
        answer.headers.setdefault("Cache-Control", "no-store")

    def _refusal(self, request: web.Request) -> web.Response | None:
        if _host_of(request.headers.get("Host", "")) not in self._names:
            return _line(403, "this name is not the watcher's: arb watch --allow-host NAME allows it")
        if request.method not in ("GET", "HEAD"):
            answer = _line(405, "the watcher only reads")
            answer.headers["Allow"] = "GET, HEAD"
            return answer
        if self._token is None:
            return None
        given = request.query.get("token")
        if given is not None and self._is_token(given):
            # Without the token in its address: a browser keeps addresses.
            rest = str(request.rel_url.without_query_params("token"))
            # One slash: two would name another server.
            answer = web.Response(status=303, headers={"Location": f"/{rest.lstrip('/')}"})
            answer.set_cookie(_COOKIE, self._cookie, httponly=True, samesite="Strict", path="/")
            return answer
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        if _is_equal(request.cookies.get(_COOKIE, ""), self._cookie):
            return None
        return _line(401, f"a token is needed: open /?token=... with that of {TOKEN_VARIABLE}")

    def _is_token(self, given: str) -> bool:
        return _is_equal(given, self._token or "")


def _host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower()


def _is_equal(given: str, right: str) -> bool:
    """Takes as long for any text of a length."""
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())


def _line(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
