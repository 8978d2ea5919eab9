"""Training sets: a spine with the features of a feature set, each as of its row's own instant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import DuplicateName, InputError
from featurestore.offline.connection import connect, define_zone, offset_macro
from featurestore.offline.scan import History, scan_sql
from featurestore.offline.select import select_sql
from featurestore.offline.spine import ask, spine_table
from featurestore.offline.states import zones_of
from featurestore.plan.nodes import Plan
from featurestore.semantics.exact import MACROS
from featurestore.semantics.statuses import STATUS_NAMES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Dataset:
    """A training set: the spine's columns in their order, then one column a feature.

    `sql` is what DuckDB ran over the table `asked`; `version` is the feature set's (R20).
    """

    table: pa.Table
    sql: str
    version: str

    def to_arrow(self) -> pa.Table:
        """The training set as an Arrow table."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """The training set as a pandas frame; integers with nulls become nullable `Int64`, never floats."""
        import pandas as pd

        nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = self.table.to_pandas(
            types_mapper=lambda kind: nullable.get(kind) if kind in self._with_nulls() else None
        )
        return frame

    def to_polars(self) -> Any:
        """The training set as a polars frame. Raises: ImportError  without polars."""
        import polars

        return polars.from_arrow(self.table)

    def write(self, path: str | Path) -> Path:
        """Write the training set as a Parquet file, whole or not at all."""
        target = Path(path)
        if target.suffix != ".parquet":
            raise InputError(f"`{path}` is no Parquet file", fix="write to a path that ends with .parquet")
        partial = target.with_suffix(".parquet.partial")
        pq.write_table(self.table, partial, compression="zstd")
        partial.replace(target)
        return target

    def _with_nulls(self) -> set[pa.DataType]:
        return {
            field.type for field, column in zip(self.table.schema, self.table.columns, strict=True) if column.null_count
        }

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def _repr_html_(self) -> str:
        return str(self.table.slice(0, 20).to_pandas().to_html())


def build_dataset(
    plan: Plan, spine: object, as_of: str, history: History, *, statuses: bool = False, threads: int | None = None
) -> Dataset:
    """Answer a spine. The same input gives the same bytes, whatever the number of threads and the order of rows in
    files.

    Raises: InputError  and its kinds, when the spine or a source does not fit the definitions.
    """
    scans = {state.scan.source: state.scan for state in plan.states}
    folders = [history.root, *(folder for scan in scans.values() for folder in history.folders(scan))]
    connection = connect(folders, threads=threads)
    try:
        table = spine_table(spine, history.root, connection)
        _check_names(plan, table, statuses)
        for zone in sorted(zones_of(_expressions(plan))):
            define_zone(connection, zone)
        ask(connection, plan, table, as_of)
        texts = {source: scan_sql(connection, scan, history) for source, scan in scans.items()}
        sql = select_sql(plan, texts, statuses=statuses)
        answers = connection.sql(sql).to_arrow_table()
    finally:
        connection.close()
    codes = {f"{output.name}__status" for output in plan.outputs} if statuses else set()
    for name in answers.column_names[1:]:
        column = answers.column(name)
        if name in codes:
            column = pa.chunked_array([pa.array(STATUS_NAMES).take(chunk) for chunk in column.chunks], pa.string())
        table = table.append_column(name, column)
    return Dataset(table.replace_schema_metadata(None), f"{_preamble(plan)}{sql}", plan.version)


def answer_canonical(plan: Plan, asked: pa.Table, history: History, *, threads: int | None = None) -> pa.Table:
    """Canonical values and statuses for a table that is `asked` already; what `verify` compares.

    Shape: `asked` has `spine_row`, `as_of_us` and `i_<input>`; the result has `<feature>` and `<feature>__status` in
    the same order.
    """
    scans = {state.scan.source: state.scan for state in plan.states}
    connection = connect(
        [folder for scan in scans.values() for folder in history.folders(scan)] or [history.root], threads=threads
    )
    try:
        for zone in sorted(zones_of(_expressions(plan))):
            define_zone(connection, zone)
        connection.register("asked", asked)
        texts = {source: scan_sql(connection, scan, history) for source, scan in scans.items()}
        answers: pa.Table = connection.sql(select_sql(plan, texts, statuses=True, canonical=True)).to_arrow_table()
        return answers
    finally:
        connection.close()


def _expressions(plan: Plan) -> list[Any]:
    states = [node for state in plan.states for node in (*state.inputs, *state.filters)]
    return [*states, *(feature.node for view in plan.views for feature in view.features)]


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


def _preamble(plan: Plan) -> str:
    """The macros that the SELECT uses, so that the text says all; the tables of zones are named, not spelled out."""
    macros = "".join(f"CREATE TEMP MACRO {head} AS {body};\n" for head, body in MACROS.items())
    zones = "".join(
        f"-- {offset_macro(zone)}(x): offset of {zone} from the pinned tzdata\n"
        for zone in sorted(zones_of(_expressions(plan)))
    )
    return f"{macros}{zones}\n"
