"""The keys of `[archive]`: sources of history, and the size above which a download asks first."""

from __future__ import annotations

from typing import Annotated

from arb.config.key import HttpsUrl, SecretName, Table, key

Day = Annotated[
    str,
    key(
        form='a day "YYYY-MM-DD", not after the 28th',
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])\Z",
    ),
]


class Archive(Table, frozen=True, kw_only=True):
    """Sources of `arb download`. Only local addresses may omit TLS."""

    binance_url: Annotated[HttpsUrl, key("Base address of Binance's public data.")] = (
        "https://data.binance.vision"
    )
    bybit_trades_url: Annotated[HttpsUrl, key("Base address of Bybit's trades.")] = "https://public.bybit.com"
    bybit_books_url: Annotated[HttpsUrl, key("Base address of Bybit's order books.")] = (
        "https://quote-saver.bycsi.com"
    )
    tardis_url: Annotated[HttpsUrl, key("Base address of Tardis's data sets.")] = (
        "https://datasets.tardis.dev"
    )
    tardis_key: (
        Annotated[
            SecretName,
            key("Variable that holds a key of Tardis; unset, the first day of each month is free."),
        ]
        | None
    ) = "${TARDIS_API_KEY}"
    binance_touch_from: Annotated[
        Day,
        key("First day of Binance's USD-M bookTicker files (day not confirmed), which end with 2024-03-30."),
    ] = "2023-05-01"
    bybit_spot_books_from: Annotated[Day, key("First day of Bybit's spot order books; not confirmed.")] = (
        "2025-05-01"
    )
    parallel: Annotated[int, key("Requests at a time.", ge=1, le=32)] = 6
    ask_above_gb: Annotated[
        float, key("Larger downloads ask for confirmation (10^9 bytes).", "GB", ge=0, le=100_000)
    ] = 1.0
