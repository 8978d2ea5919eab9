"""Every row of the tables in `semantics`, with every input type it takes, on all three voices in each example."""

from __future__ import annotations

import time

import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore import Source
from featurestore.expr.build import aggregate
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Call, ColumnRef, Node, walk
from featurestore.plan.build import MOST_FILTERS
from featurestore.semantics.aggregates import AGGREGATES, TIMED
from featurestore.semantics.dtypes import KEYS
from featurestore.semantics.scalars import SCALAR_ROWS
from featurestore.semantics.windows import Span
from tests.parity.voices import bits, plan_of, said_by_duckdb, said_by_redis, said_by_reference
from tests.strategies import Case, aggregates, histories, make_view, questions, source_classes
from tests.strategies.expressions import SIGNATURES, Leaves, columns_of, draw_call, reachable, spans, uses_of
from tests.strategies.sources import User

EXAMPLES = settings(max_examples=8)


@st.composite
def cases_of_all_aggregates(draw: st.DrawFn) -> Case:
    """Views with every row of the table for every type it takes, in each as many as it may have conditions."""
    source = draw(source_classes())
    nodes = [draw(aggregates(source, use)) for use in uses_of(source)]
    assert {node.function for node in nodes} >= {row.name for row in AGGREGATES} - TIMED
    views = tuple(
        make_view(
            f"All{start}",
            {f"a{i}": Expr(node) for i, node in enumerate(nodes[start : start + MOST_FILTERS], start)},
            source=source,
            entity=User,
        )
        for start in range(0, len(nodes), MOST_FILTERS)
    )
    rows = {source.__name__: draw(histories(source))}
    return Case(views, rows, tuple(draw(st.lists(questions(views, rows), min_size=3, max_size=3))))


@st.composite
def cases_of_all_scalars(draw: st.DrawFn) -> Case:
    """A view whose features apply every function of the table to columns, and to what was aggregated from them."""
    source = draw(source_classes())
    span = spans(source)[0]
    columns = columns_of(source)
    features: dict[str, Node] = {}
    latest: dict[ColumnRef, Node] = {}
    for place in SIGNATURES:
        if not any(reachable(columns, given) for given, _ in SIGNATURES[place]):
            features[f"map_{place}"] = draw_call(draw, _maps_of(source, span), place)
            continue
        node = draw_call(draw, columns, place)
        if not any(isinstance(each, ColumnRef) for each in walk(node)) or node.dtype.kind == "map":
            continue
        features[f"row_{place}"] = aggregate("last", node, None, span)
        features[f"answer_{place}"] = _lifted(node, latest, span)
    view = make_view("All", {name: Expr(node) for name, node in features.items()}, source=source, entity=User)
    rows = {source.__name__: draw(histories(source))}
    return Case((view,), rows, tuple(draw(st.lists(questions((view,), rows), min_size=3, max_size=3))))


def _maps_of(source: type[Source], span: Span) -> Leaves:
    """What is given by category, by type: no column holds a map."""
    columns = columns_of(source)
    nodes = [aggregate("rows", None, None, span, by=column) for dtype in KEYS for column in columns(dtype)]
    return lambda dtype: [node for node in nodes if node.dtype == dtype]


def _lifted(node: Node, latest: dict[ColumnRef, Node], span: object) -> Node:
    """The same function over the latest values of the columns."""
    if isinstance(node, ColumnRef):
        return latest.setdefault(node, aggregate("last", node, None, span))  # type: ignore[arg-type]
    if isinstance(node, Call):
        return Call(
            node.function, tuple(_lifted(each, latest, span) for each in node.arguments), node.dtype, node.parameter
        )
    return node


@EXAMPLES
@given(case=cases_of_all_aggregates(), materialized=st.integers(0, 12))
def test_every_aggregate_says_the_same_on_three_voices(client: redis.Redis, case: Case, materialized: int) -> None:
    """A row added to the table of aggregates is tested by being there."""
    agree(case, client, materialized)


@EXAMPLES
@given(case=cases_of_all_scalars(), materialized=st.integers(0, 12))
def test_r10_every_function_says_the_same_on_three_voices(client: redis.Redis, case: Case, materialized: int) -> None:
    """A row added to the table of functions is tested by being there, over rows and over answers."""
    named = {feature.name for feature in case.views[0].__spec__.features}
    assert len(named) > len(SCALAR_ROWS)
    agree(case, client, materialized)


def agree(case: Case, client: redis.Redis, materialized: int) -> None:
    """All three voices say the same of a case."""
    plan = plan_of(case)
    now_us = time.time_ns() // 1000 - 1_000_000
    at = [min(question.as_of_us, now_us) for question in case.questions]
    rules = bits(said_by_reference(case, plan, at))
    assert bits(said_by_duckdb(case, plan, at)) == rules
    assert bits(said_by_redis(case, plan, at, client, materialized)) == rules
