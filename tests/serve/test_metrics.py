"""What /metrics says of what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore.serve.metrics import MULTIPROCESS, Metrics
from tests.serve.shop import Served, click, question


def test_lookups_are_counted_by_feature_set_and_status(served: Served) -> None:
    """Requests, questions and the statuses of their values go up by what was asked."""
    requests = 'featurestore_requests_total{method="POST",route="/v1/lookup/{feature_set}",status="200"}'
    seconds = 'featurestore_request_seconds_count{route="/v1/lookup/{feature_set}"}'
    asked = 'featurestore_lookup_rows_total{feature_set="lately"}'
    values = 'featurestore_values_total{feature_set="lately",status="not_found"}'
    before = [served.metric(sample) for sample in (requests, seconds, asked, values)]
    served.lookup([{"user": -1}, {"user": -2}, {"user": -3}], "lately")
    after = [served.metric(sample) for sample in (requests, seconds, asked, values)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 3, 3]


def test_pushed_rows_are_counted_by_outcome(served: Served) -> None:
    """Each row is counted once for each state, as applied, duplicate, unkeyed or quarantined."""
    row = {"user": 3, "text": "a", "at": "2024-06-01T12:00:00"}
    state = next(iter(served.events([], "Note").json()["states"]))

    def counted() -> dict[str, float]:
        return {
            outcome: served.metric(
                f'featurestore_ingested_rows_total{{outcome="{outcome}",source="Note",state="{state}"}}'
            )
            for outcome in ("applied", "duplicate", "unkeyed", "quarantined")
        }

    before = counted()
    served.events([row, row, row | {"user": None}, row | {"at": None}], "Note")
    after = counted()
    assert {name: after[name] - before[name] for name in after} == {
        "applied": 2,
        "duplicate": 0,
        "unkeyed": 1,
        "quarantined": 1,
    }


def test_bad_values_and_quarantined_rows_are_counted_with_their_cause(served: Served) -> None:
    """A bad value goes up under its source and column, a row that was set aside under its source and reason."""
    samples = [
        'featurestore_bad_values_total{column="seconds",source="Click"}',
        'featurestore_bad_values_total{column="page",source="Click"}',
        'featurestore_quarantined_rows_total{reason="at is no timestamp",source="Click"}',
        'featurestore_quarantined_rows_total{reason="id is null",source="Click"}',
    ]
    before = [served.metric(each) for each in samples]
    served.events([click(8_000, seconds="fast", page=7), click(8_001, at="soon"), click(None), click(None)])  # type: ignore[arg-type]  # what a caller may send
    assert [served.metric(each) - known for each, known in zip(samples, before, strict=True)] == [1, 1, 1, 2]


def test_errors_are_counted_by_kind_and_made_up_paths_share_a_route(served: Served) -> None:
    """An error goes up under its name; paths that do not exist cannot fill the registry."""
    kinds = ("MissingColumn", "NotFound", "UnknownFeature")
    before = {kind: served.metric(f'featurestore_errors_total{{kind="{kind}"}}') for kind in kinds}
    served.lookup([{}])
    served.client.get("/made/up/path")
    served.lookup([question()], "made_up")
    after = {kind: served.metric(f'featurestore_errors_total{{kind="{kind}"}}') for kind in kinds}
    assert {kind: after[kind] - before[kind] for kind in kinds} == dict.fromkeys(kinds, 1)
    text = served.client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert "made" not in text.text


def test_counts_are_told_while_another_worker_begins_to_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a worker has made and not written yet has no counts, and is no error."""
    monkeypatch.setenv(MULTIPROCESS, str(tmp_path))
    (tmp_path / "counter_1.db").touch()
    assert Metrics().text() == b""
