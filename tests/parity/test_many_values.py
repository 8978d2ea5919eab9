"""States of many values on three voices: more than a hash sketch holds, and than a leaf of the tree."""

from __future__ import annotations

from random import Random

import pytest
import redis

from featurestore.expr.build import aggregate
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import ColumnRef
from featurestore.semantics.aggregates import DECAYED
from featurestore.semantics.windows import Span
from tests.parity.voices import bits, plan_of, said_by_duckdb, said_by_redis, said_by_reference
from tests.strategies import Case, Question, make_source, make_view
from tests.strategies.expressions import NUMBERED, PARAMETERS, uses_of
from tests.strategies.sources import COLUMNS, User
from tests.strategies.values import NOW_US

SOURCE = make_source(row_id=int, order=None)
NUMBER = 1500


@pytest.mark.parametrize("over_us", [None, 3_600_000_000, 86_400_000_000])
def test_every_aggregate_of_many_values_says_the_same(client: redis.Redis, over_us: int | None) -> None:
    """Over 1,500 rows of a key, most of them materialised, all aggregates of all types agree to the bit."""
    random = Random(11)
    rows = [
        {
            **dict.fromkeys(COLUMNS),
            "id": place,
            "user": 1,
            "whole": random.randrange(-300, 900),
            "number": random.lognormvariate(3.0, 2.0) if place % 9 else float(place % 5),
            "text": f"t{random.randrange(400)}",
            "flag": random.random() < 0.3,
            "place": random.choice("abcdefgh"),
            "moment": NOW_US - random.randrange(10**9),
            "day": random.randrange(19_000, 19_700),
            "happened_at": NOW_US - random.randrange(2 * 86_400_000_000),
        }
        for place in range(NUMBER)
    ]
    columns = {spec.dtype: ColumnRef(SOURCE.__name__, spec.name, spec.dtype) for spec in SOURCE.__spec__.columns[::-1]}
    category = ColumnRef(SOURCE.__name__, "place", columns[next(d for d in columns if d.kind == "string")].dtype)
    nodes = []
    for row, dtype in uses_of(SOURCE):
        n = 3_600_000_000 if row.name in DECAYED else 2 if row.name in NUMBERED else 0
        span = Span(63 * n, n) if row.name in DECAYED else Span(over_us)
        parameter = PARAMETERS.get(row.name, ("",))[0]
        second = columns[row.second[0]] if row.second else None
        nodes.append(aggregate(row.name, columns[dtype] if dtype else None, None, span, n, parameter, None, second))
    nodes += [
        aggregate(node.function, node.input, None, node.span, by=category)
        for node in nodes
        if node.function in ("rows", "sum", "mean", "max")
    ]
    view = make_view("Many", {f"a{i}": Expr(node) for i, node in enumerate(nodes)}, source=SOURCE, entity=User)
    case = Case((view,), {SOURCE.__name__: rows}, (Question({"user": 1}, NOW_US), Question({"user": 2}, NOW_US)))
    plan = plan_of(case)
    at = [question.as_of_us for question in case.questions]
    rules = bits(said_by_reference(case, plan, at))
    assert bits(said_by_duckdb(case, plan, at)) == rules
    assert bits(said_by_redis(case, plan, at, client, NUMBER - 8)) == rules
