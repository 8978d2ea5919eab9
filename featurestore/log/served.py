"""The serving log: a record of each lookup, kept in memory for a moment and written to Parquet beside the answers.

A lookup leaves its values in flat lists and goes on. A thread of its own makes columns of what came, a few rows at a
time, and writes a file every half minute. What it cannot hold or write is dropped and counted: no lookup waits for a
disk, or fails with one.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurestore.log.served_columns import Answer, Rows, Shape
from featurestore.log.served_files import (
    DAY_US,
    Retention,
    ServedVersion,
    keep_plan,
    served_rows,
    served_sets,
    write_file,
)
from featurestore.plan.nodes import Plan

__all__ = ["OUTCOMES", "ServedLog", "ServedVersion", "is_sampled", "served_rows", "served_sets"]

OUTCOMES = ("written", "sampled_out", "buffer_full", "write_failed")
"""What becomes of the record of a lookup."""
FLUSH_S = 30.0
FLUSH_ROWS = 50_000
PACE_S = 5.0
"""How often the thread makes columns of what came: the seldomer, the fewer lookups meet it."""
BREATH_S, SHORT_BREATH_S = 0.004, 0.0005
"""How long the thread computes before it rests as long: Python runs one thread at a time, and hands over by itself
only every 5 ms. Each hand-over meets a lookup and holds it up for that long: of small lookups few should meet one,
and large ones, which all meet some, should meet short ones."""
LARGE_ROWS = 10
"""Questions of a lookup that is large."""
MOST_RECORDS = 50_000
MOST_CELLS = 4_000_000
"""Of eight bytes each, so a long text or a list is several."""
CLOSE_S = 10.0
"""How long closing, or a fork, waits for a disk that hangs."""
_KNOWN_SHAPES = 64
_logger = logging.getLogger(__name__)


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a lookup of this id is in a sample: the same ones whenever and wherever it is asked.

    >>> is_sampled("a", 0.0), is_sampled("a", 0.2), is_sampled("a", 1.0)
    (False, True, True)
    """
    digest = md5(request_id.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


_Kind = tuple[int, str, int]
"""What goes into one file: a shape by its id, a version, and the day."""


class _File:
    """Columns on their way into one file."""

    def __init__(self, first: Rows) -> None:
        self.shape, self.version, self.first_us = first.shape, first.version, first.first_us
        self.batches: list[pa.RecordBatch] = []
        self.lookups = self.cells = self.rows = 0

    def add(self, rows: Rows, batches: list[pa.RecordBatch]) -> None:
        self.batches += batches
        self.lookups += rows.lookups
        self.cells += rows.cells
        self.rows += rows.rows


class ServedLog:
    """The records of one process. Threads may share it; a child after a fork begins with an empty one.

    `share` of the lookups is kept, for `days` days and `most_bytes` bytes at most. `flush_s` and `flush_rows` say when
    a file is written, `most_records` and `most_cells` what is held in memory until then.
    """

    def __init__(
        self,
        folder: Path,
        share: float = 1.0,
        *,
        days: int = 14,
        most_bytes: int = 10 * 2**30,
        flush_s: float = FLUSH_S,
        flush_rows: int = FLUSH_ROWS,
        most_records: int = MOST_RECORDS,
        most_cells: int = MOST_CELLS,
    ) -> None:
        self.folder, self.share = Path(folder).absolute(), share
        self._retention = Retention(self.folder, days, most_bytes)
        self._flush_s, self._flush_rows = flush_s, flush_rows
        self._most_records, self._most_cells = most_records, most_cells
        self._shapes: dict[int, Shape] = {}
        self._failing = self._cluttered = False
        self._begin()
        _logs.add(self)

    def _begin(self) -> None:
        self._taking = threading.Lock()  # held for a few instructions: what came, and the counts
        self._writing = threading.Lock()  # held by whoever makes columns and files
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._waiting: dict[_Kind, Rows] = {}
        self._files: dict[_Kind, _File] = {}
        self._flush_at = 0.0
        self._records = self._cells = self._number = self._bytes = 0
        self._counts = dict.fromkeys(OUTCOMES, 0)

    # The hot path

    def offer(
        self,
        plan: Plan,
        questions: Sequence[Mapping[str, Any]],
        vectors: Answer,
        served_us: int,
        asked: bool,
    ) -> None:
        """Take a lookup, if it is in the sample and there is room. Never waits for a disk, never raises.

        `questions` are canonical; `asked` is whether the instant was given by who asked.
        """
        if not questions:
            return
        try:
            if self.share < 1 and not is_sampled(vectors.request_id, self.share):
                self._count("sampled_out", 1)
                return
            shape = self._shapes.get(id(plan)) or self._learn(plan)
            cells = shape.cells(questions, vectors.values)
            kind = (id(shape), vectors.version, served_us // DAY_US)
            with self._taking:
                if self._records >= self._most_records or self._cells + cells > self._most_cells:
                    self._counts["buffer_full"] += 1
                    return
                rows = self._waiting.get(kind)
                if rows is None:
                    rows = self._waiting[kind] = Rows(shape, vectors.version, served_us)
                rows.add(questions, vectors, served_us, asked, cells)
                self._records += 1
                self._cells += cells
                idle, first = self._records == 1, self._thread is None
                if first:
                    self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
            if first:
                self._start()
            elif idle or (self._cells * 2 > self._most_cells and not self._wake.is_set()):
                self._wake.set()
        except Exception as error:
            self._fail(error, 1)

    def _learn(self, plan: Plan) -> Shape:
        if len(self._shapes) >= _KNOWN_SHAPES:  # a notebook plans again and again
            self._shapes = {}
        shape = self._shapes[id(plan)] = Shape.of(plan)
        return shape

    def _start(self) -> None:
        thread = self._thread
        try:
            if thread is not None:
                thread.start()
        except RuntimeError:  # no thread to be had now; the next lookup tries again
            self._thread = None

    def counts(self) -> dict[str, int]:
        """Records by what became of them, and `bytes` that were written."""
        with self._taking:
            return {**self._counts, "bytes": self._bytes}

    def _count(self, outcome: str, records: int) -> None:
        with self._taking:
            self._counts[outcome] += records

    # The thread

    def _run(self) -> None:
        me = threading.current_thread()
        while self._thread is me:
            self._wake.wait(PACE_S if self._records else None)
            self._wake.clear()
            with self._writing:
                if self._thread is me:
                    self._work()

    def _work(self) -> None:
        try:
            self._collect(gently=True)
            if self._files and (time.monotonic() >= self._flush_at or self._rows() >= self._flush_rows):
                self._flush()
        except Exception as error:  # a thread that ended would leave memory full for good
            self._fail(error, 0)

    def _rows(self) -> int:
        return sum(file.rows for file in self._files.values())

    def flush(self) -> None:
        """Write what is held, now; what a disk that hangs keeps from being written stays held."""
        if not self._writing.acquire(timeout=CLOSE_S):
            return
        try:
            self._collect(gently=False)
            self._flush()
        finally:
            self._writing.release()

    def close(self) -> None:
        """Write what is held and let the thread go. A record that comes later is taken all the same."""
        with self._taking:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.set()
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(CLOSE_S)
        self.flush()

    def _collect(self, *, gently: bool) -> None:
        """Make columns of what came."""
        with self._taking:
            waiting, self._waiting = self._waiting, {}
        if waiting and not self._files:
            self._flush_at = time.monotonic() + self._flush_s
        for kind, rows in waiting.items():
            large = rows.rows > LARGE_ROWS * rows.lookups
            breathe = _Breath(SHORT_BREATH_S if large else BREATH_S) if gently else None
            try:
                batches = list(rows.batches(breathe))
            except Exception as error:
                self._let_go(rows.lookups, rows.cells)
                self._fail(error, rows.lookups)
                continue
            self._files.setdefault(kind, _File(rows)).add(rows, batches)

    def _flush(self) -> None:
        files, self._files = self._files, {}
        for file in files.values():
            self._number += 1
            try:
                table = pa.Table.from_batches(file.batches, file.shape.schema(file.version))
                keep_plan(self.folder, file.version, file.shape.plan)
                written = write_file(self.folder, table, file.first_us, self._number)
            except Exception as error:
                self._fail(error, file.lookups)
            else:
                self._succeed(file.lookups, written)
            self._let_go(file.lookups, file.cells)
        if files and not self._failing:
            self._remove_old(max(key[2] for key in files))

    def _remove_old(self, today: int) -> None:
        try:
            self._retention.keep(today, self._bytes)
            self._cluttered = False
        except OSError as error:
            if not self._cluttered:
                self._cluttered = True
                _logger.warning("old files of the serving log cannot be removed: %s", error)

    def _let_go(self, records: int, cells: int) -> None:
        with self._taking:
            self._records -= records
            self._cells -= cells

    def _succeed(self, records: int, written: int) -> None:
        with self._taking:
            self._counts["written"] += records
            self._bytes += written
        if self._failing:
            self._failing = False
            _logger.warning("the serving log is written again")

    def _fail(self, error: Exception, records: int) -> None:
        self._count("write_failed", records)
        if not self._failing:
            self._failing = True
            _logger.warning(
                "the serving log cannot be written, and lookups go on without it: %s: %s", type(error).__name__, error
            )

    # A fork

    def _before_fork(self) -> bool:
        self.flush()
        return self._writing.acquire(timeout=CLOSE_S)

    def _after_fork_in_child(self) -> None:
        self._begin()


class _Breath:
    """Lets others run after every so many seconds of work, for as long."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._since = time.perf_counter()

    def __call__(self) -> None:
        now = time.perf_counter()
        if now - self._since >= self._length_s:
            time.sleep(self._length_s)
            self._since = time.perf_counter()


_logs: weakref.WeakSet[ServedLog] = weakref.WeakSet()
_paused: list[ServedLog] = []


def _before_fork() -> None:
    _paused.extend(log for log in list(_logs) if log._before_fork())


def _after_fork_in_parent() -> None:
    for log in _paused:
        log._writing.release()
    _paused.clear()


def _after_fork_in_child() -> None:
    _paused.clear()
    for log in list(_logs):
        log._after_fork_in_child()


def _at_exit() -> None:
    for log in list(_logs):
        log.close()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
