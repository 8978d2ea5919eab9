"""What a generation of state was built from: the files of its source with their hashes, and the log's positions (R19).

    <folder>/<generation>.json

A file is known by its content: the same bytes under another path or date are the same rows. A table in memory counts
as one file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from featurestore.define.data import Frame
from featurestore.errors import InputError
from featurestore.offline.content import hash_of_table
from featurestore.offline.relations import files_of
from featurestore.offline.scan import History
from featurestore.plan.nodes import Scan
from featurestore.tables import arrow_table

FORMAT = 2


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file as it was: its path, its size in bytes, when it was last written, and the SHA-256 of its bytes."""

    path: str
    size: int
    written_us: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one generation was built from. `log` is the identity of the log, and `cut` the last position of it that was
    read with the files; rows behind it came one by one.

    Units: `built_us` microseconds UTC, by the online store's clock.
    """

    generation: str
    state: str
    source: str
    files: tuple[FileSeen, ...]
    log: str
    cut: int
    built_us: int


def seen_files(scan: Scan, history: History) -> tuple[FileSeen, ...]:
    """The files of a source as they are now, each read once to the end."""
    if scan.data is None:
        return ()
    if isinstance(scan.data, Frame):
        return (_in_memory(arrow_table(scan.data.table, f"the data of `{scan.source}`")),)
    found = []
    for path in files_of(scan.source, scan.data, history.root):
        about = path.stat()
        # Who looks again and again, as the audit does, reads a file once while the file system says it is the same.
        as_it_is = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
        found.append(FileSeen(str(path), about.st_size, about.st_mtime_ns // 1000, _hash(path, as_it_is)))
    return tuple(found)


def unchanged(scan: Scan, history: History, seen: tuple[FileSeen, ...]) -> bool:
    """Whether a source has the files that were seen and no others, each with its size and date."""
    if scan.data is None or isinstance(scan.data, Frame):
        return True
    try:
        found = [(path, path.stat()) for path in files_of(scan.source, scan.data, history.root)]
    except (OSError, InputError):
        return False
    return [(each.path, each.size, each.written_us) for each in seen] == [
        (str(path), about.st_size, about.st_mtime_ns // 1000) for path, about in found
    ]


def keep(folder: Path, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{manifest.generation}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"format": FORMAT, **asdict(manifest)}), encoding="utf-8")
    partial.replace(path)


def kept(folder: Path, generation: str) -> Manifest | None:
    """The manifest of a generation; None when there is none that can be read."""
    try:
        found = json.loads((folder / f"{generation}.json").read_text(encoding="utf-8"))
        if found.pop("format") != FORMAT:
            return None
        return Manifest(**{**found, "files": tuple(FileSeen(**each) for each in found["files"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_memory(table: pa.Table) -> FileSeen:
    size, found = hash_of_table(table)
    return FileSeen("", size, 0, found)


@lru_cache(maxsize=100_000)
def _hash(path: Path, _: tuple[int, int, int, int]) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while some := file.read(2**20):
            digest.update(some)
    return digest.hexdigest()
