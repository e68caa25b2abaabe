"""Secrets that must appear nowhere, and a search for them in files, texts and processes, in every usual spelling."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

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


def text_canary(number: int, length: int = 40) -> str:
    """A key, a secret or a passphrase of letters and digits, at least 18."""
    return marked(f"{number:02d}{sha256(f'canary {number}'.encode()).hexdigest()}")[:length]


def private_key(number: int) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(
        MARK.encode() + sha256(f"canary key {number}".encode()).digest()[:16]
    )


def pem_of(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, passphrase: str = "") -> str:
    lock: KeySerializationEncryption = NoEncryption()
    if passphrase:
        lock = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def public_line(key: ed25519.Ed25519PrivateKey) -> str:
    """The public key as an accounts file has it."""
    return base64.b64encode(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def spellings(secret: str) -> set[bytes]:
    """What to search for: the secret, each long line of a PEM, and both as other programs would write them."""
    parts = [line for line in secret.splitlines() if not line.startswith("-----")] or [secret]
    if "-----" in secret:
        parts += [base64.b64decode("".join(parts)).hex()]
    found = set[bytes]()
    for part in parts:
        raw = part.encode()
        found |= {raw, raw.hex().encode(), quote(part, safe="").encode(), json.dumps(part)[1:-1].encode()}
        # Base64 depends on what is before it: its inner characters at each of the three places.
        found |= {base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)}
    return {one for one in found if len(one) >= 8}


class Search:
    """Looks for secrets. `found` has the number of the secret and where it was, never the secret."""

    def __init__(self, secrets: list[str]) -> None:
        self._wanted = [(number, spellings(secret)) for number, secret in enumerate(secrets)]
        self.found: list[tuple[int, str]] = []
        #: What was searched: places and bytes.
        self.places = self.size = 0

    def look(self, content: bytes, where: str) -> None:
        """Searches a text, and what is packed in it."""
        self.places += 1
        self.size += len(content)
        for number, spelled in self._wanted:
            if any(one in content for one in spelled):
                self.found.append((number, where))
        for inner, name in _unpacked(content):
            self.look(inner, f"{where}:{name}")

    def look_through(self, *folders: Path, leaving_out: frozenset[Path] = frozenset()) -> None:
        """Searches every file, its name included."""
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                self.look(os.fsencode(path.name), f"name of {path}")
                if path.is_file() and path not in leaving_out:
                    self.look(path.read_bytes(), str(path))

    def look_at_process(self, process: int) -> None:
        """Searches the arguments of a process, and those and the environment of its children."""
        self.look(Path(f"/proc/{process}/cmdline").read_bytes(), "arguments")
        for child in children(process):
            for name in ("cmdline", "environ"):
                try:
                    self.look(Path(f"/proc/{child}/{name}").read_bytes(), f"{name} of a child")
                except OSError:  # it has ended
                    continue


def children(process: int) -> Iterator[int]:
    """The children of a process, and theirs."""
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            numbers = [int(text) for text in task.read_text().split()]
        except OSError:
            continue
        for number in numbers:
            yield number
            yield from children(number)


def _unpacked(content: bytes) -> Iterator[tuple[bytes, str]]:
    if content[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(content), "gz"
        except (OSError, EOFError):  # cut
            return
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name), name
