"""API keys: named in the TOML as `${NAME}`, read from the environment only when a caller asks.

The only module of the project that reads the environment. No message has a value, nor what a variable names: somebody
may have put the secret itself there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from arb.errors import ConfigError

#: A variable of this name beside `NAME` names a file that holds the value.
FILE_SUFFIX = "_FILE"
#: Variables without secrets.
_PLAIN = frozenset(
    {
        "HOME",
        "PATH",
        "SHELL",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "LANG",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
    }
)
_PLAIN_PREFIXES = ("LC_", "PYTHON", "XDG_", "ARB_WATCH_", "ARB_LOG")
#: Longest key file, in bytes.
_BYTES_MAX = 1 << 16


@dataclass(frozen=True)
class Credentials:
    """A key and its secret. `repr` shows none of them, so that they do not get into a log or a traceback."""

    api_key: str = field(repr=False)
    #: The secret, or a private key as PEM.
    secret_key: str = field(repr=False)
    #: Of the PEM; "" for none.
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True)
class Variable:
    """An environment variable named as `${NAME}` in a file, or none. Holds no secret itself."""

    reference: str | None

    @property
    def name(self) -> str:
        """Its name; "" for none."""
        return (self.reference or "").removeprefix("${").removesuffix("}")

    def value(self, environment: Mapping[str, str] | None = None) -> str | None:
        """Its current value; None if it is unset or empty. `environment` replaces the process's environment."""
        source = os.environ if environment is None else environment
        return source.get(self.name) or None


@dataclass(frozen=True)
class Auth:
    """The names of the variables that hold a venue's keys. Holds no secret itself."""

    file: str
    api_key: str | None
    secret_key: str | None
    passphrase: str | None = None
    #: Those of the key that the session's guard alone uses.
    guard_api_key: str | None = None
    guard_secret_key: str | None = None
    guard_passphrase: str | None = None
    #: What the keys of the file begin with.
    prefix: str = ""

    @property
    def references(self) -> dict[str, str | None]:
        """The variables by key of the file."""
        names = ("api_key", "secret_key", "passphrase")
        return {f"{of}{name}": getattr(self, f"{of}{name}") for of in ("", "guard_") for name in names}

    @property
    def guard(self) -> Auth | None:
        """The names of the guard's own key; None if there is none."""
        if self.guard_api_key is None and self.guard_secret_key is None:
            return None
        return Auth(
            self.file, self.guard_api_key, self.guard_secret_key, self.guard_passphrase, prefix="guard_"
        )

    def resolve(self, environment: Mapping[str, str] | None = None) -> Credentials:
        """Reads the keys now. `environment` replaces the process's environment.

        Raises ConfigError naming file, key and variable if the TOML names none, if neither the variable nor the one
        with `_FILE` is set, or if others may read that file.
        """
        source = os.environ if environment is None else environment
        api_key, secret_key = self._read("api_key", source), self._read("secret_key", source)
        return Credentials(api_key, secret_key, self._read("passphrase", source, is_needed=False))

    def forget(self) -> None:
        """Removes the variables from the environment of this process, which its children would inherit."""
        forget(self.references.values())

    def _read(self, key: str, environment: Mapping[str, str], *, is_needed: bool = True) -> str:
        reference: str | None = getattr(self, key)
        where = f"{self.file}: [auth] {self.prefix}{key}"
        if reference is None:
            if is_needed:
                raise ConfigError(f'{where} is missing; it must be "${{NAME}}" of a variable')
            return ""
        return read_secret(where, reference, environment, is_needed=is_needed)


def read_secret(
    where: str, reference: str, environment: Mapping[str, str] | None = None, *, is_needed: bool = True
) -> str:
    """The value of a variable, or of the file that the one with `_FILE` names; "" for none.

    where: file and key, in errors. environment: replaces the process's. Raises ConfigError, see `Auth.resolve`.
    """
    own = Variable(reference)
    file = Variable(f"{own.name}{FILE_SUFFIX}")
    value, path = own.value(environment), file.value(environment)
    if value is not None and path is not None:
        raise ConfigError(f"{where}: both {own.name} and {file.name} are set; unset one of them")
    if path is not None:
        return _content(path, f"{where}: the file that {file.name} names")
    if value is None and is_needed:
        raise ConfigError(f"{where} needs the environment variable {own.name}, which is not set")
    return value or ""


def forget(references: Iterable[str | None]) -> None:
    """Removes variables from the environment of this process, which its children would inherit."""
    for reference in references:
        os.environ.pop(Variable(reference).name, None)


def environment_without(auths: Iterable[Auth]) -> dict[str, str]:
    """The environment of this process without the variables of keys, for another process."""
    names = {Variable(one).name for auth in auths for one in auth.references.values()}
    names |= {f"{name}{FILE_SUFFIX}" for name in names}
    return {name: value for name, value in os.environ.items() if name not in names}


def plain_environment(references: Iterable[str] = ()) -> dict[str, str]:
    """The environment of this process without what may be a secret, for another process that needs none but the
    variables of `references`: only what says where things are and how text is written, and those of `arb watch`."""
    needed = {Variable(one).name for one in references}
    needed |= {f"{name}{FILE_SUFFIX}" for name in needed}
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PLAIN or name in needed or name.startswith(_PLAIN_PREFIXES)
    }


def _content(path: str, what: str) -> str:
    """The text of a file that only its user can read, without newlines at its end. what: the file, in errors."""
    try:
        # Without waiting: a pipe without a writer would block forever.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"{what} cannot be read: {reason}") from None
    try:
        found = os.fstat(number)
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{what} is no regular file")
        if mode & 0o077:
            raise ConfigError(f"{what} has mode {mode:o}: others may read it; make it 600 with chmod")
        text = os.read(number, _BYTES_MAX + 1).decode()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{what} is not text") from None
    finally:
        os.close(number)
    text = text.rstrip("\r\n")
    if not text or len(text) > _BYTES_MAX:
        raise ConfigError(f"{what} is {'empty' if not text else 'too long for a key'}")
    return text
