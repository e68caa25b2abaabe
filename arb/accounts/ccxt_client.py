"""ccxt at one house: its raw endpoints, addresses and request formats, with our signatures and our HTTP session.

Its unified calls are not used: they first load every market of the house, and turn decimals into floats. Errors are the
venue's own codes: ccxt's classes for them depend on the host's name. Imported by sessions with orders and
`arb doctor --live` alone. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import sys
import types
from collections.abc import Callable, Mapping
from decimal import InvalidOperation
from typing import Any, TypeVar

from arb.accounts.answer_log import AnswerLog
from arb.accounts.facts import AccountError
from arb.accounts.transport import GuardedSession
from connectors.errors import HostRefusedError
from connectors.orders.blanking import BLANK, blanked
from connectors.orders.signing import Signer
from connectors.units import MILLISECOND

_T = TypeVar("_T")

#: How long an answer may take.
_ANSWER_MS = 10_000
#: How often a question is asked, and the pause: limits of an account are of a second.
_TRIES, _PAUSE_S = 3, 1.0
#: Codes of what may pass: no answer, the venue's own faults, too many requests in a second.
_TOO_SOON = "10006"
_PASSING = frozenset(("", "500", "502", "503", "504", "-1000", "-1001", "-1007", "-1008", "10016", _TOO_SOON))
#: Characters of a venue's text in a message.
_TEXT_MAX = 200
#: It would log every request, with the key, if somebody set the root logger to debug.
_SILENT = logging.Logger("ccxt", logging.CRITICAL + 1)
#: ccxt wants a secret; signatures are the signer's.
_NO_SECRET = "-"


class CcxtClient:
    """One key at one house."""

    def __init__(
        self,
        house: str,
        addresses: Mapping[str, str],
        signer: Signer,
        session: GuardedSession,
        log: AnswerLog,
        recv_window_ms: int,
    ) -> None:
        """addresses: the environment's, by ccxt's names of APIs; it has no others."""
        self.house = house
        self.addresses = addresses
        self.key_id = signer.key_id
        self._session = session
        self._log = log
        config = {
            "apiKey": signer.key_id,
            "secret": _NO_SECRET,
            "session": session,
            "logger": _SILENT,
            "enableRateLimit": False,
            "timeout": _ANSWER_MS,
            "options": {"recvWindow": recv_window_ms, "timeDifference": 0},
        }
        self._ccxt = _signing(house)(config)
        self._ccxt.arb_signer, self._ccxt.arb_log = signer, log
        self._ccxt.urls["api"] = dict(addresses)
        # Its own would be made for each client, in 20 ms, and not used: the session is ours.
        self._ccxt.ssl_context = False
        self._ccxt.timeout_on_exit = 0

    def set_clock(self, offset_ns: int) -> None:
        """See `AccountClient`."""
        self._ccxt.options["timeDifference"] = -(offset_ns // MILLISECOND)

    async def ask(self, name: str, parse: Callable[[Any], _T], **params: Any) -> _T:
        """What `parse` makes of the answer of one of ccxt's raw endpoints. Raises AccountError, InputError.

        A question that is not answered, or is too soon after others, is asked again, twice; a change is made once.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._ask(name, parse, params)
            except AccountError as error:
                if error.code not in _PASSING or ("Get" not in name and error.code != _TOO_SOON):
                    raise
            await asyncio.sleep(_PAUSE_S)
        return await self._ask(name, parse, params)

    async def _ask(self, name: str, parse: Callable[[Any], _T], params: dict[str, Any]) -> _T:
        try:
            answer = await getattr(self._ccxt, name)(params)
        except AccountError:
            raise
        except HostRefusedError as error:
            raise AccountError(self.house, name, "host", str(error)) from None
        except _base_error() as error:
            cause = error.__cause__
            why = (str(cause) or type(cause).__name__) if cause is not None else str(error)
            code = "" if cause is not None else "ccxt"
            raise AccountError(self.house, name, code, _shown(why)) from None
        try:
            return parse(answer)
        except (KeyError, IndexError, TypeError, ValueError, InvalidOperation, AttributeError) as error:
            text = f"the answer is not as documented ({type(error).__name__}: {error})"
            raise AccountError(self.house, name, "answer", _shown(text)) from None

    async def close(self) -> None:
        """Closes the connections and the file of answers."""
        await self._ccxt.close()
        await self._session.close()
        self._log.close()


def refusal_of(house: str, status: int, answer: object, body: str) -> tuple[str, str] | None:
    """Code and text of a refusal; None for an answer."""
    if isinstance(answer, dict):
        code, text = (answer.get(name, "") for name in ("retCode", "retMsg"))
        if house == "binance":
            code, text = answer.get("code", ""), answer.get("msg", "")
        is_refused = str(code) not in ("", "0") if house == "bybit" else str(code).startswith("-")
        if is_refused:
            return str(code), _shown(f"{text} {_reasons(answer)}")
    return None if 200 <= status < 300 else (str(status), _shown(body))


def _reasons(answer: Mapping[str, Any]) -> str:
    """Why Bybit did not change a margin mode."""
    result = answer.get("result")
    reasons = result.get("reasons") if isinstance(result, dict) else None
    return "; ".join(str(one.get("reasonMsg", "")) for one in reasons or () if isinstance(one, dict))


def _shown(text: str) -> str:
    return " ".join(blanked(text).split())[:_TEXT_MAX]


def _base_error() -> type[Exception]:
    return sys.modules["ccxt.base.errors"].BaseError


def load_ccxt(house: str) -> None:
    """Imports what a client of this house needs."""
    _ccxt_class(house)


def _signing(house: str) -> Any:
    """ccxt's class of a house, with our signatures, log and errors."""
    base = _ccxt_class(house)

    def sign(self: Any, payload: bytes, *_: object) -> str:
        return str(self.encode_uri_component(self.arb_signer.sign(payload.decode())))

    def note(
        self: Any, status: int, _: str, url: str, method: str, __: object, body: str, *___: object
    ) -> str:
        self.arb_log.add(method, url, status, body)
        return body

    def refuse(
        self: Any,
        status: int,
        _: str,
        url: str,
        __: str,
        ___: object,
        body: str,
        answer: object,
        *____: object,
    ) -> None:
        if (found := refusal_of(house, status, answer, body)) is not None:
            # Bybit repeats what was signed, with the key.
            code, text = found[0], found[1].replace(self.apiKey, BLANK)
            raise AccountError(house, url.partition("?")[0], code, text)

    return type(base.__name__, (base,), {"hmac": sign, "on_rest_response": note, "handle_errors": refuse})


def _ccxt_class(house: str) -> Any:
    """ccxt's asynchronous class of a house.

    `import ccxt` runs the modules of all its exchanges, for seconds. With packages in their place that only know their
    folders, the modules of one are imported; later `import ccxt` finds the whole as ever.
    """
    name = f"ccxt.async_support.{house}"
    if name not in sys.modules and "ccxt" not in sys.modules:
        try:
            _import_alone(name)
        except (ImportError, AttributeError):  # a version that is built differently
            importlib.import_module("ccxt.async_support")
    return getattr(importlib.import_module(name), house)


def _import_alone(name: str) -> None:
    spec = importlib.util.find_spec("ccxt")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("ccxt is not installed")
    folder = next(iter(spec.submodule_search_locations))
    stand_ins = {"ccxt": folder, "ccxt.async_support": f"{folder}/async_support"}
    try:
        for package, path in stand_ins.items():
            module = types.ModuleType(package)
            module.__path__ = [path]
            sys.modules[package] = module
        base = importlib.import_module("ccxt.base.exchange")
        errors = importlib.import_module("ccxt.base.errors")
        # What ccxt's own modules take from the whole package.
        vars(sys.modules["ccxt"]).update(vars(errors), Exchange=base.Exchange)
        importlib.import_module(name)
    finally:
        for package in stand_ins:
            sys.modules.pop(package, None)
