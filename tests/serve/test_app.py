"""The routes of a running service, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from featurestore.online.keys import pointer_name
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.serve.wire import json_value
from featurestore.store import FeatureStore
from tests.serve.shop import JSON, Served, click, question


def problem(reply: httpx.Response) -> tuple[int, str]:
    """Status and title of a reply that must be a problem."""
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    body = reply.json()
    assert body["status"] == reply.status_code
    assert body["type"] == f"urn:featurestore:error:{body['title']}"
    assert body["detail"]
    return reply.status_code, body["title"]


def test_a_lookup_is_what_the_store_says(served: Served) -> None:
    """Values, statuses, names, version and instant are those of `FeatureStore.lookup`, whatever the key."""
    asked = [question(7), question(7, price=None), question(49, asked_at=None), question(10**15), question(None)]
    reply = served.lookup(asked)
    assert reply.status_code == 200, reply.text
    got = reply.json()
    with FeatureStore(served.root) as store:
        vectors = store.lookup("clicks", asked, as_of=got["as_of"])
    assert got["names"] == list(vectors.names)
    assert (got["feature_set"], got["version"]) == ("clicks", vectors.version)
    for row, values, statuses in zip(got["rows"], vectors.values, vectors.statuses, strict=True):
        expected = [json_value(value, dtype) for value, dtype in zip(values, vectors.dtypes, strict=True)]
        assert json.dumps(row["values"]) == json.dumps(expected)
        assert row["status"] == [STATUS_NAMES[code] for code in statuses]
    assert got["rows"][0]["values"][6] > 2**53
    assert {status for row in got["rows"] for status in row["status"]} == {"ok", "null", "not_found"}


def test_columns_ask_the_same_as_rows(served: Served) -> None:
    """A lookup by columns answers as one by rows does, as of the same instant."""
    rows = served.lookup([question(1), question(2)]).json()
    columns = served.lookup(question([1, 2]), as_of=rows["as_of"]).json()
    assert columns == rows


def test_pushed_rows_are_seen_by_the_next_lookup(served: Served) -> None:
    """What was pushed before a lookup was sent is in its answer, and the report says what became of every row."""
    before = served.lookup([question(31)]).json()["rows"][0]["values"][0]
    row = click(5_000, user=31, at="2024-01-05T00:00:00Z")
    report = served.events([row, row, click(5_001, user=None), click(5_002, user=31, at=None), click(5_003, big="x")])
    assert report.status_code == 200, report.text
    body = report.json()
    assert (body["source"], body["rows"], body["quarantined"], body["bad_values"]) == ("Click", 5, 1, 1)
    assert body["last"] - body["first"] == 3
    assert len(body["states"]) == 2
    for counts in body["states"].values():
        assert counts == {"applied": 2, "duplicate": 1, "unkeyed": 1, "quarantined": 1}
    assert body["set_aside"] == [{"row": 3, "reason": "at is null"}]
    assert (body["reasons"], body["bad_columns"]) == ({"at is null": 1}, {"big": 1})
    assert served.lookup([question(31)]).json()["rows"][0]["values"][0] == before + 1


def test_a_time_that_cannot_be_read_is_set_aside(served: Served) -> None:
    """A source with a zone takes local times and quarantines what is no time, whatever letters it has."""
    good = {"user": 1, "text": "a", "at": "2024-06-01T12:00:00"}
    report = served.events([good, good | {"at": "yesterday"}, good | {"at": "\ud800"}], "Note")
    assert (report.status_code, report.json()["quarantined"]) == (200, 2), report.text
    kept = (served.root / ".featurestore" / "quarantine" / "Note.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["row"]["at"] for line in kept[-2:]] == ["yesterday", "\ud800"]
    assert {json.loads(line)["call"] for line in kept[-2:]} == {report.json()["call"]}


@pytest.mark.parametrize(
    ("body", "status", "title", "detail"),
    [
        ({"inputs": [{"usr": 1}]}, 422, "MissingColumn", "question 0 lacks the inputs `user`, `price`, `asked_at`"),
        ({"inputs": [question("7")]}, 422, "InvalidValue", "'7' is not a value of type int64"),
        ({"inputs": [question(True)]}, 422, "InvalidValue", "True is not a value of type int64"),
        ({"inputs": [question(2**63)]}, 422, "InvalidValue", "9223372036854775808 is not a value of type int64"),
        ({"inputs": [question(7.5)]}, 422, "InvalidValue", "7.5 is not a value of type int64"),
        ({"inputs": [question({"a": [1]})]}, 422, "InvalidValue", "{'a': [1]} is not a value of type int64"),
        (
            {"inputs": [question(asked_at="2024-01-01T00:00")]},
            422,
            "NaiveTime",
            "the time 2024-01-01T00:00 has no zone",
        ),
        ({"inputs": [question()], "as_of": "2024-01-01T00:00:00"}, 422, "NaiveTime", "has no zone"),
        ({"inputs": [question()], "as_of": "soon"}, 422, "InvalidValue", "'soon' is not an instant"),
        ({"inputs": [question()], "as_of": "2999-01-01T00:00:00Z"}, 422, "AsOfTooLate", "lies after the store's clock"),
        ({"inputs": question([1] * 10_001)}, 422, "InputError", "a lookup of 10,001 questions is too large"),
        ({"inputs": 7}, 422, "InvalidValue", "`inputs` is neither"),
    ],
)
def test_a_question_that_does_not_fit_is_told_why(
    served: Served, body: Any, status: int, title: str, detail: str
) -> None:
    """A caller's mistake is a 4xx that names it."""
    reply = served.client.post("/v1/lookup/clicks", json=body)
    assert problem(reply) == (status, title)
    assert detail in reply.json()["detail"]


def test_an_instant_that_was_trimmed_is_a_conflict(served: Served) -> None:
    """As of an instant whose rows were trimmed, the answer is 409 and not a smaller number."""
    reply = served.lookup([{"user": 7}], "lately", as_of="2024-01-01T12:00:00Z")
    assert problem(reply) == (409, "AsOfTooEarly")


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "fix"),
    [
        ("POST", "/v1/lookup/click", 404, "UnknownFeature", "write `clicks`"),
        ("POST", "/v1/events/Clicks", 404, "UnknownFeature", "write `Click`"),
        ("GET", "/v1/lookup/clicks", 405, "MethodNotAllowed", "send it as POST"),
        ("DELETE", "/healthz", 405, "MethodNotAllowed", "send it as GET"),
        ("GET", "/v2", 404, "NotFound", "see /docs"),
        ("GET", "/healthz/", 404, "NotFound", "see /docs"),
        ("POST", "/v1/lookup/", 404, "NotFound", "see /docs"),
        ("GET", "/%ff%00", 404, "NotFound", "see /docs"),
    ],
)
def test_unknown_names_routes_and_methods_are_problems(
    served: Served, method: str, path: str, status: int, title: str, fix: str | None
) -> None:
    """Whatever does not exist is answered as a problem with the near name, where there is one."""
    reply = served.client.request(method, path, json={"inputs": []} if method == "POST" else None)
    assert problem(reply) == (status, title)
    assert reply.json().get("fix") == fix
    assert status != 405 or reply.headers["allow"]


def test_a_row_with_an_unknown_or_missing_column_is_refused_whole(served: Served) -> None:
    """Nothing of a call is taken when one of its rows has not the source's columns; any text may be the name."""
    head = served.events([]).json()
    assert problem(served.events([click(6_000), click(6_001, extra=1)])) == (422, "UnknownColumn")
    assert problem(served.events([click(6_000), {"id": 1}])) == (422, "MissingColumn")
    assert problem(served.events([{"\ud800": 1}])) == (422, "UnknownColumn")
    assert served.events([]).json() | {"call": ""} == head | {"call": ""}


@pytest.mark.parametrize(
    ("content", "headers", "status", "title"),
    [
        (b"{", JSON, 400, "MalformedBody"),
        (b'{"inputs": [{"user": NaN}]}', JSON, 400, "MalformedBody"),
        (b"[" * 100_000, JSON, 400, "MalformedBody"),
        (b"\xff\xfe", JSON, 400, "MalformedBody"),
        (b'{"inputs": []}', {"Content-Type": "text/plain"}, 415, "NotJson"),
        (b'{"inputs": []}', {}, 415, "NotJson"),
        (b" " * 2_000_001, JSON, 413, "BodyTooLarge"),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    served: Served, content: bytes, headers: dict[str, str], status: int, title: str
) -> None:
    """Malformed, undeclared and too large bodies are refused before they are looked into."""
    for path in ("/v1/lookup/clicks", "/v1/events/Click"):
        assert problem(served.client.post(path, content=content, headers=headers)) == (status, title)


def test_a_body_without_a_length_is_measured_while_it_comes(served: Served) -> None:
    """A chunked body over the limit is refused, one under it is answered."""

    def chunks(count: int) -> Iterator[bytes]:
        yield b'{"inputs": ['
        for _ in range(count):
            yield b" " * 100_000
        yield b"]}"

    assert served.client.post("/v1/lookup/clicks", content=chunks(10), headers=JSON).status_code == 200
    assert problem(served.client.post("/v1/lookup/clicks", content=chunks(50), headers=JSON)) == (413, "BodyTooLarge")


def test_no_questions_are_an_empty_answer(served: Served) -> None:
    """A lookup without questions has an instant, names and no rows."""
    reply = served.lookup([]).json()
    assert reply["rows"] == []
    assert reply["names"]


def test_many_callers_at_once_are_all_answered(served: Served) -> None:
    """Two hundred lookups and fifty pushes from forty connections each get their own answer."""

    def ask(user: int) -> Any:
        return served.lookup([question(user)]).json()["rows"][0]

    def push(place: int) -> int:
        return served.events([click(7_000 + place, user=999)]).status_code

    users = [place % 25 for place in range(200)]
    expected = served.lookup(question(users)).json()["rows"]
    with ThreadPoolExecutor(40) as callers:
        pushes = [callers.submit(push, place) for place in range(50)]
        assert list(callers.map(ask, users)) == expected
        assert {each.result() for each in pushes} == {200}
    assert served.lookup([question(999)]).json()["rows"][0]["values"][0] == 50


def test_health_says_what_is_served(served: Served) -> None:
    """The process is alive; a ready one names its feature sets with their versions."""
    assert served.client.get("/healthz").json() == {"status": "alive"}
    ready = served.client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert set(ready.json()["feature_sets"]) == {"clicks", "everything", "lately"}
    assert len(ready.json()["states"]) == 3


def test_a_failure_of_ours_shows_nothing(served: Served) -> None:
    """State that cannot be read is a 500 that names no cause, is counted, and is over when the state is whole again."""
    failures = 'featurestore_errors_total{kind="InternalError"}'
    before = served.metric(failures)
    with FeatureStore(served.root) as store:
        name = pointer_name("shop", store.plan("lately").states[0].id)
        whole = store.online.client.get(name)
        store.online.client.set(name, b'{"secret": ')
        reply = served.lookup([{"user": 7}], "lately")
        store.online.client.set(name, whole)
    assert problem(reply) == (500, "InternalError")
    assert "JSON" not in reply.text
    assert "secret" not in reply.text
    assert served.metric(failures) == before + 1
    assert served.lookup([{"user": 7}], "lately").status_code == 200
