"""What a service leaves in its serving log, and how its requests are named."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from featurestore.errors import InputError
from featurestore.log.served import served_rows, served_sets
from featurestore.semantics.instants import instant_us
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.serve.wire import json_value
from featurestore.store import FeatureStore
from tests.serve.shop import JSON, Served, click, materialised, question, serving, write_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A materialised project."""
    return materialised(write_project(tmp_path))


def kept(root: Path, feature_set: str = "clicks") -> list[dict[str, Any]]:
    """All rows of a feature set in the log."""
    found = served_rows(root / ".featurestore" / "served", feature_set)
    return [row for each in found for row in each.table().to_pylist()]


def outcome(served: Served, name: str) -> float:
    """How many records became what."""
    return served.metric(f'featurestore_served_log_records_total{{outcome="{name}"}}')


def test_the_log_says_what_the_reply_said(root: Path) -> None:
    """Each question leaves a row with the reply's values, statuses, instant and version, its inputs and positions."""
    with serving(root) as served:
        assert served.events([click(5_000, user=7, at="2024-01-05T00:00:00Z")]).status_code == 200
        asked = [question(7), question(49, price=None), question(None)]
        now = served.lookup(asked)
        then = served.client.post(
            "/v1/lookup/clicks",
            json={"inputs": [question(1)], "as_of": now.json()["as_of"]},
            headers={"X-Request-ID": "mine!"},
        )
        assert (now.status_code, then.status_code) == (200, 200), then.text
        made = now.headers["X-Request-ID"]
        assert len(made) == 16 and then.headers["X-Request-ID"] == "mine!"
        process = served.process
    assert process.returncode == 0
    rows = kept(root)
    assert [(row["request_id"], row["place"], row["asked"]) for row in rows] == [
        (made, 0, False),
        (made, 1, False),
        (made, 2, False),
        ("mine!", 0, True),
    ]
    with FeatureStore(root) as store:
        plan = store.plan("clicks")
    [state] = plan.states
    replied = [*zip(asked, now.json()["rows"], strict=True), (question(1), then.json()["rows"][0])]
    for row, (given, reply) in zip(rows, replied, strict=True):
        assert row["as_of_us"] == instant_us(now.json()["as_of"]) <= row["served_us"]
        assert (row["i.user"], row["i.price"]) == (given["user"], given["price"])
        assert row["i.asked_at"] == instant_us(given["asked_at"])
        for output, value, status in zip(plan.outputs, reply["values"], reply["status"], strict=True):
            assert json_value(row[f"v.{output.name}"], output.dtype) == value
            assert STATUS_NAMES[row[f"s.{output.name}"]] == status
        assert (row[f"a.{state.id}"], row[f"u.{state.id}"]) == (1, 1)
    assert len({row[f"g.{state.id}"] for row in rows}) == 1
    assert served_sets(root / ".featurestore" / "served") == {"clicks": [now.json()["version"]]}


@pytest.mark.parametrize("given", ["a b", "é", "x" * 129, "tab\tin", ""], ids=repr)
def test_a_name_that_is_none_is_refused(served: Served, given: str) -> None:
    """A request whose name cannot be kept gets a problem in four parts, under a name that was made."""
    headers = {"X-Request-ID": given.encode()}
    reply = served.client.post("/v1/lookup/clicks", json={"inputs": [question()]}, headers=headers)  # type: ignore[arg-type]  # bytes, for what is no ASCII
    body = reply.json()
    assert (reply.status_code, body["title"]) == (400, "BadRequestId")
    assert body["in"] == "the header `X-Request-ID`"
    assert body["has"] == "1 to 128 printable ASCII characters without spaces"
    assert "is no request id" in body["detail"] and body["fix"]
    assert len(reply.headers["X-Request-ID"]) == 16


def test_a_request_with_two_names_is_refused(served: Served) -> None:
    """Nobody can say which of two names counts."""
    headers = [("X-Request-ID", "a"), ("X-Request-ID", "b")]
    assert served.client.get("/healthz", headers=headers).status_code == 400


def test_every_reply_has_a_name(served: Served) -> None:
    """Answers, problems of any kind and routes that do not exist repeat the request's name, or have a new one."""
    client = served.client
    replies: list[httpx.Response] = []
    for headers in ({}, {"X-Request-ID": "~" * 128}):
        replies += [
            client.get("/healthz", headers=headers),
            client.get("/metrics", headers=headers),
            client.get("/nowhere", headers=headers),
            client.get("/v1/lookup/clicks", headers=headers),
            client.post("/v1/lookup/clicks", content="{", headers={**JSON, **headers}),
            client.post("/v1/lookup/clicks", json={"inputs": [{}]}, headers=headers),
            client.post("/v1/lookup/nothing", json={"inputs": [{}]}, headers=headers),
            client.post("/v1/events/Click", json={"rows": []}, headers=headers),
        ]
    names = [reply.headers["X-Request-ID"] for reply in replies]
    assert [reply.status_code for reply in replies[:8]] == [200, 200, 404, 405, 400, 422, 404, 200]
    assert names[8:] == ["~" * 128] * 8
    assert len(set(names[:8])) == 8 and {len(name) for name in names[:8]} == {16}


def test_python_leaves_the_same_records(root: Path) -> None:
    """A lookup from Python is logged too, under the name it is given or a new one, and a wrong name is refused."""
    with FeatureStore(root) as store:
        one = store.lookup("clicks", question(3), request_id="from-python")
        two = store.lookup("clicks", question(4))
        with pytest.raises(InputError, match="is no request id"):
            store.lookup("clicks", question(4), request_id="two words")
        with pytest.raises(InputError, match="is no request id"):
            store.lookup("clicks", question(4), request_id="")
    assert (one.request_id, len(two.request_id)) == ("from-python", 16)
    rows = kept(root)
    assert [(row["request_id"], row["i.user"]) for row in rows] == [("from-python", 3), (two.request_id, 4)]
    assert [row["v.clicks__n"] for row in rows] == [one.values[0][0], two.values[0][0]]
    assert abs(rows[0]["served_us"] - datetime.now(UTC).timestamp() * 1e6) < 60_000_000


def test_a_share_of_nothing_leaves_nothing(root: Path) -> None:
    """With `share = 0` there is no log, and what was left out is counted."""
    (root / "featurestore.toml").write_text('project = "shop"\n[served]\nshare = 0\n')
    with serving(root) as served:
        for _ in range(3):
            assert served.lookup([question()]).status_code == 200
        assert (outcome(served, "sampled_out"), outcome(served, "written")) == (3, 0)
    assert not (root / ".featurestore" / "served").exists()


def test_a_disk_that_fails_is_seen_in_metrics_and_nowhere_else(root: Path) -> None:
    """Lookups succeed while the log cannot be written; the loss is counted; it is written again when it can be."""
    folder = root / ".featurestore" / "served"
    folder.write_text("in the way")
    with serving(root) as served:

        def ask(name: str) -> None:
            """Enough questions for a file, and a wait until they became what is expected."""
            before, deadline = outcome(served, name), time.monotonic() + 20
            for _ in range(6):
                assert served.lookup({"user": list(range(9_000))}, "lately").status_code == 200
            while outcome(served, name) < before + 6 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert outcome(served, name) == before + 6

        ask("write_failed")
        folder.unlink()
        ask("written")
        sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
        assert served.metric("featurestore_served_log_bytes_total") == sum(sizes) > 0
        served.process.send_signal(signal.SIGTERM)
        _, said = served.process.communicate(timeout=20)
    assert said.count("the serving log cannot be written") == said.count("the serving log is written again") == 1
    assert len(kept(root, "lately")) == 6 * 9_000


def test_workers_count_together(root: Path) -> None:
    """Each of several workers writes its own files, and any of them answers for the counts of all."""
    with serving(root, workers=2) as served:
        for number in range(60):
            with httpx.Client(base_url=served.client.base_url) as client:
                reply = client.post(
                    "/v1/lookup/lately", json={"inputs": [{"user": 1}]}, headers={"X-Request-ID": f"r{number}"}
                )
                assert reply.status_code == 200
    rows = kept(root, "lately")
    assert {row["request_id"] for row in rows} == {f"r{number}" for number in range(60)} and len(rows) == 60
    files = list((root / ".featurestore" / "served" / "lately").rglob("*.parquet"))
    assert len({path.name.split("-")[1] for path in files}) == len(files) <= 2
