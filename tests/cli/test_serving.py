"""`ingest`, `lookup` and `serve`: rows in, vectors out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.log.served import served_rows
from featurestore.store import FeatureStore
from tests.cli.shop import AS_OF, Cli, visit

EVERYTHING = ("price=1.5", "member=true", "code=x", "asked_at=2024-01-01T05:00:00Z", "born=2000-02-29")


def test_lookup_prints_values_and_statuses(filled: Path, cli: Cli) -> None:
    """A vector is printed as name, value and status, with the instant and the version it holds for."""
    ran = cli("lookup", "visits", "user=1", "--as-of", AS_OF)
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["feature", "value", "status"]
    assert ["visits__n", "24", "ok"] in lines
    assert ["visits__last_at", "2024-01-01T01:56:00.000000Z", "ok"] in lines
    assert lines[-1][-3:] == ["as", "of", "2024-01-01T03:00:00.000000Z"]
    assert ["visits__page", "null", "not_found"] in [
        line.split() for line in cli("lookup", "visits", "user=99").out.splitlines()
    ]


def test_ingest_in_json_has_the_shape_of_http(filled: Path, cli: Cli) -> None:
    """`ingest --json` prints the reply that the service gives to the same rows."""
    from featurestore.serve.wire import report_json

    (filled / "rows.jsonl").write_text(json.dumps(visit(7_000) | {"at": None}))
    printed = cli("ingest", "Visit", "rows.jsonl", "--json").json
    with FeatureStore(filled) as store:
        served = json.loads(report_json(store.ingest("Visit", [visit(7_000) | {"at": None}])))
    assert printed | {"call": ""} == served | {"call": ""}
    assert printed["set_aside"] == [{"row": 0, "reason": "at is null"}]


def test_lookup_in_json_has_the_shape_of_http(filled: Path, cli: Cli) -> None:
    """`lookup --json` prints the reply that the service gives to the same question."""
    from featurestore.serve.wire import lookup_json

    asked: dict[str, Any] = {"user": 1, "price": 1.5, "member": True, "code": "x"}
    asked |= {"asked_at": "2024-01-01T05:00:00Z", "born": "2000-02-29"}
    ran = cli("lookup", "everything", "user=1", *EVERYTHING, "--as-of", AS_OF, "--json")
    with FeatureStore(filled) as store:
        assert ran.json == json.loads(lookup_json(store.lookup("everything", asked, as_of=AS_OF)))


def test_a_lookup_leaves_a_record(ready: Path, cli: Cli) -> None:
    """A lookup from the command line is in the serving log when the command is over."""
    assert cli("lookup", "visits", "user=1", "--as-of", AS_OF).code == 0
    [served] = served_rows(ready / ".featurestore" / "served", "visits")
    [row] = served.table().to_pylist()
    assert (row["i.user"], row["v.visits__n"], row["asked"], len(row["request_id"])) == (1, 24, True, 16)


def test_null_may_be_asked_for(filled: Path, cli: Cli) -> None:
    """`null` and nothing are null, a quoted null is the word."""
    given = ("user=", "price=null", "member=", 'code="null"', "asked_at=null", "born=")
    reply = cli("lookup", "everything", *given, "--as-of", AS_OF, "--json").json
    values = dict(zip(reply["names"], reply["rows"][0]["values"], strict=True))
    assert values["now__code"] == "null"
    assert [values[f"now__{name}"] for name in ("price", "member", "hour", "born")] == [None] * 4


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("user=one", {"name": "InvalidValue", "what": "'one' is not a value of type int64"}),
        ("user=1.0", {"name": "InvalidValue", "fix": "write a whole number within 64 bits, or null"}),
        ("user=9223372036854775808", {"name": "InvalidValue"}),
        ("price=cheap", {"name": "InvalidValue", "in": "`price` (float64) of the feature set `everything`"}),
        ("member=1", {"name": "InvalidValue", "fix": "write true, false or null"}),
        ("asked_at=2024-01-01T05:00:00", {"name": "NaiveTime"}),
        ("asked_at=today", {"name": "InvalidValue", "has": "the text 'today'"}),
        ("born=yesterday", {"name": "InvalidValue"}),
        ("usr=1", {"name": "UnknownColumn", "fix": "write `user`"}),
        ("code=x", {"name": "MissingColumn", "has": "code"}),
    ],
)
def test_a_question_that_does_not_fit_is_refused(given: str, error: dict[str, str], filled: Path, cli: Cli) -> None:
    """A text that is no value of its input's type, an unknown name or a missing one gives the four parts and code 1."""
    ran = cli("lookup", "everything", given, "--json")
    assert ran.code == 1
    found = ran.json["error"]
    assert {name: found[name] for name in error} == error
    assert ran.err.startswith(f"{found['name']}: {found['what']}\n  in   {found['in']}\n" if "in" in found else "")


def test_many_questions_come_from_a_file(ready: Path, cli: Cli) -> None:
    """`--inputs` takes JSON lines, CSV, Parquet or stdin, and answers all as of one instant, in order."""
    lines = "".join(f'{{"user": {user}}}\n' for user in (1, 99, 2))
    (ready / "asked.jsonl").write_text(lines)
    (ready / "asked.csv").write_text("user\n1\n99\n2\n")
    pq.write_table(pa.table({"user": [1, 99, 2]}), ready / "asked.parquet")
    replies = [
        cli("lookup", "visits", "--inputs", name, "--as-of", AS_OF, "--json", stdin=lines).json
        for name in ("asked.jsonl", "asked.csv", "asked.parquet", "-")
    ]
    assert [row["values"][0] for row in replies[0]["rows"]] == [24, 0, 24]
    assert all(reply == replies[0] for reply in replies)
    assert "question 2" in cli("lookup", "visits", "--inputs", "asked.csv").out


def test_an_unknown_feature_set_is_named_with_the_near_one(project: Path, cli: Cli) -> None:
    """A feature set that does not exist gives those that do, and the one that was probably meant."""
    for arguments in (("lookup", "visit", "user=1"), ("plan", "visit"), ("verify", "visit")):
        ran = cli(*arguments)
        assert ran.code == 1
        assert ran.err == (
            "UnknownFeature: there is no feature set `visit`\n  has  everything, notes, visits\n  fix  write `visits`\n"
        )


def test_a_store_that_was_never_filled_answers_nothing(project: Path, cli: Cli) -> None:
    """Before `materialize`, a lookup is an error and never nulls (R15)."""
    ran = cli("lookup", "visits", "user=1", "--json")
    assert (ran.code, ran.json["error"]["name"]) == (1, "StoreEmpty")
    assert ran.err.endswith("  fix  run `featurestore materialize --missing`\n")


def test_a_server_that_is_away_is_named(project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing answers at FEATURESTORE_REDIS_URL, the place is said and the exit code is 1."""
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", "redis://127.0.0.1:1")
    ran = cli("lookup", "visits", "user=1")
    assert ran.code == 1
    assert ran.err.startswith("StoreUnavailable: the server does not answer")
    assert "\n  in   127.0.0.1:1\n  fix  " in ran.err
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", "http://127.0.0.1")
    assert cli("materialize").err.startswith("ConfigError: the URL of the online store is malformed")


def test_pushed_rows_are_in_the_next_lookup(ready: Path, cli: Cli) -> None:
    """Rows come from a file of any kind, from stdin, as JSON or as pairs, and a lookup after each of them sees them."""
    rows = [visit(1000 + place) for place in range(4)]
    (ready / "rows.jsonl").write_text(f"{json.dumps(rows[0])}\n\n{json.dumps(rows[1])}\n")
    (ready / "rows.json").write_text(json.dumps(rows[2:]))
    header = ",".join(rows[0])
    (ready / "rows.csv").write_text(f"{header}\n" + ",".join(str(value) for value in visit(1004).values()) + "\n")
    table = pa.Table.from_pylist([visit(1005)])
    at = table.column("at").cast(pa.timestamp("us", "UTC"))
    pq.write_table(table.set_column(table.schema.get_field_index("at"), "at", at), ready / "rows.parquet")
    counts = []
    for given in ("rows.jsonl", "rows.json", "rows.csv", "rows.parquet", json.dumps(visit(1006)), "-", "pairs"):
        pairs = [f"{name}={value}" for name, value in visit(1008).items()]
        ran = cli("ingest", "Visit", *(pairs if given == "pairs" else [given]), "--json", stdin=json.dumps(visit(1007)))
        assert ran.code == 0, (given, ran.err)
        assert sum(state["applied"] for state in ran.json["states"].values()) == ran.json["rows"]
        counts.append(ran.json["rows"])
    assert counts == [2, 2, 1, 1, 1, 1, 1]
    reply = cli("lookup", "visits", "user=1", "--json").json
    assert reply["rows"][0]["values"][reply["names"].index("visits__n")] == 0  # rows of 2024 are not of the last day
    with FeatureStore(ready) as store:
        (states,) = (store.online.states.pointers(store.plan("visits").states).values(),)
        assert [pointer.applied for pointer in states if pointer] == [9]


def test_ingest_accounts_for_every_row(ready: Path, cli: Cli) -> None:
    """Rows that came before, lack a key or cannot be used are counted (R16); which were set aside is said with why."""
    rows = [
        visit(1),
        visit(2000),
        visit(2000),
        visit(2001, user=None),
        visit(2002, seconds="long"),
        visit(2003, at=None),
    ]
    ran = cli("ingest", "Visit", json.dumps([visit(2004), *rows]))
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert [int(count) for count in lines[1].split()[1:]] == [4, 1, 1, 1]
    assert lines[2] == "Visit: 7 rows in, log positions 1 to 6, 1 bad value"
    assert lines[3:] == [
        "1 bad value of seconds read as null",
        "row 6 set aside: at is null",
        "`featurestore quarantine Visit` shows what was set aside",
    ]


def test_pairs_of_a_source_with_a_zone_may_be_local(project: Path, cli: Cli) -> None:
    """A local time is taken where the source knows its zone; rows that no state reads yet wait in the log."""
    ran = cli("ingest", "Note", "user=1", "text=[bold]hi[/bold]", "at=2024-01-01T01:00:00")
    assert ran.code == 0, ran.err
    assert "the rows wait in the log" in ran.out
    assert cli("materialize").code == 0
    assert ["notes__text", "[bold]hi[/bold]", "ok"] in [
        line.split() for line in cli("lookup", "notes", "user=1").out.splitlines()
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["nothing.jsonl"], "InputError: there is no file `nothing.jsonl`"),
        (["nowhere"], "InputError: `nowhere` is no file of rows"),
        (["featurestore.toml"], "InputError: `featurestore.toml` is no file of rows"),
        (['{"id": NaN}'], "InvalidValue: this is not JSON: NaN is no JSON number"),
        (['{"id": 1, "id": 2}'], "InvalidValue: this is not JSON: the name 'id' stands twice"),
        (["[1]"], "InvalidValue: 1 is no row"),
        (["spine.parquet"], "UnknownColumn: `Visit` has no column"),
        (["id=1", "usr=2"], "UnknownColumn: the source `Visit` takes no `usr`"),
        (["id=1"], "MissingColumn: row 0 of the events lacks `user`"),
        (["id=first"], "InvalidValue: 'first' is not a value of type int64\n  in   `id` (int64) of the source `Visit`"),
        (["broken.parquet"], "InvalidValue: this is not Parquet"),
        (["broken.csv"], "InvalidValue: a line has not as many cells as the header\n  in   broken.csv, row 0"),
        (["broken.jsonl"], "InvalidValue: this is not UTF-8"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(given: list[str], says: str, project: Path, cli: Cli) -> None:
    """What is no file of rows, no JSON or no row of the source is said in four parts, and nothing is committed."""
    (project / "broken.parquet").write_text("no")
    (project / "broken.csv").write_text("id,user\n1\n")
    (project / "broken.jsonl").write_bytes(b'{"id": "\xff"}\n')
    ran = cli("ingest", "Visit", *given)
    assert ran.code == 1
    assert ran.err.startswith(says)
    with FeatureStore(project) as store:
        assert store.log.head("Visit") == 0


def test_serve_answers_until_it_is_told_to_stop(filled: Path) -> None:
    """`serve` prints its address, answers over HTTP, and leaves with 0 on SIGTERM."""
    command = [sys.executable, "-m", "featurestore.cli", "serve", "--port", "0"]
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert served.stdout is not None
    with served:
        address = next(word.rstrip(",") for word in served.stdout.readline().split() if word.startswith("http"))
        with urllib.request.urlopen(f"{address}/readyz", timeout=10) as reply:
            assert reply.status == 200
        served.send_signal(signal.SIGTERM)
        assert served.wait(20) == 0


def test_serve_says_what_is_wrong_with_the_address(project: Path, cli: Cli) -> None:
    """A host that is none of this machine's is a four-part error and code 1."""
    ran = cli("serve", "--host", "203.0.113.1", "--port", "0")
    assert ran.code == 1
    assert ran.err.startswith("ConfigError: '203.0.113.1' is no address of this machine\n")
