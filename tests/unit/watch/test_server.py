"""The watcher's server: who may read, what is served, and that nothing but reading is possible."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from support.watched_folders import BEGAN_NS, WatchedFolder, event, rows_of

from arb.errors import InputError
from arb.watch import stream
from arb.watch.access import TOKEN_MIN, Access
from arb.watch.payloads import marks_of
from arb.watch.server import STREAM, application, watch
from arb.watch.sessions import LOADED_MAX, Sessions

TOKEN = "a token of a desk 0"
SECRET = "sk-planted-5f1c3b9a"
EVIL = "<script>alert(1)</script>\x1b[31m\u202e"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WatchedFolder]:
    with contextlib.closing(WatchedFolder(tmp_path / "runs" / "a")) as folder:
        folder.write_status()
        folder.write_events(event(1, "feed", EVIL), event(2, "fill", leg=EVIL, side="buy", price=1.5))
        folder.write_rows(rows_of(8))
        yield folder


class Served:
    """A server on a free port, and a client."""

    def __init__(
        self, sessions: Sessions, client: aiohttp.ClientSession, app: web.Application, port: int
    ) -> None:
        self.sessions, self.client, self.app = sessions, client, app
        self.address = f"http://127.0.0.1:{port}"

    async def get(self, path: str, *, method: str = "GET", **options: Any) -> tuple[int, str, Any]:
        async with self.client.request(
            method, self.address + path, allow_redirects=False, **options
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    def poll(self, now_s: float) -> None:
        self.sessions.poll()
        self.app[STREAM].publish(now_s)


def served(folder: Path, body: Callable[[Served], Awaitable[None]], **access: Any) -> None:
    async def run() -> None:
        sessions = Sessions([folder])
        sessions.poll()
        app = application(sessions, Access(**{"host": "127.0.0.1", "token": None, **access}))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
                await asyncio.wait_for(body(Served(sessions, client, app, runner.addresses[0][1])), 60.0)
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_the_page_and_all_that_it_loads_are_served_here(folder: WatchedFolder) -> None:
    async def body(server: Served) -> None:
        status, page, headers = await server.get("/")
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        scripts = re.findall(r'src="([^"]+)"', page) + re.findall(r'data-scripts="([^"]+)"', page)[0].split()
        assert [Path(one).name for one in scripts] == ["watch.js", "bokeh.min.js", "bokeh-api.min.js"]
        for script in scripts:
            status, text, headers = await server.get(script)
            assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/javascript")
            if "bokeh" in script:
                assert "immutable" in headers["Cache-Control"]
            else:
                page += text
        assert not re.search(r"(https?:)?//\w", re.sub(r"(?m)^\s*//.*$", "", page)), "no address elsewhere"
        for path in (
            "/static/none.js",
            "/static/..%2Fpage.py",
            "/data/none.json",
            "/events?session=none",
            "/none",
        ):
            assert (await server.get(path))[0] == 404

    served(folder.path.parent, body)


def test_metrics_are_served_as_prometheus_reads_them(folder: WatchedFolder) -> None:
    async def body(server: Served) -> None:
        server.poll(0.0)
        status, text, headers = await server.get("/metrics")
        assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
        ups = [one for one in text_string_to_metric_families(text) if one.name == "arb_up"]
        assert [one.labels["session"] for one in ups[0].samples] == ["a"]

    served(folder.path.parent, body)


def test_data_are_whole_and_their_texts_printable(folder: WatchedFolder) -> None:
    async def body(server: Served) -> None:
        status, text, headers = await server.get("/data/runs.json")
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        (run,) = json.loads(text)["runs"]
        assert (run["name"], run["state"], run["fills"]) == ("a", "running", ["1,234", "", 1234])
        _, text, _ = await server.get("/data/a.json")
        assert "\x1b" not in text
        assert "\u202e" not in text
        found = json.loads(text)
        assert [one[:1] + one[2:3] for one in (*found["trading"], *found["others"])] == [
            [2, "fill"],
            [1, "feed"],
        ]
        assert found["marks"] == {
            "entry": [[], []],
            "exit": [[], []],
            "buy": [[BEGAN_NS // 10**6 + 2_000], [1.5]],
            "sell": [[], []],
        }
        assert len(found["whole"]["t"]) == len(found["recent"]["edges"][1][0]) == 8

    served(folder.path.parent, body)


def test_charts_mark_what_enters_and_what_ends_a_position() -> None:
    kinds = [None, "closes the spread", "moves inventory back", "hedges a late execution"]
    edges = [5.0, -1.0, -2.0, None]
    attempts = [
        event(n, "attempt", purpose=kind, edge_bps=edge)
        for n, (kind, edge) in enumerate(zip(kinds, edges, strict=True))
    ]
    marks = marks_of([*attempts, event(9, "order", side="buy", price=1.5)])
    assert {name: values for name, (_, values) in marks.items()} == {
        "entry": [5.0], "exit": [-1.0, -2.0], "buy": [], "sell": []
    }  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_request_changes_anything(folder: WatchedFolder, method: str) -> None:
    async def body(server: Served) -> None:
        for path in ("/", "/data/a.json", "/none"):
            status, _, headers = await server.get(path, method=method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")

    served(folder.path.parent, body)


def test_another_name_in_the_address_is_refused(folder: WatchedFolder) -> None:
    async def body(server: Served) -> None:
        port = server.address.rpartition(":")[2]
        for host, expected in (
            ("evil.example", 403), (f"evil.example:{port}", 403), ("localhost.evil.example", 403), ("", 403),
            (f"localhost:{port}", 200), ("127.0.0.1", 200), (f"[::1]:{port}", 200), (f"Desk.example:{port}", 200),
        ):  # fmt: skip
            assert (await server.get("/data/runs.json", headers={"Host": host}))[0] == expected, host

    served(folder.path.parent, body, allowed=["desk.EXAMPLE"])


def test_a_token_is_asked_for_and_kept_as_a_cookie(
    folder: WatchedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "arb.watch")

    async def body(server: Served) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"arb_watch={TOKEN}"}):
            for path in (
                "/",
                "/metrics",
                "/data/a.json",
                "/events",
                "/static/watch.js",
                "/?token=wrong",
                "/?token=",
            ):
                status, text, _ = await server.get(path, headers=headers)
                assert status == 401
                assert TOKEN not in text
        assert (await server.get("/data/a.json", headers={"Authorization": f"Bearer {TOKEN}"}))[0] == 200
        status, _, headers = await server.get("/data/runs.json", params={"token": TOKEN})
        assert (status, headers["Location"]) == (303, "/data/runs.json")
        _, _, elsewhere = await server.get(f"//evil.example/?token={TOKEN.replace(' ', '%20')}")
        assert elsewhere["Location"].startswith("/")
        assert not elsewhere["Location"].startswith("//")
        assert all(word in headers["Set-Cookie"] for word in ("HttpOnly", "SameSite=Strict"))
        assert TOKEN not in headers["Set-Cookie"]
        assert (await server.get("/data/a.json"))[0] == 200

    served(folder.path.parent, body, token=TOKEN)
    assert "request method=GET path=/data/runs.json status=303" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("host", "token", "is_allowed"),
    [
        ("127.0.0.1", None, True), ("localhost", None, True), ("::1", None, True), ("0.0.0.0", None, False),
        ("::", None, False), ("192.168.1.2", None, False), ("desk.example", None, False), ("0.0.0.0", TOKEN, True),
        ("0.0.0.0", "x" * (TOKEN_MIN - 1), False), ("127.0.0.1", "ä" * TOKEN_MIN, False),
    ],
)  # fmt: skip
def test_an_address_beyond_this_machine_needs_a_token(host: str, token: str | None, is_allowed: bool) -> None:
    with contextlib.nullcontext() if is_allowed else pytest.raises(InputError, match="ARB_WATCH_TOKEN"):
        Access(host, token)


async def messages(answer: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """The next messages of a stream."""
    found: list[dict[str, Any]] = []
    async for line in answer.content:
        if line.startswith(b"data: "):
            found.append(json.loads(line.removeprefix(b"data: ")))
            if len(found) == count:
                break
    return found


def test_a_page_is_sent_what_is_new_and_nothing_twice(folder: WatchedFolder) -> None:
    async def body(server: Served) -> None:
        async with server.client.get(server.address + "/events?session=a") as answer:
            assert answer.content_type == "text/event-stream"
            (whole,) = await messages(answer, 1)
            assert whole["whole"] == json.loads((await server.get("/data/a.json"))[1])
            assert whole["names"] == ["a"]
            # Of the time before the watcher, too.
            assert all(isinstance(value, float) for value in whole["whole"]["whole"]["pnl"][0])
            folder.write_events(event(3, "hedged"))
            folder.write_rows(rows_of(2, start_ns=2 * 10**18))
            folder.write_status(fills=1_235)
            server.poll(100.0)
            (first,) = await messages(answer, 1)
            assert [one[:1] + one[2:3] for one in first["events"]] == [[3, "hedged"]]
            assert first["series"]["t"] == [2 * 10**12, 2 * 10**12 + 250]
            assert first["sheet"]["numbers"]["fills"] == ["1,235", "", 1235]
            assert [(one["name"], one["fills"][2]) for one in first["runs"]] == [("a", 1235)]
            assert first["names"] == ["a"]
            server.poll(101.0)  # nothing is new: a comment
            folder.write_events(event(4))
            server.poll(101.25)  # an event does not wait for the second
            folder.write_status(fills=1_236)
            server.poll(101.5)
            server.poll(102.0)
            second, third = await messages(answer, 2)
            assert second.keys() == {"events"}
            assert [one[0] for one in second["events"]] == [4]
            assert third.keys() == {"sheet", "runs", "threshold_bps"}
            server.sessions.problems = {"x": EVIL}
            server.app[STREAM].publish(103.0)
            (fourth,) = await messages(answer, 1)
            assert fourth == {"problems": ["<script>alert(1)</script>\\x1b[31m\\u202e"]}

    served(folder.path.parent, body)


def test_pages_are_bounded_and_one_that_does_not_read_is_dropped(
    folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PAGES_MAX", 2)

    async def body(server: Served) -> None:
        async with (
            server.client.get(server.address + "/events") as one,
            server.client.get(server.address + "/events"),
        ):
            assert one.status == 200
            assert (await server.get("/events"))[0] == 503
            for second in range(200, 230):  # nobody reads, and nothing of the server runs meanwhile
                folder.write_status(fills=second)
                server.poll(float(second))
            while server.app[STREAM].pages:
                await asyncio.sleep(0.01)

    served(folder.path.parent, body)


def test_pages_of_many_finished_runs_do_not_read_them_again_and_again(tmp_path: Path) -> None:
    names = [f"run{n}" for n in range(LOADED_MAX + 2)]
    for name in names:
        run = WatchedFolder(tmp_path / name)
        run.write_events(event(1))
        run.end({"fills": 7})

    async def body(server: Served) -> None:
        async with contextlib.AsyncExitStack() as open_pages:
            for name in names:
                page = await open_pages.enter_async_context(
                    server.client.get(f"{server.address}/events?session={name}")
                )
                (whole,) = await messages(page, 1)
                assert len(whole["whole"]["trading"]) == 1
            for second in (100.0, 101.0):
                server.poll(second)
                assert [one.name for one in server.sessions if one.is_loaded] == names[-LOADED_MAX:]

    served(tmp_path, body)


def test_no_secret_of_the_environment_or_beside_the_runs_is_served(
    folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", SECRET)
    (folder.path / "state").mkdir()
    for name in ("state/journal.db", "session.db", "log.txt", "guard.txt"):
        (folder.path / name).write_text(SECRET)

    async def body(server: Served) -> None:
        for path in (
            "/",
            "/data/runs.json",
            "/data/a.json",
            "/data/state.json",
            "/log.txt",
            "/data/..%2Fa%2Flog.txt",
        ):
            assert SECRET not in (await server.get(path))[1]

    served(folder.path.parent, body)


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: another process listens there"):
            asyncio.run(
                watch(Sessions([tmp_path]), Access("127.0.0.1", None), "127.0.0.1", port, started=pytest.fail)
            )


def test_the_watcher_ends_when_it_is_over(tmp_path: Path) -> None:
    ports: list[int] = []
    asyncio.run(
        watch(
            Sessions([tmp_path]),
            Access("127.0.0.1", None),
            "127.0.0.1",
            0,
            started=ports.append,
            is_over=lambda pages: not pages,
        )
    )
    assert len(ports) == 1
