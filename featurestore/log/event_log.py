"""A durable, numbered log of pushed rows that many processes of one host share: an SQLite tail, Parquet behind it.

    <folder>/log.identity                     the log's random id
    <folder>/<source>.lock                    held during a turn
    <folder>/<source>.sqlite                  `progress` (one row) and the tail: rows with position > progress.sealed
    <folder>/<source>/<first>-<last>.parquet  sealed rows, never changed again

What a reader sees is decided by `progress` alone, in the SQLite transaction that changes it. A segment that a crash
left beyond `progress.sealed` is invisible until the next turn, or the next process to open the source, takes it in:
its rows are whole and on disk, and nothing was numbered after them.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from featurestore.errors import InvalidValue, StoreUnavailable
from featurestore.log import segments
from featurestore.log.disk import damaged, flock, identity_of, told, unlock
from featurestore.log.tail import Progress, Tails, advance, progress_of, rows_of, transaction

_GROUP = 100_000  # rows of a Parquet row group
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One pushed row: its position in its source, the instant it was known, and its JSON text."""

    position: int
    known_at_us: int
    body: str


class EventLog:
    """The pushed rows of every source, in order; positions run from 1 without gaps.

    Threads and processes may share a log, each through its own `EventLog` or one before a fork.
    Raises: StoreUnavailable  from every method, if the folder cannot be read or written.
            InvalidValue      if a source name is not an identifier.
    """

    identity: str  # made once with the folder, so that an online store can tell which log it was fed from

    def __init__(self, folder: Path, *, seal_after: int = 50_000) -> None:
        if seal_after < 1:
            raise ValueError(f"seal_after must be at least 1, not {seal_after}")
        self.folder = Path(folder).absolute()
        self.seal_after = seal_after
        self._tails = Tails(self.folder)
        self._locks: dict[str, threading.Lock] = {}
        self._turns: dict[str, tuple[int, int]] = {}  # source -> thread, descriptor of the lock
        self._settled: set[str] = set()
        with told(self.folder):
            self.identity = identity_of(self.folder)
        _logs.add(self)

    @contextmanager
    def turn(self, source: str) -> Iterator[None]:
        """The exclusive right to write for one source, among all threads and processes; waits until it is free.

        Raises: RuntimeError  if this thread has the turn already.
        """
        _check(source)
        if self._has_turn(source):
            raise RuntimeError(f"this thread has the turn of {source} already")
        self._enter(source, wait=True)
        try:
            yield
        finally:
            self._leave(source)

    def idle(self, source: str) -> bool:
        """True when nobody has the turn: what is committed and not applied then was left by a writer that died."""
        _check(source)
        if not self._enter(source, wait=False):
            return False
        self._leave(source)
        return True

    def append(self, source: str, bodies: Sequence[str], known_at_us: int | Sequence[int]) -> range:
        """Append rows, all or none, and return their positions once they are on disk.

        Units:  known_at_us in microseconds UTC: one for all rows, or one for each.
        Raises: RuntimeError  outside the turn of the source.
        """
        _check(source)
        if not self._has_turn(source):
            raise RuntimeError(f"append to {source} outside of its turn")
        instants = [known_at_us] * len(bodies) if isinstance(known_at_us, int) else known_at_us
        if len(instants) != len(bodies):
            raise ValueError(f"{len(bodies)} rows with {len(instants)} instants")
        head, sealed, _ = self._progress(source)
        positions = range(head + 1, head + 1 + len(bodies))
        if not bodies:
            return positions
        with self._tails.use(source) as found:
            connection = found or self._tails.create(source)
            if len(bodies) >= self.seal_after:
                self._seal(source, connection, bodies, instants)
                return positions
            with transaction(connection):
                rows = zip(positions, instants, bodies, strict=True)
                connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", rows)
                advance(connection, positions[-1], sealed, max(instants))
            if positions[-1] - sealed > self.seal_after:
                # The rows are committed: failing to move them is no failure to append, and the next append tries again.
                try:
                    self._seal(source, connection)
                except (sqlite3.Error, OSError) as error:
                    _logger.warning("sealing the log of %s failed and will be tried again: %s", source, error)
        return positions

    def head(self, source: str) -> int:
        """The greatest position of a source, 0 when it has none."""
        return self._progress(source).head

    def last_known_at_us(self, source: str) -> int | None:
        """The greatest `known_at_us` of a source, None when it has no rows.

        Units: microseconds UTC.
        """
        return self._progress(source).known_at_us

    def entries(self, source: str, after: int = 0, upto: int | None = None) -> Iterator[Entry]:
        """Rows with after < position <= upto in order; without `upto`, to the head of this moment."""
        return (
            Entry(*row)
            for batch in self.batches(source, after, upto, rows=10_000)
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        )

    def batches(
        self, source: str, after: int = 0, upto: int | None = None, rows: int = 100_000
    ) -> Iterator[pa.RecordBatch]:
        """The rows of `entries` as Arrow, at most `rows` in a batch.

        Shape: columns position int64, known_at_us int64, body string.
        """
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        head = self.head(source)
        return self._read(source, max(after, 0), head if upto is None else min(upto, head), rows)

    def sources(self) -> list[str]:
        """The names of the sources that have rows, sorted."""
        with told(self.folder):
            names = {path.stem for path in self.folder.iterdir() if path.suffix == ".sqlite" or path.is_dir()}
        return sorted(name for name in names if name.isidentifier() and self.head(name))

    def close(self) -> None:
        """Close this process's files; a later call opens them again."""
        self._tails.close()

    # The turn

    def _has_turn(self, source: str) -> bool:
        held = self._turns.get(source)
        return held is not None and held[0] == threading.get_ident()

    def _enter(self, source: str, *, wait: bool) -> bool:
        lock = self._locks.setdefault(source, threading.Lock())
        if not lock.acquire(blocking=wait):
            return False
        try:
            path = self.folder / f"{source}.lock"
            with told(path):
                descriptor = flock(path, wait=wait)
            if descriptor is None:
                lock.release()
                return False
        except BaseException:
            lock.release()
            raise
        self._turns[source] = (threading.get_ident(), descriptor)
        try:
            self._settle(source)
        except BaseException:
            self._leave(source)
            raise
        return True

    def _leave(self, source: str) -> None:
        held = self._turns.pop(source, None)
        if held is not None:  # a child forked inside the turn has nothing to give back
            unlock(held[1])
            self._locks[source].release()

    def _settle(self, source: str) -> None:
        """In the turn: take in the segments that a crash left between their rename and the commit."""
        with told(self.folder):
            if identity_of(self.folder) != self.identity:
                raise StoreUnavailable(
                    "the event log was replaced by another one while it was in use",
                    where=str(self.folder),
                    fix="restart this process",
                )
        with self._tails.use(source) as found:
            head, sealed, _ = progress_of(found)
            stranded = self._stranded(source, sealed)
            if stranded:
                connection = found or self._tails.create(source)
                for segment in stranded:
                    if segment.first != sealed + 1:
                        raise damaged(source, segment.path, f"no segment with position {sealed + 1}")
                    sealed = segment.last
                known_at_us = max(segments.last_known_at_us(segment) for segment in stranded)
                with transaction(connection):
                    advance(connection, max(head, sealed), sealed, known_at_us)
        self._settled.add(source)

    def _stranded(self, source: str, sealed: int) -> list[segments.Segment]:
        return [segment for segment in segments.segments_in(self.folder / source) if segment.last > sealed]

    def _forget_parent(self) -> None:
        # Closing a descriptor in the child leaves the lock with the parent, and only with it.
        for _, descriptor in self._turns.values():
            os.close(descriptor)
        self._locks, self._turns = {}, {}

    # The rows

    def _progress(self, source: str) -> Progress:
        _check(source)
        with self._tails.use(source) as connection:
            progress = progress_of(connection)
            if source in self._settled:
                return progress
            if not self._stranded(source, progress.sealed):
                self._settled.add(source)
                return progress
        # A crash, or a writer at work: that one settles it itself.
        if not self._enter(source, wait=False):
            return progress
        self._leave(source)
        return self._progress(source)

    def _seal(
        self, source: str, connection: sqlite3.Connection, bodies: Sequence[str] = (), instants: Sequence[int] = ()
    ) -> None:
        """In the turn: move the tail, and new rows behind it, into one segment."""
        head, sealed, known_at_us = progress_of(connection)
        last = head + len(bodies)

        def tables() -> Iterator[pa.Table]:
            for at in range(sealed, head, _GROUP):
                yield rows_of(connection, at, head, _GROUP)
            for at in range(0, len(bodies), _GROUP):
                some = slice(at, at + _GROUP)
                yield segments.to_table(range(head + 1, last + 1)[some], instants[some], bodies[some])

        path = segments.write(self.folder / source, sealed + 1, last, tables())
        try:
            with transaction(connection):
                advance(connection, last, last, max(instants, default=known_at_us))
        except BaseException:
            # Left there, the next turn would take in rows whose append failed; but never remove what was committed.
            with suppress(OSError, sqlite3.Error):
                if progress_of(connection).sealed < last:
                    path.unlink()
            raise

    def _read(self, source: str, at: int, upto: int, rows: int) -> Iterator[pa.RecordBatch]:
        # No transaction stays open between batches: what the tail loses to a seal meanwhile is found in its segment.
        path = self._tails.path(source)
        while at < upto:
            with self._tails.use(source) as connection:
                if connection is None:
                    raise damaged(source, path, "no such file")
                with transaction(connection, "DEFERRED"):
                    sealed = progress_of(connection).sealed
                    tail = rows_of(connection, at, upto, rows) if at >= sealed else None
                found = segments.segments_in(self.folder / source) if tail is None else []
            if tail is not None:
                if not tail.num_rows or tail["position"][-1].as_py() != at + tail.num_rows:
                    raise damaged(source, path, f"a gap at or after position {at + 1}")
                yield from tail.to_batches(max_chunksize=rows)
                at += tail.num_rows
            for segment in found:
                if segment.first <= at + 1 <= segment.last <= sealed and at < upto:
                    for batch in segments.read(segment, at, upto, rows):
                        at += batch.num_rows
                        yield batch
            if at < min(sealed, upto):
                raise damaged(source, self.folder / source, f"no segment with position {at + 1}")


def _check(source: str) -> None:
    if not source.isidentifier():
        raise InvalidValue(
            f"{source!r} cannot name a source",
            where="the event log",
            fix="use letters, digits and underscores, not beginning with a digit",
        )


_logs: weakref.WeakSet[EventLog] = weakref.WeakSet()


def _after_fork() -> None:
    for log in list(_logs):
        log._forget_parent()


os.register_at_fork(after_in_child=_after_fork)
