"""One change of anything in a run folder: of every file, and of every key of its manifest.

Each changes the files but not the hashes of them; `arb verify` must end with exit code 4 or
2. What it does not cover is `NOT_COVERED`, as docs/dry-run.md lists it.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.results.evidence import FILES, OWN, PARTS, file_hashes, sealed

Chance = np.random.Generator
Place = tuple[str | int, ...]

#: Text that nothing depends on.
NOT_COVERED = re.compile(r"log\.txt(\.\d)?|status\.json")


class Mutation(NamedTuple):
    """A change of one file. what: in words; apply: makes it in a folder. subject: the file, or the manifest's key."""

    subject: str
    what: str
    apply: Callable[[Path], None]


def mutations(run: Path, other: Path, chance: Chance, count: int) -> list[Mutation]:
    """`count` changes: first one of every file and of every key, then random ones of all kinds.

    other: a run of the same kind, whose files take the place of this one's.
    """
    found: dict[str, list[Mutation]] = {}
    for one in [*_manifest_mutations(run), *_file_mutations(run, other, chance), *_additions()]:
        found.setdefault(one.subject, []).append(one)
    chosen = [of_one.pop(int(chance.integers(len(of_one)))) for of_one in found.values()]
    rest = [one for of_one in found.values() for one in of_one]
    chance.shuffle(rest)  # type: ignore[arg-type]
    return [*chosen, *rest][: max(count, len(chosen))]


def reseal(run: Path) -> None:
    """Writes the hashes of the folder as it is, as somebody would who hides a change."""
    path = run / "manifest.json"
    manifest = {key: value for key, value in json.loads(path.read_bytes()).items() if key not in (OWN, PARTS)}
    path.write_bytes(sealed({**manifest, FILES: file_hashes(run, {})}))


# The manifest.


def _manifest_mutations(run: Path) -> Iterator[Mutation]:
    manifest = json.loads((run / "manifest.json").read_bytes())
    for place, value in _places(manifest):
        name = "manifest.json " + ".".join(map(str, place))
        yield Mutation(name, "changed", _with_manifest(place, _change))
        yield Mutation(name, "removed", _with_manifest(place, lambda parent, key: parent.pop(key)))
        if isinstance(value, dict):
            yield Mutation(name, "with a key more", _with_manifest(place, _add_key))
    yield Mutation(
        "manifest.json", "with a key more", _edit_manifest(lambda whole: whole.update(audited=True))
    )
    yield Mutation("manifest.json", "written without line breaks", _edit_manifest(lambda whole: None))


def _places(part: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every key, and every entry of a list, from the top down."""
    entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in entries:
        yield (*place, key), value
        yield from _places(value, (*place, key))


def _with_manifest(place: Place, change: Callable[[Any, Any], Any]) -> Callable[[Path], None]:
    def edit(whole: Any) -> None:
        parent = whole
        for key in place[:-1]:
            parent = parent[key]
        change(parent, place[-1])

    return _edit_manifest(edit)


def _edit_manifest(edit: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        path = run / "manifest.json"
        manifest = json.loads(path.read_bytes())
        edit(manifest)
        text = json.dumps(manifest, indent=2) + "\n"
        path.write_text(text if text.encode() != path.read_bytes() else text.replace("\n", ""))

    return apply


def _change(parent: Any, key: Any) -> None:
    parent[key] = _other(parent[key])


def _add_key(parent: Any, key: Any) -> None:
    parent[key]["audited"] = True


def _other(value: Any) -> Any:
    """Another value of the same type, as near as there is one."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return float(np.nextafter(value, np.inf))
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return [] if value else ["audited"]


# Files.


def _file_mutations(run: Path, other: Path, chance: Chance) -> Iterator[Mutation]:
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if not path.is_file() or NOT_COVERED.fullmatch(name):
            continue
        size = path.stat().st_size
        yield Mutation(name, "deleted", lambda to, n=name: (to / n).unlink())
        yield Mutation(name, "renamed", lambda to, n=name: (to / n).rename((to / n).with_suffix(".old")))  # type: ignore[misc]
        yield Mutation(name, "with a byte more", _rewrite(name, lambda raw: raw + b"0"))
        if size:
            yield Mutation(name, "emptied", _rewrite(name, lambda raw: b""))
            cut, at = int(chance.integers(size)), int(chance.integers(size))
            yield Mutation(name, f"cut off at byte {cut}", _rewrite(name, lambda raw, n=cut: raw[:n]))
            yield Mutation(
                name, f"with another byte {at}", _rewrite(name, lambda raw, n=at: _flipped(raw, n))
            )
        if (other / name).is_file() and (other / name).read_bytes() != path.read_bytes():
            yield Mutation(name, "that of another run", lambda to, n=name: _copy(other / n, to / n))
        yield from _inner_mutations(path, name, chance)


def _inner_mutations(path: Path, name: str, chance: Chance) -> Iterator[Mutation]:
    """Within the lines of a text and the arrays of an archive."""
    if path.suffix in (".csv", ".gz", ".jsonl", ".json", ".html"):
        for what, change in _LINES.items():
            seed = int(chance.integers(1 << 31))
            yield Mutation(name, what, _rewrite_lines(name, change, seed))
    if path.suffix == ".npz":
        with np.load(path) as file:
            for array in file.files:
                for field in file[array].dtype.names or (None,):
                    seed = int(chance.integers(1 << 31))
                    if file[array].size:
                        what = f"{array} {field or ''}, a value"
                        yield Mutation(
                            f"{name} {array} {field or ''}", what, _value(name, array, field, seed)
                        )
                if file[array].size:
                    yield Mutation(name, f"{array}, a row less", _row_less(name, array))
                yield Mutation(name, f"{array} removed", _without_array(name, array))


def _additions() -> Iterator[Mutation]:
    names = (
        "audited.txt",
        "log.txt.bak",
        ".hidden",
        "charts/more.png",
        "recording/more/x.gz",
        "latency/x.npz",
    )
    for name in names:
        yield Mutation(name, "added", lambda to, n=name: _add(to / n))


def _add(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def _copy(source: Path, to: Path) -> None:
    shutil.copyfile(source, to)


def _flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def _rewrite(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        (run / name).write_bytes(change((run / name).read_bytes()))

    return apply


# Lines of a text, compressed or not.


def _digit(lines: list[bytes], chance: Chance) -> None:
    places = [n for n, line in enumerate(lines) if re.search(rb"\d", line)]
    if not places:
        lines.append(b"7\n")
        return
    place = places[int(chance.integers(len(places)))]
    digits = [found.start() for found in re.finditer(rb"\d", lines[place])]
    at = digits[int(chance.integers(len(digits)))]
    lines[place] = (
        lines[place][:at] + b"%d" % ((int(lines[place][at : at + 1]) + 1) % 10) + lines[place][at + 1 :]
    )


def _swap(lines: list[bytes], chance: Chance) -> None:
    first = int(chance.integers(len(lines)))
    second = next((n for n, line in enumerate(lines) if line != lines[first]), None)
    if second is None:
        lines.append(b"more\n")
    else:
        lines[first], lines[second] = lines[second], lines[first]


def _drop(lines: list[bytes], chance: Chance) -> None:
    del lines[int(chance.integers(len(lines)))]


def _double(lines: list[bytes], chance: Chance) -> None:
    place = int(chance.integers(len(lines)))
    lines.insert(place, lines[place])


_LINES: dict[str, Callable[[list[bytes], Chance], None]] = {
    "another digit": _digit,
    "lines swapped": _swap,
    "a line less": _drop,
    "a line twice": _double,
}


def _rewrite_lines(
    name: str, change: Callable[[list[bytes], Chance], None], seed: int
) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        path = run / name
        raw = path.read_bytes()
        lines = (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines(keepends=True)
        change(lines, np.random.default_rng(seed))
        text = b"".join(lines)
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)

    return apply


# Arrays.


def _edit_arrays(name: str, edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        with np.load(run / name) as file:
            arrays = {key: file[key].copy() for key in file.files}
        edit(arrays)
        np.savez_compressed(run / name, **arrays)

    return apply


def _value(name: str, array: str, field: str | None, seed: int) -> Callable[[Path], None]:
    def edit(arrays: dict[str, Any]) -> None:
        rows = arrays[array]
        values = (rows[field] if field else rows).reshape(-1)
        place = int(np.random.default_rng(seed).integers(values.size))
        before = values[place]
        after = np.nextafter(before, np.inf) if values.dtype.kind == "f" and before == before else 1
        changed = after if values.dtype.kind == "f" else before + values.dtype.type(1)
        (rows[field] if field else rows)[np.unravel_index(place, rows.shape)] = changed

    return _edit_arrays(name, edit)


def _row_less(name: str, array: str) -> Callable[[Path], None]:
    return _edit_arrays(name, lambda arrays: arrays.update({array: arrays[array][:-1]}))


def _without_array(name: str, array: str) -> Callable[[Path], None]:
    return _edit_arrays(name, lambda arrays: arrays.pop(array))
