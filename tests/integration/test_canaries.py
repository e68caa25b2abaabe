"""Keys, secrets, passphrases and PEMs are in no file, log, error, argument, child or core file of what had them."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.canaries import Search, pem_of, private_key, public_line, spellings, text_canary
from support.command_line import arb
from support.guard_processes import environment_of, guard_process
from support.keyed_sandbox import LIMITS, KeyedSandbox
from support.live_sandbox import await_first_row, demo_settings
from support.paths import GUARD, ROOT

from arb.alerts.conditions import condition_of
from arb.alerts.metrics import METRICS
from arb.alerts.rules import SHIPPED, AlertRule
from arb.alerts.store import AlertStore
from arb.commands import account_doctor, live
from arb.errors import ExitCode
from arb.execution.venue_desk import VenueDesk
from arb.runtime import orders_start
from arb.watch.alerts import WatchAlerts
from arb.watch.metrics import Metrics
from arb.watch.payloads import encode, session_of
from arb.watch.sessions import Sessions

pytestmark = pytest.mark.slow

SPOT = ("binance_spot", "bybit_spot")
RIGHT, WRONG = private_key(1), private_key(2)
PASSPHRASE = text_canary(5)
#: Those of the account, then those that are refused or wrong.
CANARIES = {
    "key of binance": text_canary(0),
    "pem": pem_of(RIGHT),
    "encrypted pem": pem_of(RIGHT, PASSPHRASE),
    "passphrase": PASSPHRASE,
    "key of bybit": text_canary(6, 18),
    "secret of bybit": text_canary(7, 36),
    "another key": text_canary(8),
    "another secret": text_canary(9),
    "another passphrase": text_canary(10),
    "another pem": pem_of(WRONG),
    "another encrypted pem": pem_of(WRONG, text_canary(11)),
    "passphrase of that": text_canary(11),
    "rsa": pem_of(rsa.generate_private_key(65537, 2048)),
    "public": WRONG.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    "secret with blanks": f"{text_canary(12, 20)} {text_canary(13, 20)}",
    "secret with newlines": f"{text_canary(14, 20)}\n{text_canary(15, 20)}",
    "short file": text_canary(16),
    "secret for a path": text_canary(17),
    "secret of everybody": text_canary(18),
    "cut pem": pem_of(private_key(3))[:100],
}
ACCOUNTS = f"""
[accounts.mine.keys.binance]
venue = "binance"
kind = "ed25519"
id = "{CANARIES["key of binance"]}"
public_key = "{public_line(RIGHT)}"
permissions = ["read", "spot", "futures"]

[accounts.mine.keys.bybit]
venue = "bybit"
id = "{CANARIES["key of bybit"]}"
secret = "{CANARIES["secret of bybit"]}"

[accounts.mine.binance_spot]
balances = {{ BTC = "10", USDT = "1000000" }}
fees = {{ maker = "0.001", taker = "0.001" }}

[accounts.mine.bybit]
balances = {{ BTC = "10", USDT = "1000000" }}
spot_fees = {{ maker = "0.001", taker = "0.001" }}
"""


@pytest.fixture(autouse=True)
def _most_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_LOG", "debug")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[KeyedSandbox]:
    (tmp_path / "own").mkdir()
    with KeyedSandbox(tmp_path / "own", ACCOUNTS, SPOT) as served:
        yield served


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Variables of the account: the PEM in a file, encrypted."""
    (tmp_path / "own").mkdir(exist_ok=True)
    (tmp_path / "work").mkdir()
    return {
        "BINANCE_API_KEY": CANARIES["key of binance"],
        "BINANCE_SECRET_KEY_FILE": key_file(tmp_path, CANARIES["encrypted pem"]),
        "BINANCE_PASSPHRASE": PASSPHRASE,
        "BYBIT_API_KEY": CANARIES["key of bybit"],
        "BYBIT_SECRET_KEY": CANARIES["secret of bybit"],
        "XDG_DATA_HOME": str(tmp_path / "work" / "data"),
    }


def key_file(tmp_path: Path, text: str, mode: int = 0o600, name: str = "key") -> str:
    path = tmp_path / "own" / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def words(tmp_path: Path, sandbox: KeyedSandbox, function: str = "busy", duration: str = "3s") -> list[str]:
    main = sandbox.write_config(tmp_path / "work" / "config")
    own = demo_settings(
        tmp_path, function, *LIMITS, *(f"capital.{venue}={{base=1.0, quote=100000.0}}" for venue in SPOT),
        *(f"{venue}.fees.asset='received'" for venue in SPOT), "binance_spot.auth.passphrase='${BINANCE_PASSPHRASE}'",
    )  # fmt: skip
    return [
        "live", "--testnet", "--config", str(main), "--duration", duration,
        "--out", str(tmp_path / "work" / "run"), *(word for one in own for word in ("--set", one)),
    ]  # fmt: skip


def in_a_process(tmp_path: Path, arguments: list[str], keys: dict[str, str]) -> subprocess.Popen[bytes]:
    """`arb` in a process that may write core files, in the folder that is searched."""
    return subprocess.Popen(
        [sys.executable, "-m", "arb", *arguments],
        env={**os.environ, **keys, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        cwd=tmp_path / "work",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=core_files_on,
    )


def core_files_on() -> None:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def search() -> Search:
    assert len(CANARIES) == 20
    return Search(list(CANARIES.values()))


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    for number, secret in enumerate(CANARIES.values()):
        for spelled in spellings(secret):
            looking = search()
            looking.look(b"a line with " + spelled + b"\n", "here")
            assert number in [found for found, _ in looking.found]


def look_at_the_watcher(looking: Search, run: Path) -> None:
    """What a watcher of the run serves and sends: page, metrics, messages of alarms."""
    sessions, messages = Sessions([run]), AlertStore(run.parent / "alerts.db", ["webhook"], lambda line: None)
    metrics = Metrics(sessions)
    # A state that always holds.
    rules = [*SHIPPED.values(), AlertRule("always", condition_of("memory_gb > 0", METRICS))]
    alerts = WatchAlerts(rules, {}, messages.known(), lambda work: work(messages), time.time_ns())
    sessions.join(alerts)
    deadline = time.monotonic() + 20.0
    while (found := sessions.named(run.name)) is None or not found.events_read:
        assert time.monotonic() < deadline
        sessions.poll()
        time.sleep(0.01)
    alerts.look(sessions, time.time_ns())
    looking.look(encode(session_of(found)), "page")
    looking.look(metrics.text(), "metrics")
    while (waiting := messages.next("webhook")) is not None:
        looking.look(json.dumps(waiting.message).encode(), "alarm")
        messages.accepted("webhook", waiting.no)


def test_a_session_with_an_encrypted_key_writes_none_of_it(
    tmp_path: Path, sandbox: KeyedSandbox, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = search()
    settings = words(tmp_path, sandbox, duration="4s")
    process = in_a_process(tmp_path, settings, keys)
    try:
        run = tmp_path / "work" / "run"
        await_first_row(run)
        looking.look_at_process(process.pid)
        guard = guard_process(process.pid)
        assert guard
        if found := environment_of(guard):
            assert not {*keys} & (found.keys() - {"XDG_DATA_HOME"})
            assert "PATH" in found
        look_at_the_watcher(looking, run)
        output = process.communicate(timeout=120)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output.decode()
    assert " debug request method=GET host=127.0.0.1 path=/" in (run / "log.txt").read_text()
    looking.look(output, "output")
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(account_doctor, "no_core_files", lambda: None)
    doctor = ["doctor", "--live", "--testnet", *settings[settings.index("--set") :]]
    doctor += ["--config", settings[settings.index("--config") + 1]]
    for command in (
        doctor, ["verify", run], ["report", run], ["status"], ["positions"], ["orders"], ["trades", "--json"], ["halt"],
        ["resume"], ["runs", run], ["runs", run, "--json"],
    ):  # fmt: skip
        looking.look(arb(*command).output.encode(), f"output of {command[0]}")
    look_at_the_watcher(looking, run)
    looking.look_through(tmp_path / "work")
    assert {path.name for path in run.iterdir()} >= {"events.jsonl", "series.bin", "status.json"}
    assert looking.found == []
    assert looking.places > 40
    assert looking.size > 100_000


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_leaves_no_core_file_and_no_key(
    tmp_path: Path, sandbox: KeyedSandbox, keys: dict[str, str], number: signal.Signals
) -> None:
    process = in_a_process(tmp_path, words(tmp_path, sandbox, "idle", "1m"), keys)
    try:
        await_first_row(tmp_path / "work" / "run")
        process.send_signal(number)
        output = process.communicate(timeout=120)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -number
    looking = search()
    looking.look(output, "output")
    looking.look_through(tmp_path / "work")
    assert looking.found == []
    assert not list((tmp_path / "work").glob("*core*"))


@pytest.mark.skipif(sys.platform != "linux", reason="core files of Linux")
def test_without_the_guard_there_would_be_a_core_file(tmp_path: Path) -> None:
    """The test above shows something: where the system writes core files to the working directory at all."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern != "core" or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip(f"core files go elsewhere here: {pattern}")
    guard = "from arb.runtime.process_guard import no_core_files; no_core_files(); "
    for before, count in (("", 1), (guard, 0)):
        folder = tmp_path / str(count)
        folder.mkdir()
        ended = subprocess.run(
            [sys.executable, "-c", f"{before}import os; os.abort()"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
            preexec_fn=core_files_on,
            check=False,
        )
        assert ended.returncode == -signal.SIGABRT
        assert len(list(folder.iterdir())) == count


@pytest.mark.parametrize(
    "given",
    [
        {"BYBIT_SECRET_KEY": "another secret"},
        {"BYBIT_API_KEY": "another key"},
        {"BINANCE_API_KEY": "another key"},
        {"BINANCE_PASSPHRASE": "another passphrase"},
        {"BINANCE_PASSPHRASE": ""},
        {"file": "another pem", "BINANCE_PASSPHRASE": ""},
        {"file": "another encrypted pem", "BINANCE_PASSPHRASE": "passphrase of that"},
        {"file": "pem"},
        {"file": "rsa", "BINANCE_PASSPHRASE": ""},
        {"file": "public", "BINANCE_PASSPHRASE": ""},
        {"file": "cut pem", "BINANCE_PASSPHRASE": ""},
        {"file": "secret with blanks", "BINANCE_PASSPHRASE": ""},
        {"file": "secret with newlines", "BINANCE_PASSPHRASE": ""},
        {"file": "short file", "BINANCE_PASSPHRASE": ""},
        {"BINANCE_SECRET_KEY": "another secret"},
        {"BINANCE_SECRET_KEY_FILE": "secret for a path"},
        {"BYBIT_SECRET_KEY": "another pem"},
        {"mode": "secret of everybody"},
    ],
    ids=str,
)
def test_no_refusal_shows_a_key(
    tmp_path: Path,
    sandbox: KeyedSandbox,
    keys: dict[str, str],
    given: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    for name, kind in given.items():
        if name == "file":
            key_file(tmp_path, CANARIES[kind])
        elif name == "mode":
            key_file(tmp_path, CANARIES[kind], 0o644)
        else:
            monkeypatch.setenv(name, CANARIES[kind] if kind else "")
    monkeypatch.setattr(live, "no_core_files", lambda: None)
    done = arb(*words(tmp_path, sandbox), code=ExitCode.USER_INPUT)
    assert done.output.splitlines()[-1].startswith("error: ")
    assert sandbox.order_count() == 0
    looking = search()
    looking.look(done.output.encode(), "output")
    looking.look_through(tmp_path / "work")
    assert looking.found == []


def test_a_fault_of_ours_shows_no_key(
    tmp_path: Path, sandbox: KeyedSandbox, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text has every attribute of every object around an order, as the worst of error texts would."""
    monkeypatch.setattr(live, "no_core_files", lambda: None)
    monkeypatch.setattr(orders_start, "_OPEN_S", 240.0)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)

    def fail(self: VenueDesk, *_: object, **__: object) -> None:
        own = vars(self)
        raise RuntimeError(f"{own} {[vars(one) for one in own.values() if hasattr(one, '__dict__')]}")

    monkeypatch.setattr(VenueDesk, "on_request", fail)
    begun = time.monotonic()
    try:
        done = arb(*words(tmp_path, sandbox), code=None)
        output = done.output
        assert done.exit_code == ExitCode.OUR_FAULT
    except RuntimeError as error:
        output = str(error)
    assert time.monotonic() - begun < 120
    looking = search()
    looking.look(output.encode(), "output")
    looking.look_through(tmp_path / "work")
    assert looking.found == []
    logs = [path.read_text() for path in (tmp_path / "work").rglob("log.txt")]
    assert any("Signer(..." in text for text in (output, *logs)), "the objects with keys are in the text"
