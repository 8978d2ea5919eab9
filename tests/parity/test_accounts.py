"""Nothing is dropped in silence (R16): both roads account alike for the same rows, however and how often they come."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import redis
from hypothesis import given, note, settings
from hypothesis import strategies as st

from featurestore import Csv, FeatureView, Parquet, Source, rows
from featurestore.cli.given import rows_of_file
from featurestore.log.event_log import EventLog
from featurestore.log.quarantine import Quarantine
from featurestore.offline.accounts import account_of, read_source
from featurestore.offline.connection import connect
from featurestore.offline.materialize import state_rows
from featurestore.offline.scan import History
from featurestore.online.online_store import IngestReport, OnlineStore
from featurestore.online.pointers import Pointer
from featurestore.plan.build import plan_scan, plan_view
from featurestore.plan.nodes import Scan, State
from featurestore.plan.outcomes import Counts, SetAside
from featurestore.semantics.instants import FIRST_DAY, FIRST_US, LAST_DAY, LAST_US
from tests.strategies import make_source, make_view
from tests.strategies.sources import COLUMNS, ENTITIES
from tests.strategies.values import pick

KEYS = ENTITIES[:3]
HELD = tuple(name for name in COLUMNS if name not in ("tags", "counts", "point"))
"""The columns that a text file can hold."""
NOW = datetime(2024, 11, 3, 6, tzinfo=UTC)
# what a file or a caller may write for each type: values, nulls, and texts that are no value of it
GOOD: dict[str, tuple[str, ...]] = {
    "id": ("1", "2", "3", "4", "-7"),
    "user": ("1", "1", "2", "+1", "01"),
    "place": ("a", "b", "null", "nan"),
    "whole": ("0", "-9223372036854775808", "9223372036854775807"),
    "number": ("1", "-0.0", ".5", "5.", "1e3", "1E-400", "nan", "Infinity", "-inf", "1e999", "9007199254740993"),
    "text": ("", "ä", "2024-01-01", "1", "null"),
    "flag": ("true", "FALSE", "True"),
    "moment": ("2024-01-01T00:00:00Z", "1969-12-31 23:59:59.999999999+05:30", "0001-01-01T00:00Z"),
    "day": ("2024-02-29", "0001-01-01", "9999-12-31"),
    "price": ("1.50", "-0.01", "12", "1.500", "9999999999999999.99"),
    "fee": ("0", "-9999999999.99"),
    "happened_at": ("2024-11-03T05:00:00Z", "2024-11-03T05:00:00Z", "2024-11-03 06:00:00+01", "1901-01-01T00:00Z"),
    "learnt_at": ("2024-11-03T05:00:00Z", "2024-11-03T05:00:00.000001Z", "2024-12-01T00:00:00+01:00"),
}
BAD: dict[str, tuple[str, ...]] = {
    "id": ("x", "1.0", "9223372036854775808", "null"),
    "user": ("x", "1.5", "1e3", "1_0"),
    "whole": ("9223372036854775808", "1.0", "0x10", "true", "1 "),
    "number": ("x", "1,5", "1_000", " 1", "0x10", "--1"),
    "flag": ("1", "yes", "t", "null"),
    "moment": ("yesterday", "2024-02-30T00:00Z", "2024-01-01T24:00:00Z", "2024-1-1T00:00:00Z", "epoch", "infinity"),
    "price": ("x", "1.505", "1,5", "99999999999999999.99"),
    "fee": ("x", "10000000000.00"),
    "day": ("2024-02-30", "0000-01-01", "20240101", "2024-1-1", "2024-01-01T00:00:00", "infinity"),
    "happened_at": ("now", "2024-W01-1T00:00Z", "2024-01-01T00:00:60Z", "2024-01-01T00:00:00 Z", "20240101T000000Z"),
    "learnt_at": ("later", "2024-01-01T00:00:00Europe/Berlin", "2024-01-01T00:00:00.1234567891Z"),
}
Row = dict[str, str | None]


@dataclass
class Road:
    """An online road of a folder, with the states of one source."""

    store: OnlineStore
    states: list[State]

    def ingest(self, scan: Scan, found: object) -> IngestReport:
        """Push rows."""
        return self.store.ingest(scan, self.states, found)


@st.composite
def tables(draw: st.DrawFn, source: type[Source]) -> list[Row]:
    """Rows of texts, some of which are no value of their column, some of which come twice."""
    found: list[Row] = []
    for _ in range(draw(st.integers(0, 12))):
        if found and draw(st.integers(0, 3)) == 0:
            found.append(dict(pick(draw, found)))
            continue
        row: Row = {}
        for column in source.__spec__.columns:
            chance = draw(st.integers(0, 11))
            kinds = BAD.get(column.name, (None,)) if chance == 7 else GOOD[column.name]
            row[column.name] = None if chance == 8 else pick(draw, kinds)
        found.append(row)
    return found


def states_of(source: type[Source]) -> list[State]:
    """A state of the source for each of several keys."""
    views: list[type[FeatureView]] = [
        make_view(f"By{place}", {"n": rows()}, source=source, entity=key) for place, key in enumerate(KEYS)
    ]
    return [state for view in views if (state := plan_view(view.__spec__).state) is not None]


def read(source: type[Source], root: Path, log: EventLog | None = None) -> SetAside:
    """The account of a source's files and log, as a training set gives it."""
    scan, states = plan_scan(source), states_of(source)
    history = History(root, log, quarantine=Quarantine(root / "quarantine"))
    connection = connect([root, *history.folders(scan)])
    try:
        read_source(connection, scan, history, states, "read")
        found = account_of(connection, scan, history, states, "read")
    finally:
        connection.close()
    for state in states:
        with state_rows(state, history, 0, None) as built:
            assert built.account.states[state.id] == found.states[state.id], "materialize counts as a training set does"
            assert (built.account.quarantined, built.account.bad_values) == (found.quarantined, found.bad_values)
    return found


def road(root: Path, client: redis.Redis, source: type[Source]) -> Road:
    """An empty online road whose states are there."""
    states = states_of(source)
    log = EventLog(root / "log")
    store = OnlineStore(client, client, f"accounts-{secrets.token_hex(6)}", log, Quarantine(root / "quarantine"))
    store.states.publish({state.id: Pointer("empty", 0, 0, log.identity, None, 0, 0) for state in states})
    return Road(store, states)


def summed(reports: list[IngestReport]) -> SetAside:
    """The accounts of several calls as one."""
    states: dict[str, Counts] = {}
    quarantined, bad = Counter[str](), Counter[str]()
    for report in reports:
        quarantined.update(report.reasons)
        bad.update(report.bad_columns)
        for state_id, counts in report.states.items():
            states.setdefault(state_id, Counts()).add(counts)
    return SetAside(reports[0].source, sum(each.rows for each in reports), dict(quarantined), dict(bad), states=states)


def assert_whole(account: SetAside) -> None:
    """in = applied + duplicate + unkeyed + quarantined, for each state."""
    for counts in account.states.values():
        assert counts.total == account.rows
        assert counts.quarantined >= sum(account.quarantined.values())


def written(path: Path, found: list[Row], source: type[Source]) -> Path:
    """Rows as a file: CSV, or Parquet of texts."""
    names = [column.name for column in source.__spec__.columns]
    table = pa.table({name: pa.array([row[name] for row in found], pa.string()) for name in names})
    if path.suffix == ".csv":
        pacsv.write_csv(table, path, pacsv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(table, path)
    return path


@settings(max_examples=60)
@given(st.data())
def test_r16_both_roads_account_alike_for_the_same_rows(client: redis.Redis, data: st.DataObject) -> None:
    """Rows in CSV or Parquet files, and the same rows pushed in several calls, give the same counts, reasons and bad
    values."""
    kind = data.draw(st.sampled_from(("csv", "parquet")))
    form = Csv("rows*.csv") if kind == "csv" else Parquet("rows*.parquet")
    made = make_source(
        row_id=int, order=None, known=data.draw(st.sampled_from(("event", "column"))), columns=HELD, data=form
    )
    found = data.draw(tables(made))
    cut = data.draw(st.integers(0, len(found)))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for n, part in enumerate((found[:cut], found[cut:])):
            written(root / f"rows{n}.{kind}", part, made)
        offline = read(made, root)
        assert_whole(offline)
        online = road(root, client, made)
        try:
            scan = plan_scan(made)
            dtypes = {column.name: column.dtype for column in scan.columns}
            csvs = [written(root / f"push{n}.csv", part, made) for n, part in enumerate((found[:cut], found[cut:]))]
            reports = [online.ingest(scan, rows_of_file(each, dtypes)) for each in csvs]
        finally:
            online.store.states.drop_project()
            online.store.log.close()
        pushed = summed(reports)
        note(f"{offline}\n{pushed}")
        assert_whole(pushed)
        assert pushed == replace(offline, waiting=0)


@settings(max_examples=30)
@given(st.data())
def test_r16_what_was_pushed_is_in_the_account_of_the_training_set(client: redis.Redis, data: st.DataObject) -> None:
    """The log and the quarantine together have every row that was pushed, however often, and every bad value of those
    that count."""
    made = make_source(row_id=data.draw(st.sampled_from((int, None))), order=None, columns=HELD)
    found = [_parsed(row, made) for row in data.draw(tables(made))]
    calls = data.draw(st.lists(st.lists(st.sampled_from(found or [{}]), max_size=6), min_size=1, max_size=4))
    calls = [[row for row in call if row] for call in calls]
    with TemporaryDirectory() as folder:
        online = road(Path(folder), client, made)
        try:
            pushed = summed([online.ingest(plan_scan(made), call) for call in calls])
            offline = read(made, Path(folder), online.store.log)
        finally:
            online.store.states.drop_project()
            online.store.log.close()
    assert_whole(pushed)
    assert_whole(offline)
    assert offline.rows + offline.waiting == pushed.rows
    assert offline.waiting == sum(pushed.quarantined.values()) and not offline.quarantined
    for state_id, counts in pushed.states.items():
        assert replace(counts, quarantined=counts.quarantined - offline.waiting) == offline.states[state_id]
    if not offline.waiting:
        assert offline.bad_values == pushed.bad_values


def _parsed(row: Row, source: type[Source]) -> dict[str, Any]:
    """A row as a program would send it: numbers as numbers where the texts are some."""
    found: dict[str, Any] = dict(row)
    for name in HELD:
        held, text = COLUMNS[name], row[name]
        if held in (int, float) and text is not None:
            try:
                found[name] = held(text)
            except ValueError:
                found[name] = text
        if held is bool:
            found[name] = {"true": True, "false": False}.get((text or "").lower(), text)
    if "id" in row and (row["id"] or "").lstrip("-").isdigit():
        found["id"] = int(row["id"] or "")
    return found


def test_r16_instants_out_of_range_and_typed_misfits_are_counted_on_both_roads(client: redis.Redis) -> None:
    """Typed columns have misfits too: uint64 beyond int64, int64 beyond 2^53 as a float, and an event whose delay leads
    beyond all instants."""
    made = make_source(row_id=int, order=None, known="delay", columns=HELD, data=Parquet("rows.parquet"))
    at = [NOW, NOW + timedelta(days=1), None]
    columns: dict[str, Any] = {name: pa.nulls(3) for name in HELD}
    columns |= {
        "user": pa.array([1, 2**63, 1], pa.uint64()),
        "place": pa.array(["a", None, "a"]),
        "whole": pa.array([2**64 - 1, 5, None], pa.uint64()),
        "number": pa.array([2**53, 2**53 + 1, -(2**53) - 1], pa.int64()),
        "text": pa.nulls(3, pa.string()),
        "flag": pa.nulls(3, pa.bool_()),
        "moment": pa.nulls(3, pa.timestamp("ns", "UTC")),
        "day": pa.nulls(3, pa.date32()),
        "price": pa.nulls(3, pa.decimal128(18, 2)),
        "fee": pa.nulls(3, pa.decimal128(12, 2)),
        "id": pa.array([1, 2, 3]),
        "happened_at": pa.array(at, pa.timestamp("us", "UTC")),
    }
    with TemporaryDirectory() as folder:
        root = Path(folder)
        table = pa.table(columns)
        pq.write_table(table, root / "rows.parquet")
        offline = read(made, root)
        online = road(root, client, made)
        try:
            pushed = summed([online.ingest(plan_scan(made), table)])
        finally:
            online.store.states.drop_project()
            online.store.log.close()
        far = table.set_column(
            table.schema.get_field_index("happened_at"),
            "happened_at",
            pa.array([LAST_US - 5, LAST_US + 1, FIRST_US - 1], pa.timestamp("us", "UTC")),
        )
        for name, ends in (
            ("moment", (LAST_US, LAST_US + 1, FIRST_US - 1)),
            ("day", (LAST_DAY, LAST_DAY + 1, FIRST_DAY - 1)),
        ):
            kind = far.schema.field(name).type if name == "day" else pa.timestamp("us", "UTC")
            far = far.set_column(far.schema.get_field_index(name), name, pa.array(ends, kind))
        pq.write_table(far, root / "rows.parquet")
        beyond = read(made, root)
        again = road(root, client, made)
        try:
            pushed_far = summed(
                [again.ingest(plan_scan(made), far.drop_columns(["id"]).append_column("id", [[4, 5, 6]]))]
            )
        finally:
            again.store.states.drop_project()
            again.store.log.close()
    assert offline == pushed
    assert (offline.bad_values, offline.quarantined) == (
        {"user": 1, "whole": 1, "number": 2},
        {"happened_at is null": 1},
    )
    assert beyond.quarantined == {"happened_at with the delay is out of range": 1, "happened_at is out of range": 2}
    # a pushed row is known when it is committed, so its delay is no part of it
    assert pushed_far.quarantined == {"happened_at is out of range": 2}
    assert beyond.bad_values == {"moment": 2, "day": 2, "user": 1, "whole": 1, "number": 2} == pushed_far.bad_values
