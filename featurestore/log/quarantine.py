"""Rows that were set aside when they were pushed, each with its reason: JSON lines that a person can read (R16).

    <folder>/<source>.jsonl      the newest rows
    <folder>/<source>.<n>.jsonl  older ones; the file was given its number when it had grown to 16 MiB

No file is ever removed here: whoever has seen to the rows may delete it. A line that a crash cut short belongs to a
call that was never answered, and is passed over.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featurestore.semantics.instants import instant_text

TURN_OVER_AT = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that was set aside: when, by which call, at which place among that call's rows, why, and as it was sent."""

    at: str
    call: str
    place: int
    reason: str
    row: dict[str, Any]


class Quarantine:
    """The rows that were set aside, by source. Who appends has the source's turn in the log."""

    def __init__(self, folder: Path, *, turn_over_at: int = TURN_OVER_AT) -> None:
        self.folder, self._turn_over_at = folder, turn_over_at

    def append(self, source: str, call: str, at_us: int, rows: Iterable[tuple[int, Mapping[str, Any], str]]) -> None:
        """Keep rows of one call, each as `(place, raw row, reason)`; on disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{source}.jsonl"
        if path.is_file() and path.stat().st_size >= self._turn_over_at:
            path.rename(self.folder / f"{source}.{max(self._numbers(source), default=0) + 1}.jsonl")
        at = instant_text(at_us)
        lines = [
            _encode({"at": at, "call": call, "place": place, "reason": reason, "row": row})
            for place, row, reason in rows
        ]
        with path.open("ab") as file:
            if file.tell() and not _ends_a_line(path):
                file.write(b"\n")
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())

    def rows(self, source: str) -> Iterator[Kept]:
        """The rows of a source, oldest first."""
        for path in self.files(source):
            with path.open("rb") as file:
                for line in file:
                    kept = _decode(line)
                    if kept is not None:
                        yield kept

    def count(self, source: str) -> int:
        """How many rows of a source are kept."""
        found = 0
        for path in self.files(source):
            with path.open("rb") as file:
                while some := file.read(2**20):
                    found += some.count(b"\n")
        return found

    def sources(self) -> list[str]:
        """The sources that have rows here, by name."""
        return sorted({path.name.split(".")[0] for path in self.folder.glob("*.jsonl")})

    def files(self, source: str) -> list[Path]:
        """A source's files, oldest first."""
        older = [self.folder / f"{source}.{number}.jsonl" for number in sorted(self._numbers(source))]
        newest = self.folder / f"{source}.jsonl"
        return [*older, *([newest] if newest.is_file() else [])]

    def _numbers(self, source: str) -> list[int]:
        named = re.compile(rf"{re.escape(source)}\.([0-9]+)\.jsonl")
        found = (named.fullmatch(path.name) for path in self.folder.glob(f"{source}.*.jsonl"))
        return [int(each[1]) for each in found if each]


def _encode(line: dict[str, Any]) -> bytes:
    # a lone surrogate, which UTF-8 cannot write, is written as JSON's own escape
    text = json.dumps(line, default=str, ensure_ascii=False)
    return text.encode("utf-8", errors="backslashreplace") + b"\n"


def _decode(line: bytes) -> Kept | None:
    try:
        found = json.loads(line)
        return Kept(found["at"], found["call"], found["place"], found["reason"], found["row"])
    except (ValueError, KeyError, TypeError):
        return None


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
