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
    alike = same_scale or (given[0] in SCALARS and len(set(given)) == 1) or set(given) == {INT64, FLOAT64}
    return BOOL if len(given) > 1 and alike else None


def _sql_isin(given: tuple[DType, ...]) -> tuple[str, Callable[..., Value]]:
    if set(given) != {INT64, FLOAT64}:
        return "({0} IN ({rest}))", _isin
    tests = [
        f"{{0}} = {{{i}}}" if each == given[0] else sql_number_comparison("=", f"{{{i}}}", "{0}", each == INT64)
        for i, each in enumerate(given[1:], start=1)
    ]
    return f"({' OR '.join(tests)})", _isin


def sql_number_comparison(sql: str, left: str, right: str, left_is_int: bool) -> str:
    """An int64 against a float64, exactly; DuckDB alone would compare the nearest floats.

    Rounding keeps order, so unequal floats decide. Where they are equal, the float is a whole number of at most 2^63.
    """
    a, b = (f"CAST({left} AS DOUBLE)", right) if left_is_int else (left, f"CAST({right} AS DOUBLE)")
    whole = f"TRY_CAST({left} AS HUGEINT) {sql} TRY_CAST({right} AS HUGEINT)"
    return f"CASE WHEN {a} = {b} THEN {whole} ELSE {a} {sql} {b} END"


def _of_numbers(given: tuple[DType, ...]) -> DType | None:
    return BOOL if len(given) == 2 and set(given) == {INT64, FLOAT64} else None


def _number_comparison(name: str, symbol: str, sql: str, compute: Callable[..., Any]) -> Scalar:
    def typed(given: tuple[DType, ...]) -> tuple[str, Callable[..., Value]]:
        return sql_number_comparison(sql, "{0}", "{1}", given[0] == INT64), compute

    return Scalar(name, _of_numbers, "", compute, symbol, typed=typed)


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
    # Python compares an int and a float exactly (R10)
    _number_comparison("eq", "==", "=", operator.eq),
    _number_comparison("ne", "!=", "<>", operator.ne),
    _number_comparison("lt", "<", "<", operator.lt),
    _number_comparison("le", "<=", "<=", operator.le),
    _number_comparison("gt", ">", ">", operator.gt),
    _number_comparison("ge", ">=", ">=", operator.ge),
    Scalar("and", takes(((BOOL, BOOL), BOOL)), "({0} AND {1})", _and, "&", nullable=True),
    Scalar("or", takes(((BOOL, BOOL), BOOL)), "({0} OR {1})", _or, "|", nullable=True),
    Scalar("not", takes(((BOOL,), BOOL)), "(NOT {0})", operator.not_, "~"),
    Scalar("is_null", _is_null, "({0} IS NULL)", lambda value: value is None, nullable=True),
    Scalar("coalesce", _any_same, "coalesce({all})", first_present, nullable=True, written="coalesce({all})"),
    Scalar("isin", _among, "", _isin, nullable=True, typed=_sql_isin, written="{0}.isin([{rest}])"),
    Scalar(
        "when",
        _choice,
        "CASE WHEN {0} THEN {1} ELSE {2} END",
        lambda test, then, other: then if test else other,
        nullable=True,
        written="when({0}).then({1}).otherwise({2})",
    ),
)
