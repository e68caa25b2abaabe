"""The watcher's server: its page, the page's data and the stream of what is new. Every request only reads."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from arb.errors import InputError
from arb.report.bokeh_files import CHART_FILES, chart_files
from arb.watch.access import Access
from arb.watch.metrics import Metrics
from arb.watch.page import page
from arb.watch.payloads import encode, runs_of, session_of
from arb.watch.sessions import POLL_S, Sessions
from arb.watch.stream import Stream

#: Browsers keep a file with its version in its address.
_FOREVER = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # By itself it would be what this machine's files of types say.
    "Content-Type": "text/javascript; charset=utf-8",
}
_OWN = Path(__file__).parent / "static"


def application(sessions: Sessions, access: Access) -> web.Application:
    """The server without its socket. It does not poll: see `watch`. Raises InputError without the charts' library."""
    stream, metrics = Stream(sessions), Metrics(sessions)
    charts, version = chart_files()
    text = page([f"/static/bokeh-{version}/{name}" for name in CHART_FILES]).encode()
    own = {path.name: path.read_bytes() for path in _OWN.iterdir()}
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

    async def show_page(request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, content_type="text/html", charset="utf-8")

    async def list_runs(request: web.Request) -> web.StreamResponse:
        return _json(encode(runs_of(sessions)))

    async def show_session(request: web.Request) -> web.StreamResponse:
        session = sessions.named(request.match_info["name"])
        if session is None:
            raise web.HTTPNotFound
        return _json(encode(session_of(session)))

    async def follow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        access.add_headers(answer)
        return await stream.serve(request, answer)

    async def show_metrics(request: web.Request) -> web.StreamResponse:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def own_file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in own:
            raise web.HTTPNotFound
        return web.Response(
            body=own[name],
            content_type=types[Path(name).suffix],
            charset="utf-8",
            headers={"Cache-Control": "no-cache"},
        )

    async def chart_file(request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] not in CHART_FILES:
            raise web.HTTPNotFound
        return web.FileResponse(charts / request.match_info["name"], headers=_FOREVER)

    app = web.Application(middlewares=[access.middleware])
    app[STREAM] = stream
    app.router.add_get("/", show_page)
    app.router.add_get("/data/runs.json", list_runs)
    app.router.add_get("/data/{name}.json", show_session)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/events", follow, allow_head=False)
    app.router.add_get(f"/static/bokeh-{version}/{{name}}", chart_file)
    app.router.add_get("/static/{name}", own_file)
    return app


#: The open pages of an application.
STREAM = web.AppKey("stream", Stream)


async def watch(
    sessions: Sessions,
    access: Access,
    host: str,
    port: int,
    *,
    started: Callable[[int], None],
    is_over: Callable[[int], bool] = lambda pages: False,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Serves and polls until it is cancelled, or `is_over`, which is called after each poll with the open pages.

    look: called after each poll. started: called once with the port that is listened on. Raises InputError for an
    address that cannot be used.
    """
    app = application(sessions, access)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise InputError(_why_not(host, port, error)) from None
        started(runner.addresses[0][1])
        while not is_over(app[STREAM].pages):
            while sessions.poll():
                await asyncio.sleep(0)
            look()
            app[STREAM].publish(time.monotonic())
            await asyncio.sleep(POLL_S)
    finally:
        await runner.cleanup()


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port}: another process listens there on {host}: choose another port"
    return f"--host {host} --port {port}: cannot be listened on: {error.strerror or error}"


def _json(content: bytes) -> web.Response:
    return web.Response(body=content, content_type="application/json", charset="utf-8")
