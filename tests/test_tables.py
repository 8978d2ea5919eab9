"""What users hand in as a table: pandas, polars, Arrow or dicts, the same to training, lookup and ingest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.errors import InputError
from featurestore.tables import arrow_table, rows_of

ROWS = [{"user": 7, "at": datetime(2024, 5, 1, 12, 0, 0, 1, UTC)}, {"user": 8, "at": datetime(2024, 5, 2, tzinfo=UTC)}]
NANOSECONDS = pa.table({"user": [7, 8], "at": pa.array([row["at"] for row in ROWS], pa.timestamp("ns", "UTC"))})


@pytest.mark.parametrize(
    "table",
    [ROWS, tuple(ROWS), pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.Table.from_pylist(ROWS), NANOSECONDS],
    ids=["dicts", "tuple", "pandas", "polars", "arrow", "nanoseconds"],
)
def test_every_table_has_the_same_rows(table: object) -> None:
    """The rows are those that dicts have, to the microsecond."""
    assert [dict(row) for row in rows_of(table, "the input")] == ROWS


@pytest.mark.parametrize(
    ("table", "what", "where", "fix"),
    [
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "b"]), "two columns `b`", None, "rename one"),
        (pd.DataFrame({"a": [1, 2], "b": [1, "x"]}), "several types", "column b", "one type"),
        ([{"a": 1, "b": 1}, {"a": 2, "b": "x"}], "several types", "column `b`", "one type"),
        (5, "the input is an int, not a table", None, "one of these"),
        ((row for row in ROWS), "the input is a generator, not a table", None, "one of these"),
    ],
)
def test_a_table_that_is_none_is_told_in_four_parts(table: Any, what: str, where: str | None, fix: str) -> None:
    """Arrow's and pandas' own errors do not come out: the column is named."""
    with pytest.raises(InputError, match=what) as caught:
        arrow_table(table, "the input")
    assert where is None or where in str(caught.value.where)
    assert caught.value.has and fix in str(caught.value.fix)


def test_a_column_that_a_table_has_twice_is_refused() -> None:
    """A dict for each row would have one of them."""
    with pytest.raises(InputError, match="the input has two columns `a`"):
        rows_of(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "the input")


def test_c_times_of_unlike_zones_stay_what_they_are() -> None:
    """A column that Arrow would bring to one zone, or to days, becomes text; a lookup refuses the text as the time."""
    naive, zoned, day = datetime(2024, 5, 1, 12), datetime(2024, 5, 1, 12, tzinfo=UTC), date(2024, 5, 1)
    texts = {naive: "2024-05-01T12:00:00", zoned: "2024-05-01T12:00:00+00:00", day: "2024-05-01"}
    for values in ([zoned, naive], [naive, zoned], [day, naive], [naive, day], [zoned, day], [None, zoned, naive]):
        for table in ([{"at": each} for each in values], pd.DataFrame({"at": pd.Series(values, dtype=object)})):
            found = arrow_table(table, "the input").column("at").to_pylist()
            assert found == [each and texts[each] for each in values]
