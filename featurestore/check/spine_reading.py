"""Whether a training set reads of its spine what a lookup would be given: rows of the spine, read without DuckDB and
converted as a lookup converts them, next to what the training set's own reading made of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from featurestore.check.questions import same_bits
from featurestore.check.report import SpineReading
from featurestore.errors import FeatureStoreError
from featurestore.offline.connection import connect
from featurestore.offline.spine import Spine, ask, spine_of
from featurestore.plan.nodes import Input, Plan
from featurestore.semantics.dtypes import STRING, TIMESTAMP, DType, Value, canonical, python_value
from featurestore.semantics.strict_json import read_json
from featurestore.semantics.texts import BOOL_TEXT, NUMBER_TEXT, WHOLE_TEXT
from featurestore.tables import rows_of

MOST_ROWS = 20_000
"""Rows of a spine that are compared."""
_UNKNOWN = object()
"""A cell of which an independent reader cannot tell whether it is null."""


def compare_spine(
    plan: Plan, spine: object, as_of: str, root: Path, seed: int, *, most_rows: int = MOST_ROWS
) -> SpineReading:
    """Compare the inputs and instants of at most so many rows of a spine, chosen by `seed`.

    Raises: InputError and its kinds  when the spine does not fit the feature set.
    """
    found = spine_of(spine, root, plan, as_of)
    if isinstance(found, Spine):
        given = found
    else:
        table = found.run()
        given = Spine(table.schema, table.num_rows, table)
    chosen = sorted(Random(seed).sample(range(given.rows), min(most_rows, given.rows)))
    columns = [Input(as_of, TIMESTAMP, False), *plan.inputs]
    trained = _trained(plan, given, as_of, chosen)
    sent = _sent(spine, root, given, list(dict.fromkeys(each.name for each in columns)), chosen)
    differing: dict[str, int] = {}
    examples: dict[str, str] = {}
    for place, cells, row in zip(chosen, trained, sent, strict=True):
        for column, held in zip(columns, cells, strict=True):
            lookup = _looked_up(row[column.name], column.dtype)
            if lookup is _UNKNOWN or same_bits(lookup, held):
                continue
            differing[column.name] = differing.get(column.name, 0) + 1
            examples.setdefault(
                column.name,
                f"row {place} of the spine, `{column.name}`: a lookup is given {_shown(lookup, column.dtype)}, the "
                f"training set read {_shown(held, column.dtype)}",
            )
    return SpineReading(len(chosen), given.rows, len(columns), differing, examples)


def _trained(plan: Plan, spine: Spine, as_of: str, chosen: Sequence[int]) -> list[tuple[Value, ...]]:
    """The instant and the inputs of the chosen rows, as a training set reads them."""
    connection = connect([])
    try:
        connection.register("chosen_rows", pa.table({"row": pa.array(chosen, pa.int64())}))
        ask(
            connection,
            plan,
            spine,
            as_of,
            keep=lambda select: (
                f"CREATE TEMP TABLE asked AS SELECT * FROM ({select}) WHERE spine_row IN (SELECT row FROM chosen_rows)"
            ),
        )
        names = ["as_of_us", *(f'"i_{each.name}"' for each in plan.inputs)]
        return connection.execute(f"SELECT {', '.join(names)} FROM asked ORDER BY spine_row").fetchall()
    finally:
        connection.close()


def _sent(
    spine: object, root: Path, given: Spine, names: Sequence[str], chosen: Sequence[int]
) -> Iterator[Mapping[str, Any]]:
    """The chosen rows as a client would send them."""
    if isinstance(spine, list):
        return (spine[place] for place in chosen)
    if type(spine).__module__.partition(".")[0] == "pandas":
        frame: Any = spine
        columns = {name: frame[name].array for name in names}
        return ({name: column[place] for name, column in columns.items()} for place in chosen)
    if isinstance(spine, (str, Path)) and (path := (root / str(spine))).suffix.lower() == ".csv" and path.is_file():
        return _csv_rows(path, set(chosen))
    return _arrow_rows(given, names, chosen)


def _csv_rows(path: Path, chosen: set[int]) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for place, row in enumerate(csv.DictReader(file, strict=True)):
            if place in chosen:
                yield {name: _Text(text) for name, text in row.items() if name is not None}


class _Text(str):
    """A cell of a file in which everything is text."""

    __slots__ = ()


def _arrow_rows(given: Spine, names: Sequence[str], chosen: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    first, wanted = 0, list(chosen)
    for batch in given.batches(names):
        inside = [place - first for place in wanted if place < first + batch.num_rows]
        wanted = wanted[len(inside) :]
        first += batch.num_rows
        if inside:
            yield from rows_of(pa.Table.from_batches([batch]).take(pa.array(inside, pa.int64())), "the spine")


def _looked_up(raw: Any, dtype: DType) -> Any:
    """What a lookup makes of a value; the error's first line where it refuses it."""
    if isinstance(raw, _Text):
        raw = _of_text(raw, dtype)
    if raw is _UNKNOWN:
        return raw
    try:
        return canonical(raw, dtype)
    except FeatureStoreError as error:
        return _Refused(error.what)


class _Refused(str):
    """Why a lookup refuses a value."""

    __slots__ = ()


def _of_text(text: str, dtype: DType) -> object:
    """The value that a text stands for, by the declared type and the grammar of both roads (R1, R8)."""
    if text == "":  # Python's reader does not say whether it was quoted, and so is no null
        return _UNKNOWN if dtype == STRING else None
    match dtype.kind:
        case "bool" if re.fullmatch(BOOL_TEXT, text):
            return text.lower() == "true"
        case "int64" if re.fullmatch(WHOLE_TEXT, text):
            return int(text)
        case "float64" if re.fullmatch(NUMBER_TEXT, text):
            return float(text)
        case "list" | "vector":
            with suppress(ValueError):
                return read_json(text)
    return str(text)


def _shown(value: Any, dtype: DType) -> str:
    if isinstance(value, _Refused):
        return f"an error ({value})"
    return repr(python_value(value, dtype))[:80]
