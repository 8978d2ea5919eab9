"""Reference, DuckDB and Redis give the same bits for random definitions, histories and instants."""

from __future__ import annotations

import time

import redis
from hypothesis import given, note
from hypothesis import strategies as st

from tests.parity.voices import bits, plan_of, said_by_duckdb, said_by_redis, said_by_reference
from tests.strategies import Case, cases


@given(case=cases(), materialized=st.integers(0, 12))
def test_r18_three_voices_say_the_same_bits(client: redis.Redis, case: Case, materialized: int) -> None:
    """Whatever is defined, has happened and is asked, the rules, DuckDB and Redis agree to the bit, statuses
    included."""
    plan = plan_of(case)
    now_us = time.time_ns() // 1000 - 1_000_000
    at = [min(question.as_of_us, now_us) for question in case.questions]
    note("\n".join(f"{view.name}.{feature.name} = {feature.node}" for view in plan.views for feature in view.features))
    rules = bits(said_by_reference(case, plan, at))
    assert bits(said_by_duckdb(case, plan, at)) == rules
    assert bits(said_by_redis(case, plan, at, client, materialized)) == rules
