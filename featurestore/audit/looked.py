"""Which files of the serving log the audit has compared: persisted, so that restarts neither repeat nor skip a file.

    <home>/audit/looked.sqlite

A file of the log is whole when it has its name and is never changed, so its name and the share of its lookups that was
compared are all that has to be remembered: with a larger share, only the others are compared. Files that another
process writes late, or that are copied in, are met like any other.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from featurestore.errors import ConfigError
from featurestore.log.disk import flock, told, unlock
from featurestore.log.served_files import SUFFIX

FIRST, AGAIN = "first", "again"
LOOKS = (FIRST, AGAIN)
"""A file is looked at once, and a second time later if that is wanted."""
_SETTLED_S = 5.0
"""How long ago a folder must have changed for its date to tell of the next change."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of the serving log, of which the share `done` was compared.

    Units: `written_us` microseconds UTC, not before its last record.
    """

    path: Path
    version: str
    written_us: int
    done: float = 0.0

    @property
    def folder(self) -> str:
        """Feature set, version and day."""
        return "/".join(self.path.parts[-4:-1])


class Looked:
    """The memory of one project's audit, which is the only one while it is open. Also a context manager.

    Raises: ConfigError       when another audit of the project is running.
            StoreUnavailable  when its file cannot be used.
    """

    def __init__(self, home: Path) -> None:
        folder = home / "audit"
        self.served, self._path = home / "served", folder / "looked.sqlite"
        with told(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            lock = flock(folder / "lock", wait=False)
            if lock is None:
                raise ConfigError(
                    "another audit of this project is running",
                    where=str(folder),
                    fix="stop it first: two would count everything twice",
                )
            self._lock = lock
            try:
                self._rows = sqlite3.connect(self._path, isolation_level=None)
                self._rows.execute("PRAGMA synchronous = FULL")
                self._rows.execute(
                    "CREATE TABLE IF NOT EXISTS looked (look TEXT, folder TEXT, name TEXT, share REAL DEFAULT 1, "
                    "PRIMARY KEY (look, folder, name)) WITHOUT ROWID"
                )
                if "share" not in [name for _, name, *_ in self._rows.execute("PRAGMA table_info(looked)")]:
                    self._rows.execute("ALTER TABLE looked ADD COLUMN share REAL DEFAULT 1")
            except BaseException:
                unlock(lock)
                raise
        self._through: dict[tuple[str, str, float], int] = {}

    def waiting(self, look: str, feature_set: str, until_us: int, share: float = 1.0) -> list[LogFile]:
        """The files of a feature set of which less than `share` was compared, written before an instant, oldest
        first."""
        found: list[LogFile] = []
        for version in _folders(self.served / feature_set):
            for day in _folders(version):
                found += self._waiting_of_day(look, version.name, day, until_us, share)
        return sorted(found, key=lambda each: (each.written_us, each.path))

    def remember(self, look: str, files: Iterable[LogFile], share: float = 1.0) -> None:
        """Note that a share of these files was compared, of all of them or of none."""
        rows = [(look, each.folder, each.path.name, share) for each in files]
        with told(self._path):
            self._rows.execute("BEGIN")
            self._rows.executemany(
                "INSERT OR REPLACE INTO looked (look, folder, name, share) VALUES (?, ?, ?, ?)", rows
            )
            self._rows.execute("COMMIT")

    def forget_removed(self) -> None:
        """Forget the days that the log itself has removed."""
        with told(self._path):
            for (folder,) in self._rows.execute("SELECT DISTINCT folder FROM looked").fetchall():
                if not (self.served / folder).is_dir():
                    self._rows.execute("DELETE FROM looked WHERE folder = ?", (folder,))

    def close(self) -> None:
        """Let another audit begin."""
        self._rows.close()
        unlock(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _waiting_of_day(self, look: str, version: str, day: Path, until_us: int, share: float) -> Sequence[LogFile]:
        with suppress(FileNotFoundError):
            changed_ns = day.stat().st_mtime_ns
            if self._through.get((look, str(day), share)) == changed_ns:
                return ()
            settled = time.time_ns() - changed_ns > _SETTLED_S * 1e9
            with os.scandir(day) as entries:
                there = [each for each in entries if each.name.endswith(SUFFIX)]
            folder = "/".join(day.parts[-3:])
            with told(self._path):
                query = "SELECT name, share FROM looked WHERE look = ? AND folder = ?"
                known = dict(self._rows.execute(query, (look, folder)).fetchall())
            new = [each for each in there if each.name not in known or known[each.name] < share]
            if not new and settled:
                self._through[look, str(day), share] = changed_ns
            found = [LogFile(Path(each.path), version, _written_us(each), known.get(each.name, 0.0)) for each in new]
            return [each for each in found if 0 < each.written_us <= until_us]
        return ()


def _written_us(entry: os.DirEntry[str]) -> int:
    """When a file was written; 0 for one that was removed meanwhile."""
    try:
        return entry.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return 0


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(each.path) for each in entries if each.is_dir())
    except FileNotFoundError:
        return []
