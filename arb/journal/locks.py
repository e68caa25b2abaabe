"""Which session holds a journal or an account: a locked file for each. The kernel releases it when the process ends.

A lock file stays when its session has ended; it names the last holder.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from arb.errors import InputError
from arb.files import try_lock
from arb.journal.schema import Account

#: Whoever asks whether a session runs holds the lock for a moment: a start tries for this long.
_TRIES, _TRY_S = 20, 0.01
#: Held by the guard of an environment's session.
GUARD_LOCK = "guard.lock"
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class HeldLock:
    """A lock on a file, held until `close`."""

    def __init__(self, path: Path, what: str, holder: str) -> None:
        """what: is held, for the message; holder: who holds it, for others. Raises InputError while another does."""
        self._file = -1
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _locked(self._file):
                other = os.pread(self._file, 1_000, 0).decode(errors="replace").strip()
                self.close()
                raise InputError(
                    f"{path}: {what} is in use by {other or 'another session'}: wait for its end, or end it"
                )
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, holder.encode(), 0)
        except OSError as error:
            self.close()
            raise InputError(
                f"{path}: cannot be locked: {error.strerror}; choose another live.state_directory"
            ) from None

    def close(self) -> None:
        """Releases the lock. May be called repeatedly."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def lock_account(folder: Path, account: Account, holder: str) -> HeldLock:
    """The lock of an account; folder: the environment's in the state directory. Raises InputError while held."""
    name = _UNSAFE.sub("_", account.name)
    return HeldLock(folder / f"{name}.lock", f"the {account.house} account {account.account_id}", holder)


def is_held(path: Path) -> bool:
    """Whether a process holds a lock file at this moment. Raises InputError for one that cannot be read."""
    try:
        # To read: whoever asks may have the folder on a read-only mount.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return not try_lock(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be locked: {error.strerror}") from None
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    for _ in range(_TRIES):
        if try_lock(file):
            return True
        time.sleep(_TRY_S)
    return False
