"""The serving log: what it keeps, what it drops and counts, and how it is read."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.log.served import ServedLog, is_sampled, served_rows, served_sets
from featurestore.online.pointers import Position
from featurestore.online.vectors import Vectors
from featurestore.plan.nodes import Input, Output, Plan, Scan, State, View
from featurestore.semantics.dtypes import (
    BOOL,
    DATE,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    DType,
    decimal_of,
    list_of,
    map_of,
    vector_of,
)
from tests.strategies.values import nullable, values

ROOT = Path(__file__).parents[2]
NOON_US = int(datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
DAY_US = 86_400_000_000
DTYPES: dict[str, DType] = {
    "flag": BOOL,
    "whole": INT64,
    "number": FLOAT64,
    "text": STRING,
    "moment": TIMESTAMP,
    "day": DATE,
    "price": decimal_of(18, 4),
    "texts": list_of(STRING),
    "moments": list_of(TIMESTAMP),
    "prices": list_of(decimal_of(12, 0)),
    "point": vector_of(3),
}


def plan_of(dtypes: dict[str, DType], name: str = "things", version: str = "0123456789ab") -> Plan:
    """A plan that asks for and answers with these, from two states."""
    scan = Scan("Thing", (), "at", None, None, None, 0, None, None)
    states = [State(f"Thing.{key}.5f", scan, (key,), (), (), ()) for key in ("a", "b")]
    views = tuple(View(state.id, state, state.key, (), (), "v") for state in states)
    inputs = tuple(Input(each, dtype, False) for each, dtype in dtypes.items() if dtype.kind != "map")
    outputs = tuple(Output(f"view__{each}", "View", each, dtype) for each, dtype in dtypes.items())
    return Plan(name, inputs, views, outputs, version)


SMALL = plan_of({"whole": INT64, "text": STRING})


def answer(plan: Plan, request_id: str, rows: list[dict[str, Any]], version: str | None = None) -> Vectors:
    """Vectors as a lookup gives them."""
    names = [output.feature for output in plan.outputs]
    return Vectors(
        plan.name,
        version or plan.version,
        NOON_US - 7,
        tuple(output.name for output in plan.outputs),
        tuple(output.dtype for output in plan.outputs),
        tuple(tuple(row[name] for name in names) for row in rows),
        tuple(tuple(int(row[name] is None) for name in names) for row in rows),
        tuple(Position(f"gen{place}", 5 + place, 6 + place) for place in range(len(plan.states))),
        request_id,
    )


def offer(log: ServedLog, request_id: str = "r", rows: int = 1, served_us: int = NOON_US, text: str = "x") -> None:
    """A lookup of some questions."""
    given = [{"whole": place, "text": text} for place in range(rows)]
    log.offer(SMALL, given, answer(SMALL, request_id, given), served_us, False)


def kept(folder: Path, begin_us: int = 0, end_us: int = 2**62) -> list[dict[str, Any]]:
    """All rows of the small plan."""
    tables = [each.table() for each in served_rows(folder, "things", begin_us, end_us)]
    return [row for table in tables for row in table.to_pylist()]


@settings(max_examples=30)
@given(st.lists(st.fixed_dictionaries({name: nullable(values(dtype)) for name, dtype in DTYPES.items()}), max_size=4))
def test_every_type_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    """Inputs, values and statuses are read back bit for bit, in canonical form."""
    dtypes = {**DTYPES, "tally": map_of(STRING, INT64)}
    plan, folder = plan_of(dtypes), tmp_path_factory.mktemp("served")
    answered = [{**row, "tally": (("a", 1), ("b", None))} for row in rows]
    log = ServedLog(folder)
    log.offer(plan, rows, answer(plan, "a-b", answered), NOON_US, True)
    log.close()
    found = [row for each in served_rows(folder, "things") for row in each.table().to_pylist()]
    assert len(found) == len(rows)
    for place, (row, read) in enumerate(zip(answered, found, strict=True)):
        assert (read["request_id"], read["place"], read["asked"]) == ("a-b", place, True)
        assert (read["as_of_us"], read["served_us"]) == (NOON_US - 7, NOON_US)
        for name, value in row.items():
            assert json.dumps(read[f"v.view__{name}"]) == json.dumps(value)
            assert read[f"s.view__{name}"] == int(value is None)
            assert name == "tally" or json.dumps(read[f"i.{name}"]) == json.dumps(value)
        assert (read["g.Thing.a.5f"], read["a.Thing.a.5f"], read["u.Thing.a.5f"]) == ("gen0", 5, 6)
        assert (read["g.Thing.b.5f"], read["a.Thing.b.5f"], read["u.Thing.b.5f"]) == ("gen1", 6, 7)


def test_names_and_types_are_storage(tmp_path: Path) -> None:
    """The columns of a file and what it says of itself are fixed: other programs read them."""
    log = ServedLog(tmp_path)
    row = {"whole": 1, "text": "x"}
    log.offer(SMALL, [row], answer(SMALL, "r", [row], version="answered0000"), NOON_US, False)
    log.close()
    [path] = tmp_path.rglob("*.parquet")
    assert path.relative_to(tmp_path).parent == Path("things/answered0000/2024-05-01")
    assert path.name == f"120000.000000-{os.getpid()}-1.parquet"
    schema = pq.read_schema(path)
    assert {field.name: str(field.type) for field in schema} == {
        "request_id": "string",
        "place": "int32",
        "as_of_us": "int64",
        "served_us": "int64",
        "asked": "bool",
        "i.whole": "int64",
        "i.text": "string",
        "v.view__whole": "int64",
        "s.view__whole": "int8",
        "v.view__text": "string",
        "s.view__text": "int8",
        "g.Thing.a.5f": "string",
        "a.Thing.a.5f": "int64",
        "u.Thing.a.5f": "int64",
        "g.Thing.b.5f": "string",
        "a.Thing.b.5f": "int64",
        "u.Thing.b.5f": "int64",
    }
    assert schema.metadata == {
        b"format": b"1",
        b"feature_set": b"things",
        b"version": b"answered0000",
        b"plan_version": b"0123456789ab",
    }


def test_a_period_is_read_without_its_end(tmp_path: Path) -> None:
    """Rows are found by `served_us`, whichever day or version they are of; sets and versions are listed."""
    log = ServedLog(tmp_path)
    for days in range(4):
        offer(log, f"r{days}", served_us=NOON_US + days * DAY_US)
    other = plan_of({"whole": INT64}, "others", "ba9876543210")
    log.offer(other, [{"whole": 1}], answer(other, "o", [{"whole": 1}]), NOON_US, False)
    row = {"whole": 1, "text": None}
    log.offer(SMALL, [row], answer(SMALL, "v", [row], "two"), NOON_US, False)
    log.close()
    assert served_sets(tmp_path) == {"others": ["ba9876543210"], "things": ["0123456789ab", "two"]}
    assert [row["request_id"] for row in kept(tmp_path)] == ["r0", "r1", "r2", "r3", "v"]
    assert [row["request_id"] for row in kept(tmp_path, NOON_US + DAY_US, NOON_US + 3 * DAY_US)] == ["r1", "r2"]
    assert [row["request_id"] for row in kept(tmp_path, NOON_US + DAY_US + 1, NOON_US + 3 * DAY_US + 1)] == ["r2", "r3"]
    days = [each for each in (tmp_path / "things" / "0123456789ab").iterdir() if each.is_dir()]
    assert len(days) == 4, "a file is of one day"
    assert served_sets(tmp_path / "nowhere") == {} and served_rows(tmp_path, "nothing") == []


def test_a_sample_is_the_same_everywhere(tmp_path: Path) -> None:
    """A lookup is kept iff the first eight bytes of the MD5 of its id are below the share; the others are counted."""
    log = ServedLog(tmp_path, 0.25)
    names = [f"request-{number}" for number in range(2_000)]
    for name in names:
        offer(log, name)
    log.close()
    found = [row["request_id"] for row in kept(tmp_path)]
    assert found == [name for name in names if is_sampled(name, 0.25)] and 400 < len(found) < 600
    counts = log.counts()
    assert (counts["written"], counts["sampled_out"]) == (len(found), 2_000 - len(found))
    # of the ids a and b, the hashes begin 0cc1 and 92eb
    assert [is_sampled("a", 0.05), is_sampled("a", 0.04), is_sampled("b", 0.58), is_sampled("b", 0.57)] == [
        True,
        False,
        True,
        False,
    ]
    assert not any(is_sampled(name, 0.0) for name in names) and all(is_sampled(name, 1.0) for name in names)


def test_memory_is_bounded_in_records_and_in_cells(tmp_path: Path) -> None:
    """What has no room is dropped and counted, a long text takes much room, and room comes back with a flush."""
    log = ServedLog(tmp_path / "records", most_records=10)
    for _ in range(25):
        offer(log)
    assert (log.counts()["buffer_full"], log.counts()["written"]) == (15, 0)
    log.flush()
    offer(log)
    log.close()
    assert (log.counts()["buffer_full"], log.counts()["written"]) == (15, 11)
    log = ServedLog(tmp_path / "cells", most_cells=1_000)
    offer(log, rows=50)
    offer(log, rows=20)
    assert log.counts()["buffer_full"] == 1, "50 questions of 17 columns, and no room for 20 more"
    offer(log, text="x" * 4_000)
    assert log.counts()["buffer_full"] == 2
    log.close()
    assert log.counts()["written"] == 1


def test_many_threads_offer_and_nothing_is_lost(tmp_path: Path) -> None:
    """Every record of many threads is written once, by files of the size and age that were asked for."""
    log = ServedLog(tmp_path, flush_rows=300, flush_s=0.2)

    def serve(thread: int) -> None:
        for number in range(200):
            offer(log, f"{thread}-{number}", rows=1 + number % 3)

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 10
    while log.counts()["written"] < 1_200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert log.counts()["written"] == 1_200, "by the thread, without a close"
    log.close()
    rows = kept(tmp_path)
    expected = {
        (f"{thread}-{number}", place) for thread in range(6) for number in range(200) for place in range(1 + number % 3)
    }
    assert len(rows) == len(expected) and {(row["request_id"], row["place"]) for row in rows} == expected
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.parquet")) == log.counts()["bytes"]
    offer(log, "after the close")
    log.close()
    assert kept(tmp_path)[-1]["request_id"] == "after the close"


def test_a_large_lookup_is_cut_into_batches(tmp_path: Path) -> None:
    """A lookup of thousands of questions keeps its places in order."""
    log = ServedLog(tmp_path)
    offer(log, "small", rows=3)
    offer(log, "large", rows=1_700)
    offer(log, "none", rows=0)
    log.close()
    places = [(row["request_id"], row["place"], row["i.whole"]) for row in kept(tmp_path)]
    assert places == [("small", place, place) for place in range(3)] + [
        ("large", place, place) for place in range(1_700)
    ]


def test_a_failing_disk_is_counted_told_once_and_recovers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the folder cannot be written, offers go on, each record is counted; when it can, it is again."""
    folder = tmp_path / "served"
    folder.write_text("in the way")
    log = ServedLog(folder)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            offer(log, f"lost{number}")
            log.flush()
        folder.unlink()
        offer(log, "kept")
        log.flush()
        log.close()
    assert (log.counts()["write_failed"], log.counts()["written"]) == (3, 1)
    assert [row["request_id"] for row in kept(folder)] == ["kept"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "cannot be written" in told[0] and told[1] == "the serving log is written again"


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """While a write does not come back, offers go on until memory is full, and are counted then."""
    log = ServedLog(tmp_path, most_records=100, flush_s=0.0)
    offer(log)
    with log._writing:  # as the thread holds it while it writes
        started = time.monotonic()
        for _ in range(1_000):
            offer(log)
        assert time.monotonic() - started < 2
        assert log.counts()["buffer_full"] >= 900
    log.close()
    assert log.counts()["written"] + log.counts()["buffer_full"] == 1_001


def test_a_record_that_cannot_be_stored_harms_nobody(tmp_path: Path) -> None:
    """What no column holds is counted as not written, and an offer of it does not raise."""
    log = ServedLog(tmp_path)
    log.offer(
        SMALL, [{"whole": "no number", "text": "x"}], answer(SMALL, "bad", [{"whole": 1, "text": "x"}]), NOON_US, False
    )
    log.offer(SMALL, [{}], answer(SMALL, "worse", [{"whole": 1, "text": "x"}]), NOON_US, False)
    log.flush()
    offer(log, "good")
    log.close()
    assert [row["request_id"] for row in kept(tmp_path)] == ["good"]
    assert (log.counts()["written"], log.counts()["write_failed"]) == (1, 2)


PROGRAM = """
import os, sys
from pathlib import Path
from tests.log.test_served import ServedLog, offer
log = ServedLog(Path(sys.argv[1]))
offer(log, "parent before")
child = os.fork()
if child == 0:
    offer(log, "child")
    log.close()
    os._exit(0 if log.counts()["written"] == 1 else 1)
offer(log, "parent after")
assert os.waitpid(child, 0)[1] == 0
assert log.counts()["written"] == 1
"""


def test_a_fork_writes_each_record_once_and_an_exit_loses_none(tmp_path: Path) -> None:
    """What was held is written before a fork, the child begins anew, and a process that ends writes the rest."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert sorted(row["request_id"] for row in kept(tmp_path)) == ["child", "parent after", "parent before"]
