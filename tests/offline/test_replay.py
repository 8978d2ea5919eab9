"""Questions asked again over the rows of one's choice, for each question its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.offline.dataset import answer_canonical
from featurestore.offline.layers import EVERYTHING, Sees
from featurestore.offline.replay import Replay
from featurestore.offline.scan import History
from featurestore.plan.stored import decode_plan, encode_plan
from featurestore.tables import storage_type
from tests.parity.voices import entered, plan_of, scanned
from tests.strategies import Case, cases

FEWER = settings(max_examples=max(1, settings().max_examples // 5))


def questions_of(case: Case, plan: Any) -> pa.Table:
    """A case's questions as a table."""
    now_us = time.time_ns() // 1000 - 1_000_000
    columns: dict[str, Any] = {
        "spine_row": pa.array(range(len(case.questions)), pa.int64()),
        "as_of_us": pa.array([min(each.as_of_us, now_us) for each in case.questions], pa.int64()),
    }
    for each in plan.inputs:
        values = [entered(question.inputs[each.name]) for question in case.questions]
        columns[f"i_{each.name}"] = pa.array(values, storage_type(each.dtype))
    return pa.table(columns)


def rows_of(case: Case, keep: set[int] | None = None) -> dict[str, pa.Table]:
    """A case's rows as scans give them, or those at some places."""
    tables = {name: scanned(source.__spec__, case.rows[name]) for name, source in case.sources.items()}
    if keep is None:
        return tables
    return {
        name: table.filter(pa.array([place in keep for place in range(len(table))], pa.bool_()))
        for name, table in tables.items()
    }


@FEWER
@given(case=cases(pushed=False), seen=st.lists(st.sets(st.integers(0, 11)), min_size=4, max_size=4))
def test_a_question_that_sees_some_rows_is_answered_as_if_these_were_all(case: Case, seen: list[set[int]]) -> None:
    """Rows that only some questions see change no answer of the others, to the bit."""
    plan = plan_of(case)
    asked, rows = questions_of(case, plan), rows_of(case)
    numbered = {
        name: table.append_column("place", pa.array(range(len(table)), pa.int64())) for name, table in rows.items()
    }
    asked = asked.append_column(
        "seen", pa.array([sorted(seen[place]) for place in range(len(asked))], pa.list_(pa.int64()))
    )
    with Replay(plan, History(Path(), rows=numbered), asked) as replay:
        whole = replay.answers()
        sees = Sees("list_contains(q.seen, r.place)", {"place": "r.place"})
        restricted = replay.seeing(range(len(asked)), {view.name: sees for view in plan.views})
        everything = replay.seeing(range(len(asked)), {view.name: EVERYTHING for view in plan.views})
    assert whole.equals(answer_canonical(plan, asked, History(Path(), rows=rows)))
    assert everything.equals(whole)
    for place in range(len(asked)):
        alone = answer_canonical(plan, asked.slice(place, 1), History(Path(), rows=rows_of(case, seen[place])))
        assert restricted.slice(place, 1).equals(alone)


@FEWER
@given(case=cases(pushed=False), chosen=st.sets(st.integers(0, 3)))
def test_rows_of_other_keys_change_nothing(case: Case, chosen: set[int]) -> None:
    """Questions are answered the same, to the bit, when only the rows of their keys are read."""
    plan = plan_of(case)
    asked, history = questions_of(case, plan), History(Path(), rows=rows_of(case))
    asked = asked.filter(pa.array([place in chosen for place in range(len(asked))], pa.bool_()))
    with Replay(plan, history, asked, only_asked=True) as few, Replay(plan, history, asked) as every:
        assert few.answers().equals(every.answers())
        assert few.version() == every.version()


@given(case=cases(max_rows=1))
def test_a_plan_is_the_same_after_it_was_stored(case: Case) -> None:
    """A plan that is written and read again is equal to itself, with its data where it was."""
    plan = plan_of(case)
    assert decode_plan(encode_plan(plan), [plan]) == plan
