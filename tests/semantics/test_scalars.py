"""Scalar functions: each row of the table against the reference, for each combination of types it takes."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.expr.nodes import Call, Literal
from featurestore.semantics.dtypes import INT64, DType, Value, canonical, python_value
from featurestore.semantics.scalars import SCALAR_ROWS, Scalar, scalar_row
from tests.reference_functions import FUNCTIONS, OF_ITEMS, called, entered
from tests.strategies.expressions import AFTER, SIGNATURES, ZONES
from tests.strategies.values import nullable, values

USES = [(row, given, gives) for place, row in enumerate(SCALAR_ROWS) for given, gives in SIGNATURES[place]]
_RANGES = {
    "local_midnight": st.integers(-719_162, 2_932_896).map(lambda days: days * 86_400_000_000),
    "time_of_day": st.integers(0, 86_400_000_000 - 1),
    "day_number": st.integers(-(2**63) // 86_400_000_000, 2**63 // 86_400_000_000) | st.integers(-800_000, 3_000_000),
}

# a share of the examples for each row of the table, since there are many rows
FEWER = settings(max_examples=max(1, settings().max_examples // 4))


@cache
def arguments(row: Scalar, signature: tuple[DType, ...]) -> st.SearchStrategy[list[Value]]:
    """Arguments of a function; the steps of a clock take what the step before them gives."""
    step = _RANGES.get(AFTER.get(row.name, ""))
    drawn = [nullable(step if step is not None else values(dtype)).map(entered) for dtype in signature]
    alike = values(signature[0]).map(entered).map(lambda value: [value] * len(signature))
    return (
        st.tuples(*drawn).map(list) | alike
        if len(set(signature)) == 1 and step is None
        else st.tuples(*drawn).map(list)
    )


def outcome(row: Scalar, given: list[Value], parameter: str) -> Value:
    """What evaluating a row of the table gives: null for a null argument unless the row says otherwise."""
    if not row.nullable and None in given:
        return None
    return row.python(*given, *([parameter] if row.parameter else []))


@pytest.mark.parametrize(
    "place",
    range(len(SCALAR_ROWS)),
    ids=[f"{row.name}-{SIGNATURES[place][0][0][0]}" for place, row in enumerate(SCALAR_ROWS)],
)
@FEWER
@given(data=st.data())
def test_r10_a_function_gives_the_bits_of_the_reference(place: int, data: st.DataObject) -> None:
    """Every row of the table gives value and type of the reference, whatever it is given."""
    row = SCALAR_ROWS[place]
    signature, gives = data.draw(st.sampled_from(SIGNATURES[place]))
    given, parameter = data.draw(arguments(row, signature)), data.draw(st.sampled_from(ZONES)) if row.parameter else ""
    nodes = tuple(Literal(value, dtype) for value, dtype in zip(given, signature, strict=True))
    expected = called(Call(row.name, nodes, gives, parameter), given)
    bound = scalar_row(row.name, signature)
    assert bound is not None
    found = outcome(bound[0], given, parameter)
    assert repr(found) == repr(expected)
    assert (
        found is None
        or gives.kind in ("timestamp", "date", "decimal", "list", "map")
        or canonical(found, gives) == found
    )


@pytest.mark.parametrize("name", sorted({row.name for row in SCALAR_ROWS}))
def test_r10_types_decide_the_row(name: str) -> None:
    """No combination of types is taken by two rows of one name."""
    taken = [given for row, given, _ in USES if row.name == name]
    assert len(taken) == len(set(taken))
    assert all(scalar_row(name, given) for given in taken)


def test_every_function_has_a_rule_in_the_reference() -> None:
    """The reference knows the functions of the language and no other."""
    assert FUNCTIONS.keys() | OF_ITEMS.keys() == {row.name for row in SCALAR_ROWS}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("add", [2**63 - 1, 1], None),
        ("sub", [-(2**63), 1], None),
        ("mul", [2**62, 2], None),
        ("neg", [-(2**63)], None),
        ("abs", [-(2**63)], None),
        ("add", [1e308, 1e308], None),
        ("div", [1.0, 0.0], None),
        ("div", [1e308, 1e-308], None),
        ("mul", [-1.0, 0.0], 0.0),
        ("sqrt", [-1e-300], None),
        ("sqrt", [2.0], 1.4142135623730951),
        ("ceil", [-0.5], 0.0),
        ("floor", [-0.5], -1.0),
        ("to_int", [-1.9], -1),
        ("to_int", [2.0**63], None),
        ("to_int", [-(2.0**63)], -(2**63)),
        ("to_float", [2**53 + 1], 2.0**53),
        ("lt", ["\uffff", "\U0001f600"], True),
        ("lt", ["Z", "a"], True),
        ("and", [False, None], False),
        ("and", [True, None], None),
        ("or", [None, True], True),
        ("or", [None, False], None),
        ("when", [None, 1, 2], 2),
        ("coalesce", [None, None, 3], 3),
    ],
)
def test_r10_edges_by_hand(name: str, given: list[Any], expected: Any) -> None:
    """Overflow and the undefined are null, zero has one sign, texts are code points, null logic is that of SQL."""
    types = {bool: "bool", int: "int64", float: "float64", str: "string"}
    filler = next(types[type(value)] for value in reversed(given) if value is not None)
    kinds = [DType(types.get(type(value), filler)) for value in given]  # type: ignore[arg-type]
    kinds[0] = DType("bool") if name in ("when", "and", "or") else kinds[0]
    found = scalar_row(name, tuple(kinds))
    assert found is not None
    assert repr(outcome(found[0], given, "")) == repr(expected)


def test_python_values_come_back_as_they_were() -> None:
    """What an author can write as a constant is what a function is given."""
    assert canonical(python_value(7, INT64), INT64) == 7
