"""A bad value in a key is no null key (R16): the row is quarantined in the states that have that
key, with its reason, in files as in pushes; no state could use it, so it is set aside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from featurestore import Column, Csv, Entity, EventTime, FeatureSet, FeatureStore, FeatureView, RowId, Source, rows
from featurestore.cli import main
from featurestore.online.online_store import IngestReport
from featurestore.plan.outcomes import Counts

AT = datetime(2024, 1, 1, tzinfo=UTC)


class Rider(Entity):
    """Who rides."""

    rider: Column[int]


class Driver(Entity):
    """Who drives."""

    driver: Column[int]


class Trip(Source, data=Csv("trips.csv")):
    """Trips."""

    id: RowId[int]
    rider: Column[int]
    driver: Column[int]
    at: EventTime


class ByRider(FeatureView, entity=Rider, source=Trip):
    """Of riders."""

    trips = rows()


class ByDriver(FeatureView, entity=Driver, source=Trip):
    """Of drivers."""

    trips = rows()


TRIPS: list[tuple[Any, Any, Any]] = [
    (1, "3", "7"),
    (2, "12.0", "7"),  # a bad key for one state, a good one for the other
    (3, None, "7"),
    (4, "x", "y"),  # no state can use it
    (5, "x", None),
]
EXPECTED = {
    "rider": Counts(applied=1, unkeyed=1, quarantined=3),
    "driver": Counts(applied=3, unkeyed=1, quarantined=1),
}


def by_key(states: dict[str, Counts]) -> dict[str, Counts]:
    """Counts by the column of the key."""
    return {state.split(".")[1]: counts for state, counts in states.items()}


@pytest.mark.filterwarnings("ignore:.*none of its type:UserWarning")
def test_a_bad_key_is_quarantined_in_files_and_pushes_alike(store: FeatureStore) -> None:
    """The same rows in a file, and pushed, have the same account for each state, and are shown with their reasons."""
    path = store.config.root / "trips.csv"
    path.write_text("id,rider,driver,at\n")
    store.materialize([ByRider, ByDriver])
    sent = [
        {
            "id": place,
            "rider": int(rider) if rider == "3" else rider,
            "driver": int(driver) if driver == "7" else driver,
        }
        | {"at": AT}
        for place, rider, driver in TRIPS
    ]
    report = store.ingest(Trip, sent)
    assert by_key(report.states) == EXPECTED
    assert report.set_aside == ((3, "rider, which is a key, is no int64"),)
    assert (report.quarantined, report.last - report.first + 1) == (1, 4)
    assert report.bad_columns == {"rider": 3, "driver": 1}
    kept = store.quarantined(Trip)
    assert [each.row["id"] for each in kept.pushed] == [4]
    assert [(each.reason, each.row["id"]) for each in kept.unusable] == [
        ("rider, which is a key, is no int64", 2),
        ("rider, which is a key, is no int64", 5),
    ]
    logged = store.dataset(FeatureSet("both", ByRider, ByDriver), [{"rider": 3, "driver": 7, "t": AT}], as_of="t")
    waiting = {
        name: Counts(counts.applied, 0, counts.unkeyed, counts.quarantined - 1) for name, counts in EXPECTED.items()
    }
    assert by_key(logged.set_aside["Trip"].states) == waiting
    # the same rows under other ids, in the file
    lines = [f"{place + 10},{rider or ''},{driver or ''},{AT.isoformat()}\n" for place, rider, driver in TRIPS]
    path.write_text("id,rider,driver,at\n" + "".join(lines))
    found = store.materialize([ByRider, ByDriver])
    for name, counts in by_key(found.states).items():
        one = EXPECTED[name]
        twice = Counts(2 * one.applied, 0, 2 * one.unkeyed, 2 * one.quarantined - 1)
        assert counts == twice, name
    account = found.set_aside["Trip"]
    assert "5 quarantined for a bad key in Trip.rider" in str(account)
    assert len(store.quarantined(Trip).unusable) == 5
    now = datetime.now(UTC) + timedelta(days=1)
    train = store.dataset(FeatureSet("both", ByRider, ByDriver), [{"rider": 3, "driver": 7, "t": now}], as_of="t")
    assert train.to_arrow().to_pylist()[0] | {"t": now} == {
        "rider": 3,
        "driver": 7,
        "t": now,
        "by_rider__trips": 2,
        "by_driver__trips": 6,
    }
    assert store.lookup(FeatureSet("both", ByRider, ByDriver), {"rider": 3, "driver": 7}).to_pylist() == [
        {"by_rider__trips": 2, "by_driver__trips": 6}
    ]


def test_duplicates_are_counted_by_row_in_the_summary(store: FeatureStore) -> None:
    """Two states that read a source do not make two duplicates of one row."""
    from featurestore.plan.outcomes import total

    line = f"1,3,7,{AT.isoformat()}\n"
    (store.config.root / "trips.csv").write_text("id,rider,driver,at\n" + line * 3)
    found = store.materialize([ByRider, ByDriver]).set_aside
    assert total(found.values()).startswith("set aside: 0 quarantined, 2 duplicate, 0 unkeyed")
    assert str(found["Trip"]).count("2 duplicate in ") == 1


def test_a_pushed_row_of_the_future_counts_and_is_reported(store: FeatureStore) -> None:
    """An event time after the store's clock is one like any other; the report says how many there are."""
    (store.config.root / "trips.csv").write_text("id,rider,driver,at\n")
    store.materialize([ByRider, ByDriver])
    late = {"id": 1, "rider": 3, "driver": 7, "at": "2099-01-01T00:00:00Z"}
    report = store.ingest(Trip, [late, late | {"id": 2, "at": AT}])
    assert (report.future, report.quarantined, report.useless) == (1, 0, False)
    assert store.lookup(FeatureSet("r", ByRider), {"rider": 3}).to_pylist() == [{"by_rider__trips": 1}]


def test_n_a_frame_of_pandas_keeps_integer_keys_next_to_a_null(store: FeatureStore) -> None:
    """Pandas makes such a column floats: those that are whole and below 2^53 are the integers that they were."""
    (store.config.root / "trips.csv").write_text("id,rider,driver,at\n")
    store.materialize([ByRider, ByDriver])
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "rider": [3, None, 2**53, 4], "driver": [7, 7, 7, 7.5], "at": [AT] * 4})
    assert frame["rider"].dtype == "float64"
    report = store.ingest(Trip, frame)
    assert by_key(report.states) == {
        "rider": Counts(applied=2, unkeyed=1, quarantined=1),
        "driver": Counts(applied=3, quarantined=1),
    }
    assert store.lookup(FeatureSet("r", ByRider), {"rider": 3.0}).to_pylist() == [{"by_rider__trips": 1}]


@pytest.mark.parametrize(
    ("report", "useless"),
    [
        (IngestReport("Trip", 0, 0, 0, 0, 0), False),
        (IngestReport("Trip", 2, 0, 0, 2, 0), True),
        (IngestReport("Trip", 2, 1, 2, 0, 0), False),
        (IngestReport("Trip", 2, 1, 2, 0, 0, {"a": Counts(unkeyed=2), "b": Counts(unkeyed=2)}), True),
        (IngestReport("Trip", 2, 1, 2, 0, 0, {"a": Counts(unkeyed=2), "b": Counts(duplicate=2)}), False),
    ],
)
def test_a_call_is_useless_where_no_row_counts_anywhere(report: IngestReport, useless: bool) -> None:
    """Rows that wait for a state, or that came before, are of use."""
    assert report.useless is useless


DEFINITIONS = """
from featurestore import Column, Entity, EventTime, FeatureView, Source, rows


class Rider(Entity):
    rider_id: Column[int]


class AppOpen(Source):
    rider_id: Column[int]
    opened_at: EventTime


class Opens(FeatureView, entity=Rider, source=AppOpen):
    n = rows()
"""


def test_ingest_of_rows_without_a_usable_key_fails(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of keys such as 12.0 is set aside whole, exit code 1, and `quarantine` shows its rows."""
    root = store.config.root
    (root / "definitions").mkdir()
    (root / "definitions" / "rides.py").write_text(DEFINITIONS)
    (root / "opens.csv").write_text("rider_id,opened_at\n" + "12.0,2024-01-01T00:00:00Z\n" * 3)
    monkeypatch.chdir(root)

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(arguments)
        return int(left.value.code or 0), capsys.readouterr().out

    code, out = run("ingest", "AppOpen", "opens.csv")
    assert code == 1, out
    assert "row 0 set aside: rider_id, which is a key, is no int64" in out
    assert "3 rows set aside when pushed" in run("quarantine", "AppOpen")[1]
    (root / "good.csv").write_text("rider_id,opened_at\n12,2024-01-01T00:00:00Z\n")
    assert run("ingest", "AppOpen", "good.csv")[0] == 0
