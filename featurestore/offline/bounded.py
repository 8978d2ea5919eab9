"""A training set that does not fit in memory: its rows put into buckets of their keys, answered one after another.

A build leaves what it has finished in a work folder, and the next build of the same training set goes on there. The
file is the one that a build in one go would have written, byte for byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.offline.about import with_about
from featurestore.offline.accounts import account_of, check_usable, counted_sql
from featurestore.offline.buckets import (
    ANSWER_GROUP_ROWS,
    BUCKET,
    EMPTY,
    KeyedRows,
    Part,
    answers_sql,
    bucketed_questions,
    bucketed_rows,
    features_sql,
    parts_of_plan,
    read_sql,
    rows_of_all,
    rows_of_bucket,
)
from featurestore.offline.choices import choose
from featurestore.offline.connection import connect, define_macros, define_zone, literal, quoted
from featurestore.offline.content import content_of
from featurestore.offline.interrupts import interruptible
from featurestore.offline.memory import limit_bytes, row_bytes
from featurestore.offline.python_functions import calling
from featurestore.offline.scan import History, reading
from featurestore.offline.spine import SPOOLED, Spine, SpineQuery, ask, check_names, spooled
from featurestore.offline.spine_notes import notes_of
from featurestore.offline.states import zones_of
from featurestore.offline.unchanged import check_spine, digest_of, seen_spine
from featurestore.offline.work import Work, work_folder
from featurestore.offline.written import GROUP_ROWS, Writer, side_by_side, written
from featurestore.plan.nodes import Plan
from featurestore.plan.outcomes import SetAside

Progress = Callable[[str, int, int], None]
PORTION_SHARE = 10
"""The features of so large a part of the limit are made at once, at least those of one row group."""
MOST_GROUPS = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a build may take of the machine: memory such as `4GB`, and the folder of unfinished work. `buckets` are as
    many as the memory asks for, unless they are given."""

    memory_limit: str
    home: Path
    buckets: int | None = None


@dataclass(slots=True)
class Built:
    """What was built: its table or its file, and what is said of it. `kept` pieces of work were there before."""

    held: pa.Table | Path
    sql: str
    version: str
    accounts: dict[str, SetAside]
    rows: int
    buckets: int
    kept: int
    notes: tuple[str, ...]
    about: dict[str, str]


@dataclass(slots=True)
class _Build:
    """One build: its connection to DuckDB, its work folder, and how far it is."""

    plan: Plan
    history: History
    connection: duckdb.DuckDBPyConnection
    work: Work
    progress: Progress | None
    rows: list[KeyedRows]
    parts: list[Part]
    texts: list[str] = field(default_factory=list)
    done: int = 0

    def tell(self, what: str) -> None:
        """Say what is being done; the steps are those of the rows, of the parts, their buckets, and the file."""
        if self.progress is not None:
            steps = 2 + len(self.rows) + len(self.parts) * self.work.buckets
            self.progress(what, self.done, steps)
        self.done += 1

    def run(self, sql: str) -> None:
        """Run a statement that may take long."""
        interruptible(self.connection, self.connection.execute, sql)


def build_bounded(
    plan: Plan,
    spine: Spine | SpineQuery,
    as_of: str,
    history: History,
    to: Path | None,
    bounds: Bounds,
    buckets: int,
    statuses: bool,
    threads: int | None,
    describe: Callable[[str], dict[str, str]],
    progress: Progress | None,
) -> Built:
    """Build a training set in buckets, into the file `to` or else as a table. `describe` gives the metadata of the file
    for a version, before the file is begun.

    Raises: as `build_dataset`.
    """
    sources = plan.scans
    if history.log is not None:  # what is pushed from now on is not part of it, however long it takes
        history = replace(history, upto={source: history.log.head(source) for source in sources} | history.upto)
    rows, parts = parts_of_plan(plan)
    name = digest_of(plan, parts, spine, as_of, history, statuses=statuses)
    with work_folder(bounds.home, plan.name, name, buckets, exactly=bounds.buckets is not None) as work:
        folders = [history.root, work.folder, *(path for scan in sources.values() for path in history.folders(scan))]
        connection = connect(folders, threads=threads, memory_limit=bounds.memory_limit, spill=work.spill)
        try:
            build = _Build(plan, history, connection, work, progress, rows, parts)
            with _kept_told(build):
                if isinstance(spine, SpineQuery):
                    query = spine
                    spine = spooled(
                        work.piece(f"spine{SPOOLED}", lambda path: query.spool(path, bounds.memory_limit, work.spill))
                    )
                seen = seen_spine(spine) if spine.file else []
                check_names(plan, spine.schema, statuses)
                for zone in sorted(zones_of(plan.expressions)):
                    define_zone(connection, zone)
                asked = _ask(build, spine, as_of)
                connection.execute(f"CREATE OR REPLACE TEMP VIEW asked AS {read_sql([asked])}")
                notes = notes_of(connection, plan, spine.rows)
                accounts, version = _read(build)
                about = describe(version)
                answers = {part.name: _answer(build, part, asked, spine.rows) for part in parts}
                build.tell("writing the file")
                target = to or work.folder / "dataset.parquet"
                with written(target) as path:
                    _write(
                        build,
                        spine,
                        asked,
                        answers,
                        path,
                        seen,
                        limit_bytes(bounds.memory_limit),
                        about,
                        statuses=statuses,
                    )
        finally:
            connection.close()
        held = target if to is not None else pq.ParquetFile(target).read().replace_schema_metadata(None)
        text = ";\n\n".join(build.texts)
        return Built(held, text, version, accounts, spine.rows, work.buckets, work.kept, notes, about)


@contextmanager
def _kept_told(build: _Build) -> Iterator[None]:
    """Say on Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        count = len(list((build.work.folder / "answers").glob("*/*.parquet")))
        every = len(build.parts) * build.work.buckets
        raise KeyboardInterrupt(
            f"{count} of {every} buckets are finished and kept in {build.work.folder}; the same training set, asked "
            "for again, goes on from there"
        ) from None


def _ask(build: _Build, spine: Spine, as_of: str) -> Path:
    """The questions, in the order of the spine."""
    build.tell("reading the spine")

    def make(path: Path) -> None:
        ask(build.connection, build.plan, spine, as_of, lambda sql: _copy(sql, path))

    return build.work.piece("asked.parquet", make)


def _read(build: _Build) -> tuple[dict[str, SetAside], str]:
    """Put the rows of every source into buckets; their accounts, and the version with what the static ones hold."""
    accounts: dict[str, SetAside] = {}
    contents = []
    for rows in build.rows:
        scan, source = rows.scan, rows.scan.source
        states = [state for state in build.plan.states if state.scan.source == source]
        build.tell(f"{rows.told}: its rows into {build.work.buckets} buckets")
        text, _ = counted_sql(build.connection, scan, build.history, states, once=True)
        build.texts.append(bucketed_rows(text, rows, build.work.buckets))
        with reading(scan):
            folder = build.work.piece(rows.name, partial(_partition, build, build.texts[-1]))
        if source not in accounts:
            read = f"{source}.read"
            build.run(f"CREATE OR REPLACE TEMP VIEW {quoted(read)} AS {rows_of_all(folder)}")
            connection = build.connection
            accounts[source] = interruptible(connection, account_of, connection, scan, build.history, states, read)
            check_usable(accounts[source], scan)
            if source in build.plan.static_sources:
                contents.append((source, content_of(build.connection, scan, quoted(read))))
    return accounts, build.plan.version_with(contents)


def _answer(build: _Build, part: Part, asked: Path, questions: int) -> list[Path]:
    """Answer a part bucket by bucket; the files of its answers."""
    build.run(f"CREATE OR REPLACE TEMP VIEW asked AS {read_sql([asked])}")
    sorted_out = build.work.piece(
        f"asked/{part.name}", partial(_partition, build, bucketed_questions(part, build.work.buckets))
    )
    files: list[Path] = []
    rate = _Rate(questions)
    for bucket in range(build.work.buckets):
        rows = rows_of_bucket(build.work.folder / part.rows.name, bucket)
        if bucket == 0:
            build.texts.append(answers_sql(part, build.plan, rows))
        build.tell(f"{part.rows.told}: bucket {bucket + 1} of {build.work.buckets}, {rate}")
        before = build.work.kept
        make = partial(_answer_bucket, build, part, rows, rows_of_bucket(sorted_out, bucket))
        files.append(build.work.piece(f"answers/{part.name}/{bucket}.parquet", make))
        rate.add(pq.read_metadata(files[-1]).num_rows, made=build.work.kept == before)
    return files


def _answer_bucket(build: _Build, part: Part, rows: str, asked: str, path: Path) -> None:
    build.run(f"CREATE OR REPLACE TEMP VIEW asked AS {asked}")
    source = part.rows.scan.source
    build.run(f"CREATE OR REPLACE TEMP VIEW {quoted(f'{source}.bucket')} AS {rows}")
    choices = interruptible(
        build.connection, choose, build.connection, part.plan(build.plan), {source: f"{source}.bucket"}
    )
    sql = answers_sql(part, build.plan, rows, choices)
    define_macros(build.connection, sql)
    build.run(_copy(sql, path))


def _write(
    build: _Build,
    spine: Spine,
    asked: Path,
    answers: dict[str, list[Path]],
    target: Path,
    seen: list[Any],
    limit: int,
    about: dict[str, str],
    *,
    statuses: bool,
) -> None:
    """The features of some rows of the spine after those before them."""
    connection, plan = build.connection, build.plan
    width = row_bytes(output.dtype for output in plan.outputs) + 32 * len(spine.schema)
    portion = GROUP_ROWS * max(1, min(MOST_GROUPS, limit // PORTION_SHARE // (width * GROUP_ROWS)))
    connection.execute("DROP VIEW IF EXISTS asked")

    def features(first: int) -> pa.Table:
        chosen = f" WHERE spine_row >= {first} AND spine_row < {first + portion}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE asked AS {read_sql([asked])}{chosen}")
        some = {name: f"{read_sql(files)}{chosen}" for name, files in answers.items()}
        sql = features_sql(plan, build.parts, some, statuses=statuses)
        if first == 0:
            build.texts.append(sql)
            define_macros(connection, sql)
        found: pa.Table = connection.sql(sql).to_arrow_table()
        return found

    with calling(connection, plan):
        writer = None
        first = 0
        try:
            for table in spine.tables(portion) if spine.rows else [spine.schema.empty_table()]:
                check_spine(spine, seen)
                found = interruptible(connection, features, first)
                whole = side_by_side(table, found, plan, statuses=statuses)
                writer = writer or Writer(target, with_about(whole.schema, about))
                writer.write(whole)
                first += portion
        finally:
            if writer is not None:
                writer.close()


def _partition(build: _Build, sql: str, path: Path) -> None:
    """Write the rows of each bucket into a folder of its own, and a file without rows for buckets that have none."""
    path.mkdir(parents=True)
    described = build.connection.execute(f"DESCRIBE {sql}").fetchall()
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(str(name))}" for name, kind, *_ in described[:-1])
    build.run(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, PARTITION_BY ({BUCKET}), OVERWRITE_OR_IGNORE)")
    build.run(_copy(f"SELECT {columns} WHERE FALSE", path / EMPTY))


def _copy(sql: str, path: Path) -> str:
    return f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, ROW_GROUP_SIZE {ANSWER_GROUP_ROWS})"


class _Rate:
    """How many rows are answered, how fast, and how long the others will take."""

    def __init__(self, rows: int) -> None:
        self._rows, self._done, self._made = rows, 0, 0
        self._started_s = time.monotonic()

    def add(self, rows: int, *, made: bool) -> None:
        """Count rows, which were made now or kept from an earlier build."""
        self._done += rows
        self._made += rows if made else 0

    def __str__(self) -> str:
        told = f"{self._done:,} of {self._rows:,} rows"
        if not self._made:
            return f"{told}, kept from an earlier build" if self._done else told
        rate = self._made / max(time.monotonic() - self._started_s, 1e-9)
        left_s = (self._rows - self._done) / rate
        left = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
        return f"{told}, {rate:,.0f} rows/s, {left} left"
