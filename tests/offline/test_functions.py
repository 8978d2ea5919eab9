"""The DuckDB text of each scalar function against its Python, over columns of drawn values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from featurestore.expr.nodes import Call, ColumnRef, Literal
from featurestore.offline.connection import connect, define_macros, define_zone
from featurestore.offline.expressions import SqlExpressions
from featurestore.semantics.scalars import SCALAR_ROWS
from featurestore.tables import storage_type
from tests.parity.voices import said_by_python
from tests.semantics.test_scalars import arguments
from tests.strategies.expressions import SIGNATURES, ZONES

FEWER = settings(
    max_examples=max(1, settings().max_examples // 20), phases=(Phase.explicit, Phase.reuse, Phase.generate)
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that knows the macros and the zones."""
    opened = connect([])
    for zone in ZONES:
        define_zone(opened, zone)
    yield opened
    opened.close()


def bits(value: Any) -> tuple[str, Any]:
    """What equality means (R18)."""
    return type(value).__name__, value.hex() if isinstance(value, float) else value


@pytest.mark.parametrize(
    ("place", "signature"),
    # an author cannot write a list as a constant
    [
        (place, given)
        for place, found in SIGNATURES.items()
        for given, _ in found
        if not any(each.item for each in given)
    ],
    ids=lambda each: SCALAR_ROWS[each].name if isinstance(each, int) else "-".join(map(str, each)),
)
@FEWER
@given(data=st.data())
def test_r10_duckdb_gives_the_bits_of_python(
    connection: duckdb.DuckDBPyConnection, place: int, signature: tuple[Any, ...], data: st.DataObject
) -> None:
    """Every row of the table, for every combination of types it takes, over columns and beside constants."""
    row = SCALAR_ROWS[place]
    gives = row.rule(signature)
    assert gives is not None
    drawn = data.draw(st.lists(arguments(row, signature), min_size=30, max_size=60))
    # a null in each place, beside whatever makes the function look the other way
    drawn += [[None if i == j else value for j, value in enumerate(each)] for each in drawn for i in range(len(each))]
    zone = data.draw(st.sampled_from(ZONES)) if row.parameter else ""
    columns = tuple(ColumnRef("S", f"a{i}", dtype) for i, dtype in enumerate(signature))
    constants = tuple(Literal(value, dtype) for value, dtype in zip(drawn[0], signature, strict=True))
    calls = [Call(row.name, (columns[0], *rest[1:]), gives, zone) for rest in (columns, constants)]
    compiler = SqlExpressions(lambda leaf: leaf.name)  # type: ignore[union-attr]  # only columns are left
    table = pa.table(
        {
            f"a{i}": pa.array([given[i] for given in drawn], storage_type(dtype), from_pandas=False)
            for i, dtype in enumerate(signature)
        }
    )
    connection.register("drawn", table)
    sql = f"SELECT {', '.join(compiler.value(call) for call in calls)} FROM drawn"
    define_macros(connection, sql)
    said = connection.execute(sql).fetchall()
    for values, answers in zip(drawn, said, strict=True):
        known = {f"a{i}": value for i, value in enumerate(values)}
        for call, answer in zip(calls, answers, strict=True):
            expected = said_by_python(call)(known)
            found = tuple(answer) if isinstance(answer, list) else answer
            assert bits(found) == bits(expected), (values, compiler.value(call))
