"""The files of the serving log: written whole, removed oldest first, found by feature set and period.

    <folder>/<feature_set>/<version>/<UTC date>/<UTC time>-<pid>-<n>.parquet
    <folder>/<feature_set>/<version>/plan.json

All rows of a file are of its date, by `served_us`; the time is that of its first row. A file is written under another
name and renamed, so that a reader meets whole files only. The plan is the one that answered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import InputError
from featurestore.plan.nodes import Plan
from featurestore.plan.stored import decode_plan, encode_plan

DAY_US = 86_400_000_000
SUFFIX = ".parquet"
PLAN = "plan.json"
SWEEP_S = 600.0
"""How often old files are looked for, if not for want of room before."""
_LEFT_S = 3_600.0
"""After which a file that was begun and not finished has nobody who finishes it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def keep_plan(folder: Path, version: str, plan: Plan) -> None:
    """Keep the plan of a version, once. Raises: OSError."""
    path = folder / plan.name / version / PLAN
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{PLAN}.{os.getpid()}.partial")
        partial.write_text(encode_plan(plan), encoding="utf-8")
        os.replace(partial, path)


def write_file(folder: Path, table: pa.Table, first_us: int, number: int) -> int:
    """Write the rows of one feature set, version and day; the bytes that it took.

    Raises: OSError, pa.ArrowException  when it cannot, and leaves nothing behind then.
    """
    about = table.schema.metadata or {}
    first = _EPOCH + timedelta(microseconds=first_us)
    place = folder / about[b"feature_set"].decode() / about[b"version"].decode() / f"{first:%Y-%m-%d}"
    path = place / f"{first:%H%M%S.%f}-{os.getpid()}-{number}{SUFFIX}"
    partial = path.with_name(f"{path.name}.partial")
    place.mkdir(parents=True, exist_ok=True)
    try:
        pq.write_table(table, partial, compression="zstd", compression_level=1)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    return size


@dataclass(slots=True)
class Retention:
    """Removes what is older than `days` days, and the oldest while there are more than `most_bytes` bytes."""

    folder: Path
    days: int
    most_bytes: int
    _sweep_at: float = 0.0
    _room_until: int = 0

    def keep(self, today: int, written: int) -> None:
        """Remove what is too old on a day, or too much. `written` is how many bytes this process has written so far.

        Units: days since 1970-01-01.
        """
        if time.monotonic() < self._sweep_at and written <= self._room_until:
            return
        oldest = f"{_EPOCH + timedelta(days=max(today - self.days, 0)):%Y-%m-%d}"
        found: list[tuple[str, str, int, Path]] = []
        for day in _folders(self.folder):
            found += [(day.name, path.name, size, path) for path, size in _files(day)]
        found.sort()
        left = sum(size for _, _, size, _ in found)
        for day_name, _, size, path in found:
            if day_name >= oldest and left <= self.most_bytes:
                break
            path.unlink(missing_ok=True)
            left -= size
        for day in _folders(self.folder):
            if day.name < oldest:  # nobody writes there any more
                with suppress(OSError):
                    day.rmdir()
        self._sweep_at = time.monotonic() + SWEEP_S
        self._room_until = written + self.most_bytes - left


def _folders(folder: Path) -> Iterator[Path]:
    """The folders of all days."""
    return (Path(day) for version in _inner(folder) for each in _inner(version) for day in _inner(each))


def _inner(folder: str | Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []


def _files(day: Path) -> Iterator[tuple[Path, int]]:
    """The whole files of a day and their sizes; what somebody left unfinished is removed."""
    with suppress(FileNotFoundError), os.scandir(day) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                stat = entry.stat()
                if entry.name.endswith(SUFFIX):
                    yield Path(entry.path), stat.st_size
                elif time.time() - stat.st_mtime > _LEFT_S:
                    os.unlink(entry.path)


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """What one version of a feature set served in a period: its files, oldest first.

    Shape:  one row for each question; see docs/serving_log.md for the columns.
    Units:  microseconds UTC of `served_us`; begin is in the period, end is not.
    """

    feature_set: str
    version: str
    folder: Path
    files: tuple[Path, ...]
    begin_us: int
    end_us: int

    def tables(self, unreadable: list[Path] | None = None) -> Iterator[pa.Table]:
        """The rows of each file that has any; a file that was removed meanwhile has none. Files that cannot be read are
        added to `unreadable`.

        Raises: InputError  when a file cannot be read, if there is no such list.
        """
        at_us = pc.field("served_us")
        for path in self.files:
            try:
                rows = pq.ParquetFile(path).read().filter((at_us >= self.begin_us) & (at_us < self.end_us))
            except FileNotFoundError:
                continue
            except (pa.ArrowException, OSError) as error:
                if unreadable is None:
                    raise InputError(
                        "a file of the serving log cannot be read",
                        where=str(path),
                        has=str(error).splitlines()[0],
                        fix="remove the file: its records are lost",
                    ) from None
                unreadable.append(path)
                continue
            if rows.num_rows:
                yield rows

    def plan(self, known: Iterable[Plan]) -> Plan | None:
        """The plan that answered, with what it refers to taken from plans that are known; None when it is not there or
        cannot be had any more."""
        try:
            return decode_plan((self.folder / PLAN).read_text(encoding="utf-8"), known)
        except (OSError, UnicodeDecodeError):
            return None

    def table(self) -> pa.Table:
        """All rows. The schema's metadata has `feature_set`, `version` and `plan_version`."""
        found = list(self.tables())
        return pa.concat_tables(found, promote_options="default") if found else pa.table({})


def served_sets(folder: Path) -> dict[str, list[str]]:
    """The feature sets that the log has records of, each with its versions."""
    found = {Path(each).name: [Path(version).name for version in _inner(each)] for each in _inner(folder)}
    return {name: versions for name, versions in found.items() if versions}


def served_rows(folder: Path, feature_set: str, begin_us: int = 0, end_us: int = 2**62) -> list[ServedVersion]:
    """What a feature set served in a period, for each version that served anything on its days.

    Units: microseconds UTC of `served_us`; begin is in the period, end is not.
    """
    first, last = (_day_name(at_us) for at_us in (begin_us, end_us - 1))
    found = []
    for version in _inner(folder / feature_set):
        days = [Path(day) for day in _inner(version) if first <= Path(day).name <= last]
        files = tuple(path for day in days for path in sorted(day.glob(f"*{SUFFIX}")))
        if files:
            found.append(ServedVersion(feature_set, Path(version).name, Path(version), files, begin_us, end_us))
    return found


def _day_name(at_us: int) -> str:
    day = min(max(at_us // DAY_US, 0), 2_932_896)  # 9999-12-31
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"
