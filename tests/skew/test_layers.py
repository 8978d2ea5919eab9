"""Questions that are explained together have the causes that each has alone, and the work is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurestore.materialize import GENERATIONS
from featurestore.offline.replay import Limits, Replay
from featurestore.skew import causes
from featurestore.skew.compare import Served, skew
from featurestore.skew.examine import STEPS, Examined, examine, fitted
from featurestore.skew.held import Holdings
from featurestore.skew.html import html_of
from featurestore.skew.report import SkewReport
from featurestore.skew.served import served_by_us
from featurestore.skew.trials import causes_of
from tests.skew.bakery import Bakery, open_bakery

GUESTS = 3


@pytest.fixture
def bakery(tmp_path: Path) -> Iterator[Bakery]:
    """A bakery, open."""
    found = open_bakery(tmp_path)
    yield found
    found.store.close()


def busy_day(bakery: Bakery) -> None:
    """Lookups as of now and as of earlier instants, and between them late rows, rows pushed again as known before, a
    file that is not materialised, and another definition."""
    random = bakery.random

    def ask() -> None:
        for minutes in (0.0, random.uniform(1, 300)):
            as_of = datetime.now(UTC) - timedelta(minutes=minutes) if minutes else None
            asked = [{"guest": random.randrange(GUESTS), "value": float(random.randrange(3))}]
            bakery.store.lookup("till", asked, as_of=as_of)

    ask()
    for round_ in range(3):
        late = bakery.orders(5, days=0.3, guests=GUESTS)
        bakery.store.ingest("Order", late)
        ask()
        earlier = [row | {"known_at": row["known_at"] - timedelta(seconds=10), "euros": 0.5} for row in late[:3]]
        bakery.store.ingest("Order", earlier)
        ask()
        if round_ == 1:
            bakery.deliver("second.parquet", [*bakery.orders(8, days=0.3, guests=GUESTS), *earlier])
    bakery.redefine('rows(over="7d")', 'rows(over="7d", where=Order.euros > 5)')
    bakery.store.materialize()
    ask()
    bakery.store.ingest("Order", bakery.orders(6, days=0.3, guests=GUESTS))


def parts_of(bakery: Bakery) -> list[tuple[Served, pa.Table]]:
    """What each version served, as one table."""
    bakery.store.close()
    plan = bakery.store.plan("till")
    served, _ = served_by_us(bakery.store.config.home / "served", plan, [plan], 0, 2**62)
    return [(each, pa.concat_tables(each.tables)) for each in served]


def compared(bakery: Bakery, served: list[Served], limits: Limits | None = None) -> SkewReport:
    """The report of some vectors."""
    store = bakery.store
    manifests = store.config.home / GENERATIONS
    return skew(store.plan("till"), store.history, served, manifests=manifests, limits=limits)


def test_questions_explained_together_have_the_causes_of_each_alone(bakery: Bakery) -> None:
    """Each cell has the label that it has where its question is the only one, and is computed alike."""
    busy_day(bakery)
    found = set[str]()
    for part, table in parts_of(bakery):
        store = bakery.store
        plan, history = store.plan("till"), store.history
        heads = {state.scan.source: store.log.head(state.scan.source) for state in plan.states}
        history = replace(history, upto=heads)
        generations = {
            state.id: [each for each in table.column(f"g.{state.id}").unique().to_pylist() if each]
            for state in part.plan.states
        }
        table = table.append_column("spine_row", pa.array(range(table.num_rows), pa.int64()))
        with Replay(plan, history, fitted(table, plan)) as now, Replay(part.plan, history, table) as other:
            then = now if part.plan == plan else other
            held = Holdings(history, store.config.home / GENERATIONS).of(then, now, generations)

            def examined(rows: pa.Table, now: Replay = now, then: Replay = then, held: Any = held) -> Examined:
                for replay in (now, then):
                    replay.add("questions", rows)
                return examine(now, then, held)

            together = examined(table)
            for place in range(0, table.num_rows, 3):
                row = table.slice(place, 1).drop_columns(["spine_row"])
                alone = examined(row.append_column("spine_row", pa.array([0], pa.int64())))
                assert (alone.labels[0] == together.labels[place]).all()
                assert (alone.computed_alike[0] == together.computed_alike[place]).all()
            assert together.computed_alike.all() and not together.left.any()
            found |= {cause for label in together.labels.flat for cause in causes_of(int(label))}
    assert {causes.LATE_ROW, causes.STALE, causes.DEFINITION} <= found and causes.UNEXPLAINED not in found


def test_what_is_beyond_the_limit_is_counted_and_said(bakery: Bakery) -> None:
    """With a limit on rows some questions are computed again and the others are counted: their cells are not examined,
    not unexplained, and neither compute differences nor proven; text and page say so."""
    bakery.serve(4)
    bakery.store.ingest("Order", bakery.orders(60))
    [(part, table)] = parts_of(bakery)
    whole, bounded, none = (
        compared(bakery, [Served(part.version, part.plan, [table])], limits)
        for limits in (None, Limits(rows=300), Limits(rows=0))
    )
    assert set(whole.causes) == {causes.LATE_ROW} and whole.left == 0
    assert set(bounded.causes) == {causes.LATE_ROW, causes.NOT_EXAMINED}
    assert set(none.causes) == {causes.NOT_EXAMINED}
    for report in (bounded, none):
        assert report.differing == whole.differing == sum(report.causes.values())
        assert (report.compute_differing, report.unexplained) == (0, 0)
        assert report.computed + report.unproven == report.cells and report.unproven == report.left_cells > 0
        said = f"{report.left_cells:,} cells of {report.left:,} questions were not computed again"
        assert said in str(report) and said in html_of(report)
        assert "The cause of" in html_of(report) and "history is no longer" not in str(report)
    assert 0 < bounded.left < none.left


def test_progress_is_reported_from_the_first_step_on(bakery: Bakery) -> None:
    """Each step is named with the version before it is done, and no more are done than there are."""
    bakery.serve(2)
    bakery.store.ingest("Order", bakery.orders(30))
    steps: list[tuple[str, int, int]] = []
    report = bakery.store.skew("till", progress=lambda *step: steps.append(step))
    assert report.differing
    assert [done for _, done, _ in steps] == list(range(len(steps))) and len(steps) == STEPS + 3
    assert {total for *_, total in steps} == {STEPS + 3}
    assert steps[0][0].startswith("the serving log (version ") and any("questions" in step for step, *_ in steps)
