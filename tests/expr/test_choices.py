"""Choices: `when` and `coalesce` give one type, and say what is missing."""

from __future__ import annotations

import pytest

from featurestore.errors import InvalidDefinition, TypeMismatch
from featurestore.expr.choices import coalesce, when
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Call, ColumnRef, Literal
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, list_of

number: Expr[float] = Expr(ColumnRef("S", "number", FLOAT64))
whole: Expr[int] = Expr(ColumnRef("S", "whole", INT64))
flag: Expr[bool] = Expr(ColumnRef("S", "flag", BOOL))


def test_a_choice_tries_its_conditions_in_order() -> None:
    """The first condition that is true decides; the last value stands where none is."""
    later = Call("when", ((number > 1).node, Literal(2, INT64), Literal(3, INT64)), INT64)
    chosen = when(flag).then(1).when(number > 1).then(2).otherwise(3)
    assert chosen.node == Call("when", (flag.node, Literal(1, INT64), later), INT64)


def test_values_of_a_choice_have_one_type() -> None:
    """Ints beside floats are widened, here as everywhere."""
    assert coalesce(number, whole, 1).node.dtype == FLOAT64
    assert repr(coalesce(number, whole, 1)) == "coalesce(S.number, S.whole, 1.0)"
    assert when(flag).then(whole).otherwise(number).node.dtype == FLOAT64


def test_a_choice_between_types_is_refused() -> None:
    """A number and a text have no common type, and a number is no condition."""
    with pytest.raises(TypeMismatch, match="`coalesce` does not take float64 and string"):
        coalesce(number, "a")
    with pytest.raises(TypeMismatch, match="`when` does not take float64 and int64 and int64") as caught:
        when(number).then(1).otherwise(2)  # type: ignore[arg-type]
    assert caught.value.fix


def test_a_condition_without_a_value_is_refused() -> None:
    """A `when` that was given no `then` says so."""
    with pytest.raises(InvalidDefinition, match=r"no `\.then") as caught:
        when(flag).otherwise(1)
    assert (caught.value.where, caught.value.fix) == ("`when(S.flag)`", "write `when(test).then(value)`")


def test_a_null_constant_has_the_type_of_the_other_values() -> None:
    """`None` stands for null in any branch; a choice without `.otherwise()` is null there, and is an expression."""
    null = Literal(None, FLOAT64)
    assert when(flag).then(number).otherwise(None).node == Call("when", (flag.node, number.node, null), FLOAT64)
    assert when(flag).then(number).otherwise().node == when(flag).then(number).node
    assert repr(when(flag).then(number)) == "when(S.flag).then(S.number).otherwise(None)"
    assert when(flag).then(None).when(~flag).then(1).otherwise(number).node.dtype == FLOAT64
    assert when(flag).then(None).otherwise(whole).node.dtype == INT64
    assert (when(flag).then(1) > 0).node.dtype == BOOL
    assert when(flag).then(number.last_n(3)).node.dtype == list_of(FLOAT64)


def test_a_choice_of_nulls_has_no_type() -> None:
    """At least one value has a type."""
    with pytest.raises(InvalidDefinition, match="every value of a `when` is null") as caught:
        when(flag).then(None).otherwise(None)
    assert caught.value.where == "`when(S.flag)`"
    with pytest.raises(InvalidDefinition, match="every value of a `when` is null"):
        when(flag).then(None) > 1
