"""What goes wrong in production is found in the serving log, each difference with the cause that was planted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurestore.online.vectors import Vectors
from featurestore.skew import causes
from tests.skew.bakery import Bakery, open_bakery


@pytest.fixture
def bakery(tmp_path: Path) -> Iterator[Bakery]:
    """A bakery, open."""
    found = open_bakery(tmp_path)
    yield found
    found.store.close()


def test_where_nothing_went_wrong_nothing_differs(bakery: Bakery) -> None:
    """Lookups before, between and after pushed rows are computed again to the bit, and agree with training."""
    bakery.serve()
    for _ in range(5):
        now = datetime.now(UTC)
        fresh = [row | {"ordered_at": now, "known_at": now + timedelta(seconds=0.02)} for row in bakery.orders(20)]
        bakery.store.ingest("Order", fresh)
        time.sleep(0.03)
        bakery.serve(2)
        earlier = datetime.now(UTC) - timedelta(hours=5)
        bakery.store.lookup("till", [{"guest": guest, "value": 1.0} for guest in range(10)], as_of=earlier)
    report = bakery.skew()
    assert report.questions == 230
    assert report.cells == report.computed == 230 * 6
    assert (report.compute_differing, report.differing, report.causes) == (0, 0, {})


def test_a_row_that_came_late_is_told_as_that(bakery: Bakery) -> None:
    """Rows pushed after the answer, known before it by their own account, are late rows; the example shows them."""
    bakery.serve()
    bakery.store.ingest("Order", bakery.orders(25))
    report = bakery.skew()
    assert report.compute_differing == 0
    assert set(report.causes) == {causes.LATE_ROW}
    example = report.examples[0]
    assert any(not row.held and row.visible and row.kind == causes.LATE_ROW for row in example.rows)
    assert example.replayed == example.served != example.training
    assert "position" in next(row.place for row in example.rows if not row.held)


def test_a_row_that_was_committed_and_not_applied_is_ingestion_lag(bakery: Bakery) -> None:
    """Rows that stood in the log while a writer had not yet applied them are ingestion lag."""
    store = bakery.store
    rows = bakery.orders(25)
    entered, left = threading.Event(), threading.Event()
    apply = store.online.states.apply

    def slowly(*arguments: Any, **options: Any) -> Any:
        entered.set()
        assert left.wait(30)
        return apply(*arguments, **options)

    store.online.states.apply = slowly  # type: ignore[method-assign]  # the same work, later
    writer = threading.Thread(target=lambda: store.ingest("Order", rows))
    writer.start()
    assert entered.wait(30)
    time.sleep(0.01)
    bakery.serve()
    left.set()
    writer.join()
    report = bakery.skew()
    assert report.compute_differing == 0
    assert set(report.causes) == {causes.LAG}


def test_a_file_that_was_not_materialised_makes_the_state_stale(bakery: Bakery) -> None:
    """A file that lay there when the answer was given, and was in no generation, is a stale refresh."""
    bakery.deliver("second.parquet", bakery.orders(25))
    time.sleep(0.02)
    bakery.serve()
    assert set(bakery.skew().causes) == {causes.STALE}
    since = datetime.now(UTC)
    bakery.store.materialize()
    bakery.serve()
    assert bakery.skew(since=since).differing == 0


def test_a_changed_definition_is_told_as_that(bakery: Bakery) -> None:
    """What an older version served is computed by its own definition, and differs only where that was another."""
    bakery.serve()
    bakery.redefine('Order.euros.sum(over=("1d", "7d"))', 'Order.euros.sum(over=("1d", "7d"), where=Order.euros > 5)')
    report = bakery.skew()
    assert report.compute_differing == 0
    assert report.version not in report.versions
    assert {each.name for each in report.features if each.differing} == {"taste__spent_1d", "taste__spent_7d"}
    assert set(report.causes) == {causes.DEFINITION}


def test_keys_that_the_server_lost_are_told_as_lost(bakery: Bakery) -> None:
    """A key that vanished from the server is answered as never seen: the log shows that its rows had been applied."""
    writer = bakery.store.online.writer
    lost = sorted(writer.scan_iter("bakery:rows:*"))[:8]
    writer.delete(*lost)
    bakery.serve()
    report = bakery.skew()
    assert set(report.causes) == {causes.LOST}
    assert report.compute_differing == report.differing > 0
    assert report.unexplained == 0


def test_a_quarantined_row_is_told_as_that(bakery: Bakery) -> None:
    """A row that was set aside when it was pushed, and is right in the warehouse, is a quarantined row."""
    rows = bakery.orders(25)
    bakery.store.ingest("Order", [row | {"ordered_at": "soon"} for row in rows])
    time.sleep(0.01)
    bakery.serve()
    bakery.deliver("second.parquet", rows)
    assert set(bakery.skew().causes) == {causes.QUARANTINED}


def test_a_key_without_any_row_yet_is_told_as_unknown(bakery: Bakery) -> None:
    """A key whose first rows came after the answer was unknown then."""
    bakery.store.lookup("till", [{"guest": 500, "value": 1.0}])
    bakery.store.ingest("Order", [row | {"guest": 500} for row in bakery.orders(3)])
    report = bakery.skew()
    assert set(report.causes) == {causes.UNKNOWN}
    assert report.examples[0].inputs == {"guest": "500", "value": "1.0"} or report.examples[0].inputs["guest"] == 500


def test_a_request_that_carried_another_value_is_told_as_that(bakery: Bakery) -> None:
    """Where the training set has another input than the request, only what is derived from it differs, for that
    cause."""
    vectors = [bakery.store.lookup("till", [{"guest": guest, "value": 10.0}]) for guest in range(20)]
    spine = pa.table(
        {
            "request_id": [each.request_id for each in vectors],
            "guest": list(range(20)),
            "value": [10.0] * 15 + [11.5] * 5,
            "as_of": pa.array([each.as_of_us for each in vectors], pa.timestamp("us", "UTC")),
        }
    )
    report = bakery.skew(spine=spine)
    assert report.causes == {causes.INPUT: 5}
    assert {each.name for each in report.features if each.differing} == {"at_till__against_usual"}


def test_two_faults_at_once_have_two_labels(bakery: Bakery) -> None:
    """A late row under a definition that has changed since: neither alone gives the value, so both are named."""
    bakery.serve(20)
    bakery.store.ingest("Order", bakery.orders(60))
    bakery.redefine('rows(over="7d")', 'rows(over="7d", where=Order.euros > 5)')
    report = bakery.skew()
    orders = next(each for each in report.features if each.name == "taste__orders")
    assert report.unexplained == 0
    assert {causes.LATE_ROW, causes.DEFINITION} <= set(orders.causes)
    both = [each for each in report.examples if set(each.causes) == {causes.LATE_ROW, causes.DEFINITION}]
    assert both and all(each.feature == "taste__orders" for each in both)
    assert sum(orders.causes.values()) > orders.differing


def test_a_file_that_was_changed_in_place_cannot_be_asked_again(bakery: Bakery) -> None:
    """When the files of a generation are no longer what they were, nothing is claimed of compute parity."""
    bakery.serve()
    bakery.deliver("first.parquet", bakery.orders(500))
    report = bakery.skew()
    assert set(report.causes) == {causes.REBUILT}
    assert report.unproven == report.cells - report.computed > 0
    assert report.compute_differing == 0
    assert any("first.parquet is no longer what it was" in text for text in report.evidence[causes.REBUILT])


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (lambda value: float(pa.scalar(value, pa.float32()).as_py()), causes.NARROWED),
        (lambda value: round(value, 1), causes.ROUNDED),
        (lambda value: value * 1.5 + 0.125, causes.UNEXPLAINED),
    ],
    ids=["narrowed", "rounded", "no cause"],
)
def test_a_fault_of_the_product_is_a_compute_difference(bakery: Bakery, fault: Any, cause: str) -> None:
    """A value that the product spoilt on its way out differs from what DuckDB says of the same rows, whatever its
    cause."""
    road = bakery.store.online._road
    answer = road.answer_canonical
    spoilt = {"taste__spent_7d", "taste__last"}

    def spoiling(*arguments: Any, **options: Any) -> Vectors:
        vectors = answer(*arguments, **options)
        places = [place for place, name in enumerate(vectors.names) if name in spoilt]
        values = tuple(
            tuple(fault(value) if place in places and value is not None else value for place, value in enumerate(row))
            for row in vectors.values
        )
        return replace(vectors, values=values)

    road.answer_canonical = spoiling  # type: ignore[method-assign]  # a fault of ours, planted
    bakery.serve()
    report = bakery.skew()
    assert set(report.causes) == {cause}
    assert {each.name for each in report.features if each.compute_differing} == spoilt
    assert report.compute_differing == report.differing
