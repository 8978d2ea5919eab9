"""Nodes: walking and rewriting drawn expressions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from featurestore.expr.build import literal
from featurestore.expr.nodes import Aggregate, Call, Literal, Node, children, rewrite, walk
from featurestore.expr.printing import text_of
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64
from tests.strategies.expressions import AGGREGATE_USES, SIGNATURES, aggregates, calls, columns_of
from tests.strategies.sources import SOURCES

AGGREGATES = st.sampled_from(SOURCES).flatmap(aggregates)


@given(AGGREGATES)
def test_walking_meets_every_node_once_parents_first(node: Aggregate) -> None:
    """The walk is the node, then the walks of its children."""
    below = [each for child in children(node) for each in walk(child)]
    assert list(walk(node)) == [node, *below]


@given(AGGREGATES)
def test_rewriting_nothing_gives_an_equal_node(node: Aggregate) -> None:
    """A copy is equal, hashes alike and prints alike, on one line."""
    copy = rewrite(node, lambda each: each)
    assert (copy, hash(copy), text_of(copy)) == (node, hash(node), text_of(node))
    assert "\n" not in text_of(node)


@given(AGGREGATES)
def test_rewriting_reaches_every_literal(node: Aggregate) -> None:
    """A change is applied wherever it fits."""

    def change(each: Node) -> Node:
        return literal(7) if isinstance(each, Literal) and each.dtype == INT64 else each

    found = [each for each in walk(rewrite(node, change)) if isinstance(each, Literal) and each.dtype == INT64]
    assert all(each.value == 7 for each in found)


@given(st.sampled_from(SOURCES).flatmap(lambda source: calls(columns_of(source), len(SIGNATURES) - 1)))
def test_a_call_of_any_row_can_be_drawn(node: Node) -> None:
    """The last row of the table, which is where a new one goes, is drawn like the others."""
    assert isinstance(node, Call)


def test_every_aggregate_and_type_can_be_drawn() -> None:
    """Each use of the table has a column of its type in every source, so that nothing goes untested."""
    for source in SOURCES:
        leaves = columns_of(source)
        assert all(leaves(dtype) for _, dtype in AGGREGATE_USES if dtype is not None)
        assert all(leaves(dtype) for dtype in (BOOL, FLOAT64))
    assert all(SIGNATURES.values())
