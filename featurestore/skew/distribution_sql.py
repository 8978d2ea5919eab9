"""What DuckDB counts of two samples, named `training` and `served`: one sorted merge for each feature.

A feature is read by itself, so the memory that is needed is that of its two columns, however wide the tables are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from featurestore.offline.connection import quoted
from featurestore.plan.nodes import Output
from featurestore.semantics.dtypes import DType
from featurestore.semantics.statuses import NOT_FOUND, OK

SAMPLES = ("training", "served")
NUMBER_BINS = 10
CATEGORY_BINS = 20
FEW = 50
"""Integers of at most so many different values are read as codes too, of which there can be new ones."""
EXAMPLES = 5
_NUMBERS = ("int64", "float64", "decimal", "timestamp", "date")
_NESTED = ("list", "map")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a feature is read. `value` is what is compared: the value, or the length of a list or map; `present` tells
    rows that have one. `mean` is the number of which the mean is compared, None where there is none.

    Units: a difference of `value` times `unit` is in the feature's own unit.
    """

    output: Output
    value: str | None
    present: str
    status: str
    ordered: bool
    coded: bool
    unit: float
    mean: str | None

    @property
    def of(self) -> str:
        """What is compared."""
        return "lengths" if self.output.dtype.kind in _NESTED else "values"


@dataclass(frozen=True, slots=True)
class Tally:
    """A feature in one sample: rows by what became of them, and the least and greatest value."""

    rows: int
    present: int
    not_found: int
    low: float
    high: float

    @property
    def null(self) -> int:
        """Rows without a value though the key is known: null, or an overflow."""
        return self.rows - self.present - self.not_found


@dataclass(frozen=True, slots=True)
class Merge:
    """Two sorted samples walked side by side.

    Shape:  `bins` are `(training, served)` rows between tenths of the training set.
    Units:  `area` between the two distribution functions, `width` (the area of sqrt(F(1 - F))) and `variance` in
            parts of the range from the least to the greatest value.
    """

    bins: tuple[tuple[int, int], ...]
    distinct: int
    farthest: float
    area: float
    width: float
    variance: float


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """Categories of two samples. `bins` as above, the most frequent first; `counts` are `(rows, categories)`; `new`
    and `gone` are `(categories, rows)` of one sample alone, with the most frequent values."""

    bins: tuple[tuple[int, int], ...]
    counts: tuple[tuple[int, int], ...]
    new: tuple[int, int, tuple[str, ...]]
    gone: tuple[int, int, tuple[str, ...]]


def reading_of(output: Output) -> Reading:
    """How a feature of a plan is read."""
    dtype, column = output.dtype, quoted(output.name)
    status = quoted(f"{output.name}__status")
    present = f"{status} = {OK} AND {column} IS NOT NULL" + (
        f" AND isfinite({column})" if dtype.kind == "float64" else ""
    )
    value: str | None = column
    if dtype.kind in _NESTED:
        value = f"len({column})" if dtype.kind == "list" else f"cardinality({column})"
    if dtype.kind == "vector":
        value = None
    ordered = dtype.kind in (*_NUMBERS, *_NESTED)
    return Reading(output, value, present, status, ordered, dtype.kind == "int64", _unit(dtype), _mean(dtype, column))


def tally(connection: duckdb.DuckDBPyConnection, sample: str, each: Reading) -> Tally:
    """What became of a feature's rows in one sample."""
    ends = [f"{end}({each.value}) FILTER ({each.present})" if each.ordered else "0" for end in ("min", "max")]
    rows, present, unknown, low, high = _row(
        connection,
        f"SELECT count(*), count(*) FILTER ({each.present}), count(*) FILTER ({each.status} = {NOT_FOUND}), "
        f"{', '.join(ends)} FROM {sample}",
    )
    return Tally(rows, present, unknown, float(low or 0), float(high or 0))


def merge(connection: duckdb.DuckDBPyConnection, each: Reading, before: Tally, after: Tally) -> Merge:
    """Walk both samples of a feature in the order of its values. Equal values are one step, so ties are exact."""
    low, high = min(before.low, after.low), max(before.high, after.high)
    half = high / 2 - low / 2 or 1.0  # halves: a difference of two finite numbers can be infinite
    sql = f"""
WITH tied AS ({_tied(each)}),
walked AS (  -- rows up to each value, and how far the next value is
    SELECT (value::DOUBLE / 2 - {low / 2!r}::DOUBLE) / {half!r}::DOUBLE AS place, a, b,
        sum(a) OVER upwards AS a_to, sum(b) OVER upwards AS b_to, lead(place) OVER upwards - place AS step
    FROM tied WINDOW upwards AS (ORDER BY value ROWS UNBOUNDED PRECEDING)
),
measured AS (
    SELECT *, least({NUMBER_BINS - 1}, (a_to - a) * {NUMBER_BINS} // {before.present}) AS bin,
        abs(a_to / {before.present}::DOUBLE - b_to / {after.present}::DOUBLE) AS apart,
        (a_to + b_to) / {before.present + after.present}::DOUBLE AS share
    FROM walked
)
SELECT sum(a)::BIGINT, sum(b)::BIGINT, count(*), max(apart), coalesce(sum(apart * step), 0),
    coalesce(sum(sqrt(greatest(share * (1 - share), 0)) * step), 0), sum((a + b) * place), sum((a + b) * place * place)
FROM measured GROUP BY bin ORDER BY bin"""
    bins = connection.sql(sql).fetchall()
    rows = before.present + after.present
    middle = sum(row[6] for row in bins) / rows
    return Merge(
        bins=tuple((row[0], row[1]) for row in bins),
        distinct=sum(row[2] for row in bins),
        farthest=max(row[3] for row in bins),
        area=sum(row[4] for row in bins),
        width=sum(row[5] for row in bins),
        variance=max(0.0, sum(row[7] for row in bins) / rows - middle * middle),
    )


def categories(connection: duckdb.DuckDBPyConnection, each: Reading, before: Tally, after: Tally) -> CategoryCounts:
    """Count the values of both samples of a feature as categories."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE tied AS {_tied(each)}")
    rows = before.present + after.present
    sql = f"""
WITH upwards AS (
    SELECT a, b, sum(a + b) OVER (ORDER BY a + b DESC, value ROWS UNBOUNDED PRECEDING) AS rows_to FROM tied
),
binned AS (SELECT a, b, (rows_to - a - b) * {CATEGORY_BINS} // {rows} AS bin FROM upwards)
SELECT sum(a)::BIGINT, sum(b)::BIGINT FROM binned GROUP BY bin ORDER BY bin"""
    bins = connection.sql(sql).fetchall()
    counts = connection.sql("SELECT a + b, count(*) FROM tied GROUP BY ALL ORDER BY ALL").fetchall()
    alone = []
    for here, there in (("b", "a"), ("a", "b")):
        number, found, most = _row(
            connection,
            f"SELECT count(*), coalesce(sum({here}), 0)::BIGINT, "
            f"coalesce(list(value ORDER BY {here} DESC, value)[:{EXAMPLES}], []) FROM tied WHERE {there} = 0",
        )
        alone.append((number, found, tuple(str(value) for value in most)))
    connection.execute("DROP TABLE tied")
    return CategoryCounts(tuple(bins), tuple(counts), alone[0], alone[1])


def means(connection: duckdb.DuckDBPyConnection, each: Reading) -> list[tuple[int, int, float, float]]:
    """The means of a vector's places, or of a list's or map's rows.

    Shape:  for each place `(training, served, difference, variance)`: numbers of rows, served less training, and the
            variance of both samples.
    Units:  parts of the range from the least to the greatest value at that place.
    """
    sides = [
        f"SELECT {each.mean}, {side == 'training'} AS trained FROM {side} WHERE {each.present}" for side in SAMPLES
    ]
    sql = f"""
WITH item AS NOT MATERIALIZED ({" UNION ALL ".join(sides)}),
number AS NOT MATERIALIZED (SELECT value::DOUBLE AS value, spot, trained FROM item WHERE isfinite(value::DOUBLE)),
ends AS (SELECT spot, min(value) AS low, max(value) / 2 - min(value) / 2 AS half FROM number GROUP BY spot),
placed AS (
    SELECT spot, trained, (value / 2 - low / 2) / CASE WHEN half = 0 THEN 1 ELSE half END AS place
    FROM number JOIN ends USING (spot)
)
SELECT count(*) FILTER (trained), count(*) FILTER (NOT trained),
    avg(place) FILTER (NOT trained) - avg(place) FILTER (trained), var_pop(place)
FROM placed GROUP BY spot HAVING bool_or(trained) AND NOT bool_and(trained) ORDER BY spot"""
    return connection.sql(sql).fetchall()


def _tied(each: Reading) -> str:
    """Rows of each value in the training set, `a`, and among the served, `b`."""
    sides = [
        f"SELECT {each.value} AS value, {side == 'training'} AS trained FROM {side} WHERE {each.present}"
        for side in SAMPLES
    ]
    return (
        "SELECT value, count(*) FILTER (trained) AS a, count(*) FILTER (NOT trained) AS b "
        f"FROM ({' UNION ALL '.join(sides)}) GROUP BY value"
    )


def _mean(dtype: DType, column: str) -> str | None:
    """The numbers of which means are compared, as columns `value` and `spot`: a vector's numbers at each place, and for
    each list or map the mean of its items, since items of one row are no independent draws."""
    if dtype.kind == "vector":
        return f"unnest({column}) AS value, generate_subscripts({column}, 1) AS spot"
    if dtype.kind not in _NESTED or dtype.item is None or dtype.item.kind not in _NUMBERS:
        return None
    return f"list_avg({column if dtype.kind == 'list' else f'map_values({column})'}) AS value, 1 AS spot"


def _unit(dtype: DType) -> float:
    """What one step of a canonical number is in the unit that is told."""
    if dtype.kind == "timestamp":
        return 1e-6
    return 10.0**-dtype.scale if dtype.kind == "decimal" else 1.0


def _row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found: list[tuple[Any, ...]] = connection.sql(sql).fetchall()
    return found[0]
