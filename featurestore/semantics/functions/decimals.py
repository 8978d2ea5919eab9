"""Decimals: comparison, sums and differences of one scale, choices, and casts to other numbers.

A decimal is its unscaled integer, so two of one scale compare and add as integers do. What leaves 18 digits is null.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from featurestore.semantics.decimals import DIGITS, sql_to_float, to_float
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, DType, Value, decimal_of
from featurestore.semantics.functions.logic import first_present
from featurestore.semantics.functions.row import Rule, Scalar

MOST: Final = 10**DIGITS - 1


def _one_scale(given: tuple[DType, ...]) -> int | None:
    scales = {dtype.scale for dtype in given}
    return scales.pop() if {dtype.kind for dtype in given} == {"decimal"} and len(scales) == 1 else None


def _alike(*, arguments: int, gives: DType | None = None, widest: bool = False) -> Rule:
    """The rule of a function of decimals of one scale: it gives `gives`, else a decimal as wide as the widest of them
    or as any can be."""

    def rule(given: tuple[DType, ...]) -> DType | None:
        scale = _one_scale(given) if len(given) == arguments or (not arguments and given) else None
        if scale is None:
            return None
        return gives or decimal_of(max(dtype.precision for dtype in given) if widest else DIGITS, scale)

    return rule


def _first(given: tuple[DType, ...]) -> DType | None:
    """Decimals of several widths; those of one are a type like any other."""
    return _alike(arguments=0, widest=True)(given) if len(set(given)) > 1 else None


def _choice(given: tuple[DType, ...]) -> DType | None:
    return _first(given[1:]) if given[:1] == (BOOL,) and len(given) == 3 else None


def _cast(result: DType) -> Rule:
    return lambda given: result if len(given) == 1 and given[0].kind == "decimal" else None


def _within(compute: Callable[[int, int], int]) -> Callable[[int, int], Value]:
    def python(left: int, right: int) -> Value:
        result = compute(left, right)
        return result if -MOST <= result <= MOST else None

    return python


def _float_of(given: tuple[DType, ...]) -> tuple[str, Callable[..., Value]]:
    scale = given[0].scale
    return sql_to_float("{0}", scale), lambda value: to_float(value, scale)


def _int_of(given: tuple[DType, ...]) -> tuple[str, Callable[..., Value]]:
    unit = 10 ** given[0].scale
    return f"({{0}} // CAST({unit} AS BIGINT))", lambda value: abs(value) // unit * (1 if value >= 0 else -1)


def _comparison(name: str, symbol: str, sql: str, compute: Callable[..., Any]) -> list[Scalar]:
    def typed(given: tuple[DType, ...]) -> tuple[str, Callable[..., Value]]:
        scale = max(dtype.scale for dtype in given)
        left, right = (10 ** (scale - dtype.scale) for dtype in given)
        shown = [f"CAST({{{i}}} AS HUGEINT) * CAST({unit} AS HUGEINT)" for i, unit in enumerate((left, right))]
        return f"({f' {sql} '.join(shown)})", lambda one, other: compute(one * left, other * right)

    return [
        Scalar(name, _alike(arguments=2, gives=BOOL), f"({{0}} {sql} {{1}})", compute, symbol),
        Scalar(name, _two_scales, "", compute, symbol, typed=typed),
    ]


def _two_scales(given: tuple[DType, ...]) -> DType | None:
    """Two decimals of unlike scales, or one and an int64: both are whole numbers in units of the finer one."""
    kinds = [dtype.kind for dtype in given]
    exact = len(given) == 2 and "decimal" in kinds and set(kinds) <= {"decimal", "int64"}
    return BOOL if exact and _one_scale(given) is None else None


def _arithmetic(name: str, symbol: str, compute: Callable[[int, int], int]) -> Scalar:
    # both are below 10^18, so their sum is an int64
    text = f"CASE WHEN {{0}} {symbol} {{1}} BETWEEN -{MOST} AND {MOST} THEN {{0}} {symbol} {{1}} END"
    return Scalar(name, _alike(arguments=2), text, _within(compute), symbol)


ROWS: Final[tuple[Scalar, ...]] = (
    *_comparison("eq", "==", "=", operator.eq),
    *_comparison("ne", "!=", "<>", operator.ne),
    *_comparison("lt", "<", "<", operator.lt),
    *_comparison("le", "<=", "<=", operator.le),
    *_comparison("gt", ">", ">", operator.gt),
    *_comparison("ge", ">=", ">=", operator.ge),
    _arithmetic("add", "+", operator.add),
    _arithmetic("sub", "-", operator.sub),
    Scalar("neg", _alike(arguments=1, widest=True), "(-{0})", operator.neg, "-"),
    Scalar("abs", _alike(arguments=1, widest=True), "abs({0})", abs),
    Scalar("least", _alike(arguments=2, widest=True), "CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END", min),
    Scalar(
        "greatest", _alike(arguments=2, widest=True), "CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END", max
    ),
    Scalar("coalesce", _first, "coalesce({all})", first_present, nullable=True),
    Scalar(
        "when",
        _choice,
        "CASE WHEN {0} THEN {1} ELSE {2} END",
        lambda test, then, other: then if test else other,
        nullable=True,
    ),
    Scalar("to_float", _cast(FLOAT64), "", to_float, typed=_float_of),
    Scalar("to_int", _cast(INT64), "", abs, typed=_int_of),
)
