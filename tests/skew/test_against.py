"""The vectors of another system: each fault that such systems have is found, and named for what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from featurestore.errors import FeatureStoreError, MissingAsOf, MissingColumn, NaiveTime
from featurestore.offline.dataset import build_dataset
from featurestore.plan.nodes import Plan
from featurestore.skew import causes
from featurestore.skew.hypotheses import DAY_US, with_spans
from featurestore.skew.report import SkewReport
from tests.skew.bakery import Bakery, open_bakery

TILL = "till"


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bakery]:
    """A bakery, open; nothing in it is changed."""
    found = open_bakery(tmp_path_factory.mktemp("bakery"))
    yield found
    found.store.close()


@pytest.fixture(scope="module")
def spine() -> pa.Table:
    """Questions of the last days."""
    random = Random(11)
    at = [datetime.now(UTC) - timedelta(seconds=random.uniform(0, 4 * 86_400)) for _ in range(300)]
    return pa.table(
        {
            "guest": [random.randrange(35) for _ in at],
            "value": [float(random.randrange(50)) for _ in at],
            "as_of": pa.array(at, pa.timestamp("us", "UTC")),
        }
    )


Served = Callable[[Bakery, pa.Table], pa.Table]


def trained(bakery: Bakery, spine: pa.Table, plan: Plan | None = None) -> pa.Table:
    """What training says."""
    return build_dataset(plan or bakery.store.plan(TILL), spine, "as_of", bakery.store.history).table


def compared(bakery: Bakery, table: pa.Table, **options: Any) -> SkewReport:
    """The report over vectors in a file."""
    path = bakery.folder / "theirs.parquet"
    pq.write_table(table, path)
    return bakery.store.skew_against(TILL, path, **options)


def moved(by: timedelta) -> Served:
    """A system whose clock is off."""

    def served(bakery: Bakery, spine: pa.Table) -> pa.Table:
        instants = pa.array([at + by for at in spine.column("as_of").to_pylist()], pa.timestamp("us", "UTC"))
        answers = trained(bakery, spine.set_column(2, "as_of", instants))
        return answers.set_column(2, "as_of", spine.column("as_of"))

    return served


def mapped(change: Callable[[pa.ChunkedArray[Any]], Any]) -> Served:
    """A system that does something to every float."""

    def served(bakery: Bakery, spine: pa.Table) -> pa.Table:
        table = trained(bakery, spine)
        for place, name in enumerate(table.column_names[3:], start=3):
            if pa.types.is_floating(table.column(name).type):
                table = table.set_column(place, name, change(table.column(name)))
        return table

    return served


def a_day_longer(bakery: Bakery, spine: pa.Table) -> pa.Table:
    """A system whose windows are off by one day."""
    plan = bakery.store.plan(TILL)
    longer = with_spans(plan, lambda span: replace(span, length_us=(span.length_us or 0) + DAY_US))
    return trained(bakery, spine, longer)


def hourly(bakery: Bakery, spine: pa.Table) -> pa.Table:
    """A system that computes its values every hour."""
    hours = pc.floor_temporal(spine.column("as_of"), unit="hour")
    answers = trained(bakery, spine.set_column(2, "as_of", hours))
    return answers.set_column(2, "as_of", spine.column("as_of"))


def of_no_key(bakery: Bakery, spine: pa.Table) -> pa.Table:
    """A system that looks its keys up as another type, and finds none."""
    nobody = pa.array([100_000 + guest for guest in spine.column("guest").to_pylist()], pa.int64())
    answers = trained(bakery, spine.set_column(0, "guest", nobody))
    return answers.set_column(0, "guest", spine.column("guest").cast(pa.string()))


@pytest.mark.parametrize(
    ("served", "cause", "evidence"),
    [
        (moved(timedelta(hours=1)), causes.SHIFTED, "1h after"),
        (moved(timedelta(hours=-2)), causes.SHIFTED, "2h before"),
        (a_day_longer, causes.WINDOW, "windows a day longer"),
        (hourly, causes.STALE, "as of the last full 1h"),
        (mapped(lambda column: column.cast(pa.float32())), causes.NARROWED, "float32"),
        (mapped(lambda column: pc.fill_null(column, -1.0)), causes.DEFAULTED, "-1.0 served where there is no value"),
        (of_no_key, causes.KEY_TYPE, "never been seen"),
    ],
    ids=["an hour ahead", "two hours behind", "window", "hourly", "float32", "default", "key type"],
)
def test_each_fault_is_named(bakery: Bakery, spine: pa.Table, served: Served, cause: str, evidence: str) -> None:
    """All differing cells have the cause that was planted, and the evidence says which."""
    report = compared(bakery, served(bakery, spine))
    assert report.differing > 0
    assert report.causes == {cause: report.differing}
    assert any(evidence in text for text in report.evidence[cause])
    assert (report.computed, report.compute_differing) == (0, 0), "nothing is known of another system's state"


def test_equal_vectors_do_not_differ(bakery: Bakery, spine: pa.Table) -> None:
    """A system that gives the same values differs nowhere, whatever else is in its file."""
    table = trained(bakery, spine).append_column("model_score", pa.array([0.5] * 300))
    report = compared(bakery, table)
    assert (report.cells, report.differing) == (1800, 0)


def test_two_faults_at_once_are_both_named(bakery: Bakery, spine: pa.Table) -> None:
    """Values of another hour, narrowed on their way: neither alone gives them."""
    late = moved(timedelta(hours=3))(bakery, spine)
    for place, name in enumerate(late.column_names[3:], start=3):
        if pa.types.is_floating(late.column(name).type):
            late = late.set_column(place, name, late.column(name).cast(pa.float32()))
    report = compared(bakery, late)
    assert report.unexplained == 0
    both = [each for each in report.examples if set(each.causes) == {causes.SHIFTED, causes.NARROWED}]
    assert both


def test_what_nothing_explains_stays_unexplained(bakery: Bakery, spine: pa.Table) -> None:
    """Noise is given no cause."""
    random = Random(3)
    noise = mapped(lambda column: pa.array([random.gauss(0, 1) for _ in range(len(column))]))
    report = compared(bakery, noise(bakery, spine))
    assert set(report.causes) == {causes.UNEXPLAINED}


def test_columns_may_be_called_otherwise_and_features_left_out(bakery: Bakery, spine: pa.Table) -> None:
    """A column is taken for the feature that it is said to be; features that the file lacks are noted."""
    table = trained(bakery, spine).select(["guest", "value", "as_of", "taste__orders"])
    renamed = table.rename_columns(["guest", "value", "at", "n_orders"])
    report = compared(bakery, renamed, as_of="at", names={"n_orders": "taste__orders"})
    assert (report.cells, report.differing) == (300, 0)
    assert "the file has no column for 5 of 6 features" in report.notes


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (lambda table: table.drop_columns(["guest"]), MissingColumn, "lacks the input `guest`"),
        (lambda table: table.rename_columns(["guest", "value", "asof", "x"]), MissingAsOf, "no column `as_of`"),
        (lambda table: table.rename_columns(["guest", "value", "as_of", "x"]), MissingColumn, "no column of a feature"),
        (
            lambda table: table.set_column(2, "as_of", table.column("as_of").cast(pa.timestamp("us"))),
            NaiveTime,
            "have no zone",
        ),
    ],
    ids=["input", "instant", "features", "zone"],
)
def test_a_file_that_does_not_fit_is_refused(
    bakery: Bakery, spine: pa.Table, change: Any, kind: type[FeatureStoreError], says: str
) -> None:
    """What is missing is named, with what there is."""
    table = trained(bakery, spine).select(["guest", "value", "as_of", "taste__orders"])
    with pytest.raises(kind) as caught:
        compared(bakery, change(table))
    assert says in str(caught.value)
    assert caught.value.fix


def test_naive_times_are_read_in_the_zone_that_is_said(bakery: Bakery, spine: pa.Table, tmp_path: Path) -> None:
    """A file of local times is read in its zone, and agrees then."""
    table = trained(bakery, spine)
    local = table.set_column(
        2, "as_of", pc.local_timestamp(table.column("as_of").cast(pa.timestamp("us", "Asia/Tokyo")))
    )
    assert compared(bakery, local, zone="Asia/Tokyo").differing == 0
    assert set(compared(bakery, local, zone="UTC").causes) == {causes.SHIFTED}
