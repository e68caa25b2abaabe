"""What a venue charges fees in: the checks that need more than one key, and the values of a leg.

Pure: takes checked tables; raises ConfigError, one line that names the file or the option, the key and the next step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from arb.config.assets import assets_of
from arb.config.model import VenueConfig
from arb.config.schema import Capital
from arb.config.strict import Source, section_text, toml_text
from arb.config.venue_schema import VenueFile
from arb.leg import IN_QUOTE, IN_RECEIVED


def check_fees(table: VenueFile, source: Source) -> None:
    """Refuses an asset that the venue cannot charge, a named one without a price, and a price that nothing needs."""
    fees = table.fees
    if fees.asset == IN_RECEIVED and table.kind != "spot":
        source.refuse(
            ("fees", "asset"),
            'is "received", which is of spot venues; perpetuals charge fees in quote: write "quote", or the name of an '
            'asset such as "BNB"',
        )
    if not _is_named(fees.asset):
        if fees.price is not None:
            source.refuse(
                ("fees", "price"),
                f'is {toml_text(fees.price)}, but asset is "{fees.asset}", which needs none: remove it, or name an '
                'asset such as "BNB"',
            )
    elif fees.price is None:
        source.refuse(
            ("fees", "price"),
            f'is missing; asset is "{fees.asset}": write its price in quote, such as 600.0, or the leg whose mid it '
            f'is, such as "{table.name}:{fees.asset}USDT"',
        )


def check_fee_asset(venue: VenueConfig, source: Source, legs: Sequence[str]) -> None:
    """Refuses a price source that is no leg of the run or has another base, and an asset that is the legs' quote.

    source: of the venue's file. legs: the names of all legs.
    """
    asset, price = venue.fees.asset, venue.fees.price
    if not _is_named(asset):
        return
    for leg in legs:
        name, _, symbol = leg.partition(":")
        assets = assets_of(symbol)
        if name == venue.name and assets is not None and assets.quote == asset:
            source.refuse(("fees", "asset"), f'is "{asset}", the quote asset of {leg}: write "quote"')
    if not isinstance(price, str):
        return
    if price not in legs:
        source.refuse(
            ("fees", "price"),
            f"is {toml_text(price)}, which is no leg of this run (they are {', '.join(legs)}): add it, or write the "
            "price as a number",
        )
    assets = assets_of(price.partition(":")[2])
    if assets is not None and assets.base != asset:
        source.refuse(
            ("fees", "price"), f'is {toml_text(price)}, whose base asset is {assets.base}, not "{asset}"'
        )


def check_holdings(capital: Mapping[str, Capital], venues: Mapping[str, VenueConfig], source: Source) -> None:
    """Refuses holdings of an asset that is not the venue's fee asset, and a fee asset of which there is nothing.

    source: of the main file.
    """
    for name, venue in venues.items():
        if capital and name not in capital:
            continue  # another error names the section
        held: Mapping[str, float] = capital[name].assets if capital else {}
        asset = venue.fees.asset
        path = ("capital", name, "assets")
        for other in held:
            if other != asset:
                charged = f'"{asset}"' if _is_named(asset) else "none"
                source.refuse(
                    (*path, other),
                    f"is not the fee asset of {name}, which is {charged} ([fees] asset): remove it",
                )
        is_charged = max(venue.fees.maker, venue.fees.taker) > 0.0
        if _is_named(asset) and is_charged and not held.get(asset, 0.0) > 0.0:
            source.refuse(
                (*path, asset),
                f"is {'0' if asset in held else 'missing'}; without any, no order could pay its fee: write under "
                f"{section_text(path)} what {name} holds, such as {asset} = 10.0",
            )


def fee_facts(venue: VenueConfig, capital: Capital, legs: Sequence[str]) -> dict[str, Any]:
    """The fields of a leg of this venue. capital: of the venue. legs: the names of all legs, in their order."""
    asset, price = venue.fees.asset, venue.fees.price
    if not _is_named(asset):
        return {"fee_asset": asset}
    return {
        "fee_asset": asset,
        "fee_price": math.nan if isinstance(price, str) or price is None else price,
        "fee_price_leg": legs.index(price) if isinstance(price, str) else -1,
        "fee_units": capital.assets.get(asset, 0.0),
    }


def _is_named(asset: str) -> bool:
    return asset not in (IN_QUOTE, IN_RECEIVED)
