"""Whatever is chosen to compute a training set, its bits are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.offline.choices import Choices, choose
from featurestore.offline.connection import quoted
from featurestore.offline.dataset import Choosing
from featurestore.offline.states import key_names
from featurestore.offline.tiles import Tiling, widths_for
from featurestore.plan.nodes import Plan, View
from tests.parity.test_tables import cases_of_all_aggregates
from tests.parity.voices import bits, plan_of, said_by_duckdb
from tests.strategies import Case, cases

LEAST_WIDTHS = (1, 1 << 10, 1 << 23, 1 << 36)
LATE = (0, 1, 60_000_000, 86_400_000_000)


# each is computed in four ways
@settings(max_examples=settings.default.max_examples // 4 if settings.default else 25)
@given(case=cases(), width=st.sampled_from(LEAST_WIDTHS), late_us=st.sampled_from(LATE))
def test_every_choice_gives_the_same_bits(case: Case, width: int, late_us: int) -> None:
    """Row by row, the latest row by ASOF, and tiles of all keys or of some, whatever their widths and what is late."""
    same(case, choose, _tiled(width, late_us, some=False), _tiled(width, late_us, some=True))


@settings(max_examples=2)
@given(case=cases_of_all_aggregates(), width=st.sampled_from(LEAST_WIDTHS), late_us=st.sampled_from(LATE))
def test_every_aggregate_gives_the_same_bits_from_tiles(case: Case, width: int, late_us: int) -> None:
    """A row added to the table of folds is merged as it says, or not at all."""
    same(case, _tiled(width, late_us, some=True))


def same(case: Case, *choices: Choosing) -> None:
    """What these choose says the same of a case as rows one by one."""
    plan, at = plan_of(case), [question.as_of_us for question in case.questions]
    expected = bits(said_by_duckdb(case, plan, at))
    for choosing in choices:
        assert bits(said_by_duckdb(case, plan, at, choosing=choosing)) == expected


def _tiled(width: int, late_us: int, *, some: bool) -> Choosing:
    """Tiles for all keys of all views, or for the keys of every other question."""

    def choosing(connection: duckdb.DuckDBPyConnection, plan: Plan, tables: Mapping[str, str]) -> Choices:
        chosen = choose(connection, plan, tables)
        known = {state: replace(each, few=some) for state, each in chosen.known.items()}
        tilings = {}
        for view in plan.views:
            if view.state is not None:
                table = quoted(tables[view.state.scan.source])
                [(first_us, last_us)] = connection.execute(
                    f"SELECT coalesce(min(event_at_us), 0), coalesce(max(event_at_us), 0) FROM {table} WHERE usable"
                ).fetchall()
                busy = _some(connection, view) if some else None
                lag_us = known[view.state.id].lag_us
                late = late_us if lag_us is None else lag_us
                widths = widths_for(width, last_us - first_us, 0 if lag_us is not None else late)
                tilings[view.name] = Tiling(busy, widths, first_us, last_us, late, lag_us is None, lag_us is None)
        return Choices(known, tilings, seen=chosen.seen)

    return choosing


def _some(connection: duckdb.DuckDBPyConnection, view: View) -> str:
    assert view.state is not None
    inputs = zip(view.inputs, key_names(view.state), strict=True)
    keys = ", ".join(f"{quoted(f'i_{name}')} AS {key}" for name, key in inputs)
    name = quoted(f"{view.name}.some")
    connection.execute(f"CREATE TEMP TABLE {name} AS SELECT DISTINCT {keys} FROM asked WHERE spine_row % 2 = 0")
    return name
