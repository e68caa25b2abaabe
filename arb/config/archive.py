"""The keys of `[archive]`: sources of history, and the size above which a download asks first."""

from __future__ import annotations

from typing import Annotated

from arb.config.key import ENVIRONMENT, ENVIRONMENT_FORM, HTTPS, HTTPS_FORM, Table, key

_DAY = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])\Z"
_DAY_FORM = 'a day "YYYY-MM-DD", not after the 28th'


class Archive(Table, frozen=True, kw_only=True):
    """Sources of `arb download`. Only local addresses may omit TLS."""

    binance_url: Annotated[
        str, key("", "Base address of Binance's public data.", form=HTTPS_FORM, pattern=HTTPS)
    ] = "https://data.binance.vision"
    bybit_trades_url: Annotated[
        str, key("", "Base address of Bybit's trades.", form=HTTPS_FORM, pattern=HTTPS)
    ] = "https://public.bybit.com"
    bybit_books_url: Annotated[
        str, key("", "Base address of Bybit's order books.", form=HTTPS_FORM, pattern=HTTPS)
    ] = "https://quote-saver.bycsi.com"
    tardis_url: Annotated[
        str, key("", "Base address of Tardis's data sets.", form=HTTPS_FORM, pattern=HTTPS)
    ] = "https://datasets.tardis.dev"
    tardis_key: (
        Annotated[
            str,
            key(
                "",
                "Variable that holds a key of Tardis; unset, the first day of each month is free.",
                form=ENVIRONMENT_FORM,
                secret=True,
                pattern=ENVIRONMENT,
            ),
        ]
        | None
    ) = "${TARDIS_API_KEY}"
    binance_touch_from: Annotated[
        str,
        key(
            "",
            "First day of Binance's USD-M bookTicker files (day not confirmed), which end with 2024-03-30.",
            form=_DAY_FORM,
            pattern=_DAY,
        ),
    ] = "2023-05-01"
    bybit_spot_books_from: Annotated[
        str,
        key(
            "",
            "First day of Bybit's spot order books; not confirmed.",
            form=_DAY_FORM,
            pattern=_DAY,
        ),
    ] = "2025-05-01"
    parallel: Annotated[int, key("", "Requests at a time.", ge=1, le=32)] = 6
    ask_above_gb: Annotated[
        float, key("GB", "Larger downloads ask for confirmation (10^9 bytes).", ge=0, le=100_000)
    ] = 1.0
