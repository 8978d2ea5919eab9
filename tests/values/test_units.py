"""Instants that are whole numbers since 1970 in a named unit (R1): the same instant from files, frames, pushes and
JSON, on both roads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import (
    Column,
    Csv,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    KnownTime,
    Parquet,
    RowId,
    Source,
    column,
    rows,
)
from featurestore.cli.given import rows_of_file
from featurestore.errors import FeatureStoreError, InputError, InvalidDefinition, InvalidValue
from featurestore.plan.scan import plan_scan
from featurestore.plan.version import meaning_of_scan
from featurestore.semantics.strict_json import read_json
from featurestore.testing import value

AT = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
US = AT - datetime(1970, 1, 1, tzinfo=UTC)
NUMBERS = {
    "s": US // timedelta(seconds=1),
    "ms": US // timedelta(milliseconds=1),
    "us": US // timedelta(microseconds=1),
}
NUMBERS["ns"] = NUMBERS["us"] * 1_000 + 999
INSTANTS = {
    "s": AT.replace(microsecond=0),
    "ms": AT.replace(microsecond=123000),
    "us": AT,
    "ns": AT,
}


class User(Entity):
    """Who."""

    user: Column[int]


def make(data: Any = None) -> tuple[type[Source], type[FeatureView]]:
    """A source with an instant of each unit, and its latest ones."""

    class Ping(Source, data=data):
        id: RowId[int]
        user: Column[int]
        s: EventTime = column(unit="s")
        ms: KnownTime = column(unit="ms")
        us: Column[datetime] = column(unit="us")
        ns: Column[datetime] = column(unit="ns")

    class Pings(FeatureView, entity=User, source=Ping):
        s = Ping.s.last()
        ms = Ping.ms.last()
        us = Ping.us.last()
        ns = Ping.ns.last()
        happened = Ping.us.last_at()
        held = rows()

    return Ping, Pings


ROW = {"id": 1, "user": 7, **NUMBERS}
FAR = {"id": 2, "user": 7, **NUMBERS, "s": NUMBERS["s"] + 1, "us": 2**62, "ns": None}
LOST = {"id": 3, "user": 7, **NUMBERS, "s": 2**62}
NULLS = {"us": None, "ns": None}
EXPECTED: dict[str, Any] = {**INSTANTS, "s": INSTANTS["s"] + timedelta(seconds=1), **NULLS}
EXPECTED |= {"happened": INSTANTS["s"], "held": 2}


def frame(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as pandas holds them without making floats of the numbers in a column with a null."""
    return pd.DataFrame({name: pd.array([row[name] for row in found], dtype="Int64") for name in found[0]})


def check(store: FeatureStore, view: type[FeatureView]) -> None:
    """Both roads have the two rows that count, to the microsecond."""
    feature_set, now = FeatureSet("pings", view), datetime(2024, 6, 1, tzinfo=UTC)
    trained = store.dataset(feature_set, [{"user": 7, "t": now}], as_of="t")
    served = store.lookup(feature_set, {"user": 7}, as_of=now).to_pylist()
    assert trained.to_arrow().drop_columns(["user", "t"]).to_pylist() == served
    assert {name.split("__")[1]: each for name, each in served[0].items()} == EXPECTED


@pytest.mark.parametrize("kind", ["csv", "parquet", "narrow", "frame"])
def test_a_unit_is_read_from_files_and_frames(store: FeatureStore, kind: str) -> None:
    """CSV, Parquet of int64, Parquet of uint64, and a frame of pandas with an int column that has nulls."""
    root, table = store.config.root, pa.Table.from_pylist([ROW, FAR, LOST])
    if kind == "csv":
        lines = [",".join(str("" if row[name] is None else row[name]) for name in ROW) for row in (ROW, FAR, LOST)]
        (root / "pings.csv").write_text("\n".join([",".join(ROW), *lines]) + "\n")
        data: Any = Csv("pings.csv")
    elif kind == "frame":
        data = frame([ROW, FAR, LOST])
    else:
        if kind == "narrow":
            table = table.cast(pa.schema([(name, pa.uint64()) for name in table.column_names]))
        pq.write_table(table, root / "pings.parquet")
        data = Parquet("pings.parquet")
    _, view = make(data)
    account = store.materialize([view]).set_aside["Ping"]
    assert (account.quarantined, account.bad_values) == ({"s is out of range": 1}, {"us": 1})
    check(store, view)


@pytest.mark.parametrize("kind", ["dicts", "JSON", "numpy", "table", "csv"])
def test_a_unit_is_read_from_pushes(store: FeatureStore, kind: str) -> None:
    """Numbers of Python, of a JSON body, of numpy, in an Arrow table and in a file of the command line."""
    source, view = make()
    store.materialize([view])
    sent: Any = [ROW, FAR, LOST]
    if kind == "JSON":
        sent = read_json(json.dumps(sent))
    elif kind == "numpy":
        sent = [{name: None if each is None else np.int64(each) for name, each in row.items()} for row in sent]
    elif kind == "table":
        sent = pa.Table.from_pylist(sent)
    elif kind == "csv":
        path = store.config.root / "pings.csv"
        frame(sent).to_csv(path, index=False)
        sent = rows_of_file(path, {each.name: each.sent for each in plan_scan(source).columns})
    report = store.ingest(source, sent)
    assert (report.reasons, report.bad_columns) == ({"s is out of range": 1}, {"us": 1})
    check(store, view)


def test_what_is_no_number_of_the_unit_is_a_bad_value(store: FeatureStore) -> None:
    """A fraction, a text and a time are none, whatever they say; a whole float is one."""
    source, view = make()
    latest: Any = vars(view)["us"]
    store.materialize([view])
    good = ROW | {"us": float(NUMBERS["s"])}
    bad = [good | {"id": place + 2, "us": each} for place, each in enumerate((1.5, "1714564800000000", AT))]
    report = store.ingest(source, [good, *bad])
    assert (report.quarantined, report.bad_columns) == (0, {"us": 3})
    assert value(latest, [good], key=7, as_of="2024-06-01T00:00:00Z") == datetime(1970, 1, 1, 0, 28, 34, 564800, UTC)


def test_a_number_without_a_unit_is_refused_with_the_fix(store: FeatureStore) -> None:
    """Nothing is guessed of a number: the error says how to declare its unit."""
    data = pa.table({"id": [1], "user": [7], "at": [NUMBERS["ms"]]})

    class Bare(Source, data=data):
        id: RowId[int]
        user: Column[int]
        at: EventTime

    class Bares(FeatureView, entity=User, source=Bare):
        n = rows()

    with pytest.raises(InputError, match="declared timestamp, the data holds BIGINT") as caught:
        store.materialize([Bares])
    assert 'column(unit="ms")' in (caught.value.fix or "")
    with pytest.raises(InvalidValue) as refused:
        value(Bares.n, [{"user": 7, "at": NUMBERS["ms"]}], key=7, as_of=AT)
    assert 'column(unit="ms")' in (refused.value.fix or "")


def test_a_file_of_times_has_no_unit(store: FeatureStore) -> None:
    """A column that holds instants is not read as numbers."""
    table = pa.table({"id": [1], "user": [7], "s": [AT], "ms": [1], "us": [1], "ns": [1]})
    _, view = make(table)
    with pytest.raises(FeatureStoreError, match="is declared timestamp in s, the data holds TIMESTAMP WITH TIME ZONE"):
        store.materialize([view])


@pytest.mark.parametrize("unit", ["min", "S", ""])
def test_a_unit_is_one_of_four(unit: Any) -> None:
    """Another one, or one of what is no instant of a source, is refused with an example."""
    with pytest.raises(InvalidDefinition, match="unit=") as caught:

        class Wrong(Source):
            at: EventTime = column(unit=unit)

    assert 'column(unit="ms")' in (caught.value.fix or "")
    with pytest.raises(InvalidDefinition, match="unit='ms'"):

        class Number(Source):
            n: Column[int] = column(unit="ms")
            at: EventTime

    with pytest.raises(InvalidDefinition, match="unit='ms'"):

        class Asks(Entity):
            at: Column[datetime] = column(unit="ms")


def test_r20_a_unit_is_part_of_the_version() -> None:
    """Another unit is another meaning, and a source without one means what it meant before there were units."""

    def source(**options: Any) -> type[Source]:
        class Ping(Source):
            at: EventTime = column(**options)

        return Ping

    meanings = [meaning_of_scan(plan_scan(source(**given))) for given in ({}, {"unit": "s"}, {"unit": "ms"})]
    assert meanings[0][1] == [["at", "at", "timestamp"]]
    assert meanings[0] != meanings[1] != meanings[2]
