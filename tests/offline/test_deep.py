"""Deep and repeated expressions: what DuckDB plans grows as they do, and both roads give their bits."""

from __future__ import annotations

from itertools import product
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import InvalidDefinition
from featurestore.expr.build import call, literal
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Call, ColumnRef, Default, Node, RequestRef, once, rewrite, walk
from featurestore.expr.printing import text_of
from featurestore.expr.shapes import KERNEL_LEVELS, MOST_LEVELS, height_of, levels_of
from featurestore.offline.connection import connect, define_macros
from featurestore.offline.expressions import Leaf, SqlExpressions
from featurestore.offline.stages import staged
from featurestore.plan.version import meaning_of_node
from featurestore.semantics.dtypes import FLOAT64, DType
from featurestore.semantics.kernels.table import KERNELS, columns_of
from featurestore.semantics.macros import mentions
from featurestore.semantics.scalars import SCALAR_ROWS
from tests.offline.test_functions import bits
from tests.parity.voices import said_by_python
from tests.strategies.expressions import SIGNATURES

X = RequestRef("R", "x", FLOAT64)
FLOATS = (None, 0.0, -0.5, 1e308, -1e308, 5e-324)


def statement(node: Node, *, statuses: bool = True) -> str:
    """The SELECT of one expression over a table `given`, as a view's or as a state's."""

    def name(leaf: Leaf) -> str:
        return leaf.name  # type: ignore[union-attr]  # only columns and request values are left

    compiler = SqlExpressions(name, (lambda leaf: f"s_{name(leaf)}") if statuses else None)
    relation = staged("given", [node], compiler)
    return f"SELECT {', '.join(compiler.texts([node]))} FROM {relation}"


def planned(node: Node, *, statuses: bool = True) -> int:
    """How many words DuckDB plans for an expression: macros write theirs out."""
    return mentions(statement(node, statuses=statuses), [r"\w+"])[0]


def nested(name: str, signature: tuple[DType, ...], place: int, times: int) -> Node:
    """A function inside itself, in one of its arguments."""
    leaves: list[Node] = [RequestRef("R", f"a{i}", dtype) for i, dtype in enumerate(signature)]
    zone = "Europe/Paris" if any(row.parameter for row in SCALAR_ROWS if row.name == name) else ""
    node = leaves[place]
    for _ in range(times):
        node = call(name, *leaves[:place], node, *leaves[place + 1 :], parameter=zone)
    return node


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda place: f"{place}-{SCALAR_ROWS[place].name}")
def test_every_function_inside_itself_is_planned_in_proportion_to_its_depth(row: int) -> None:
    """40 levels of each row of the table, in every argument of its own type, are planned at ten times the size of 4;
    of a kernel, whose steps are levels too, 8 levels at twice that."""
    name, tried = SCALAR_ROWS[row].name, set()
    few, many = (4, 8) if name in KERNELS else (4, 40)
    for signature, gives in SIGNATURES[row]:
        for place, dtype in enumerate(signature):
            if dtype == gives and (len(signature), place) not in tried:
                tried.add((len(signature), place))
                sizes = [planned(nested(name, signature, place, times), statuses=row % 2 == 0) for times in (few, many)]
                assert sizes[1] <= 1.1 * many / few * sizes[0]


@given(st.lists(st.sampled_from(["add", "div", "abs", "sqrt", "neg", "floor", "default", "least"]), max_size=30))
def test_functions_inside_one_another_are_planned_in_proportion_to_their_number(names: list[str]) -> None:
    """Whatever stands inside what, an expression of n calls is planned at no more than n times the largest call."""
    node: Node = X
    for name in names:
        if name == "default":
            node = Default(node, 0.5, FLOAT64)
        else:
            node = call(name, *([X, node] if name in ("div", "least") else [node, X] if name == "add" else [node]))
    assert planned(node) <= 150 * (len(names) + 1)


def test_what_is_used_again_is_planned_once() -> None:
    """A sum of a thing with itself, 15 times over, is planned as 15 sums, not as 2^15."""
    node: Node = X
    for _ in range(15):
        node = call("add", node, node)
    assert planned(node) < 15 * 50


def test_r7_floats_are_made_finite_once_and_keep_their_bits() -> None:
    """Sums, products, quotients and the like inside one another, of extreme values: the bits of Python, which makes
    each result finite and each zero positive."""
    rows = [row for row in SCALAR_ROWS if row.carries]
    assert {row.name for row in rows} == {"add", "sub", "mul", "div", "neg", "floor", "ceil"}
    leaves: list[Node] = [ColumnRef("S", name, FLOAT64) for name in "abc"]
    constants: list[Node] = [literal(value) for value in (0.0, 1e308, 1.0)]
    nodes = []
    for (one, other), (a, b, c, *_) in product(product(rows, rows), (leaves, [leaves[0], *constants])):
        arguments = {1: [a], 2: [a, b]}
        two = [row.rule((FLOAT64, FLOAT64)) is not None for row in (one, other)]
        inner = call(one.name, *arguments[1 + two[0]])
        nodes.append(call(other.name, inner, c) if two[1] else call(other.name, inner))
        if two[1]:
            nodes.append(call(other.name, c, inner))
            nodes.append(call("mul", call(other.name, inner, inner), a))
    given_rows = [dict(zip("abc", values, strict=True)) for values in product(FLOATS, repeat=3)]
    compiler = SqlExpressions(lambda leaf: leaf.name)  # type: ignore[union-attr]  # only columns are left
    relation = staged("given", nodes, compiler)
    sql = f"SELECT {', '.join(map(compiler.value, nodes))} FROM {relation}"
    with connect([]) as connection:
        connection.register("given", pa.table({name: [row[name] for row in given_rows] for name in "abc"}))
        define_macros(connection, sql)
        found = connection.execute(sql).fetchall()
    for place, node in enumerate(nodes):
        computed = said_by_python(node)
        for row, answers in zip(given_rows, found, strict=True):
            assert bits(answers[place]) == bits(computed(row)), (text_of(node), row)


def test_r7_a_scorecard_of_200_terms_has_the_same_bits_on_both_roads() -> None:
    """Conditions, products and one long sum."""
    total: Expr[Any] = Expr(literal(0.0))
    for i in range(200):
        above = Expr(X) > float(i)
        total = total + Expr(call("when", above.node, literal(0.1 * i), literal(-0.3))) * (Expr(X) - 0.7 * i)
    sql = statement(total.node, statuses=False)
    values = [None, 0.0, 17.3, 99.9, 250.0, -1e308]
    with connect([]) as connection:
        connection.register("given", pa.table({"x": pa.array(values, pa.float64())}))
        found = connection.execute(sql).fetchall()
    computed = said_by_python(total.node)
    assert [bits(each) for (each,) in found] == [bits(computed({"x": value})) for value in values]


def test_expressions_of_a_thousand_terms_are_compared_printed_and_hashed() -> None:
    """Nothing recurses with the depth of an expression, up to the most that there may be."""
    chains = []
    for _ in range(2):
        node: Node = X
        for i in range(MOST_LEVELS):
            node = call("add", node, literal(float(i)))
        chains.append(node)
    first, second = chains
    assert first is not second and first == second and hash(first) == hash(second)
    assert text_of(first).count("+") == MOST_LEVELS
    assert sum(1 for _ in walk(first)) == 2 * MOST_LEVELS + 1
    assert height_of(first) == MOST_LEVELS
    assert "nodes" in repr(first)
    assert meaning_of_node(first) == meaning_of_node(second)
    assert rewrite(first, lambda each: each) is first
    changed = rewrite(first, lambda each: literal(1.0) if each == literal(0.0) else each)
    assert meaning_of_node(changed) != meaning_of_node(first)
    assert said_by_python(first)({"x": 0.5}) == sum(range(MOST_LEVELS)) + 0.5
    with pytest.raises(InvalidDefinition, match=r"an expression is 1,501 levels deep\n +in .*\n +has .*\n +fix .*"):
        call("add", first, X)


def test_a_row_function_or_part_that_is_used_again_is_computed_once() -> None:
    """A lookup computes each part of an expression once."""
    calls: list[float] = []
    node: Node = X
    for _ in range(12):
        node = call("mul", node, node)
    part = once(node)[1]
    assert isinstance(part, Call)
    evaluated = said_by_python(node)

    class Counted(dict[Any, Any]):
        """What is known, which counts how often it is asked for."""

        def __getitem__(self, key: Any) -> Any:
            calls.append(1.0)
            return super().__getitem__(key)

    assert evaluated(Counted({"x": 1.0})) == 1.0
    assert len(calls) <= 2 * 12 + 1


def test_an_expression_is_refused_that_is_too_long_when_it_is_written_out() -> None:
    """A thing added to itself again and again has a size of its own."""
    node: Node = X
    with pytest.raises(InvalidDefinition, match="nodes long when it is written out"):
        for _ in range(20):
            node = call("add", node, node)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_no_more_levels_than_it_counts_for(name: str) -> None:
    """The depth of an expression bounds the SELECTs that it becomes."""
    assert len(columns_of(name).steps) + 1 <= KERNEL_LEVELS


def test_a_feature_counts_for_the_levels_of_its_expression() -> None:
    """A function of a feature of another view is deeper than that feature."""
    assert levels_of(call("exp", call("log", X))) == 2 * KERNEL_LEVELS
