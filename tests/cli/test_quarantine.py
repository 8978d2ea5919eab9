"""`quarantine`, and what `dataset` and `materialize` say of rows that do not count (R16)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.shop import Cli, visit


@pytest.fixture
def flawed(project: Path, cli: Cli) -> Path:
    """The project with five more visits: one again, one without key, id or time, and one too long for a float."""
    table = pq.read_table(project / "visits.parquet")
    seconds = pa.array(range(table.num_rows), pa.int64())
    table = table.set_column(table.schema.get_field_index("seconds"), "seconds", seconds)
    first: dict[str, Any] = table.slice(0, 1).to_pylist()[0]
    flaws: list[dict[str, Any]] = [{}, {"id": 901, "user": None}, {"id": None}, {"id": 903, "at": None}]
    more = [first | flaw for flaw in [*flaws, {"id": 904, "seconds": 2**53 + 1}]]
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(more, table.schema)]), project / "visits.parquet")
    return project


def test_r16_a_training_set_and_materialize_say_what_does_not_count(flawed: Path, cli: Cli) -> None:
    """A line for each source of which something was set aside, and one for all; as JSON the counts of every source."""
    ran = cli("dataset", "visits", "spine.parquet", "--as-of", "asked_at", "--out", "train.parquet")
    line, total, summary = ran.out.splitlines()
    assert line.startswith(
        "Visit: 125 rows read; 1 quarantined (at is null); 1 quarantined (id is null); 1 duplicate in Visit.user."
    )
    assert line.endswith("; 1 bad value of seconds read as null")
    assert total == "set aside: 2 quarantined, 1 duplicate, 1 unkeyed, 1 bad value"
    assert summary.startswith("visits version ")
    found = cli("dataset", "visits", "spine.parquet", "--as-of", "asked_at", "--json").json["set_aside"]["Visit"]
    (state,) = found.pop("states").values()
    assert state == {"applied": 121, "duplicate": 1, "unkeyed": 1, "quarantined": 2}
    assert found == {
        "rows": 125,
        "quarantined": {"at is null": 1, "id is null": 1},
        "waiting": 0,
        "bad_values": {"seconds": 1},
    }
    assert cli("materialize", "--json").json["sources"]["Visit"]["bad_values"] == {"seconds": 1}
    assert total in cli("materialize").out.splitlines()


def test_nothing_is_said_where_every_row_counts(project: Path, cli: Cli) -> None:
    """A history without flaws leaves no line behind."""
    ran = cli("dataset", "visits", "spine.parquet", "--as-of", "asked_at", "--out", "train.parquet")
    assert len(ran.out.splitlines()) == 1


def test_rows_that_were_set_aside_are_listed_with_their_place_and_reason(flawed: Path, cli: Cli) -> None:
    """Rows of files with the file and their columns as stored, pushed ones with their instant, call and place."""
    pushed = cli("ingest", "Visit", json.dumps([visit(1), visit(2, at="soon"), visit(3, id="x")]), "--json").json
    cli("ingest", "Note", "user=1", "text=a", "at=2024-03-31T02:30:00")
    ran = cli("quarantine")
    assert ran.code == 0, ran.err
    lines = [line.split("  ") for line in ran.out.splitlines()]
    assert [line[0] for line in lines[1:-1]] == ["Visit"] * 4 + ["Note"]
    assert "at does not exist in Europe/Berlin, whose clocks jumped over it" in ran.out
    assert ran.out.splitlines()[-1] == "3 rows set aside when pushed, 2 rows in files and logs"
    found = cli("quarantine", "Visit", "--json").json["sources"]["Visit"]
    assert [(each["place"], each["reason"]) for each in found["history"]["shown"]] == [
        ("visits.parquet", "id is null"),
        ("visits.parquet", "at is null"),
    ]
    assert found["history"]["shown"][1]["row"]["id"] == 903
    assert [(each["call"], each["place"], each["reason"], each["row"]["at"]) for each in found["pushed"]["shown"]] == [
        (pushed["call"], 1, "at is no timestamp", "soon"),
        (pushed["call"], 2, "id is no int64", "2024-01-01T02:30:00Z"),
    ]
    newest = cli("quarantine", "Visit", "--limit", "1", "--json").json["sources"]["Visit"]
    assert (newest["pushed"]["rows"], len(newest["pushed"]["shown"])) == (2, 1)
    assert newest["pushed"]["shown"][0]["place"] == 2


def test_an_unknown_source_is_named_with_the_near_one(project: Path, cli: Cli) -> None:
    """A mistyped source is an error, and an empty quarantine is none."""
    assert cli("quarantine", "Visits").err.splitlines()[-1] == "  fix  write `Visit`"
    assert cli("quarantine").out == "0 rows set aside when pushed, 0 rows in files and logs\n"


def test_r16_verify_says_which_rows_it_could_not_replay(flawed: Path, cli: Cli) -> None:
    """Rows that are quarantined are part of no comparison, and are told."""
    ran = cli("verify", "visits", "--cells", "200")
    assert ran.code == 0, ran.err
    assert "2 rows of Visit quarantined, so not replayed" in ran.out.splitlines()
    assert cli("verify", "visits", "--cells", "200", "--json").json["unusable"] == {"Visit": 2}
