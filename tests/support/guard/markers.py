"""The mark of the suite's keys: each key, secret, passphrase and PEM that a test makes has it, and nothing else may.

The standard library alone: every process that a test starts reads this.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

#: 16 characters, so that two of them are an Ed25519 key.
MARK = "CanaryOfTheSuite"
#: Names the folder in which processes report that they have inherited a key.
REPORTS = "ARB_TESTS_REPORTS"
#: As it is (also in JSON and in an URL), in hexadecimal digits, and in base64 at each of the three places.
FORMS = (
    MARK.encode(),
    MARK.encode().hex().encode(),
    MARK.encode().hex().upper().encode(),
    *(base64.b64encode(b"x" * shift + MARK.encode() + b"xx")[4 : 4 + 16] for shift in range(3)),
)


def marked(name: str) -> str:
    """A key, a secret or a passphrase of the suite."""
    return MARK + name


def is_marked(content: bytes) -> bool:
    """Whether a key of the suite is in it."""
    return any(form in content for form in FORMS)


def report_inherited_keys() -> None:
    """Reports keys in the environment or the arguments of a process that `arb` has started; a test gives it its own."""
    folder = os.environ.get(REPORTS)
    if folder is None:
        return
    try:
        parent = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
        own = [Path(f"/proc/{os.getpid()}/{name}").read_bytes() for name in ("cmdline", "environ")]
    except OSError:  # another system, or the parent has ended
        return
    is_of_arb = b"arb" in parent or any(word.endswith(b"/arb") for word in parent[:2])
    if is_of_arb and any(map(is_marked, own)):
        Path(folder, f"process-{os.getpid()}").write_text(
            f"a child of arb has inherited a key: {sys.argv[:4]}"
        )
