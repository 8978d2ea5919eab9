"""The SQLite files of a log, one for each source: `progress` (one row) and the rows that are not sealed yet.

A process that forks with an SQLite file open leaves its child with locks that the child believes in and the kernel
does not know: the next close elsewhere removes the write-ahead log under it, and acknowledged rows with it. So
connections are closed before a fork, when each thread has finished what it is doing, and opened again when needed.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from featurestore.log.disk import sync, told
from featurestore.log.segments import SCHEMA, to_table

_CREATE = """
PRAGMA journal_mode = WAL;
CREATE TABLE rows (position INTEGER PRIMARY KEY, known_at_us INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), head INTEGER, sealed INTEGER, known_at_us INTEGER);
INSERT INTO progress VALUES (1, 0, 0, NULL);
"""
_ADVANCE = "UPDATE progress SET head = ?2, sealed = ?3, known_at_us = max(coalesce(known_at_us, ?1), ?1)"
_ROWS = "SELECT position, known_at_us, body FROM rows WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"


class Progress(NamedTuple):
    """How far a source has come: greatest position, greatest sealed position, greatest `known_at_us`."""

    head: int
    sealed: int
    known_at_us: int | None


class _Opened(NamedTuple):
    file: tuple[int, int]  # device and inode
    connection: sqlite3.Connection


class Tails:
    """The connections of one process to the SQLite files of a folder: one for each thread and source, opened late."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: dict[tuple[int, str], _Opened] = {}
        self._busy: dict[int, threading.RLock] = {}  # thread -> held while it uses any of its connections
        self._busy_changes = threading.Lock()
        self._paused: ExitStack | None = None
        _tails.add(self)

    def path(self, source: str) -> Path:
        """The SQLite file of a source."""
        return self.folder / f"{source}.sqlite"

    @contextmanager
    def use(self, source: str) -> Iterator[sqlite3.Connection | None]:
        """This thread's connection, or None when the source has no file; never let it out of the block.

        Raises: StoreUnavailable  for what SQLite and the file system raise in the block.
        """
        me = threading.get_ident()
        busy = self._busy.get(me)
        if busy is None:
            with self._busy_changes:
                busy = self._busy.setdefault(me, threading.RLock())
        with told(self.path(source)), busy:
            yield self._open(source)

    def create(self, source: str) -> sqlite3.Connection:
        """In `use` and in the turn: a new file, renamed into place so that no reader meets one without its tables."""
        path = self.path(source)
        for left in self.folder.glob(f"{source}.sqlite?*"):
            left.unlink()
        temporary = path.with_name(f"{path.name}.tmp")
        fresh = sqlite3.connect(temporary, isolation_level=None)
        try:
            fresh.executescript(_CREATE)
        finally:
            fresh.close()
        os.replace(temporary, path)
        sync(self.folder)
        connection = self._open(source)
        assert connection is not None
        return connection

    def close(self) -> None:
        """Close the connections of every thread, each when the thread has done with it."""
        with self._all_idle():
            self._close()

    def pause(self) -> None:
        """Before a fork: close all, and let nobody open anything until `resume`."""
        stack = ExitStack()
        stack.enter_context(self._all_idle())
        self._close()
        self._paused = stack

    def resume(self) -> None:
        """After a fork, in the parent."""
        if self._paused is not None:
            paused, self._paused = self._paused, None
            paused.close()

    def begin_anew(self) -> None:
        """After a fork, in the child, where the other threads are gone."""
        self._opened, self._busy, self._busy_changes, self._paused = {}, {}, threading.Lock(), None

    def _close(self) -> None:
        for opened in self._opened.values():
            opened.connection.close()
        self._opened.clear()

    @contextmanager
    def _all_idle(self) -> Iterator[None]:
        # The stack gives the locks back before `_busy_changes`, which keeps out threads that come for the first time.
        with self._busy_changes, ExitStack() as stack:
            for busy in self._busy.values():
                stack.enter_context(busy)
            yield

    def _open(self, source: str) -> sqlite3.Connection | None:
        key, path = (threading.get_ident(), source), self.path(source)
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        # SQLite goes on writing to a file that somebody removed, and nobody would ever read those rows.
        file = found.st_dev, found.st_ino
        opened = self._opened.get(key)
        if opened is None or opened.file != file:
            if opened is not None:
                opened.connection.close()
            connection = sqlite3.connect(
                f"{path.as_uri()}?mode=rw", uri=True, timeout=30, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
            opened = self._opened[key] = _Opened(file, connection)
        return opened.connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All or nothing."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def progress_of(connection: sqlite3.Connection | None) -> Progress:
    """How far a source has come; zeros without a file."""
    if connection is None:
        return Progress(0, 0, None)
    return Progress(*connection.execute("SELECT head, sealed, known_at_us FROM progress").fetchone())


def advance(connection: sqlite3.Connection, head: int, sealed: int, known_at_us: int | None) -> None:
    """Move the progress on, in a transaction; what is sealed leaves the tail."""
    before = progress_of(connection).sealed
    connection.execute(_ADVANCE, (known_at_us, head, sealed))
    if sealed > before:
        connection.execute("DELETE FROM rows WHERE position <= ?", (sealed,))


def rows_of(connection: sqlite3.Connection, after: int, upto: int, limit: int) -> pa.Table:
    """The first rows of the tail with after < position <= upto, at most `limit`, in order."""
    found = connection.execute(_ROWS, (after, upto, limit)).fetchall()
    return to_table(*zip(*found, strict=True)) if found else SCHEMA.empty_table()


_tails: weakref.WeakSet[Tails] = weakref.WeakSet()
_pausing: list[Tails] = []
_forking = threading.Lock()


def _before_fork() -> None:
    _forking.acquire()
    _pausing.extend(_tails)
    for tails in _pausing:
        tails.pause()


def _after_fork_in_parent() -> None:
    for tails in _pausing:
        tails.resume()
    _pausing.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    for tails in _pausing:
        tails.begin_anew()
    _pausing.clear()
    _forking.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
