"""The spine: the questions of a training set. Other columns pass through untouched, beside the features."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import (
    DuplicateName,
    InputError,
    InvalidValue,
    MissingAsOf,
    MissingColumn,
    NaiveTime,
    did_you_mean,
    rename_to,
)
from featurestore.offline.columns import FLOATS, NAIVE, canonical_column, is_given, is_local, item_of, stood_there
from featurestore.offline.connection import connect, quoted, said_by
from featurestore.offline.interrupts import interruptible
from featurestore.offline.queries import spine_sql, where_of_spine
from featurestore.offline.spine_files import CSV_ENDINGS, JSON_ENDINGS, csv_rows, json_table
from featurestore.plan.nodes import Input, Plan
from featurestore.semantics.dtypes import TIMESTAMP, DType
from featurestore.tables import arrow_table

SPOOLED = ".arrow"
PORTION = 122_880
"""Rows of a spine that are read at once."""
_ROW = pa.field("spine_row", pa.int64())
_SELECT = re.compile(r"\s*(select|with|from)[\s*('\"]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spine:
    """The rows of a spine in their order: a table in memory, or a Parquet or Arrow file that is read in portions.

    `file` is where the rows stand, if that is a file, for who asks whether they are still the same.
    """

    schema: pa.Schema
    rows: int
    held: pa.Table | Path

    @property
    def file(self) -> Path | None:
        """The file that holds the rows."""
        return self.held if isinstance(self.held, Path) else None

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, or the columns `names` of them, in portions of one batch."""
        names = self.schema.names if names is None else list(names)
        if isinstance(self.held, pa.Table):
            yield from self.held.select(names).to_batches(max_chunksize=PORTION)
        elif self.held.suffix == SPOOLED:
            with pa.OSFile(str(self.held), "rb") as file, pa.ipc.open_file(file) as opened:
                for place in range(opened.num_record_batches):
                    yield opened.get_batch(place).select(names)
        else:
            with pq.ParquetFile(self.held) as opened:
                # a column `a` is asked for with all columns `a.b`, which may be others
                for batch in opened.iter_batches(PORTION, columns=names):
                    yield batch.select(names)

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """All rows in portions of `rows`; the last may have fewer."""
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in self.batches():
            waiting.append(batch)
            count += batch.num_rows
            while count >= rows:
                table = pa.Table.from_batches(waiting, self.schema)
                yield table.slice(0, rows)
                waiting, count = table.slice(rows).to_batches(), count - rows
        if count:
            yield pa.Table.from_batches(waiting, self.schema)

    def count(self) -> int:
        """How many rows there are."""
        return self.rows

    def table(self) -> pa.Table:
        """All rows."""
        return self.held if isinstance(self.held, pa.Table) else pa.Table.from_batches(self.batches(), self.schema)


def declared_of(plan: Plan, as_of: object) -> dict[str, DType]:
    """The types of what a plan asks of a spine."""
    instants = {as_of: TIMESTAMP} if isinstance(as_of, str) else {}
    return {given.name: given.dtype for given in plan.inputs} | instants


def held_spine(spine: object, root: Path, plan: Plan, as_of: str) -> Spine:
    """A spine with all its rows in memory. Raises: InputError."""
    found = spine_of(spine, root, plan, as_of)
    table = found.table() if isinstance(found, Spine) else found.run()
    return Spine(table.schema, table.num_rows, table)


def spine_of(spine: object, root: Path, plan: Plan, as_of: str) -> Spine | SpineQuery:
    """A spine: pandas, polars, Arrow, a list of dicts, the path of a Parquet, CSV or JSON file, or a SELECT over files
    below the project's folder. Relative paths start there. Text is read by the types that the plan declares.

    Raises: InputError and its kinds.
    """
    if not isinstance(spine, (str, Path)):
        table = arrow_table(spine, "the spine").replace_schema_metadata(None)
        return Spine(table.schema, table.num_rows, table)
    text = str(spine)
    if isinstance(spine, str) and _SELECT.match(text):
        sql, files = spine_sql(text, root)
        folders = tuple(file.parent for file in files) or (root,)
        return SpineQuery(sql, tuple(files), folders, "the spine's SQL failed", where_of_spine(text))
    path = (root / text).resolve()
    if not path.is_file():
        raise InputError(
            f"there is no spine file `{text}`",
            where=str(root),
            fix="give the path of a Parquet, CSV or JSON file, or a SELECT",
        )
    failed = f"the spine file `{text}` cannot be read"
    if path.name.lower().endswith(CSV_ENDINGS):
        sql = csv_rows(path, declared_of(plan, as_of), str(as_of), failed)
        return SpineQuery(sql, (path,), (path.parent,), failed, str(root))
    if path.suffix.lower() in JSON_ENDINGS:
        table = json_table(path, failed)
        return Spine(table.schema, table.num_rows, table)
    try:
        with pq.ParquetFile(path) as opened:
            return Spine(opened.schema_arrow.remove_metadata(), opened.metadata.num_rows, path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            failed,
            where=str(root),
            has=str(error).splitlines()[0],
            fix=f"give a Parquet file, or another kind by its ending: {', '.join((*CSV_ENDINGS, *JSON_ENDINGS))}",
        ) from None


@dataclass(frozen=True, slots=True)
class SpineQuery:
    """A spine whose rows DuckDB finds: a SELECT, or a CSV file."""

    sql: str
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    failed: str
    where: str

    def count(self) -> int:
        """How many rows there are now. Raises: InputError."""
        with self._reading() as connection:
            found = interruptible(connection, connection.execute, f"SELECT count(*) FROM ({self.sql})")
            [[count]] = found.fetchall()
            return int(count)

    def run(self) -> pa.Table:
        """The rows, in memory. Raises: InputError."""
        with self._reading() as connection:
            found: pa.Table = interruptible(connection, lambda: connection.sql(self.sql).to_arrow_table())
            return found

    def spool(self, path: Path, memory_limit: str, spill: Path) -> None:
        """Write the rows to an Arrow file, which holds what `run` would give, type by type."""
        with self._reading(memory_limit, spill) as connection:
            reader = interruptible(connection, lambda: connection.sql(self.sql).to_arrow_reader(PORTION))
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, reader.schema) as stream:
                for batch in reader:
                    stream.write_batch(batch)

    @contextmanager
    def _reading(
        self, memory_limit: str | None = None, spill: Path | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = connect(self.folders, memory_limit=memory_limit, spill=spill)
        try:
            yield connection
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise InputError(
                self.failed, where=self.where, has=said_by(error), fix="fix the SQL, or the file"
            ) from None
        finally:
            connection.close()


def spooled(path: Path) -> Spine:
    """The rows that `SpineQuery.spool` wrote."""
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file) as opened:
        rows = sum(opened.get_batch(place).num_rows for place in range(opened.num_record_batches))
        return Spine(opened.schema, rows, path)


def check_names(plan: Plan, spine: pa.Schema, statuses: bool) -> None:
    """Refuse a spine with a column of a feature's name. Raises: DuplicateName."""
    new = {output.name for output in plan.outputs} | (
        {f"{output.name}__status" for output in plan.outputs} if statuses else set()
    )
    taken = [name for name in spine.names if name in new or spine.names.count(name) > 1]
    if taken:
        raise DuplicateName(
            f"the spine's column `{taken[0]}` would stand twice in the training set",
            has=spine.names,
            fix="rename it in the spine",
        )


def ask(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    spine: Spine,
    as_of: str,
    keep: Callable[[str], str] | None = None,
) -> None:
    """Create the table `asked` from a spine: `spine_row`, `as_of_us` and `i_<input>`, canonical and checked. `keep` may
    make another statement of their SELECT.

    Raises: MissingAsOf, MissingColumn, NaiveTime, InvalidValue  naming the column, and the first row that does not fit.
    """
    names = spine.schema.names
    if not isinstance(as_of, str):
        raise MissingAsOf(
            f"`as_of={as_of!r:.60}` names no column of the spine",
            where=f"dataset({plan.name}, spine, as_of=...)",
            has=names,
            fix="name the column that holds the instants, one for each row",
        )
    if as_of not in names:
        raise MissingAsOf(
            f"the spine has no column `{as_of}`",
            where=f'dataset({plan.name}, spine, as_of="{as_of}")',
            has=names,
            fix=did_you_mean(as_of, names, "name the column that holds the instants with `as_of=`"),
        )
    missing = [given.name for given in plan.inputs if given.name not in names]
    if missing:
        raise MissingColumn(
            f"the spine lacks {', '.join(f'`{name}`' for name in missing)}",
            where=f"feature set `{plan.name}`",
            has=names,
            fix=rename_to(
                missing[0],
                [name for name in names if name not in {as_of, *(given.name for given in plan.inputs)}],
                "add the columns to the spine",
            ),
        )
    # only what is asked goes in, under names of ours: whatever passes through may be called and typed as it likes
    places = {
        name: f"s{place}" for place, name in enumerate(dict.fromkeys([as_of, *(each.name for each in plan.inputs)]))
    }
    numbered = _numbered(spine, places)
    portions = not isinstance(numbered, pa.Table)
    connection.register("spine", numbered.schema.empty_table() if portions else numbered)
    described = {
        str(name): str(kind) for name, kind, *_ in connection.execute("DESCRIBE SELECT * FROM spine").fetchall()
    }
    types = {name: (place, described[place]) for name, place in places.items()}
    instants = _converted(Input(as_of, TIMESTAMP, False), types, plan)
    values = {given: _converted(given, types, plan) for given in plan.inputs}
    checked = [
        (*types[given.name], given, text)
        for given, text in values.items()
        if (types[given.name][1] not in FLOATS or given.dtype.kind == "int64")
        and stood_there("", types[given.name][1], given.dtype)
    ]
    if types[as_of][1] == "VARCHAR":
        checked.append((*types[as_of], Input(as_of, TIMESTAMP, False), instants))
    if checked or keep is not None:
        if portions:
            connection.register("spine", _numbered(spine, places))
        _check(connection, "spine", as_of, instants, checked)
    columns = [f"{instants} AS as_of_us", *(f"{text} AS {quoted(f'i_{each.name}')}" for each, text in values.items())]
    if portions:
        connection.register("spine", _numbered(spine, places))
    select = f"SELECT spine_row, {', '.join(columns)} FROM spine"
    statement = f"CREATE TEMP TABLE asked AS {select}" if keep is None else keep(select)
    interruptible(connection, lambda: connection.execute(statement))
    connection.unregister("spine")
    if not checked and keep is None:  # where only instants can be wrong, it is seen in the table
        _check(connection, "asked", as_of, "as_of_us", ())


def _numbered(spine: Spine, places: dict[str, str]) -> Any:
    """The columns that are asked, under the names of `places`, with the place of each row; portions of a file are read
    once."""
    schema = pa.schema([*(pa.field(place, spine.schema.field(name).type) for name, place in places.items()), _ROW])
    if isinstance(spine.held, pa.Table):
        columns = [spine.held.column(name) for name in places]
        return pa.table([*columns, _places(0, spine.rows)], schema=schema)

    def batches() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in spine.batches(list(places)):
            numbers = _places(first, batch.num_rows)
            yield pa.record_batch([*batch.columns, numbers], schema=schema)
            first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())


def _places(first: int, rows: int) -> pa.Array[Any]:
    """The places of some rows, without an object of Python for each."""
    return pc.add(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), rows)), first - 1)


def _converted(given: Input, types: dict[str, tuple[str, str]], plan: Plan) -> str:
    place, stored = types[given.name]
    if (given.dtype.item or given.dtype) == TIMESTAMP and item_of(stored) in NAIVE:
        raise NaiveTime(
            f"the times in the spine's `{given.name}` have no zone",
            where=f"feature set `{plan.name}`",
            has=stored,
            fix='give them one: `frame["at"].dt.tz_localize("UTC")`',
        )
    parsed = stored == "VARCHAR" and given.dtype.kind not in ("string", "decimal", "timestamp", "date")
    text = None if parsed else canonical_column(place, stored, given.dtype)  # text is read as a lookup reads it
    if text is None:
        raise InvalidValue(
            f"the spine's `{given.name}` must be {given.dtype}",
            where=f"feature set `{plan.name}`",
            has=f"{given.name}: {stored}",
            fix="convert the column first",
        )
    return text


def _check(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    as_of: str,
    instants: str,
    checked: Sequence[tuple[str, str, Input, str]],
) -> None:
    """Refuse a row without a usable instant, and a value that its type cannot hold, as a lookup does; a float that is
    NaN or infinite is null on both roads. One look at the rows finds the first of each kind."""
    firsts = [f"min(spine_row) FILTER (WHERE {instants} IS NULL)"]
    for place, stored, given, text in checked:
        wrong = f"{is_given(place, stored, given.dtype)} AND {text} IS NULL"
        local = is_local(place) if stored == "VARCHAR" and given.dtype == TIMESTAMP else "FALSE"
        value = f"{{'row': spine_row, 'value': CAST({place} AS VARCHAR), 'local': {local}}}"
        firsts.append(f"arg_min({value}, spine_row) FILTER (WHERE {wrong})")
    sql = f"SELECT {', '.join(firsts)} FROM {relation}"
    [[instant, *bads]] = interruptible(connection, lambda: connection.execute(sql).fetchall())
    found = [(given, bad) for (_, _, given, _), bad in zip(checked, bads, strict=True) if bad is not None]
    for given, bad in found:
        if bad["local"]:
            raise NaiveTime(
                f"the times in the spine's `{given.name}` have no zone",
                where=f"row {bad['row']} of the spine",
                has=bad["value"],
                fix="give each time a zone, such as 2024-02-01T00:00:00Z",
            )
    if instant is not None:
        raise MissingAsOf(
            f"row {instant} of the spine has no usable instant",
            where=f"its column `{as_of}`",
            has=next((bad["value"] for given, bad in found if given.name == as_of), None),
            fix="give each row an instant, or leave the row out",
        )
    for given, bad in found:
        raise InvalidValue(
            f"{bad['value']} is not a value of type {given.dtype}",
            where=f"row {bad['row']} of the spine, `{given.name}`",
            fix="fix the value",
        )
