"""Arithmetic, rounding and casts of numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, Value, finite
from featurestore.semantics.functions.row import Scalar, int64, number, same, takes

MOST_DIGITS: Final = 15
"""`round` takes from -15 to 15 digits."""
_POWERS: Final = tuple(float(f"1e{digits}") for digits in range(MOST_DIGITS + 1))


def _divide(left: float, right: float) -> Value:
    return finite(left / right) if right != 0.0 else None


def _root(value: float) -> Value:
    return math.sqrt(value) if value >= 0.0 else None


def _rounded(compute: Callable[[float], int]) -> Callable[[float], Value]:
    """floor and ceil stay float64, so that no value leaves its type."""
    return lambda value: finite(float(compute(value))) if abs(value) < 2.0**52 else value


def _to_int(value: float) -> Value:
    return int(value) if -(2.0**63) <= value < 2.0**63 else None


def _floor_divide(left: int, right: int) -> Value:
    return int64(left // right) if right else None


def _modulo(left: int, right: int) -> Value:
    return left % right if right else None


def _round(value: float, digits: int) -> Value:
    """Ties away from zero, of `value * 10^digits` as a float; from 2^52 on that has no digits to round."""
    if not -MOST_DIGITS <= digits <= MOST_DIGITS:
        return None
    power = _POWERS[abs(digits)]
    scaled = value * power if digits >= 0 else value / power
    size = abs(scaled)
    if size >= 2.0**52:
        return value
    whole = float(math.floor(size))
    whole = whole + 1.0 if size - whole >= 0.5 else whole
    whole = whole if scaled >= 0.0 else -whole
    return finite(whole / power if digits >= 0 else whole * power)


def _sql_round() -> str:
    power = "CAST('1e' || CAST(abs({1}) AS VARCHAR) AS DOUBLE)"
    scaled = f"CASE WHEN {{1}} >= 0 THEN {{0}} * {power} ELSE {{0}} / {power} END"
    return (
        f"CASE WHEN {{1}} BETWEEN -{MOST_DIGITS} AND {MOST_DIGITS} THEN "
        f"CASE WHEN abs({scaled}) >= 4503599627370496.0::DOUBLE THEN {{0}} "
        f"WHEN {{1}} >= 0 THEN fs_finite(round({scaled}) / {power}) ELSE fs_finite(round({scaled}) * {power}) END END"
    )


def _arithmetic(name: str, symbol: str, compute: Callable[..., Any]) -> list[Scalar]:
    whole = f"TRY_CAST(CAST({{0}} AS HUGEINT) {symbol} {{1}} AS BIGINT)"
    fraction = f"fs_finite({{0}} {symbol} {{1}})"
    return [
        Scalar(name, same(INT64), whole, number(compute), symbol),
        Scalar(name, same(FLOAT64), fraction, number(compute), symbol, carries=(0, 1)),
    ]


ROWS: Final[tuple[Scalar, ...]] = (
    *_arithmetic("add", "+", operator.add),
    *_arithmetic("sub", "-", operator.sub),
    *_arithmetic("mul", "*", operator.mul),
    # by zero it is not finite; a divisor that is not finite would make a zero
    Scalar("div", same(FLOAT64), "fs_finite({0} / {1})", _divide, "/", carries=(0,)),
    # DuckDB truncates, and throws for a zero and for the one quotient that int64 does not hold
    Scalar(
        "floordiv",
        same(INT64),
        "CASE {1} WHEN 0 THEN NULL WHEN -1 THEN TRY_CAST(-CAST({0} AS HUGEINT) AS BIGINT) "
        "ELSE ({0} // {1}) - CAST({0} % {1} <> 0 AND ({0} < 0) <> ({1} < 0) AS BIGINT) END",
        _floor_divide,
        "//",
    ),
    Scalar(
        "mod",
        same(INT64),
        "CASE WHEN {1} = 0 THEN NULL WHEN {1} = -1 THEN {0} - {0} "
        "WHEN {0} % {1} <> 0 AND ({0} < 0) <> ({1} < 0) THEN {0} % {1} + {1} ELSE {0} % {1} END",
        _modulo,
        "%",
    ),
    Scalar("neg", takes(((INT64,), INT64)), "TRY_CAST(-CAST({0} AS HUGEINT) AS BIGINT)", number(operator.neg), "-"),
    Scalar("neg", takes(((FLOAT64,), FLOAT64)), "fs_finite(-{0})", number(operator.neg), "-", carries=(0,)),
    Scalar("abs", takes(((INT64,), INT64)), "TRY_CAST(abs(CAST({0} AS HUGEINT)) AS BIGINT)", number(abs)),
    Scalar("abs", takes(((FLOAT64,), FLOAT64)), "abs({0})", number(abs)),
    Scalar("floor", takes(((FLOAT64,), FLOAT64)), "fs_finite(floor({0}))", _rounded(math.floor), carries=(0,)),
    Scalar("ceil", takes(((FLOAT64,), FLOAT64)), "fs_finite(ceil({0}))", _rounded(math.ceil), carries=(0,)),
    Scalar("round", takes(((FLOAT64, INT64), FLOAT64)), _sql_round(), _round),
    Scalar(
        "sign",
        takes(((INT64,), INT64), ((FLOAT64,), INT64)),
        "(CAST({0} > 0 AS BIGINT) - CAST({0} < 0 AS BIGINT))",
        lambda value: (value > 0) - (value < 0),
    ),
    Scalar("sqrt", takes(((FLOAT64,), FLOAT64)), "CASE WHEN {0} >= 0 THEN sqrt({0}) END", _root),
    Scalar("to_float", takes(((INT64,), FLOAT64), ((BOOL,), FLOAT64)), "CAST({0} AS DOUBLE)", float),
    Scalar("to_int", takes(((FLOAT64,), INT64)), "TRY_CAST(trunc({0}) AS BIGINT)", _to_int),
    Scalar("to_int", takes(((BOOL,), INT64)), "CAST({0} AS BIGINT)", int),
)
