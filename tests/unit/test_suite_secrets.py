"""The search of the whole suite for its own keys finds them in every form, and where they may not be."""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from support.canaries import pem_of, private_key
from support.guard.markers import MARK, REPORTS, is_marked, marked
from support.keyed_sandbox import PEM
from support.paths import GUARD
from support.suite_secrets import SuiteSearch


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    secret = marked("Secret").encode()
    forms = {
        "plain": secret,
        "hex": secret.hex().encode(),
        "base64": base64.b64encode(b"key:" + secret),
        "pem": pem_of(private_key(1)).encode(),
        "der": load_pem_private_key(PEM.encode(), None).private_bytes_raw(),  # type: ignore[union-attr]
        "packed": gzip.compress(b"nothing") + gzip.compress(b"key=" + secret),
        "cut": gzip.compress(secret + os.urandom(5_000))[:4_000],
    }
    for name, content in forms.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.txt").write_bytes(content)
    for name in ("nothing", MARK):
        (tmp_path / "named").mkdir(exist_ok=True)
        (tmp_path / "named" / name).touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "accounts.toml").write_bytes(secret)
    found = {}
    for folder in sorted(tmp_path.iterdir()):
        search = SuiteSearch(hiding=())
        search.look_through(folder)
        found[folder.name] = len(search.found)
    assert found == {**dict.fromkeys(forms, 1), "named": 1, "own": 0}


def test_a_child_of_arb_that_has_inherited_a_key_is_reported(tmp_path: Path) -> None:
    """The child's parent has `arb` among its words; the test's own processes may have keys."""
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])"
    environment = {**os.environ, "PYTHONPATH": str(GUARD), REPORTS: str(tmp_path)}
    for words, secret, count in (("arb", "x", 0), ("other", marked("Key"), 0), ("arb", marked("Key"), 1)):
        subprocess.run(
            [sys.executable, "-c", child, words], env={**environment, "SECRET_KEY": secret}, check=True
        )
        reports = list(tmp_path.iterdir())
        assert len(reports) == count
    assert not is_marked(reports[0].read_bytes())
