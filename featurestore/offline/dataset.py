"""Training sets: a spine with the features of a feature set, each as of its row's own instant."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import DuplicateName, InputError
from featurestore.offline.accounts import account_of, read_source
from featurestore.offline.choices import NO_CHOICES, Choices, choose
from featurestore.offline.connection import (
    connect,
    define_kernels,
    define_zone,
    offset_macro,
    quoted,
    wall_offset_macro,
)
from featurestore.offline.content import content_of
from featurestore.offline.explain import explained
from featurestore.offline.python_functions import calling, row_functions
from featurestore.offline.scan import History, scan_sql
from featurestore.offline.select import select_sql
from featurestore.offline.spine import ask, spine_table
from featurestore.offline.states import zones_of
from featurestore.plan.certificates import Certificate
from featurestore.plan.nodes import Plan
from featurestore.plan.outcomes import SetAside
from featurestore.semantics.kernels.table import macros_used
from featurestore.semantics.macros import MACROS
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.tables import pandas_frame

if TYPE_CHECKING:
    import pandas as pd


Choosing = Callable[[duckdb.DuckDBPyConnection, Plan, dict[str, str]], Choices]
"""What chooses how a training set is computed, from `asked` and a table or view of each source's rows."""


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """A training set: the spine's columns in their order, then one column a feature.

    `sql` is what DuckDB ran over the table `asked`; `version` is the feature set's, with the content of the static
    tables that it read (R20). `set_aside` says for each source, by name, how many rows were read and what of them does
    not count (R16). `certificate` is that of the version; None when it has none.
    """

    table: pa.Table
    sql: str
    version: str
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    explanation: str = ""
    certificate: Certificate | None = None

    def explain(self) -> str:
        """What was done, for a person to read: the sources, how each window met the spine, and how long it took."""
        return self.explanation

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
        target = Path(path)
        if target.suffix != ".parquet":
            raise InputError(
                f"`{target.name}` is no Parquet file",
                where=str(target.parent),
                fix="write to a path that ends with .parquet",
            )
        partial = target.with_suffix(".parquet.partial")
        try:
            pq.write_table(self.table, partial, compression="zstd")
            partial.replace(target)
        except OSError as error:
            raise InputError(
                f"`{target}` cannot be written",
                has=error.strerror or str(error),
                fix="write into a folder that is there",
            ) from None
        return target

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def _repr_html_(self) -> str:
        return str(pandas_frame(self.table.slice(0, 20)).to_html())

    def __repr__(self) -> str:
        return f"<Dataset: {len(self):,} rows of {self.table.num_columns} columns, version {self.version}>"


def build_dataset(
    plan: Plan, spine: object, as_of: str, history: History, *, statuses: bool = False, threads: int | None = None
) -> Dataset:
    """Answer a spine. The same input gives the same bytes, whatever the number of threads and the order of rows in
    files.

    Raises: InputError  and its kinds, when the spine or a source does not fit the definitions.
            RowFunctionFailed  when a row function does.
    """
    scans = {state.scan.source: state.scan for state in plan.states}
    folders = [history.root, *(folder for scan in scans.values() for folder in history.folders(scan))]
    connection = connect(folders, threads=threads)
    clock = _Clock()
    try:
        table = spine_table(spine, history.root)
        _check_names(plan, table, statuses)
        for zone in sorted(zones_of(plan.expressions)):
            define_zone(connection, zone)
        ask(connection, plan, table, as_of)
        clock.took("spine")
        readings, accounts, contents, texts = [], {}, [], {}
        for source, scan in scans.items():
            read, states = f"{source}.read", [state for state in plan.states if state.scan.source == source]
            identity = scan.row_id is not None
            readings.append(read_source(connection, scan, history, states, read, identity=identity))
            accounts[source] = account_of(connection, scan, history, states, read)
            if source in plan.static_sources:
                contents.append((source, content_of(connection, scan, quoted(read))))
            texts[source] = f"SELECT * FROM {quoted(read)}"
        clock.took("sources")
        choices = choose(connection, plan, {source: f"{source}.read" for source in scans}, accounts)
        sql = select_sql(plan, texts, choices, statuses=statuses)
        define_kernels(connection, sql)
        with calling(connection, plan):
            answers = connection.sql(sql).to_arrow_table()
        clock.took("features")
    finally:
        connection.close()
    codes = {f"{output.name}__status" for output in plan.outputs} if statuses else set()
    for name in answers.column_names[1:]:
        column = answers.column(name)
        if name in codes:
            column = pa.chunked_array([pa.array(STATUS_NAMES).take(chunk) for chunk in column.chunks], pa.string())
        table = table.append_column(name, column)
    text = ";\n\n".join([*readings, *choices.made, sql])
    preamble = _preamble(plan, sql)
    version = plan.version_with(contents)
    told = explained(plan, as_of, table.num_rows, version, accounts, choices, clock.seconds)
    return Dataset(table.replace_schema_metadata(None), f"{preamble}{text}", version, accounts, told)


class _Clock:
    """How long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def took(self, step: str) -> None:
        now_s = time.perf_counter()
        self.seconds[step], self._last_s = now_s - self._last_s, now_s


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
    scans = {state.scan.source: state.scan for state in plan.states}
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
        define_kernels(connection, sql)
        with calling(connection, plan):
            answers: pa.Table = connection.sql(sql).to_arrow_table()
        return answers
    finally:
        connection.close()


def _check_names(plan: Plan, spine: pa.Table, statuses: bool) -> None:
    new = {output.name for output in plan.outputs} | (
        {f"{output.name}__status" for output in plan.outputs} if statuses else set()
    )
    taken = [name for name in spine.column_names if name in new or spine.column_names.count(name) > 1]
    if taken:
        raise DuplicateName(
            f"the spine's column `{taken[0]}` would stand twice in the training set",
            has=spine.column_names,
            fix="rename it in the spine",
        )


def _preamble(plan: Plan, sql: str) -> str:
    """The macros that the SELECT uses, so that the text says all; the tables of zones are named, not spelled out."""
    known = MACROS | macros_used(sql)
    macros = "".join(f"CREATE TEMP MACRO {head} AS {body};\n" for head, body in known.items())
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
