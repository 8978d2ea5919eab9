"""Columns of files whose types are wider, narrower or of another make than the declared ones (R8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Parquet,
    Source,
    Vector,
    column,
)
from featurestore.errors import NaiveTime
from featurestore.online.events import check_events
from featurestore.plan.build import plan_scan
from featurestore.semantics.dtypes import TIMESTAMP, python_value

AT = datetime(2024, 5, 1, tzinfo=UTC)
LATER = datetime(2024, 6, 1, tzinfo=UTC)


class Thing(Entity):
    """A thing."""

    thing: Column[int]


def view_of(held: Any, options: dict[str, int], data: Any = None, **said: Any) -> type[FeatureView]:
    """The last value of a column of some type."""
    generic: Any = Column
    body = {"__annotations__": {"thing": Column[int], "at": EventTime, "held": generic[held]}, "__module__": __name__}
    made: Any = type("Narrow", (Source,), body | {"held": column(**options)}, data=data, **said)
    view: Any = FeatureView
    return type("Latest", (view,), {"held": made.held.last(), "__module__": __name__}, entity=Thing, source=made)


D, L = Decimal, list
CENTS = {"precision": 6, "scale": 2}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.filterwarnings("ignore:.*none of its type:UserWarning")
@pytest.mark.parametrize(
    ("held", "options", "stored", "expected"),
    [
        (D, CENTS, pa.array([D("1.5"), D("-99.9")], pa.decimal128(3, 1)), [D("1.50"), D("-99.90")]),
        (D, CENTS, pa.array([D("1.500"), D("1.505")], pa.decimal128(38, 3)), [D("1.50"), None]),
        (D, CENTS, pa.array([D("9999.99"), D("10000.00")], pa.decimal128(38, 2)), [D("9999.99"), None]),
        (D, CENTS, pa.array([D(10) ** 37, D(-7)], pa.decimal128(38, 0)), [None, D("-7.00")]),
        (D, CENTS, pa.array([127, -128], pa.int8()), [D("127.00"), D("-128.00")]),
        (D, CENTS, pa.array([9999, 2**64 - 1], pa.uint64()), [D("9999.00"), None]),
        (D, CENTS, pa.array(["-1.5000", "+.25", "7.", "1.005", "1e2", "", "0x1", "12345.00"]),
         [D("-1.50"), D("0.25"), D("7.00"), None, None, None, None, None]),
        (L[int], {}, pa.array([[1, None], []], pa.list_(pa.int8())), [[1, None], []]),
        (L[int], {}, pa.array([[1, 2**63], [2**63 - 1]], pa.large_list(pa.uint64())), [None, [2**63 - 1]]),
        (L[float], {}, pa.array([[0.1, float("nan"), -0.0]], pa.list_(pa.float32())),
         [[0.10000000149011612, None, 0.0]]),
        (L[float], {}, pa.array([[1, 2**53 + 1], [3]], pa.list_(pa.int64())), [None, [3.0]]),
        (L[float], {}, pa.array([[None], [1.0]], pa.list_(pa.float64(), 1)), [[None], [1.0]]),
        (L[str], {}, pa.array([["a\0b", "\U0001f600", None], None], pa.large_list(pa.large_string())),
         [["a\0b", "\U0001f600", None], None]),
        (L[str], {}, pa.array([[], [None]], pa.list_(pa.null())), [[], [None]]),
        (L[D], CENTS, pa.array([[D("1.5"), None], [D("1.005")]], pa.list_(pa.decimal128(9, 3))),
         [[D("1.50"), None], None]),
        (L[date], {}, pa.array([[date(1969, 12, 31)]], pa.list_(pa.date32())), [[date(1969, 12, 31)]]),
        (Vector, {"length": 2}, pa.array([[1.0, 2.0], [1.0], [1.0, None], None], pa.list_(pa.float64())),
         [[1.0, 2.0], None, None, None]),
        (Vector, {"length": 2}, pa.array([[1.5, -0.0], [float("inf"), 1.0]], pa.list_(pa.float32(), 2)),
         [[1.5, 0.0], None]),
        (Vector, {"length": 2}, pa.array([[1, 2], [2**53 + 1, 0]], pa.list_(pa.int64())), [[1.0, 2.0], None]),
        *(
            (L[datetime], {}, pa.array([[NOON, None]], pa.list_(pa.timestamp(unit, "UTC"))), [[NOON, None]])
            for unit in ("s", "ms", "us", "ns")
        ),
        (L[datetime], {}, pa.array([[-1]], pa.list_(pa.int64())).cast(pa.list_(pa.timestamp("ns", "UTC"))),
         [[datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)]]),
    ],
)  # fmt: skip
def test_r8_a_column_of_another_width_is_read_exactly_or_as_null(
    tmp_path: Path, held: Any, options: dict[str, int], stored: pa.Array[Any], expected: list[Any]
) -> None:
    """What the declared type holds is read whatever the file's type, and what it does not hold is null, never cut."""
    table = pa.table({"thing": range(len(stored)), "at": [AT] * len(stored), "held": stored})
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "featurestore.toml").write_text("")
    view = view_of(held, options, Parquet("rows.parquet"))
    spine = [{"thing": place, "t": LATER} for place in range(len(stored))]
    with FeatureStore(tmp_path) as store:
        train = store.dataset(FeatureSet("narrow", view), spine, as_of="t").to_arrow()
    assert train.column("latest__held").to_pylist() == expected


@pytest.mark.filterwarnings("ignore:.*none of its type:UserWarning")
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_r1_local_times_in_a_list_are_read_in_the_declared_zone(tmp_path: Path, zone: str | None) -> None:
    """With a zone both roads read them alike, the earlier of two; without one both refuse them."""
    local = [datetime(2024, 11, 3, 1, 30), None, datetime(2024, 3, 10, 2, 30)]
    utc = [datetime(2024, 11, 3, 5, 30, tzinfo=UTC), None, None]
    pq.write_table(pa.table({"thing": [1], "at": [AT], "held": [local]}), tmp_path / "rows.parquet")
    (tmp_path / "featurestore.toml").write_text("")
    view = view_of(list[datetime], {}, Parquet("rows.parquet"), zone=zone)
    scan = plan_scan(view_of(list[datetime], {}, zone=zone).__spec__.source)  # type: ignore[arg-type]  # it has one
    event = {"thing": 1, "at": AT, "held": local[:2]}
    with FeatureStore(tmp_path) as store:
        if zone is None:
            for refused in (lambda: check_events(scan, event), lambda: said_of(store, view)):
                with pytest.raises(NaiveTime):
                    refused()
            return
        assert said_of(store, view) is None  # the clocks jumped over one of them: a bad value, and so is the list
        assert [python_value(each, TIMESTAMP) for each in check_events(scan, event).rows[0]["held"]] == utc[:2]
        checked = check_events(scan, event | {"held": local})
        assert (checked.rows[0]["held"], checked.bad_values) == (None, {"held": 1})


def said_of(store: FeatureStore, view: type[FeatureView]) -> Any:
    """The feature of thing 1, by DuckDB."""
    train = store.dataset(FeatureSet("narrow", view), [{"thing": 1, "t": LATER}], as_of="t")
    return train.to_arrow().column("latest__held").to_pylist()[0]
