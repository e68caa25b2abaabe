"""Keys come from variables or from files that only their user can read; what is wrong with one is said without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from support.guard.markers import MARK, marked

from arb.config import load
from arb.config.account_keys import account_signers, guard_signers
from arb.config.secrets import environment_without
from arb.errors import ConfigError
from connectors.orders.signing import Ed25519Signer, HmacSigner

BINANCE = ["binance_spot:BTCUSDT", "binance_usdm:BTCUSDT"]
BYBIT = ["bybit_spot:BTCUSDT", "bybit_linear:BTCUSDT"]
KEY, SECRET, PASSPHRASE = marked("-key-0123456789"), marked("-secret-abcdef"), marked(" passphrase")
ED25519 = ed25519.Ed25519PrivateKey.generate()


def pem(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey = ED25519, passphrase: str = "") -> str:
    lock: KeySerializationEncryption = NoEncryption()
    if passphrase:
        lock = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def signers(folder: Path, legs: list[str], **environment: str) -> dict[str, object]:
    venues = load(folder / "arbitrage.toml", _settings(legs), legs=legs).venues
    return dict(account_signers(venues, environment))


def _settings(legs: list[str]) -> list[str]:
    return [f"{leg.partition(':')[0]}.auth.passphrase='${{PASS}}'" for leg in legs]


def refused(folder: Path, legs: list[str], **environment: str) -> str:
    """The line that ends it, without the names of the file's folder; it has nothing of what the variables hold."""
    with pytest.raises(ConfigError) as caught:
        signers(folder, legs, **environment)
    line = str(caught.value).replace(f"{folder}{os.sep}", "")
    assert "\n" not in line
    for value in environment.values():
        assert all(part not in line for part in value.split("\n") if len(part) > 8), line
    return line


def key_file(tmp_path: Path, text: str, mode: int = 0o600) -> str:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_house_has_one_signer_for_its_venues(folder: Path) -> None:
    own = signers(folder, BINANCE, BINANCE_API_KEY=KEY, BINANCE_SECRET_KEY=SECRET)
    assert list(own) == ["binance"]
    assert isinstance(own["binance"], HmacSigner)
    assert own["binance"].sign("a") == HmacSigner(KEY, SECRET).sign("a")


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_a_pem_is_an_ed25519_key_of_binance(folder: Path, passphrase: str) -> None:
    lock = {"PASS": passphrase} if passphrase else {}
    text = pem(passphrase=passphrase)
    for given in (text, text.replace("\n", "\\n")):
        own = signers(folder, BINANCE, BINANCE_API_KEY=KEY, BINANCE_SECRET_KEY=given, **lock)["binance"]
        assert isinstance(own, Ed25519Signer)
        assert own.sign("a") == Ed25519Signer(KEY, pem()).sign("a")


def test_a_file_that_a_variable_names_holds_a_key(folder: Path, tmp_path: Path) -> None:
    own = signers(
        folder, BINANCE, BINANCE_API_KEY=KEY, BINANCE_SECRET_KEY_FILE=key_file(tmp_path, f"{SECRET}\n")
    )["binance"]
    assert isinstance(own, HmacSigner)
    assert own.sign("a") == HmacSigner(KEY, SECRET).sign("a")


def test_files_that_hold_no_key_for_us_alone_are_refused(folder: Path, tmp_path: Path) -> None:
    def said(text: str, mode: int = 0o600) -> str:
        path = key_file(tmp_path, text, mode)
        line = refused(folder, BINANCE, BINANCE_API_KEY=KEY, BINANCE_SECRET_KEY_FILE=path)
        return line.removeprefix(
            "binance.toml: [auth] secret_key: the file that BINANCE_SECRET_KEY_FILE names "
        )

    for mode in (0o644, 0o640, 0o604, 0o620, 0o601):
        assert said(SECRET, mode) == f"has mode {mode:o}: others may read it; make it 600 with chmod"
    assert said("") == "is empty"
    assert said("x" * 70_000) == "is too long for a key"
    other = {"BINANCE_API_KEY": KEY}
    assert "cannot be read: No such file" in refused(
        folder, BINANCE, **other, BINANCE_SECRET_KEY_FILE=f"{tmp_path}/none"
    )
    assert refused(folder, BINANCE, **other, BINANCE_SECRET_KEY_FILE=str(tmp_path)).endswith(
        "is no regular file"
    )
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refused(folder, BINANCE, **other, BINANCE_SECRET_KEY_FILE=str(tmp_path / "pipe")).endswith(
        "is no regular file"
    )
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    assert refused(folder, BINANCE, **other, BINANCE_SECRET_KEY_FILE=str(tmp_path / "key")).endswith(
        "is not text"
    )
    # Somebody took the variable of the file for that of the secret.
    assert "cannot be read" in refused(folder, BINANCE, **other, BINANCE_SECRET_KEY_FILE=SECRET)
    assert "cannot be read" in refused(folder, BINANCE, **other, BINANCE_SECRET_KEY_FILE="x" * 5000)


def test_what_is_no_key_is_refused(folder: Path, tmp_path: Path) -> None:
    def said(secret: str, legs: list[str] = BINANCE, **more: str) -> str:
        house = legs[0].partition("_")[0].upper()
        given = {f"{house}_API_KEY": KEY, f"{house}_SECRET_KEY": secret, **more}
        return refused(folder, legs, **given).partition(" secret_key: its variable holds ")[2]

    public = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    locked = pem(passphrase=PASSPHRASE)
    assert said(pem(rsa.generate_private_key(65537, 2048))) == "a PEM with a key of another kind than Ed25519"
    assert said(public) == "a public key in PEM form; the private one signs"
    assert said(pem().replace("PRIVATE", "PRIVAT")) == "no Ed25519 private key in PEM form"
    assert said(locked) == "an encrypted PEM, and there is no passphrase"
    assert said(locked, PASS=marked(" of another")) == "an encrypted PEM that the passphrase does not open"
    assert said(pem(), PASS=PASSPHRASE) == "a PEM that is not encrypted, and there is a passphrase"
    assert said("two words are no secret") == "neither a secret nor a PEM"
    assert said("short") == "neither a secret nor a PEM"
    assert said(pem(), BYBIT) == "a PEM; bybit takes HMAC keys only: create one with a secret"
    assert refused(folder, BINANCE, BINANCE_API_KEY="a key with blanks", BINANCE_SECRET_KEY=SECRET) == (
        "binance.toml: [auth] api_key: its variable holds no key: letters and digits only"
    )
    both = {"BINANCE_SECRET_KEY": SECRET, "BINANCE_SECRET_KEY_FILE": key_file(tmp_path, SECRET)}
    assert refused(folder, BINANCE, BINANCE_API_KEY=KEY, **both) == (
        "binance.toml: [auth] secret_key: both BINANCE_SECRET_KEY and BINANCE_SECRET_KEY_FILE are set; unset one of "
        "them"
    )


def test_missing_keys_name_the_variable(folder: Path) -> None:
    assert refused(folder, BYBIT) == (
        "bybit.toml: [auth] api_key needs the environment variable BYBIT_API_KEY, which is not set"
    )
    assert refused(folder, BYBIT, BYBIT_API_KEY=KEY) == (
        "bybit.toml: [auth] secret_key needs the environment variable BYBIT_SECRET_KEY, which is not set"
    )


def test_venues_of_a_house_share_their_variables(folder: Path) -> None:
    path = folder / "binance_usdm.toml"
    path.write_text(path.read_text().replace("${BINANCE_SECRET_KEY}", "${OTHER}"))
    line = refused(folder, BINANCE, BINANCE_API_KEY=KEY, BINANCE_SECRET_KEY=SECRET, OTHER=SECRET)
    assert line == (
        f"binance_usdm.toml: [auth] names other variables than {folder}/binance.toml: both venues are of one account, "
        "write the same"
    ).replace(f"{folder}/", "")


def test_the_environment_has_no_keys_afterwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("BINANCE_API_KEY", KEY),
        ("BINANCE_SECRET_KEY", pem(passphrase=PASSPHRASE)),
        ("PASS", PASSPHRASE),
    ):
        monkeypatch.setenv(name, value)
    venues = load(folder / "arbitrage.toml", _settings(BINANCE), legs=BINANCE).venues
    found = account_signers(venues)
    assert not {"BINANCE_API_KEY", "BINANCE_SECRET_KEY", "PASS"} & os.environ.keys()
    assert KEY not in repr(found)
    assert MARK not in repr([vars(signer) for signer in found.values()]).replace(KEY, "")


def test_the_guard_of_a_session_may_have_a_key_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [
        f"{venue}.auth.{name}='${{{name.upper()}}}'"
        for venue in ("binance_spot", "binance_usdm")
        for name in ("guard_api_key", "guard_secret_key", "guard_passphrase")
    ]
    venues = load(folder / "arbitrage.toml", settings, legs=[*BINANCE, *BYBIT]).venues
    given = {
        "BINANCE_API_KEY": KEY, "BINANCE_SECRET_KEY": SECRET, "BYBIT_API_KEY": KEY, "BYBIT_SECRET_KEY": SECRET,
        "GUARD_API_KEY": f"{KEY}-2", "GUARD_SECRET_KEY": pem(passphrase=PASSPHRASE), "GUARD_PASSPHRASE": PASSPHRASE,
    }  # fmt: skip
    own = guard_signers(venues, given)
    assert list(own) == ["binance"]
    assert own["binance"].key_id == f"{KEY}-2"
    with pytest.raises(
        ConfigError, match=r"\[auth\] guard_secret_key needs the environment variable GUARD_SECRET_KEY"
    ):
        guard_signers(venues, {**given, "GUARD_SECRET_KEY": ""})
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    left = environment_without(venue.auth for venue in venues.values())
    assert not given.keys() & left.keys()
    assert "PATH" in left
    account_signers(venues)
    assert not given.keys() & os.environ.keys()
