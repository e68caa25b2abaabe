"""API keys: named in the TOML as `${NAME}`, read from the environment only when a caller asks.

The only module of the project that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from arb.errors import ConfigError


@dataclass(frozen=True)
class Credentials:
    """A key and its secret. `repr` shows neither, so that they do not get into a log or a traceback."""

    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)


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

    def resolve(self, environment: Mapping[str, str] | None = None) -> Credentials:
        """Reads the keys now. `environment` replaces the process's environment.

        Raises ConfigError naming file, key and variable if the TOML names none, or the variable is unset or
        empty.
        """
        source = os.environ if environment is None else environment
        return Credentials(self._read("api_key", source), self._read("secret_key", source))

    def _read(self, key: str, environment: Mapping[str, str]) -> str:
        reference: str | None = getattr(self, key)
        if reference is None:
            raise ConfigError(f'{self.file}: [auth] {key} is missing; it must be "${{NAME}}" of a variable')
        variable = Variable(reference)
        value = variable.value(environment)
        if value is None:
            raise ConfigError(
                f"{self.file}: [auth] {key} needs the environment variable {variable.name}, which is not set"
            )
        return value
