"""The keys of accounts, as objects that sign: the one place where a secret is read, and forgotten.

An account is a house's: its venues share one key. What is wrong with a key is said without a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from arb.config.model import VenueConfig
from arb.config.secrets import Auth, Credentials
from arb.errors import ConfigError
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer

_PEM = "-----BEGIN "
#: What keys and secrets of the venues consist of.
_VISIBLE = re.compile(r"[!-~]{8,256}", re.ASCII)
#: Houses whose accounts take Ed25519 keys.
_ED25519_HOUSES = ("binance",)


def house_of(venue: str) -> str:
    """The house whose account a venue belongs to."""
    return venue.partition("_")[0]


def account_signers(
    venues: Mapping[str, VenueConfig], environment: Mapping[str, str] | None = None
) -> dict[str, Signer]:
    """What signs for each house. The variables are then removed from the process's environment.

    environment: replaces that of the process, and is left as it is. Raises ConfigError, one line, for a key that is
    missing, unreadable, readable by others or of a kind that the house does not take.
    """
    auths = _auths(venues)
    signers = {house: _signer(house, auth, auth.resolve(environment)) for house, auth in auths.items()}
    if environment is None:
        for auth in auths.values():
            auth.forget()
    return signers


def guard_signers(
    venues: Mapping[str, VenueConfig], environment: Mapping[str, str] | None = None
) -> dict[str, Signer]:
    """What signs for the session's guard, for each house with a key for it. Before `account_signers`, which removes the
    variables. See there."""
    own = {house: auth.guard for house, auth in _auths(venues).items()}
    return {house: _signer(house, auth, auth.resolve(environment)) for house, auth in own.items() if auth}


def _auths(venues: Mapping[str, VenueConfig]) -> dict[str, Auth]:
    """By house. Raises ConfigError if its venues name different variables."""
    auths: dict[str, Auth] = {}
    for name, venue in venues.items():
        first = auths.setdefault(house_of(name), venue.auth)
        if first.references != venue.auth.references:
            raise ConfigError(
                f"{venue.file}: [auth] names other variables than {first.file}: both venues are of one account, "
                "write the same"
            )
    return auths


def _signer(house: str, auth: Auth, keys: Credentials) -> Signer:
    if _VISIBLE.fullmatch(keys.api_key) is None:
        where = f"{auth.file}: [auth] {auth.prefix}api_key"
        raise ConfigError(f"{where}: its variable holds no key: letters and digits only")
    where = f"{auth.file}: [auth] {auth.prefix}secret_key:"
    if not keys.secret_key.lstrip().startswith(_PEM):
        if _VISIBLE.fullmatch(keys.secret_key) is None:
            raise ConfigError(f"{where} its variable holds neither a secret nor a PEM")
        return HmacSigner(keys.api_key, keys.secret_key)
    if house not in _ED25519_HOUSES:
        raise ConfigError(
            f"{where} its variable holds a PEM; {house} takes HMAC keys only: create one with a secret"
        )
    # Files of variables often have a PEM on one line.
    pem = keys.secret_key if "\n" in keys.secret_key.strip() else keys.secret_key.replace("\\n", "\n")
    try:
        return Ed25519Signer(keys.api_key, pem, keys.passphrase)
    except ValueError as error:
        raise ConfigError(f"{where} its variable holds {error}") from None
