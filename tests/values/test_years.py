"""Instants and dates lie within the years 1 to 9999 (R1): what lies outside is a bad value on its way in and null where
an expression gives it, and every way out shows one value."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Parquet,
    Request,
    RowId,
    Source,
    rows,
)
from featurestore.cli import main
from featurestore.cli.texts import shown
from featurestore.errors import FeatureStoreError
from featurestore.serve.wire import lookup_json
from featurestore.testing import value

AT = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
FIRST = datetime(1, 1, 1, tzinfo=UTC)


class K(Entity):
    """A key."""

    k: Column[int]


class Ask(Request):
    """An instant and a date of the question."""

    moment: Column[datetime]
    day: Column[date]


class Lease(Source):
    """Leases, pushed."""

    k: Column[int]
    until: Column[datetime]
    day: Column[date]
    times: Column[list[datetime]]
    at: EventTime


class Ends(FeatureView, entity=K, source=Lease):
    """What leads out of the calendar, and what stays in it."""

    until = Lease.until.last()
    later = Lease.until.last().plus("1us")
    month = Lease.until.last().plus("30d")
    before = Lease.until.last().minus("1us")
    hour = Lease.until.last().floor("1000000h")
    midnight = Lease.day.last().midnight("America/New_York")
    early = Lease.day.last().midnight("Asia/Tokyo")
    day = Lease.day.last()
    after = Lease.day.last().plus("1d")
    text = Lease.until.last().to_string()
    held = rows()


def every_way_out(store: FeatureStore, feature_set: FeatureSet, question: dict[str, Any]) -> dict[str, Any]:
    """The values of a vector, once lists, Arrow, pandas, JSON, the command line and the training set agree."""
    vectors = store.lookup(feature_set, question, as_of=NOW)
    [served] = vectors.to_pylist()
    trained = store.dataset(feature_set, [{**question, "t": NOW}], as_of="t")
    [row] = trained.to_arrow().to_pylist()
    assert {name: row[name] for name in served} == served
    assert vectors.to_arrow().to_pylist() == [served]
    for frame in (vectors.to_pandas(), trained.to_pandas()):
        for name, each in served.items():
            cell = frame[name][0]
            assert (cell is None or cell != cell) if each is None else cell == each, name
    [reply] = json.loads(lookup_json(vectors))["rows"]
    for (name, each), sent in zip(served.items(), reply["values"], strict=True):
        want = each.isoformat(timespec="microseconds") if isinstance(each, datetime) else each
        assert str(sent).replace("Z", "+00:00") == str(want), name
        assert shown(each) == (json.dumps(sent) if sent is None else str(sent)), name
    return {name.split("__")[1]: each for name, each in served.items()}


@pytest.mark.parametrize(
    ("until", "day", "expected"),
    [
        (
            LAST,
            date.max,
            {
                "until": LAST,
                "later": None,
                "month": None,
                "before": LAST.replace(microsecond=999998),
                "midnight": datetime(9999, 12, 31, 5, tzinfo=UTC),
                "early": datetime(9999, 12, 30, 15, tzinfo=UTC),
                "day": date.max,
                "after": None,
                "text": "9999-12-31T23:59:59.999999Z",
                "held": 1,
            },
        ),
        (
            FIRST,
            date.min,
            {
                "until": FIRST,
                "later": FIRST.replace(microsecond=1),
                "month": datetime(1, 1, 31, tzinfo=UTC),
                "before": None,
                "hour": None,  # the last full million of hours before year 1 lies outside
                "early": None,  # midnight in Tokyo was hours before year 1 in UTC
                "day": date.min,
                "after": date(1, 1, 2),
                "text": "0001-01-01T00:00:00Z",
                "held": 1,
            },
        ),
    ],
    ids=["year 9999", "year 1"],
)
def test_e_what_an_expression_gives_outside_the_years_is_null(
    store: FeatureStore, until: datetime, day: date, expected: dict[str, Any]
) -> None:
    """Trained, served, over HTTP, in Arrow and in pandas: one value at both ends of the calendar and beyond."""
    store.materialize([Ends])
    store.ingest(Lease, {"k": 1, "until": until, "day": day, "times": [until], "at": AT})
    # pushed rows are known when they are committed: the training set is asked as of an instant after that
    feature_set = FeatureSet("ends", Ends)
    row = {"until": until, "day": day, "times": [until], "at": AT}
    for name, want in expected.items():
        assert value(getattr(Ends, name), [row], key=1, as_of=NOW) == want, name
    now = store.lookup(feature_set, {"k": 1}).to_pylist()[0]
    assert {name: now[f"ends__{name}"] for name in expected} == expected


class Typed(Source, data=Parquet("far.parquet")):
    """What DuckDB can write and Python cannot read."""

    id: RowId[int]
    k: Column[int]
    until: Column[datetime]
    day: Column[date]
    times: Column[list[datetime]]
    at: EventTime


class Far(FeatureView, entity=K, source=Typed):
    """The latest of each."""

    until = Typed.until.last()
    until_max = Typed.until.max()
    day = Typed.day.last()
    day_min = Typed.day.min()
    times = Typed.times.last()
    held = rows()


FAR = """
SELECT * FROM (VALUES
  (1, 1, TIMESTAMPTZ '2024-05-01 00:00:00+00', DATE '2024-05-01', [TIMESTAMPTZ '2024-05-01 00:00:00+00'],
   TIMESTAMPTZ '2024-01-01 00:00:00+00'),
  (2, 1, TIMESTAMPTZ '20240-01-01 00:00:00+00', DATE '20240-01-01', [TIMESTAMPTZ '20240-01-01 00:00:00+00'],
   TIMESTAMPTZ '2024-01-02 00:00:00+00'),
  (3, 1, TIMESTAMPTZ '0044-03-15 (BC) 00:00:00+00', DATE '0044-03-15 (BC)', NULL,
   TIMESTAMPTZ '2024-01-03 00:00:00+00'),
  (4, 1, NULL, NULL, NULL, TIMESTAMPTZ '20240-01-01 00:00:00+00'),
  (5, 1, NULL, NULL, NULL, TIMESTAMPTZ '0044-03-15 (BC) 00:00:00+00')
) AS rows(id, k, until, day, times, "at")"""


def typed(query: str) -> pa.Table:
    """What DuckDB gives, as a table."""
    with duckdb.connect() as connection:
        return connection.sql(query).to_arrow_table()


def test_e_a_file_with_other_years_has_bad_values_and_quarantined_rows(store: FeatureStore) -> None:
    """Each such value is counted once, the row counts all the same, and a row without a usable instant does not; pushed
    as a table, the same rows have the same account."""
    root = store.config.root
    duckdb.execute(f"COPY ({FAR}) TO '{root / 'far.parquet'}'")
    report = store.materialize([Far])
    found = every_way_out(store, FeatureSet("far", Far), {"k": 1})
    may = datetime(2024, 5, 1, tzinfo=UTC)
    expected = {"until": None, "until_max": may, "day": None, "day_min": date(2024, 5, 1), "times": None, "held": 3}
    assert found == expected
    account = report.set_aside["Typed"]
    assert account.bad_values == {"until": 2, "day": 2, "times": 1}
    assert account.quarantined == {"at is out of range": 2}
    assert account == store.dataset(FeatureSet("far", Far), [{"k": 1, "t": NOW}], as_of="t").set_aside["Typed"]
    pushed = store.ingest(Typed, typed(FAR))
    assert pushed.bad_columns == account.bad_values
    assert pushed.reasons == account.quarantined
    [counts] = pushed.states.values()
    assert (counts.applied, counts.duplicate, counts.quarantined) == (0, 3, 2)


def test_e_a_spine_and_a_lookup_refuse_other_years(store: FeatureStore) -> None:
    """An instant or a date that no value can be is refused with its row, on both roads, and so is such an `as_of`."""

    class Asked(FeatureView, request=Ask):
        hour = Ask.moment.hour()
        weekday = Ask.day.weekday()

    feature_set = FeatureSet("asked", Asked)
    far = "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' AS t, {} AS moment, {} AS day"
    for moment, day in (
        ("TIMESTAMPTZ '20240-01-01 00:00:00+00'", "DATE '2024-01-01'"),
        ("TIMESTAMPTZ '2024-01-01 00:00:00+00'", "DATE '20240-01-01'"),
    ):
        spine = typed(far.format(moment, day))
        for road in (
            lambda spine=spine: store.dataset(feature_set, spine, as_of="t"),
            lambda spine=spine: store.lookup(feature_set, spine.select(["moment", "day"])),
        ):
            with pytest.raises(FeatureStoreError) as caught:
                road()
            assert caught.value.name == "InvalidValue" and caught.value.fix
    late = pa.table({"t": pa.array([2**60], pa.timestamp("us", "UTC")), "moment": [AT], "day": [AT.date()]})
    with pytest.raises(FeatureStoreError, match="row 0 of the spine has no usable instant"):
        store.dataset(feature_set, late, as_of="t")
    with pytest.raises(FeatureStoreError, match="outside the years 1 to 9999"):
        store.lookup(feature_set, {"moment": AT, "day": AT.date()}, as_of="9999-12-31T23:59:59-05:00")


@pytest.mark.filterwarnings("ignore:.*none of its type:UserWarning")
def test_e_a_logged_value_of_other_years_is_a_bad_value(store: FeatureStore, tmp_path: Path) -> None:
    """A log that was written before there was such a rule is read by the rule of today, alike on both roads."""
    body = json.dumps(
        {
            "k": 1,
            "until": 2**60,
            "day": 2**22,
            "times": [2**60],
            "at": 1_704_067_200_000_000,
            "#": {"until": "timestamp", "day": "date", "times": "list<timestamp>", "at": "timestamp"},
        }
    )
    with store.log.turn("Lease"):
        store.log.append("Lease", [body, body.replace("1704067200000000", str(2**60))], 1_704_067_200_000_001)
    kept = FeatureSet("kept", Ends)
    report = store.materialize([Ends])
    assert report.set_aside["Lease"].bad_values == {"until": 2, "day": 2, "times": 2}
    assert sum(report.set_aside["Lease"].quarantined.values()) == 1
    found = every_way_out(store, kept, {"k": 1})
    assert (found["until"], found["day"], found["held"]) == (None, None, 1)


def test_e_a_column_of_the_caller_may_have_any_year_and_is_shown(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What passes through a training set is no value of ours: the table of the command line shows it all the same."""
    root = store.config.root
    (root / "definitions").mkdir()
    (root / "definitions" / "k.py").write_text(
        "from featurestore import *\n\n\nclass R(Request):\n    x: Column[int]\n\n\n"
        "class V(FeatureView, request=R):\n    y = R.x + 1\n\n\nfs = FeatureSet('fs', V)\n"
    )
    far = "SELECT 1 AS x, TIMESTAMPTZ '2024-01-01 00:00Z' AS t, DATE '20240-01-01' AS day, [DATE '20240-01-01'] AS days"
    duckdb.execute(f"COPY ({far}) TO '{root / 'spine.parquet'}'")
    monkeypatch.chdir(root)
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as left:
            main(["dataset", "fs", "spine.parquet", "--as-of", "t", *more])
        out = capsys.readouterr().out
        assert not left.value.code, out
        assert "6672980 days since 1970" in out.replace("\n", " ")


def test_p_pushed_values_of_numpy_and_pandas(store: FeatureStore) -> None:
    """Exact in a dict, out of range where no datetime holds them, and a time without a zone is refused as such."""
    store.materialize([Ends])
    good = {"k": np.int64(1), "until": pd.Timestamp("2024-05-01T12:00Z"), "day": np.datetime64("2024-05-01")}
    good |= {"times": [pd.NaT], "at": pd.Timestamp("2024-01-01", tz="Europe/Rome")}
    beyond = pd.Timestamp(np.datetime64("20240-01-01", "s"), tz="UTC")
    report = store.ingest(
        Lease, [good, good | {"until": beyond, "day": np.datetime64("20240-01")}, good | {"at": beyond}]
    )
    assert report.reasons == {"at is out of range": 1}
    assert report.bad_columns == {"until": 1, "day": 1}
    assert [str(each.row["at"]) for each in store.quarantined(Lease).pushed] == [
        "576545472000000000 microseconds since 1970"
    ]
    with pytest.raises(FeatureStoreError, match="has no zone"):
        store.ingest(Lease, good | {"at": np.datetime64("2024-01-01T00", "ns")})
    row = {name: each for name, each in good.items() if name != "k"}
    assert value(Ends.day, [row], key=1, as_of=NOW) == date(2024, 5, 1)
