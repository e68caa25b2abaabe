"""Whatever a server does: a file under its name is the server's file, and once it behaves the next run has them all."""

from __future__ import annotations

import random
from datetime import date

import pytest
from support.archive_downloads import LINEAR, USDM, Place, gz, zipped
from support.archive_server import Fault

from arb.data.download.choice import RemoteFile
from arb.errors import InputError

DAY = date(2024, 1, 2)
SIZE = 60_000


def any_fault(chance: random.Random, content: bytes) -> Fault:
    """One of the ways in which an answer goes wrong, or none."""
    make = chance.choice(
        [
            Fault,
            lambda: Fault(cut_after=chance.randrange(len(content))),
            lambda: Fault(cut_after=chance.randrange(4)),
            lambda: Fault(cut_after=chance.randrange(len(content)), ignores_range=True),
            lambda: Fault(status=chance.choice([408, 429, 500, 502, 503, 504])),
            lambda: Fault(status=429, headers={"Retry-After": str(chance.randrange(400))}),
            lambda: Fault(status=chance.choice([403, 404, 418])),
            lambda: Fault(status=206, headers={"Content-Range": "bytes 7-9/12"}, body=b"abc"),
            lambda: Fault(content=content[: chance.randrange(len(content))]),
            lambda: Fault(content=chance.randbytes(chance.randrange(1, 2 * SIZE))),
            lambda: Fault(content=b"<html>busy</html>"),
            lambda: Fault(extra_length=chance.randrange(1, 1000)),
            lambda: Fault(hides_length=True, cut_after=chance.randrange(len(content))),
        ]
    )
    return make()


def files_of(place: Place) -> list[RemoteFile]:
    """One file with a checksum, two that prove themselves."""
    return place.serve(USDM, DAY, "binance", SIZE, "touch") + place.serve(LINEAR, DAY, "bybit", SIZE)


@pytest.mark.parametrize("seed", range(12))
def test_no_fault_leaves_a_wrong_file(place: Place, seed: int) -> None:
    chance = random.Random(seed)
    files = files_of(place)
    place.server.has_validators = chance.random() < 0.5
    place.parallel = chance.randrange(1, 4)
    for round_no in range(4):
        plan = place.plan([USDM, LINEAR], [DAY])
        for file in files:
            path, content = f"/{file.path}", place.content(file)
            place.server.faults[path] = [any_fault(chance, content) for _ in range(chance.randrange(8))]
            if file.has_checksum and chance.random() < 0.2:
                place.server.faults[f"{path}.CHECKSUM"] = [Fault(content=b"0" * 64 + b"  other.zip\n")]
        try:
            place.carry_out(plan)
            came = files
        except InputError:
            came = []
        assert all(place.path(file).exists() for file in came)
        for file in files:
            if place.path(file).exists():
                assert place.path(file).read_bytes() == place.content(file)
        if chance.random() < 0.3:  # the archive issues a file again
            file = chance.choice([file for file in files if not place.path(file).exists()] or [None])
            if file:
                # Of another length: else what had come of it before it changed would do.
                make = zipped if file.name.endswith(".zip") else gz
                again = make(SIZE - 100 * (round_no + 1), seed + 50)
                place.server.put(f"/{file.path}", again, has_checksum=file.has_checksum)
    place.server.faults.clear()
    place.carry_out(place.plan([USDM, LINEAR], [DAY]))
    for file in files:
        assert place.path(file).read_bytes() == place.content(file)
    assert len(place.files()) == len(files)
