"""Comparisons, boolean logic, nulls and choices."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from featurestore.semantics.dtypes import BOOL, DATE, FLOAT64, INT64, ORDERED, SCALARS, STRING, TIMESTAMP, DType, Value
from featurestore.semantics.functions.row import Scalar, same, takes


def _and(left: Value, right: Value) -> Value:
    return False if left is False or right is False else None if left is None or right is None else True


def _or(left: Value, right: Value) -> Value:
    return True if left is True or right is True else None if left is None or right is None else False


def first_present(*values: Value) -> Value:
    """The first value that is not null."""
    return next((value for value in values if value is not None), None)


def _isin(value: Value, *others: Value) -> Value:
    return None if value is None else True if value in others else None if None in others else False


def _among(given: tuple[DType, ...]) -> DType | None:
    same_scale = given[0].kind == "decimal" and len({(each.kind, each.scale) for each in given}) == 1
    alike = same_scale or (given[0] in SCALARS and len(set(given)) == 1)
    return BOOL if len(given) > 1 and alike else None


def _any_same(given: tuple[DType, ...]) -> DType | None:
    return given[0] if given and len(set(given)) == 1 else None


def _choice(given: tuple[DType, ...]) -> DType | None:
    return given[1] if len(given) == 3 and given[0] == BOOL and given[1] == given[2] else None


def _is_null(given: tuple[DType, ...]) -> DType | None:
    return BOOL if len(given) == 1 else None


def _comparison(name: str, symbol: str, sql: str, compute: Callable[..., Any]) -> Scalar:
    accepted = SCALARS if name in ("eq", "ne") else ORDERED
    return Scalar(name, same(*accepted, gives=BOOL), f"({{0}} {sql} {{1}})", compute, symbol)


ROWS: Final[tuple[Scalar, ...]] = (
    Scalar(
        "least",
        same(INT64, FLOAT64, STRING, TIMESTAMP, DATE),
        "CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END",
        min,
        written="least({all})",
    ),
    Scalar(
        "greatest",
        same(INT64, FLOAT64, STRING, TIMESTAMP, DATE),
        "CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END",
        max,
        written="greatest({all})",
    ),
    _comparison("eq", "==", "=", operator.eq),
    _comparison("ne", "!=", "<>", operator.ne),
    _comparison("lt", "<", "<", operator.lt),
    _comparison("le", "<=", "<=", operator.le),
    _comparison("gt", ">", ">", operator.gt),
    _comparison("ge", ">=", ">=", operator.ge),
    Scalar("and", takes(((BOOL, BOOL), BOOL)), "({0} AND {1})", _and, "&", nullable=True),
    Scalar("or", takes(((BOOL, BOOL), BOOL)), "({0} OR {1})", _or, "|", nullable=True),
    Scalar("not", takes(((BOOL,), BOOL)), "(NOT {0})", operator.not_, "~"),
    Scalar("is_null", _is_null, "({0} IS NULL)", lambda value: value is None, nullable=True),
    Scalar("coalesce", _any_same, "coalesce({all})", first_present, nullable=True, written="coalesce({all})"),
    Scalar("isin", _among, "({0} IN ({rest}))", _isin, nullable=True, written="{0}.isin([{rest}])"),
    Scalar(
        "when",
        _choice,
        "CASE WHEN {0} THEN {1} ELSE {2} END",
        lambda test, then, other: then if test else other,
        nullable=True,
        written="when({0}).then({1}).otherwise({2})",
    ),
)
