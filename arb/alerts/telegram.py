"""Answers questions that a person sends to a bot of Telegram: from allowed chats, and nothing but answers.

Long polling of the bot's updates on a thread of its own, which asks `Questions.take` of the watcher for the text. No
request changes anything of a session. The token is a part of every address, so no line has one.
Source: https://core.telegram.org/bots/api#getupdates, read 2026-01-05.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from urllib.parse import urlsplit

import msgspec

from connectors.net.hosts import ListedHosts

ADDRESS = "https://api.telegram.org"
#: How long a poll waits for updates, and more for its answer to arrive.
_POLL_S, _ANSWER_S = 25, 10.0
#: After a failure, then twice as long, up to the second.
_AGAIN_S, _AGAIN_MAX_S = 1.0, 60.0
#: Older questions are not answered: nobody waits for them.
_OLD_S = 120
#: Longest text of a message, and of a response that is read.
_TEXT_MAX, _BYTES_MAX = 4_000, 1 << 20


class _Chat(msgspec.Struct):
    id: int


class _Message(msgspec.Struct):
    chat: _Chat
    date: int
    text: str = ""


class _Update(msgspec.Struct):
    update_id: int
    message: _Message | None = None


class _Updates(msgspec.Struct):
    result: list[_Update]


class Questions:
    """The bot of one watcher. `answer_all` is called by the watcher's thread, which knows the answers."""

    def __init__(
        self, token: str, chats: Collection[int], warn: Callable[[str], None], address: str = ADDRESS
    ) -> None:
        """token: of the bot. chats: whose questions are answered; others get no answer at all. warn: receives a line,
        on another thread. address: another one is of this machine. Raises ValueError for one that is not plain."""
        self._token, self._chats, self._warn = token, frozenset(chats), warn
        self._hosts = ListedHosts([address])
        self._address = address
        self._asked: queue.SimpleQueue[tuple[str, Future[str]]] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._offset = 0
        self._thread = threading.Thread(target=self._run, name="questions", daemon=True)
        self._thread.start()

    def answer_all(self, answer: Callable[[str], str]) -> None:
        """Answers what was asked since the last call. answer: the text for a command without its slash. Does not
        wait."""
        while not self._asked.empty():
            command, found = self._asked.get()
            found.set_result(answer(command))

    def close(self) -> None:
        """Asks for no more updates; a poll that waits ends with the process."""
        self._is_over.set()

    # -- the thread

    def _run(self) -> None:
        pause_s, before = _AGAIN_S, ""
        while not self._is_over.is_set():
            try:
                for update in self._updates():
                    self._offset = update.update_id + 1
                    if update.message is not None:
                        self._follow(update.message)
                if before:
                    self._warn("alerts: telegram: answers again")
                pause_s, before = _AGAIN_S, ""
            except Exception as error:  # a thread's root; a library's text may have the address
                why = error.args[0] if isinstance(error, _RefusedError) else type(error).__name__
                if why != before:
                    self._warn(f"alerts: telegram: {why}; trying again")
                before = why
                self._is_over.wait(pause_s)
                pause_s = min(2.0 * pause_s, _AGAIN_MAX_S)

    def _updates(self) -> list[_Update]:
        words = {"offset": self._offset, "timeout": _POLL_S, "allowed_updates": ["message"]}
        return msgspec.json.decode(self._call("getUpdates", words), type=_Updates).result

    def _follow(self, message: _Message) -> None:
        is_old = time.time() - message.date > _OLD_S
        if message.chat.id not in self._chats or is_old or not message.text.startswith("/"):
            return
        # In a group a command is followed by the bot's name.
        command = (
            message.text[1:].split(maxsplit=1)[0].partition("@")[0].lower()
            if message.text[1:].split()
            else ""
        )
        found: Future[str] = Future()
        self._asked.put((command, found))
        text = found.result(timeout=_ANSWER_S)
        self._call("sendMessage", {"chat_id": message.chat.id, "text": text[:_TEXT_MAX]})

    def _call(self, method: str, words: dict[str, object]) -> bytes:
        url = f"{self._address}/bot{self._token}/{method}"
        if not self._hosts.allows(url):
            raise _RefusedError("its token cannot be used")
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=_POLL_S + _ANSWER_S)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", parts.path, msgspec.json.encode(words), headers)
            response = connection.getresponse()
            content = response.read(_BYTES_MAX)
        finally:
            connection.close()
        if response.status != 200:
            raise _RefusedError(f"HTTP {response.status}")
        return content


class _RefusedError(Exception):
    """Its first argument has no address."""
