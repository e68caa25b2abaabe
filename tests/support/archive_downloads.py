"""A data folder, a server of archives, and downloads from the one into the other, without waiting."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest

from arb.data.download.choice import ArchiveLeg, Archives, RemoteFile, choose
from arb.data.download.download import Progress, Services, carry_out, make_plan
from arb.data.download.markets import all_series
from arb.data.download.plan import Plan
from arb.errors import InputError
from support.archive_server import ArchiveServer

SERIES = all_series(date(2023, 5, 1), date(2025, 5, 1))
USDM = ArchiveLeg("binance_usdm", "binance_usdm", "BTCUSDT")
SPOT = ArchiveLeg("binance_spot", "binance_spot", "BTCUSDT")
LINEAR = ArchiveLeg("bybit_linear", "bybit_linear", "BTCUSDT")
BYBIT_SPOT = ArchiveLeg("bybit_spot", "bybit_spot", "BTCUSDT")


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not shrink."""
    return random.Random(seed).randbytes(size)


def gz(size: int, seed: int = 1) -> bytes:
    """A gzip file of a little more than `size` bytes."""
    return gzip.compress(noise(size, seed), 1)


def zipped(size: int, seed: int = 1) -> bytes:
    """A zip file of a little more than `size` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", noise(size, seed))
    return buffer.getvalue()


class Place:
    """A data folder, a server of archives, and downloads from the one into the other."""

    def __init__(self, server: ArchiveServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        #: The pauses that were made.
        self.pauses: list[float] = []
        self.key: str | None = None
        self.parallel = 4

    def services(self) -> Services:
        async def wait(seconds: float) -> None:
            self.pauses.append(seconds)

        urls = dict.fromkeys(("binance", "bybit_trades", "bybit_books", "tardis"), self.server.url)
        return Services(urls, self.key, "TARDIS_API_KEY", self.parallel, wait, random.Random(1))

    def plan(self, legs: Sequence[ArchiveLeg], days: Sequence[date], source: str | None = None) -> Plan:
        archives = Archives(SERIES, self.key is not None, "TARDIS_API_KEY")
        wanted = [(leg, day) for leg in legs for day in days]
        return make_plan(self.services(), archives, wanted, source, self.directory)

    def carry_out(self, plan: Plan, progress: Progress | None = None) -> int:
        return carry_out(self.services(), plan, self.directory, progress)

    def serve(
        self, leg: ArchiveLeg, day: date, source: str, size: int = 100_000, kinds: str = ""
    ) -> list[RemoteFile]:
        """Puts what the source should have of a leg and day on the server; `kinds`: words of it, without it all."""
        archives = Archives(SERIES, True, "TARDIS_API_KEY")
        (choice,) = choose([(leg, day)], source, archives)
        files = [file for file in choice.files if not kinds or file.kind.value in kinds.split()]
        for seed, file in enumerate(files):
            content = (zipped if file.name.endswith(".zip") else gz)(size, seed)
            self.server.put(f"/{file.path}", content, has_checksum=file.has_checksum)
        return files

    def path(self, file: RemoteFile) -> Path:
        """Where a file goes."""
        return self.directory / "archive" / file.source / file.leg.venue / file.leg.symbol / file.name

    def content(self, file: RemoteFile) -> bytes:
        """What the server has of it."""
        return self.server.files[f"/{file.path}"]

    def files(self) -> list[str]:
        """What lies below the archive folder, the lock aside."""
        root = self.directory / "archive"
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        return sorted(name for name in names if name != ".lock")


def refusal(work: Callable[[], object]) -> str:
    """The one line that `work` is refused with."""
    with pytest.raises(InputError) as caught:
        work()
    assert str(caught.value).splitlines() == [str(caught.value)]
    return str(caught.value)


def plan_of(place: Place, file: RemoteFile) -> Plan:
    """The plan of one file."""
    return place.plan([file.leg], [file.day], file.source)


def fetched(place: Place, file: RemoteFile) -> None:
    """Plans and fetches the one file, and checks that it came whole and nothing else did."""
    assert place.carry_out(plan_of(place, file)) == 1
    assert place.path(file).read_bytes() == place.content(file)
    assert len(place.files()) == 1
