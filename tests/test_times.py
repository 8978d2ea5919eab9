"""Rows and their times (R1, R2, R3, R12, R16): late, early, ancient, local and redeclared, on both roads."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import FeatureStore
from featurestore.errors import NaiveTime
from featurestore.online.events import check_events, decode
from featurestore.plan.build import plan_scan

DEFINITIONS = '''"""Readings of meters."""
from datetime import date, datetime
from decimal import Decimal
from featurestore import column, Column, Csv, Entity, EventTime, FeatureSet, FeatureView
from featurestore import KnownTime, Parquet, RowId, Source, rows

class Meter(Entity):
    meter: Column[int]

class Reading(Source{options}):
    id: RowId[int]
    meter: Column[int]
    value: {value}
    at: EventTime{more}

class Readings(FeatureView, entity=Meter, source=Reading):
    n = rows()
    month = rows(over="30d")
    last = Reading.value.last()
    first = Reading.value.first()
    last_at = Reading.at.last()

readings = FeatureSet("readings", Readings)
'''


def write(root: Path, options: str = "", value: str = "float", more: str = "") -> Path:
    """A project of meters, or the same one with other definitions, as a new process would find it."""
    for name in [each for each in sys.modules if each.split(".")[0] == "definitions"]:
        del sys.modules[name]
    shutil.rmtree(root / "definitions" / "__pycache__", ignore_errors=True)
    (root / "definitions").mkdir(exist_ok=True)
    text = (
        DEFINITIONS.replace("{options}", options)
        .replace("{value}", value if "(" in value else f"Column[{value}]")
        .replace("{more}", more)
    )
    (root / "definitions" / "meters.py").write_text(text)
    (root / "featurestore.toml").write_text('project = "meters"\n')
    return root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A store of a source that is only pushed."""
    with FeatureStore(write(tmp_path)) as store:
        store.materialize()
        yield store


def reading(id: int, at: Any, value: Any = 1.0, **other: Any) -> dict[str, Any]:
    """One reading of meter 1."""
    return {"id": id, "meter": 1, "value": value, "at": at} | other


def both(store: FeatureStore, as_of: datetime | None = None) -> dict[str, Any]:
    """What a lookup says, after DuckDB said the same of the same instant."""
    vectors = store.lookup("readings", {"meter": 1}, as_of=as_of)
    spine = [{"meter": 1, "t": vectors.as_of}]
    train = store.dataset("readings", spine, as_of="t", statuses=True).to_arrow().to_pylist()[0]
    (found,) = vectors.to_pylist()
    assert {name: train[name] for name in vectors.names} == found
    assert {name: train[f"{name}__status"] for name in vectors.names} == vectors.status[0]
    return {name.removeprefix("readings__"): value for name, value in found.items()}


def test_r3_a_row_of_the_future_becomes_visible_when_it_happens(store: FeatureStore) -> None:
    """A row dated ahead of the clock is taken, is part of no answer before its time, and of every one after it."""
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    report = store.ingest("Reading", [reading(1, soon), reading(2, datetime(2099, 1, 1, tzinfo=UTC))])
    (counts,) = report.states.values()
    assert counts.applied == 2
    assert both(store)["n"] == 0
    while datetime.now(UTC) <= soon + timedelta(milliseconds=50):
        time.sleep(0.05)
    assert both(store)["n"] == 1
    later = [{"meter": 1, "t": datetime(year, 1, 1, tzinfo=UTC)} for year in (2098, 2099, 2100)]
    assert store.dataset("readings", later, as_of="t").to_arrow()["readings__n"].to_pylist() == [1, 1, 2]


def test_r2_a_row_that_arrives_years_late_is_known_from_its_arrival(store: FeatureStore) -> None:
    """It takes its place in the order by when it happened, and no answer from before it came knows of it."""
    store.ingest("Reading", reading(1, datetime(2024, 1, 1, tzinfo=UTC), 5.0))
    before = store.lookup("readings", {"meter": 1}).as_of
    store.ingest("Reading", reading(2, datetime(2009, 1, 1, tzinfo=UTC), 7.0))
    found = both(store)
    assert (found["n"], found["month"], found["first"], found["last"]) == (2, 0, 7.0, 5.0)
    assert both(store, before)["first"] == 5.0
    store.materialize()
    assert both(store) == found and both(store, before)["n"] == 1


def test_r12_one_row_from_the_future_trims_nothing(store: FeatureStore) -> None:
    """A row of 2099 moves no horizon: what windows see now is still there after `materialize`."""
    now = datetime.now(UTC)
    store.ingest("Reading", [reading(1, datetime(2099, 1, 1, tzinfo=UTC)), reading(2, now - timedelta(days=20))])
    store.materialize()
    assert both(store)["month"] == 1


def test_r1_history_before_1970_and_spines_before_all_history(tmp_path: Path) -> None:
    """Instants below zero are instants like any other; before the first row there is nothing, and no error."""
    write(tmp_path, ', data=Parquet("r.parquet")')
    at = [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(1912, 6, 23, tzinfo=UTC),
        datetime(1, 1, 1, 0, 0, 0, 1, UTC),
    ]
    pq.write_table(
        pa.Table.from_pylist([reading(n, each, float(n)) for n, each in enumerate(at)]), tmp_path / "r.parquet"
    )
    with FeatureStore(tmp_path) as store:
        store.materialize()
        assert both(store, datetime(1, 1, 1, tzinfo=UTC)) == {
            "n": 0,
            "month": 0,
            "last": None,
            "first": None,
            "last_at": None,
        }
        assert both(store, datetime(1, 1, 1, 0, 0, 0, 1, UTC))["n"] == 0
        assert both(store, datetime(1, 1, 1, 0, 0, 0, 2, UTC))["n"] == 1
        assert both(store, datetime(1912, 7, 1, tzinfo=UTC)) == {
            "n": 2,
            "month": 1,
            "last": 1.0,
            "first": 2.0,
            "last_at": at[1],
        }
        assert both(store, datetime(1970, 1, 1, tzinfo=UTC))["last"] == 0.0
        assert both(store, at[0])["n"] == 2
        assert store.verify("readings", cells=500).differing == 0


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_r1_a_frame_of_any_unit_gives_the_same_instants_from_files_and_pushed(unit: str, tmp_path: Path) -> None:
    """pandas columns in seconds to nanoseconds, before and after 1970, zoned or read in a zone, are the same rows on
    both roads; a missing time is set aside."""
    stamps = pd.to_datetime(["1969-12-31T23:59:58Z", "2024-06-01T12:00:00Z", None]).as_unit(unit)
    if unit == "ns":
        stamps = stamps - pd.Timedelta(1, "ns")
    for zone, times in (("", stamps), (', zone="Europe/Berlin"', stamps.tz_localize(None))):
        frame = pd.DataFrame({"id": [1, 2, 3], "meter": 1, "value": 1.0, "at": times})
        root = tmp_path / f"zone{bool(zone)}"
        root.mkdir()
        with FeatureStore(write(root, f', data=Parquet("r.parquet"){zone}')) as store:
            scan = plan_scan(store.definitions.source("Reading"))
            checked = check_events(scan, frame)
            frame.to_parquet(root / "r.parquet")
            train = store.dataset("readings", [{"meter": 1, "t": datetime(2025, 1, 1, tzinfo=UTC)}], as_of="t")
        pushed = max(row["at"] for row in checked.rows)
        at = train.to_arrow()["readings__last_at"].cast(pa.int64()).to_pylist()[0]
        hours = 2 if zone else 0
        assert at == pushed == 1_717_243_200_000_000 - hours * 3_600_000_000 - (unit == "ns")
        assert min(row["at"] for row in checked.rows) == -2_000_000 - hours // 2 * 3_600_000_000 - (unit == "ns")
        assert train.set_aside["Reading"].quarantined == {"at is null": 1}
        assert [reason for _, _, reason in checked.quarantined] == ["at is null"]


def test_r16_times_that_the_clocks_skipped_or_showed_twice(tmp_path: Path) -> None:
    """With `zone=`, a local time that was there twice is the earlier instant, one that was not there sets its row aside
    with that reason, and one in another column is a bad value: in files and when pushed."""
    more = "\n    seen_at: Column[datetime]"
    local = [
        "2024-03-31T02:30:00",
        "2024-10-27 02:30",
        "2024-10-27T02:30:00+01:00",
        "2024-07-01",
        "2024-03-31T03:00:00",
    ]
    gap = "2024-03-31T02:59:59.999999"
    with FeatureStore(write(tmp_path, ', data=Csv("r.csv"), zone="Europe/Berlin"', more=more)) as store:
        lines = [f"{n},1,1.0,{at},{gap if n == 3 else ''}\n" for n, at in enumerate(local)]
        (tmp_path / "r.csv").write_text("id,meter,value,at,seen_at\n" + "".join(lines))
        checked = check_events(
            plan_scan(store.definitions.source("Reading")),
            [reading(n, at, seen_at=gap if n == 3 else None) for n, at in enumerate(local)],
        )
        spine = [
            {"meter": 1, "t": datetime(2024, 10, 27, hour, 30, 0, micro, UTC)} for hour in (0, 1) for micro in (0, 1)
        ]
        train = store.dataset("readings", spine, as_of="t")
    reason = "at does not exist in Europe/Berlin, whose clocks jumped over it"
    assert train.set_aside["Reading"].quarantined == {reason: 1}
    assert train.set_aside["Reading"].bad_values == {"seen_at": 1}
    assert [each[2] for each in checked.quarantined] == [reason]
    assert checked.bad_values == {"seen_at": 1}
    instants = [
        datetime(2024, 10, 27, 0, 30),
        datetime(2024, 10, 27, 1, 30),
        datetime(2024, 6, 30, 22),
        datetime(2024, 3, 31, 1),
    ]
    assert [row["at"] for row in checked.rows] == [int(at.replace(tzinfo=UTC).timestamp()) * 10**6 for at in instants]
    assert train.to_arrow()["readings__n"].to_pylist() == [2, 3, 3, 4]


def test_r1_a_text_without_a_zone_is_refused_and_one_that_is_no_time_is_set_aside(tmp_path: Path) -> None:
    """In a file as in a call: a naive time is an error, for nobody can guess its zone; nonsense is a row set aside."""
    with FeatureStore(write(tmp_path, ', data=Csv("r.csv")')) as store:
        scan = plan_scan(store.definitions.source("Reading"))
        spine = [{"meter": 1, "t": datetime(2025, 1, 1, tzinfo=UTC)}]
        (tmp_path / "r.csv").write_text("id,meter,value,at\n1,1,1.0,2024-01-01T00:00:00Z\n2,1,1.0,soon\n")
        assert store.dataset("readings", spine, as_of="t").set_aside["Reading"].quarantined == {"at is no timestamp": 1}
        (tmp_path / "r.csv").write_text("id,meter,value,at\n1,1,1.0,2024-01-01T00:00:00Z\n2,1,1.0,2024-01-01\n")
        with pytest.raises(NaiveTime):
            store.dataset("readings", spine, as_of="t")
        with pytest.raises(NaiveTime):
            check_events(scan, reading(1, "2024-01-01"))


def digits(precision: int, scale: int) -> str:
    """A decimal as a definition writes it."""
    return f"Column[Decimal] = column(precision={precision}, scale={scale})"


def many(precision: int, scale: int) -> str:
    """A list of decimals as a definition writes it."""
    return digits(precision, scale).replace("Decimal", "list[Decimal]")


@pytest.mark.filterwarnings("ignore:.*none of its type:UserWarning")
@pytest.mark.parametrize(
    ("before", "after", "sent", "kept"),
    [
        ("float", "int", [1.5, 2.0, 1e300, None], [None, None, None, None]),
        ("int", "float", [1, 2**53, 2**53 + 1, -(2**63)], [1.0, 2.0**53, None, None]),
        ("int", "str", [1, 0], [None, None]),
        ("str", "int", ["1", "x"], [None, None]),
        ("str", "bool", ["true", "false"], [None, None]),
        ("bool", "int", [True, False], [None, None]),
        ("int", "date", [1, 2**31 - 1], [None, None]),
        ("int", "datetime", [1, 0], [None, None]),
        ("date", "int", ["1970-01-02"], [None]),
        ("date", "datetime", ["1970-01-02"], [None]),
        ("datetime", "date", ["1970-01-01T00:00:00Z"], [None]),
        ("datetime", "float", ["1970-01-01T00:00:00Z"], [None]),
        (digits(12, 2), digits(12, 4), ["1.25", "-3"], [Decimal("1.25"), Decimal(-3)]),
        (digits(12, 4), digits(12, 2), ["1.2500", "1.2501"], [Decimal("1.25"), None]),
        (digits(18, 18), digits(18, 0), ["0.5", "0"], [None, Decimal(0)]),
        (digits(18, 0), digits(18, 18), [10**17, 0, -1], [None, Decimal(0), None]),
        (digits(12, 2), digits(3, 2), ["9.99", "10.00"], [Decimal("9.99"), None]),
        ("int", digits(12, 2), [7, 10**10, -(2**63)], [Decimal(7), None, None]),
        ("int", digits(18, 18), [0, 2**63 - 1, 1], [Decimal(0), None, None]),
        (digits(12, 2), "int", ["12.34", "12.00"], [None, None]),
        (digits(12, 2), "float", ["12.34"], [None]),
        (digits(12, 2), "datetime", ["12.34"], [None]),
        ("datetime", digits(12, 2), ["1970-01-01T00:00:00Z"], [None]),
        ("float", digits(12, 2), [1.0], [None]),
        (many(12, 2), many(12, 3), [["1.25", None], []], [[Decimal("1.25"), None], []]),
        (many(12, 3), many(12, 2), [["1.250"], ["1.25", "1.251"]], [[Decimal("1.25")], None]),
        ("list[int]", many(12, 2), [[1, None], [10**10]], [[Decimal(1), None], None]),
        ("list[int]", "list[date]", [[1], [], [None]], [None, [], [None]]),
        ("list[date]", "list[int]", [["1970-01-02"], [], [None]], [None, [], [None]]),
        ("list[int]", "list[float]", [[1], []], [None, []]),
    ],
)
def test_r8_a_column_that_is_declared_otherwise_reads_what_its_type_holds(
    before: str, after: str, sent: list[Any], kept: list[Any], tmp_path: Path
) -> None:
    """Rows of the log keep what was pushed; a value that today's type does not hold is null and bad, never rounded,
    parsed or printed; and both roads, the one that is built and the one that follows, say so."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    with FeatureStore(write(tmp_path, value=before)) as store:
        store.materialize()
        report = store.ingest(
            "Reading", [reading(n, at + n * timedelta(hours=1), value) for n, value in enumerate(sent)]
        )
        assert report.bad_values == 0
    with FeatureStore(write(tmp_path, value=after)) as store:
        built = store.materialize().set_aside["Reading"]
        missing = sum(value is not None and held is None for value, held in zip(sent, kept, strict=True))
        assert built.bad_values == ({"value": missing} if missing else {})
        found = both(store)
        assert found["n"] == len(sent)
        assert (found["first"], found["last"]) == (kept[0], kept[-1])
        state = next(state for state in store._states())
        pointer = store.online.states.pointers([state])[state.id]
        assert pointer is not None
        store.online.states.publish({state.id: replace(pointer, generation="followed", applied=0)})
        with store.log.turn("Reading"):
            store.online._follow("Reading", [state])
        assert both(store) == found, "a state that follows the log reads it as DuckDB does"


def test_r8_a_row_that_does_not_say_its_types_is_read_as_they_are_today(tmp_path: Path) -> None:
    """Rows of a log from before rows said them are what they were."""
    with FeatureStore(write(tmp_path, value=digits(12, 2))) as store:
        at_us = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 10**6
        with store.log.turn("Reading"):
            store.log.append("Reading", [f'{{"id":1,"meter":1,"value":1234,"at":{at_us}}}'], at_us)
        store.materialize()
        assert both(store)["last"] == Decimal("12.34")
        state = next(state for state in store._states())
        (entry,) = store.log.entries("Reading")
        assert decode(entry.body, state.scan)["value"] == 1234


@pytest.mark.filterwarnings("ignore:.*rows cannot be used:UserWarning")
def test_r16_a_row_of_the_log_that_a_new_declaration_cannot_use_is_counted(tmp_path: Path) -> None:
    """A KnownTime that is declared later is null in the rows before: they are quarantined, by DuckDB and by a state
    that follows the log."""
    with FeatureStore(write(tmp_path)) as store:
        store.ingest(
            "Reading", [reading(1, datetime(2024, 1, 1, tzinfo=UTC)), reading(2, datetime(2024, 1, 2, tzinfo=UTC))]
        )
    with FeatureStore(write(tmp_path, more="\n    known: KnownTime")) as store:
        built = store.materialize()
        (counts,) = built.states.values()
        assert (counts.applied, counts.quarantined) == (0, 2)
        assert built.set_aside["Reading"].quarantined == {"known is null": 2}
        assert [row.place for row in store.quarantined("Reading").unusable] == [
            "position 1 of the log",
            "position 2 of the log",
        ]
        (state,) = store._states()
        pointer = store.online.states.pointers([state])[state.id]
        assert pointer is not None
        _, followed = store.online.states.follow(state, replace(pointer, applied=0), store.log, store.online.clock_us())
        assert followed == counts
        assert both(store)["n"] == 0
