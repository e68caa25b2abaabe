"""A bot's questions, at a server of this machine in place of Telegram's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from support.alert_world import AlertWorld
from support.watched_folders import LEGS

from arb.alerts.telegram import Questions
from arb.commands.alert_channels import bot_token
from arb.config import load_alerts
from arb.errors import ConfigError
from arb.watch.answers import ANSWERS, answer_of

TOKEN = "12345:canary-of-the-token"
CHAT = 77


class Telegram:
    """Gives updates once, and keeps what is sent."""

    def __init__(self) -> None:
        self.status = 200
        self.updates: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.paths: list[str] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                words = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                own.paths.append(self.path)
                result: Any = True
                if self.path.endswith("/getUpdates"):
                    result = [one for one in own.updates if one["update_id"] >= words["offset"]]
                    if not result:
                        time.sleep(0.02)
                else:
                    own.sent.append(words)
                self.send_response(own.status)
                self.end_headers()
                self.wfile.write(json.dumps({"ok": True, "result": result}).encode())

            def log_message(self, *arguments: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def asks(self, text: str, chat: int = CHAT, age_s: float = 0.0) -> None:
        number = len(self.updates) + 1
        message = {"chat": {"id": chat}, "date": int(time.time() - age_s), "text": text}
        self.updates.append({"update_id": number, "message": message})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def until(is_so: Callable[[], object], questions: Questions, answer: Callable[[str], str]) -> None:
    deadline = time.monotonic() + 20.0
    while not is_so():
        assert time.monotonic() < deadline
        questions.answer_all(answer)
        time.sleep(0.005)


def test_allowed_chats_are_answered_and_others_are_not() -> None:
    with Telegram() as telegram:
        telegram.asks("/status", chat=78)
        telegram.asks("/status", age_s=600.0)
        telegram.asks("status")
        telegram.asks("/")
        telegram.asks("/Profit@arb_bot now")
        questions = Questions(TOKEN, [CHAT], lambda line: None, telegram.address)
        until(lambda: len(telegram.sent) == 2, questions, lambda command: f"<{command}>")
        questions.close()
        questions._thread.join(5.0)
    assert telegram.sent == [{"chat_id": CHAT, "text": "<>"}, {"chat_id": CHAT, "text": "<profit>"}]
    assert {path.rpartition("/")[2] for path in telegram.paths} == {"getUpdates", "sendMessage"}


def test_a_refusal_is_one_line_without_the_token() -> None:
    warned: list[str] = []
    with Telegram() as telegram:
        telegram.status = 401
        questions = Questions(TOKEN, [CHAT], warned.append, telegram.address)
        until(lambda: warned, questions, str)
        questions.close()
        questions._thread.join(5.0)
    assert warned == ["alerts: telegram: HTTP 401; trying again"]
    with pytest.raises(ValueError, match="elsewhere"):
        Questions(TOKEN, [CHAT], warned.append, "http://elsewhere.example")


def test_bot_and_chats_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    bot, chats = "alerts.telegram_bot='${BOT}'", "alerts.telegram_chats=[77]"
    assert bot_token(load_alerts(None, [])) is None
    assert bot_token(load_alerts(None, [bot, chats]), {"BOT": TOKEN}) == TOKEN
    for settings, environment, words in (
        ([bot], {"BOT": TOKEN}, "belong together"),
        ([chats], {}, "belong together"),
        ([bot, chats], {}, "needs the environment variable BOT, which is not set"),
        ([bot, chats], {"BOT": "canary of the token"}, "BOT: its variable holds no token of a bot"),
    ):
        with pytest.raises(ConfigError) as refused:
            bot_token(load_alerts(None, settings), environment)
        assert words in str(refused.value)
        assert "canary" not in str(refused.value)


def test_the_answers(tmp_path: Path) -> None:
    world = AlertWorld(tmp_path)
    world.pass_s(2, halted="a person", pnl_quote=12.5)
    world.happens("fill", leg=LEGS[0])
    world.look()

    def answer(command: str) -> str:
        return answer_of(command, world.sessions, world.now_ns)

    status = answer("status").splitlines()
    assert status[0] == "run-1: running, 0 s ago, profit +12.50"
    assert status[1].strip() == f"{LEGS[0]}: synced, position 0.0125"
    assert status[-1].strip() == "halted: a person"
    assert answer("profit") == "run-1: running, +12.50"
    assert answer("daily").endswith("UTC: 1, fills 1,234, profit +12.50")
    assert answer("trades").endswith("run-1: number 1")
    assert answer("runs") == "run-1: dry-run running, fills 1,234, profit +12.50"
    assert answer("halt") == "known: /status, /profit, /daily, /trades, /runs"
    world.close()


def test_the_page_lists_the_questions() -> None:
    text = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    assert [f"`/{name}`" for name in ANSWERS] == [
        line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `/")
    ]
