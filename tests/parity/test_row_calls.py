"""Every row function of the strategies, over lists, maps and all other types, on all three voices."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.expr.build import aggregate
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Literal, Node
from featurestore.semantics.dtypes import BOOL, DATE, FLOAT64, INT64, KEYS, SCALARS, STRING, TIMESTAMP, DType
from tests.parity.test_tables import agree
from tests.strategies import Case, histories, make_view, questions, source_classes
from tests.strategies.expressions import columns_of, draw_scalar, spans
from tests.strategies.row_functions import ROW_FUNCTIONS
from tests.strategies.sources import User


@st.composite
def cases_of_all_row_functions(draw: st.DrawFn) -> Case:
    """A view in which each function is called with what was aggregated from columns."""
    source = draw(source_classes())
    span, columns = spans(source)[0], columns_of(source)
    latest = [aggregate("last", column, None, span) for dtype in SCALARS for column in columns(dtype)]
    some = [aggregate("last_n", column, None, span, 3) for dtype in SCALARS for column in columns(dtype)]
    maps: list[Node] = [aggregate("rows", None, None, span, by=column) for dtype in KEYS for column in columns(dtype)]
    maps += [aggregate("sum", columns(FLOAT64)[0], None, span, by=column) for column in columns(BOOL)]
    nodes = [*latest, *some, *maps]

    def leaves(dtype: DType) -> Sequence[Node]:
        return [node for node in nodes if node.dtype == dtype]

    features: dict[str, Expr[object]] = {}
    for place, function in enumerate(ROW_FUNCTIONS):
        given = [draw_scalar(draw, leaves, each.dtype, 1) for each in function.function.parameters]
        if not all(isinstance(node, Literal) for node in given):
            features[f"called_{place}"] = function(*(Expr(node) for node in given))
    assert all(columns(dtype) for dtype in (INT64, FLOAT64, STRING, TIMESTAMP, DATE))
    view = make_view("Called", {**features, "number": Expr(nodes[0])}, source=source, entity=User)
    rows = {source.__name__: draw(histories(source))}
    return Case((view,), rows, tuple(draw(st.lists(questions((view,), rows), min_size=3, max_size=3))))


@settings(max_examples=4)
@given(case=cases_of_all_row_functions(), materialized=st.integers(0, 12))
def test_r17_every_row_function_says_the_same_on_three_voices(
    client: redis.Redis, case: Case, materialized: int
) -> None:
    """Lists and maps reach a function, and come back, as the values that the rules give."""
    agree(case, client, materialized)
