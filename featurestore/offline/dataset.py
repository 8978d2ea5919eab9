"""Training sets: a spine with the features of a feature set, each as of its row's own instant."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.offline.about import about_of, spine_note, with_about
from featurestore.offline.accounts import account_of, check_usable, counted_sql, read_source
from featurestore.offline.bounded import Bounds, Progress, build_bounded
from featurestore.offline.choices import NO_CHOICES, Choices, choose, straight_sources
from featurestore.offline.connection import (
    connect,
    define_macros,
    define_zone,
    offset_macro,
    quoted,
    wall_offset_macro,
)
from featurestore.offline.content import content_of
from featurestore.offline.explain import explained
from featurestore.offline.first_rows import first_rows
from featurestore.offline.interrupts import interruptible
from featurestore.offline.memory import buckets_for, limit_bytes, memory_told
from featurestore.offline.python_functions import calling, row_functions
from featurestore.offline.scan import History, lag_of, scan_sql
from featurestore.offline.select import select_sql, tally_names
from featurestore.offline.spine import Spine, ask, check_names, held_spine, spine_of
from featurestore.offline.spine_notes import notes_of
from featurestore.offline.states import zones_of
from featurestore.offline.written import check_target, side_by_side, write_table, written
from featurestore.plan.certificates import Certificate
from featurestore.plan.nodes import Plan
from featurestore.plan.outcomes import SetAside
from featurestore.semantics.macros import macros_of
from featurestore.tables import pandas_frame

if TYPE_CHECKING:
    import pandas as pd


Choosing = Callable[[duckdb.DuckDBPyConnection, Plan, dict[str, str]], Choices]
"""What chooses how a training set is computed, from `asked` and a table or view of each source's rows."""


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """A training set: the spine's columns in their order, then one column a feature.

    `held` is its table, or the Parquet file that it was written to. `sql` is what DuckDB ran over the table `asked`;
    `version` is the feature set's, with the content of the static tables that it read (R20). `set_aside` says for each
    source, by name, how many rows were read and what of them does not count (R16). `certificate` is that of the
    version; None when it has none. `notes` say what is odd about the spine: rows without a key, rows that come twice.
    `about` is the metadata of its file.
    """

    held: pa.Table | Path
    sql: str
    version: str
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    explanation: str = ""
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()
    about: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> pa.Table:
        """The training set as an Arrow table; of one that was written to a file, all of it is read."""
        return self.held if isinstance(self.held, pa.Table) else pq.ParquetFile(self.held).read()

    def explain(self) -> str:
        """What was done, for a person to read: the sources, how each window met the spine, and how long it took."""
        return self.explanation

    def warned(self) -> Dataset:
        """The same, after a warning to the caller's caller for each source whose data are hardly what was meant."""
        for account in self.set_aside.values():
            for text in account.warnings():
                warnings.warn(text, stacklevel=3)
        return self

    def to_arrow(self) -> pa.Table:
        """The training set as an Arrow table."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """The training set as a pandas frame; integers with nulls become nullable `Int64`, never floats."""
        frame: pd.DataFrame = pandas_frame(self.table)
        return frame

    def to_polars(self) -> Any:
        """The training set as a polars frame. Raises: ImportError  without polars."""
        import polars

        return polars.from_arrow(self.table)

    def write(self, path: str | Path) -> Path:
        """Write the training set as a Parquet file, whole or not at all."""
        check_target(path)
        with written(path) as partial:
            if isinstance(self.held, pa.Table):
                write_table(self.held, partial, with_about(self.held.schema, self.about))
            else:
                copyfile(self.held, partial)
        return Path(path)

    def head(self, rows: int = 5) -> pa.Table:
        """The first rows; of a file no others are read."""
        if isinstance(self.held, pa.Table):
            return self.held.slice(0, rows)
        with pq.ParquetFile(self.held) as file:
            first = next(file.iter_batches(rows), None) if rows > 0 else None
            return file.schema_arrow.empty_table() if first is None else pa.Table.from_batches([first])

    def __len__(self) -> int:
        return int(self.held.num_rows if isinstance(self.held, pa.Table) else pq.read_metadata(self.held).num_rows)

    def _repr_html_(self) -> str:
        return str(pandas_frame(self.head(20)).to_html())

    def __repr__(self) -> str:
        return f"<Dataset: {len(self):,} rows of {self.head(0).num_columns} columns, version {self.version}>"


def build_dataset(
    plan: Plan,
    spine: object,
    as_of: str,
    history: History,
    *,
    statuses: bool = False,
    threads: int | None = None,
    to: Path | None = None,
    bounds: Bounds | None = None,
    certify: Callable[[str], object] = str,
    progress: Progress | None = None,
    limit: int | None = None,
) -> Dataset:
    """Answer a spine, in memory or into the Parquet file `to`. The same input gives the same bytes, whatever the number
    of threads, the order of rows in files, and the bounds: what does not fit in these is built in buckets.

    `certify` is told the version before anything is written, and may refuse it. With a `limit`, only so many rows of
    the spine are answered, the first ones.
    Raises: InputError  and its kinds, when the spine or a source does not fit the definitions.
            RowFunctionFailed  when a row function does.
            OutOfMemory  when there is too little.
    """
    if to is not None:
        check_target(to)
    note = spine_note(spine, history.root, limit)
    if limit is not None:
        spine = first_rows(spine, history.root, limit, plan, as_of)

    def describe(version: str) -> dict[str, str]:
        return about_of(plan, version, as_of, note, statuses=statuses, certificate=certify(version))

    with memory_told(bounds.memory_limit if bounds else None):
        if bounds is None:
            held = held_spine(spine, history.root, plan, as_of)
            built = _at_once(plan, held, as_of, history, statuses, threads, progress)
        else:
            given = spine_of(spine, history.root, plan, as_of)
            buckets = bounds.buckets or buckets_for(plan, history, given, limit_bytes(bounds.memory_limit))
            if buckets > 1 or bounds.buckets:
                clock = _Clock()
                done = build_bounded(
                    plan, given, as_of, history, to, bounds, buckets, statuses, threads, describe, progress
                )
                clock.took(f"in {done.buckets} buckets{', some kept from an earlier build' if done.kept else ''}")
                told = explained(plan, as_of, done.rows, done.version, done.accounts, clock.seconds)
                text = f"{_preamble(plan, done.sql)}{done.sql}"
                return Dataset(done.held, text, done.version, done.accounts, told, notes=done.notes, about=done.about)
            with _spilling(bounds) as spill:
                held = held_spine(spine, history.root, plan, as_of)
                built = _at_once(plan, held, as_of, history, statuses, threads, progress, bounds.memory_limit, spill)
    built = replace(built, about=describe(built.version))
    return built if to is None else replace(built, held=built.write(to))


def _at_once(
    plan: Plan,
    spine: Spine,
    as_of: str,
    history: History,
    statuses: bool,
    threads: int | None,
    progress: Progress | None,
    memory_limit: str | None = None,
    spill: Path | None = None,
) -> Dataset:
    scans = plan.scans
    folders = [history.root, *(folder for scan in scans.values() for folder in history.folders(scan))]
    connection = connect(folders, threads=threads, memory_limit=memory_limit, spill=spill)
    clock = _Clock(progress)
    try:
        check_names(plan, spine.schema, statuses)
        for zone in sorted(zones_of(plan.expressions)):
            define_zone(connection, zone)
        ask(connection, plan, spine, as_of)
        notes = notes_of(connection, plan, spine.rows)
        clock.took("spine")
        lags = {source: lag for source, scan in scans.items() if (lag := lag_of(scan, history)) is not None}
        straight = straight_sources(plan, lags) if spine.rows else set()
        try:
            found = _answered(connection, plan, history, lags, straight, statuses, clock)
        except duckdb.Error as error:
            if not straight or isinstance(error, (duckdb.OutOfMemoryException, duckdb.InterruptException)):
                raise
            # what cannot be read is told by the road that reads each source by itself
            found = _answered(connection, plan, history, lags, set(), statuses, clock)
    finally:
        connection.close()
    table = side_by_side(spine.table(), found.table, plan, statuses=statuses)
    version = plan.version_with(found.contents)
    told = explained(plan, as_of, table.num_rows, version, found.accounts, clock.seconds, found.choices)
    text = f"{_preamble(plan, found.sql)}{found.sql}"
    return Dataset(table, text, version, found.accounts, told, notes=notes)


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers to all questions, what was said of the sources and of their contents, and the statements that did
    it."""

    table: pa.Table
    accounts: dict[str, SetAside]
    contents: list[tuple[str, str]]
    choices: Choices
    sql: str


def _answered(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    history: History,
    lags: Mapping[str, int],
    straight: Collection[str],
    statuses: bool,
    clock: _Clock,
) -> _Answers:
    """Answer what is `asked`. The rows of `straight` sources, which are never pushed to, are read by the SELECT itself,
    those of others before."""
    readings, accounts, contents, texts, tallies, declared = [], {}, [], {}, {}, {}
    for source, scan in plan.scans.items():
        read, states = f"{source}.read", [state for state in plan.states if state.scan.source == source]
        if source in straight:
            texts[source], tallies[source] = counted_sql(connection, scan, history, states, identity=False)
            [(rows,)] = connection.execute(f"SELECT count(*) FROM ({texts[source]})").fetchall()
            declared[source] = (rows, lags[source])
            continue
        identity = scan.row_id is not None
        readings.append(read_source(connection, scan, history, states, read, identity=identity))
        accounts[source] = account_of(connection, scan, history, states, read)
        if (lag := lag_of(scan, history)) is not None:  # asked now: a row may have been pushed just before it was read
            declared[source] = (accounts[source].rows, lag)
        if source in plan.static_sources:
            contents.append((source, content_of(connection, scan, quoted(read))))
        texts[source] = f"SELECT * FROM {quoted(read)}"
    clock.took("sources")
    tables = {source: f"{source}.read" for source in texts if source not in straight}
    choices = choose(connection, plan, tables, accounts, declared)
    sql = select_sql(plan, texts, choices, statuses=statuses, tallies=tallies)
    define_macros(connection, sql)
    with calling(connection, plan):
        answers = interruptible(connection, lambda: connection.sql(sql).to_arrow_table())
    for source, tally in tallies.items():
        names = tally_names(source)
        counts, reasons = (answers.column(name)[0].as_py() for name in names)
        accounts[source] = tally.account(counts, ((code, n) for code, n in enumerate(reasons) if n), history, {})
        answers = answers.drop_columns(list(names))
    clock.took(f"features with the rows of {', '.join(tallies)}" if tallies else "features")
    in_order = {source: accounts[source] for source in plan.scans}
    for source, account in in_order.items():
        check_usable(account, plan.scans[source])
    return _Answers(answers, in_order, contents, choices, ";\n\n".join([*readings, *choices.made, sql]))


@contextmanager
def _spilling(bounds: Bounds) -> Iterator[Path]:
    """A folder for what DuckDB cannot hold in memory."""
    above = bounds.home / "training"
    above.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="spill-", dir=above) as folder:
        yield Path(folder)


class _Clock:
    """How long each step took, and for `progress` which one begins."""

    _STEPS = ("spine", "sources", "features")

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._last_s = time.perf_counter()
        self._progress = progress
        self._begin()

    def took(self, step: str) -> None:
        now_s = time.perf_counter()
        self.seconds[step], self._last_s = now_s - self._last_s, now_s
        self._begin()

    def _begin(self) -> None:
        done, steps = len(self.seconds), len(self._STEPS)
        if self._progress is not None and done <= steps:
            self._progress((*self._STEPS, "done")[done], done, steps)


def answer_canonical(
    plan: Plan,
    asked: pa.Table,
    history: History,
    *,
    threads: int | None = None,
    choosing: Choosing | None = None,
) -> pa.Table:
    """Canonical values and statuses for a table that is `asked` already; what `verify` compares. `choosing` makes
    choices, of rows in a view for each source.

    Shape: `asked` has `spine_row`, `as_of_us` and `i_<input>`; the result has `<feature>` and `<feature>__status` in
    the same order.
    """
    scans = plan.scans
    connection = connect(
        [folder for scan in scans.values() for folder in history.folders(scan)] or [history.root], threads=threads
    )
    try:
        for zone in sorted(zones_of(plan.expressions)):
            define_zone(connection, zone)
        connection.register("asked", asked)
        texts = {source: scan_sql(connection, scan, history) for source, scan in scans.items()}
        choices = NO_CHOICES
        if choosing is not None:
            for source, text in texts.items():
                connection.execute(f"CREATE TEMP VIEW {quoted(f'{source}.read')} AS {text}")
            choices = choosing(connection, plan, {source: f"{source}.read" for source in texts})
        sql = select_sql(plan, texts, choices, statuses=True, canonical=True)
        define_macros(connection, sql)
        with calling(connection, plan):
            answers: pa.Table = connection.sql(sql).to_arrow_table()
        return answers
    finally:
        connection.close()


def _preamble(plan: Plan, sql: str) -> str:
    """The macros that the text uses, so that it says all; the tables of zones are named, not spelled out."""
    macros = "".join(f"CREATE TEMP MACRO {head} AS {body};\n" for head, body in macros_of(sql).items())
    zones = "".join(
        f"-- {offset_macro(zone)}(x), {wall_offset_macro(zone)}(x): offset of {zone} from the pinned tzdata\n"
        for zone in sorted(zones_of(plan.expressions))
    )
    functions = "".join(
        f"-- {each.sql_name}({', '.join(['spine_row', *(given.name for given in each.parameters)])}): "
        f"the row function {each.name}\n"
        for each in row_functions(plan.expressions)
    )
    return f"{macros}{zones}{functions}\n"
